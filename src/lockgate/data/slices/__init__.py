"""Slices of a dataset: declarations, names, masks."""
