"""What every report says of a run, in the same words: verdict, versions, findings as cells, slices in groups, and the basis."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lockgate.data.class_labels import class_text
from lockgate.evaluation.judging.gate_summary import WEAKER, worst_first
from lockgate.evaluation.judging.number_format import counted_words, ends_text, number_cell, percent, slice_words
from lockgate.evaluation.metrics.catalog import DECLARED
from lockgate.evaluation.metrics.declaration import Share
from lockgate.evaluation.parity.recording import recorded_in, sentence
from lockgate.evaluation.requirements.grammar import RequirementError, parse
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import short_digest
from lockgate.text import cut, enumerated, plain

_STDERR_LINES = 20
_BLOCKS = {
    Verdict.FAIL: "It blocks promotion, and no approval changes that: a better candidate does.",
    Verdict.INCONCLUSIVE: "It blocks promotion until what is undecided below is decided.",
    Verdict.ERROR: "It blocks promotion until what broke is mended and the gates run again.",
}
_WORDS = {Verdict.ERROR: "broke", Verdict.FAIL: "failed", Verdict.INCONCLUSIVE: "could not be decided"}


@dataclass(frozen=True)
class Cells:
    """A finding in the columns of a table of all findings. difference: from the champion, or the ratio to it, with its interval."""

    line: str
    slice: str
    verdict: str
    value: str
    interval: str
    champion: str
    difference: str
    difference_interval: str
    limit: str
    rows: str
    count: int


def cells(finding: Finding, *, waived: bool = False) -> Cells:
    """The cells of one finding, as plain text."""
    verdict = "pass (no-harm check)" if finding.code == "watched" else str(finding.verdict)
    count, rows = deciding_rows(finding)
    return Cells(
        f"{finding.requirement} {finding.subject}",
        slice_words(tuple(finding.slice.items())) or "overall",
        f"{verdict}, waived" if waived else verdict,
        number_cell(finding.observed),
        "" if finding.interval is None else ends_text(*finding.interval),
        number_cell(finding.champion),
        *_difference(finding),
        f"{finding.limit.op} {finding.limit.text}",
        rows,
        count,
    )


def deciding_rows(finding: Finding) -> tuple[int, str]:
    """(how many, in words) rows a finding rests on: `78 of class 9` of the recall of a class, `20 positive`, else `897`."""
    rows, positives = finding.rows, finding.positives
    everything = f"{rows:,}" if finding.counted_in == "rows" else counted_words(rows, finding.counted_in)
    try:
        line = parse(f"{finding.subject} >= 0")
    except RequirementError:
        return rows, everything
    metric = DECLARED.get(line.subject)
    if positives is None or metric is None or line.gap is not None:
        return rows, everything
    group = next((f"of class {class_text(value)}" for name, value in line.args if name == "class"), "")
    chosen = isinstance(metric.sums, Share) and metric.sums.by_decision
    if metric.plan.counted == "positives" and not chosen:
        return positives, f"{positives:,} {group or 'positive'}"
    if metric.plan.counted == "negatives":
        return rows - positives, f"{rows - positives:,} negative"
    return rows, f"{everything}, {positives:,} {group}" if group else everything


def _difference(finding: Finding) -> tuple[str, str]:
    """(`-0.0511`, `+0.2 from 1.1 × champion` or `1.57 times`, its interval); nothing where no champion is compared with."""
    decided = finding.decided
    if decided is None or decided.on not in ("difference", "ratio") or decided.estimate is None:
        return "", ""
    sign = "+" if decided.on == "difference" and decided.estimate > 0 else ""
    subtracted = _subtracted(finding)
    unit = " times" if decided.on == "ratio" else "" if subtracted == "champion" else f" from {subtracted}"
    ends = "" if decided.low is None and decided.high is None else ends_text(decided.low, decided.high)
    return f"{sign}{number_cell(decided.estimate)}{unit}", ends


def compared_with(evidence: Evidence) -> str:
    """`version 6`, with its model where it is of another one, or `no champion`."""
    champion = evidence.champion
    if champion is None:
        return "no champion"
    return (
        f"{champion['model']} version {champion['version']}"
        if champion.get("model")
        else f"version {champion['version']}"
    )


def verdict_sentence(evidence: Evidence) -> str:
    """`fraud version 7 does not pass: metrics failed`, and whether recorded answers are behind it."""
    recorded = recorded_in(evidence.document)
    return _verdict_words(evidence) + (f", by recorded answers of {enumerated(list(recorded))}" if recorded else "")


def recorded_words(evidence: Evidence) -> list[str]:
    """Who gave the answers that lie in data, and how that is known: a sentence of each data set."""
    return [sentence(entries, name) for name, entries in recorded_in(evidence.document).items()]


def _verdict_words(evidence: Evidence) -> str:
    version = f"{evidence.model} version {evidence.candidate['version']}"
    counted = [gate for gate in evidence.gates if gate.counts]
    if evidence.verdict is Verdict.PASS:
        if len(counted) == len(evidence.gates):
            return f"{version} passes {'its only gate' if len(counted) == 1 else f'all {len(counted)} gates'}"
        one = len(counted) == 1
        return f"{version} passes {'the only gate that counts' if one else f'all {len(counted)} gates that count'}"
    named = [
        f"{enumerated(names)} {word}"
        for each, word in _WORDS.items()
        if (names := [gate.name for gate in counted if gate.verdict is each])
    ]
    return f"{version} does not pass: {'; '.join(named)}" if named else f"{version} does not pass"


def parents_text(evidence: Evidence) -> str:
    """The evidence that it goes on from, by short digests."""
    return enumerated([short_digest(digest) for digest in evidence.parents])


def _of_data(gate: GateResult) -> bool:
    """Whether nothing about the candidate fails here: the gate passes, or fails by its data alone."""
    failing = [finding for finding in gate.findings if finding.verdict is Verdict.FAIL]
    if not gate.counts or gate.verdict is not Verdict.FAIL:
        return True
    return gate.kind == "data_quality" or (
        gate.kind == "shift" and not any("strata" in each.detail for each in failing)
    )


def opens_sentence(evidence: Evidence) -> str:
    """Whether the evidence can promote, and who has to do what for it; a word to type stands in backticks."""
    if evidence.opens == "yes":
        return "It can be promoted to Production once its owners approve this evidence."
    if evidence.opens == "by_owner":
        return f"Owners may approve it with `accepting {len(evidence.asks)} undecided`."
    if evidence.parents:
        return f"It judges requests of {parents_text(evidence)} by labels that came later, so it can promote nothing."
    if evidence.verdict is Verdict.FAIL and all(map(_of_data, evidence.gates)):
        return "It blocks promotion, and no approval changes that: the data are not as they must be, whatever the candidate."
    if evidence.verdict is not Verdict.PASS:
        return _BLOCKS[evidence.verdict]
    partial = (evidence.document.get("policy") or {}).get("only")
    return f"{'Not every gate ran' if partial else 'It was only to be looked at'}, so it can promote nothing."


def beside_champion(gate: GateResult) -> GateResult:
    """The gate with the champion's value also on lines that are not relative to it, where another line measured it there."""
    measured = {
        (finding.subject, tuple(finding.slice.items())): finding.champion
        for finding in gate.findings
        if finding.champion is not None
    }
    findings = tuple(
        replace(finding, champion=measured.get((finding.subject, tuple(finding.slice.items()))))
        if finding.champion is None
        else finding
        for finding in gate.findings
    )
    return replace(gate, findings=findings)


def slice_groups(gate: GateResult, waived: Collection[str] = ()) -> list[list[Finding]]:
    """The findings of each line that was measured on several slices: what is no pass first, then the nearest to the limit."""
    groups: dict[str, list[Finding]] = {}
    for finding in gate.findings:
        if finding.slice and finding.decided is not None and finding.id not in waived:
            groups.setdefault(finding.requirement, []).append(finding)
    return [most_urgent_first(group) for group in groups.values() if len(group) > 1 and on_one_scale(group)]


def is_count(finding: Finding) -> bool:
    return finding.decided is not None and finding.decided.on == "count"


def on_one_scale(findings: Sequence[Finding]) -> bool:
    """Whether their values can be drawn beside each other: of one subject, and measured, not counted."""
    return not findings or (len({each.subject for each in findings}) == 1 and not all(map(is_count, findings)))


def most_urgent_first(findings: Sequence[Finding]) -> list[Finding]:
    """What is no pass by urgency, then passes by how near their value is to the limit, those last that little was shown of."""
    passed = (finding for finding in findings if finding.verdict is Verdict.PASS)
    return [*worst_first(findings), *sorted(passed, key=lambda each: (each.code in WEAKER, _limit_distance(each)))]


def passes_among(findings: Sequence[Finding]) -> str:
    """`3 of them no pass`, or `all pass`, of findings that are not listed."""
    worse = sum(finding.verdict is not Verdict.PASS for finding in findings)
    return f"{worse:,} of them no pass" if worse else "all pass"


def _limit_distance(finding: Finding) -> float:
    """How far the value that is compared is inside of the limit; negative outside, -inf without one."""
    decided = finding.decided
    if decided is None or decided.estimate is None:
        return -math.inf
    op, required = decided.required
    return decided.estimate - required if op == ">=" else required - decided.estimate


def last_lines(gate: GateResult) -> list[str]:
    """What the process of a gate that broke wrote last, or a command that found faults, as plain text."""
    output = None if gate.verdict is Verdict.PASS else gate.context.get("output")
    return plain(str((gate.breakdown or {}).get("stderr") or output or "")).splitlines()[-_STDERR_LINES:]


def contrast_words(finding: Finding) -> str:
    """What a comparison is of: `candidate minus champion`, of a factor `candidate minus 1.1 × champion`."""
    contrasts = {"difference": f"candidate minus {_subtracted(finding)}", "ratio": "candidate divided by champion"}
    return contrasts.get(finding.decided.on, "candidate") if finding.decided is not None else "candidate"


def contrast_heading(finding: Finding) -> str | None:
    """The heading of a column of such numbers: `difference`, `minus 1.1 × champion`, `factor`; None where none is taken."""
    subtracted = _subtracted(finding)
    difference = "difference" if subtracted == "champion" else f"minus {subtracted}"
    return None if finding.decided is None else {"difference": difference, "ratio": "factor"}.get(finding.decided.on)


def _subtracted(finding: Finding) -> str:
    """`champion`, or `1.1 × champion` where the line allows a factor: its limit is where the difference from that is 0."""
    champion, sign, factor = finding.limit.text.partition(" * ")
    return f"{factor} × {champion}" if sign else "champion"


def limit_words(finding: Finding) -> str:
    """What the line of a picture is, and on which side of it a value fails."""
    return f"limit: {'left' if finding.limit.op == '>=' else 'right'} of it fails"


def interval_words(finding: Finding) -> str:
    """`90 % interval`; empty where none was taken."""
    confidence = None if finding.decided is None else finding.decided.confidence
    return "" if confidence is None else f"{percent(2 * confidence - 1)} interval"


def basis(evidence: Evidence) -> list[tuple[str, str, str]]:
    """(what, which, digest or id) of everything that a run rests on."""
    document = evidence.document
    entries = [("evidence", "", evidence.digest), ("run", "", evidence.run_id)]
    for role in ("candidate", "champion"):
        version = document["model"][role]
        if version is not None:
            entries.append((role, f"version {version['version']}", str(version["digest"])))
    for entry in document.get("data", []):
        version = f", version {cut(str(entry['version']), 40)}" if "version" in entry else ""
        entries.append(("data", f"{entry['name']}: {entry['rows']:,} rows{version}", entry["digest"]))
    return [*entries, ("policy", "", document["policy"]["sha256"])]
