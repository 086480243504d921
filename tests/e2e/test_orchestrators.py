"""The recipes for orchestrators, run by the orchestrators: what an exit code of `gate` makes of a task, a step or a run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from environments.build import environment
from helpers.promoting import Models

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
GATE = Path(sys.executable).with_name("gate")
PIPELINE = """\
model: {model}
task: binary
registry: {{uri: "sqlite:///m.db"}}
candidate: {{version: 1}}
champion: none
gates:
  - gate: metadata
    require: [logged_metrics >= 1]
signoff: {{require: {{owners: 0}}}}
"""


class Project:
    """A checkout with a registry whose version 1 passes, and where nobody signs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.models = folder, Models.fresh(folder)
        self.model = self.models.new()
        self.models.register_documented(self.model)
        (folder / "gates").mkdir()
        (folder / "gates" / "fraud.yaml").write_text(PIPELINE.format(model=self.model))
        for words in (["init", "-q"], ["add", "gates"], ["commit", "-q", "-m", "hold fraud to its gates"]):
            subprocess.run(
                ["git", "-c", "user.name=dana", "-c", "user.email=dana@example.org", *words], cwd=folder, check=True
            )

    @property
    def production(self) -> str | None:
        return self.models.registry.aliases(self.model).get("production")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def ran(program: str, script: str, project: Project, **environ: str) -> dict[str, Any]:
    """What a script prints last as JSON, run by a program's own interpreter in the project."""
    names = {"PROJECT": project.folder, "GATE": GATE, "RECIPES": RECIPES}
    ended = subprocess.run(
        [environment(program) / "bin" / "python", "-c", script],
        cwd=project.folder,
        env={**os.environ, **{name: str(path) for name, path in names.items()}, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-8000:]
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


AIRFLOW = """
import json, os, runpy

recipe, seen = runpy.run_path(os.environ["AIRFLOW_HOME"] + "/dags/fraud.py"), {}
seen["states"] = {each.task_id: str(each.state) for each in recipe["dag"].test().get_task_instances()}
seen["3"] = recipe["GatePromote"](task_id="early", gate="./waits", project=".", digest="").poke({}).is_done
for code in (1, 2, 4):
    try:
        recipe["call"]("/bin/sh", ".", "-c", f"exit {code}")
    except Exception as error:
        seen[code] = type(error).__name__
print(json.dumps(seen))
"""


def test_airflow_waits_for_an_approval_and_retries_only_what_another_try_may_mend(
    project: Project, tmp_path: Path
) -> None:
    """A failed candidate and a wrong call are final; a missing approval is asked for again. A version goes from one task to the other."""
    home, recipe = tmp_path / "airflow", (RECIPES / "airflow_gate.py").read_text()
    shutil.copytree(environment("airflow") / "state", home)
    (home / "airflow.cfg").unlink()
    (home / "dags").mkdir()
    own = recipe.replace("/opt/lockgate/bin/gate", str(GATE)).replace("/opt/projects/fraud", str(project.folder))
    (home / "dags" / "fraud.py").write_text(own)
    (project.folder / "waits").write_text("#!/bin/sh\nexit 3\n")
    (project.folder / "waits").chmod(0o755)
    database = f"sqlite:///{home}/airflow.db"
    names = {"AIRFLOW_HOME": str(home), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database}
    seen = ran("airflow", AIRFLOW, project, **names, AIRFLOW__CORE__LOAD_EXAMPLES="False")

    assert seen == {
        "states": {"evaluate": "success", "promote": "success"},
        **{"1": "AirflowFailException", "2": "AirflowFailException", "3": False, "4": "AirflowException"},
    }
    assert project.production == "1"


KUBEFLOW = """
import json, os, runpy
from kfp import compiler, local

recipe = runpy.run_path(os.path.join(os.environ["RECIPES"], "kubeflow_gate.py"))
at = {"gate": os.environ["GATE"], "project": os.environ["PROJECT"]}
local.init(runner=local.SubprocessRunner(use_venv=False), raise_on_error=True)
passed = recipe["gate_run"](**at).outputs
evidence, report = passed.pop("evidence"), passed.pop("report")
seen = {"passed": passed, "metadata": evidence.metadata, "evidence": evidence.path, "report": report.path}
try:
    recipe["gate_run"](**at, pipeline="none.yaml")
except RuntimeError as error:
    seen["failed"] = str(error)
for name in ("evaluate", "promote"):
    compiler.Compiler().compile(recipe[name], name + ".yaml")
print(json.dumps(seen))
"""


def test_a_component_of_kubeflow_puts_out_digest_and_evidence_and_fails_with_the_command(project: Project) -> None:
    """What it puts out is what was staged; the pipelines around it compile."""
    seen = ran("kfp", KUBEFLOW, project)
    digest = "sha256:" + hashlib.sha256(Path(seen["evidence"]).read_bytes()).hexdigest()

    assert seen["passed"] == {"digest": digest, "verdict": "pass", "opens": "yes"}
    assert seen["metadata"] == {"digest": digest, "verdict": "pass", "model": project.model, "candidate": "1"}
    assert "<html" in Path(seen["report"]).read_text()
    assert project.models.registry.aliases(project.model) == {"staging": "1"}
    assert "FAILURE" in seen["failed"]
    assert (project.folder / "promote.yaml").is_file()


def test_a_project_of_mlflow_runs_the_gates_as_a_run_of_its_own(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is FINISHED where they pass and FAILED where not, and names the commit."""
    import mlflow

    shutil.copy(RECIPES / "MLproject", project.folder)
    monkeypatch.setenv("PATH", str(GATE.parent), prepend=os.pathsep)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.models.uri)
    mlflow.set_tracking_uri(project.models.uri)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project.folder, capture_output=True, text=True, check=True)

    def ended(candidate: str) -> str:
        named = {"candidate": candidate}
        with suppress(mlflow.exceptions.ExecutionException):
            mlflow.projects.run(str(project.folder), entry_point="gate", parameters=named, env_manager="local")
        run = project.models.mlflow.search_runs(["0"], max_results=1, order_by=["attributes.start_time DESC"])[0]
        assert run.data.tags["mlflow.source.git.commit"] == head.stdout.strip()
        return str(run.info.status)

    assert (ended("1"), ended("none")) == ("FINISHED", "FAILED")
