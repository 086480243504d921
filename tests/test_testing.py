"""`run_gate` asks one gate as `gate run` would, or says why it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lockgate import Gate, Subject, counted, judge, testing
from lockgate.errors import UsageError
from lockgate.evaluation.case import Case
from lockgate.evaluation.requirements.subject import by_name
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.gate import Findings
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
    ({"require": ["auk >= 0.5"]}, "gate metrics knows no 'auk'; known: accuracy"),
    ({"require": ["auc >= champion"]}, "leaves no margin: a candidate equal to the champion would pass"),
    ({"require": ["auc >= 1.5"]}, "can never be met: auc lies between 0 and 1"),
    ({"require": ["accuracy(k=2) >= 0.5"]}, "accuracy takes threshold, not 'k'"),
    ({"require": ["calibration_error <= champion + 0.1"]}, "calibration_error is decided against a number only"),
    ({"require": ["rmse <= 3"], "task": "binary"}, "rmse is for task regression, and this one is binary"),
    ({"require": ["gain_from_one_column <= 80%"]}, "asks the candidate again, and data.table.scores says"),
    ({"require": ["rows_in_training_time <= 0"]}, "name the column that says when a row was recorded"),
    ({"kind": "behaviour", "require": ["changed_rate <= 1%"]}, "needs to be told how rows are altered"),
    ({"require": ["auc > 0.5"]}, "cannot be decided on measured values"),
    ({"require": ["auc"]}, "is no requirement"),
    ({"speed": 9}, "gate metrics: speed: Extra inputs"),
    ({"table": 7}, "table is int"),
    ({"table": {"label": [1]}}, "the table has no column 'candidate'"),
    ({"table": {"candidate": [0.5]}}, "needs labels, and the table names no label column"),
    ({"scores": {"candidate": "p"}}, "the table has no column 'p'"),
    ({"cluster": "user"}, "the table has no column 'user'"),
    ({"require": ["auc >= 0.5 on each city"], "slices": ["geo"]}, "the table has no slice 'city'; declared: geo"),
    ({"require": ["auc >= 0.5 on each slice"]}, "the table declares no slices"),
    ({"require": ["auc >= 0.5 on city=Graz"], "slices": ["geo"]}, "the table has no slice 'city'"),
]


@pytest.mark.parametrize(("call", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_what_cannot_be_asked_is_refused(call: dict[str, Any], said: str) -> None:
    """With what is known, before anything is measured: a line that nothing answers is no pass."""
    given = {"kind": "metrics", "table": COLUMNS, "require": ["auc >= 0.5"], **call}
    with pytest.raises(UsageError, match=said):
        run_gate(given.pop("kind"), **given)


def seen_table(rows: int, seen: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows of which the first `seen` are right and all others wrong, the rows that the candidate was trained on)."""
    x = np.arange(rows)
    label = x % 2
    right = np.where(x < seen, label, 1 - label)
    table = pd.DataFrame({"x": x, "label": label, "candidate": right * 0.8 + 0.1})
    return table, table[["x", "label"]].head(seen).astype(float)


def test_rows_that_the_candidate_was_trained_on_are_left_out() -> None:
    """As of `not_in` in a pipeline: they take part in no verdict, and above `max_seen` nothing passes."""
    table, training = seen_table(1000, 500)
    line = ["accuracy >= 0.4"]
    unaware, aware = (run_gate("metrics", table=table, require=line, not_in=given) for given in (None, training))
    assert unaware.verdict is Verdict.PASS
    assert (aware.verdict, aware.findings[0].rows, aware.findings[0].observed) == (Verdict.FAIL, 500, 0.0)
    assert "500 of 1,000 rows of table are in the training rows, and left out of every verdict" in aware.reason


class Lookalike(Gate):
    """A gate of one's own, which reads the rows itself."""

    subjects = by_name(Subject("rows_read", "higher", counted=True, bounds=(0, None), needs=("label",)))
    uses_models = True
    gate: str = "lookalike"
    data: str

    def check(self, case: Case) -> Findings:
        rows = sum(batch.num_rows for batch in case.dataset(self.data).batches())
        lines = self.requirements_for(case)
        estimates = [counted(name, line, value=rows, units=rows) for name, line in lines]
        yield from judge(self.title, lines, estimates, self.subjects)


def test_a_gate_of_ones_own_is_given_rows_that_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its passes are withheld above `max_seen`, as in a run."""
    monkeypatch.setattr(testing, "gate_class", lambda *_, **__: Lookalike)
    table, training = seen_table(1000, 20)

    def asked(**more: Any) -> GateResult:
        return run_gate("lookalike", table=table, require=["rows_read >= 900"], **more)

    withheld, allowed = asked(not_in=training), asked(not_in=training, max_seen=0.02)
    assert (asked().findings[0].observed, withheld.findings[0].observed) == (1000, 980)
    assert (withheld.verdict, withheld.findings[0].code) == (Verdict.INCONCLUSIVE, "seen_rows")
    assert allowed.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"max_seen": 0.1}, "`max_seen` needs `not_in`"),
        ({"max_seen": 2, "not_in": {"x": [1]}}, "max_seen: "),
        ({"not_in": 7}, "table is int"),
    ],
)
def test_training_rows_that_say_nothing_are_refused(more: dict[str, Any], said: str) -> None:
    """Before anything is measured."""
    with pytest.raises(UsageError, match=said):
        run_gate("metrics", table=COLUMNS, require=["auc >= 0.5"], **more)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"y": [1.0]}, "has no column 'y', the column by which rows are recognised"),
        ({"label": [1]}, "nothing says by which columns rows of the training rows are recognised"),
        ({"geo": pa.array([], pa.string())}, "the training rows, which not_in names, has no rows, which show nothing"),
    ],
)
def test_training_rows_that_cannot_be_compared_break_the_gate(training: dict[str, Any], said: str) -> None:
    """Nobody knows then which rows are new, so nothing passes."""
    result = run_gate("metrics", table=COLUMNS, require=["auc >= 0.5"], not_in=training)

    assert result.verdict is Verdict.ERROR
    assert said in result.reason


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
