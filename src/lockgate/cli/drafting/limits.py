"""Limits that a version passes on the rows that it answered, for the absolute lines of a first pipeline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.cli.drafting.answers import Reading
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import LockgateError
from lockgate.evaluation.judging.number_format import interval_text, rounded_up, short, slice_words
from lockgate.evidence.finding import Finding
from lockgate.testing import run_gate

_ROOM = 2.0  # times as far from the value as the end of its interval: many lines at once have wider ones
_FAR = {">=": "0", "<=": "1e+60"}


@dataclass(frozen=True)
class Limit:
    """What a version reaches, and a limit that it passes. value, low and high: of all rows, or of the weakest slice."""

    value: float
    low: float | None
    high: float | None
    limit: float
    slice: str = ""

    @property
    def reached(self) -> str:
        of_slice = f" on {self.slice}" if self.slice else ""
        return f"{short(self.value)}{of_slice} ({interval_text(self.low, self.high)})"


@dataclass(frozen=True)
class Limits:
    """Those of all rows and of the weakest slice, None where the rows show none. weak: slices that have no value."""

    overall: Limit | None = None
    each_slice: Limit | None = None
    weak: frozenset[str] = frozenset()


def limits(reading: Reading, spec: DatasetSpec, subject: str, op: str) -> Limits:
    """What the answers reach by the gate `metrics`, overall and on each slice of the data."""
    lines = [f"{subject} {op} {_FAR[op]}"]
    slices = [entry.model_dump(exclude_none=True, by_alias=True) for entry in spec.slices]
    if slices:
        lines.append(f"{lines[0]} on each slice")
    scores: Mapping[str, Any] = {"candidate": reading.scores}
    try:
        result = run_gate(
            "metrics", table=reading.table, scores=scores, require=lines, slices=slices, task=reading.task,
            positive=reading.positive, classes=reading.classes, label=str(spec.label), weight=spec.weight,
            cluster=spec.cluster, query=spec.query,
        )  # fmt: skip
    except LockgateError:
        return Limits()
    overall = [limit for finding in result.findings if not finding.slice and (limit := _limit(finding, op))]
    sliced = {id(finding): _limit(finding, op) for finding in result.findings if finding.slice}
    weak = {
        name for finding in result.findings if finding.slice and sliced[id(finding)] is None for name in finding.slice
    }
    kept = [
        limit
        for finding in result.findings
        if finding.slice and not weak & set(finding.slice) and (limit := sliced[id(finding)]) is not None
    ]
    weakest = (min if op == ">=" else max)(kept, key=lambda limit: limit.limit, default=None)
    return Limits(overall[0] if overall else None, weakest, frozenset(weak))


def _limit(finding: Finding, op: str) -> Limit | None:
    decided = finding.decided
    if decided is None or finding.observed is None:
        return None
    bound = decided.low if op == ">=" else decided.high
    if bound is None:
        return None
    limit = finding.observed + _ROOM * (bound - finding.observed)
    limit = math.floor(limit * 100) / 100 if op == ">=" else rounded_up(limit)
    words = slice_words(tuple(finding.slice.items())) if finding.slice else ""
    return Limit(finding.observed, decided.low, decided.high, limit, words) if limit > 0 else None
