"""Report for people as Markdown: verdict, gates, blockers, every finding, and what was measured on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockgate.evaluation.judging.gate_summary import risk_sentence, worst_first
from lockgate.evaluation.judging.number_format import counted_words, short
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.reports.blockers import blockers, pooled_slices, unproven_slices
from lockgate.reports.waivers import idle_waivers
from lockgate.text import colon, plain
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
    champion = evidence.champion
    against = "no champion"
    if champion is not None:
        against = text(f"{champion['model']} version" if champion.get("model") else "version")
        against += f" {text(str(champion['version']))}"
    head = [
        f"# {_MARK[evidence.verdict.value]}: {text(evidence.model)} version {text(str(evidence.candidate['version']))}",
        "",
        f"Compared with {against}. {_opens(evidence)}",
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


def _opens(evidence: Evidence) -> str:
    if evidence.opens == "yes":
        return "It can be promoted to Production once its owners approve this evidence."
    if evidence.opens == "by_owner":
        count = len(evidence.asks)
        return f"Owners may approve it with `accepting {count} undecided`."
    if evidence.verdict is not Verdict.PASS:
        return "It blocks promotion."
    partial = (evidence.document.get("policy") or {}).get("only")
    return f"{'Not every gate ran' if partial else 'It was only to be looked at'}, so it can promote nothing."


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
    broken = gate.context.get("broken")
    if isinstance(broken, Mapping):
        lines.append(f"* **error** {text(gate.reason)}. {text(str(broken.get('remedy') or ''))}")
        if stderr and broken.get("stderr"):
            lines += ["", *(f"      {line}" for line in plain(str(broken["stderr"])).splitlines()[-20:])]
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
    ends = "" if finding.interval is None else f"{short(finding.interval[0])} to {short(finding.interval[1])}"
    value = "–" if finding.observed is None else short(finding.observed)
    champion = "–" if finding.champion is None else short(finding.champion)
    verdict = "pass (no-harm check)" if finding.code == "watched" else str(finding.verdict)
    limit = text(f"{finding.limit.op} {finding.limit.text}")
    name = text(finding.id.split("/", 1)[1] if "/" in finding.id else finding.id)
    rows = f"{finding.rows:,}" if finding.counted_in == "rows" else counted_words(finding.rows, finding.counted_in)
    return f"| {name} {text(finding.subject)} | {verdict} | {value} | {ends} | {champion} | {limit} | {rows} |"


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
    document = evidence.document
    lines = ["## Evidence and data", "", f"* evidence `{evidence.digest}`", f"* run `{text(evidence.run_id)}`"]
    for role in ("candidate", "champion"):
        version = document["model"][role]
        if version is not None:
            lines.append(f"* {role} version {text(str(version['version']))} `{text(str(version['digest']))}`")
    lines += [
        f"* data {colon(text(entry['name']))} {entry['rows']:,} rows `{text(entry['digest'])}`"
        for entry in document.get("data", [])
    ]
    lines.append(f"* policy `{text(document['policy']['sha256'])}`")
    return lines


def _certainty(evidence: Evidence) -> list[str]:
    """How often a run like this passes what should fail, and over how many evaluations of the same data."""
    risk = risk_sentence(evidence)
    return [] if risk is None else ["## How sure is this?", "", text(risk), ""]
