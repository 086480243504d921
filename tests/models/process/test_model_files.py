"""A model that lies in one file: it is read in its process, by the library that wrote it, and says what it knows of itself."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from helpers.model_processes import environ
from lockgate.errors import ModelFault
from lockgate.models.input_plan import FittedFeatures
from lockgate.models.model import Estimator
from lockgate.models.process.model import ProcessModel

ROWS = pd.DataFrame({"size": np.arange(8.0), "weight (kg)": np.arange(8.0)[::-1]})
KINDS = np.array(["big", "small"] * 4)
Open = Callable[[Path], ProcessModel]


@pytest.fixture
def opened(warm_python: str, tmp_path: Path) -> Iterator[Open]:
    models = []

    def open_model(file: Path) -> ProcessModel:
        models.append(ProcessModel(file.parent, python=warm_python, environ=environ(), scratch=tmp_path))
        return models[-1]

    yield open_model
    for model in models:
        model.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model" / "model.bin"


def _pickled(model: Any, file: Path) -> None:
    file.write_bytes(pickle.dumps(model))


def _skops(model: Any, file: Path) -> None:
    import skops.io  # which imports all of scikit-learn

    skops.io.dump(model, file)


@pytest.mark.parametrize("write", [joblib.dump, _pickled, _skops])
def test_a_file_is_read_by_what_is_in_it_whatever_its_name(opened: Open, file: Path, write: Any) -> None:
    """The columns that it was fitted on, its classes, and how it gives scores, which it then does."""
    trained = LogisticRegression().fit(ROWS, KINDS)
    write(trained, file)
    model = opened(file)

    facts = model.load()
    (answer,) = model.predict([pa.RecordBatch.from_pandas(ROWS)], method="predict_proba")

    assert facts.fitted == FittedFeatures(("size", "weight (kg)"), 2)
    assert facts.estimator == Estimator("classifier", ("predict_proba", "decision_function"), ("big", "small"))
    assert np.allclose(answer.to_pandas().to_numpy(), trained.predict_proba(ROWS))


@pytest.mark.parametrize(
    ("trained", "estimator"),
    [
        (LinearSVC().fit(ROWS, KINDS == "big"), Estimator("classifier", ("decision_function",), (False, True))),
        (LinearRegression().fit(ROWS.to_numpy(), ROWS["size"]), Estimator("regressor")),
    ],
)
def test_a_model_says_which_answers_it_gives(opened: Open, file: Path, trained: Any, estimator: Estimator) -> None:
    """One without probabilities may have a decision function, and a regressor has neither."""
    joblib.dump(trained, file)

    assert opened(file).load().estimator == estimator


def _archive(file: Path) -> None:
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights.bin", "")


@pytest.mark.parametrize(
    ("write", "problem", "remedy"),
    [
        (lambda file: joblib.dump({"model": LinearSVC()}, file), "it holds a dict, of which one part is a model", "save the model alone"),
        (lambda file: joblib.dump([1, 2], file), "it holds a list, which has no predict", "save an object that has predict"),
        (lambda file: file.write_bytes(b"\x80\x04c__main__\nMine\n."), "what it was saved with is not here: AttributeError: ", "its class was defined in the script"),
        (lambda file: file.write_text("hello"), "it cannot be read: ", "if joblib, pickle or skops wrote it"),
        (_archive, "it is an archive, and not one of skops", "log the model with mlflow.FLAVOR.log_model"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_model_says_what_it_holds(
    opened: Open, file: Path, write: Callable[[Path], Any], problem: str, remedy: str
) -> None:
    """And what to do, in our own words: they are recognized, whatever a model writes in their place."""
    write(file)

    with pytest.raises(ModelFault) as fault:
        opened(file).load()

    assert fault.value.message.startswith(f"candidate could not be loaded: {problem}")
    assert str(fault.value.remedy).startswith(remedy)


def test_a_library_that_is_missing_is_named(opened: Open, file: Path) -> None:
    """With what installs it under the python that the model answers under."""
    file.write_bytes(b"\x80\x04cno_such_library\nModel\n.")

    with pytest.raises(ModelFault, match="needs the module 'no_such_library'") as fault:
        opened(file).load()

    assert "-m pip install no_such_library" in str(fault.value.remedy)


class Own:
    def predict(self, frame: pd.DataFrame) -> Any:
        return frame["size"]


def test_a_model_of_ones_own_needs_nothing_but_predict(opened: Open, file: Path) -> None:
    """Saved with its class, it says nothing of itself, and answers."""
    cloudpickle.register_pickle_by_value(__import__(__name__))
    file.write_bytes(cloudpickle.dumps(Own()))
    model = opened(file)

    assert model.load().estimator == Estimator()
    assert next(iter(model.predict([pa.RecordBatch.from_pandas(ROWS)]))).to_pydict() == {
        "prediction": list(ROWS["size"])
    }
