"""Where a model answers, and what its answers are."""
