"""Run programs of a project to their end: each in a box like a model's, in a folder of its own, within a time limit."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockgate.errors import ModelFault
from lockgate.models.child_process import MODEL_HOST, Attempt, ChildProcess, killed_by_signal
from lockgate.models.environment import interpreter, job_python, model_environment
from lockgate.models.isolation.box import Box, boxed, make_box
from lockgate.models.isolation.interpreter_paths import interpreter_behind
from lockgate.models.isolation.isolation_spec import Isolation
from lockgate.models.safe_text import RowText

_LAST_SIGNAL = 64
_TURN_SECONDS = 0.2  # after which it is asked whether the run was cancelled


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run. name: as sentences call it. command: its words, the first a path or a name on PATH.

    python: the interpreter that it runs under, whose packages it may read. reads: files and folders that it may read beside
    what every model reads. variables: added to its environment. boxed: whether it is held in a box where there is one.
    begins_in: where it works, if not in its own folder. ports: of servers on this machine that it may reach.
    """

    name: str
    command: tuple[str, ...]
    python: str
    timeout_s: float
    reads: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    boxed: bool = True
    begins_in: Path | None = None
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class ProgramEnd:
    """How it ended by itself. output: the last lines that it wrote, as they are. isolation: what its box holds it to."""

    code: int
    output: str
    isolation: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ProgramRunner:
    """Runs programs of the project in `root`. default_python: returns the one that models answer under where none is named.

    scratch: where their working folders go. closed: files and folders that stay closed to them, such as the data.
    """

    root: Path
    environ: Mapping[str, str]
    scratch: Path
    isolation: Isolation = field(default_factory=Isolation)
    closed: tuple[Path, ...] = ()
    default_python: Callable[[], str] | None = None
    cancelled: Callable[[], bool] | None = None

    def python(self, path: str | None) -> str:
        """The interpreter at a path of the pipeline or of that name; where None that of the models. Raises UsageError."""
        if path is not None:
            named = str(self.root / path) if os.sep in path else path
        else:
            named = job_python(self.environ) if self.default_python is None else self.default_python()
        return interpreter(named)

    def working_folder(self) -> Path:
        """A new folder for one program, empty."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="program-", dir=self.scratch))

    def run(self, program: Program, folder: Path) -> ProgramEnd:
        """Run a program in its folder, which it may write, until it ends by itself; what it started ends with it.

        Raises ModelFault where it does not start, is ended by a signal, by its time limit or by a limit of its box, and
        UsageError where a box is required that this machine does not have.
        """
        environ = {**model_environment(self.environ), **program.variables}
        began = time.monotonic()
        try:
            box = self._box(program, folder, environ)
            child = _start(program.command, environ, program.begins_in or folder, box)
        except OSError as error:
            raise ModelFault(
                f"{program.name} does not start: {error.strerror or error} ({error.filename or program.command[0]})",
                remedy="name a program and a python that are there, by a path from the project's root or a name on PATH",
            ) from error
        try:
            code = self._await(child, program, began)
        finally:
            child.end()
        if box is None and 128 < code <= 128 + _LAST_SIGNAL:
            code = 128 - code  # as our host passes it on
        if code < 0:
            attempt = Attempt(program.name, "running", program.python, program.timeout_s)
            raise killed_by_signal(attempt, -code, RowText().output(child.stderr), limit=child.limit)
        return ProgramEnd(code, child.stderr, {} if box is None else box.facts)

    def _await(self, child: ChildProcess, program: Program, began: float) -> int:
        """The exit code of a process that ends by itself, negative for a signal. Raises ModelFault."""
        while True:
            seconds_left = began + program.timeout_s - time.monotonic()
            code = child.wait(max(0.0, min(_TURN_SECONDS, seconds_left)))
            if code is not None:
                return code
            if self.cancelled is not None and self.cancelled():
                raise ModelFault(f"{program.name} was cancelled while it ran")
            if seconds_left <= 0:
                raise ModelFault(
                    f"{program.name} did not end within {program.timeout_s:g} s, and was killed",
                    remedy="raise its timeout: if it only needs longer",
                    stderr=RowText().output(child.stderr),
                )

    def _box(self, program: Program, folder: Path, environ: Mapping[str, str]) -> Box | None:
        isolation = self.isolation if program.boxed else self.isolation.model_copy(update={"require": "off"})
        python = interpreter_behind(program.python, environ) if boxed(isolation) else program.python
        box = make_box(
            isolation, python=python, environ=environ, folder=folder, scratch=folder, root=self.root,
            forbidden=self.closed, hosts=program.reads,
        )  # fmt: skip
        return box if box is None else box.reaching(program.ports)


def _start(command: Sequence[str], environ: Mapping[str, str], folder: Path, box: Box | None) -> ChildProcess:
    """Start a command that ends with us: its box sees to that, and our host where it has none. Raises OSError."""
    if box is not None:
        return ChildProcess(command, env=environ, cwd=folder, box=box, appended=False)
    path = shutil.which(command[0], path=environ.get("PATH", os.defpath))
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    host = [sys.executable, "-I", str(MODEL_HOST), "run"]
    return ChildProcess(host, after=[path, *command[1:]], env=environ, cwd=folder)
