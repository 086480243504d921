"""A gate whose data has `last`: what its window keeps is said, and an empty or stale one decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.fakes import asking, case_of
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.case import Case
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, FindingLimit, Verdict
from lockgate.gates.gate import Gate

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Reading(Gate):
    """A gate over `data` in which something fails, whatever the rows are."""

    gate: str = "reading"
    data: str = "traffic"

    def check(self, case: Case) -> Iterator[Finding]:
        yield Finding(
            id=f"{self.title}/r1/overall", requirement="r1", subject="x", slice={}, observed=1.0, interval=None,
            champion=None, limit=FindingLimit("<=", 0.0, "0"), decided=None, rows=1, positives=None, rows_needed=None,
            verdict=Verdict.FAIL, code="x", reason="x is 1",
        )  # fmt: skip


class Columns(Reading):
    """One that reads the columns alone."""

    needs_rows: ClassVar[bool] = False


def result(folder: Path, gate: type[Gate], *ago: float) -> GateResult:
    times = [NOW - timedelta(hours=each) for each in ago]
    pq.write_table(pa.table({"t": pa.array(times, pa.timestamp("us", "UTC"))}), folder / "t.parquet")
    spec = DatasetSpec.model_validate({"path": "t.parquet", "last": "7d", "time": "t"})
    case = replace(
        case_of(folder / "run", alone=True),
        datasets=("traffic",),
        dataset=lambda name: Dataset(name, spec, folder, now=NOW),
    )
    run = asking(case, gate.model_validate({"gate": "reading"}))
    run.run_gates()
    return run.results[0]


@pytest.mark.parametrize(
    ("gate", "ago", "verdict", "reason"),
    [
        (Reading, [2, 200], "fail", r"x is 1; last: 7d of traffic keeps 1 of 2 rows, 2 h old$"),
        (Reading, [2, -2], "fail", r"keeps 1 of 2 rows, 2 h old; 1 row bears a time ahead of this run's clock"),
        (Reading, [200], "inconclusive", r"^traffic has no rows in its window: "),
        (Reading, [], "inconclusive", r"^traffic has no rows in its window: .* and the data has no rows"),
        (Reading, [-2], "inconclusive", r"^traffic has no rows in its window: .*ahead of this run's clock"),
        (Reading, [100], "inconclusive", r"^the rows of traffic are stale: "),
        (Columns, [200], "fail", r"^x is 1$"),
    ],
)
def test_what_is_decided(tmp_path: Path, gate: type[Gate], ago: list[float], verdict: str, reason: str) -> None:
    """Never a pass and never a failure on rows that are not the recent ones."""
    shown = result(tmp_path, gate, *ago)

    assert str(shown.verdict) == verdict
    assert re.search(reason, shown.reason), shown.reason


def test_the_window_is_in_the_evidence(tmp_path: Path) -> None:
    """For programs."""
    assert result(tmp_path, Reading, 2, 200, -3).context["windows"] == {
        "traffic": {
            "last": "7d", "from": "2026-11-22T12:00:00Z", "until": "2026-11-29T12:00:00Z", "rows": 1, "of": 3,
            "ahead_of_the_run": 1, "later_than_until": 0, "oldest": "2026-11-29T10:00:00Z",
            "newest": "2026-11-29T10:00:00Z",
        }
    }  # fmt: skip
