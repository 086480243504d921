"""Annotations at the pipeline lines that a candidate does not meet, which GitHub shows beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lockgate.evaluation.judging.gate_summary import worst_first
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.text import command_message, command_property, cut

MOST = 10  # annotations of each level that GitHub shows of one step
_LENGTH = 1_000


def render(record: RunRecord) -> str:
    """Workflow commands, one a line: an error for each requirement that failed, a warning for each undecided one.

    A gate that does not count gives warnings only. Of each level there are at most ten, the last of them with the number of
    those left out.
    """
    annotations = [entry for gate in record.evidence.gates for entry in _annotations(gate, record.evidence)]
    lines = []
    for level in ("error", "warning"):
        texts = [f"{where}::{command_message(message)}" for kind, where, message in annotations if kind == level]
        commands = [f"::{level} {text}\n" for text in texts]
        if len(commands) > MOST:
            more = f"{len(commands) - MOST + 1} more; see the job summary"
            commands = [*commands[: MOST - 1], f"::{level} title=lockgate::{command_message(more)}\n"]
        lines += commands
    return "".join(lines)


def _annotations(gate: GateResult, evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    """(level, properties, message) of each annotation of one gate."""
    files = [str(entry["path"]) for entry in (evidence.document.get("policy") or {}).get("files") or ()]
    if gate.name in evidence.waived:
        return
    counted = [finding for finding in gate.findings if finding.id not in evidence.waived]
    annotated = False
    for requirement in gate.requirements:
        bad = worst_first([finding for finding in counted if finding.requirement == requirement.id])
        if bad:
            annotated = True
            more = f"; and {len(bad) - 1} more" if len(bad) > 1 else ""
            message = cut(bad[0].reason, _LENGTH) + more
            yield _level(gate, bad[0].verdict), _properties(gate, requirement, files), message
    if not annotated and gate.verdict is not Verdict.PASS:
        first = gate.requirements[0] if gate.requirements else None
        yield _level(gate, gate.verdict), _properties(gate, first, files), cut(f"{gate.reason}{_remedy(gate)}", _LENGTH)


def _level(gate: GateResult, verdict: Verdict) -> str:
    return "error" if gate.counts and verdict in (Verdict.FAIL, Verdict.ERROR) else "warning"


def _properties(gate: GateResult, requirement: RequirementLine | None, files: Sequence[str]) -> str:
    """Title, and the file and line of the requirement; of the gate alone where no requirement is to blame."""
    title = gate.name if requirement is None else f"{gate.name}: {requirement.text}"
    properties = {"title": cut(title, 200)}
    if files:
        index = requirement.file if requirement is not None and requirement.file < len(files) else 0
        properties["file"] = cut(files[index], 500)
    if requirement is not None and requirement.line is not None:
        properties["line"] = str(requirement.line)
    return ",".join(f"{name}={command_property(value)}" for name, value in sorted(properties.items()))


def _remedy(gate: GateResult) -> str:
    remedy = (gate.breakdown or {}).get("remedy")
    return f"; {remedy}" if remedy else ""
