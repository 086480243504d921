"""Shift: how far the rows that models meet are from those that their verdict rests on."""
