"""The scored tables of a run's folder, sealed, so that a resumed run takes up those that are unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.evidence.run_folder import RunFolder

if TYPE_CHECKING:
    from lockgate.data.slices.slice import Slice
    from lockgate.evaluation.scoring.scored_table import Scored

_SCORED = "scored.json"


@dataclass(frozen=True)
class ScoredFiles:
    """folder: of the run. resumed: whether tables that it holds already are taken up."""

    folder: RunFolder
    resumed: bool

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """What was scored in this run, also before it was resumed: key → sha256, rows and what else was noted."""
        return (self.folder.sealed(_SCORED) if self.resumed else None) or {}

    def path(self, key: str) -> Path:
        """Where the table of a key is."""
        return self.folder.path / "scored" / f"{key}.parquet"

    def stored(self, key: str, slices: Sequence[Slice] = ()) -> Scored | None:
        """The table as it was scored before; None where there is none, or another one."""
        from lockgate.evaluation.scoring.scored_table import Scored

        entry = self.entries.get(key)
        if entry is None or not self.path(key).is_file():
            return None
        scored = Scored.open(self.path(key), slices=slices)
        if scored.sha256 != entry["sha256"]:
            return None
        scored.unrepeatable, scored.recorded = entry.get("unrepeatable", {}), entry.get("recorded", {})
        scored.traffic = entry.get("traffic", {})
        return scored

    def keep(self, key: str, scored: Scored, more: Mapping[str, Any]) -> None:
        """Seal that a table was scored. more: what its entry in the evidence says besides."""
        self.entries[key] = {"sha256": scored.sha256, "rows": scored.rows, **more}
        self.folder.keep_sealed(_SCORED, self.entries)

    def recorded(self, name: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Who gave the recorded answers of a data set, found out once a run, sealed with its tables."""
        tables = [entry for key in (name, f"{name}-replayed") if (entry := self.entries.get(key)) is not None]
        sealed = [entry["recorded"] for entry in tables if "recorded" in entry]
        entries: dict[str, Any] = sealed[0] if sealed else find()
        for entry in tables:
            entry["recorded"] = entries
        self.folder.keep_sealed(_SCORED, self.entries)
        return entries
