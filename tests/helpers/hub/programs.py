"""Programs that nobody here wrote: npm lays them down as `npm/package-lock.json` pins them, byte for byte, without their scripts."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from helpers.hub.published import KEPT, Unavailable

PATIENCE_S = 60
_PINNED = Path(__file__).parent / "npm"
_FILES = ("package.json", "package-lock.json", ".npmrc", "loader.mjs", "parse.mjs", "lint.mjs")


def installed() -> Path:
    """The folder of the packages, laid down once for all tests of this machine. Raises Unavailable."""
    pins = hashlib.sha256(b"\0".join((_PINNED / name).read_bytes() for name in _FILES)).hexdigest()
    folder = KEPT / f"npm-{pins[:12]}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
                whole = Path(scratch) / "whole"
                whole.mkdir()
                for name in _FILES:
                    shutil.copyfile(_PINNED / name, whole / name)
                _install(whole)
                whole.rename(folder)
    return folder


def _install(folder: Path) -> None:
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    call = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error"]
    try:
        done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"npm did not install the pinned packages in {error.timeout:.0f} s") from None
    assert "EINTEGRITY" not in done.stderr, f"a package is not the one that is pinned: {done.stderr.strip()[-300:]}"
    if done.returncode != 0:
        raise Unavailable(f"npm could not install the pinned packages: {done.stderr.strip()[-300:]}")
    # npm leaves out without a word what is optional and cannot be had, or is not the one that is pinned
    if sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64"):
        assert _node(folder) is not None, "the pinned Node was not to be had"


def _node(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("node_modules/node-*-*/bin/node"))), None)


def node(script: str, *arguments: str) -> list[str]:
    """The command that runs a script of a package under the pinned Node; without it the test is skipped, by name."""
    folder, interpreter = laid_down()
    return [str(interpreter), str(folder / "node_modules" / script), *arguments]


def laid_down() -> tuple[Path, Path]:
    """The folder of the packages and the pinned Node; without them the test is skipped, by name."""
    folder, missing = _installed()
    if folder is None:
        pytest.skip(f"what npm lays down for tests is not here: {missing}")
    interpreter = _node(folder)
    if interpreter is None:
        pytest.skip(f"what npm lays down for tests is not here: none of the pinned Nodes runs on {platform.machine()}")
    return folder, interpreter


@functools.cache
def _installed() -> tuple[Path | None, str]:
    """(the folder, nothing) or (None, why it cannot be had), asked once."""
    try:
        return installed(), ""
    except Unavailable as error:
        return None, str(error)


class Program:
    """A server on a port of this machine, with all that it starts; what it says stands in `log`."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port, self.log, folder = port, log, log.parent
        environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "NO_COLOR": "1"}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environ,
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it listens."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


if __name__ == "__main__":
    print(installed())
