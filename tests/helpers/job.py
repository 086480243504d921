"""A job of our workflows on this machine: the very script of action.yml, in a checkout of its own, with what a runner gives."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
SCRIPT = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "gate")


@dataclass(frozen=True)
class Ended:
    """What a step ended with."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


class Job:
    """One job; what lies in `temp` may be uploaded by it, and downloaded by another. python: of the command."""

    def __init__(self, folder: Path, origin: Path, ref: str, *, python: str = sys.executable) -> None:
        self.temp, self.checkout = folder / "temp", folder / "checkout"
        installed = self.temp / "lockgate" / "bin"  # by the step before
        installed.mkdir(parents=True)
        (installed / "python").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
        (installed / "python").chmod(0o755)
        subprocess.run(["git", "clone", "-q", "--no-checkout", str(origin), str(self.checkout)], check=True)
        subprocess.run(["git", "checkout", "-q", "--detach", ref], cwd=self.checkout, check=True)

    def step(self, command: str, event: dict[str, Any], token: str, environ: Mapping[str, str], **inputs: str) -> Ended:
        """`uses:` our action. environ: what the runner says of itself, and the job's own `env`."""
        files = {name: self.temp / name for name in ("event.json", "output", "summary")}
        files["event.json"].write_text(json.dumps(event))
        given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | inputs
        known = {"runner.temp": str(self.temp), "github.action_path": str(ROOT), "github.token": token}
        known |= {f"inputs.{name}": _filled(value, known) for name, value in {**given, "command": command}.items()}
        said = {name: _filled(value, known) for name, value in SCRIPT["env"].items()}
        runner = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.temp),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_PATH": str(files["event.json"]),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPT["run"]],
            cwd=self.checkout,
            env={**runner, **environ, **said},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        output, summary = (files[name].read_text() if files[name].exists() else "" for name in ("output", "summary"))
        return Ended(done.returncode, done.stdout, dict(line.split("=", 1) for line in output.splitlines()), summary)


def _filled(text: str, known: Mapping[str, str]) -> str:
    """An expression of action.yml; one that is not known here is an error."""
    return re.sub(r"\$\{\{ ([\w.\-]+) \}\}", lambda found: known[found[1]], text)
