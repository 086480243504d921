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
from lockgate.estimate import CONFIDENCE, Estimate
from lockgate.judge import aim, judge, smallness, watched
from lockgate.metrics.comparison import MIN_EFFECTIVE_ROWS, MIN_MINORITY
from lockgate.requirement import Requirement, RequirementLimit, Subject
from lockgate.sentences import outlook_words, rounded_up, short, slice_words
from lockgate.slices import SliceKey, SmallSlices

Status = Literal["decidable", "watched", "hopeless", "unknown"]
CORRELATION = 0.9
DISAGREEMENT = 0.05
AUC, AVERAGE_PRECISION = 0.85, 0.80
_AP_VARIANCE = 0.04  # of the paired difference, a positive row, at AP 0.8 and scores that correlate 0.9: simulated
_AP_EFFECTIVE = {0.1: 4.5, 1.0: 7.0}  # share of positives up to → positive rows that make an effective one: simulated
_BOTH_CLASSES = ("auc", "average_precision")
_PAIRED = (
    "accuracy",
    "top_k_accuracy",
    "recall",
    "false_positive_rate",
    "positive_rate",
)  # by Tango's test where nothing is weighed
_LOSS_KURTOSIS = {"rmse": 9.0, "mae": 6.0}  # of the difference of two normal errors, squared and absolute


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
    held = [one for one in counts if not watched(one, requirement, small)]
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
        if watched(one, self.requirement, small):
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
        from lockgate.stats.power import margin_by_score

        subject, known = self.requirement.subject, self.own.get(one.slice)
        carried = carrying(self.requirement, one)
        if carried is not None and subject in _PAIRED and self.requirement.limit.sign != "*":
            return (
                margin_by_score(carried, self.disagreement, **aim(self.requirement, self.slices)) if carried else None
            )
        if carried is not None:
            error = Error(math.sqrt(self.disagreement / carried), self.disagreement * carried) if carried else None
        elif known is not None and (subject != "auc" or one.positives is None):
            error = None
            if known.se and known.n_eff is not None:
                error = Error(math.sqrt(2 * (1 - CORRELATION)) * known.se, known.n_eff)
        else:
            error = _ranked(subject, one.rows, one.positives, known)
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
        carried = carrying(self.requirement, one)
        if carried is not None:
            return _share_to_pass(limit, carried, alpha=alpha, up=self.requirement.op == ">=")
        if subject == "auc" and one.positives is not None and self.requirement.op == ">=" and 0 < limit < 1:
            return _auc_to_pass(limit, positives, one.rows - positives, alpha=alpha)
        known = self.own.get(one.slice)
        if known is None or known.value is None or known.low is None or known.high is None:
            return None
        away = known.value - known.low if self.requirement.op == ">=" else known.value - known.high
        return limit + away if math.isfinite(away) else None


@dataclass(frozen=True)
class Error:
    """What is known beforehand of a difference: its standard error, and how many rows will carry it.

    scatter: of the logarithm of those from sample to sample; 0 where they can be taken as given.
    """

    se: float
    n_eff: float
    scatter: float = 0.0

    def smallest(self, requirement: Requirement | None, slices: int) -> float:
        """The smallest tolerance with 90 % for all slices, the test's own floor included; infinite where none is."""
        from lockgate.stats.power import margin_by_t

        asked = aim(requirement, slices)
        room = math.log(max(self.n_eff, 1e-9) / MIN_EFFECTIVE_ROWS)
        above = NormalDist().cdf(room / self.scatter) if self.scatter else float(room >= 0)
        if above <= asked["power"]:
            return math.inf
        return margin_by_t(self.se, n_eff=self.n_eff, alpha=asked["alpha"], power=asked["power"] / above)


def carrying(requirement: Requirement, one: Estimate) -> int | None:
    """Rows of which a share is taken; None for what is no share, such as a mean over classes."""
    subject, positives = requirement.subject, one.positives
    micro = positives is None and requirement.argument("average") == "micro"
    if micro or subject in ("accuracy", "top_k_accuracy", "positive_rate", "flip_rate"):
        return one.rows
    if positives is None:
        return None
    known = {"recall": positives, "precision": positives, "false_positive_rate": one.rows - positives}
    return known.get(subject)


def _ranked(subject: str, rows: int, positives: int | None, known: Estimate | None = None) -> Error | None:
    """Of the difference of two AUCs or average precisions, scores alike as is assumed. known: the champion's own."""
    from lockgate.stats.placements import placements

    if positives is None or not 0 < positives < rows:
        return None
    if subject == "auc":
        area = AUC if known is None or known.candidate is None else min(max(known.candidate, 0.5), 0.999)
        pair = placements(area, correlation=CORRELATION)
        se, n_eff = pair.se(positives, rows - positives), pair.n_eff(positives, rows - positives)
        if known is not None and known.se and known.n_eff is not None:  # its own, clusters and weights included
            se, n_eff = known.se * math.sqrt(pair.variance / placements(area).variance), min(n_eff, known.n_eff)
        return Error(se, n_eff, 1.1 / math.sqrt(n_eff))
    if subject == "average_precision":
        row = next(row for share, row in _AP_EFFECTIVE.items() if positives <= share * rows)
        return Error(math.sqrt(_AP_VARIANCE / positives), 2.5 + positives / row, 0.5)
    return None


def _of_classes(subject: str, classes: Sequence[int], slices: int) -> float | None:
    from lockgate.stats.power import margin_by_score

    rows = sum(classes)
    if subject == "accuracy":
        return margin_by_score(rows, DISAGREEMENT, **aim(None, slices)) if rows else None
    if subject != "recall" or min(classes) < MIN_MINORITY:
        return None
    # A row on which the models differ moves the mean by 1 / (classes · rows of its class).
    second, fourth = (
        sum(DISAGREEMENT * count * (1 / (len(classes) * count)) ** power for count in classes) for power in (2, 4)
    )
    smallest = Error(math.sqrt(second), second**2 / fourth).smallest(None, slices)
    return smallest if math.isfinite(smallest) else None


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
    """The observed AUC from which on the logit bound meets the limit, by t with the rows that carry such an AUC."""
    from scipy import special

    from lockgate.stats.placements import placements

    def bound(auc: float) -> float:
        law = placements(auc)
        n_eff = law.n_eff(positives, negatives)
        error = law.se(positives, negatives) / (auc * (1 - auc))
        return math.log(auc / (1 - auc)) - float(special.stdtrit(n_eff - 1, 1 - alpha)) * error - logit

    logit = math.log(limit / (1 - limit))
    steps = (limit + (1 - limit) * place / 400 for place in range(1, 400))  # near 1 the approximation turns around
    return next((auc for auc in steps if bound(auc) >= 0), math.nan) if positives and negatives else math.nan


def assumptions(disagreement: float, *, scored: bool) -> str:
    """What a plan stands on, in one sentence."""
    alike = f"the two models disagree on {disagreement * 100:g} % of rows, and their scores correlate {CORRELATION:g}"
    if scored:
        return f"assumed: {alike}; the rest is the champion's own"
    return f"assumed: {alike}; the champion's auc is {AUC:g} and its average precision {AVERAGE_PRECISION:g}"


def smallest_for(
    subject: str, *, rows: int, positives: int | None, classes: Sequence[int] = (), slices: int = 1
) -> float | None:
    """The smallest tolerance that so many rows decide on a line of its own, None where that is not known or there is none.

    slices: how many such lines, or slices, an equal candidate is to pass together.
    Of rmse and mae, as a share of the champion's value, for normal errors. classes: rows of each of several, for accuracy
    and for the macro average of recall.
    """
    if classes:
        return _of_classes(subject, classes, slices)
    relative = {"rmse": 0.5, "mae": math.pi / 2 - 1}.get(subject)
    if relative is not None:
        error: Error | None = Error(
            math.sqrt(2 * (1 - CORRELATION) * relative / max(rows, 1)), rows / _LOSS_KURTOSIS[subject], 0.3
        )
    elif positives is None or min(positives, rows - positives) < MIN_MINORITY:
        error = None
    else:
        error = _ranked(subject, rows, positives)
    smallest = math.inf if error is None else error.smallest(None, slices)
    return smallest if math.isfinite(smallest) else None
