"""The evidence as documents, one file a format; `FORMATS` (read on demand) holds them by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lockgate.evidence.evidence import Evidence


@dataclass(frozen=True)
class Report:
    """One format: the file that a run folder keeps it in, and how evidence becomes it."""

    file: str
    render: Callable[[Evidence], str]


def _markdown(evidence: Evidence) -> str:
    from lockgate.reports.markdown import render

    return render(evidence)


def _junit(evidence: Evidence) -> str:
    from lockgate.reports.junit import render

    return render(evidence)


def _json(evidence: Evidence) -> str:
    from lockgate.reports.json import render

    return render(evidence)


FORMATS = {
    "md": Report("report.md", _markdown),
    "junit": Report("report.xml", _junit),
    "json": Report("report.json", _json),
}
