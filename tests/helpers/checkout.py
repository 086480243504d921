"""A git checkout with a pipeline, data and a registry of its own, and `gate` called in it as a person would."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from helpers.promoting import ssh_key
from lockgate.cli import main as cli

GATE = [sys.executable, "-m", "lockgate.cli"]
AUTHOR = "dana@example.org"

# What the versions of `fraud` on the shelf are.
CHAMPION, GOOD, BAD, SEGFAULT, KILLED, NEEDY, CLASSES, HANGING = range(1, 9)
LINES = ["auc >= 0.7", "auc >= champion - 0.05 on each slice"]
HOLDOUT = {"path": "data/holdout.parquet", "label": "y", "id": "id", "slices": ["country"]}
SCORED = {**HOLDOUT, "scores": {"candidate": "p_new", "champion": "p_old"}, "recorded": "trusted"}
METRICS = {"gate": "metrics", "data": "holdout", "require": LINES}


class _Plain(yaml.SafeDumper):
    """Writes a value twice rather than once with an alias, which pipelines may not have."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass(frozen=True)
class Answer:
    """What one call of `gate` ended with."""

    code: int
    stdout: str
    stderr: str


class Checkout:
    """The working directory of a person; nothing in it is shared with another test.

    base: a database whose versions have files that nobody changes, None for no registry. python: its models' own.
    gate: the interpreter of `gate` where it has a process of its own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base: Path | None,
        data: Path | None,
        python: str = sys.executable,
        gate: str = sys.executable,
    ) -> None:
        self.folder = folder
        self.python = python
        self.command = [gate, *GATE[1:]]
        self.mark = f"LOCKGATE_TEST_CHECKOUT={uuid.uuid4().hex}"
        self.key = ssh_key(folder, "olga")
        if base is not None:
            shutil.copyfile(base, folder / "mlflow.db")
        if data is not None:
            shutil.copytree(data, folder / "data")
        (folder / ".gitignore").write_text("*\n!gates/\n!gates/*\n")
        self.git("init", "-q")
        for name, value in {"user.email": AUTHOR, "user.name": "Dana", "commit.gpgsign": "false"}.items():
            self.git("config", name, value)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def policy(self, **more: Any) -> dict[str, Any]:
        """A pipeline of `fraud` that asks for its metrics and lets olga sign; `more` replaces whole keys of it."""
        public = self.key.with_suffix(".pub").read_text().strip()
        return {
            "model": "fraud",
            "task": "binary",
            "threshold": 0.5,
            "registry": {"kind": "mlflow", "uri": "sqlite:///mlflow.db"},
            "environment": {"python": self.python},
            "candidate": {"version": GOOD},
            "champion": {"alias": "production", "else": "none"},
            "data": {"holdout": HOLDOUT},
            "gates": [METRICS],
            "signoff": {
                "groups": {"owners": [{"key": public}], "authors": [{"email": AUTHOR}]},
                "require": {"owners": 1},
            },
            **more,
        }

    def write(self, name: str = "fraud", **more: Any) -> Path:
        """Write the pipeline and commit it."""
        path = self.folder / "gates" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        said = {key: value for key, value in self.policy(**more).items() if value is not None}
        path.write_text(yaml.dump(said, Dumper=_Plain, sort_keys=False))
        self.git("add", "gates")
        self.git("commit", "-q", "--no-verify", "--allow-empty", "-m", f"gates of {name}")
        return path

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        name, value = self.mark.split("=")
        return {**os.environ, name: value, **more}

    def gate(self, *arguments: object) -> Answer:
        """Call `gate` in this process, whose working directory is the checkout."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.run([str(argument) for argument in arguments])
        return Answer(code, out.getvalue(), err.getvalue())

    def call(self, *arguments: object, **environ: str) -> Answer:
        """Call `gate` in a process of its own."""
        ended = subprocess.run(
            [*self.command, *map(str, arguments)],
            cwd=self.folder,
            env=self.environ(environ),
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: object, **environ: str) -> subprocess.Popen[str]:
        """Begin to call `gate` in a process, and a process group, of its own."""
        return subprocess.Popen(
            [*self.command, *map(str, arguments)],
            cwd=self.folder,
            env=self.environ(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def run(self) -> Path:
        """The newest run's folder."""
        return (self.folder / ".gate" / "latest").resolve()

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run / "state.json").read_text())
        return found

    @property
    def evidence(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run / "evidence.json").read_text())
        return found

    @property
    def digest(self) -> str:
        """Of the newest evidence, as the run wrote it down."""
        return "sha256:" + (self.run / "evidence.sha256").read_text().split()[0]

    @property
    def processes(self) -> list[str]:
        """The command line of every process that was started from here and still lives."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


def findings(evidence: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every finding by its id."""
    return {one["id"]: one for gate in evidence["gates"] for one in gate["findings"]}


def verdicts(evidence: dict[str, Any]) -> dict[str, str]:
    """What each gate said."""
    return {gate["name"]: gate["verdict"] for gate in evidence["gates"]}
