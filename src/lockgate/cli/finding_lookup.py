"""Look up which finding of a run is meant: by its id, also as people write it, by a line or a gate, or the one that decided."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from lockgate.errors import UsageError, guess
from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.reports.run_facts import most_urgent_first

_LISTED = 8
Pair = tuple[GateResult, Finding]


def deciding(evidence: Evidence) -> tuple[GateResult, Finding | None]:
    """The gate that decided the run, and its worst finding; where all pass, the one that is nearest to its limit.

    The finding is None where the gate found nothing. Raises UsageError where no gate ran.
    """
    counting = [gate for gate in evidence.gates if gate.counts] or list(evidence.gates)
    if not counting:
        raise UsageError("no gate ran, so that there is nothing to explain")
    gate = max(counting, key=lambda each: each.verdict.rank)
    if gate.verdict is Verdict.PASS:
        pairs = [(each, finding) for each in counting for finding in each.findings if finding.id not in evidence.waived]
        estimated = [pair for pair in pairs if pair[1].decided is not None and pair[1].decided.confidence is not None]
        return _worst(estimated or pairs) if pairs else (gate, None)
    own = [finding for finding in gate.findings if finding.id not in evidence.waived]
    if gate.verdict is Verdict.ERROR or not own:
        return gate, None
    return gate, most_urgent_first(own)[0]


def find(evidence: Evidence, text: str) -> tuple[GateResult, Finding | None]:
    """The finding that is meant, of a line or a gate the worst. Raises UsageError, with what is near, where none is."""
    pairs = [(gate, finding) for gate in evidence.gates for finding in gate.findings]
    spelled = _plain(text)
    matches = [pair for pair in pairs if spelled in map(_plain, spellings(pair[1]))]
    if not matches:  # the beginning of several, or the end of one: a line, a gate, a slice
        matches = [pair for pair in pairs if any(_within(spelled, _plain(each)) for each in spellings(pair[1]))]
    if matches:
        return _worst(matches)
    named = next((gate for gate in evidence.gates if gate.name == text), None)
    if named is not None:
        return named, None
    names = [spellings(finding)[-1] for _, finding in pairs]
    listed = ", ".join(names[:_LISTED]) + (f", and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")
    raise UsageError(
        f"the run {evidence.run_id} has no finding {text!r}{guess(text, names)}",
        remedy=f"name one of {listed}" if names else "it has none",
    )


def spellings(finding: Finding) -> list[str]:
    """The id as evidence has it, without percent signs, and with the slice as sentences write it."""
    begin = finding.id.rpartition("/")[0]
    words = slice_words(tuple(finding.slice.items())) or "overall"
    return [finding.id, unquote(finding.id), f"{begin}/{words}"]


def _plain(text: str) -> str:
    return text.replace(" & ", "&").strip()


def _within(text: str, spelling: str) -> bool:
    return spelling.startswith(f"{text}/") or spelling.endswith(f"/{text}")


def _worst(pairs: Sequence[Pair]) -> Pair:
    worst = most_urgent_first([finding for _, finding in pairs])[0]
    return next(pair for pair in pairs if pair[1] is worst)
