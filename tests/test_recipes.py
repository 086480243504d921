"""The recipes for other CI systems: what they call exists, and no job that runs a model holds the credential that writes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from helpers.command_lines import parsed

DOCS = Path(__file__).parents[1] / "docs"
GITLAB = DOCS / "recipes" / "gitlab-ci.yml"
JENKINS = DOCS / "recipes" / "Jenkinsfile"


def calls(text: str) -> list[list[str]]:
    """The arguments of every `gate …` that a shell would run: at the start of a line, a list entry or a quoted script."""
    found = re.findall(r"""(?m)(?:^\s*(?:-\s+)?|'\.lockgate/bin/)gate ((?:[a-z]+)\b[^'\n]*)""", text)
    return [shlex.split(one.partition("  #")[0].partition(", returnStatus")[0]) for one in found]


@pytest.mark.parametrize("path", [GITLAB, JENKINS], ids=lambda path: path.name)
def test_every_command_line_is_one_that_the_command_takes(path: Path) -> None:
    """With the options that it has, and all that it needs."""
    found = calls(path.read_text(encoding="utf-8"))

    assert found
    for line in found:
        parsed(line)


def test_a_line_that_no_command_takes_would_be_found() -> None:
    """An option, or an argument, that there is not."""
    for text in (
        "- gate run --frobnicate",
        "- gate rollback fraud",
        "    sh '.lockgate/bin/gate verify --nightly fraud'",
    ):
        ((line),) = calls(text)
        with pytest.raises(click.UsageError):
            parsed(line)


def test_both_recipes_tell_the_whole_story() -> None:
    """Evaluate, stage, prove, promote, roll back, archive and verify."""
    story = {"run", "promote", "rollback", "archive", "verify"}
    for path in (GITLAB, JENKINS):
        lines = calls(path.read_text(encoding="utf-8"))
        assert {line[0] for line in lines} == story
        assert sum(line[0] == "run" for line in lines) == sum(line[0] == "promote" for line in lines) == 2


def jobs() -> dict[str, dict[str, Any]]:
    whole = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    return {name: job for name, job in whole.items() if isinstance(job, dict) and "script" in job}


def test_gitlabs_schema_finds_nothing() -> None:
    """And every stage and every job that is needed is there."""
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(GITLAB)],
        capture_output=True,
        text=True,
    )
    stages = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))["stages"]

    assert checked.returncode == 0, checked.stdout
    assert {job["stage"] for job in jobs().values()} == set(stages)
    assert {need for job in jobs().values() for need in job.get("needs", [])} <= set(jobs())


def test_on_gitlab_no_job_that_writes_runs_a_model() -> None:
    """It has no packages for models, evaluates nothing, and proves nothing; the others hold the reading account."""
    held = {name: job["extends"][1] for name, job in jobs().items()}
    installs = {name for name, job in jobs().items() if "requirements.txt" in str(job["script"])}
    asks = {
        name
        for name, job in jobs().items()
        for line in calls("\n".join(f"- {one}" for one in job["script"]))
        if (line[0] == "run" and "--resume" not in line) or "--prove-only" in line
    }

    assert installs == asks == {name for name, what in held.items() if what == ".reads"} == {"evaluate", "prove"}
    assert set(held.values()) == {".reads", ".writes"}


def test_on_jenkins_no_stage_that_writes_runs_a_model() -> None:
    """Likewise, by the text of its stages."""
    text = JENKINS.read_text(encoding="utf-8")
    stages = dict(re.findall(r"(?s)        stage\('([^']+)'\) \{\n(.*?)\n        \}\n", text))
    writes = {name for name, stage in stages.items() if "mlflow-promote" in stage}
    asks = {
        name
        for name, stage in stages.items()
        for line in calls(stage)
        if (line[0] == "run" and "--resume" not in line) or "--prove-only" in line
    }

    assert set(stages) == {"Evaluate", "Stage", "Wait", "Prove", "Promote", "Roll back", "Nightly"}
    assert asks == {name for name, stage in stages.items() if "label 'models'" in stage} == {"Evaluate", "Prove"}
    assert writes == {name for name, stage in stages.items() if "label 'gate'" in stage}
    assert "agent" not in stages["Wait"]
    assert asks | writes | {"Wait"} == set(stages)


def test_the_step_of_sagemaker_calls_what_there_is_and_ends_well_only_on_0_and_3(tmp_path: Path) -> None:
    """Its one command is run by a shell as the container would, with a program in the place of `gate`."""
    pipeline = json.loads((DOCS / "recipes" / "sagemaker-pipeline.json").read_text(encoding="utf-8"))
    (script,) = pipeline["Steps"][0]["Arguments"]["AppSpecification"]["ContainerArguments"]
    (line,) = re.findall(r"; gate (.*?) > ", script)
    parsed(shlex.split(line))
    (tmp_path / "gate").write_text("#!/bin/sh\nmkdir -p .gate/runs; echo '{}'; exit $ENDS\n")
    (tmp_path / "gate").chmod(0o755)
    (tmp_path / "output").mkdir()
    script = script.replace("/opt/ml/processing/output", str(tmp_path / "output")).replace("/project", str(tmp_path))

    def code(ends: int) -> int:
        environ = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "ENDS": str(ends), "CANDIDATE": "4"}
        return subprocess.run(["bash", "-c", script], env=environ, check=False).returncode

    assert [code(ends) for ends in range(5)] == [0, 1, 2, 0, 4]
    assert json.loads((tmp_path / "output" / "run.json").read_text()) == {}


def test_the_project_of_mlflow_calls_what_there_is() -> None:
    entries = yaml.safe_load((DOCS / "recipes" / "MLproject").read_text(encoding="utf-8"))["entry_points"]
    for entry in entries.values():
        program, *words = shlex.split(entry["command"])
        assert program == "gate"
        parsed(words)
