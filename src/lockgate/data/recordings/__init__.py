"""Recorded requests, as those who log them write them, as flat columns: nested, encoded, several rows in one record."""
