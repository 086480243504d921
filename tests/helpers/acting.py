"""Workflows run for real on this machine by act, without a container: jobs, conditions, outputs, secrets and all.

What cannot be fetched here are GitHub's own actions. In their place stand small ones with the same inputs: a checkout that lays
down a folder as a repository, artifacts that lie in a folder, and a python that is the tests' own.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from environments.build import environment
from lockgate.cli.github.workflow_files import PINNED

ROOT = Path(__file__).resolve().parents[2]
ACTION = "acme/lockgate@" + "0123456789" * 4
PACKED = ("pyproject.toml", "README.md", "LICENSE", "locks", "gates", "src")
_LOCAL_ONLY = ("--pull=false", "--no-cache-server", "--platform", "ubuntu-latest=-self-hosted")
_NO_FILES = ("--env-file", "--secret-file", "--var-file", "--input-file")
_STAND_INS = {
    "checkout": 'cp -r "$TREE/." . && mkdir -p .git',
    "setup_python": 'dirname "$TESTS_PYTHON" >> "$GITHUB_PATH"',
    "upload": 'if [ -d "$IN_PATH" ]; then mkdir -p "$STORE/$IN_NAME" && cp -r "$IN_PATH/." "$STORE/$IN_NAME"; fi',
    "download": 'mkdir -p "$IN_PATH" && cp -r "$STORE/$IN_NAME/." "$IN_PATH"',
}


@functools.cache
def _act() -> tuple[Path | None, str]:
    """(act, nothing) or (None, why it cannot be had), asked once."""
    try:
        return environment("act") / "bin" / "act", ""
    except subprocess.CalledProcessError as error:
        return None, f"{' '.join(map(str, error.cmd))} ended with {error.returncode}"


@dataclass(frozen=True)
class Acted:
    """What became of a run. said: everything that the runner logged, in order."""

    code: int
    said: tuple[dict[str, Any], ...]

    @property
    def jobs(self) -> dict[str, str]:
        """job → success or failure, of the jobs that were started."""
        return {one["jobID"]: one["jobResult"] for one in self.said if "jobResult" in one}

    def outputs(self, job: str) -> dict[str, str]:
        return {one["name"]: one["arg"] for one in self._of(job) if one.get("command") == "set-output"}

    def commands(self, job: str, name: str) -> list[str]:
        """What everything was about that the runner took for this command."""
        return [one.get("arg", "") for one in self._of(job) if one.get("command") == name]

    def exits(self, job: str) -> set[int]:
        """The exit codes of steps that failed."""
        found = (
            re.search(r"exit(?:code| status)? '?(\d+)'?", one["msg"])
            for one in self._of(job)
            if not one.get("raw_output")
        )
        return {int(one[1]) for one in found if one}

    def summary(self, job: str) -> str:
        return "".join(dict.fromkeys(one["content"] for one in self._of(job) if one.get("command") == "summary"))

    def log(self, job: str) -> str:
        """What the steps themselves wrote."""
        return "".join(one["msg"] for one in self._of(job) if one.get("raw_output"))

    def _of(self, job: str) -> list[dict[str, Any]]:
        return [one for one in self.said if one.get("jobID") == job]


class Runner:
    """A repository with workflows, what its checkout holds (tree), and where artifacts lie (store).

    python: what the jobs find on PATH, and what stands for an installed lockgate. The tests' own, or a warm one.
    """

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        program, missing = _act()
        if program is None:
            pytest.skip(f"act cannot be had here: {missing}")
        self.act, self.folder = program, folder
        self.tree, self.store, self.own = folder / "tree", folder / "store", folder / "action"
        self.repository, self.actions = folder / "repository", dict[str, Path]()
        for made in (self.tree, self.store, self.repository, folder / "home"):
            made.mkdir()
        git = ["git", "-c", "init.defaultBranch=main", "-c", "user.name=n", "-c", "user.email=n@example.org"]
        for more in (["init", "--quiet"], ["remote", "add", "origin", "https://github.com/acme/models"]):
            subprocess.run([*git, *more], cwd=self.repository, check=True)
        subprocess.run(
            [*git, "commit", "--quiet", "--allow-empty", "--message", "begin"], cwd=self.repository, check=True
        )
        for name, script in _STAND_INS.items():
            self.put(PINNED[name].split(" ")[0], script)
        self.python = python if python == sys.executable else self._beside_gate(python)

    def _beside_gate(self, python: str) -> str:
        """A `bin` as that of an environment with lockgate installed, of this python."""
        made = self.folder / "environment" / "bin"
        made.mkdir(parents=True)
        (made / "python").symlink_to(python)
        (made / "gate").write_text(f'#!/bin/sh\nexec "{made}/python" -m lockgate.cli "$@"\n')
        (made / "gate").chmod(0o755)
        return str(made / "python")

    def put(self, name: str, script: str, *, outputs: Mapping[str, str] | None = None) -> None:
        """A small action under this name, which is given its inputs as IN_NAME and so on."""
        names = ("name", "path", "command", "reason")
        given = {f"IN_{one.upper()}": f"${{{{ inputs.{one} }}}}" for one in names}
        step = {"id": "one", "shell": "bash", "run": f"set -euo pipefail\n{script}\n", "env": given}
        made = {
            "name": name,
            "inputs": {one: {"default": ""} for one in names},
            "outputs": {one: {"value": value} for one, value in (outputs or {}).items()},
            "runs": {"using": "composite", "steps": [step]},
        }
        self._keep(name, yaml.safe_dump(made))

    def put_ours(self, name: str = ACTION, *, installed: bool) -> None:
        """lockgate's own action. installed: with the tests' own environment in the place of what it would install."""
        text = (ROOT / "action.yml").read_text(encoding="utf-8")
        if installed:
            document = yaml.safe_load(text)
            document["runs"]["steps"][0]["run"] = (
                'ln -sfn "$(dirname "$(dirname "$TESTS_PYTHON")")" "$SCRATCH/lockgate"'
            )
            self._keep(name, yaml.safe_dump(document))
            return
        folder = self._keep(name, text)
        for part in PACKED:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
            copy(ROOT / part, folder / part)

    def _keep(self, name: str, text: str) -> Path:
        folder = self.folder / "actions" / re.sub(r"\W", "-", name)
        folder.mkdir(parents=True)
        (folder / "action.yml").write_text(text, encoding="utf-8")
        self.actions[name] = folder
        return folder

    def run(
        self,
        workflow: str,
        event: Mapping[str, Any],
        *,
        on: str = "issue_comment",
        environ: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Acted:
        """Let an event start the workflow. act knows no `queue`, which orders runs and not what is in them."""
        (self.repository / "workflow.yml").write_text(re.sub(r"(?m)^ +queue: max\n", "", workflow), encoding="utf-8")
        (self.repository / "event.json").write_text(json.dumps(event), encoding="utf-8")
        given = {"TREE": self.tree, "STORE": self.store, "TESTS_PYTHON": self.python, **(environ or {})}
        command = [
            str(self.act),
            on,
            "--json",
            "--workflows",
            "workflow.yml",
            "--eventpath",
            "event.json",
            *_LOCAL_ONLY,
        ]
        command += [one for option in _NO_FILES for one in (option, os.devnull)]
        command += [one for name, value in given.items() for one in ("--env", f"{name}={value}")]
        command += [one for name, value in (secrets or {}).items() for one in ("--secret", f"{name}={value}")]
        command += [one for name, folder in self.actions.items() for one in ("--local-repository", f"{name}={folder}")]
        # act asks no network: every action that a workflow names is one of the folders
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "ACT", "XDG_"))}
        done = subprocess.run(
            command,
            cwd=self.repository,
            env=clean | {"HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Acted(done.returncode, tuple(said))
