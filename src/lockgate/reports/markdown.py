"""Report for people as Markdown: verdict, gates, blockers, every finding, and what was measured on what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lockgate.data.slices.names import id_words
from lockgate.evaluation.judging.run_certainty import certainty
from lockgate.evaluation.shadow.replayed import replay_facts
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding
from lockgate.evidence.run_record import RunRecord
from lockgate.reports.blockers import pooled_slices, unproven_slices, unwaived_blockers
from lockgate.reports.finding_tables import MARKS, count_table, finding_table
from lockgate.reports.interval_bars import LEGEND
from lockgate.reports.run_facts import (
    basis,
    beside_champion,
    compared_with,
    is_count,
    last_lines,
    most_urgent_first,
    opens_sentence,
    recorded_words,
)
from lockgate.reports.waivers import idle_waivers
from lockgate.text import colon
from lockgate.text import markdown as text

_MARK = {verdict: f"{mark} {verdict}" for verdict, mark in MARKS.items()}


@dataclass(frozen=True)
class Sections:
    """The report in sections, so that whole gates can be left out where only so much fits."""

    head: str
    table: tuple[str, ...]
    gates: tuple[str, ...]
    foot: str

    def __str__(self) -> str:
        return "".join([self.head, *self.table, "\n", *self.gates, self.foot])


def render(record: RunRecord) -> str:
    """The whole report as Markdown."""
    return str(sections(record))


def sections(record: RunRecord, *, most: int | None = None, stderr: bool = True) -> Sections:
    """The report in sections. most: findings listed of a gate, None for all; stderr: whether a model's last lines appear."""
    evidence = record.evidence
    head = [
        f"# {_MARK[evidence.verdict.value]}: {text(evidence.model)} version {text(str(evidence.candidate['version']))}",
        "",
        f"Compared with {text(compared_with(evidence))}. {opens_sentence(evidence)}",
        *(f"\n**Recorded:** {text(words)}." for words in recorded_words(evidence)),
        "",
        "| gate | verdict | |",
        "|---|---|---|",
    ]
    return Sections(
        _joined(head),
        tuple(_joined([_gate_row(gate, evidence.waived)]) for gate in evidence.gates),
        tuple(_joined(_gate(gate, evidence, most=most, stderr=stderr)) for gate in evidence.gates),
        _joined([*_waivers(evidence), *_certainty(evidence), *_basis(evidence)]),
    )


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _gate_row(gate: GateResult, waived: Collection[str]) -> str:
    standing = ", waived" if gate.name in waived else "" if gate.counts else " (does not count)"
    verdict = _MARK[gate.verdict.value] + standing
    return f"| {text(gate.name)} | {verdict} | {text(gate.reason)} |"


def _gate(gate: GateResult, evidence: Evidence, *, most: int | None, stderr: bool) -> list[str]:
    gate, waived = beside_champion(gate), evidence.waived
    lines = [f"## {text(gate.name)}", ""]
    for blocker in unwaived_blockers(gate, waived):
        remedy = f" _{text(blocker.remedy)}._" if blocker.remedy else ""
        outlook = f" {text(blocker.outlook)}." if blocker.outlook else ""
        lines.append(f"* **{blocker.verdict}** {text(blocker.reason)}.{remedy}{outlook}")
    lines += [f"* **{what}** {text(words)}" for what, words in replay_facts(evidence.document, gate.context)]
    lines += [f"* **no-harm check** {text(sentence)}." for sentence in unproven_slices(gate)]
    lines += [f"* **pooled** {text(sentence)}." for sentence in pooled_slices(gate)]
    if stderr and (written := last_lines(gate)):
        lines += ["", *(f"      {line}" for line in written)]
    if len(lines) == 2 and not gate.findings:
        return []  # the table says all there is
    if lines[-1]:
        lines.append("")
    if gate.findings:
        listed = most_urgent_first(gate.findings)[:most]
        hidden = len(gate.findings) - len(listed)
        waived_ids = {finding.id for finding in listed} if gate.name in waived else waived
        tables = list(_tables(gate, listed, waived_ids))
        lines += [
            "<details><summary>All findings</summary>",
            "",
            *tables,
            *([f"… and {hidden:,} more.", ""] if hidden else []),
            *([f"{LEGEND}.", ""] if any("`" in line for line in tables) else []),
            "</details>",
            "",
        ]
    return lines


def _tables(gate: GateResult, findings: Sequence[Finding], waived: Collection[str]) -> Iterator[str]:
    """A table of each requirement in the order of the pipeline, and one of all that were counted once."""
    groups: dict[str, list[Finding]] = {requirement.id: [] for requirement in gate.requirements}
    for finding in findings:
        groups.setdefault(finding.requirement, []).append(finding)
    texts = {requirement.id: requirement.text for requirement in gate.requirements}
    counts = [
        (texts.get(name, name), group[0]) for name, group in groups.items() if len(group) == 1 and is_count(group[0])
    ]
    if counts:
        yield from (*count_table(counts, waived=waived), "")
    for name, group in groups.items():
        if group and not (len(group) == 1 and is_count(group[0])):
            yield from (f"**{text(texts.get(name, name))}**", "", *finding_table(group, waived=waived), "")


def _waivers(evidence: Evidence) -> list[str]:
    waivers = evidence.document.get("waivers") or []
    if not waivers:
        return []
    rows = [
        f"* {colon(text(id_words(waiver['finding'])))} {text(waiver['reason'])} ({text(waiver['owner'])}, "
        f"until {text(waiver['until'])}{', expired' if waiver.get('expired') else ''})"
        for waiver in waivers
    ]
    rows += [f"* **warning** {text(str(waiver))}" for waiver in idle_waivers(evidence)]
    return ["## Waived", "", *rows, ""]


def _basis(evidence: Evidence) -> list[str]:
    entries = [f"* {text(' '.join(filter(None, words)))} `{text(str(digest))}`" for *words, digest in basis(evidence)]
    return ["## Evidence and data", "", *entries]


def _certainty(evidence: Evidence) -> list[str]:
    """How often a run like this passes what should fail, and over how many evaluations of the same data."""
    items = [f"* **{text(title)}.** {text(sentence)}" for title, sentence in certainty(evidence)]
    return ["## How sure is this?", "", *items, ""] if items else []
