"""What `gate check` says of workflows whose jobs would fail on GitHub."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.memory_registry import MemoryRegistry
from lockgate.cli.commands import check
from lockgate.cli.github.workflow_files import Workflows

ACTION = "acme/lockgate@" + "0123456789" * 4
GATE = ".github/workflows/gate.yml"
PIPELINE = """\
model: churn
task: binary
registry: {kind: mlflow, uri: "${MLFLOW_TRACKING_URI}"}
candidate: {file: models/churn.version}
data: {holdout: {path: "data/churn.csv", label: y}}
gates: [{gate: metrics, data: holdout, require: [auc >= 0.8]}]
signoff: {groups: {owners: [{github: ana, id: 1071}]}, require: {owners: 1}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which everything is committed that the jobs read."""
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q", "."], check=True)
    for name, text in {"gates/churn.yaml": PIPELINE, "models/churn.version": "1\n", "data/churn.csv": "y\n1\n"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    write_workflows(tmp_path)
    subprocess.run(["git", "add", "."], check=True)
    return tmp_path


def write_workflows(root: Path, *, action: str | None = ACTION, python: str = "3.12") -> None:
    pipeline = Path("gates/churn.yaml")
    Workflows.for_pipeline("churn", pipeline, action=action, root=root, python=python).write(root, force=True)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def notes(*options: str) -> list[str]:
    found = CliRunner().invoke(check.command, ["--json", *options], catch_exceptions=False)
    assert found.exit_code == 0
    return list(json.loads(found.stdout)["pipelines"][0]["notes"])


def test_nothing_is_said_of_workflows_that_have_what_they_need(project: Path) -> None:
    """Nor of a pipeline that has none, wherever its data and its registry are."""
    whole = notes()
    for path in (project / ".github" / "workflows").iterdir():
        path.unlink()
    replace(project / "gates" / "churn.yaml", "${MLFLOW_TRACKING_URI}", "sqlite:///m.db")
    (project / ".gitignore").write_text("data/\n")

    assert (whole, notes()) == ([], [])


def test_the_placeholder_and_an_action_that_can_change_are_named(project: Path) -> None:
    """With the command that writes another, and the files."""
    gate, approve = (project / ".github" / "workflows" / name for name in ("gate.yml", "gate-approve.yml"))
    replace(gate, ACTION, "OWNER/lockgate@v0.1.0")
    replace(approve, ACTION, "acme/lockgate@v1")
    placeholder, moving = notes()

    assert placeholder == (
        "OWNER/lockgate in .github/workflows/gate.yml stands for a repository that nobody named yet: gate init --github "
        "--model churn --action OWNER/REPO@COMMIT --force names it"
    )
    assert moving.startswith("acme/lockgate@v1 # v")
    assert moving.endswith(
        "in .github/workflows/gate-approve.yml can become another action: name a commit behind the @"
    )


@pytest.mark.parametrize("uri", ["${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}", "http://localhost:5000"])
def test_a_registry_of_this_machine_is_named(project: Path, uri: str) -> None:
    """Runners reach neither a file of it nor what listens on it alone."""
    replace(project / "gates" / "churn.yaml", "${MLFLOW_TRACKING_URI}", uri)
    (said,) = notes()

    assert said.startswith(
        f"GitHub's runners cannot reach {uri.removeprefix('${MLFLOW_TRACKING_URI:-').removesuffix('}')}, on"
    )


def test_that_the_variable_itself_is_of_this_machine_is_said_with_github(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name, as its value may hold a password; the files alone are well, whatever is set."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setattr("lockgate.runs.lookup.open_registry", lambda pipeline: MemoryRegistry(project / "registered"))

    assert notes() == []
    assert notes("--github")[0] == (
        "GitHub's runners cannot reach the address in ${MLFLOW_TRACKING_URI}, on this machine: register the model on a server, "
        "and set that variable to its address"
    )


def test_what_git_does_not_bring_to_the_jobs_is_named(project: Path) -> None:
    """Files that it ignores, also where they are not here, and such as it does not have yet."""
    (project / ".gitignore").write_text("*.csv\n")
    subprocess.run(["git", "rm", "-q", "--cached", "data/churn.csv", "models/churn.version", GATE], check=True)
    here = notes()
    (project / "data" / "churn.csv").unlink()

    assert here == [
        "git ignores data/churn.csv, which the jobs then do not have: commit it, or read it from an address",
        f"git does not have {GATE}, models/churn.version yet: commit what the jobs are to read",
    ]
    assert notes() == here


def test_what_is_kept_outside_git_takes_a_step_that_brings_it(project: Path) -> None:
    """DVC a command, Git LFS a key of the checkout; where the jobs have them nothing is said."""
    workflows = project / ".github" / "workflows"
    (project / "data" / "churn.csv.dvc").write_text("outs: [{path: churn.csv}]\n")
    (project / ".gitattributes").write_text("*.csv filter=lfs\n")
    lfs = "Git LFS keeps what it reads: write lfs: true below `with:` of the checkout in "
    kept, fetched = notes()
    write_workflows(project)
    for name in ("gate.yml", "gate-approve.yml"):
        replace(workflows / name, "run: python -m pip install", "run: dvc pull && python -m pip install")

    assert kept == (
        "DVC keeps data/churn.csv: the jobs in .github/workflows/gate-approve.yml, .github/workflows/gate.yml that ask models "
        "need a step with dvc pull data/churn.csv.dvc"
    )
    assert fetched == f"{lfs}.github/workflows/gate-approve.yml, .github/workflows/gate.yml"
    assert notes() == []


def test_a_variable_of_the_pipeline_that_a_job_is_not_given_is_named(project: Path) -> None:
    """Each job that reads the pipeline's addresses would stop at it."""
    replace(project / "gates" / "churn.yaml", "data/churn.csv", "${BUCKET}/churn.csv")
    replace(project / ".github" / "workflows" / "gate.yml", "permissions: {}", "permissions: {}\nenv: {BUCKET: b}")

    assert notes() == [
        f"the step `{command}` in .github/workflows/{file} is not given BUCKET: write it below its env"
        for file, command in (
            ("gate-approve.yml", "prove"), ("gate-approve.yml", "promote"), ("gate-nightly.yml", "archive"), ("gate-rollback.yml", "rollback"),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(("logged", "said"), [("3.12.4", 0), ("3.11.9", 2), (None, 0)])
def test_another_python_than_the_models_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, logged: str | None, said: int
) -> None:
    """With --github, as the registry alone knows what a version was logged under."""
    registry = MemoryRegistry(project / "registered")
    registry.register("churn", "1", python_version=logged)
    monkeypatch.setattr("lockgate.runs.lookup.open_registry", lambda pipeline: registry)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")

    assert notes() == []
    assert (
        notes("--github")
        == [
            f"churn version 1 was logged under Python 3.11.9, and in .github/workflows/{file} it answers under 3.12: write "
            'python-version: "3.11"'
            for file in ("gate-approve.yml", "gate.yml")
        ][:said]
    )


def test_what_is_not_known_of_the_python_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, and no workflow at all."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (unset,) = notes("--github")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///m.db")
    for path in (project / ".github" / "workflows").iterdir():
        path.unlink()

    assert "the variable MLFLOW_TRACKING_URI is not set" in unset
    assert notes("--github") == ["no workflow of .github/workflows is about it; gate init --github writes them"]
