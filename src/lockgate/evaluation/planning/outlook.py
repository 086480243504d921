"""What can these rows decide? Beforehand, from counts alone, or with the champion's own scores; never with the candidate's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lockgate.data.slices.names import SliceKey
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.explanations import outlook_words
from lockgate.evaluation.judging.judge import is_no_harm_check, judge, smallness
from lockgate.evaluation.judging.number_format import rounded_up, short, slice_words
from lockgate.evaluation.judging.rows_needed import alpha_and_power
from lockgate.evaluation.planning.expected_error import (
    AUC,
    AVERAGE_PRECISION,
    CORRELATION,
    DISAGREEMENT,
    ExpectedError,
    expected_ranking_error,
    rows_of_share,
)
from lockgate.evaluation.planning.value_needed import auc_to_pass, share_to_pass
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS, MIN_MINORITY
from lockgate.hashing import number
from lockgate.stats.power import margin_by_score

Status = Literal["decidable", "watched", "hopeless", "unknown"]
_BOTH_CLASSES = ("auc", "average_precision")
# By Tango's test where nothing is weighed.
_PAIRED = ("accuracy", "top_k_accuracy", "recall", "false_positive_rate", "positive_rate")


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
    counts = [with_minority(one, requirement) for one in counts]
    held = [one for one in counts if not is_no_harm_check(one, requirement, small)]
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


def with_minority(one: Estimate, requirement: Requirement) -> Estimate:
    """The same counts with what the test of a metric that needs both classes would say of them."""
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
            return replace(blank, status="hopeless", words=f"hopeless: there are no {one.counted_in}")
        if self.requirement.claim == "point":
            return replace(blank, words="not planned: a point has no error rate")
        few = smallness(one, self.requirement, small)
        if is_no_harm_check(one, self.requirement, small):
            return replace(blank, status="watched", words=f"watched: {few}")
        if few or one.too_few:
            return replace(blank, status="hopeless", words=f"hopeless: {few or one.too_few}")
        return self._relative(blank, one) if self.requirement.limit.relative else self._absolute(blank, one)

    def _relative(self, blank: Outlook, one: Estimate) -> Outlook:
        if self.requirement.claim == "superior":
            return replace(blank, words=f"not planned: {self._unplanned(one)}")
        value, limit = self._value(one), self.requirement.limit
        smallest = self._smallest(one)
        if smallest is None or (limit.sign == "*" and value is None):
            return replace(blank, words="not planned from counts: gate plan --score measures the champion")
        if math.isinf(smallest):
            few = f"so few {one.counted_in} carry the difference that the {MIN_EFFECTIVE_ROWS:g} which the test needs are often not there"
            return replace(blank, status="hopeless", words=f"hopeless: {few}")
        tolerance = abs(1 - limit.value) * abs(value or 0.0) if limit.sign == "*" else abs(limit.margin)
        shown = smallest / abs(value) if limit.sign == "*" and value else smallest
        decidable = smallest <= tolerance or self.requirement.claim == "no_harm"
        words = outlook_words(
            self.requirement,
            rows=one.rows,
            positives=one.positives,
            smallest=shown,
            decidable=decidable,
            counted_in=one.counted_in,
        )
        status: Status = "decidable" if decidable else "hopeless"
        return replace(blank, status=status, words=words, tolerance=tolerance, smallest=smallest)

    def _unplanned(self, one: Estimate) -> str:
        smallest = self._smallest(one)
        if smallest is None or math.isinf(smallest) or self.requirement.limit.sign == "*":
            return "a gain depends on the candidate"
        return f"a gain depends on the candidate; one of {short(rounded_up(smallest + abs(self.requirement.limit.margin)))} is shown with 90 % power"

    def _value(self, one: Estimate) -> float | None:
        known = self.own.get(one.slice)
        if known is not None:
            return known.candidate
        return {"auc": AUC, "average_precision": AVERAGE_PRECISION}.get(self.requirement.subject)

    def _smallest(self, one: Estimate) -> float | None:
        """The smallest tolerance that all slices meet with 90 %; infinite where the test's own floor forbids it."""
        subject, known = self.requirement.subject, self.own.get(one.slice)
        carried = rows_of_share(self.requirement, one)
        if carried is not None and subject in _PAIRED and self.requirement.limit.sign != "*":
            return (
                margin_by_score(carried, self.disagreement, **alpha_and_power(self.requirement, self.slices))
                if carried
                else None
            )
        if carried is not None:
            error = (
                ExpectedError(math.sqrt(self.disagreement / carried), self.disagreement * carried) if carried else None
            )
        elif known is not None and (subject != "auc" or one.positives is None):
            error = None
            if known.se and known.n_eff is not None:
                error = ExpectedError(math.sqrt(2 * (1 - CORRELATION)) * known.se, known.n_eff)
        else:
            error = expected_ranking_error(subject, one.rows, one.positives, known)
        return None if error is None else error.smallest(self.requirement, self.slices)

    def _absolute(self, blank: Outlook, one: Estimate) -> Outlook:
        observed = self._observed(one)
        if observed is None:
            return replace(blank, words="not planned from counts: gate plan --score asks the champion")
        up = self.requirement.op == ">="
        if math.isnan(observed):
            best = "1" if up else "0"
            return replace(
                blank,
                status="hopeless",
                words=f"hopeless: not even {best} observed on {one.rows:,} {one.counted_in} would show it",
            )
        from_on = f"passes from an observed {short(observed)} {'up' if up else 'down'}"
        return replace(blank, status="decidable", words=f"decidable: {from_on}", observed=observed)

    def _observed(self, one: Estimate) -> float | None:
        """What must be observed so that the line passes; NaN where nothing would do, None where that is not known."""
        subject, positives = self.requirement.subject, one.positives or 0
        limit, alpha = self.requirement.limit.value, 1 - (self.requirement.confidence or CONFIDENCE)
        carried = rows_of_share(self.requirement, one)
        if carried is not None:
            return share_to_pass(limit, carried, alpha=alpha, up=self.requirement.op == ">=")
        if subject == "auc" and one.positives is not None and self.requirement.op == ">=" and 0 < limit < 1:
            return auc_to_pass(limit, positives, one.rows - positives, alpha=alpha)
        known = self.own.get(one.slice)
        if known is None or known.value is None or known.low is None or known.high is None:
            return None
        away = known.value - known.low if self.requirement.op == ">=" else known.value - known.high
        return limit + away if math.isfinite(away) else None


def assumptions(disagreement: float, *, scored: bool) -> str:
    """What a plan stands on, in one sentence."""
    alike = f"the two models disagree on {disagreement * 100:g} % of rows, and their scores correlate {CORRELATION:g}"
    if scored:
        return f"assumed: {alike}; the rest is the champion's own"
    return f"assumed: {alike}; the champion's auc is {AUC:g} and its average precision {AVERAGE_PRECISION:g}"
