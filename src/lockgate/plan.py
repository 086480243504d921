"""What can these rows decide? Beforehand, from counts alone, or with the champion's own scores; never with the candidate's.

Without scores the variance of a row is assumed: how often two models disagree, how alike their scores are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

from lockgate.digest import number
from lockgate.estimate import CONFIDENCE, MIN_MINORITY, Estimate
from lockgate.judge import judge, quantiles, smallness
from lockgate.requirement import Requirement, RequirementLimit, Subject
from lockgate.sentences import outlook_words, short, slice_words
from lockgate.slices import SliceKey, SmallSlices

Status = Literal["decidable", "watched", "hopeless", "unknown"]
CORRELATION = 0.9
DISAGREEMENT = 0.05
AUC, AVERAGE_PRECISION = 0.85, 0.80
_AP_VARIANCE = 0.04  # of the paired difference, a positive row, at AP 0.8 and scores that correlate 0.9: simulated
_BY_ROW = ("accuracy", "flip_rate")
_BY_POSITIVE = ("recall", "precision")
_BOTH_CLASSES = ("auc", "average_precision")


@dataclass(frozen=True)
class Outlook:
    """What one line can come to on one slice.

    tolerance: what the line allows; smallest: the smallest tolerance with a 90 % chance that all slices of the line pass
    where the models are equal, both in the metric's units. observed: of an absolute line, what must be seen to pass.
    champion: what the champion itself would get on an absolute line, where its scores are known.
    """

    requirement: str
    slice: SliceKey
    rows: int
    positives: int | None
    status: Status
    words: str
    tolerance: float | None = None
    smallest: float | None = None
    observed: float | None = None
    champion: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "slice": dict(self.slice),
            "rows": self.rows,
            "positives": self.positives,
            "status": self.status,
            "words": self.words,
            "tolerance": number(self.tolerance),
            "smallest_tolerance": number(self.smallest),
            "observed_to_pass": number(self.observed),
            "champion": self.champion,
        }

    @property
    def place(self) -> str:
        return slice_words(self.slice) or "overall"


def outlooks(
    name: str,
    requirement: Requirement,
    subject: Subject,
    counts: Sequence[Estimate],
    *,
    small: SmallSlices | None = None,
    own: Mapping[SliceKey, Estimate] | None = None,
    disagreement: float = DISAGREEMENT,
) -> list[Outlook]:
    """One for each slice of the line. counts: rows and positives of each. own: the champion's own estimates by slice.

    disagreement: the share of rows on which the two models are assumed to decide differently.
    """
    counts = [_with_minority(one, requirement) for one in counts]
    held = [one for one in counts if not _watched(one, requirement, small)]
    line = _Line(name, requirement, subject, max(len(held), 1), own or {}, disagreement)
    said = {} if requirement.limit.relative or not own else _champion(name, requirement, subject, list(own.values()))
    return [replace(line.outlook(one, small), champion=said.get(one.slice)) for one in counts]


def _champion(name: str, requirement: Requirement, subject: Subject, own: list[Estimate]) -> dict[SliceKey, str]:
    """What the champion would get, had it to pass the line itself."""
    found = judge("plan", [(name, requirement)], own, {subject.name: subject})
    return {one.slice: f"{finding.verdict}: {finding.reason}" for one, finding in zip(own, found, strict=True)}


def as_absolute(requirement: Requirement) -> Requirement:
    """The line on the champion alone, so that its own value and variance are measured."""
    limit = RequirementLimit(relative=False, number=0.5) if requirement.limit.relative else requirement.limit
    return replace(requirement, limit=limit, claim=None)


def _watched(one: Estimate, requirement: Requirement, small: SmallSlices | None) -> bool:
    return small is not None and small.below == "watch" and bool(one.slice) and bool(smallness(one, requirement, small))


def _with_minority(one: Estimate, requirement: Requirement) -> Estimate:
    if requirement.subject not in _BOTH_CLASSES or one.positives is None:
        return one
    fewer = min(one.positives, one.rows - one.positives)
    kind = "positive" if one.positives <= one.rows - one.positives else "negative"
    few = f"{fewer} {kind} rows; the test needs {MIN_MINORITY}" if fewer < MIN_MINORITY else None
    return replace(one, minority=fewer, too_few=few)


@dataclass(frozen=True)
class _Line:
    name: str
    requirement: Requirement
    subject: Subject
    slices: int
    own: Mapping[SliceKey, Estimate]
    disagreement: float

    def outlook(self, one: Estimate, small: SmallSlices | None) -> Outlook:
        blank = Outlook(self.name, one.slice, one.rows, one.positives, "unknown", "")
        if one.rows == 0:
            return replace(blank, status="hopeless", words="hopeless: there are no rows")
        few = smallness(one, self.requirement, small)
        if _watched(one, self.requirement, small):
            return replace(blank, status="watched", words=f"watched: {few}")
        if few or one.too_few:
            return replace(blank, status="hopeless", words=f"hopeless: {few or one.too_few}")
        return self._relative(blank, one) if self.requirement.limit.relative else self._absolute(blank, one)

    def _relative(self, blank: Outlook, one: Estimate) -> Outlook:
        if self.requirement.claim in ("superior", "point"):
            why = (
                "a gain depends on the candidate"
                if self.requirement.claim == "superior"
                else "a point has no error rate"
            )
            return replace(blank, words=f"not planned: {why}")
        value, variance = self._value(one), self._variance(one)
        limit = self.requirement.limit
        if variance is None or (limit.sign == "*" and value is None):
            return replace(blank, words="not planned from counts: gate plan --score measures the champion")
        tolerance = abs(1 - limit.value) * abs(value or 0.0) if limit.sign == "*" else abs(limit.margin)
        za, zb = quantiles(self.requirement, self.slices)
        smallest = (za + zb) * math.sqrt(variance / one.rows)
        shown = smallest / abs(value) if limit.sign == "*" and value else smallest
        decidable = smallest <= tolerance or self.requirement.claim == "no_harm"
        words = outlook_words(
            self.requirement, rows=one.rows, positives=one.positives, smallest=shown, decidable=decidable
        )
        status: Status = "decidable" if decidable else "hopeless"
        return replace(blank, status=status, words=words, tolerance=tolerance, smallest=smallest)

    def _value(self, one: Estimate) -> float | None:
        known = self.own.get(one.slice)
        if known is not None:
            return known.candidate
        return {"auc": AUC, "average_precision": AVERAGE_PRECISION}.get(self.requirement.subject)

    def _variance(self, one: Estimate) -> float | None:
        """Of the difference, a row."""
        subject, positives = self.requirement.subject, one.positives or 0
        if subject in _BY_ROW:
            return self.disagreement
        if subject in _BY_POSITIVE:
            return self.disagreement * one.rows / positives if positives else None
        known = self.own.get(one.slice)
        if known is not None:
            return 2 * (1 - CORRELATION) * known.variance if known.variance else None
        if subject == "auc":
            return 2 * (1 - CORRELATION) * _auc_variance(AUC, positives, one.rows - positives) * one.rows
        return _AP_VARIANCE * one.rows / positives if subject == "average_precision" and positives else None

    def _absolute(self, blank: Outlook, one: Estimate) -> Outlook:
        observed = self._observed(one)
        if observed is None:
            return replace(blank, words="not planned from counts: gate plan --score asks the champion")
        up = self.requirement.op == ">="
        if math.isnan(observed):
            best = "1" if up else "0"
            return replace(
                blank, status="hopeless", words=f"hopeless: not even {best} observed on {one.rows:,} rows would show it"
            )
        from_on = f"passes from an observed {short(observed)} {'up' if up else 'down'}"
        return replace(blank, status="decidable", words=f"decidable: {from_on}", observed=observed)

    def _observed(self, one: Estimate) -> float | None:
        """What must be observed so that the line passes; NaN where nothing would do, None where that is not known."""
        subject, positives = self.requirement.subject, one.positives or 0
        limit, alpha = self.requirement.limit.value, 1 - (self.requirement.confidence or CONFIDENCE)
        if subject in _BY_ROW or subject in _BY_POSITIVE:
            return _share_to_pass(
                limit, one.rows if subject in _BY_ROW else positives, alpha=alpha, up=self.requirement.op == ">="
            )
        if subject == "auc" and self.requirement.op == ">=" and 0 < limit < 1:
            return _auc_to_pass(limit, positives, one.rows - positives, alpha=alpha)
        known = self.own.get(one.slice)
        if known is None or known.value is None or known.low is None or known.high is None:
            return None
        away = known.value - known.low if self.requirement.op == ">=" else known.value - known.high
        return limit + away if math.isfinite(away) else None


def _auc_variance(auc: float, positives: int, negatives: int) -> float:
    """Source: Hanley & McNeil 1982. With less than about 50 rows of a class it promises more than the gate's own t does."""
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (first - auc**2) + (negatives - 1) * (second - auc**2)
    return spread / (positives * negatives)


def _share_to_pass(limit: float, rows: int, *, alpha: float, up: bool) -> float:
    """The observed share next to the limit with which the exact bound meets it."""
    from lockgate.stats.proportions import binomial_at_least, binomial_at_most

    def meets(hits: int) -> bool:
        return (binomial_at_least(hits, rows, limit) if up else binomial_at_most(hits, rows, limit)) <= alpha

    if rows < 1 or not meets(rows if up else 0):
        return math.nan
    good, bad = (rows, -1) if up else (0, rows + 1)
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if meets(middle) else (good, middle)
    return good / rows


def _auc_to_pass(limit: float, positives: int, negatives: int, *, alpha: float) -> float:
    z = NormalDist().inv_cdf(1 - alpha)

    def bound(auc: float) -> float:
        error = math.sqrt(_auc_variance(auc, positives, negatives)) / (auc * (1 - auc))
        return math.log(auc / (1 - auc)) - z * error - math.log(limit / (1 - limit))

    steps = (limit + (1 - limit) * place / 2000 for place in range(1, 2000))  # near 1 the approximation turns around
    return next((auc for auc in steps if bound(auc) >= 0), math.nan)


def assumptions(disagreement: float, *, scored: bool) -> str:
    """What a plan stands on, in one sentence."""
    alike = f"the two models disagree on {disagreement * 100:g} % of rows, and their scores correlate {CORRELATION:g}"
    if scored:
        return f"assumed: {alike}; the rest is the champion's own"
    return f"assumed: {alike}; the champion's auc is {AUC:g} and its average precision {AVERAGE_PRECISION:g}"


def smallest_for(subject: str, *, rows: int, positives: int | None, slices: int = 1) -> float | None:
    """The smallest tolerance that so many rows decide on a line of its own, None where that is not known from counts.

    Of rmse and mae, as a share of the champion's value, for normal errors.
    """
    za, zb = quantiles(None, slices)
    relative = {"rmse": 0.5, "mae": math.pi / 2 - 1}.get(subject)
    if relative is not None:
        return (za + zb) * math.sqrt(2 * (1 - CORRELATION) * relative / rows) if rows >= MIN_MINORITY else None
    if positives is None or min(positives, rows - positives) < MIN_MINORITY:
        return None
    if subject == "auc":
        return (za + zb) * math.sqrt(2 * (1 - CORRELATION) * _auc_variance(AUC, positives, rows - positives))
    return (za + zb) * math.sqrt(_AP_VARIANCE / positives) if subject == "average_precision" else None
