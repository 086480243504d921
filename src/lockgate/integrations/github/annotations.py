"""The lines of a pipeline that a candidate does not meet, as annotations that GitHub shows beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lockgate.evaluation.judging.gate_summary import worst_first
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Verdict
from lockgate.text import command_message, command_property, cut

MOST = 10  # of each level that GitHub shows of one step
_LENGTH = 1_000


def render(evidence: Evidence) -> str:
    """Workflow commands, one a line: an error a requirement that failed, a warning one that is undecided.

    What does not count is a warning at most. At most ten of each level, the last of them telling how many more there are.
    """
    found = [annotation for gate in evidence.gates for annotation in _of(gate, evidence)]
    lines = []
    for level in ("error", "warning"):
        commands = [f"::{level} {where}::{command_message(what)}\n" for kind, where, what in found if kind == level]
        if len(commands) > MOST:
            more = f"{len(commands) - MOST + 1} more; see the job summary"
            commands = [*commands[: MOST - 1], f"::{level} title=lockgate::{command_message(more)}\n"]
        lines += commands
    return "".join(lines)


def _of(gate: GateResult, evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    """(level, properties, message) of one gate."""
    files = [str(one["path"]) for one in (evidence.document.get("policy") or {}).get("files") or ()]
    told = False
    for asked in gate.requirements:
        bad = worst_first([one for one in gate.findings if one.requirement == asked.id])
        if bad:
            told = True
            more = f"; and {len(bad) - 1} more" if len(bad) > 1 else ""
            yield _level(gate, bad[0].verdict), _where(gate, asked, files), cut(bad[0].reason, _LENGTH) + more
    if not told and gate.verdict is not Verdict.PASS:
        place = gate.requirements[0] if gate.requirements else None
        yield _level(gate, gate.verdict), _where(gate, place, files), cut(f"{gate.reason}{_remedy(gate)}", _LENGTH)


def _level(gate: GateResult, verdict: Verdict) -> str:
    return "error" if gate.counts and verdict in (Verdict.FAIL, Verdict.ERROR) else "warning"


def _where(gate: GateResult, asked: RequirementLine | None, files: Sequence[str]) -> str:
    title = gate.name if asked is None else f"{gate.name}: {asked.text}"
    given = {"title": cut(title, 200)}
    if files:
        given["file"] = cut(files[asked.file if asked is not None and asked.file < len(files) else 0], 500)
    if asked is not None and asked.line is not None:
        given["line"] = str(asked.line)
    return ",".join(f"{name}={command_property(value)}" for name, value in sorted(given.items()))


def _remedy(gate: GateResult) -> str:
    broken = gate.context.get("broken")
    remedy = broken.get("remedy") if isinstance(broken, Mapping) else None
    return f"; {remedy}" if remedy else ""
