"""Textbook methods that notebooks and comparisons use; no verdict rests on them."""
