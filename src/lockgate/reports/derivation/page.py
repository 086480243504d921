"""The page of `gate explain`: the verdict, what would flip it and what to do first, then how it came about."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.text import Text

from lockgate.evaluation.judging.number_format import counted_words, interval_text, short, slice_words
from lockgate.evaluation.uncertainty.comparison import CLOPPER_PEARSON, TANGO
from lockgate.evidence.finding import Decided, Finding
from lockgate.reports.derivation.derivation import Derivation
from lockgate.reports.run_facts import contrast_words, interval_words, last_lines, verdict_sentence
from lockgate.reports.terminal import STYLES
from lockgate.reports.terminal_layout import Medium, Span, assembled, labelled

_CLAIMS = {
    "not_worse": "not worse than the champion by the tolerance or more",
    "superior": "better than the champion by more than the line says",
    "no_harm": "no loss beyond the limit was proven, which is no proof that there is none",
    "at_limit": "the value keeps the limit in general, not on these data alone",
    "point": "the two numbers compare so, without an error rate",
}
_COUNTED = "counted on this run; nothing is claimed beyond it"
Lines = list[list[Span]]


def explanation_page(derivation: Derivation, medium: Medium, *, tried: bool = False) -> Text:
    """Everything on one page; the first lines suffice to act. tried: the run is one of `gate try`."""
    run = f"run {derivation.evidence.run_id}{' of gate try' if tried else ''}  "
    lines = [*medium.sentence(verdict_sentence(derivation.evidence), first=(run, "dim"), style="dim")]
    lines += _head(derivation, medium)
    flips = [(text, "") for text in derivation.flip_sentences]
    if flips:
        lines += [[], *labelled("Flips it", flips, medium)]
    if derivation.advice:
        lines += [*([] if flips else [[]]), *labelled("What to do", [(text, "") for text in derivation.advice], medium)]
    facts = list(_facts(derivation))
    if facts:
        lines.append([])
    for label, sentences in facts:
        lines += labelled(label, [(text, "") for text in sentences], medium)
    return assembled(lines)


def _head(derivation: Derivation, medium: Medium) -> Lines:
    verdict, finding = derivation.verdict, derivation.finding
    word = f"{'waived: ' if derivation.waived else ''}{verdict}".upper()
    style = "" if derivation.waived else STYLES[verdict.value]
    if finding is None:
        lines = medium.sentence(f"the gate {derivation.gate.name}", first=(f"{word}  ", style), style="bold")
        return [*lines, *medium.sentence(derivation.gate.reason, hang=0)]
    name = slice_words(tuple(finding.slice.items()))
    subject = f"{finding.subject} on {name}" if name else finding.subject
    lines = medium.sentence(f"{subject} ({finding.id})", first=(f"{word}  ", style), style="bold")
    lines += medium.sentence(finding.reason, hang=0)
    if not derivation.gate.counts:
        lines += medium.sentence(f"the gate {derivation.gate.name} does not count in this run", hang=0, style="dim")
    return lines


def _facts(derivation: Derivation) -> Iterator[tuple[str, list[str]]]:
    """(label, sentences) of how it came about."""
    finding, method = derivation.finding, derivation.method
    if derivation.line_text is not None:
        where = "" if derivation.position is None else f" ({derivation.position})"
        yield "Line", [f"{derivation.line_text}{where}"]
    if finding is None:
        yield from [("Last words", lines)] if (lines := last_lines(derivation.gate)) else []
        return
    decided = finding.decided
    if decided is None or method is None:
        return
    yield "Claim", [_COUNTED if decided.on == "count" else _CLAIMS[decided.claim]]
    yield "Values", list(_values(finding, decided))
    yield "Test", [method.name, *([method.formula] if method.formula else [])]
    tests = list(_tests(derivation, finding, decided))
    if tests:
        yield "p-values", tests
    yield "Rows", [_rows(finding, decided)]
    yield "More", [method.docs]


def _values(finding: Finding, decided: Decided) -> Iterator[str]:
    champion = "" if finding.champion is None else f", champion {short(finding.champion)}"
    op, required = decided.required
    if decided.on == "count":
        yield f"candidate {short(finding.observed)}{champion}; required {op} {short(required)}"
        return
    yield f"candidate {short(finding.observed)}{champion}"
    interval = ""
    if decided.confidence is not None:
        interval = f" ({interval_words(finding)} {interval_text(decided.low, decided.high)})"
    compared = "value" if decided.on == "value" else contrast_words(finding)
    yield f"{compared} {short(decided.estimate)}{interval}; required {op} {short(required)}"


def _tests(derivation: Derivation, finding: Finding, decided: Decided) -> Iterator[str]:
    p_pass, p_fail, level = finding.detail.get("p_pass"), finding.detail.get("p_fail"), derivation.fail_level
    if decided.confidence is None:
        return
    alpha = _p(1 - decided.confidence)
    if decided.claim == "no_harm" and p_fail is not None:
        yield f"a loss: p = {_p(float(p_fail))}, and more than {alpha} passes"
    elif p_pass is not None:
        yield f"limit kept: p = {_p(float(p_pass))}, and {alpha} or less passes"
    if p_fail is not None and level is not None:
        among = f": Holm's method for {derivation.tested:,} findings" if derivation.tested > 1 else ""
        yield f"limit violated: p = {_p(float(p_fail))}, and {_p(level)} or less fails{among}"


def _p(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def _rows(finding: Finding, decided: Decided) -> str:
    text = counted_words(finding.rows, finding.counted_in)
    if finding.positives is not None:
        text += f", {finding.positives:,} positive"
    if finding.detail.get("clusters") is not None:
        text += f", in {finding.detail['clusters']:,} clusters"
    if finding.detail.get("blocks") is not None:
        text += f", in {finding.detail['blocks']:,} blocks"
    if decided.on != "ratio" and decided.n_eff is not None and not math.isclose(decided.n_eff, finding.rows):
        share = decided.method.startswith((CLOPPER_PEARSON, TANGO))
        text += f"; the share is of {short(decided.n_eff)} of them" if share else _carriers(finding, decided.n_eff)
    return text


def _carriers(finding: Finding, n_eff: float) -> str:
    """How many rows, or clusters, would tell as much of the chance error, were all of one influence."""
    units = "clusters" if finding.detail.get("clusters") is not None else finding.counted_in
    return f"; for its error they count as much as {short(n_eff)} {units} that matter alike"
