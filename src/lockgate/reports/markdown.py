"""Report for people as Markdown: verdict, gates, blockers, every finding, and what was measured on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.evaluation.judging.gate_summary import worst_first
from lockgate.evaluation.judging.run_certainty import certainty
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.reports.blockers import blockers, pooled_slices, unproven_slices
from lockgate.reports.run_facts import basis, cells, compared_with, last_lines, opens_sentence
from lockgate.reports.waivers import idle_waivers
from lockgate.text import colon
from lockgate.text import markdown as text

_MARK = {"pass": "✅ pass", "inconclusive": "❔ inconclusive", "fail": "❌ fail", "error": "💥 error"}


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
        "",
        "| gate | verdict | |",
        "|---|---|---|",
    ]
    return Sections(
        _joined(head),
        tuple(_joined([_gate_row(gate)]) for gate in evidence.gates),
        tuple(_joined(_gate(gate, most=most, stderr=stderr)) for gate in evidence.gates),
        _joined([*_waivers(evidence), *_certainty(evidence), *_basis(evidence)]),
    )


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _gate_row(gate: GateResult) -> str:
    verdict = _MARK[gate.verdict.value] + ("" if gate.counts else " (does not count)")
    return f"| {text(gate.name)} | {verdict} | {text(gate.reason)} |"


def _gate(gate: GateResult, *, most: int | None, stderr: bool) -> list[str]:
    lines = [f"## {text(gate.name)}", ""]
    for blocker in blockers(gate):
        remedy = f" _{text(blocker.remedy)}._" if blocker.remedy else ""
        outlook = f" {text(blocker.outlook)}." if blocker.outlook else ""
        lines.append(f"* **{blocker.verdict}** {text(blocker.reason)}.{remedy}{outlook}")
    lines += [f"* **no-harm check** {text(sentence)}." for sentence in unproven_slices(gate)]
    lines += [f"* **pooled** {text(sentence)}." for sentence in pooled_slices(gate)]
    if gate.breakdown is not None:
        lines.append(f"* **error** {text(gate.reason)}. {text(str(gate.breakdown.get('remedy') or ''))}")
        if stderr and (written := last_lines(gate)):
            lines += ["", *(f"      {line}" for line in written)]
    if len(lines) == 2 and not gate.findings:
        return []  # the table says all there is
    if lines[-1]:
        lines.append("")
    if gate.findings:
        passed = [finding for finding in gate.findings if finding.verdict is Verdict.PASS]
        listed = gate.findings if most is None else [*worst_first(gate.findings), *passed][:most]
        hidden = len(gate.findings) - len(listed)
        lines += [
            "<details><summary>All findings</summary>",
            "",
            "| finding | verdict | value | interval | champion | limit | rows |",
            "|---|---|---|---|---|---|---|",
            *(_finding_row(finding) for finding in listed),
            *([f"| … and {hidden:,} more | | | | | | |"] if hidden else []),
            "",
            "</details>",
            "",
        ]
    return lines


def _finding_row(finding: Finding) -> str:
    return f"| {' | '.join(map(text, vars(cells(finding)).values()))} |"


def _waivers(evidence: Evidence) -> list[str]:
    waivers = evidence.document.get("waivers") or []
    if not waivers:
        return []
    rows = [
        f"* {colon(text(waiver['finding']))} {text(waiver['reason'])} ({text(waiver['owner'])}, "
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
