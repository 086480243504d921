"""Decide whether a pull request, or the commit of a merge queue, changes anything that a model's gates read."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from lockgate.cli.github.actions_runner import log
from lockgate.cli.github.existing_workflows import workflow_steps
from lockgate.cli.github.pull_request import PullRequestJob, read_event
from lockgate.errors import LockgateError
from lockgate.integrations.github.client import GitHub
from lockgate.integrations.github.schema import MergeGroupEvent, parse
from lockgate.pipeline.loader import load, project_root
from lockgate.pipeline.read_paths import ReadPaths
from lockgate.runs.lookup import only_pipeline

_INSTALLED = (".py", ".toml", ".cfg", ".txt", ".lock")


def look_for_changes(path: Path | None) -> dict[str, str]:
    """The output `changed`: `no` only where nothing that the gates read differs, `yes` in any doubt."""
    try:
        changed = _changed(path)
    except LockgateError as error:
        log(f"gate: {error.message}; so the gates are asked")
        changed = True
    return {"changed": "yes" if changed else "no"}


def _changed(path: Path | None) -> bool:
    root = project_root()
    path = path or only_pipeline(root)
    if os.environ.get("GITHUB_EVENT_NAME") == "merge_group":
        event = parse(MergeGroupEvent, read_event(os.environ), source="the event")
        files = GitHub.of_job(os.environ).files_between(event.base, event.head)
    else:
        job = PullRequestJob.open(os.environ, path)
        pull = job.hub.pull(job.number)
        if job.own_comment(pull, job.hub.comments(job.number)) is not None:
            log("the gates were asked before in this pull request, so they are asked again")
            return True
        files = job.hub.files(pull)
        files = files if len(files) >= pull.changed_files else None
    if files is None:
        log("more files change than GitHub lists")
        return True
    workflow = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].rpartition("/.github/workflows/")[2]
    reads = ReadPaths.of_pipeline(load(path, environ=None, root=root))
    installs = installed_files(root / ".github" / "workflows" / workflow, root) if workflow else []
    changes = [name for file in files for name in file.paths]
    own = {f".github/workflows/{workflow}", *installs}
    changed = [name for name in changes if name in own or reads.match(name) or _in_folder(name, own)]
    log(f"of {len(changes)} changed files the gates read {', '.join(changed[:10]) or 'none'}")
    return bool(changed)


def _in_folder(name: str, folders: Iterable[str]) -> bool:
    """Whether a file is in a folder that the workflow installs as a package."""
    return name.endswith(_INSTALLED) and any(
        folder == "." or name.startswith(f"{folder}/") for folder in folders if not folder.endswith(_INSTALLED)
    )


def installed_files(workflow: Path, root: Path) -> list[str]:
    """Files and folders below the root that the scripts of a workflow name, and what those files require in turn."""
    scripts = [str(step["run"]) for step in workflow_steps(workflow) if "run" in step]
    names: dict[str, None] = {}
    waiting = [name for script in scripts for name in _words(script, root)]
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names[name] = None
        if name.endswith((".txt", ".in")):
            waiting += _required(root / name, root)
    return list(names)


def _words(script: str, base: Path) -> Iterator[str]:
    try:
        words = shlex.split(script, comments=True)
    except ValueError:
        words = script.split()
    for word in words:
        name = re.sub(r"\[[\w,\-]+\]$", "", word.rpartition("=")[2])
        if name and (base / name).exists() and not Path(name).is_absolute():
            yield os.path.normpath(name)


def _required(file: Path, root: Path) -> Iterator[str]:
    """What a file of requirements names by -r or -c."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        if named := re.match(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]*([^\s#]+)", line):
            yield os.path.relpath(file.parent / named[1], root)
