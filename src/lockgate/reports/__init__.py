"""Reports of a run, one file a format; `FORMATS` holds them by name and imports them on demand."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from lockgate.evidence.evidence import Evidence, EvidenceError
from lockgate.evidence.run_folder import RunFolder
from lockgate.evidence.run_record import RunRecord
from lockgate.text import cut


@dataclass(frozen=True)
class Report:
    """One format: the file that a run folder keeps it in, and the module of this package that renders it."""

    file: str
    module: str

    def render(self, record: RunRecord) -> str:
        """The report of a run as text. Raises EvidenceError where a detail of its evidence has another shape."""
        try:
            document: str = import_module(f"lockgate.reports.{self.module}").render(record)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise EvidenceError(
                f"the evidence {record.evidence.digest} cannot be shown as {self.file}: {cut(repr(error), 200)}",
                remedy="evaluate again with gate run",
            ) from error
        return document


FORMATS = {
    "md": Report("report.md", "markdown"),
    "html": Report("report.html", "html"),
    "junit": Report("report.xml", "junit"),
    "json": Report("report.json", "json"),
}


def keep_reports(evidence: Evidence, folder: RunFolder) -> None:
    """Write every report into the folder that holds the run's files. Raises EvidenceError as `render` does."""
    record = RunRecord(evidence, lambda: folder.path)
    for report in FORMATS.values():
        folder.write(report.file, report.render(record).encode())
