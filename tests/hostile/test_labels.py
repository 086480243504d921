"""A model that is measured with labels by a function of the project: it sees none of them, and the function is not its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from lockgate.evaluation.scoring.row_metrics import file_digests, plan_functions
from lockgate.models.isolation.box import kernel
from lockgate.models.process.model import ProcessModel
from lockgate.pipeline import loader
from lockgate.runs.model_factory import start_model

HERE = Path(__file__).parent
PIPELINE = """
model: scans
task: binary
registry: {uri: "sqlite:///mlflow.db"}
candidate: {file: models/scans.version}
data: {holdout: {path: data/scans.parquet, label: mask}}
environment: {python: PYTHON}
per_row:
  agrees: {function: ./mine.py:agrees, better: higher, columns: [mask_path], read: [masks]}
  reads_the_model: {function: ./mine.py:reads_the_model, better: lower, columns: [folder]}
gates: [{gate: metrics, data: holdout, require: [agrees >= 0.7, reads_the_model <= 0]}]
"""
FUNCTIONS = """
import os
import numpy as np

def agrees(inputs, answer, labels):
    assert [open(path).read() for path in inputs["mask_path"]] == labels.tolist()
    return np.asarray(answer) == labels.str.endswith("1")

def reads_the_model(inputs, answer, labels):
    try:
        return [float(len(os.listdir(folder))) for folder in inputs["folder"]]
    except PermissionError:
        return np.zeros(len(inputs))
"""


@pytest.mark.skipif(not kernel().landlock, reason="this kernel has no Landlock")
def test_a_model_neither_reads_the_labels_nor_replaces_the_function(tmp_path: Path) -> None:
    """What measures it runs elsewhere, in a box of its own, which the model cannot write into, and it not into the model's."""
    import mlflow

    for folder in ("project", "work"):
        (tmp_path / folder).mkdir()
    root, files = tmp_path / "project", tmp_path / "work" / "model"
    mlflow.pyfunc.save_model(files, python_model=str(HERE / "label_reader.py"), pip_requirements=["mlflow"])
    (root / "masks").mkdir()
    for number in range(2):
        (root / "masks" / str(number)).write_text(f"canary-{number}")
    (root / "mine.py").write_text(FUNCTIONS)
    (root / "pipeline.yaml").write_text(PIPELINE.replace("PYTHON", sys.executable))
    pipeline = loader.load(root / "pipeline.yaml", environ={}, root=root)
    plan = plan_functions(pipeline.per_row, file_digests(pipeline.per_row, root), root=root, answer=True, label="mask")
    inputs = pa.RecordBatch.from_pydict({"x": [1.0, 2.0]})
    masks = [str(root / "masks" / number) for number in ("1", "0")]
    truth = {"mask": ["canary-1", "canary-0"], "mask_path": masks, "folder": [str(files)] * 2}
    data = pa.RecordBatch.from_pydict(truth)

    model = start_model(
        pipeline, files, role="candidate", environ={**os.environ, "PYTHONPATH": str(root)}, scratch=tmp_path / "work"
    )
    assert isinstance(model, ProcessModel)
    with model:
        [answer] = model.predict_with_functions([plan.extend(inputs, data=data)], plan)

    assert answer.to_pydict() == {
        "prediction": [0.0, 0.0], "per_row:agrees": [0.0, 1.0], "per_row:reads_the_model": [0.0, 0.0],
    }  # fmt: skip
