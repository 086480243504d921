"""What a gate brings to the page beside its findings: one function a kind of gate, registered in `SECTIONS`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from lockgate.evaluation.judging.number_format import NOTHING, short
from lockgate.evidence.evidence import EvidenceError, GateResult
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.reports.html import curve_charts, decision_figures, latency_charts, parity_tables
from lockgate.reports.html.confusions import confusions
from lockgate.reports.html.figures import Figure, Table
from lockgate.reports.html.source import MODELS, Source
from lockgate.reports.run_facts import Cells, cells

# What a context says in a word of its own.
_MEANT = {
    "able_rps": "answered a second, by a few requests beforehand",
    "lag_p99_ms": "how late the load generator was, ms (99 % of requests)",
    "meanwhile": "other programs during the load",
    "others": "the largest:",
    "others_share": "share of all processor time",
    "worst_class": "the class that lost most",
    "stolen_share": "share that the host gave to other virtual machines",
}
_LONG = re.compile(r"-?\d+\.\d{5,}")  # a measured number as the evidence has it
_MOST = 50  # entries of a list
Drawing = Callable[[Source], Iterator[Figure]]
# The pictures of a gate in the order of the page: first by the name of an exhibit, then by its kind alone.
_NAMED: Mapping[str, Drawing] = {
    "changes": decision_figures.signature_changes,
    "golden_rows": parity_tables.golden_rows,
    "packages": parity_tables.packages,
    "flips": decision_figures.flips,
    "flips_by_slice": decision_figures.flips_by_slice,
    "lost_and_gained": decision_figures.lost_and_gained,
    "flip_examples": decision_figures.table,
    "labelled": decision_figures.labelled,
    "distances": decision_figures.table,
    "moved_features": decision_figures.moved_features,
    "slice_mix": decision_figures.slice_mix,
    "answers": decision_figures.table,
    "confusions": confusions,
    "roc": curve_charts.ranks,
    "precision_recall": curve_charts.ranks,
    "reliability": curve_charts.reliability,
    "predicted_actual": curve_charts.reliability,
    "fixes_and_breaks": decision_figures.fixes_and_breaks,
    "errors": curve_charts.distribution,
    "differences": curve_charts.distribution,
    "thresholds": curve_charts.thresholds,
    "found_slices": decision_figures.weak_slices,
}
_DRAWN: Mapping[str, Drawing] = {
    "curve": curve_charts.ranks,
    "ecdf": latency_charts.distribution,
    "timeline": latency_charts.timeline,
    "bars": decision_figures.table,
    "table": decision_figures.table,
}


def figures(gate: GateResult, record: RunRecord) -> Iterator[Figure]:
    """The figures of a gate: those of its kind, its exhibits, and under which circumstances it measured."""
    yield from SECTIONS.get(gate.kind, _nothing)(gate)
    yield from _gaps(gate)
    yield from _exhibits(gate, record)
    yield from _circumstances(gate)


def _exhibits(gate: GateResult, record: RunRecord) -> Iterator[Figure]:
    """The figures of each declared exhibit; whatever is missing, altered or of another shape stops no report."""
    declared = [str(entry["name"]) for entry in record.evidence.document.get("exhibits") or ()]
    names = [name.rpartition("/")[2] for name in declared if name.rpartition("/")[0] == gate.name]
    order = list(_NAMED)
    names.sort(key=lambda name: order.index(name) if name in _NAMED else len(order))
    absent = []
    for name in names:
        try:
            exhibit = record.exhibit(f"{gate.name}/{name}")
            if not exhibit.columns or any(len(point) != len(exhibit.columns) for point in exhibit.points):
                raise ValueError("its points do not have its columns")
            source = Source(exhibit, gate, partial(_sibling, record, gate))
            drawn = list((_NAMED.get(name) or _DRAWN[exhibit.kind])(source))
        except (EvidenceError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            absent.append((f"{gate.name}/{name}", str(error)))
        else:
            yield from drawn
    if absent:
        yield Table("Pictures that cannot be drawn", ("exhibit", "reason"), tuple(absent))


def _sibling(record: RunRecord, gate: GateResult, name: str) -> Exhibit | None:
    try:
        return record.exhibit(f"{gate.name}/{name}")
    except EvidenceError:
        return None


def _nothing(_: GateResult) -> Iterator[Figure]:
    yield from ()


def _judged(gate: GateResult) -> Iterator[tuple[Finding, Cells, str]]:
    """Each finding, its cells, and its verdict behind a mark."""
    for finding in gate.findings:
        cell = cells(finding)
        yield finding, cell, f"{'✓' if finding.verdict is Verdict.PASS else '✗'} {cell.verdict}"


def _checklist(gate: GateResult) -> Iterator[Figure]:
    """Each line and what was counted for it."""
    lines = {requirement.id: requirement.text for requirement in gate.requirements}
    rows = [
        (
            finding.subject.replace("_", " "),
            verdict,
            lines.get(finding.requirement, cell.limit),
            _listed([*_entries(finding.detail, "found"), *_entries(finding.detail, "fine")]),
        )
        for finding, cell, verdict in _judged(gate)
    ]
    origin = gate.context.get("provenance")
    held = f": {origin.get('held')} of {origin.get('of')} facts" if isinstance(origin, Mapping) else ""
    if rows:
        yield Table(f"Checklist{held}", ("checked", "verdict", "line", "found"), tuple(rows))


def _gaps(gate: GateResult) -> Iterator[Figure]:
    """What each slice of a gap has, by both models where they are compared; the two that are furthest apart stand out."""
    for finding in gate.findings:
        ours, theirs, pair = (finding.detail.get(name) for name in ("slices", "champion_slices", "pair"))
        if not isinstance(ours, Mapping) or "pairs_compared" not in finding.detail:
            continue
        models = [ours, theirs] if isinstance(theirs, Mapping) else [ours]
        rows = [(str(label), *(_words(values.get(label)) for values in models)) for label in ours]
        tone = "" if finding.verdict is Verdict.PASS else "bad" if finding.verdict is Verdict.FAIL else "dim"
        tones = tuple(tone if isinstance(pair, list) and label in pair else "" for label in ours)
        yield Table(finding.subject, ("slice", "candidate", "champion")[: 1 + len(models)], tuple(rows), tones)


def _command(gate: GateResult) -> Iterator[Figure]:
    """What a command ran, by which bytes, and each thing that it checked."""
    rows = [
        (
            " & ".join(finding.slice.values()),
            verdict,
            cell.value,
            cell.limit,
            finding.reason,
        )
        for finding, cell, verdict in _judged(gate)
    ]
    if rows:
        yield Table("Findings of the command", ("checked", "verdict", "value", "limit", "in words"), tuple(rows))
    command = gate.context.get("command")
    if isinstance(command, Mapping):
        names = ("run", "variables", "program", "origins", "exit_code", "findings", "left_out", "isolation")
        facts = [(name.replace("_", " "), _words(command.get(name))) for name in names]
        yield Table("Command", ("what", "value"), tuple((name, words) for name, words in facts if words))


def _circumstances(gate: GateResult) -> Iterator[Figure]:
    """Under what a gate measured: load, machine, and what else its context says."""
    rows = [
        (_MEANT.get(str(name), str(name).replace("_", " ")), _words(value))
        for name, value in sorted(gate.context.items())
        if name not in ("models", "broken", "found_slices", "command", "output", "provenance", "notes", "replayed")
    ]
    rows = [(name, words) for name, words in rows if words]
    if rows:
        yield Table("Circumstances", ("what", "value"), tuple(rows))


def environments(gates: tuple[GateResult, ...]) -> Table | None:
    """Where each model answered and with which packages, what differs first; None where no gate ran a model."""
    facts: dict[str, dict[str, str]] = {}
    for gate in gates:
        models = gate.context.get("models")
        for role, model in models.items() if isinstance(models, Mapping) else ():
            if isinstance(model, Mapping):
                entries = {name: _words(model.get(name)) for name in ("where", "python")}
                versions = model.get("versions")
                entries |= {str(k): _words(v) for k, v in versions.items()} if isinstance(versions, Mapping) else {}
                for name, words in entries.items():
                    facts.setdefault(name, {}).setdefault(str(role), words)
    if not facts:
        return None
    roles = [role for role in MODELS if any(role in entry for entry in facts.values())]
    rows = [
        (name, *(entry.get(role, NOTHING) for role in roles), "differs" if _differs(entry, roles) else "same")
        for name, entry in facts.items()
        if any(entry.values())
    ]
    rows.sort(key=lambda row: (row[-1] == "same", row[0]))
    return Table("Environment of the models", ("package", *roles, "compared"), tuple(rows))


def _differs(entry: Mapping[str, str], roles: list[str]) -> bool:
    return len({entry.get(role) for role in roles}) > 1


def _entries(detail: Mapping[str, Any], name: str) -> list[str]:
    entries = detail.get(name)
    return [str(entry) for entry in entries] if isinstance(entries, list) else []


def _listed(entries: list[str]) -> str:
    more = f", and {len(entries) - _MOST} more" if len(entries) > _MOST else ""
    return (", ".join(entries[:_MOST]) or NOTHING) + more


def _words(value: Any) -> str:
    """A value of a context on one line: lists by commas, names before their values."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_MEANT.get(str(name), str(name).replace('_', ' '))} {_words(each)}"
            for name, each in sorted(value.items())
            if _words(each)
        )
    if isinstance(value, list):
        return _listed([_words(each) for each in value]) if value else ""
    text = "" if value is None else str(value)
    return short(float(text)) if _LONG.fullmatch(text) else text


def _expectations(gate: GateResult) -> Iterator[Figure]:
    """Each expectation by its column: the rows that do not meet it, how many may, and which come first."""
    rows = [
        (
            finding.slice.get("column", "all rows"),
            _expectation(finding),
            verdict,
            cell.value,
            cell.rows,
            cell.limit,
            _listed(
                [*_entries(finding.detail, "rows_named"), *(each[:12] for each in _entries(finding.detail, "ids"))]
            ),
        )
        for finding, cell, verdict in _judged(gate)
    ]
    if rows:
        yield Table("Expectations", ("column", "expected", "verdict", "offend", "of", "may", "first"), tuple(rows))


def _expectation(finding: Finding) -> str:
    """`in_range(0, 100)` as pandera writes it, else the name of the expectation and what it asks."""
    name, asks = finding.slice.get("expectation", ""), str(finding.detail.get("expectation", ""))
    return asks if asks.startswith(f"{name}(") else f"{name} {asks}".rstrip()


SECTIONS: Mapping[str, Callable[[GateResult], Iterator[Figure]]] = {
    "signature": _checklist,
    "metadata": _checklist,
    "environment": _checklist,
    "command": _command,
    "data_quality": _expectations,
    "artifact": _checklist,
}
