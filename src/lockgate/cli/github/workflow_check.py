"""Hold the workflows of a pipeline against what their jobs need: the action, the registry, data, variables, the Python."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lockgate import git
from lockgate.cli.github.existing_workflows import PLACEHOLDER, GateStep
from lockgate.cli.github.workflow_files import local_registry, minor, needs_lfs
from lockgate.data.pointers.dvc import pull_command
from lockgate.data.remote import is_url
from lockgate.errors import LockgateError
from lockgate.pipeline.loader import load, pipelines
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.read_paths import ReadPaths
from lockgate.text import listed

_PINNED = re.compile(r"(.+@[0-9a-f]{40}|\./.*)")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LATE = "notify"  # read where something is sent, by jobs that its own page names
_READS_VARIABLES = ("run", "prove", "promote", "rollback", "archive")
_NAMED = 5


def workflow_notes(pipeline: Pipeline, steps: Sequence[GateStep], environ: Mapping[str, str]) -> list[str]:
    """What its jobs on GitHub would fail for, as far as files say it; nothing for a pipeline without workflows.

    steps: of ours that are about it. environ: what fills in the address of its registry; empty to look at files alone.
    """
    if not steps:
        return []
    root = pipeline.root
    notes = [*_actions(steps, pipeline.model), *_data(steps, pipeline), *_variables(steps, pipeline)]
    if (local := local_registry(pipeline, environ)) is not None:
        notes.append(f"GitHub's runners cannot reach {local[0]}, on this machine: {local[1]}")
    if needs_lfs(pipeline, root):
        files = sorted({step.file for step in steps if step.asks_models and not step.lfs})
        notes += (
            [f"Git LFS keeps what it reads: write lfs: true below `with:` of the checkout in {listed(files, _NAMED)}"]
            if files
            else []
        )
    return notes


def steps_about(pipeline: Pipeline, steps: Sequence[GateStep]) -> list[GateStep]:
    """Those of the checkout's steps that name the pipeline, or none where it is the only one."""
    root = pipeline.root
    name = os.path.relpath(pipeline.path.absolute(), root)
    alone = len(pipelines(root)) == 1
    return [step for step in steps if step.pipeline == name or (alone and not step.pipeline)]


def python_notes(path: Path, steps: Sequence[GateStep]) -> list[str]:
    """Which jobs let models answer under another Python than that of the candidate, by the registry; why that is not known.

    steps: of ours that are about the pipeline.
    """
    from lockgate.runs.lookup import open_registry
    from lockgate.runs.version_selection import select_candidate

    try:
        pipeline = load(path, environ=os.environ)
        if not steps:
            return ["no workflow of .github/workflows is about it; gate init --github writes them"]
        if pipeline.environment != "current":
            return []
        registry = open_registry(pipeline)
        version = select_candidate(pipeline, registry, None)
        logged = registry.python_version(version)
    except LockgateError as error:
        return [f"under which Python the candidate was logged is not known here: {error}"]
    if logged is None:
        return []
    unlike = {step.file: step.python for step in steps if step.asks_models and step.python is not None}
    return [
        f'{version} was logged under Python {logged}, and in {file} it answers under {python}: write python-version: "{minor(logged)}"'
        for file, python in sorted(unlike.items())
        if minor(python) != minor(logged)
    ]


def _actions(steps: Sequence[GateStep], model: str) -> Iterator[str]:
    if files := sorted({step.file for step in steps if step.is_placeholder}):
        yield (
            f"{PLACEHOLDER} in {listed(files, _NAMED)} stands for a repository that nobody named yet: "
            f"gate init --github --model {model} --action OWNER/REPO@COMMIT --force names it"
        )
    moving = {step.uses: step.file for step in steps if not (step.is_placeholder or _PINNED.match(step.uses))}
    for uses, file in moving.items():
        yield f"{uses} in {file} can become another action: name a commit behind the @"


def _data(steps: Sequence[GateStep], pipeline: Pipeline) -> Iterator[str]:
    """What the jobs would not find in their checkout."""
    root = pipeline.root
    names = [name for name, _ in pipeline.files] + [spec.path for spec in pipeline.data.values()]
    names += sorted({step.file for step in steps})
    names += [pipeline.version_file] if pipeline.version_file else []
    names = [os.path.relpath(root / name, root) for name in names if not is_url(name) and "${" not in name]
    names += [name for name in ReadPaths.of_pipeline(pipeline).names if name.endswith(".py")]
    kept = {name: command for name in names if (command := pull_command(root / name, root)) is not None}
    for name, command in kept.items():
        files = sorted({step.file for step in steps if step.asks_models and "dvc" not in step.scripts})
        if files:
            yield f"DVC keeps {name}: the jobs in {listed(files, _NAMED)} that ask models need a step with {command}"
    here = [name for name in names if name not in kept and not name.startswith("..")]
    ignored, untracked = git.uncommitted(ReadPaths(tuple(dict.fromkeys(here))).examples(root), root)
    if ignored:
        yield f"git ignores {listed(ignored, _NAMED)}, which the jobs then do not have: commit it, or read it from an address"
    if untracked:
        yield f"git does not have {listed(untracked, _NAMED)} yet: commit what the jobs are to read"


def _variables(steps: Sequence[GateStep], pipeline: Pipeline) -> Iterator[str]:
    policy = {key: value for key, value in pipeline.policy.items() if key != _LATE}
    names = dict.fromkeys(_VARIABLE.findall(json.dumps(policy)))
    for step in steps:
        lacking = [name for name in names if name not in step.variables] if step.command in _READS_VARIABLES else []
        if lacking:
            yield f"the step `{step.command}` in {step.file} is not given {listed(lacking, _NAMED)}: write it below its env"
