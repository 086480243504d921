"""Metrics per slice, from rows or from sums."""
