"""A gate that waits for a file, so that a test can do something in the middle of a run; and what is on disk meanwhile."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.checkout import METRICS

PATIENCE_S = 120

# A gate of the pipeline's own: it says that it was reached, and goes on when it may.
WAIT = '''
"""May we go on?"""

import time
from pathlib import Path

from lockgate.evaluation.estimation.estimate import counted
from lockgate.gates.gate import Gate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.subject import Subject


class Wait(Gate):
    """Waits for the file `go`."""

    subjects = {"waits": Subject("waits", "lower", counted=True, bounds=(0, None))}
    default_require = ("waits <= 1",)

    def check(self, case):
        Path("waiting").touch()
        if Path("broken").exists():
            raise OSError("the disk is full")
        while not Path("go").exists():
            if Path("stop").exists():
                raise KeyboardInterrupt
            time.sleep(0.05)
        asked = self.requirements_for(case)
        found = [counted(name, line, value=1, units=1) for name, line in asked]
        yield from judge(self.title, asked, found, self.subjects)
'''

GATES = [METRICS, {"gate": "./gates/wait.py:Wait"}]


def until(true: Callable[[], object], running: subprocess.Popen[Any], log: Path | None = None) -> None:
    """Wait for something that a running process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        ended = running.poll() is not None
        assert not ended, log.read_text() if log else "".join(map(str, running.communicate()))
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kept(run: Path) -> dict[str, bytes]:
    """What the finished gates said, as it lies on disk."""
    return {path.name: path.read_bytes() for path in sorted((run / "gates").glob("*.json"))}
