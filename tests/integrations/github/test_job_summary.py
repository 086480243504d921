"""The job summary is the whole report, and never more than GitHub takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.report_evidence import METRICS, WHOLE, evidence, finding
from helpers.report_story import STOPPED
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github import job_summary as summary
from lockgate.reports import FORMATS


def test_it_is_the_report() -> None:
    """Word for word, where it fits."""
    assert summary.render(RunRecord(STOPPED)) == FORMATS["md"].render(RunRecord(STOPPED))


def test_what_a_model_wrote_last_is_left_out() -> None:
    """The report in the run's folder has it."""
    assert "Killed" in FORMATS["md"].render(RunRecord(WHOLE))
    assert "Killed" not in summary.render(RunRecord(WHOLE))
    assert "more memory" in summary.render(RunRecord(WHOLE))


@pytest.mark.parametrize(
    ("gates", "slices", "sign", "said"),
    [
        (1, 4_000, "x", "… and 3,901 more."),
        (900, 1, "é", "more gates in the report"),
        (300, 30, "🚀", "more gates in the report"),
    ],
)
def test_a_large_report_is_cut(gates: int, slices: int, sign: str, said: str) -> None:
    """The failed findings stay, and what is missing is counted."""
    passing = [
        finding(id=f"m/r1/geo={number}", slice={"geo": sign * 40}, verdict=Verdict.PASS, reason=sign * 90)
        for number in range(slices)
    ]
    bad = finding(id="m/r1/geo=last", slice={"geo": "last"})
    large = evidence(*[replace(METRICS, name=f"g{number}", findings=(*passing, bad)) for number in range(gates)])
    shown = summary.render(RunRecord(large), limit=80_000)

    assert len(shown.encode()) <= 80_000
    assert "| ❌ | geo=last |" in shown
    assert said in shown
    assert f"* evidence `{large.digest}`" in shown


def test_the_limit_is_below_what_github_takes() -> None:
    """It drops a summary over 1 MiB without a word."""
    assert summary.LIMIT < 2**20
