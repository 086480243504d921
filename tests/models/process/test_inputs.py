"""Real models of every kind of input, given what is planned for them, by the real host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from helpers.model_processes import environ
from lockgate.models.input_plan import InputPlanner, InputSource
from lockgate.models.model import LoadPlan
from lockgate.models.process.model import ProcessModel

ROLES = {"label": "label", "country": "slice", "id": "id"}
ROWS = pa.RecordBatch.from_pydict(
    {"id": ["i", "j", "k"], "a": [0.5, -1.0, 2.0], "b": [1, 2, 3], "label": [0, 1, 1], "country": ["BR", "DE", "BR"]}
)
FEATURES = np.array([[0.5, 1.0], [-1.0, 2.0], [2.0, 3.0]])

HINTED = """
import mlflow
from pydantic import BaseModel


class Row(BaseModel, extra="forbid"):
    b: float
    country: str


class Hinted(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[Row]) -> list[float]:
        return [row.b + len(row.country) for row in model_input]


mlflow.models.set_model(Hinted())
"""
ARRAYS = """
import mlflow
import numpy as np


class Arrays(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert [(name, str(part.dtype), part.shape[1:]) for name, part in model_input.items()] == [
            ("x", "float32", (2, 1)), ("n", "int64", ())
        ]
        return model_input["x"].sum(axis=(1, 2)) + model_input["n"]


mlflow.models.set_model(Arrays())
"""

Answer = Callable[..., list[Any]]


@pytest.fixture
def answer(warm_python: str, tmp_path: Path) -> Answer:
    """What a saved model answers on the rows that are planned for it, also under load."""

    def ask(
        folder: Path, *, signature: Any, inputs: dict[str, InputSource] | None = None, method: str | None = None
    ) -> list[Any]:
        model = ProcessModel(folder, python=warm_python, environ=environ(), scratch=tmp_path)
        try:
            planner = InputPlanner({field.name: field.type for field in ROWS.schema}, ROLES, inputs or {})
            plan = planner.plan(signature, None if signature else model.load().fitted)
            assert plan.problems == ()
            rows = plan.select(ROWS)
            (answers,) = model.predict([rows], method=method)
            drive = model.drive(LoadPlan(requests=4, rows=2), rows)
            assert (drive.first_error, len(drive.failed)) == (None, 4)
            return [list(row.values()) for row in answers.to_pylist()]
        finally:
            model.close()

    return ask


def test_a_model_that_was_fitted_on_arrays_gets_an_array(answer: Answer, tmp_path: Path) -> None:
    """The features in their order, in the type of the signature: what scikit-learn answers of the array."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    data = FEATURES.astype(np.float32)
    fitted = LogisticRegression().fit(data, [0, 1, 1])
    mlflow.sklearn.save_model(fitted, tmp_path / "m", signature=infer_signature(data), pip_requirements=["mlflow"])
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}

    answers = answer(tmp_path / "m", signature=[tensor], method="predict_proba")

    assert np.allclose(answers, fitted.predict_proba(data))


def test_a_model_without_signature_gets_what_it_was_fitted_on(answer: Answer, tmp_path: Path) -> None:
    """The slice too, in its own order, and nothing else: scikit-learn refuses unknown names and another order."""
    import mlflow
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pa.Table.from_batches([ROWS]).to_pandas()[["country", "b", "a"]]
    columns = make_column_transformer((OneHotEncoder(), ["country"]), remainder="passthrough")
    fitted = make_pipeline(columns, LinearRegression()).fit(frame, [0.0, 1.0, 5.0])
    mlflow.sklearn.save_model(fitted, tmp_path / "m", pip_requirements=["mlflow"])

    assert np.allclose(np.ravel(answer(tmp_path / "m", signature=None)), fitted.predict(frame))


def test_a_type_hint_gets_its_objects(answer: Answer, tmp_path: Path) -> None:
    """Of the properties alone, whose model forbids others; a whole number where it says float."""
    import mlflow

    (tmp_path / "hinted.py").write_text(HINTED)
    mlflow.pyfunc.save_model(tmp_path / "m", python_model=str(tmp_path / "hinted.py"), pip_requirements=["mlflow"])
    parts = {"b": {"type": "double", "required": True}, "country": {"type": "string", "required": True}}

    assert answer(tmp_path / "m", signature=[{"type": "object", "properties": parts}]) == [[3.0], [4.0], [5.0]]


def test_several_tensors_are_a_dict(answer: Answer, tmp_path: Path) -> None:
    """Of the columns that `inputs:` lists for each."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    (tmp_path / "arrays.py").write_text(ARRAYS)
    specs = [TensorSpec(np.dtype("float32"), (-1, 2, 1), "x"), TensorSpec(np.dtype("int64"), (-1,), "n")]
    mlflow.pyfunc.save_model(
        tmp_path / "m",
        python_model=str(tmp_path / "arrays.py"),
        signature=ModelSignature(Schema(specs)),
        pip_requirements=["mlflow"],
    )
    inputs = {"x": InputSource(("a", "b")), "n": InputSource(("label",))}

    assert answer(tmp_path / "m", signature=Schema(specs).to_dict(), inputs=inputs) == [[1.5], [2.0], [6.0]]
