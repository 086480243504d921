"""What becomes of a pipeline's lines while there is no champion: which are left out, and which gates then decide nothing."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.gates.gate import Gate


def left_out(gates: Sequence[Gate]) -> list[str]:
    """The lines of each of these gates that compare with a champion: `metrics: auc >= champion - 0.02, …`."""
    comparing = ((gate.title, [str(line) for line in gate.lines if gate.needs_champion(line)]) for gate in gates)
    return [f"{title}: {', '.join(lines)}" for title, lines in comparing if lines]


def undecidable(gates: Sequence[Gate]) -> list[tuple[str, str]]:
    """(gate, a line that it could do with) for each gate that counts and has no line which can do without a champion."""
    return [
        (gate.title, _example(gate))
        for gate in gates
        if gate.severity != "warn" and gate.lines and all(map(gate.needs_champion, gate.lines))
    ]


def _example(gate: Gate) -> str:
    """A line that needs no champion: of a subject that the gate has already, else of what it counts."""
    alone = {name: subject for name, subject in gate.subjects.items() if "champion" not in subject.needs}
    for line in gate.lines:
        if line.subject in alone:
            return f"{line.subject_text} {line.op} NUMBER"
    counts = next((subject for subject in alone.values() if subject.counted and subject.better == "lower"), None)
    return "one against a number" if counts is None else f"{counts.name} <= 0"
