"""Adjusted p-values for several tests at once, in input order."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted so that P(any true null is rejected at alpha) <= alpha, whatever the dependence. Source: Holm 1979."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted, running = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted so that the expected share of false rejections is at most alpha. Source: Benjamini & Hochberg 1995."""
    order = sorted(range(len(p)), key=lambda index: p[index], reverse=True)
    adjusted, running = [0.0] * len(p), 1.0
    for rank, index in enumerate(order):
        running = min(running, p[index] * len(p) / (len(p) - rank))
        adjusted[index] = running
    return adjusted
