"""Datasets: formats, remote files, labels, slices."""
