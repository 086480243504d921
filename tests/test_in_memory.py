"""`lockgate.evaluate` decides requirements on models in memory as a pipeline would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lockgate
from lockgate.errors import UsageError
from lockgate.testing import run_gate

DRAW = np.random.default_rng(11)
SIZE = 600
FRAME = pd.DataFrame(
    {"amount": DRAW.normal(size=SIZE), "age": DRAW.normal(size=SIZE), "geo": ["BR", "US"] * (SIZE // 2)}
)
FRAME["late"] = (FRAME.amount + FRAME.age + DRAW.normal(size=SIZE) > 0).astype(int)


class Classifier:
    """As scikit-learn's: probabilities of its classes, in the order of `classes_`, from the columns that it was trained on."""

    feature_names_in_ = np.array(["age", "amount"])

    def __init__(self, classes: Any, by: str = "both") -> None:
        self.classes_, self.by = np.asarray(classes), by

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        assert list(rows.columns) == ["age", "amount"]
        score = 1 / (1 + np.exp(-(rows.age + (rows.amount if self.by == "both" else 0))))
        return np.column_stack([1 - score, score])


LINES = ["auc >= 0.8", "auc >= champion - 0.05 on each slice"]


@pytest.mark.parametrize("labels", [(0, 1), (False, True), ("in time", "late"), (0.0, 1.0)])
@pytest.mark.parametrize("form", [pd.DataFrame, pa.Table.from_pandas, lambda frame: frame.to_dict("list")])
def test_a_classifier_is_judged_as_its_scores_are(labels: Any, form: Any) -> None:
    """Whatever its classes are called, and in whatever form the data come."""
    data = FRAME.assign(late=[labels[one] for one in FRAME.late])
    new, old = Classifier(labels), Classifier(labels, by="age")
    found = lockgate.evaluate(new, form(data), label="late", champion=old, require=LINES, slices=["geo"])
    inputs = FRAME[["age", "amount"]]
    scores = {"candidate": new.predict_proba(inputs)[:, 1], "champion": old.predict_proba(inputs)[:, 1]}
    expected = run_gate("metrics", table=FRAME.assign(**scores), label="late", require=LINES, slices=["geo"])

    assert found.passed
    assert found.findings == expected.findings


def test_a_function_or_scores_will_do() -> None:
    """Of values too."""
    data = pd.DataFrame({"x": np.arange(400.0), "price": np.arange(400.0) + DRAW.normal(size=400)})
    by_function = lockgate.evaluate(lambda rows: rows.x, data, label="price", require=["rmse <= 2"])
    by_values = lockgate.evaluate(data.x, data, label="price", require=["rmse <= 2"])

    assert by_function.passed
    assert by_function == by_values


def test_rows_that_a_model_was_trained_on_are_left_out() -> None:
    """Recognised by the columns that it is given, whatever else either table has."""
    model, training = Classifier((0, 1)), FRAME.head(6).assign(more=1).drop(columns="geo")
    found = lockgate.evaluate(model, FRAME, label="late", require=["auc >= 0.8"], not_in=training)

    assert found.passed
    assert found.findings[0].rows == SIZE - 6
    assert "6 of 600 rows of table are in the training rows" in found.reason
    with pytest.raises(UsageError, match="not_in has no column 'age'; it has amount"):
        lockgate.evaluate(model, FRAME, label="late", require=["auc >= 0.8"], not_in=training[["amount"]])


def test_rows_of_the_time_of_training_are_counted() -> None:
    """By a column that both tables have."""
    model = Classifier((0, 1))
    data = FRAME.assign(day=pd.date_range("2026-01-01", periods=SIZE, tz="UTC"), amount=FRAME.amount + 1e6)
    training = FRAME.assign(day=data.day - pd.Timedelta(days=SIZE - 1))

    found = lockgate.evaluate(model, data, label="late", time="day", require=["after_training"], not_in=training)

    assert found.verdict == "fail"
    assert found.reason.startswith(
        "rows_in_training_time is 1 row among 600; at most 0 rows is allowed; the training data end"
    )
    later = data.assign(day=data.day + pd.Timedelta(days=1))
    assert lockgate.evaluate(model, later, label="late", time="day", require=["after_training"], not_in=training).passed


def test_several_classes_are_told_by_their_names() -> None:
    """Those of the model, or the labels in order."""
    names = np.array(["a", "b", "c"])
    truth = DRAW.integers(0, 3, SIZE)
    scores = np.eye(3)[truth] * 0.6 + 0.1
    data = pd.DataFrame({"kind": names[truth], "x": 0.0})

    assert lockgate.evaluate(scores, data, label="kind", require=["f1(average=macro) >= 0.9"]).passed


def test_a_result_shows_why() -> None:
    """As text, as a frame and as a table in which names of the data are escaped."""
    data = FRAME.assign(geo="<b>BR</b>")
    found = lockgate.evaluate(
        Classifier((0, 1), by="age"), data, label="late", champion=Classifier((0, 1)), slices=["geo"], require=LINES
    )

    assert (found.passed, found.verdict) == (False, "fail")
    assert "below the champion's" in repr(found)
    assert list(found.to_frame().verdict) == [finding.verdict.value for finding in found.findings]
    assert "<b>" not in found._repr_html_()
    assert "&lt;b&gt;BR" in found._repr_html_()


def test_the_readmes_test_passes_and_fails_with_its_model() -> None:
    """The three lines for pytest that it shows, with its names."""
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    written = next(
        block for block in re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE) if "evaluate" in block
    )
    names: dict[str, Any] = {"lockgate": lockgate}
    exec(written, names)  # the README's own lines
    holdout = FRAME.rename(columns={"late": "is_fraud", "geo": "country"})
    better, worse = Classifier((0, 1)), Classifier((0, 1), by="age")

    names["test_the_new_model_is_no_worse_in_any_country"](better, worse, holdout)
    with pytest.raises(AssertionError, match="below the champion's"):
        names["test_the_new_model_is_no_worse_in_any_country"](worse, better, holdout)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "nothing is evaluated without a model"),
    ({"require": []}, "nothing is evaluated without a model and a requirement"),
    ({"model": [0.5] * 3}, "the candidate gave 3 for 600 rows"),
    ({"model": 0.5}, "the candidate gave one value for 600 rows"),
    ({"model": np.zeros((SIZE, 2, 2))}, "gave 2 dimensions a row"),
    ({"champion": Classifier((1, 2))}, "the champion scores 1 and 2, and positive is 0"),
    ({"model": Classifier((0, 1, 2))}, "has 3 classes and gave 2 scores a row"),
    ({"label": "kind"}, "the data have no column 'kind'; they have amount, age, geo, late"),
    ({"data": 7}, "data is int"),
]


@pytest.mark.parametrize(("call", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_what_does_not_fit_is_refused(call: dict[str, Any], said: str) -> None:
    given = {
        "model": Classifier((0, 1)),
        "data": FRAME,
        "label": "late",
        "require": ["auc >= 0.8"],
        "positive": 0,
    } | call

    with pytest.raises(UsageError, match=said):
        lockgate.evaluate(given.pop("model"), given.pop("data"), **given)
