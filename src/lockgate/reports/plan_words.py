"""What a plan foretells of a line in plain words: whether the rows suffice, how many would, or why nothing can be foretold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockgate.evaluation.judging.number_format import counted_words, rounded, rounded_up, short, unit_word
from lockgate.text import counted, cut

_ORDER = ("hopeless", "watched", "unknown", "decidable")  # statuses, the worst first
_MAX_SLICES = 6  # of a line that are named one by one
_UNFORETOLD = {
    "gain": "it passes only if the candidate is shown to be better, and how much better it is shows in the run",
    "point": "measured numbers are compared as they are, without allowing for chance",
    "counts_only": "row counts alone do not tell how much it varies; with --score a model answers the rows first",
    "blocks": "it depends on how steadily both models answer on the machine of the run",
    "closed_loop": "how many requests are sent depends on how fast the models answer",
    "text": "this gate's lines are read when it runs",
    "varies": "how much it varies shows in the run",
}
_RATES = {"flips": ("differ", "differs on"), "breaks": ("are broken", "breaks"), "fixes": ("are fixed", "fixes")}

Outlook = Mapping[str, Any]
"""One outlook of the document of `gate plan --json`."""


@dataclass(frozen=True)
class Foretold:
    """One sentence of a line. status: of the outlooks that it covers; lead: its first words, which say as much."""

    status: str
    lead: str
    text: str


def foretold(line: Mapping[str, Any]) -> list[Foretold]:
    """The sentences of a line, the worst slice first; slices that suffice share one."""
    outlooks = sorted(line["outlook"], key=_urgency)
    short_ones = [each for each in outlooks if each["status"] in ("hopeless", "watched")]
    unknown = [each for each in outlooks if each["status"] == "unknown"]
    enough = [each for each in outlooks if each["status"] == "decidable"]
    sentences = [_too_few(each) for each in short_ones[:_MAX_SLICES]]
    if (hidden := len(short_ones) - _MAX_SLICES) > 0:
        sentences.append(Foretold("hopeless", "too few ", f"in {hidden} more slices"))
    if unknown:
        sentences.append(
            Foretold("unknown", _where(unknown, len(outlooks)) + "cannot be foretold: ", _unknown(unknown[0]))
        )
    if enough:
        sentences.append(_enough(enough, len(outlooks), line["operator"]))
    own = [each for each in outlooks if each["champion"] and (each["champion_verdict"] != "pass" or len(outlooks) == 1)]
    sentences += [Foretold("", "", f"the champion itself: {each['champion']}") for each in own[:_MAX_SLICES]]
    return sentences


def counted_facts(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence of the lines that are counted on a run; of those counted among many, what may not show."""
    facts: dict[tuple[int, str, str | None], list[str]] = {}
    for line in lines:
        outlook = line["outlook"][0]
        facts.setdefault((outlook["rows"], outlook["counted_in"], outlook["figures"].get("unseen")), []).append(
            line["text"]
        )
    sentences = []
    for (units, counted_in, unseen), texts in facts.items():
        if unseen is None:
            sentences.append(f"counted in the run, so that it needs no number of rows: {', '.join(texts)}")
            continue
        rare = f"what happens less often than once in {int(1 / float(unseen)):,} may not show"
        sentences.append(f"counted among {counted_words(units, counted_in)}: {', '.join(texts)}; {rare}")
    return sentences


def sent_words(sent: Sequence[Mapping[str, Any]]) -> str | None:
    """`its rows go to http://… (candidate, champion), at most 50 a second`; None where no server is sent any."""
    servers: dict[tuple[str, bool, float | None], list[str]] = {}
    for each in sent:
        servers.setdefault((each["to"], each["sample"], each["rate"]), []).append(each["role"])
    words = [
        f"{'a sample of its rows goes' if sample else 'its rows go'} to {address} ({' and '.join(roles)})"
        + ("" if rate is None else f", at most {short(rate)} a second")
        for (address, sample, rate), roles in servers.items()
    ]
    return "; ".join(words) or None


def is_counted(line: Mapping[str, Any]) -> bool:
    """Whether the line is a fact that a run counts."""
    return bool(line["outlook"]) and all(each["basis"] == "counted" for each in line["outlook"])


def _urgency(outlook: Outlook) -> tuple[int, float]:
    lacking = (outlook["rows_enough"] or float("inf")) / max(outlook["rows"], 1)
    return _ORDER.index(outlook["status"]), -lacking


def _counted(outlook: Outlook) -> str:
    """`1,480, 310 of them positive`; without positives where they are not counted."""
    rows, positives = f"{outlook['rows']:,}", outlook["positives"]
    return rows if positives is None else f"{rows}, {positives:,} of them positive"


def _too_few(outlook: Outlook) -> Foretold:
    where = f"{outlook['place']}: " if outlook["slice"] else ""
    rows, basis = outlook["counted_in"], outlook["basis"]
    if basis == "no_rows":
        return Foretold("hopeless", f"{where}no {rows}", "")
    if basis == "too_few_slices":
        return Foretold("hopeless", f"too few {rows}: ", "fewer than two slices have any, and a gap lies between two")
    needed = f", about {rounded(outlook['rows_enough'])} needed" if outlook["rows_enough"] else ""
    if basis in _RATES:
        share = short(100 * float(outlook["figures"]["assumed"]))
        fate = f"a candidate that {_RATES[basis][1]} {share} % of them would mostly be left undecided"
        return Foretold("hopeless", f"{where}too few {rows}: ", f"{_counted(outlook)}{needed}; {fate}")
    slices = f" for {' and '.join(outlook['figures']['slices'])}" if outlook["figures"].get("slices") else ""
    return Foretold(
        outlook["status"], f"{where}too few {rows}{slices}: ", f"{_counted(outlook)}{needed}{_instead(outlook)}"
    )


def _instead(outlook: Outlook) -> str:
    """What can still be expected of so few rows, or would do for them."""
    if outlook["status"] == "watched":
        return ". Until then only a loss that shows plainly fails it"
    if outlook["smallest_tolerance"] is None:
        return ""
    would_do = f"{_allowance(outlook)} would do for these"
    if outlook["chance_to_pass"] is None:
        return f"; {would_do}"
    runs = min(max(round(100 * float(outlook["chance_to_pass"])), 1), 99)
    return f"; a candidate as good as the champion passes in {runs} of 100 runs. {would_do[0].upper()}{would_do[1:]}"


def _allowance(outlook: Outlook) -> str:
    kind = "a gap" if outlook["basis"] == "gap" else "an allowance"
    return f"{kind} of {short(rounded_up(float(outlook['smallest_tolerance'])))}"


def _where(outlooks: Sequence[Outlook], slices: int) -> str:
    if slices == 1:
        return ""
    return (
        f"all {slices} slices: "
        if len(outlooks) == slices
        else f"{', '.join(each['place'] for each in outlooks[:_MAX_SLICES])}: "
    )


def _unknown(outlook: Outlook) -> str:
    figures = outlook["figures"]
    gain = f"; a gain of {short(float(figures['gain']))} would show" if figures.get("gain") else ""
    fewest = f"; {figures['fewest']:,} are needed at least" if figures.get("fewest") else ""
    return f"{_UNFORETOLD[outlook['basis']]}{gain}{fewest}{_stalls(figures)}"


def _stalls(figures: Mapping[str, Any]) -> str:
    longest, allowed = figures.get("longest_stall"), figures.get("allowed_stall")
    if longest is None:
        return ""
    if allowed is not None:
        return f"; stalls of up to {counted_words(allowed, 'requests')} in a row are allowed for"
    return f"; a rare stall of more than {counted_words(longest, 'requests')} in a row may not show (load.stall in the pipeline)"


def _enough(outlooks: Sequence[Outlook], slices: int, operator: str) -> Foretold:
    """Of slices that suffice, the one for which the line is hardest to meet."""
    first = outlooks[0]
    tightest = max(outlooks, key=lambda each: _tightness(each, operator))
    rows = first["counted_in"]
    head, size = f"enough {unit_word(2, rows)} ", f"{tightest['rows']:,}"
    if len(outlooks) == 1:
        place = f"{first['place']}: " if slices > 1 else ""
        return Foretold("decidable", place + head, f"({size}): {_passes(first, operator)}")
    which = f"all {slices}" if len(outlooks) == slices else f"the other {len(outlooks)}"
    name = cut(tightest["place"], 60)
    text = f"in {which} slices; the tightest is {name} ({size}): {_passes(tightest, operator)}"
    return Foretold("decidable", head, text)


def _tightness(outlook: Outlook, operator: str) -> float:
    if outlook["smallest_tolerance"] is not None:
        return float(outlook["smallest_tolerance"])
    observed = float(outlook["observed_to_pass"] or 0.0)
    return observed if operator == ">=" else -observed


def _passes(outlook: Outlook, operator: str) -> str:
    """What it takes to pass, where there are enough rows."""
    figures, basis = outlook["figures"], outlook["basis"]
    more = "more" if operator == ">=" else "less"
    if basis == "requests":
        fate = "take longer" if figures["beyond_limit"] else "fail"
        allowed = f"at most {figures['most']:,}" if figures["most"] else "none"
        return f"it passes while {allowed} of them {fate}{_stalls(figures)}"
    if basis in _RATES:
        (happen, does), fate = _RATES[basis], figures["fate"]
        observed, assumed = (short(100 * float(share)) for share in (outlook["observed_to_pass"], figures["assumed"]))
        return f"it passes when {observed} % or {more} {happen}; a candidate that {does} {assumed} % would {fate}"
    if basis == "value":
        return f"it passes when {short(float(outlook['observed_to_pass']))} or {more} is measured"
    limit, needed = float(outlook["tolerance"]), float(outlook["smallest_tolerance"])
    if needed > limit:  # a claim of no harm, which every number of rows decides
        return f"they show a loss of about {short(rounded_up(needed))}; a smaller one may not show"
    smaller = (
        f"; {counted(figures['watched'], 'smaller slice')} only watched for harm" if figures.get("watched") else ""
    )
    pair = f"for {' and '.join(figures['slices'])} " if figures.get("slices") else ""
    return f"{pair}{_allowance(outlook)} would do, yours is {short(limit)}{smaller}"
