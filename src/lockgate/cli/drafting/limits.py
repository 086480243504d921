"""Limits that a version passes on the rows that it answered, and what these rows decide of a comparison on each slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from lockgate.cli.drafting.answers import Reading
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import LockgateError
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.number_format import interval_text, rounded_up, short, slice_words
from lockgate.evaluation.judging.rows_needed import stated_tolerance
from lockgate.evaluation.metrics.catalog import SUBJECTS
from lockgate.evaluation.planning.outlook import outlooks
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS
from lockgate.evidence.finding import Finding, Verdict
from lockgate.testing import run_gate

_ROOM = 2.0  # times as far from the value as the end of its interval: many lines at once have wider ones
_FAR = {">=": "0", "<=": "1e+60"}
# Times as many effective rows as the test of a mean of unbounded losses needs: a better version keeps the largest losses, beside
# which its other ones are smaller, so that fewer rows carry its variance.
_STEADY = 2.0


class Counted(Protocol):
    """Rows of a slice, and how many are positive where there are two classes."""

    @property
    def rows(self) -> int: ...
    @property
    def positives(self) -> int | None: ...


_Slice = TypeVar("_Slice", bound=Counted)


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
    """Those of all rows and of the weakest slice, None where the rows show none. weak: slices that have no value.

    tolerance: the smallest that lets a version as good as this one pass `compared`, a line on each slice, as it would be beside
    the champion; a factor's distance from 1. None where these rows decide none. tolerances: likewise of the lines overall.
    small: slices that these two leave out, since they decide no tolerance that is usual; None where all do, or hardly any.
    """

    overall: Limit | None = None
    each_slice: Limit | None = None
    weak: frozenset[str] = frozenset()
    tolerance: float | None = None
    tolerances: tuple[float | None, ...] = ()
    small: SmallOnes | None = None


@dataclass(frozen=True)
class SmallOnes:
    """Slices that decide too little. key, least: what of `small_slices` tells them from the others; count: of them, of total."""

    key: str
    least: int
    count: int
    total: int


def limits(reading: Reading, spec: DatasetSpec, overall: Sequence[str], on_slices: str) -> Limits:
    """What the answers reach by the gate `metrics`, overall by the first line's subject, and on each slice of the data.

    overall, on_slices: lines that are to compare with the champion, the last one on each slice.
    """
    compared = [parse(line) for line in (*overall, on_slices)]
    slices = [entry.model_dump(exclude_none=True, by_alias=True) for entry in spec.slices]
    far = [f"{line.subject_text} {line.op} {_FAR[line.op]}" for line in compared]
    lines = [*far[:-1], *([f"{far[-1]} on each slice"] if slices else [])]
    scores: Mapping[str, Any] = {"candidate": reading.scores}
    try:
        result = run_gate(
            "metrics", table=reading.table, scores=scores, require=lines, slices=slices, task=reading.task,
            positive=reading.positive, classes=reading.classes, label=str(spec.label), weight=spec.weight,
            cluster=spec.cluster, query=spec.query,
        )  # fmt: skip
    except LockgateError:
        return Limits()
    op = compared[-1].op
    whole = [finding for finding in result.findings if not finding.slice]
    sliced = [(finding, _limit(finding, op)) for finding in result.findings if finding.slice]
    weak = frozenset(name for finding, limit in sliced if limit is None for name in finding.slice)
    kept = [(finding, limit) for finding, limit in sliced if limit is not None and not weak & set(finding.slice)]
    small = _small_ones(compared[-1], [finding for finding, _ in kept])
    kept = [(finding, limit) for finding, limit in kept if small is None or size(finding, small.key) >= small.least]
    weakest = (min if op == ">=" else max)([limit for _, limit in kept], key=lambda limit: limit.limit, default=None)
    return Limits(
        _limit(whole[0], op) if whole else None,
        weakest,
        weak,
        _smallest_tolerance(compared[-1], [finding for finding, _ in kept]),
        tuple(_smallest_tolerance(line, [finding]) for line, finding in zip(compared, whole, strict=False)),
        small,
    )


def _small_ones(line: Requirement, findings: Sequence[Finding]) -> SmallOnes | None:
    """The smallest slices, without which the others decide the line's own tolerance; None where none or one would be left."""
    key, held = deciding_slices(
        findings, lambda kept: (_smallest_tolerance(line, kept) or math.inf) <= stated_tolerance(line)
    )
    few = len(findings) - len(held)
    return SmallOnes(key, size(held[0], key), few, len(findings)) if few and len(held) > 1 else None


def deciding_slices(slices: Sequence[_Slice], decide: Callable[[Sequence[_Slice]], bool]) -> tuple[str, list[_Slice]]:
    """What of `small_slices` tells small ones from others, and those others, from the smallest on; none where none decide.

    Positive rows tell them where they are the rarer ones on every slice, else rows. The smallest slices go until what is left
    decides, which `decide` says of slices that are to pass together.
    """
    rare = all(each.positives is not None and 2 * each.positives <= each.rows for each in slices)
    key = "min_positives" if rare else "min_rows"
    held = sorted(slices, key=lambda each: size(each, key))
    while held and not decide(held):
        held = [each for each in held if size(each, key) > size(held[0], key)]
    return key, held


def size(counts: Counted, key: str) -> int:
    """What `small_slices` counts of a slice by this key."""
    return counts.rows if key == "min_rows" else counts.positives or 0


def _limit(finding: Finding, op: str) -> Limit | None:
    """None where the data do not decide such a line: without a bound, or where too few rows carry what would bound it."""
    decided = finding.decided
    if decided is None or finding.observed is None or finding.verdict is not Verdict.PASS:
        return None
    unbounded = "approximate" in decided.method
    if unbounded and decided.n_eff is not None and decided.n_eff < _STEADY * MIN_EFFECTIVE_ROWS:
        return None
    bound = decided.low if op == ">=" else decided.high
    if bound is None:
        return None
    limit = finding.observed + _ROOM * (bound - finding.observed)
    limit = math.floor(limit * 100) / 100 if op == ">=" else rounded_up(limit)
    words = slice_words(tuple(finding.slice.items())) if finding.slice else ""
    return Limit(finding.observed, decided.low, decided.high, limit, words) if limit > 0 else None


def _smallest_tolerance(line: Requirement, findings: Sequence[Finding]) -> float | None:
    """The largest of what the slices need, as `gate plan --score` would say it of this version as champion."""
    own = {
        estimate.slice: estimate
        for estimate in map(
            _estimate, (each for each in findings if each.observed is not None and each.decided is not None)
        )
    }
    needed = [math.inf]
    for outlook in outlooks("r1", line, SUBJECTS[line.subject], list(own.values()), own=own, enough=False):
        value = abs(own[outlook.slice].candidate or 0.0) if line.limit.sign == "*" else 1.0
        needed.append(math.inf if outlook.smallest is None or not value else outlook.smallest / value)
    smallest = max(needed[1:], default=math.inf)
    return smallest if math.isfinite(smallest) else None


def _estimate(finding: Finding) -> Estimate:
    """What a plan reads of the estimate that a finding was made of. The finding has a value."""
    decided = finding.decided
    assert decided is not None  # noqa: S101  # it has a limit
    return Estimate(
        finding.requirement, tuple(finding.slice.items()), finding.rows, finding.positives, decided.required, decided.on,
        decided.method, candidate=finding.observed, value=decided.estimate, low=decided.low, high=decided.high, se=decided.se,
        n_eff=decided.n_eff, counted_in=finding.counted_in,
    )  # fmt: skip
