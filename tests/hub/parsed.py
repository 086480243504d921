"""What GitHub's own parser makes of a workflow: the npm package that it publishes, every file of it held to its hash."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.published import KEPT, Unavailable

HERE = Path(__file__).parent / "node"
FILES = ("package.json", "package-lock.json", "loader.mjs", "parse.mjs")
OLDEST_NODE = (20, 6)


@dataclass(frozen=True)
class Parsed:
    """A workflow's jobs, and what GitHub would not accept of it."""

    jobs: tuple[str, ...]
    errors: tuple[str, ...]


def parse(*workflows: Path) -> list[Parsed]:
    """Where the parser cannot be had the test is skipped, by name."""
    folder, missing = _installed()
    if folder is None:
        pytest.skip(f"GitHub's parser of workflows is not here: {missing}")
    node = [
        "node",
        "--no-warnings",
        "--import",
        "./loader.mjs",
        "parse.mjs",
        *[str(one.resolve()) for one in workflows],
    ]
    done = subprocess.run(node, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [Parsed(tuple(one["jobs"]), tuple(one["errors"])) for one in told]


@functools.cache
def _installed() -> tuple[Path | None, str]:
    """(its folder, nothing) or (None, why it cannot be had), asked once."""
    try:
        return _install(), ""
    except Unavailable as error:
        return None, str(error)


def _install() -> Path:
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Unavailable("npm is not installed")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, said.removeprefix("v").split(".")[:2])) < OLDEST_NODE:
        raise Unavailable(f"node {said} is too old for it")
    key = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:12]
    folder, done = KEPT / f"workflow-parser-{key}", KEPT / f"workflow-parser-{key}.done"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "workflow-parser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in FILES:
                shutil.copyfile(HERE / name, folder / name)
            _fetch(folder)
            done.touch()
    return folder


def _fetch(folder: Path) -> None:
    ci = ["npm", "ci", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        got = subprocess.run(ci, cwd=folder, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"npm did not fetch it in {error.timeout:.0f} s") from None
    assert "EINTEGRITY" not in got.stderr, got.stderr
    if got.returncode != 0:
        raise Unavailable(f"npm could not fetch it: {got.stderr.strip()[-300:]}")


if __name__ == "__main__":
    print(_install())
