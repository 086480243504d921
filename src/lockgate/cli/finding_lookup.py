"""Look up which finding of a run is meant: by its id, also as people write it, by a line as it is written, a gate, or the one that decided."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from lockgate.errors import UsageError, guess
from lockgate.evaluation.judging.gate_summary import WEAKER
from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.reports.run_facts import most_urgent_first

_LISTED = 8
Pair = tuple[GateResult, Finding]


def deciding(evidence: Evidence) -> tuple[GateResult, Finding | None]:
    """The gate that decided the run, and its worst finding; where all pass, that of the first line that was tested.

    Of such a line overall, else its slice that is nearest to the limit. The finding is None where the gate found nothing.
    Raises UsageError where no gate ran.
    """
    counting = [gate for gate in evidence.gates if gate.counts] or list(evidence.gates)
    if not counting:
        raise UsageError("no gate ran, so that there is nothing to explain")
    gate = max(counting, key=lambda each: each.verdict.rank)
    if gate.verdict is Verdict.PASS:
        pairs = [(each, finding) for each in counting for finding in each.findings if finding.id not in evidence.waived]
        return _first_tested(pairs) if pairs else (gate, None)
    own = [finding for finding in gate.findings if finding.id not in evidence.waived]
    if gate.verdict is Verdict.ERROR or not own:
        return gate, None
    return gate, most_urgent_first(own)[0]


def _first_tested(pairs: Sequence[Pair]) -> Pair:
    tested = [pair for pair in pairs if pair[1].decided is not None and pair[1].decided.confidence is not None]
    tested = [pair for pair in tested if pair[1].code not in WEAKER] or tested or list(pairs)
    first = tested[0]
    line = [pair for pair in tested if (pair[0].name, pair[1].requirement) == (first[0].name, first[1].requirement)]
    return _worst([pair for pair in line if not pair[1].slice] or line)


def find(evidence: Evidence, text: str) -> tuple[GateResult, Finding | None]:
    """The finding that is meant, of a line, by id or text, or a gate the worst. Raises UsageError, with what is near, where none is."""
    pairs = [(gate, finding) for gate in evidence.gates for finding in gate.findings]
    spelled = _plain(text)
    written = {(gate.name, line.id): line.text for gate in evidence.gates for line in gate.requirements}
    matches = [pair for pair in pairs if _bare(written.get((pair[0].name, pair[1].requirement), "")) == _bare(text)]
    matches = matches or [pair for pair in pairs if spelled in map(_plain, spellings(pair[1]))]
    if not matches:  # the beginning of several, or the end of one: a line, a gate, a slice
        matches = [pair for pair in pairs if any(_within(spelled, _plain(each)) for each in spellings(pair[1]))]
    if matches:
        return _worst(matches)
    named = next((gate for gate in evidence.gates if gate.name == text), None)
    if named is not None:
        return named, None
    names = [spellings(finding)[-1] for _, finding in pairs]
    lines = dict.fromkeys(written.values())
    beside = [
        f"{name} ({line})" if (line := written.get((gate.name, finding.requirement))) else name
        for name, (gate, finding) in zip(names, pairs, strict=True)
    ]
    listed = ", ".join(beside[:_LISTED]) + (f", and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")
    raise UsageError(
        f"the run {evidence.run_id} has no finding {text!r}{guess(text, [*names, *lines])}",
        remedy=f"name one of {listed}" if names else "it has none",
    )


def spellings(finding: Finding) -> list[str]:
    """The id as evidence has it, without percent signs, and with the slice as sentences write it."""
    begin = finding.id.rpartition("/")[0]
    words = slice_words(tuple(finding.slice.items())) or "overall"
    return [finding.id, unquote(finding.id), f"{begin}/{words}"]


def _bare(line: str) -> str:
    return "".join(line.split())


def _plain(text: str) -> str:
    return text.replace(" & ", "&").strip()


def _within(text: str, spelling: str) -> bool:
    return spelling.startswith(f"{text}/") or spelling.endswith(f"/{text}")


def _worst(pairs: Sequence[Pair]) -> Pair:
    worst = most_urgent_first([finding for _, finding in pairs])[0]
    return next(pair for pair in pairs if pair[1] is worst)
