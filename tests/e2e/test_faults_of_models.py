"""Models and data that break or do not fit are an error of their gate, which says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from helpers.checkout import (
    CLASSES,
    HOLDOUT,
    KILLED,
    METRICS,
    NEEDY,
    SCORED,
    SEGFAULT,
    Checkout,
    verdicts,
)


@pytest.mark.parametrize(
    ("version", "what", "last", "remedy"),
    [
        (SEGFAULT, "candidate crashed while predicting 4,000 rows (segmentation fault, SIGSEGV)",
         "Fatal Python error: Segmentation fault", "a native library broke"),
        (KILLED, "candidate was killed by SIGKILL while predicting 4,000 rows",
         "(left out, because rows may be in it: ", "give the job more memory"),
        (NEEDY, "candidate needs the module 'surely_absent'",
         "ModuleNotFoundError: No module named 'surely_absent'", "-m pip install surely_absent`"),
    ],
)  # fmt: skip
def test_a_model_that_breaks_is_an_error_of_its_gate(
    checkout: Checkout, version: int, what: str, last: str, remedy: str
) -> None:
    """With what may be shown of its last lines, and what to do; the other gates still report."""
    known = {**METRICS, "name": "known", "data": "known"}
    checkout.write(
        candidate={"version": version}, data={"holdout": HOLDOUT, "known": SCORED}, gates=[METRICS, known]
    )  # fmt: skip

    ended = checkout.gate("run")

    gate = checkout.evidence["gates"][0]
    assert ended.code == 4, ended.stderr
    assert verdicts(checkout.evidence) == {"metrics": "error", "known": "pass"}
    assert gate["reason"].startswith(what)
    assert last in gate["context"]["broken"]["stderr"]
    assert remedy in gate["context"]["broken"]["remedy"]
    for part in (what, last, remedy):
        assert part in ended.stderr
    for printed in ("the matrix library says goodbye", "eating all the memory"):
        assert printed not in ended.stderr + checkout.run.joinpath("evidence.json").read_text()
    assert checkout.evidence["opens"] == "no"
    assert checkout.processes == []


def test_class_labels_are_no_scores(checkout: Checkout) -> None:
    """A model that says 0 or 1 cannot be ranked; its accuracy can be told."""
    checkout.write(candidate={"version": CLASSES}, gates=[{**METRICS, "require": ["auc >= 0.7"]}])
    ranked = checkout.gate("run")
    broken = checkout.evidence["gates"][0]
    checkout.write(candidate={"version": CLASSES}, gates=[{**METRICS, "require": ["accuracy >= 0.7"]}])

    decided = checkout.gate("run")

    assert (ranked.code, decided.code) == (4, 0), decided.stderr
    assert "holds class labels (whole numbers), and scores are needed" in broken["reason"]
    assert 'log the model with pyfunc_predict_fn="predict_proba"' in broken["context"]["broken"]["remedy"]


def changed(**columns: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        for name, values in columns.items():
            place = table.schema.get_field_index(name)
            made = values(table.column(name).to_numpy().copy())
            table = table.set_column(place, name, pa.array(made, from_pandas=True))
        return table

    return change


def put(row: int, value: Any) -> Callable[[Any], Any]:
    def place(values: Any) -> Any:
        values = values.astype(float) if value != value else values
        values[row] = value
        return values

    return place


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        (changed(y=put(6, np.nan)),
         "data 'holdout': the label (column 'y' of data/holdout.parquet) is missing in 1 row: row 7", "leave rows without a label out, or fill it in"),
        (changed(id=put(6, 3)),
         "data 'holdout': the id (column 'id' of data/holdout.parquet) is not unique: 1 row repeats the id of an earlier one", "leave repeated rows out"),
        (changed(y=put(6, 7)),
         "data 'holdout': the label (column 'y' of data/holdout.parquet) holds more than two values (0, 1, 7, …)",
         "name a column of two values"),
        (changed(y=lambda values: np.where(values == 1, "fraud", "fine").astype(object)),
         "data 'holdout': the label (column 'y' of data/holdout.parquet) holds 'fine', 'fraud', none of which is `positive: 1`", 'positive: "fraud"'),
    ],
    ids=["no label", "an id twice", "a third label", "another label"],
)  # fmt: skip
def test_data_that_does_not_fit_is_an_error_of_its_gate(
    checkout: Checkout, change: Callable[[pa.Table], pa.Table], what: str, remedy: str
) -> None:
    """It says what is wrong, where, and what to do."""
    path = checkout.folder / "data" / "holdout.parquet"
    broken = change(parquet.read_table(path))
    parquet.write_table(broken, path)
    checkout.write(data={"holdout": SCORED})

    ended = checkout.gate("run")

    gate = checkout.evidence["gates"][0]
    assert ended.code == 4
    assert gate["reason"].startswith(what)
    assert remedy in (gate["context"]["broken"]["remedy"] or "")
    assert gate["reason"] in ended.stderr
    assert checkout.evidence["opens"] == "no"


def test_data_without_rows_shows_nothing(checkout: Checkout) -> None:
    """It is inconclusive, never a pass."""
    path = checkout.folder / "data" / "holdout.parquet"
    parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    checkout.write(data={"holdout": SCORED})

    ended = checkout.gate("run")

    assert (ended.code, checkout.evidence["verdict"], checkout.evidence["opens"]) == (3, "inconclusive", "no")
    assert "auc: there are no rows" in ended.stderr
