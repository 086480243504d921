"""Whether a model serves where it was made for: its packages, and its answers to golden rows."""
