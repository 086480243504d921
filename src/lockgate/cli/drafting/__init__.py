"""Make the first pipeline of a model from what its registry, its answers and its data show."""
