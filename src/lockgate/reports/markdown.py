"""The evidence for people: verdict, gates, what stands in the way, every finding, and what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockgate.evaluation.judging.gate_summary import risk_sentence, worst_first
from lockgate.evaluation.judging.number_format import counted_words, short
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.reports.blockers import merged, obstacles, watched
from lockgate.text import colon, plain
from lockgate.text import markdown as text

_MARK = {"pass": "✅ pass", "inconclusive": "❔ inconclusive", "fail": "❌ fail", "error": "💥 error"}


@dataclass(frozen=True)
class Pieces:
    """The report in parts, so that whole gates can be left out where only so much fits."""

    head: str
    table: tuple[str, ...]
    gates: tuple[str, ...]
    foot: str


def render(evidence: Evidence) -> str:
    """The whole report as Markdown."""
    parts = pieces(evidence)
    return "".join([parts.head, *parts.table, "\n", *parts.gates, parts.foot])


def pieces(evidence: Evidence, *, most: int | None = None, stderr: bool = True) -> Pieces:
    """The report in parts. most: findings listed of a gate, None for all; stderr: whether a model's last lines appear."""
    champion = evidence.champion
    against = "no champion" if champion is None else f"version {text(str(champion['version']))}"
    head = [
        f"# {_MARK[evidence.verdict.value]}: {text(evidence.model)} version {text(str(evidence.candidate['version']))}",
        "",
        f"Held against {against}. {_opens(evidence)}",
        "",
        "| gate | verdict | |",
        "|---|---|---|",
    ]
    return Pieces(
        _joined(head),
        tuple(_joined([_gate_row(gate)]) for gate in evidence.gates),
        tuple(_joined(_gate(gate, most=most, stderr=stderr)) for gate in evidence.gates),
        _joined([*_waivers(evidence), *_basis(evidence)]),
    )


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _opens(evidence: Evidence) -> str:
    if evidence.opens == "yes":
        return "The owner's approval of this evidence opens the way to Production."
    if evidence.opens == "by_owner":
        count = len(evidence.asks)
        return f"The owner may approve it with `accepting {count} undecided`."
    return "It opens nothing."


def _gate_row(gate: GateResult) -> str:
    shown = _MARK[gate.verdict.value] + ("" if gate.counts else " (does not count)")
    return f"| {text(gate.name)} | {shown} | {text(gate.reason)} |"


def _gate(gate: GateResult, *, most: int | None, stderr: bool) -> list[str]:
    lines = [f"## {text(gate.name)}", ""]
    for one in obstacles(gate):
        remedy = f" _{text(one.remedy)}._" if one.remedy else ""
        outlook = f" {text(one.outlook)}." if one.outlook else ""
        lines.append(f"* **{one.verdict}** {text(one.reason)}.{remedy}{outlook}")
    lines += [f"* **watched** {text(said)}." for said in watched(gate)]
    lines += [f"* **merged** {text(said)}." for said in merged(gate)]
    broken = gate.context.get("broken")
    if isinstance(broken, Mapping):
        lines.append(f"* **error** {text(gate.reason)}. {text(str(broken.get('remedy') or ''))}")
        if stderr and broken.get("stderr"):
            lines += ["", *(f"      {line}" for line in plain(str(broken["stderr"])).splitlines()[-20:])]
    if len(lines) == 2 and not gate.findings:
        return []  # the table has said all there is
    if lines[-1]:
        lines.append("")
    if gate.findings:
        shown = gate.findings if most is None else [*worst_first(gate.findings), *_passed(gate)][:most]
        hidden = len(gate.findings) - len(shown)
        lines += [
            "<details><summary>All findings</summary>",
            "",
            "| finding | verdict | observed | interval | champion | asked | rows |",
            "|---|---|---|---|---|---|---|",
            *(_finding_row(finding) for finding in shown),
            *([f"| … and {hidden:,} more | | | | | | |"] if hidden else []),
            "",
            "</details>",
            "",
        ]
    return lines


def _passed(gate: GateResult) -> list[Finding]:
    return [one for one in gate.findings if one.verdict is Verdict.PASS]


def _finding_row(finding: Finding) -> str:
    ends = "" if finding.interval is None else f"{short(finding.interval[0])} to {short(finding.interval[1])}"
    observed = "–" if finding.observed is None else short(finding.observed)
    champion = "–" if finding.champion is None else short(finding.champion)
    verdict = "watched" if finding.code == "watched" else str(finding.verdict)
    asked = text(f"{finding.limit.op} {finding.limit.text}")
    name = text(finding.id.split("/", 1)[1] if "/" in finding.id else finding.id)
    rows = f"{finding.rows:,}" if finding.counted_in == "rows" else counted_words(finding.rows, finding.counted_in)
    return f"| {name} {text(finding.subject)} | {verdict} | {observed} | {ends} | {champion} | {asked} | {rows} |"


def _waivers(evidence: Evidence) -> list[str]:
    found = evidence.document.get("waivers") or []
    if not found:
        return []
    rows = [
        f"* {colon(text(one['finding']))} {text(one['reason'])} ({text(one['owner'])}, until {text(one['until'])}"
        f"{', expired' if one.get('expired') else ''})"
        for one in found
    ]
    return ["## Waived", "", *rows, ""]


def _basis(evidence: Evidence) -> list[str]:
    document = evidence.document
    lines = ["## What this stands on", "", f"* evidence `{evidence.digest}`", f"* run `{text(evidence.run_id)}`"]
    for role in ("candidate", "champion"):
        version = document["model"][role]
        if version is not None:
            lines.append(f"* {role} version {text(str(version['version']))} `{text(str(version['digest']))}`")
    lines += [
        f"* data {colon(text(one['name']))} {one['rows']:,} rows `{text(one['digest'])}`"
        for one in document.get("data", [])
    ]
    lines.append(f"* policy `{text(document['policy']['sha256'])}`")
    risk = risk_sentence(evidence)
    if risk is not None:
        lines += ["", text(risk)]
    return lines
