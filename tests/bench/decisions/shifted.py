"""D: traffic that lies exactly as far from the holdout as a line allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shift.comparison import Compared, compare
from lockgate.evaluation.shift.estimates import feature_estimates
from lockgate.evaluation.shift.features import Feature
from lockgate.evaluation.shift.reweighted import reweighted_estimates
from lockgate.evaluation.shift.subjects import OF_FEATURES, REWEIGHTED
from lockgate.evidence.finding import Verdict
from lockgate.models.input_plan import ModelInput

from .asking import drawing
from .bars import ALPHA, Bar, standard_error

HEADER = """D   shift. false: P(pass), failed: P(fail) where the traffic is exactly as far away as the line allows. power: P(pass) where it is a third as far;
    found: P(fail) where it is three times as far.
 law                            holdout  traffic  sims   false  failed  power  found"""
Table = Mapping[str, Any]
Draw = Callable[[np.random.Generator, int, float], Table]
"""(source of chance, rows, how far from the holdout) → columns."""


def _two_values(rng: np.random.Generator, rows: int, far: float) -> Table:
    """0 and 1: all of the distance lies at one number, where a share varies most."""
    return {"x": (rng.random(rows) < 0.5 - 0.05 + far).astype(float)}


def _uniform(rng: np.random.Generator, rows: int, far: float) -> Table:
    return {"x": rng.random(rows) + far}


def _categories(rng: np.random.Generator, rows: int, far: float) -> Table:
    """Thirty of them; the distance lies between two halves."""
    half = rng.random(rows) < 0.45 + far
    return {"x": [f"c{code}" for code in rng.integers(0, 15, rows) + 15 * half]}


def _users(rng: np.random.Generator, rows: int, far: float) -> Table:
    """Ten rows of a user, all alike."""
    users = rows // 10
    value = (rng.random(users) < 0.45 + far).astype(float)
    return {"x": np.repeat(value, 10), "user": np.repeat(np.arange(users), 10)}


def _weights(rng: np.random.Generator, rows: int, far: float) -> Table:
    return {**_two_values(rng, rows, far), "weight": rng.lognormal(0, 1, rows)}


def _missing(rng: np.random.Generator, rows: int, far: float) -> Table:
    return {"x": np.where(rng.random(rows) < 0.01 + far, np.nan, 1.0)}


def _new(rng: np.random.Generator, rows: int, far: float) -> Table:
    return {"x": np.where(rng.random(rows) < far, "new", "old")}


LAWS: Mapping[str, tuple[str, float, Draw, Mapping[str, str]]] = {
    "two numbers": ("distance", 0.1, _two_values, {}),
    "uniform": ("distance", 0.1, _uniform, {}),
    "categories": ("distance", 0.1, _categories, {}),
    "users": ("distance", 0.1, _users, {"cluster": "user"}),
    "weights": ("distance", 0.1, _weights, {"weight": "weight"}),
    "missing": ("null_rate_shift", 0.05, _missing, {}),
    "new values": ("new_value_rate", 0.05, _new, {}),
}


def _compared(holdout: Table, traffic: Table, spec: Mapping[str, Any], slices: list[Any], *, number: bool) -> Compared:
    tables = [
        TableDataset(pa.table(dict(table)), DatasetSpec.model_validate({"path": "t", **spec, **more}))
        for table, more in ((holdout, {"slices": slices}), (traffic, {}))
    ]
    source = ModelInput("x", "x")
    features = [Feature("x", (source, source), "number" if number else "category")] if "x" in traffic else []
    return compare(*tables, features)


@dataclass(frozen=True)
class ShiftCell:
    """A law of one feature, at the limit of its line."""

    law: str
    holdout: int
    traffic: int
    sims: int

    @property
    def name(self) -> str:
        return f"{self.law}, {self.holdout:,} and {self.traffic:,} rows"

    def verdicts(self, times: float) -> list[Verdict]:
        """Of runs in which the traffic lies that many times as far away as the line allows."""
        subject, limit, draw, spec = LAWS[self.law]
        line, verdicts = parse(f"{subject} <= {limit} on each feature"), []
        rng = drawing("shift", self.name, times)
        for _ in range(self.sims):
            holdout, traffic = draw(rng, self.holdout, 0.0), draw(rng, self.traffic, limit * times)
            number = self.law not in ("categories", "new values")
            compared = _compared(holdout, traffic, spec, [], number=number)
            estimates = list(feature_estimates("r1", line, compared))
            (finding,) = judge("shift", [("r1", line)], estimates, OF_FEATURES)
            verdicts.append(finding.verdict)
        return verdicts

    def run(self) -> ShiftRow:
        return ShiftRow(self, *_rates(self.verdicts))


@dataclass(frozen=True)
class MixCell:
    """An accuracy of two cells, 0.95 and 0.7, weighted by a mix that is known from the traffic alone."""

    holdout: int
    traffic: int
    sims: int
    law: str = "metric by its mix"

    @property
    def name(self) -> str:
        return f"{self.law}, {self.holdout:,} and {self.traffic:,} rows"

    def verdicts(self, times: float) -> list[Verdict]:
        """times: how far the weighted accuracy is from 0.9, in 0.05: 1 is the limit, 0.85."""
        share = (0.95 - (0.9 - 0.05 * times)) / 0.25
        line, verdicts = parse("accuracy >= 0.85"), []
        rng = drawing("mix", self.name, times)
        spec = DatasetSpec.model_validate(
            {"path": "t", "label": "label", "scores": {"candidate": "score"}, "slices": ["old"]}
        )
        for _ in range(self.sims):
            old = rng.random(self.holdout) < 0.2
            right = rng.random(self.holdout) < np.where(old, 0.7, 0.95)
            label = rng.integers(0, 2, self.holdout)
            holdout = {"old": old, "label": label, "score": np.where(right == (label == 1), 0.9, 0.1)}
            compared = _compared(holdout, {"old": rng.random(self.traffic) < share}, {}, ["old"], number=False)
            scored = Scored.from_table(pa.table(holdout), spec, task="binary", positive=1)
            estimates = reweighted_estimates(
                scored, [("r1", line)], compared, None, threshold={"candidate": 0.5}, min_share=0.01, min_rows=10
            )
            (finding,) = judge("shift", [("r1", line)], list(estimates), REWEIGHTED)
            verdicts.append(finding.verdict)
        return verdicts

    def run(self) -> ShiftRow:
        return ShiftRow(self, *_rates(self.verdicts))


def _rates(verdicts: Callable[[float], list[Verdict]]) -> tuple[float, float, float, float]:
    def rate(found: list[Verdict], verdict: Verdict) -> float:
        return sum(each is verdict for each in found) / len(found)

    at_limit = verdicts(1.0)
    return (
        rate(at_limit, Verdict.PASS),
        rate(at_limit, Verdict.FAIL),
        rate(verdicts(1 / 3), Verdict.PASS),
        rate(verdicts(3.0), Verdict.FAIL),
    )


@dataclass(frozen=True)
class ShiftRow:
    cell: ShiftCell | MixCell
    false: float
    failed: float
    power: float
    found: float

    def __str__(self) -> str:
        cell = self.cell
        return (
            f" {cell.law:<28} {cell.holdout:>9,}{cell.traffic:>9,}{cell.sims:>6}  {self.false:>6.3f}  {self.failed:>6.3f} "
            f"{self.power:>6.3f} {self.found:>6.3f}"
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = ALPHA + 3 * standard_error(ALPHA, self.cell.sims)
        return (
            Bar("shift: false pass", self.false, "<=", limit, self.cell.name),
            Bar("shift: false fail", self.failed, "<=", limit, self.cell.name),
        )


def grid(sims: int) -> list[ShiftCell | MixCell]:
    """Every law where it is decided, and small samples; the mix from few requests and from many."""
    return [
        *(ShiftCell(law, 2_000, 1_000, sims) for law in LAWS),
        *(ShiftCell(law, 400, 300, sims) for law in ("two numbers", "categories", "missing", "new values")),
        ShiftCell("two numbers", 20_000, 20_000, max(sims // 4, 1)),
        *(MixCell(2_000, traffic, max(sims // 4, 1)) for traffic in (60, 300, 4_000)),
    ]
