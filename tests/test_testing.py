"""`run_gate` asks one gate as `gate run` would, or says why it cannot."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from lockgate.errors import UsageError
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

COLUMNS = {"label": [0, 1] * 50, "candidate": [0.1, 0.9] * 50, "champion": [0.2, 0.8] * 50, "geo": ["BR", "US"] * 50}


@pytest.mark.parametrize(
    "table", [COLUMNS, pa.table(COLUMNS), pd.DataFrame(COLUMNS), pa.RecordBatch.from_pydict(COLUMNS)],
    ids=["dict", "arrow", "pandas", "batch"],
)  # fmt: skip
def test_any_table_will_do(table: Any) -> None:
    """The same result from each."""
    expected = run_gate("metrics", table=COLUMNS, require=["auc >= 0.5"])

    assert run_gate("metrics", table=table, require=["auc >= 0.5"]) == expected
    assert expected.verdict is Verdict.PASS


def test_columns_may_be_called_otherwise() -> None:
    """By `scores`, `label` and `positive`."""
    table = {"y": ["no", "yes"] * 50, "new": COLUMNS["candidate"], "old": COLUMNS["champion"]}
    found = run_gate(
        "metrics", table=table, label="y", positive="yes", scores={"candidate": "new", "champion": "old"},
        require=["auc >= champion - 0.1"],
    )  # fmt: skip

    assert (found.findings[0].observed, found.findings[0].champion) == (1.0, 1.0)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "metrix"}, "no gate is called 'metrix'; known: .*; did you mean 'metrics'"),
    ({"require": ["auk >= 0.5"]}, "gate metrics has no subject 'auk'; known: accuracy"),
    ({"require": ["auc > 0.5"]}, "cannot be decided on measured values"),
    ({"require": ["auc"]}, "is no requirement"),
    ({"speed": 9}, "gate metrics: speed: Extra inputs"),
    ({"table": 7}, "table is int"),
    ({"table": {"label": [1]}}, "the table has no column 'candidate'"),
    ({"table": {"candidate": [0.5]}}, "needs labels, and the table has no column 'label'"),
    ({"scores": {"candidate": "p"}}, "the table has no column 'p'"),
    ({"cluster": "user"}, "the table has no column 'user'"),
    ({"require": ["auc >= 0.5 on each city"], "slices": ["geo"]}, "no slice is called 'city'; .*: geo"),
    ({"require": ["auc >= 0.5 on each slice"]}, "no slice is called 'each slice'; .*: none"),
    ({"require": ["auc >= 0.5 on city=Graz"], "slices": ["geo"]}, "no slice is called 'city'"),
]


@pytest.mark.parametrize(("call", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_what_cannot_be_asked_is_refused(call: dict[str, Any], said: str) -> None:
    """With what is known, before anything is measured: a line that nothing answers is no pass."""
    given = {"kind": "metrics", "table": COLUMNS, "require": ["auc >= 0.5"], **call}
    with pytest.raises(UsageError, match=said):
        run_gate(given.pop("kind"), **given)


def test_a_gate_that_needs_a_model_says_so() -> None:
    """What it raises becomes its verdict, as in a run."""
    result = run_gate("latency", table=COLUMNS, require=["p50_ms <= 20"])

    assert (result.verdict, result.reason) == (Verdict.ERROR, "a table of scores has no model files")
    assert result.context["broken"]["remedy"] == "run this gate with gate run"
