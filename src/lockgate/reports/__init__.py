"""Reports of a run, one file a format; `FORMATS` holds them by name and imports them on demand."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from lockgate.evidence.run_record import RunRecord


@dataclass(frozen=True)
class Report:
    """One format: the file that a run folder keeps it in, and the module of this package that renders it."""

    file: str
    module: str

    def render(self, record: RunRecord) -> str:
        """The report of a run as text."""
        document: str = import_module(f"lockgate.reports.{self.module}").render(record)
        return document


FORMATS = {
    "md": Report("report.md", "markdown"),
    "junit": Report("report.xml", "junit"),
    "json": Report("report.json", "json"),
}
