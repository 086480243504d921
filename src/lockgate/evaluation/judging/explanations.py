"""Reason and remedy of a finding: number, interval, limit, place, and what would help."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.number_format import (
    counted_words,
    interval_text,
    loosened,
    rounded,
    rounded_up,
    short,
    sided,
    slice_words,
    unit_word,
)
from lockgate.evaluation.judging.rows_needed import stated_tolerance
from lockgate.evaluation.leaks.words import failed_remedy, finding_words
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.shadow.noise import excess_words
from lockgate.evaluation.shadow.shifts import shift_words
from lockgate.evidence.finding import Claim, Finding, Verdict

# What helps where the way of measuring kept a requirement from being decided.
_MEASUREMENT_REMEDIES = {
    "too_noisy": "measure on a machine that does nothing else, with more requests",
    "not_steady": "measure longer on a machine that does nothing else",
    "load_generator": "lower load.rate, or measure on a machine with a free core",
    "saturated": "lower load.rate",
}

_AT_LIMIT = 100  # times as many rows as there are: the value is nearer to its limit than a tenth of its interval
# Why a metric has no value, by the code of its finding.
_CAUSES = {
    "no_rows": "there are no {rows}",
    "too_small": "there are too few {rows}",
    "one_class": "there are no {rows} of one of the classes",
    "undefined": "the metric is undefined on these {rows}",
    "constant_label": "the label does not vary on these {rows}",
    "no_weight": "all weights are zero",
    "labels_only": "the answers are class labels, without a score of each class",
    "not_probabilities": "the scores are no probabilities",
    "label_outside": "the metric does not exist of these labels",
    "prediction_outside": "the metric does not exist of these predictions",
    "no_threshold": "no threshold says which scores are positive",
    "no_answers": "no request was answered by both models",
    "not_finite": "values are NaN or infinite",
    "function_failed": "the metric's function failed",
}


@dataclass(frozen=True)
class Explanation:
    """The words of one finding: number, interval, limit, place, and what would help.

    needed: rows of the slice that would decide, None where no number would. smallness: why the slice counts as small.
    """

    requirement: Requirement
    estimate: Estimate
    subject: Subject | None
    claim: Claim
    code: str
    detail: Mapping[str, Any]
    needed: int | None
    smallness: str | None

    @property
    def _where(self) -> str:
        slice_name = slice_words(self.estimate.slice)
        return f"{self.requirement.subject_phrase} on {slice_name}" if slice_name else self.requirement.subject_phrase

    @property
    def _confidence(self) -> float:
        return self.requirement.confidence or CONFIDENCE

    def _value(self, value: float | None) -> str:
        if value is None:
            return "unknown"
        unit = self.subject.unit if self.subject else ""
        if self.estimate.counted and unit:
            unit = unit_word(1 if value == 1 else 2, unit)
        return f"{short(value)} {unit}".rstrip()

    def reason(self, verdict: Verdict) -> str:
        """The value, its interval, the limit, and what of slow requests the run could not have seen."""
        return self._compared(verdict) + self._stalls(verdict) + self._worst_class(verdict) + finding_words(self.detail)

    def _worst_class(self, verdict: Verdict) -> str:
        return "" if verdict is Verdict.PASS else worst_class_words(self.requirement.subject, self.detail)

    def _stalls(self, verdict: Verdict) -> str:
        if verdict is Verdict.PASS and "rarest_stall" in self.detail:
            return f"; {unseen_stalls(self.detail)}"
        if verdict is Verdict.INCONCLUSIVE and self._stalls_too_long:
            return f"; it is where no stall is longer than {self.detail['longest_stall']:,} requests, and load.stall is {self.detail['stall']:,}"
        return ""

    @property
    def _stalls_too_long(self) -> bool:
        """Whether nothing but the stalls that the pipeline allows for keep the line from being decided."""
        return 0 < self.detail.get("longest_stall", 0) < self.detail.get("stall", 0) and "too_few" not in self.detail

    def _compared(self, verdict: Verdict) -> str:
        estimate = self.estimate
        if estimate.problem is not None:
            rows = f" ({counted_words(estimate.rows, estimate.counted_in)})" if estimate.rows else ""
            return f"{self._where}: {estimate.problem[1]}{rows}"
        if estimate.value is None:
            return f"{self._where} was not measured"
        text = f"{self._where} is {self._value(estimate.candidate)}"
        if estimate.counted:
            among = f" among {estimate.rows:,}" if estimate.rows > 1 else ""
            few = f": {self.detail['too_few']}" if verdict is Verdict.INCONCLUSIVE and "too_few" in self.detail else ""
            return f"{text}{among}{few}; {self._allowed()}"
        text += self._clip() + self._one_right() + self._hits() + self._shift() + self._contrast()
        if self.code == "watched":
            return f"{text}: checked for harm alone ({self.smallness}); {self._unseen()}"
        if verdict is Verdict.INCONCLUSIVE and self.detail.get("too_few") is not None:
            return f"{text}: {self.detail['too_few']}; {self._allowed()}"
        if verdict is Verdict.INCONCLUSIVE and estimate.on == "value" and self.code != "beyond_unadjusted":
            return f"{text}: {self._limit()} not shown"
        text = f"{text}; {self._allowed()}"
        if self.code == "beyond_unadjusted":
            return text + likely_fail(self.detail, confidence=self._confidence)
        if self.code == "no_loss_seen":
            return f"{text}: no such loss was seen, and {self._unseen()}"
        if verdict is Verdict.INCONCLUSIVE:
            return f"{text}: not shown"
        return text + (" (a point comparison, without an error rate)" if self.claim == "point" else "")

    def _unseen(self) -> str:
        loss = self.detail.get("smallest_loss_seen")
        if self.detail.get("no_power"):
            return "no loss could be seen"
        if loss is None:
            return "nothing says how large a loss would go unseen"
        return f"a loss under {short(float(loss))} would go unseen" if float(loss) else "there is nothing to lose"

    def _clip(self) -> str:
        """The least probability that a loss was taken of, and of how many rows it was; nothing where there is no clip."""
        clip, rows, beside = (self.detail.get(key) for key in ("clip", "clipped", "champion_clipped"))
        if clip is None:
            return ""
        counted = f" in {counted_words(rows)}" if rows else ""
        return f" (clip {float(clip):g}{counted}{f', in {counted_words(beside)} of the champion' if beside else ''})"

    def _one_right(self) -> str:
        """The rows behind a rate of those that one model decides rightly and the other does not; nothing of other values."""
        if self.estimate.on != "value" or "only_champion" not in self.detail:
            return ""
        broken, fixed = self.detail["only_champion"], self.detail["only_candidate"]
        return f" ({counted_words(broken)} broken, {fixed:,} fixed)"

    def _hits(self) -> str:
        """The counts behind a rate of some of the rows; nothing of other values."""
        if self.estimate.on != "value" or "among" not in self.detail:
            return ""
        return f" ({self.detail['hits']:,} of {counted_words(self.detail['among'], self.estimate.counted_in)})"

    def _shift(self) -> str:
        if self.estimate.on != "value":
            return ""
        return excess_words(self.detail) + (shift_words(self.detail) if "shift" in self.detail else "")

    def _ends(self, low: float | None, high: float | None) -> str:
        """The interval of a contrast, in brackets; an end of a difference says its side where the ends are on two."""
        if self.claim == "point":
            return ""
        if all(end is None or math.isinf(end) for end in (low, high)):
            return ", without a confidence interval"
        approximate = ", approximate" if "approximate" in self.estimate.method else ""
        return f" ({(2 * self._confidence - 1) * 100:g} % interval {self._interval(low, high)}{approximate})"

    def _interval(self, low: float | None, high: float | None) -> str:
        if self.estimate.on != "difference":
            return interval_text(low, high)
        low, high = (None if end is None or math.isinf(end) else end for end in (low, high))
        if low is None or high is None:
            return f"{sided(high or 0.0)} or lower" if low is None else f"{sided(low)} or higher"
        if low < 0 < high:
            return f"{sided(low)} to {sided(high)}"
        return interval_text(*sorted((abs(low), abs(high))))

    def _contrast(self) -> str:
        estimate = self.estimate
        ends = self._ends(estimate.low, estimate.high)
        if estimate.on == "ratio":
            return f", {short(estimate.value)} times the champion's {self._value(estimate.champion)}{ends}"
        if estimate.on == "difference":
            factor = self.requirement.limit.sign == "*"
            against = f"{short(self.requirement.limit.value)} × the champion's" if factor else "the champion's"
            value = estimate.value or 0.0
            if abs(value) < 1e-12:
                return f", equal to {against} {self._value(estimate.champion)}{ends}"
            return f", {sided(value)} {against} {self._value(estimate.champion)}{ends}"
        if self.claim == "point":
            return ""
        low_end = (self.requirement.op == ">=") != (self.code in ("beyond_limit", "beyond_unadjusted"))
        bound, word = (estimate.low, "at least") if low_end else (estimate.high, "at most")
        if bound is None or math.isinf(bound):
            return f", without {'a lower' if low_end else 'an upper'} confidence bound"
        approximately = " (approximate)" if "approximate" in estimate.method else ""
        return f"; at {self._confidence * 100:g} % confidence{approximately} {word} {self._value(bound)}"

    def _limit(self) -> str:
        limit = self.requirement.limit
        return str(limit) if limit.relative or limit.percent else self._value(limit.value)

    def _allowed(self) -> str:
        limit, up = self.requirement.limit, self.requirement.op == ">="
        if self.claim == "superior" and limit.sign != "*":
            gain = f"a gain of {short(abs(limit.margin))}" if limit.margin else "a gain"
            return f"{gain} over the champion is required"
        if self.estimate.on == "ratio":
            return f"at most {short(limit.value)} times is allowed" if not up else f"at least {limit} is required"
        if limit.relative and limit.sign in ("-", "+") and (limit.sign == "-") == up:
            return f"at most {short(abs(limit.margin))} {'below' if up else 'above'} is allowed"
        return f"{'at least' if up else 'at most'} {self._limit()} is {'required' if up else 'allowed'}"

    def remedy(self, verdict: Verdict) -> str | None:
        """What would decide an inconclusive finding; of a fail, what its line alone can say."""
        if verdict is Verdict.FAIL and not self.estimate.counted:
            return failed_remedy(self.detail)
        if verdict is not Verdict.INCONCLUSIVE or self.estimate.counted:
            return None
        advice = self._remedy()
        firmer = self.subject.firmer if self.subject else None
        if firmer is None:
            return advice
        alternative = f"{firmer.format(*(value for _, value in self.requirement.args))} has exact bounds"
        return f"{advice}; {alternative}" if advice else alternative

    def _remedy(self) -> str | None:
        estimate, rows = self.estimate, self.estimate.counted_in
        if self.code == "no_rows":
            if not estimate.slice:
                return "give data with rows"
            return f"add {rows} of this slice to the data, or take the value out of the declared ones"
        if self.code in ("one_class", "undefined", "constant_label"):
            if not estimate.slice:
                return f"give {rows} in which the metric is defined"
            return f"add {rows} of this slice in which the metric is defined, judge without it, or waive the finding in a pipeline"
        if self.code == "labels_only":
            return "let both models answer with a probability of each class: output: {method: predict_proba}"
        if self.code == "not_probabilities":
            return "let the model return probabilities, or require a ranking metric such as auc"
        if self.code in ("label_outside", "prediction_outside"):
            mend = (
                "take these rows out" if self.code == "label_outside" else "let the model answer above 0, by a log link"
            )
            return f"{mend}, or require a metric of any number such as mae"
        if self.code in _MEASUREMENT_REMEDIES:
            wider = self.code == "too_noisy" and self._met
            return f"{_MEASUREMENT_REMEDIES[self.code]}{'; or allow a larger factor' if wider else ''}"
        if self._stalls_too_long:
            enough = math.ceil(estimate.rows * self.detail["stall"] / self.detail["longest_stall"])
            return f"about {rounded(enough)} requests of the same kind would decide"
        if estimate.on == "value" and estimate.value is not None:
            other = self._other_limit(estimate.value)
            if other is not None:
                return other
        if self.code == "beyond_unadjusted" and not self._met:
            return f"more {rows} would most likely prove the fail; {self._look}"
        if estimate.on == "value" and estimate.value is not None and not self._met:
            return f"the value itself is beyond the limit, so that more {rows} would rather show a fail than a pass; {self._look}"
        if self.needed is not None:
            tolerance = self._other_tolerance()
            more = self.needed - estimate.rows
            return f"about {rounded(more)} more {unit_word(more, rows)}{tolerance} would decide"
        if estimate.value is None or estimate.on == "ratio":
            return None
        if self.code == "too_small" or estimate.on == "value":
            return f"more {rows}{' of this slice' if estimate.slice else ''} would decide"
        smallest = float(self.detail.get("smallest_tolerance") or math.inf)
        if self.claim == "not_worse" and smallest <= stated_tolerance(self.requirement):
            return f"there are enough {rows} for a candidate as good as the champion to pass; {self._look}"
        return f"more {rows} of the same kind are unlikely to help; {self._look}"

    @property
    def _look(self) -> str:
        """Where one sees what changed: the figure of the report that has it by class, or by decision."""
        names = {name for name, _ in self.requirement.args}
        needs = self.subject.needs if self.subject else ()
        by_class, by_decision = "label" in needs and names & {"class", "average"}, {"label", "threshold"} <= set(needs)
        figure = '"Recall by class"' if by_class else '"Fixes and breaks"' if by_decision else ""
        return (
            f"look at what changed, {figure} in report.html"
            if figure
            else "look at what changed; gate explain has the numbers"
        )

    @property
    def _met(self) -> bool:
        """Whether the value itself, without its interval, meets the limit."""
        op, required = self.estimate.required
        value = required if self.estimate.value is None else self.estimate.value
        return value >= required if op == ">=" else value <= required

    def _other_limit(self, value: float) -> str | None:
        """What would decide an absolute requirement that the value meets: fresh rows, and a limit within reach."""
        bound = self.estimate.low if self.requirement.op == ">=" else self.estimate.high
        if bound is None or not math.isfinite(bound) or self.code == "too_small" or not self._met:
            return None
        if self.subject is not None and bound == self.subject.bounds[0 if self.requirement.op == ">=" else 1]:
            return None  # a limit there would say nothing
        if value == self.estimate.required[1] or (self.needed or 0) > _AT_LIMIT * self.estimate.rows:
            rows = f"its value is at the limit, which hardly any number of {self.estimate.counted_in} decides"
            return f"{rows}; a limit of {self._value(loosened(bound, value))} would be met"
        fresh = (
            f"more {self.estimate.counted_in}"
            if self.needed is None
            else f"about {rounded(self.needed)} fresh {self.estimate.counted_in}"
        )
        return f"{fresh}, or a limit of {self._value(loosened(bound, value))}, would decide"

    def _other_tolerance(self) -> str:
        tolerance = self.detail.get("smallest_tolerance") if self._met else None
        return "" if tolerance is None else f", or {tolerance_text(self.requirement, float(tolerance))},"


def likely_fail(detail: Mapping[str, Any], *, confidence: float) -> str:
    """The end of a sentence on a value that lies beyond its limit with its whole interval, and is no fail.

    detail: of the finding. confidence: one-sided, of its line.
    """
    p_fail = detail.get("p_fail")
    if (
        p_fail is not None and float(p_fail) <= 1 - confidence
    ):  # alone it would be one; Holm's adjustment keeps it from that
        return ": probably a fail, undecided only because all comparisons of this gate are judged together"
    return ": probably a fail: the interval lies beyond the limit, but the stricter test that decides is not sure; gate explain has both"


def worst_class_words(subject: str, detail: Mapping[str, Any]) -> str:
    """`. Class 9 lost most: its recall is 0.51, the champion's 0.94`; nothing where a finding names none.

    subject: the metric of each class. detail: of the finding.
    """
    worst = detail.get("worst_class")
    if worst is None:
        return ""
    own, other = (short(float(worst[role])) for role in ("candidate", "champion"))
    return f". Class {worst['class']} lost most: its {subject} is {own}, the champion's {other}"


def unseen_stalls(detail: Mapping[str, Any]) -> str:
    """Which stalls could have gone unseen in the run, by the detail of a finding on latency or failures that passes."""
    longest, rarest = detail.get("longest_stall"), f"comes less often than once in {detail['rarest_stall']:,} requests"
    stall = "a stall" if longest is None else f"a stall of more than {longest:,} requests in a row"
    return f"{stall} that {rarest} may not show in a run this short"


def cause(finding: Finding) -> str:
    """Why a finding has no value, from its fields alone: what is said once of many slices, however each was worded."""
    if finding.code == "one_class" and finding.positives in (0, finding.rows):
        words = f"there are no {'negative' if finding.positives else 'positive'} {finding.counted_in}"
    else:
        known = _CAUSES.get(finding.code)
        words = finding.code.replace("_", " ") if known is None else known.format(rows=finding.counted_in)
    # The candidate's own value is there: what is missing is what it would be compared with.
    return words if finding.observed is None else f"of the champion: {words}"


def outlook_words(requirement: Requirement, estimate: Estimate, *, smallest: float, decidable: bool) -> str:
    """What these rows can decide of a tolerance, in the words of `gate plan`.

    smallest: tolerance that all slices of the requirement meet with 90 % power; of a factor, its distance from 1.
    """
    positives = "" if estimate.positives is None else f", {estimate.positives:,} positive"
    counted = f"{estimate.rows:,} {estimate.counted_in}{positives}"
    status = "has power" if decidable else f"underpowered at {requirement.limit}"
    return f"{status}: {counted} decide {tolerance_text(requirement, smallest)} with 90 % power"


def enough_words(requirement: Requirement, estimate: Estimate, *, smallest: float, decidable: bool) -> str:
    """Whether these rows were enough for the line, of a finding that they left undecided; arguments as of `outlook_words`."""
    counted, tolerance = counted_words(estimate.rows, estimate.counted_in), tolerance_text(requirement, smallest)
    if decidable:
        return (
            f"{counted} are enough here: a candidate as good as the champion passes {tolerance} on them 9 times in 10"
        )
    return f"{counted} are too few here: a candidate as good as the champion passes {tolerance}, and none that is smaller, on them 9 times in 10"


def tolerance_text(requirement: Requirement, tolerance: float) -> str:
    """`a tolerance of 0.034`, of a factor `champion * 1.06`: rounded up, so that it is enough."""
    enough = rounded_up(tolerance)
    if requirement.limit.sign == "*":
        return f"champion * {1 - enough if requirement.op == '>=' else 1 + enough:.6g}"
    return f"a tolerance of {enough:.6g}"
