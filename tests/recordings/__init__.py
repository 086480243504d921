"""What the commands said, kept so that a reordering of the code is held against it."""
