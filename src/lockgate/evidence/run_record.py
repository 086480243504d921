"""The record of a run, as reports see it: its evidence, and its exhibits read on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lockgate import hashing
from lockgate.evidence.evidence import Evidence, EvidenceError
from lockgate.evidence.exhibit import Exhibit, exhibit_file


@dataclass(frozen=True)
class RunRecord:
    """Evidence with the exhibits that it declares.

    folder: returns the folder that holds the run's files, a run folder or a download of what was published. It is called
    when the first exhibit is read, so that a report without plots downloads nothing; None where only the evidence is at hand.
    """

    evidence: Evidence
    folder: Callable[[], Path] | None = None

    def exhibit(self, name: str) -> Exhibit:
        """Read one exhibit. Raises EvidenceError where it is missing, or differs from what the evidence declares."""
        declared = {entry["name"]: entry["sha256"] for entry in self.evidence.document.get("exhibits") or ()}
        path = None if self.folder is None or name not in declared else self.folder() / exhibit_file(name)
        if path is None or not path.is_file():
            raise EvidenceError(f"the record of run {self.evidence.run_id} has no exhibit {name}")
        content = path.read_bytes()
        if hashing.sha256(content) != declared[name]:
            raise EvidenceError(
                f"{path} is not the exhibit {name} that the evidence declares", remedy="evaluate again with gate run"
            )
        try:
            return Exhibit.read(content)
        except ValueError as error:
            raise EvidenceError(f"{path} is no exhibit: {error}", remedy="evaluate again with gate run") from error
