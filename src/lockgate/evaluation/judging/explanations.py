"""The words in which a finding and a gate are told to the person who is about to be blocked by them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockgate.data.slices.names import SliceKey
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.requirements.requirement import Requirement, Subject
from lockgate.evidence.evidence import Claim, Evidence, Finding, GateResult, Verdict

_WOULD = " would go unseen"
_ONE = {"rows": "row", "queries": "query"}
_WEAKER = ("watched", "no_loss_seen")

# What helps where the way of measuring kept a line from being decided.
_CIRCUMSTANCES = {
    "too_noisy": "measure on a machine that does nothing else, with more requests, or allow a larger factor",
    "not_steady": "raise load.warmup, or measure longer on a machine that does nothing else",
    "load_generator": "lower load.rate, or measure on a machine with a free core",
    "saturated": "lower load.rate",
}


@dataclass(frozen=True)
class Sentence:
    """The words of one finding: number, interval, limit, place, and what would help.

    needed: rows of the slice that would decide, None where no number would. smallness: why the slice counts as small.
    """

    requirement: Requirement
    one: Estimate
    subject: Subject | None
    claim: Claim
    code: str
    detail: Mapping[str, Any]
    needed: int | None
    smallness: str | None

    @property
    def _where(self) -> str:
        shown = slice_words(self.one.slice)
        return f"{self.requirement.spoken} on {shown}" if shown else self.requirement.spoken

    @property
    def _confidence(self) -> float:
        return self.requirement.confidence or CONFIDENCE

    def _value(self, value: float | None) -> str:
        unit = self.subject.unit if self.subject else ""
        return "unknown" if value is None else f"{short(value)}{' ' + unit if unit else ''}"

    def reason(self, verdict: Verdict) -> str:
        """What was seen, against what was asked."""
        one = self.one
        if one.problem is not None:
            rows = f" ({counted_words(one.rows, one.counted_in)})" if one.rows else ""
            return f"{self._where}: {one.problem[1]}{rows}"
        if one.value is None:
            return f"{self._where} was not measured"
        text = f"{self._where} is {self._value(one.candidate)}"
        if one.counted:
            among = f" among {one.rows:,}" if one.rows > 1 else ""
            few = f": {self.detail['too_few']}" if verdict is Verdict.INCONCLUSIVE and "too_few" in self.detail else ""
            return f"{text}{among}{few}; {self._allowed()}"
        text += self._contrast()
        if self.code == "watched":
            return f"{text}: watched, {self.smallness}; {self._unseen()}"
        if verdict is Verdict.INCONCLUSIVE and self.detail.get("too_few") is not None:
            return f"{text}: {self.detail['too_few']}; {self._allowed()}"
        if verdict is Verdict.INCONCLUSIVE and one.on == "value" and self.code != "beyond_unadjusted":
            return f"{text}: {self._limit()} not shown"
        text = f"{text}; {self._allowed()}"
        if self.code == "beyond_unadjusted":
            return f"{text}. Its own interval lies wholly beyond the limit, short of proof among this gate's findings"
        if self.code == "no_loss_seen":
            return f"{text}: no such loss was seen, and {self._unseen()}"
        if verdict is Verdict.INCONCLUSIVE:
            return f"{text}: not shown"
        return text + (" (a point comparison, without an error rate)" if self.claim == "point" else "")

    def _unseen(self) -> str:
        seen = self.detail.get("smallest_loss_seen")
        if seen is None:
            return "nothing says how large a loss" + _WOULD
        return f"a loss under {short(float(seen))}{_WOULD}" if float(seen) else "there is nothing to lose"

    def _contrast(self) -> str:
        one = self.one
        percent = f"{(2 * self._confidence - 1) * 100:g} % interval"
        ends = "" if self.claim == "point" else f" ({percent} {_ends(one.low, one.high)})"
        if one.on == "ratio":
            return f", {short(one.value)} times the champion's {self._value(one.champion)}{ends}"
        if one.on == "difference":
            factor = self.requirement.limit.sign == "*"
            against = f"{short(self.requirement.limit.value)} × the champion's" if factor else "the champion's"
            value = one.value or 0.0
            if abs(value) < 1e-12:
                return f", equal to {against} {self._value(one.champion)}{ends}"
            if value < 0 and self.claim != "point":
                ends = f" ({percent} {_ends(_negated(one.high), _negated(one.low))})"
            return (
                f", {short(abs(value))} {'below' if value < 0 else 'above'} {against} {self._value(one.champion)}{ends}"
            )
        if self.claim == "point":
            return ""
        low_end = (self.requirement.op == ">=") != (self.code in ("beyond_limit", "beyond_unadjusted"))
        bound, word = (one.low, "at least") if low_end else (one.high, "at most")
        if bound is None or math.isinf(bound):
            return " observed, and nothing bounds it"
        return f" observed; at {self._confidence * 100:g} % confidence {word} {self._value(bound)}"

    def _limit(self) -> str:
        limit = self.requirement.limit
        return str(limit) if limit.relative or limit.percent else self._value(limit.value)

    def _allowed(self) -> str:
        limit, up = self.requirement.limit, self.requirement.op == ">="
        if self.claim == "superior" and limit.sign != "*":
            gain = f"a gain of {short(abs(limit.margin))}" if limit.margin else "a gain"
            return f"{gain} over the champion is asked"
        if self.one.on == "ratio":
            return f"at most {short(limit.value)} times is allowed" if not up else f"at least {limit} is asked"
        if limit.relative and limit.sign in ("-", "+") and (limit.sign == "-") == up:
            return f"at most {short(abs(limit.margin))} {'below' if up else 'above'} is allowed"
        return f"{'at least' if up else 'at most'} {self._limit()} is {'asked' if up else 'allowed'}"

    def remedy(self, verdict: Verdict) -> str | None:
        """What would decide an inconclusive finding."""
        if verdict is not Verdict.INCONCLUSIVE or self.one.counted:
            return None
        found = self._remedy()
        firmer = self.subject.firmer if self.subject else None
        if firmer is None:
            return found
        stead = f"{firmer.format(*(value for _, value in self.requirement.args))} has exact bounds"
        return f"{found}; {stead}" if found else stead

    def _remedy(self) -> str | None:
        one, rows = self.one, self.one.counted_in
        if self.code == "no_rows":
            if not one.slice:
                return "give data with rows"
            return f"add {rows} of this slice to the data, or take the value out of the declared ones"
        if self.code in ("one_class", "undefined", "constant_label"):
            return f"add {rows} of this slice in which the metric is defined, or waive the finding with a reason"
        if self.code == "labels_only":
            return "let both models answer with a probability of each class: output: {method: predict_proba}"
        if self.code == "not_probabilities":
            return "let the model return probabilities, or ask for a metric of ranks such as auc"
        if self.code in _CIRCUMSTANCES:
            return _CIRCUMSTANCES[self.code]
        if one.on == "value" and one.value is not None:
            other = self._other_limit(one.value)
            if other is not None:
                return other
        if self.code == "beyond_unadjusted" and not self._met:
            return f"look at what changed on these {rows}; more of them would most likely prove it"
        if self.needed is not None:
            tolerance = self._other_tolerance()
            more = counted_words(self.needed - one.rows, rows).rpartition(" ")[2]
            return f"about {rounded(self.needed - one.rows)} more {more}{tolerance} would decide"
        if one.value is None or one.on == "ratio":
            return None
        if self.code == "too_small":
            return f"more {rows} of this slice would decide"
        return f"more {rows} of the same kind are unlikely to help; look at what changed on these {rows}"

    @property
    def _met(self) -> bool:
        """Whether the number itself, without its interval, is what was asked."""
        op, required = self.one.required
        value = required if self.one.value is None else self.one.value
        return value >= required if op == ">=" else value <= required

    def _other_limit(self, value: float) -> str | None:
        """What would decide an absolute line: fresh rows where the value is on the right side, and a limit within reach."""
        up = self.requirement.op == ">="
        bound = self.one.low if up else self.one.high
        if bound is None or not math.isfinite(bound) or self.code == "too_small":
            return None
        reach = f"a limit of {self._value(loosened(bound, value))}"
        if self.needed is not None:
            return f"about {rounded(self.needed)} fresh {self.one.counted_in}, or {reach}, would decide"
        limit = self.requirement.limit.value
        if (value > limit) if up else (value < limit):
            return f"more of them, or {reach}, would decide"
        return f"more {self.one.counted_in} will not help at this value; {reach} would be met"

    def _other_tolerance(self) -> str:
        found = self.detail.get("smallest_tolerance")
        return "" if found is None else f", or {tolerance_text(self.requirement, float(found))},"


def counted_words(count: int, counted_in: str = "rows") -> str:
    """`1 row`, `1,037 rows`, `3 queries`."""
    return f"{count:,} {_ONE.get(counted_in, counted_in) if count == 1 else counted_in}"


def slice_words(key: SliceKey) -> str:
    """`geography=BR & sex=Male`; nothing for all rows."""
    return " & ".join(f"{name}={value}" for name, value in key)


def outlook_words(
    requirement: Requirement, *, rows: int, positives: int | None, smallest: float, decidable: bool, counted_in: str
) -> str:
    """What these rows can decide of a line on a tolerance: the words of `gate plan`, and of a finding left undecided.

    smallest: tolerance that all slices of the line meet with 90 % power; of a factor, its distance from 1.
    """
    counted = f"{rows:,} {counted_in}" + ("" if positives is None else f", {positives:,} positive")
    status = "decidable" if decidable else f"hopeless at {requirement.limit}"
    return f"{status}: {counted} decide {tolerance_text(requirement, smallest)} with 90 % power"


def tolerance_text(requirement: Requirement, tolerance: float) -> str:
    """`a tolerance of 0.034`, of a factor `champion * 1.06`: rounded up, so that it is enough."""
    enough = rounded_up(tolerance)
    if requirement.limit.sign == "*":
        return f"champion * {1 - enough if requirement.op == '>=' else 1 + enough:.6g}"
    return f"a tolerance of {enough:.6g}"


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are no pass: errors and failures, then what looks bad, what is open, and what is too small to tell.

    Among equals, the one that is surest to be worse than allowed comes first, then the one with the most rows.
    """
    order = {"beyond_unadjusted": 0, "budget_spent": 0, "not_shown": 1}

    def key(one: Finding) -> tuple[int, int, float, int]:
        told = order.get(one.code, 2) if one.verdict is Verdict.INCONCLUSIVE else 0
        p_fail = one.detail.get("p_fail")
        return -one.verdict.rank, told, 1.0 if p_fail is None else float(p_fail), -one.rows

    return sorted((one for one in findings if one.verdict is not Verdict.PASS), key=key)


def summary(findings: Sequence[Finding], *, not_asked: int = 0, look: str | None = None) -> str:
    """The first sentence of a gate: what decided it, every weaker claim that it rests on, and which look it was."""
    if not findings:
        said = ["nothing was measured"]
    elif all(one.verdict is Verdict.PASS for one in findings):
        said = [_passed(findings), *_unseen_losses(findings)]
    else:
        said = _stopped(findings)
    merged = {
        slice_words(tuple(one.slice.items())): len(one.detail["members"])
        for one in findings
        if one.slice and one.detail.get("members")
    }
    said += [f"{place} is {count} small slices judged as one" for place, count in merged.items()]
    if not_asked:
        lines = "line that compares" if not_asked == 1 else "lines that compare"
        said.append(f"{not_asked} {lines} with a champion not asked: there is none yet")
    points = sum(1 for one in findings if one.decided is not None and one.decided.claim == "point")
    if points:
        said.append(f"{points} compared by points, without an error rate")
    return "; ".join([*said, *([look] if look is not None else [])])


def _passed(findings: Sequence[Finding]) -> str:
    unseen = [one for one in findings if one.code in _WEAKER]
    if not unseen:
        return "1 finding holds" if len(findings) == 1 else f"all {len(findings)} findings hold"
    watched = sum(1 for one in unseen if one.code == "watched")
    shares = [f"{len(findings) - len(unseen)} proven"]
    shares += [f"{watched} watched"] if watched else []
    shares += [f"{len(unseen) - watched} without a loss seen"] if len(unseen) > watched else []
    return ", ".join(shares)


def _stopped(findings: Sequence[Finding]) -> list[str]:
    """The worst finding, then how many others stand in the way and why, then what is only watched."""
    bad = worst_first(findings)
    same = sum(1 for one in bad if one.verdict is bad[0].verdict)
    undecided = [one for one in bad if one.verdict is Verdict.INCONCLUSIVE]
    said = [bad[0].reason]
    said += [f"and {same - 1} more"] if same > 1 else []
    said += [f"{len(undecided)} undecided"] if undecided and bad[0].verdict is not Verdict.INCONCLUSIVE else []
    small = sum(1 for one in undecided if one.code == "too_small")
    if small and len(undecided) > 1:
        said[-1] += f", {small} of them too small to judge" if small < len(undecided) else ", all too small to judge"
    watched = sum(1 for one in findings if one.code == "watched")
    return [*said, *([f"{watched} watched", *_unseen_losses(findings)] if watched else [])]


def _unseen_losses(findings: Sequence[Finding]) -> list[str]:
    """How large a loss could be on what is not proven."""
    seen = [one.detail.get("smallest_loss_seen") for one in findings if one.code in _WEAKER]
    known = [float(value) for value in seen if value is not None]
    told = [f"a loss under {short(max(known))}{_WOULD}"] if any(known) else []
    unknown = len(seen) - len(known)
    return told + ([f"on {unknown} of them nothing says how large a loss{_WOULD}"] if unknown else [])


def risk_sentence(evidence: Evidence) -> str | None:
    """What a pass of this run risks, said once; what carries no such rate is named. None where nothing was estimated."""
    covered: list[Finding] = []
    weaker: dict[str, dict[str, int]] = {}
    waived = {str(one["finding"]) for one in evidence.document.get("waivers") or () if not one.get("expired")}
    estimated = False
    for gate in evidence.gates:
        if gate.name in waived or any(one.id in waived for one in gate.findings):
            named = [gate.name] if gate.name in waived else [one.id for one in gate.findings if one.id in waived]
            weaker.setdefault("waived", {}).update(dict.fromkeys(named, 1))
        elif not gate.counts:
            weaker.setdefault("does not count", {})[gate.name] = 1
        for one in gate.findings:
            if one.decided is None or one.decided.on == "count":
                continue
            estimated = True
            kind = _weaker(gate, one, waived)
            if kind is None:
                covered.append(one)
            elif kind:
                lines = weaker.setdefault(kind, {})
                lines[f"{gate.name}/{one.requirement}"] = lines.get(f"{gate.name}/{one.requirement}", 0) + 1
    if not estimated:
        return None
    named = [
        f"{', '.join(name if count == 1 else f'{count} of {name}' for name, count in lines.items())} ({kind})"
        for kind, lines in weaker.items()
    ]
    if not covered:
        return f"Nothing that counts here carries an error rate ({'; '.join(named)})."
    return " ".join(
        [
            "If any requirement judged here on an estimate were violated, this run would pass with a probability of at "
            f"most {percent(_alpha(covered))}, however many there are.",
            *_over_all_looks(evidence, _alpha(covered)),
            *([f"Not covered: {'; '.join(named)}."] if named else []),
            "Facts counted on this run carry no such rate.",
        ]
    )


def _alpha(findings: Sequence[Finding]) -> float:
    return max(1 - one.decided.confidence for one in findings if one.decided and one.decided.confidence)


def _over_all_looks(evidence: Evidence, alpha: float) -> list[str]:
    """What it comes to over every time that somebody looked: risk ≤ looks × alpha."""
    counted = (evidence.document.get("run") or {}).get("looks") or {}
    budget = ((evidence.document.get("policy") or {}).get("reuse") or {}).get("budget")
    said = []
    for name, look in sorted(counted.items()):
        if look is None:
            said.append(f"How often {name} was looked at before is unknown, and so is the risk over all looks.")
        elif budget is not None:
            said.append(f"Look {look} of {budget} at {name}: over all {budget} at most {percent(budget * alpha)}.")
        elif look * alpha < 1:
            times = "1 look" if look == 1 else f"{look} looks"
            said.append(f"{times} at {name}, this one included: risk ≤ {percent(look * alpha)} over all of them.")
        else:
            said.append(f"{look} looks at {name}, this one included: nothing is promised over so many.")
    return said


def percent(share: float) -> str:
    """`99 %`, with at most six figures."""
    return f"{share * 100:.6g} %"


def _weaker(gate: GateResult, one: Finding, waived: set[str]) -> str | None:
    """Why an estimated finding is outside the run's error rate; None where it is inside, empty where that was said."""
    if not gate.counts or one.id in waived or one.decided is None:
        return ""
    if one.decided.confidence is None:
        return "compared by points"
    if one.decided.claim == "no_harm":
        return "watched" if "watched" in one.detail or one.code == "watched" else "held to no_harm"
    if "approximate" in one.decided.method or "bootstrap" in one.decided.method:
        return "by an approximate method"
    return None


def short(value: float | None) -> str:
    """A number for the eye, with four figures."""
    if value is None or math.isinf(value):
        return "unbounded"
    if value != 0 and abs(value) < 1e-4:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def loosened(bound: float, value: float) -> float:
    """A round number beyond the bound, seen from the value: what a limit could be so that it is met."""
    width = abs(value - bound)
    if width <= 1e-9 * max(1.0, abs(bound)):
        return bound
    step = 10.0 ** math.floor(math.log10(width))
    near = (math.floor(bound / step) if bound < value else math.ceil(bound / step)) * step
    return float(f"{near:.12g}") if near else bound


def rounded_up(tolerance: float) -> float:
    """A tolerance with two figures, never a smaller one."""
    if tolerance <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(tolerance)) - 1)
    return float(f"{math.ceil(tolerance / step - 1e-9) * step:.12g}")


def rounded(count: int) -> str:
    """A count for the eye, rounded up to two figures."""
    if count < 100:
        return str(max(count, 1))
    step = 10 ** (len(str(count)) - 2)
    return f"{math.ceil(count / step) * step:,}"


def _negated(value: float | None) -> float | None:
    return None if value is None else -value


def _ends(low: float | None, high: float | None) -> str:
    if low is not None and high is not None and low >= 0:
        return f"{short(low)}–{short(high)}"
    return f"{short(low)} to {short(high)}"
