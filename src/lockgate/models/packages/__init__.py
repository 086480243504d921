"""The packages that a model declares, and those that are where it serves."""
