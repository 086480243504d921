"""Functions that a team might write, and a small gate that asks for one of them by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from lockgate.evidence import Exhibit, Finding
from lockgate.gate import Case, Context, Gate
from lockgate.metrics import custom
from lockgate.requirement import Subject


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
    raise KeyError("amount")


NOT_A_FUNCTION = 3
FILE = "tests/metrics/owned.py"
FUNCTIONS = {"cost": custom.Function(function=f"{FILE}:cost", better="lower", per_row=True)}


class Owned(Gate):
    """The metrics gate, as far as functions are concerned."""

    subjects: ClassVar[Mapping[str, Subject]] = custom.subjects(FUNCTIONS)
    asks_models: ClassVar[bool] = True
    by_group: ClassVar[bool] = True

    data: str

    def check(self, case: Case) -> Iterator[Finding | Exhibit | Context]:
        from lockgate.answers import answers

        dataset = case.dataset(self.data)
        scored, metrics, files = custom.metrics(
            FUNCTIONS, case.scored(self.data), dataset, root=Path.cwd(), seed=case.seed
        )
        yield Context({"functions": files})
        yield from answers(
            self.title, scored, self.asked(case), metrics, self.subjects,
            threshold={"candidate": None, "champion": None}, small=dataset.spec.small_slices,
        )  # fmt: skip
