"""Functions that are run beside a model: on its inputs, its answer and the labels, one float a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lockgate.errors import ModelFault
from lockgate.evaluation.scoring.row_metrics import RowMetric, file_digests, plan_functions
from lockgate.models.process.model import ProcessModel
from lockgate.models.row_functions import RowFunctionPlan, RunsRowFunctions

Do = Callable[..., pa.RecordBatch]

CODE = """
import numpy as np

calls = 0

def cells(inputs, answer, labels):
    return np.asarray(answer).reshape(len(inputs), -1).sum(axis=1)

def told(inputs, answer, labels):
    assert list(inputs.columns) == ["do", "mask"] and labels[[0, 2]].tolist() == ["a", "c"] and labels.isna().sum() == 1
    return inputs["mask"].str.len()

def unlabelled(inputs, answer, labels):
    return [float(labels is None)] * len(inputs)

def picky(inputs, answer, labels):
    if (inputs["mask"] == "bad").any():
        raise ValueError("no such mask")
    return np.zeros(len(inputs))

def together(inputs, answer, labels):
    if len(inputs) > 1:
        raise ValueError
    return [0.0]

def short(inputs, answer, labels):
    return [1.0]

def words(inputs, answer, labels):
    return ["a"] * len(inputs)

def hole(inputs, answer, labels):
    return [None, float("inf")][:len(inputs)]

def spoils(inputs, answer, labels):
    inputs["do"] = "spoilt"
    return [0.0] * len(inputs)

def unspoilt(inputs, answer, labels):
    return [float(inputs["do"].iloc[0] != "spoilt")] * len(inputs)

def once(inputs, answer, labels):
    global calls
    calls += 1
    return [float(calls)] * len(inputs)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "masks.py"
    path.write_text(CODE)
    return path


def made(
    file: Path, *names: str, answer: bool = False, label: str | None = None, columns: Any = ("mask",)
) -> RowFunctionPlan:
    metrics = {name: RowMetric(function=f"masks.py:{name}", better="higher", columns=columns) for name in names}
    return plan_functions(metrics, file_digests(metrics, file.parent), root=file.parent, answer=answer, label=label)


def fed(what: RowFunctionPlan, batch: pa.RecordBatch, **data: list[Any]) -> pa.RecordBatch:
    given = {"mask": ["m" * (row + 1) for row in range(batch.num_rows)], **data}
    return what.extend(batch, data=pa.RecordBatch.from_pydict(given))


def asked(model: ProcessModel, what: RowFunctionPlan, *batches: pa.RecordBatch) -> list[dict[str, list[Any]]]:
    assert isinstance(model, RunsRowFunctions)
    return [answer.to_pydict() for answer in model.predict_with_functions(batches, what)]


def test_an_answer_that_is_no_score_is_measured_where_it_is_made(calm: ProcessModel, do: Do, file: Path) -> None:
    """Two by two numbers a row cannot travel as one; the sum of each row does."""
    what = made(file, "cells")
    with pytest.raises(ModelFault, match="not one answer a row"):
        list(calm.predict([do("cube", rows=3)]))

    assert asked(calm, what, fed(what, do("cube", rows=3))) == [{"per_row:cells": [0.0, 0.0, 0.0]}]


def test_a_score_comes_with_it_where_it_is_wanted(calm: ProcessModel, do: Do, file: Path) -> None:
    """The model sees its own columns only, whatever else the function reads."""
    what = made(file, "cells", "told", answer=True, label="mask_of_truth")
    batch = fed(what, do("answer", rows=3), mask_of_truth=["a", None, "c"])

    assert asked(calm, what, batch) == [
        {"prediction": [0.0, 1.0, 2.0], "per_row:cells": [0.0, 1.0, 2.0], "per_row:told": [1.0, 2.0, 3.0]}
    ]


def test_without_labels_a_function_is_told_so(calm: ProcessModel, do: Do, file: Path) -> None:
    """None stands for them."""
    what = made(file, "unlabelled", columns=())
    assert asked(calm, what, fed(what, do("answer"))) == [{"per_row:unlabelled": [1.0]}]


def test_a_function_has_its_own_copy_of_the_inputs(calm: ProcessModel, do: Do, file: Path) -> None:
    """What one does to it, the next does not see."""
    what = made(file, "spoils", "unspoilt")
    assert asked(calm, what, fed(what, do("answer")))[0]["per_row:unspoilt"] == [1.0]


def test_a_file_is_run_once_for_all_batches(calm: ProcessModel, do: Do, file: Path) -> None:
    """Its module stays."""
    what = made(file, "once")
    batch = fed(what, do("answer"))
    assert [one["per_row:once"] for one in asked(calm, what, batch, batch)] == [[1.0], [2.0]]


def test_a_row_without_a_value_stays_one(calm: ProcessModel, do: Do, file: Path) -> None:
    """Whoever judges decides what it means."""
    what = made(file, "hole")
    [found] = asked(calm, what, fed(what, do("answer", rows=2)))
    assert [str(value) for value in found["per_row:hole"]] == ["nan", "inf"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("together", r"together raised ValueError \(masks.py, line 23\), in rows 1 to 4"),
        ("short", r"short answered shape \(1,\) for 4 rows; it answers one number a row"),
        ("words", "words raised ValueError: could not convert string to float: '…'"),
        ("calls", "masks.py has no function 'calls'"),
    ],
)
def test_a_function_that_breaks_is_said(calm: ProcessModel, do: Do, file: Path, name: str, why: str) -> None:
    """With what it raised, and where; the model is not to blame and may be asked on."""
    what = made(file, name)
    with pytest.raises(ModelFault, match=f"beside candidate, while measuring 4 rows: {why}") as fault:
        asked(calm, what, fed(what, do("answer", rows=4)))

    assert fault.value.remedy == "repair the function that per_row names"
    assert fault.value.exit_code == 4
    assert fault.value.alive


def test_the_row_on_which_a_function_breaks_is_named(calm: ProcessModel, do: Do, file: Path) -> None:
    """Counted from the first row of all batches, however many there are."""
    what = made(file, "picky")
    masks = ["good"] * 5
    first, second = (fed(what, do("answer", rows=5), mask=each) for each in (masks, [*masks[:3], "bad", "bad"]))
    with pytest.raises(ModelFault, match=r"picky raised ValueError: no such mask \(masks.py, line 18\), in row 9"):
        asked(calm, what, first, second)


def test_only_the_bytes_that_were_hashed_are_run(calm: ProcessModel, do: Do, file: Path) -> None:
    """A file that was written anew in between is refused; one that does not load says why."""
    what = made(file, "cells")
    file.write_text(CODE + "\n")
    with pytest.raises(ModelFault, match=r"masks\.py changed since the run began"):
        asked(calm, what, fed(what, do("answer")))

    file.write_text("1 / 0\n")
    broken = made(file, "cells")
    with pytest.raises(ModelFault, match=r"masks.py could not be loaded: ZeroDivisionError.*line 1\)"):
        asked(calm, broken, fed(broken, do("answer")))

    file.write_text("import surely_absent\n")
    needy = made(file, "cells")
    with pytest.raises(ModelFault, match="needs the module 'surely_absent'"):
        asked(calm, needy, fed(needy, do("answer")))
