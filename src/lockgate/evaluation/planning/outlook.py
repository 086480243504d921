"""Power of a requirement before a run: what these rows can decide, from counts or with the champion's scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lockgate.data.slices.names import SliceKey
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.explanations import outlook_words
from lockgate.evaluation.judging.judge import is_no_harm_check, judge, smallness
from lockgate.evaluation.judging.number_format import counted_words, rounded_up, short, slice_words
from lockgate.evaluation.judging.rows_needed import MOST_ROWS, alpha_and_power
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.metrics.declaration import Share
from lockgate.evaluation.planning.expected_error import (
    CORRELATION,
    DISAGREEMENT,
    ExpectedError,
    PassingShares,
    expected_error_beside,
    expected_ranking_error,
    rows_of_share,
)
from lockgate.evaluation.planning.value_needed import auc_to_pass, share_to_pass
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.comparison import CLOPPER_PEARSON, MIN_EFFECTIVE_ROWS, MIN_MINORITY
from lockgate.evaluation.uncertainty.power import Passing
from lockgate.hashing import number

_PRECISION = 0.8  # assumed, as an average precision is
Status = Literal["decidable", "watched", "hopeless", "unknown"]
# What an outlook rests on, or why there is none.
Basis = Literal[
    "tolerance", "value", "gap", "flips", "breaks", "fixes", "requests", "blocks", "counted", "no_rows", "too_small", "too_few_slices",
    "gain", "point", "counts_only", "closed_loop", "text", "varies",
]  # fmt: skip
_NEAR = 1.05  # rows are said to two figures


@dataclass(frozen=True)
class Outlook:
    """What one requirement can decide on one slice.

    tolerance: the stated one; smallest: the smallest with a 90 % chance that all slices of the requirement pass if the
    models are equal, both in the metric's units. chance: that equal models pass this slice at the stated one. observed: the value from which an absolute requirement passes.
    champion: the champion's own verdict on an absolute requirement, where its scores are known. counted_in: of what `rows` are.
    enough: how many of the same kind would decide it, where these do not and some number would. figures: further numbers that a
    basis has.
    """

    requirement: str
    slice: SliceKey
    rows: int
    positives: int | None
    status: Status
    words: str
    tolerance: float | None = None
    smallest: float | None = None
    chance: float | None = None
    observed: float | None = None
    champion: str | None = None
    counted_in: str = "rows"
    basis: Basis | None = None
    enough: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    champion_verdict: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "slice": dict(self.slice),
            "rows": self.rows,
            "counted_in": self.counted_in,
            "positives": self.positives,
            "status": self.status,
            "words": self.words,
            "tolerance": number(self.tolerance),
            "smallest_tolerance": number(self.smallest),
            "chance_to_pass": None if self.chance is None else number(round(self.chance, 4)),
            "observed_to_pass": number(self.observed),
            "champion": self.champion,
            "champion_verdict": self.champion_verdict,
            "basis": self.basis,
            "rows_enough": self.enough,
            "figures": dict(self.figures),
        }

    def underpowered(self, reason: str, basis: Basis = "too_small") -> Outlook:
        return replace(self, status="hopeless", words=f"underpowered: {reason}", basis=basis)

    def not_planned(self, reason: str = "a point has no error rate", basis: Basis = "point", **figures: Any) -> Outlook:
        return replace(self, words=f"not planned: {reason}", basis=basis, figures=figures)

    def not_planned_from_counts(self) -> Outlook:
        return replace(
            self, words="not planned from counts: gate plan --score measures the champion", basis="counts_only"
        )

    @property
    def slice_name(self) -> str:
        return slice_words(self.slice) or "overall"


def outlooks(
    name: str,
    requirement: Requirement,
    subject: Subject,
    counts: Sequence[Estimate],
    *,
    small: SmallSlices | None = None,
    own: Mapping[SliceKey, Estimate] | None = None,
    earlier: Mapping[SliceKey, float] | None = None,
    disagreement: float = DISAGREEMENT,
    judged: bool = True,
    enough: bool = True,
) -> list[Outlook]:
    """One outlook for each slice. counts: rows and positives of each. own: the champion's own estimates by slice.

    earlier: its values by an earlier run, where there are no estimates.
    disagreement: the share of rows on which the two models are assumed to decide differently. judged: whether an absolute line
    says of the champion itself whether it passes. enough: whether it is worked out how many rows would decide where these do
    not, which takes ten times as long as the rest.
    """
    counts = [with_minority(estimate, requirement) for estimate in counts]
    held = [estimate for estimate in counts if not is_no_harm_check(estimate, requirement, small)]
    line = _Line(name, requirement, subject, max(len(held), 1), own or {}, disagreement, earlier or {})
    listed = [line.outlook(estimate, small, enough=enough) for estimate in counts]
    if not own or not judged or requirement.limit.relative:
        return listed
    findings = judge("plan", [(name, requirement)], list(own.values()), {subject.name: subject})
    by_slice = {tuple(finding.slice.items()): finding for finding in findings}
    return [
        replace(each, champion=f"{finding.verdict}: {finding.reason}", champion_verdict=str(finding.verdict))
        if (finding := by_slice.get(each.slice)) is not None
        else each
        for each in listed
    ]


def enough_rows(rows: int, at: Callable[[float], Outlook]) -> int | None:
    """How many rows of the same kind are decidable, a few per cent more than the fewest; None where no number is.

    at: the outlook of so many times as many rows.
    """
    low = high = 1.0
    while at(high).status != "decidable":
        low, high = high, 4 * high
        if not 0 < rows * low <= MOST_ROWS:
            return None
    while high > _NEAR * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if at(middle).status == "decidable" else (middle, high)
    return math.ceil(rows * high)


def times(estimate: Estimate, factor: float, line: Requirement) -> Estimate:
    """The same with so many times as many rows of the same kind."""
    positives = None if estimate.positives is None else round(estimate.positives * factor)
    return with_minority(replace(estimate, rows=round(estimate.rows * factor), positives=positives), line)


def measured_times(estimate: Estimate, factor: float) -> Estimate:
    """What a model's own estimate would be on so many times as many rows: as good, and known so much better."""
    value, narrower = estimate.value or 0.0, 1 / math.sqrt(factor)
    low, high = (None if end is None else value + (end - value) * narrower for end in (estimate.low, estimate.high))
    return replace(
        estimate, rows=round(estimate.rows * factor), low=low, high=high, se=estimate.se and estimate.se * narrower,
        n_eff=estimate.n_eff and estimate.n_eff * factor, tested=estimate.tested and estimate.tested.resized(factor),
    )  # fmt: skip


def as_absolute(requirement: Requirement) -> Requirement:
    """The requirement on the champion alone, so that its own value and variance are measured."""
    limit = RequirementLimit(relative=False, number=0.5) if requirement.limit.relative else requirement.limit
    return replace(requirement, limit=limit, claim=None)


def with_minority(estimate: Estimate, requirement: Requirement) -> Estimate:
    """The same counts with the floor of a test that needs both classes."""
    if not declared(requirement.subject).minority or estimate.positives is None:
        return estimate
    fewer = min(estimate.positives, estimate.rows - estimate.positives)
    kind = "positive" if estimate.positives <= estimate.rows - estimate.positives else "negative"
    few = f"{fewer} {kind} rows; the test needs {MIN_MINORITY}" if fewer < MIN_MINORITY else None
    return replace(estimate, minority=fewer, too_few=few)


@dataclass(frozen=True)
class _Line:
    name: str
    requirement: Requirement
    subject: Subject
    slices: int
    own: Mapping[SliceKey, Estimate]
    disagreement: float
    earlier: Mapping[SliceKey, float]

    def outlook(self, estimate: Estimate, small: SmallSlices | None, *, enough: bool) -> Outlook:
        outlook = self._outlook(estimate, small)
        if not enough or outlook.status not in ("hopeless", "watched"):
            return outlook

        def at(factor: float) -> Outlook:
            own = {key: measured_times(each, factor) for key, each in self.own.items() if key == estimate.slice}
            return replace(self, own=own)._outlook(times(estimate, factor, self.requirement), small)

        return replace(outlook, enough=enough_rows(estimate.rows, at))

    def _outlook(self, estimate: Estimate, small: SmallSlices | None) -> Outlook:
        blank = Outlook(
            self.name, estimate.slice, estimate.rows, estimate.positives, "unknown", "", counted_in=estimate.counted_in
        )
        if estimate.rows == 0:
            return blank.underpowered(f"there are no {estimate.counted_in}", "no_rows")
        if self.requirement.claim == "point":
            return blank.not_planned()
        few = smallness(estimate, self.requirement, small)
        if is_no_harm_check(estimate, self.requirement, small):
            return replace(blank, status="watched", words=f"no-harm check: {few}", basis="too_small")
        if few or estimate.too_few:
            return blank.underpowered(f"{few or estimate.too_few}")
        return self._relative(blank, estimate) if self.requirement.limit.relative else self._absolute(blank, estimate)

    def _relative(self, blank: Outlook, estimate: Estimate) -> Outlook:
        if self.requirement.claim == "superior":
            return self._gain(blank, estimate)
        value, limit, passing = self._value(estimate), self.requirement.limit, self._passing(estimate)
        if passing is None or (limit.sign == "*" and value is None):
            return blank.not_planned_from_counts()
        smallest = passing.tolerance(self._power)
        if math.isinf(smallest):
            return blank.underpowered(
                f"so few {estimate.counted_in} carry the difference that the {MIN_EFFECTIVE_ROWS:g} which the test needs "
                "are often missing"
            )
        tolerance = abs(1 - limit.value) * abs(value or 0.0) if limit.sign == "*" else abs(limit.margin)
        shown_tolerance = smallest / abs(value) if limit.sign == "*" and value else smallest
        decidable = smallest <= tolerance or self.requirement.claim == "no_harm"
        chance = passing.chance(tolerance)
        words = outlook_words(self.requirement, estimate, smallest=shown_tolerance, decidable=decidable)
        if not decidable:
            words += f"; equal models pass at {limit} in {_percent(chance)} of runs"
            words += f", and are to pass on {self.slices:,} slices" if self.slices > 1 else ""
        status: Status = "decidable" if decidable else "hopeless"
        return replace(
            blank, status=status, words=words, tolerance=tolerance, smallest=smallest, chance=chance, basis="tolerance"
        )

    @property
    def _power(self) -> float:
        """With which each slice passes so that all of them do with 90 %."""
        return alpha_and_power(self.requirement, self.slices)["power"]

    def _gain(self, blank: Outlook, estimate: Estimate) -> Outlook:
        passing = self._passing(estimate)
        smallest, depends = (
            math.inf if passing is None else passing.tolerance(self._power),
            "a gain depends on the candidate",
        )
        if math.isinf(smallest) or self.requirement.limit.sign == "*":
            return blank.not_planned(depends, "gain")
        gain = rounded_up(smallest + abs(self.requirement.limit.margin))
        return blank.not_planned(f"{depends}; one of {short(gain)} is shown with 90 % power", "gain", gain=number(gain))

    def _rows_of_share(self, estimate: Estimate) -> int | None:
        """Rows of which a share is taken; where they weigh unlike or belong together, as many as tell the champion's as well."""
        rows, champion = rows_of_share(self.requirement, estimate), self.own.get(estimate.slice)
        if rows is None or champion is None or champion.n_eff is None:
            return rows
        metric = declared(self.requirement.subject)
        if champion.method == CLOPPER_PEARSON:
            return round(champion.n_eff) if isinstance(metric.sums, Share) and metric.sums.by_decision else rows
        value = champion.candidate or 0.0
        effective = value * (1 - value) / champion.se**2 if champion.se else champion.n_eff
        return min(rows, round(effective))

    def _value(self, estimate: Estimate) -> float | None:
        champion = self.own.get(estimate.slice)
        if champion is not None:
            return champion.candidate
        return self.earlier.get(estimate.slice, declared(self.requirement.subject).plan.champion)

    def _passing(self, estimate: Estimate) -> Passing | PassingShares | None:
        """How often equal models pass, by the tolerance; None where that cannot be foretold."""
        metric, champion = declared(self.requirement.subject), self.own.get(estimate.slice)
        carried = self._rows_of_share(estimate)
        if carried is not None and metric.paired_share and self.requirement.limit.sign != "*":
            alpha = alpha_and_power(self.requirement, 1)["alpha"]
            return PassingShares(carried, self.disagreement, alpha) if carried else None
        error = None
        if carried:
            # Each row on which the models disagree moves a share by one row, and only those carry its difference. Where decisions
            # choose the rows, one model decides positive on each of these, and it moves the share p by y − p: near a threshold
            # labels are even.
            chosen = isinstance(metric.sums, Share) and metric.sums.by_decision
            share = _PRECISION if champion is None or champion.candidate is None else champion.candidate
            moved = self.disagreement * (estimate.rows if chosen else carried)
            step = (math.sqrt((share**2 + (1 - share) ** 2) / 2) if chosen else 1.0) / carried
            error = ExpectedError(math.sqrt(moved) * step, moved, carried, step=step)
        elif carried == 0:
            return None
        elif champion is not None and (not metric.plan.placements or estimate.positives is None):
            error = expected_error_beside(
                champion, self.requirement, rows=estimate.rows, disagreement=self.disagreement
            )
        else:
            value = self.earlier.get(estimate.slice)
            error = expected_ranking_error(metric.name, estimate.rows, estimate.positives, champion, value=value)
        return None if error is None else error.passing(metric, self.requirement)

    def _absolute(self, blank: Outlook, estimate: Estimate) -> Outlook:
        observed = self._observed(estimate)
        if (
            observed is None and "label" not in self.subject.needs
        ):  # of both models' answers, which a champion alone cannot show
            return blank.not_planned("how much it varies is known after a run", "varies")
        if observed is None:
            return blank.not_planned_from_counts()
        up = self.requirement.op == ">="
        if math.isnan(observed):
            units = counted_words(estimate.rows, estimate.counted_in)
            return blank.underpowered(f"not even {1 if up else 0} on {units} would show it", "value")
        words = f"has power: passes from a value of {short(observed)} {'up' if up else 'down'}"
        return replace(blank, status="decidable", words=words, observed=observed, basis="value")

    def _observed(self, estimate: Estimate) -> float | None:
        """The value from which the requirement passes; NaN where none would do, None where that is not known."""
        positives, placements = estimate.positives, declared(self.requirement.subject).plan.placements
        limit, alpha = self.requirement.limit.value, 1 - (self.requirement.confidence or CONFIDENCE)
        carried = self._rows_of_share(estimate)
        if carried is not None:
            return share_to_pass(limit, carried, alpha=alpha, up=self.requirement.op == ">=")
        if placements and positives is not None and self.requirement.op == ">=" and 0 < limit < 1:
            return auc_to_pass(self.requirement, positives, estimate.rows - positives)
        champion = self.own.get(estimate.slice)
        if champion is None or champion.value is None or champion.low is None or champion.high is None:
            return None
        away = champion.value - (champion.low if self.requirement.op == ">=" else champion.high)
        return limit + away if math.isfinite(away) else None


def assumptions(disagreement: float, *, scored: bool, earlier: Mapping[str, float] | None = None) -> str:
    """The assumptions of a plan, in one sentence. earlier: the champion's values by an earlier run, by metric."""
    alike = f"the two models disagree on {disagreement * 100:g} % of rows, and their scores correlate {CORRELATION:g}"
    if scored:
        return f"assumed: {alike}; the rest is the champion's own"
    earlier = earlier or {}
    auc, average_precision = (
        f"{short(earlier[name])} (measured)" if name in earlier else f"{declared(name).plan.champion:g}"
        for name in ("auc", "average_precision")
    )
    return f"assumed: {alike}; the champion's auc is {auc} and its average precision {average_precision}"


def _percent(chance: float) -> str:
    """Without decimals, never 0 or 100 of what may happen."""
    return f"{min(max(100 * chance, 1), 99):.0f} %"
