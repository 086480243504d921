"""Functions that a team might write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def profit(labels: Any, scores: Any, rows: Mapping[str, Any]) -> float:
    """What is earned a row when rows of a score from 0.5 on are refused: an unseen fraud costs ten."""
    accepted = scores < 0.5
    return float((accepted * (1 - 11 * labels)).mean())


def cost(labels: Any, scores: Any, rows: Mapping[str, Any]) -> Any:
    """The same of each row, as a cost."""
    return (scores < 0.5) * (11.0 * labels - 1)


def amount_at_risk(labels: Any, scores: Any, rows: Mapping[str, Any]) -> float:
    """The share of the amount that is fraudulent and unseen."""
    return float((rows["amount"] * labels * (scores < 0.5)).sum() / rows["amount"].sum())


def broken(labels: Any, scores: Any, rows: Mapping[str, Any]) -> float:
    return float(rows["amount"].sum())


NOT_A_FUNCTION = 3
FILE = "tests/helpers/owned.py"
