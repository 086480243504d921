"""Where the verdict of a finding would change: at which value, at which limit, with how many requests, by its own test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evaluation.judging.stored_test import StoredTest
from lockgate.evaluation.labelling.late_labels import LABELS
from lockgate.evaluation.latency.request_limits import PERCENTILES
from lockgate.evaluation.planning.request_outlook import most_beyond
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.completeness import RECORDED
from lockgate.evidence.finding import Decided, Finding, Verdict

Obstacle = Literal["no_value", "too_few", "budget_spent", "seen_rows", "recorded", "labels"]
_STEPS, _HALVINGS = 60, 50
_NEAR = 1e-7  # of a number: far below the four figures that are shown


@dataclass(frozen=True)
class Crossing:
    """passes: the number from which on the verdict is pass; fails: from which on, the other way, it is fail; None where none is.

    every: whatever the metric can reach passes, up to `passes`.
    """

    passes: float | None
    fails: float | None
    every: bool = False


@dataclass(frozen=True)
class FlipPoints:
    """What would change one verdict, everything else as it was measured.

    value: of the number that is compared (`decided.estimate`), with the spread that these rows showed. limit: of what it is
    compared with (`decided.required`). obstacle: why no value and no limit would do. shares: the value is one of so many
    whole rows, None where it is not. over, most_over: requests slower than the limit, and with how many the line passes.
    """

    value: Crossing | None = None
    limit: Crossing | None = None
    obstacle: Obstacle | None = None
    shares: int | None = None
    over: int | None = None
    most_over: int | None = None


def fail_level(others: Iterable[float], alpha: float) -> float:
    """The largest p-value with which a finding fails among others, by Holm's method. others: p-values of theirs."""
    ordered = sorted(others)
    smaller = next((index for index, p in enumerate(ordered) if p * (len(ordered) + 1 - index) > alpha), len(ordered))
    return alpha / (len(ordered) + 1 - smaller)


def tested_beside(finding: Finding, findings: Sequence[Finding]) -> list[float]:
    """The p-values of a gate's other findings that Holm's method corrects this one for."""
    return [
        float(other.detail["p_fail"])
        for other in findings
        if other.id != finding.id
        and other.detail.get("p_fail") is not None
        and other.detail.get("p_fail_holm") is not None
    ]


def flip_points(finding: Finding, requirement: Requirement, findings: Sequence[Finding]) -> FlipPoints:
    """The flip points of one finding. findings: all of its gate, it among them."""
    decided, detail = finding.decided, finding.detail
    if decided is None or decided.estimate is None:
        return FlipPoints(obstacle="no_value")
    if finding.code == "budget_spent":
        return FlipPoints(obstacle="budget_spent")
    if finding.code in ("seen_rows", "seen_unknown"):
        return FlipPoints(obstacle="seen_rows")
    if finding.code == RECORDED:
        return FlipPoints(obstacle="recorded")
    if finding.detail.get(LABELS) is not None:
        return FlipPoints(obstacle="labels")
    if decided.confidence is None:
        return _compared(decided, few=detail.get("too_few") is not None)
    if detail.get("too_few") is not None:
        return FlipPoints(obstacle="too_few")
    test = StoredTest.from_finding(finding, requirement)
    if test is None:
        return _by_interval(finding, decided, requirement)
    search = _Search(finding, decided, test, fail_level(tested_beside(finding, findings), 1 - decided.confidence))
    return FlipPoints(
        value=search.value if test.varies else None,
        # Of a factor the limit is no number on the scale of the difference.
        limit=None if requirement.limit.sign == "*" else search.limit,
        shares=search.shares,
    )


def _compared(decided: Decided, *, few: bool) -> FlipPoints:
    """Of a count or a point, which passes where it meets the limit."""
    if few and decided.on != "count":
        return FlipPoints(obstacle="too_few")
    required = decided.required[1]
    if decided.on == "count" and required.is_integer():
        beyond = required - 1 if decided.required[0] == ">=" else required + 1
        return FlipPoints(value=Crossing(None if few else required, beyond), shares=1)
    return FlipPoints(value=Crossing(required, None), limit=Crossing(decided.estimate, None))


def _by_interval(finding: Finding, decided: Decided, requirement: Requirement) -> FlipPoints:
    """Of a test that evidence cannot take up: the limit alone, by the end of the interval that decides; of a percentile, the requests."""
    end = decided.low if decided.required[0] == ">=" else decided.high
    # Of a factor the limit is no number on the scale of the difference.
    unknown = decided.claim == "no_harm" or (requirement.limit.sign == "*" and decided.on == "difference")
    limit = None if end is None or not math.isfinite(end) or unknown else Crossing(end, None)
    if requirement.subject not in PERCENTILES or decided.on != "value" or "design_effect" not in finding.detail:
        return FlipPoints(limit=limit)
    effect, share = float(finding.detail["design_effect"]), 1 - PERCENTILES[requirement.subject]
    alpha, p_pass = 1 - (decided.confidence or 0.0), float(finding.detail["p_pass"])
    most = most_beyond(finding.rows, share, alpha=alpha, stall=effect)
    # The p-value of these requests is that of so many of them over the limit.
    over = most_beyond(finding.rows, share, alpha=p_pass * (1 + 1e-9), stall=effect) if 0 < p_pass < 1 else None
    return FlipPoints(limit=limit, over=over, most_over=most)


@dataclass(frozen=True)
class _Search:
    """Looks for the numbers at which `verdict_of` turns. level: the largest p-value of a violation that fails by Holm's method."""

    finding: Finding
    decided: Decided
    test: StoredTest
    level: float

    @property
    def shares(self) -> int | None:
        n = self.decided.n_eff or 0.0
        return round(n) if self.test.counts_rows and n.is_integer() else None

    @cached_property
    def _now(self) -> float:
        return float(self.decided.estimate or 0.0)

    @property
    def value(self) -> Crossing:
        better, worse = self._ends
        return Crossing(
            self._whole(self._edge(self._passes, better, worse), better),
            self._whole(self._edge(self._fails, worse, better), worse),
        )

    @property
    def limit(self) -> Crossing:
        _, required = self.decided.required
        tighter, looser = self._ends

        def verdict(limit: float) -> Verdict:
            return self._verdict(self._now, limit)

        every = math.isfinite(tighter) and verdict(tighter) is Verdict.PASS
        return Crossing(
            tighter
            if every
            else self._edge(lambda limit: verdict(limit) is Verdict.PASS, looser, tighter, start=required),
            self._edge(lambda limit: verdict(limit) is Verdict.FAIL, tighter, looser, start=required),
            every,
        )

    @property
    def _ends(self) -> tuple[float, float]:
        """(the best number that the candidate can come to, the worst), on the scale of what is compared."""
        low, high = self.test.tested.metric.bounds
        if self.decided.on == "difference":
            subtracted = self.test.tested.requirement.limit.factor * (self.finding.champion or 0.0)
            low, high = low - subtracted, high - subtracted
        return (high, low) if self.test.tested.up else (low, high)

    def _passes(self, value: float) -> bool:
        return self._verdict(value, self.decided.required[1]) is Verdict.PASS

    def _fails(self, value: float) -> bool:
        return self._verdict(value, self.decided.required[1]) is Verdict.FAIL

    def _verdict(self, value: float, required: float) -> Verdict:
        confidence = self.decided.confidence or 0.0
        p_pass, p_fail = self.test.p_values(
            null=required, confidence=confidence, value=None if value == self._now else value
        )
        # As Holm's method would have it beside the p-values of the others: at most alpha up to the level, and not beyond.
        adjusted = min(p_fail * (1 - confidence) / self.level, 1.0)
        p_values = {
            "p_pass": p_pass,
            "p_fail": p_fail,
            "p_fail_holm": adjusted,
        }  # a text would come to the same numbers
        # Beside p-values the verdict does not depend on the numbers that they compare.
        return verdict_of(self.decided, {**self.finding.detail, **p_values})

    def _edge(
        self, holds: Callable[[float], bool], to: float, away: float, *, start: float | None = None
    ) -> float | None:
        """The number nearest to where it is now from which on it holds, towards `to`; None where it holds nowhere, or everywhere."""
        start = last = self._now if start is None else start
        held = holds(start)
        end = away if held else to
        step = math.copysign(max(self.decided.se or 0.0, abs(start) * 1e-3, 1e-6), end - start)
        for _ in range(_STEPS):
            there = start + step if abs(step) < abs(end - start) else end
            if holds(there) != held:
                break
            if there == end:
                return None
            last, step = there, 2 * step
        else:
            return None
        inside, outside = (last, there) if held else (there, last)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if abs(outside - inside) <= _NEAR * max(abs(inside), 1e-3):
                break
            inside, outside = (middle, outside) if holds(middle) else (inside, middle)
        return inside

    def _whole(self, value: float | None, to: float) -> float | None:
        """The same in whole rows, towards an end."""
        if value is None or self.shares is None:
            return value
        rows = value * self.shares
        near = round(rows)
        whole = near if abs(rows - near) < 1e-6 else math.ceil(rows) if to > value else math.floor(rows)
        return whole / self.shares
