"""The recipes of docs/gates/command.md, each with the program that it is for, as the page has its gate."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from mlflow.models import ModelSignature

from environments.build import environment
from helpers.fakes import ask, case_of
from helpers.model_processes import environ, save
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.case import Case
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.command import Command
from lockgate.models.isolation.box import kernel
from lockgate.models.program.program_runner import ProgramRunner
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.model_factory import start_model

DOCS = Path(__file__).parents[2] / "docs"
GATES: dict[str, dict[str, Any]] = {
    gate["name"]: gate
    for block in re.findall(
        r"^```yaml\n(.*?)^```", (DOCS / "gates" / "command.md").read_text(), re.DOTALL | re.MULTILINE
    )
    for gate in yaml.safe_load(block)
}
# Answers a row by the others that are sent with it, and tries to decide itself what is found.
MODEL = """
import glob, mlflow, os

class Answering(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        for folder in ["/tmp", *glob.glob("/tmp/lockgate-*/out")]:
            try:
                open(os.path.join(folder, "j.xml"), "w").write("<testsuites><testcase name='all'/></testsuites>")
            except OSError:
                pass
        return (model_input["amount"] - model_input["amount"].mean()).to_numpy()

mlflow.models.set_model(Answering())
"""


def project(folder: Path, recipe: str, **known: Any) -> Case:
    """A case in a project whose gates/ hold a recipe."""
    root = folder / "project"
    (root / "gates").mkdir(parents=True)
    shutil.copy(DOCS / "recipes" / recipe, root / "gates" / recipe)
    programs = ProgramRunner(root=root, environ=dict(os.environ), scratch=folder)
    return replace(case_of(folder / "run", **known), programs=programs)


def run(case: Case, name: str, *program: str) -> GateResult:
    """The gate of the page. program: stands for its first word."""
    gate = GATES[name]
    return ask(case, Command.model_validate({**gate, "run": [*(program or gate["run"][:1]), *gate["run"][1:]]}))


def verdicts(result: GateResult) -> dict[str, str]:
    return {" ".join(finding.slice.values()): str(finding.verdict) for finding in result.findings}


@pytest.fixture
def served(tmp_path: Path, warm_python: str) -> Iterator[Case]:
    """A case whose candidate is served as in a run, in a box of its own."""
    (tmp_path / "model.py").write_text(MODEL)
    case = project(
        tmp_path, "test_serving.py", table={"id": [7, 8, 9], "amount": [1.0, 2.0, 6.0], "y": [0, 1, 0]}, label="y"
    )
    assert case.programs is not None
    columns = [{"name": "amount", "type": "double"}]
    signature = ModelSignature.from_dict({"inputs": json.dumps(columns), "outputs": None, "params": None})
    files = save(str(tmp_path / "model.py"), tmp_path / "model", signature=signature)
    pipeline = Pipeline.model_validate(
        {"model": "fraud", "task": "binary", "registry": {"uri": "none"}, "gates": [{"gate": "signature"}],
         "environment": {"python": warm_python}}
    )  # fmt: skip
    pipeline._origin = replace(pipeline._origin, root=case.programs.root)
    with ExitStack() as stack:

        def start(folder: Path, target: Any) -> Any:
            model = start_model(
                pipeline, folder, role="candidate", environ=environ(), scratch=tmp_path, target=target,
                signature=lambda: columns,
            )  # fmt: skip
            stack.callback(model.close)
            return model

        yield replace(case, candidate=replace(case.candidate, fetch=lambda: files, start=start))


def test_pytest_asks_the_candidate_that_is_served_in_a_box_of_its_own(served: Case) -> None:
    """What it answers and refuses is found, whatever it writes; labels are not handed over. Of an id, which it does not take, nobody asks it."""
    result = run(served, "serving", sys.executable, "-m", "pytest")

    assert verdicts(result) == {
        "gates.test_serving::test_it_answers_every_row_with_numbers": "pass",
        "gates.test_serving::test_a_row_alone_is_answered_as_it_is_among_others": "fail",
        "gates.test_serving::test_a_request_without_a_column_is_refused[amount]": "pass",
    }
    told = result.context["command"]
    assert told["left_out"] == {"holdout": ["y"]}
    served_by = result.context["models"]["candidate"]
    assert "mlflow models serve" in served_by["where"]
    assert bool(told["isolation"]) == bool(served_by["isolation"]) == bool(kernel().landlock)


def test_evidently_finds_the_column_that_drifted(tmp_path: Path) -> None:
    """A test that held passes, one that did not fails, a column that is gone is undecided; each names its column."""
    draw = np.random.default_rng(3)
    age, amount = draw.normal(40, 10, 300), draw.lognormal(3, 1, 300)
    case = project(tmp_path, "evidently_drift.py", table={"age": age, "amount": amount, "gone": age})
    pq.write_table(pa.table({"age": age, "amount": amount * 1.8}), tmp_path / "run" / "traffic.parquet")
    traffic = DatasetSpec.model_validate({"path": "traffic.parquet"})
    holdout = case.dataset("holdout")
    case = replace(
        case, dataset=lambda name: holdout if name == "holdout" else Dataset(name, traffic, tmp_path / "run")
    )

    result = run(case, "drift", str(environment("evidently") / "bin" / "python"))

    assert (result.verdict, verdicts(result)) == (
        Verdict.FAIL,
        {"drift age": "pass", "drift amount": "fail", "drift gone": "inconclusive"},
    )
    assert "drift on column=amount failed: Drift score is 0.00." in result.reason


DBT = """#!/bin/sh
mkdir -p "$OUT/target"
cat >"$OUT/target/run_results.json" <<END
{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}, "args": {}, "elapsed_time": 3.1,
 "results": [
  {"status": "success", "unique_id": "model.shop.orders", "message": "SELECT 500", "failures": null, "execution_time": 0.4},
  {"status": "pass", "unique_id": "test.shop.unique_orders_id", "message": null, "failures": 0, "execution_time": 0.1},
  {"status": "fail", "unique_id": "test.shop.not_null_orders_amount", "message": "Got 3 results, configured to fail if != 0", "failures": 3},
  {"status": "warn", "unique_id": "test.shop.recent_orders", "message": "Got 1 result, configured to warn if != 0", "failures": 1},
  {"status": "error", "unique_id": "model.shop.payments", "message": "relation does not exist", "failures": null},
  {"status": "skipped", "unique_id": "model.shop.revenue", "message": null, "failures": null}
 ]}
END
exit 1
"""


def test_each_model_and_test_of_dbt_is_a_finding(tmp_path: Path) -> None:
    """By its status in run_results.json, as schema v6 has it; what was skipped or only warns is no pass."""
    case = project(tmp_path, "dbt_findings.py")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dbt").write_text(DBT)
    (tmp_path / "bin" / "dbt").chmod(0o755)
    variables = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    gate = {**GATES["features"], "run": [sys.executable, *GATES["features"]["run"][1:]], "env": variables,
            "isolation": {"read": [str(tmp_path / "bin")]}}  # fmt: skip
    result = ask(case, Command.model_validate(gate))

    assert verdicts(result) == {
        "model.shop.orders": "pass",
        "test.shop.unique_orders_id": "pass",
        "test.shop.not_null_orders_amount": "fail",
        "test.shop.recent_orders": "inconclusive",
        "model.shop.payments": "error",
        "model.shop.revenue": "inconclusive",
    }
    assert result.findings[2].reason == (
        "test.shop.not_null_orders_amount failed: Got 3 results, configured to fail if != 0"
    )
