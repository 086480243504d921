"""What would flip a verdict, in sentences: another value, another limit, more rows, fewer slow requests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from lockgate.evaluation.judging.flip_points import Crossing, FlipPoints
from lockgate.evaluation.judging.number_format import (
    counted_words,
    percent,
    rounded,
    safely_rounded,
    short,
    sided,
    unit_word,
)
from lockgate.evaluation.latency.request_limits import PERCENTILES, least_requests
from lockgate.evaluation.planning.request_outlook import requests_to_pass
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.evidence.finding import Decided, Finding, Verdict


def flip_sentences(finding: Finding, line: Requirement, flips: FlipPoints) -> list[str]:
    """In the order in which somebody would try them."""
    decided = finding.decided
    if decided is None or flips.obstacle is not None:
        return list(_obstacle(finding, line, flips))
    return [
        *_value(finding, decided, line, flips),
        *_requests(finding, line, flips),
        *_limit(decided, line, flips),
        *_rows(finding),
        *_ratio(finding, decided),
        *_untold(decided, flips),
    ]


def _untold(decided: Decided, flips: FlipPoints) -> Iterator[str]:
    """That a test which evidence cannot take up says nothing of other values."""
    if flips.value is None and flips.most_over is None and decided.se != 0:
        yield "at which other value, this evidence does not say"


def _obstacle(finding: Finding, line: Requirement, flips: FlipPoints) -> Iterator[str]:
    if flips.obstacle == "too_few":
        yield f"no value would: {finding.detail['too_few']}"
    elif flips.obstacle == "budget_spent":
        yield "no value would: these rows were evaluated more often than reuse.budget allows"
    elif flips.obstacle == "seen_rows":
        yield "no value would: the candidate was trained on more of these rows than max_seen allows, or nobody could look"
    elif flips.obstacle == "recorded":
        yield "no value would: it passes but for recorded answers, of which nobody could confirm who gave them"
    elif flips.obstacle == "labels":
        yield "no value would: too few of these requests have a label, or those with one are no random sample"
    else:
        yield "there is no value to compare"
    yield from _rows(finding)
    least = least_requests(line)
    if least is not None and finding.counted_in == "requests" and finding.rows < least:
        yield f"{least:,} requests are the fewest that can bound it, and there were {finding.rows:,}"


def _value(finding: Finding, decided: Decided, line: Requirement, flips: FlipPoints) -> Iterator[str]:
    if flips.value is None:
        if decided.se == 0:
            yield f"nothing varies on these {finding.counted_in}, so that no other value is thinkable with the same spread"
        return
    up = line.op == ">="
    now = float(decided.estimate or 0.0)
    words = _Words(finding, decided, line, flips.shares)
    if decided.on == "count" or decided.confidence is None:
        away = abs(now - decided.required[1])
        if finding.verdict is not Verdict.PASS:
            yield f"passes at {short(decided.required[1])}: {short(away)} {'more' if up else 'fewer'}"
        else:
            fails = flips.value.fails
            yield f"fails {'beyond' if fails is None else 'at'} {short(decided.required[1] if fails is None else fails)}"
        return
    if flips.value.passes is not None:
        yield f"passes at {words.say(flips.value.passes, more=up)}"
    elif finding.verdict is not Verdict.PASS:
        yield f"no value passes on so few {finding.counted_in}"
    if flips.value.fails is not None:
        yield f"fails at {words.say(flips.value.fails, more=not up)}"


class _Words:
    """Values of a comparison for the eye: the candidate's own, and beside the champion the distance; never rounded over the edge."""

    def __init__(self, finding: Finding, decided: Decided, line: Requirement, shares: int | None) -> None:
        self.finding, self.decided, self.line, self.shares = finding, decided, line, shares

    def say(self, value: float, *, more: bool) -> str:
        """`auc 0.8302 or more (0.0118 below the champion's), 12 rows of 400 away`. more: the value and those above it."""
        now, side_of = float(self.decided.estimate or 0.0), "or more" if more else "or less"
        subject, champion, factor = self.line.subject_phrase, self.finding.champion, self.line.limit.factor
        if self.decided.on == "difference" and champion is not None:
            own = safely_rounded(value + factor * champion, up=more)
            against = "the champion's" if factor == 1 else f"{short(factor)} × the champion's"
            text = f"{subject} {short(own)} {side_of} ({sided(value)} {against})"
        else:
            text = f"{subject} {short(safely_rounded(value, up=more))} {side_of}"
        if self.shares is None:
            return text
        rows = round(abs(value - now) * self.shares)
        return f"{text}, {counted_words(rows, self.finding.counted_in)} of {self.shares:,} away"


def _requests(finding: Finding, line: Requirement, flips: FlipPoints) -> Iterator[str]:
    if flips.most_over is None or finding.decided is None:
        return
    limit = short(line.limit.value)
    if flips.most_over < 0:
        least = least_requests(line)
        yield (
            f"so few requests bound nothing; {least:,} are the fewest that can"
            if least
            else "so few requests bound nothing"
        )
        return
    slower = "" if flips.over is None else f"; {flips.over:,} did"
    yield f"passes while at most {flips.most_over:,} of {finding.rows:,} requests take longer than {limit} ms{slower}"
    if finding.verdict is not Verdict.INCONCLUSIVE or flips.over is None:
        return
    needed = requests_to_pass(
        finding.rows,
        flips.over,
        1 - PERCENTILES[line.subject],
        alpha=1 - (finding.decided.confidence or 0.0),
        effect=float(finding.detail["design_effect"]),
    )
    if needed is not None:
        yield f"about {rounded(needed)} requests like these would pass it"


def _limit(decided: Decided, line: Requirement, flips: FlipPoints) -> Iterator[str]:
    crossing: Crossing | None = flips.limit
    if crossing is None or decided.on == "count":
        return
    up = line.op == ">="
    ends = []
    if crossing.passes is not None:
        limit = safely_rounded(crossing.passes, up=not up)
        ends.append(
            f"any limit {'up' if up else 'down'} to {_other_limit(line.limit, limit)} passes, beyond which {line.subject} cannot go"
            if crossing.every
            else f"`{_with_limit(line, limit)}` passes"
        )
    if crossing.fails is not None:
        ends.append(f"`{_with_limit(line, safely_rounded(crossing.fails, up=up))}` fails")
    if ends:
        yield "with the same answers and another limit, " + ", and ".join(ends)


def _rows(finding: Finding) -> Iterator[str]:
    if finding.verdict is Verdict.FAIL and finding.decided is not None and finding.decided.confidence is not None:
        if finding.remedy is not None:  # another run under other circumstances may well turn it
            return
        yield f"more {finding.counted_in} will not: that it lies beyond the limit is shown at {percent(finding.decided.confidence)} confidence"
    elif finding.verdict is Verdict.INCONCLUSIVE and finding.rows_needed is not None and finding.remedy is None:
        more = finding.rows_needed - finding.rows
        tolerance = finding.detail.get("smallest_tolerance")
        instead = (
            ""
            if tolerance is None
            else f"; these alone decide a tolerance of {short(safely_rounded(float(tolerance), up=True))}"
        )
        yield f"about {rounded(more)} more {unit_word(more, finding.counted_in)} like these would decide, nine times in ten{instead}"


def _ratio(finding: Finding, decided: Decided) -> Iterator[str]:
    """How many requests would show a ratio to keep its limit: intervals of its logarithm narrow with their root."""
    op, required = decided.required
    value, end = decided.estimate, decided.low if op == ">=" else decided.high
    if finding.verdict is not Verdict.INCONCLUSIVE or decided.on != "ratio" or not value or not end:
        return
    room = math.log(required / value) if op == "<=" else math.log(value / required)
    if room <= 0:
        yield f"more {finding.counted_in} will hardly pass it: the value itself lies beyond the limit"
    elif (wider := abs(math.log(end / value)) / room) > 1:
        yield f"about {rounded(math.ceil(finding.rows * wider**2))} {finding.counted_in} like these would pass it"


def _with_limit(line: Requirement, required: float) -> str:
    """The line with another limit, on the scale of what was compared."""
    return str(replace(line, limit=_other_limit(line.limit, required)))


def _other_limit(limit: RequirementLimit, required: float) -> RequirementLimit:
    if not limit.relative:
        return replace(limit, number=float(f"{required * 100:.12g}") if limit.percent else required)
    if limit.sign == "*":
        return replace(limit, number=required)
    return replace(limit, sign="-" if required < 0 else "+", number=abs(required))
