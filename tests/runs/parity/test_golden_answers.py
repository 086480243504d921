"""Golden rows are asked one by one where a model serves, and compared with what is recorded of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError, ModelFault, VersionFault
from lockgate.evaluation.parity.golden_rows import GoldenRows
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.parity.golden_answers import golden_rows
from lockgate.runs.scoring_inputs import ScoringInputs

SIGNATURE = {"inputs": [{"name": "x", "type": "double", "required": True}]}
Answer = Callable[[float], Any]


class Model:
    """Answers each row by itself; what it raises is a refusal of that row."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.sizes = answer, list[int]()

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.sizes.append(batch.num_rows)
            (x,) = batch.column("x").to_pylist()
            try:
                cells = self.answer(x)
            except ValueError as error:
                raise ModelFault(f"the model raised {error}", alive=True) from error
            said = {"classes": list(cells), "method": "predict_proba"} if isinstance(cells, Mapping) else {}
            row = {str(place): cell for place, cell in enumerate(cells)} if isinstance(cells, list) else cells
            row = row if isinstance(row, Mapping) else {"prediction": row}
            yield pa.RecordBatch.from_pydict(
                {name: [cell] for name, cell in row.items()}, metadata={"lockgate.answer": json.dumps(said)}
            )


def asked(
    folder: Path,
    answer: Answer,
    *,
    recorded: Any = None,
    outputs: Any = None,
    task: str = "binary",
    classes: tuple[str, ...] = (),
    columns: Any = "score",
    **extra: Any,
) -> tuple[GoldenRows, Model]:
    """The golden rows of x = 0.1, 0.2, 0.3: in data with recorded scores, or beside the model with outputs."""
    model, x = Model(answer), [0.1, 0.2, 0.3]
    pipeline = Pipeline.model_construct(
        task=task, positive=1, classes=classes, gates=(), inputs={}, per_row={}, output=None, data={}, threshold=None
    )  # type: ignore[call-arg]
    metadata = {} if outputs is None else {"golden_outputs": outputs}
    contender: Any = SimpleNamespace(
        role="candidate", model=model, own=nullcontext, facts=SimpleNamespace(signature=SIGNATURE, metadata=metadata)
    )
    parquet.write_table(pa.table({"x": x, **extra}), folder / "golden.parquet")
    spec = DatasetSpec.model_validate(
        {"path": "golden.parquet", "scores": {"candidate": columns}, "label": "y" if "y" in extra else None}
    )
    case: Any = SimpleNamespace(
        contenders=(contender,),
        dataset=lambda name: Dataset(name, spec, folder),
        sample=lambda contender, name, rows: pa.RecordBatch.from_pydict({"x": x}),
        threshold=lambda role: None,
    )

    def scored(_: str) -> Any:
        return SimpleNamespace(rows=len(recorded or ()), candidate=np.array(recorded), champion=None)

    name = None if recorded is None else "golden"
    rows = golden_rows(case, ScoringInputs(pipeline, lambda: (contender,)), name, recorded=scored)
    return rows["candidate"], model


def test_each_row_is_a_request_of_its_own(tmp_path: Path) -> None:
    """As in production; those that are refused do not take the others with them."""

    def answer(x: float) -> float:
        if x == 0.2:
            raise ValueError("no such price")
        return x if x < 0.25 else float("nan")

    rows, model = asked(tmp_path, answer, recorded=[0.1, 0.2, 0.3], score=[0.1, 0.2, 0.3])

    assert model.sizes == [1, 1, 1]
    assert rows.refusals == {2: "the model raised no such price", 3: "the answer holds no number"}
    np.testing.assert_array_equal(rows.answered, [0.1, np.nan, np.nan])
    assert rows.differing(1e-5) == []


@pytest.mark.parametrize(
    ("answer", "outputs", "task", "expected"),
    [
        (lambda x: x, [0.1, 0.2, 0.4], "binary", [2]),
        (lambda x: {"0": 1 - x, "1": x}, [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], "binary", [2]),
        (lambda x: {"0": 1 - x, "1": x}, [0.1, 0.2, 0.4], "binary", [2]),
        (lambda x: {"no": 1 - x, "yes": x}, [{"yes": 0.1, "no": 0.9}, {"yes": 0.2, "no": 0.8}, {"yes": 0.4, "no": 0.6}], "multiclass", [2]),
        (lambda x: 100 * x, [10.0, 20.0, 40.0], "regression", [2]),
    ],
)  # fmt: skip
def test_a_model_may_bring_its_golden_rows(
    tmp_path: Path, answer: Answer, outputs: Any, task: str, expected: list[int]
) -> None:
    """Its input example, and the answers to it in the metadata, read as those that come."""
    classes = ("no", "yes") if task == "multiclass" else ()
    rows, _ = asked(tmp_path, answer, outputs=outputs, task=task, classes=classes)

    assert rows.differing(1e-5) == expected


@pytest.mark.parametrize(
    "outputs", [[0.1], "0.1", [[0.1, 0.2, 0.7]] * 3, [{}, {}, {}], ["a", "b", "c"], [[10**19, 1]] * 3]
)
def test_answers_that_are_none_of_these_rows_are_refused(tmp_path: Path, outputs: Any) -> None:
    """With the line that logs them; never compared with something else."""
    with pytest.raises(VersionFault, match=r"golden_outputs|a number|answers golden rows"):
        asked(tmp_path, lambda x: {"0": 1 - x, "1": x}, outputs=outputs)


def test_a_row_without_a_recorded_answer_is_refused(tmp_path: Path) -> None:
    """Nothing differs from nothing, which would pass."""
    with pytest.raises((DataError, VersionFault), match="have no recorded answer"):
        asked(tmp_path, lambda x: x, recorded=[0.1, float("nan"), 0.3], score=[0.1, None, 0.3])


def test_columns_without_names_are_told_by_the_labels_of_the_rows(tmp_path: Path) -> None:
    """As where a holdout is scored at a server."""
    rows, _ = asked(tmp_path, lambda x: [1 - x, x], recorded=[0.1, 0.2, 0.4], score=[0.1, 0.2, 0.4], y=[0, 1, 0])

    assert rows.differing(1e-5) == [2]


def test_many_rows_are_no_golden_rows(tmp_path: Path) -> None:
    """Each is a request, so that a holdout by mistake would take hours."""
    with pytest.raises(DataError, match=r"^data 'golden' has 1,001 golden rows"):
        asked(tmp_path, lambda x: x, recorded=[0.1] * 1001, score=[0.1] * 3)
