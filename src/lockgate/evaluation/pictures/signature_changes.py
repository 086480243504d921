"""What changed in the signature since the champion's, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lockgate.evidence.exhibit import Exhibit
from lockgate.models.signature_diff import Change
from lockgate.text import cut

_MOST, _LONGEST = 400, 200


def signature_changes(gate: str, changes: Sequence[Change]) -> Iterator[Exhibit]:
    """One row a change, those that break callers first; nothing where the signatures are the same."""
    points = tuple(
        (change.side, *(cut(text, _LONGEST) for text in (change.name, change.kind, change.old, change.new)), "yes" if change.breaking else "no", cut(change.note, _LONGEST))
        for change in sorted(changes, key=lambda change: not change.breaking)[:_MOST]
    )  # fmt: skip
    if points:
        yield Exhibit(
            f"{gate}/changes",
            "table",
            ("side", "column", "change", "champion", "candidate", "breaking", "note"),
            points,
        )
