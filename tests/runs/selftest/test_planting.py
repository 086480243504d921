"""Copies of a model's files, and what cannot be planted, or for which pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lockgate.pipeline import loader
from lockgate.runs.selftest.defects import DEFECTS, obstacle, planted_words, remedy
from lockgate.runs.selftest.planting import Copies, NoPlace

MODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, predict_fn: predict_proba, code: null}
signature: {inputs: '[{"name": "age", "type": "long"}, {"name": "city", "type": "string"}]'}
"""
BY_NAME = {defect.name: defect for defect in DEFECTS}


def copies(folder: Path, model: str = MODEL, requirements: str | None = "numpy==2.0\n") -> Copies:
    """Of a model that nobody can load: nothing of it is."""
    files = folder / "files"
    files.mkdir()
    (files / "MLmodel").write_text(model)
    if requirements is not None:
        (files / "requirements.txt").write_text(requirements)
    return Copies(files, classifies=True)


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_has_the_defect_and_the_model_is_as_it_was(tmp_path: Path) -> None:
    """Though they share their files, so that a copy of gigabytes takes no time."""
    made = copies(tmp_path)
    before = contents(made.files)
    for name in ("wrapped", "signed", "required"):
        (tmp_path / name).mkdir()
    wrapped = made.wrapped(tmp_path / "wrapped", "labels")
    signed, column = made.otherwise_signed(tmp_path / "signed", dropped=True)
    required = made.otherwise_required(tmp_path / "required", emptied=False)
    flavor = json.loads((wrapped / "MLmodel").read_text())["flavors"]["python_function"]
    plan = json.loads((wrapped / "code" / "planted.json").read_text())

    assert contents(made.files) == before
    assert (flavor["loader_module"], flavor["wrapped_loader"]) == ("lockgate_planted", "mlflow.sklearn")
    assert (plan["loader"], plan["kind"]) == ("mlflow.sklearn", "labels")
    assert plan["methods"] == ["decision_function", "predict", "predict_proba"]
    assert (wrapped / "code" / "lockgate_planted.py").is_file()
    assert (column, json.loads((signed / "MLmodel").read_text())["signature"]["inputs"].count("name")) == ("city", 1)
    assert (required / "requirements.txt").read_text() == "mlflow==0.0.0\nnumpy==0.0.0\nnumpy==2.0\n"
    assert (wrapped / "requirements.txt").samefile(made.files / "requirements.txt")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("flavors: {}\n", "the model has no flavor python_function"),
        (MODEL.replace("code: null", "code: ../elsewhere"), "the folder of its code is not one of its own"),
        (MODEL.replace('"name": ', '"title": '), "the signature names no inputs"),
        (MODEL, "the model's files name no requirements"),
    ],
)
def test_what_has_no_place_in_the_files_is_said(tmp_path: Path, model: str, said: str) -> None:
    """Such a defect does not apply."""
    made = copies(tmp_path, model, requirements=None)

    def plant() -> None:
        for name in ("wrapped", "signed", "required"):
            (tmp_path / name).mkdir()
        made.wrapped(tmp_path / "wrapped", "labels")
        made.otherwise_signed(tmp_path / "signed", dropped=False)
        made.otherwise_required(tmp_path / "required", emptied=True)

    with pytest.raises(NoPlace, match=said):
        plant()


HEAD = 'model: m\ntask: regression\nregistry: {uri: "sqlite:///m.db"}\n'
ROWS = "data: {rows: {path: rows.csv, label: y}}\n"
SLICED = "data: {rows: {path: rows.csv, label: y, slices: [city]}}\n"
METRICS = 'gates: [{gate: metrics, data: rows, require: ["mae <= 3"]}]\n'


@pytest.mark.parametrize(
    ("text", "defect", "said"),
    [
        (ROWS + METRICS, "slice", "declare no slices"),
        (ROWS + METRICS, "environment", "environment: declared"),
        (ROWS + METRICS + "target: {protocol: v2, candidate: http://127.0.0.1:1}\n", "labels", "servers that you run"),
        (ROWS + METRICS + "target: {protocol: v2, candidate: http://127.0.0.1:1}\n", "slow", "servers that you run"),
        ("data: {rows: {path: rows.csv, label: y, scores: {candidate: p}}}\n" + METRICS, "nan", "recorded in the data"),
        ("gates: [{gate: metadata}]\n", "constant", "no data"),
        ("gates: [{gate: metadata}]\n", "payload-reads", "nothing of it is ever loaded"),
        ("gates: [{gate: environment, serving: serving.txt}]\n", "environment", None),
        (ROWS + METRICS, "labels", None),
        (SLICED + METRICS, "slice", None),
        ("gates: [{gate: metadata}]\n", "requirements", None),
        ("gates: [{gate: metadata}]\n", "seen-rows", "no gate judges it by rows"),
        (ROWS + METRICS, "seen-rows", None),
        (ROWS + METRICS, "altered-rows", None),
        (ROWS + "per_row: ./f.py:near\n" + METRICS, "altered-rows", "by functions of the project"),
    ],
)
def test_a_defect_that_a_pipeline_has_no_place_for_does_not_apply(
    tmp_path: Path, text: str, defect: str, said: str | None
) -> None:
    """And is said to, with what is missing."""
    pipeline = loader.read(HEAD + text, name="m.yaml", root=tmp_path)
    reason = obstacle(BY_NAME[defect], pipeline, {gate.title: gate for gate in pipeline.gates})

    assert reason is None if said is None else said in str(reason)


def test_the_line_to_write_is_one_that_the_pipeline_takes(tmp_path: Path) -> None:
    """Its own on a slice, else that of its task; without a champion against a number that its people must name."""
    alone = loader.read(HEAD + SLICED + METRICS, name="m.yaml", root=tmp_path)
    beside = loader.read(
        HEAD.replace("regression", "ranking")
        + "champion: {alias: production, else: none}\ndata: {rows: {path: rows.csv, label: y, query: q}}\n"
        + "gates: [{gate: signature}]\n",
        name="m.yaml",
        root=tmp_path,
    )

    assert remedy(BY_NAME["slice"], alone) == "write mae <= 3 on each slice into require of metrics"
    assert remedy(BY_NAME["seen-rows"], alone).startswith("write not_in: training into data.rows, ")
    assert (
        'add - {gate: behaviour, data: rows, require: ["changed_rate(noise=1%, tolerance=LIMIT) <= 1%"]} to gates'
        in remedy(BY_NAME["altered-rows"], alone)
    )
    assert remedy(BY_NAME["slow"], alone).startswith("write mean_ms <= 50 ")
    assert 'require: ["ndcg(10) >= champion - 0.02"]}' in remedy(BY_NAME["labels"], beside)
    assert planted_words(BY_NAME["labels"], beside, None) == "its answers have the other sign"
