"""Real models, saved by mlflow and answered by the real host; after every test nothing of them is left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from helpers.model_processes import environ, save, survivors
from lockgate.models.process.model import ProcessModel
from lockgate.models.process.row_function_process import RowFunctionProcess

Open = Callable[..., ProcessModel]


@pytest.fixture(scope="session")
def trickster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("trickster.py", tmp_path_factory.mktemp("models") / "trickster")


@pytest.fixture(scope="session")
def _shared() -> Iterator[dict[str, Any]]:
    """Models that several tests ask, because none of those tests breaks them."""
    models: dict[str, Any] = {}
    yield models
    for model in models.values():
        model.close()
    assert survivors() == set()


@pytest.fixture(scope="session")
def _forks() -> set[int]:
    """What was forked for those of them that a warm interpreter stands for."""
    return set()


@pytest.fixture(autouse=True)
def _nothing_is_left(_shared: dict[str, Any], _forks: set[int]) -> Iterator[None]:
    yield
    assert survivors() <= {model.pid for model in _shared.values()} | _forks


@pytest.fixture
def trickster(trickster_folder: Path, tmp_path: Path) -> Iterator[Open]:
    """Open a trickster of one's own; it is closed after the test."""
    opened = []

    def open_one(
        *,
        python: str = sys.executable,
        environ: dict[str, str] = environ(),  # noqa: B008
        **more: object,
    ) -> ProcessModel:
        model = ProcessModel(trickster_folder, python=python, environ=environ, scratch=tmp_path, **more)  # type: ignore[arg-type]
        opened.append(model)
        return model

    yield open_one
    for model in opened:
        model.close()


@pytest.fixture
def calm(trickster_folder: Path, tmp_path_factory: pytest.TempPathFactory, _shared: dict[str, Any]) -> ProcessModel:
    """One trickster for all tests that leave it alive, and a process for row functions beside it."""
    if "trickster" not in _shared:
        secrets = {
            "MLFLOW_TRACKING_URI": "sqlite://",
            "DEPLOY_TOKEN": "t",
            "PGPASSWORD": "p",
            "PIP_INDEX": "https://u:p@x/",
        }
        how: dict[str, Any] = {"python": sys.executable, "environ": environ(**secrets)}
        folder = tmp_path_factory.mktemp("functions")
        functions = RowFunctionProcess(
            folder, name="per_row beside candidate", model="candidate", scratch=folder, **how
        )
        _shared["functions"] = functions
        _shared["trickster"] = ProcessModel(trickster_folder, functions=functions, **how)
    return _shared["trickster"]


@pytest.fixture
def typed(
    tmp_path_factory: pytest.TempPathFactory, _shared: dict[str, Any], _forks: set[int], warm_python: str
) -> ProcessModel:
    """One model with a signature of every type."""
    if "typed" not in _shared:
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        kinds = ["double", "float", "long", "integer", "string", "boolean", "datetime", "binary"]
        columns = [ColSpec(kind, f"a_{kind}", required=kind == "double") for kind in kinds]
        folder = save(
            "typed.py", tmp_path_factory.mktemp("models") / "typed", signature=ModelSignature(Schema(columns))
        )
        before = survivors()
        _shared["typed"] = ProcessModel(folder, python=warm_python, environ=environ())
        _shared["typed"].load()
        _forks |= survivors() - before
    return _shared["typed"]


@pytest.fixture(scope="session")
def do() -> Callable[..., pa.RecordBatch]:
    """A batch whose rows say what the trickster does: `do("raise")`, `do("hang", rows=500)`, `do("raise", "answer")`."""

    def batch(*what: str, rows: int = 1) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({"do": list(what) * rows})

    return batch
