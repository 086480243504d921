"""Rows that two data sets share: cells hashed so that spelling does not matter, and rows matched by them."""
