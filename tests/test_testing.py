"""`run_gate` asks one gate as `gate run` would, or says why it cannot."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from lockgate.errors import UsageError
from lockgate.evaluation.scoring.scored_table import Scored
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


def test_a_score_is_held_against_a_threshold_in_its_own_precision() -> None:
    """As `scores >= 0.7` is in numpy: a float32 of 0.7 is at it, though it is less as a float64."""
    table = pa.table({"label": [1, 0] * 50, "candidate": pa.array([0.7, 0.2] * 50, pa.float32())})
    doubles = pa.table({"label": [1, 0] * 50, "candidate": pa.array([0.7, 0.2] * 50, pa.float32()).cast(pa.float64())})

    def recall(rows: Any, line: str) -> float | None:
        return run_gate("metrics", table=rows, require=[line], threshold=0.7).findings[0].observed

    for line in ("recall >= 0.5", "recall(threshold=0.7) >= 0.5", "positive_rate >= 0.4"):
        assert recall(table, line) == (0.5 if "rate" in line else 1.0)
        assert recall(doubles, line) == 0.0


def test_labels_decide_whatever_the_threshold_is() -> None:
    """In whatever type; where scores are needed they will not do."""
    table = {"label": [2, 1] * 50, "candidate": [2, 1] * 50, "champion": ["2", "1"] * 50}
    for threshold in (0.5, 600, None):
        found = run_gate(
            "metrics", table=table, positive=1, require=["accuracy >= champion - 0.1"], threshold=threshold
        )
        assert (found.findings[0].observed, found.findings[0].champion) == (1.0, 1.0), threshold
    refused = run_gate("metrics", table=table, positive=1, require=["auc >= 0.5"])

    assert refused.verdict is Verdict.ERROR
    assert "holds class labels (whole numbers), and scores are needed" in refused.reason


def test_answers_that_cannot_be_repeated_are_named_and_change_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the summary of the gate and in its evidence."""
    outcome = {"differs": "again", "rows": 40, "differing": 10, "largest": "0.83", "flipped": 4}
    from_table = Scored.from_table

    def noisy(*table: Any, **more: Any) -> Scored:
        scored = from_table(*table, **more)
        scored.unrepeatable = {"candidate": outcome}
        return scored

    monkeypatch.setattr(Scored, "from_table", noisy)
    found = run_gate("metrics", table=COLUMNS, require=["auc >= 0.5"])

    assert found.verdict is Verdict.PASS
    assert found.context["unrepeatable"] == {"candidate": outcome}
    assert found.reason == (
        "1 requirement met; the candidate's answers cannot be repeated: 10 of 40 rows that were sent twice got another "
        "answer, up to 0.83 away, 10 % of the decisions flipped"
    )
