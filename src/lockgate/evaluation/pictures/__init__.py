"""The points of pictures: exhibits that show what verdicts rest on, and decide nothing.

Every point is a mean, a count or a share of at least ten rows, at numbers that no row needs to have: no row can be read from
them. Curves of ranks alone step by single rows, in the order of their scores and without these.
"""

from __future__ import annotations

FEWEST = 10  # rows that a group needs to be shown
LEVEL = 0.9  # of every interval, as those of verdicts
MOST_SLICES = 300


def rounded(value: float) -> float:
    """Six figures: what an eye sees, and the same on every machine."""
    return float(f"{value:.6g}")
