"""Defects planted into copies of a candidate, on a pipeline of each task: what stops them, and what nothing stops."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import tasks
from helpers.checkout import Checkout
from helpers.shelf import alone
from lockgate.evidence.evaluations import EvaluationRecord
from lockgate.models.isolation.box import kernel

ANSWERS = ("labels", "constant", "nan", "slice")
LOOSE = "gates: [{gate: signature}, {gate: metrics, data: holdout, require: [accuracy >= 0.3]}]\n"
ALONE = "gates: [{gate: signature, require: [missing <= 0, example_errors <= 0]}]\n"
LOOKED_AT = """\
gates:
  - gate: artifact
  - {gate: metrics, data: holdout, require: [mae <= champion * 1.1]}
"""
FILES = ("renamed-column", "dropped-column", "requirements")


@pytest.fixture
def project(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str
) -> Checkout:
    """A project with the pipelines and functions of this repository, and models of its own."""
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tasks.project(tmp_path, factory=tmp_path_factory, python=warm_python)


def self_test(project: Checkout, name: str, *only: str, more: str = "") -> dict[str, Any]:
    """The document of a self-test of the candidate that is as good as the champion. more: keys of the pipeline."""
    path = project.folder / "gates" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    text = f"extends: ../shipped/{name}.yaml\n"
    if more == ALONE:
        shipped = (project.folder / "shipped" / f"{name}.yaml").read_text()
        text = shipped.partition("gates:")[0].replace("champion: {alias: production, else: none}", "champion: none")
    path.write_text(f"{text}environment: {{python: {project.python}}}\n{more}")
    options = [word for each in only for word in ("--only", each)]
    answer = project.gate("selftest", "--json", "--candidate", f"version={tasks.GOOD}", *options)
    assert answer.stdout, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    assert answer.code == document["exit_code"]
    return document | {"by": {each["name"]: each for each in document["defects"]}}


@pytest.mark.parametrize("name", ["ranking", "regression", "multiclass", "super-resolution"])
def test_answers_that_are_spoilt_are_stopped_in_every_task(project: Checkout, name: str) -> None:
    """Turned round, all alike, without numbers, and on one slice those of other rows."""
    document = self_test(project, name, *ANSWERS)

    assert {key: each["outcome"] for key, each in document["by"].items()} == dict.fromkeys(ANSWERS, "stopped")
    assert (document["exit_code"], document["silent_gates"], document["beside_itself"]) == (0, {}, False)
    assert document["by"]["slice"]["line"].endswith(")"), "the slice is named behind the line that fails there"


def test_a_gate_and_a_slice_line_that_are_gone_are_named_as_holes(project: Checkout) -> None:
    """With the line to write; nothing is kept of it but that the data were evaluated, which the copy as it is shows."""
    document = self_test(project, "multiclass", "slice", *FILES, "slow", "environment", more=LOOSE)
    found = {key: (each["outcome"], each["gate"]) for key, each in document["by"].items()}

    assert document["exit_code"] == 1
    assert found == {
        "slice": ("not stopped", None),
        "renamed-column": ("stopped", "signature"),
        "dropped-column": ("stopped", "signature"),
        "requirements": ("not stopped", None),
        "environment": ("does not apply", None),
        "slow": ("not stopped", None),
    }
    assert (
        document["by"]["slice"]["remedy"] == "write accuracy >= champion - 0.02 on each slice into require of metrics"
    )
    assert "gate: metadata" in document["by"]["requirements"]["remedy"]
    assert "gate: latency" in document["by"]["slow"]["remedy"]
    assert {path.name for path in (project.folder / ".gate").iterdir()} <= {".gitignore", "tmp", "salt", "evaluations"}
    assert len(EvaluationRecord(project.folder, document["model"]).of_others(("", None))) == 1
    assert list((project.folder / ".gate" / "tmp").glob("selftest-*")) == []


HELD = """\
data:
  holdout: {not_in: {path: data/before.parquet}}
gates:
  - {gate: metrics, data: holdout, require: [accuracy >= 0.3]}
  - {gate: behaviour, data: holdout, require: [changed_rate(noise=1%) <= 20%]}
"""


def test_rows_that_were_seen_and_rows_that_are_altered_are_stopped_where_the_pipeline_looks(project: Checkout) -> None:
    """By not_in and by a behaviour gate; without them both are holes, with what to write."""
    import pandas as pd

    table = pd.read_parquet(project.folder / "data" / "tickets.parquet")
    numbers = table.select_dtypes("number")
    table.assign(**{name: numbers[name] + 7.5 for name in numbers}).to_parquet(
        project.folder / "data" / "before.parquet"
    )
    names = ("altered-rows", "seen-rows")
    held = self_test(project, "multiclass", *names, more=HELD)
    loose = self_test(project, "multiclass", *names, more=LOOSE)

    assert held["silent_gates"] == {}
    assert {key: (each["outcome"], each["gate"]) for key, each in held["by"].items()} == {
        "altered-rows": ("stopped", "behaviour"),
        "seen-rows": ("stopped", "metrics"),
    }
    assert "(50 %) are in " in held["by"]["seen-rows"]["reason"]
    assert {key: each["outcome"] for key, each in loose["by"].items()} == dict.fromkeys(names, "not stopped")
    assert "write not_in: training into data.holdout" in loose["by"]["seen-rows"]["remedy"]
    assert "changed_rate(noise=1%) <= 1%" in loose["by"]["altered-rows"]["remedy"]


@pytest.mark.skipif(not kernel().landlock, reason="this machine has no box")
def test_a_payload_is_stopped_by_the_box_and_seen(project: Checkout) -> None:
    """It is denied, and does not go on in silence."""
    project.python = sys.executable
    boxed = self_test(project, "regression", "payload-connects", "payload-reads", more=ALONE)

    assert {each["gate"] for each in boxed["by"].values()} == {"signature"}
    assert "Permission denied" in boxed["by"]["payload-reads"]["reason"]


def test_a_payload_gets_through_without_a_box_and_the_remedy_says_so(project: Checkout) -> None:
    """What is forked for the warm python is in no box."""
    bare = self_test(project, "regression", "payload-connects", "payload-writes", "payload-reads", more=ALONE)

    assert {each["outcome"] for each in bare["by"].values()} == {"not stopped"}, bare["by"]
    assert "isolation: {require: box}" in bare["by"]["payload-reads"]["remedy"]


def test_a_payload_is_stopped_before_it_is_loaded(project: Checkout) -> None:
    """By an artifact gate, which passes the copy as it is, and every other defect; no box is needed."""
    names = ("payload-connects", "payload-writes", "payload-reads", "labels")
    document = self_test(project, "regression", *names, more=LOOKED_AT)

    assert document["silent_gates"] == {}
    assert {key: (each["outcome"], each["gate"]) for key, each in document["by"].items()} == {
        **dict.fromkeys(names[:3], ("stopped", "artifact")),
        "labels": ("stopped", "metrics"),
    }
    assert "payload.pkl' at byte" in document["by"]["payload-reads"]["reason"]
    assert "imports builtins.exec" in document["by"]["payload-reads"]["reason"]


def test_each_request_that_takes_longer_is_stopped_by_a_latency_gate_with_few_requests(project: Checkout) -> None:
    """However many the pipeline names."""
    gates = "gates:\n  - {gate: latency, load: {closed: {concurrency: 1}, requests: 100000}, require: [mean_ms <= champion * 3]}\n"
    document = self_test(project, "regression", "slow", more=gates)

    assert [(each["outcome"], each["gate"]) for each in document["defects"]] == [("stopped", "latency")]


def test_a_gate_that_fails_the_copy_as_it_is_shows_nothing(project: Checkout) -> None:
    """It is named, and what only it could see is neither stopped nor a hole."""
    document = self_test(
        project,
        "multiclass",
        "labels",
        "renamed-column",
        more="gates: [{gate: signature}, {gate: metrics, data: holdout, require: [accuracy >= 0.9999]}]\n",
    )

    assert document["exit_code"] == 3
    assert list(document["silent_gates"]) == ["metrics"]
    assert [each["outcome"] for each in document["defects"]] == ["not shown", "stopped"]


def test_the_page_names_the_gate_the_hole_and_what_to_write(project: Checkout) -> None:
    """For people; a wrong name of a defect is said at once."""
    path = project.folder / "gates" / "regression.yaml"
    path.parent.mkdir()
    path.write_text(f"extends: ../shipped/regression.yaml\nenvironment: {{python: {project.python}}}\n")
    answer = project.gate("selftest", "--candidate", "2", "--only", "renamed-column", "--only", "requirements")
    wrong = project.gate("selftest", "--only", "lables")

    assert "renamed-column  stopped      signature: " in answer.stdout
    assert "warning  nothing stops it: its files do not say which packages it needs" in answer.stdout
    assert "1 of 2 defects that apply are stopped." in answer.stdout
    assert "gate: requirements: not stopped" in answer.stderr
    assert (answer.code, wrong.code) == (1, 2)
    assert "there is no defect 'lables'; did you mean 'labels'?" in " ".join(wrong.stderr.split())
