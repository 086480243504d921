"""Labels that come after the answers: joined to requests of an earlier run, and how many of those they cover."""
