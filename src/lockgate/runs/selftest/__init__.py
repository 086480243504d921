"""Defects planted into copies of a candidate, and which gates stop them."""
