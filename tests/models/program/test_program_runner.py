"""Programs of a project: run to their end in a folder of their own, held to a box and to a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from lockgate.errors import ModelFault
from lockgate.models.isolation.box import kernel
from lockgate.models.isolation.isolation_spec import Isolation
from lockgate.models.program.program_runner import Program, ProgramEnd, ProgramRunner

PATH = {"PATH": "/usr/bin:/bin"}


def run(
    tmp_path: Path, script: str, *, closed: tuple[Path, ...] = (), cancelled: Any = None, **known: Any
) -> ProgramEnd:
    """What `sh -c script` comes to."""
    (tmp_path / "project").mkdir(exist_ok=True)
    runner = ProgramRunner(
        root=tmp_path / "project", environ={**PATH, "AWS_SECRET": "s3cr3t"}, scratch=tmp_path / "scratch", closed=closed,
        cancelled=cancelled,
    )  # fmt: skip
    fields = {"name": "checks", "python": sys.executable, "timeout_s": 60.0, **known}
    return runner.run(Program(command=("sh", "-c", script), **fields), runner.working_folder())


@pytest.mark.parametrize("boxed", [True, False])
def test_a_program_ends_with_its_own_code_and_what_it_wrote(tmp_path: Path, boxed: bool) -> None:
    """In its folder, with the variables that were added and without secrets of the job."""
    end = run(tmp_path, 'echo "$ADDED-$AWS_SECRET" > out; cat out; exit 3', variables={"ADDED": "yes"}, boxed=boxed)

    assert (end.code, end.output) == (3, "yes-")
    assert [path.read_text() for path in (tmp_path / "scratch").glob("program-*/out")] == ["yes-\n"]


@pytest.mark.skipif(not kernel().landlock, reason="this kernel has no Landlock")
def test_what_is_closed_cannot_be_read_and_what_it_is_given_can(tmp_path: Path) -> None:
    """The data, which are handed over as copies; without a box nothing is closed."""
    data, script = tmp_path / "project" / "d.csv", tmp_path / "project" / "check.txt"
    data.parent.mkdir()
    data.write_text("rows")
    script.write_text("words")
    command = f"cat {data} 2>/dev/null || echo closed; cat {script}"

    assert run(tmp_path, command, closed=(data,), reads=(script,)).output == "closed\nwords"
    assert run(tmp_path, command, closed=(data,), boxed=False).output == "rowswords"


@pytest.mark.parametrize("boxed", [True, False])
def test_a_program_that_does_not_end_in_time_is_ended_with_all_that_it_started(tmp_path: Path, boxed: bool) -> None:
    """And says how to give it longer."""
    script = f"sleep 60 & echo $! > pid; {sys.executable} -c 'import time; time.sleep(60)'"
    with pytest.raises(ModelFault, match=r"checks did not end within 0.5 s, and was killed; raise its timeout:"):
        run(tmp_path, script, timeout_s=0.5, boxed=boxed)

    texts = [path.read_text() for path in (tmp_path / "scratch").glob("program-*/pid")]
    ended = [int(text) for text in texts if text.strip()]
    assert not [pid for pid in ended if os.path.exists(f"/proc/{pid}/exe")]  # noqa: PTH110  # false for one not reaped


@pytest.mark.parametrize("boxed", [True, False])
def test_a_program_that_a_signal_ends_is_a_fault(tmp_path: Path, boxed: bool) -> None:
    """Never an exit code that a gate could take for an answer."""
    with pytest.raises(ModelFault, match=r"checks crashed while running \(segmentation fault, SIGSEGV\)"):
        run(tmp_path, "kill -SEGV $$", boxed=boxed)


def test_a_run_that_is_cancelled_ends_its_programs(tmp_path: Path) -> None:
    """At once."""
    with pytest.raises(ModelFault, match="checks was cancelled while it ran"):
        run(tmp_path, "sleep 60", cancelled=lambda: True)


@pytest.mark.parametrize("boxed", [True, False])
def test_a_program_that_is_not_there_is_named(tmp_path: Path, boxed: bool) -> None:
    """With where it is looked for."""
    runner = ProgramRunner(root=tmp_path, environ=PATH, scratch=tmp_path / "s", isolation=Isolation())
    program = Program(name="checks", command=("no-such",), python=sys.executable, timeout_s=9, boxed=boxed)
    with pytest.raises(
        ModelFault, match=r"checks does not start: No such file or directory \(no-such\); name a program"
    ):
        runner.run(program, runner.working_folder())


def test_a_named_python_is_a_path_of_the_project_or_a_name(tmp_path: Path) -> None:
    """And where none is named that of the models."""
    runner = ProgramRunner(root=tmp_path, environ=PATH, scratch=tmp_path, default_python=lambda: "python3.11")

    assert runner.python(".venv/bin/python") == str(tmp_path / ".venv/bin/python")
    assert runner.python("/opt/python") == "/opt/python"
    assert runner.python("python3") == "python3"
    assert runner.python(None) == "python3.11"
