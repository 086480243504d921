"""The folder of a run, `.gate/runs/<run id>/`, written so that a crash leaves the old file or the new one."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lockgate.errors import UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import Exhibit, exhibit_file
from lockgate.hashing import sha256, sha256_file

EVIDENCE = "evidence.json"
_STATE = "state.json"


@dataclass(frozen=True)
class RunFolder:
    """One run on disk."""

    path: Path

    @classmethod
    def new(cls, root: Path, run_id: str) -> RunFolder:
        """Make the folder and point `.gate/latest` to it."""
        path = root / ".gate" / "runs" / run_id
        path.mkdir(parents=True, exist_ok=True)
        ignore = root / ".gate" / ".gitignore"
        if not ignore.exists():
            write(ignore, b"*\n")
        latest = root / ".gate" / "latest"
        fresh = latest.with_name(f".latest-{secrets.token_hex(4)}")
        fresh.symlink_to(Path("runs") / run_id)
        fresh.replace(latest)
        return cls(path)

    @property
    def run_id(self) -> str:
        return self.path.name

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the folder atomically."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, data)
        return path

    def keep_evidence(self, evidence: Evidence) -> None:
        """Write evidence.json and evidence.sha256 (in the form that `sha256sum -c` reads)."""
        self.write(EVIDENCE, evidence.stored)
        self.write("evidence.sha256", f"{evidence.digest.removeprefix('sha256:')}  {EVIDENCE}\n".encode())

    def keep_exhibit(self, exhibit: Exhibit) -> dict[str, Any]:
        """Write an exhibit; returns its entry in the evidence."""
        data = exhibit.to_bytes()
        self.write(exhibit_file(exhibit.name), data)
        return {"name": exhibit.name, "kind": exhibit.kind, "sha256": sha256(data)}

    def evidence(self) -> Evidence:
        """The stored evidence, its bytes as they lie there. Raises UsageError where the run wrote none."""
        path = self.path / EVIDENCE
        if not path.is_file():
            raise UsageError(f"run {self.run_id} has no evidence: it was {self.state().get('state', 'not finished')}")
        return Evidence.read(path.read_bytes())

    def mark(self, state: str, **more: Any) -> None:
        """Record the state of the run: running, interrupted, broken or finished; `more` is what --resume needs."""
        document = self.state() | {"state": state} | more
        self.write(_STATE, json.dumps(document, indent=1, sort_keys=True).encode())

    def state(self) -> dict[str, Any]:
        path = self.path / _STATE
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def publishable(self) -> list[str]:
        """The files that go beside the version: evidence, reports and exhibits; never scored rows or raw requests."""
        names = [EVIDENCE, "evidence.sha256", "report.md", "report.json", "report.xml"]
        written = [name for name in names if (self.path / name).is_file()]
        return written + sorted(f"exhibits/{path.name}" for path in (self.path / "exhibits").glob("*.json"))


def new_run_id(now: datetime) -> str:
    """Sortable by time, unique by 32 random bits: `20261121-041530-9f3c21ab`."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def runs(root: Path) -> list[RunFolder]:
    """Every run below a root, newest first."""
    folder = root / ".gate" / "runs"
    return [RunFolder(path) for path in sorted(folder.glob("*"), reverse=True) if path.is_dir()]


def find(root: Path, digest: str) -> RunFolder | None:
    """The run whose evidence has that digest."""
    for run in runs(root):
        path = run.path / EVIDENCE
        if path.is_file() and sha256_file(path) == digest:
            return run
    return None


def latest(root: Path) -> RunFolder | None:
    """The run that `.gate/latest` points to."""
    path = root / ".gate" / "latest"
    return RunFolder(path.resolve()) if path.exists() else None


def salt(root: Path) -> bytes:
    """The checkout's salt for row ids, made once; two first users agree on one."""
    path = root / ".gate" / "salt"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f".salt-{secrets.token_hex(8)}")
        write(fresh, secrets.token_hex(32).encode())
        fresh.chmod(0o600)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    """Write a file so that a reader finds the old bytes or the new ones, never half of them."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
