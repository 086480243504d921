"""Judge requests of an earlier run by labels that came later."""
