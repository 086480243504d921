"""Every way in which a model breaks is a fault that says so, with its last lines and a remedy; nothing is left of it."""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from helpers.model_processes import environ, survivors
from lockgate.errors import ModelFault
from lockgate.models import child_process
from lockgate.models.child_process import Attempt, ChildProcess
from lockgate.models.isolation.box import Box, make_box
from lockgate.models.isolation.isolation_spec import Isolation
from lockgate.models.model import LoadPlan
from lockgate.models.process.failures import denied_by_box, model_error
from lockgate.models.process.host_errors import Reported
from lockgate.models.process.model import ProcessModel

Do = Callable[..., pa.RecordBatch]
Open = Callable[..., ProcessModel]


def fault_of(model: ProcessModel, batch: pa.RecordBatch) -> ModelFault:
    """The fault in which asking ends."""
    with pytest.raises(ModelFault) as fault:
        list(model.predict([batch]))
    return fault.value


def test_a_model_that_raises_is_a_fault_and_may_be_asked_again(calm: ProcessModel, do: Do) -> None:
    """Its own words, and the place in its stderr."""
    fault = fault_of(calm, do("raise", rows=500))

    assert fault.message == "candidate raised ValueError: no such merchant, while predicting 500 rows"
    assert fault.stderr.endswith("ValueError: no such merchant")
    assert 'raise ValueError("no such merchant")' in fault.stderr
    assert [answer.num_rows for answer in calm.predict([do("answer")])] == [1]


def test_the_file_that_holds_output_whole_does_not_fill_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bound is that of each process."""
    monkeypatch.setattr(child_process, "_COPY_BYTES", 10**6)
    copy = tmp_path / "output.txt"
    child = ChildProcess(
        ["/bin/sh", "-c", "head -c 3000000 /dev/zero"], env={"LOCKGATE_MODEL_OUTPUT": str(copy)}, cwd=None
    )
    while child.written < 3_000_000:
        child.wait()
    child.end()

    assert child.written == 3_000_000
    assert 9 * 10**5 < copy.stat().st_size <= 10**6


def test_an_error_holds_no_row_of_the_data_and_a_file_of_ones_own_holds_it_whole(
    trickster: Open, do: Do, tmp_path: Path, warm_python: str
) -> None:
    """The type and the code stay; the value, which the model quotes, and what it printed are kept on this machine only."""
    whole = tmp_path / "output.txt"
    model = trickster(python=warm_python, environ={**environ(), "LOCKGATE_MODEL_OUTPUT": str(whole)})
    fault = fault_of(model, do("quote Alice Smith", rows=2))
    first_error = model.drive(LoadPlan(requests=1), do("quote Alice Smith")).first_error

    assert fault.message == "candidate raised ValueError: bad row of … …, while predicting 2 rows"
    assert first_error == "ValueError: bad row of … …"
    assert "Alice" not in fault.stderr
    assert 'raise ValueError(f"bad row of {' in fault.stderr
    assert "asked about Alice Smith" in whole.read_text()
    assert "ValueError: bad row of Alice Smith" in whole.read_text()
    assert whole.stat().st_mode & 0o077 == 0


def test_a_model_that_runs_out_of_memory_says_so(calm: ProcessModel, do: Do) -> None:
    """A MemoryError is not a bug in predict."""
    fault = fault_of(calm, do("run out of memory"))

    assert fault.message.startswith("candidate ran out of memory while predicting 1 row (")
    assert fault.remedy == "give the job more memory, or send smaller batches"


def test_a_model_that_lacks_a_library_names_it_and_the_command_that_adds_it(calm: ProcessModel, do: Do) -> None:
    """The module, the python, pip."""
    fault = fault_of(calm, do("import"))

    assert fault.message.startswith("candidate needs the module 'surely_absent', which ")
    assert f"`{sys.executable} -m pip install surely_absent`" in str(fault.remedy)


def test_a_model_that_prints_harms_nothing(calm: ProcessModel, do: Do) -> None:
    """A megabyte on stdout disturbs neither the answer nor the pipe; its last lines are kept, no more."""
    (answer,) = calm.predict([do("print", rows=3)])

    assert answer.to_pydict() == {"prediction": [0.0, 1.0, 2.0]}
    kept = calm.stderr.splitlines()
    assert kept[-1] == "the last line"
    assert len(kept) == 40


@pytest.mark.parametrize(
    ("what", "sentence", "remedy"),
    [
        (
            "SIGKILL",
            "candidate was killed by SIGKILL while predicting 1 row, often the kernel's out-of-memory killer",
            "give the job more memory, or send smaller batches",
        ),
        ("SIGTERM", "candidate was killed by SIGTERM while predicting 1 row", "find out what sends it"),
        ("crash", "candidate crashed while predicting 1 row (segmentation fault, SIGSEGV)", "a native library broke"),
        ("SIGABRT", "candidate crashed while predicting 1 row (SIGABRT)", "a native library broke"),
        ("exit", "candidate ended its process with exit code 0 while predicting 1 row", "must not call exit"),
        ("exit at once", "candidate ended its process with exit code 0 while predicting 1 row", "must not call exit"),
        (
            "write into every pipe",
            "candidate wrote into the line between its process and lockgate while predicting 1 row, and was killed",
            "its code must leave file descriptors alone",
        ),
        (
            "close every descriptor",
            "candidate closed the line between its process and lockgate while predicting 1 row, and was killed",
            "its code must leave file descriptors alone",
        ),
    ],
)
def test_a_model_whose_process_ends_is_a_fault_that_stays(
    trickster: Open, do: Do, what: str, sentence: str, remedy: str, warm_python: str
) -> None:
    """The signal or exit code is named, the process is gone, and asking again says the same."""
    model = trickster(python=sys.executable if what == "SIGKILL" else warm_python)
    fault = fault_of(model, do(what))

    assert fault.message == sentence
    assert str(fault.remedy).startswith(remedy) or remedy in str(fault.remedy)
    assert model.pid not in survivors()
    assert fault_of(model, do("answer")) is fault
    if what == "crash":
        assert "about to crash" not in fault.stderr
        assert "Fatal Python error: Segmentation fault" in fault.stderr


@pytest.mark.parametrize("what", ["hang", "hang with the lock", "ignore SIGTERM and hang"])
def test_a_model_that_outlives_its_time_limit_is_killed(trickster: Open, do: Do, what: str, warm_python: str) -> None:
    """Whether it sleeps, holds the interpreter or ignores signals; its stack says where it stood."""
    python = sys.executable if what == "ignore SIGTERM and hang" else warm_python
    model = trickster(python=python, timeout_s=1.0, load_timeout_s=60.0, name="champion")
    fault = fault_of(model, do(what))

    assert fault.message == "champion did not answer within 1 s while predicting 1 row, and was killed"
    assert "in act" in fault.stderr
    assert model.pid not in survivors()


@pytest.mark.parametrize("loop", [{}, {"concurrency": 2}])
def test_one_request_of_a_load_that_hangs_ends_the_block(
    trickster: Open, do: Do, warm_python: str, loop: dict[str, int]
) -> None:
    """The limit is that of one request, however many there are."""
    model = trickster(python=warm_python, timeout_s=1.0, load_timeout_s=60.0)
    with pytest.raises(ModelFault) as fault:
        model.drive(LoadPlan(requests=40, **loop), do(*["stall"] * 39, "hang"))

    assert (
        fault.value.message
        == "candidate did not answer within 1 s while answering 40 requests of 1 rows, and was killed"
    )


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("raise", "candidate could not be loaded: ValueError: no such merchant"),
        ("script", "candidate could not be loaded: AttributeError: module '__main__' has no attribute 'flatten'"),
        ("import", "candidate needs the module 'surely_absent', which"),
        ("exit", "candidate ended its process with exit code 0 while loading"),
        ("hang", "candidate did not answer within 6 s while loading, and was killed"),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why(trickster: Open, what: str, sentence: str, warm_python: str) -> None:
    """And is not asked any more."""
    limit = 6.0 if what == "hang" else 60.0
    model = trickster(python=warm_python, environ=environ(TRICKSTER_LOAD=what), load_timeout_s=limit)
    with pytest.raises(ModelFault) as fault:
        model.load()

    assert fault.value.message.startswith(sentence)
    assert (what == "script") == ("log the model with code_paths=[that file]" in (fault.value.remedy or ""))
    assert model.pid not in survivors()
    with pytest.raises(ModelFault) as again:
        model.usage()
    assert again.value is fault.value


def test_a_folder_that_is_no_model_says_so(tmp_path: Path, warm_python: str) -> None:
    """As mlflow puts it."""
    with (
        ProcessModel(tmp_path, python=warm_python, environ=environ()) as model,
        pytest.raises(ModelFault, match=r"candidate could not be loaded: MlflowException: .*MLmodel"),
    ):
        model.load()


def test_a_python_that_does_not_start_is_a_fault(tmp_path: Path) -> None:
    """With the key that names another."""
    with pytest.raises(ModelFault, match=r"does not start .*environment: \{python: PATH\}"):
        ProcessModel(tmp_path, python=str(tmp_path / "python"), environ={}).load()


def test_cancelling_ends_the_model_that_is_being_waited_for(trickster: Open, do: Do, warm_python: str) -> None:
    """The question is asked several times a second."""
    asked = iter([False] * 3)
    model = trickster(python=warm_python)
    model.load()
    model._cancelled = lambda: next(asked, None) is not False  # after loading, so that the hang is what is cancelled

    assert fault_of(model, do("hang")).message == "candidate was cancelled while predicting 1 row"


def test_two_models_load_beside_each_other(trickster: Open, do: Do, warm_python: str) -> None:
    """`start` returns at once, `load` waits; a model that was never loaded is closed like any other."""
    first, second, unused = (
        trickster(python=warm_python, name=name) for name in ("candidate", "champion", "candidate")
    )
    for model in (first, second, unused):
        model.start()

    assert len({first.pid, second.pid, unused.pid}) == 3
    assert first.load().python == second.load().python
    unused.close()
    unused.close()
    with pytest.raises(ModelFault, match="candidate is closed"):
        unused.load()


def test_what_a_model_started_ends_with_it(trickster: Open, do: Do) -> None:
    """Its children, and those that it took out of its session."""
    model = trickster()
    list(model.predict([do("start children")]))
    assert len(survivors() - {model.pid}) >= 2
    before = survivors()
    model.close()

    assert survivors() < before
    assert len(before - survivors()) == 3


def test_a_model_started_by_a_thread_outlives_the_thread(trickster: Open, do: Do) -> None:
    """Its life hangs on this process, not on the thread that happened to start it."""
    model = trickster()
    thread = threading.Thread(target=model.start)
    thread.start()
    thread.join()

    assert [answer.num_rows for answer in model.predict([do("answer")])] == [1]


def test_a_model_that_is_forgotten_ends(trickster_folder: Path) -> None:
    """Without a close, as soon as nobody refers to it."""
    model = ProcessModel(trickster_folder, python=sys.executable, environ=environ())
    model.start()
    pid = model.pid
    assert pid in survivors()
    del model
    gc.collect()

    assert pid not in survivors()


_PARENT = """
import sys
from pathlib import Path
import pyarrow as pa
from lockgate.models.process.model import ProcessModel
import os

folder, what, scratch = sys.argv[1:]
model = ProcessModel(Path(folder), python=sys.executable, environ=os.environ, scratch=Path(scratch))
model.load()
batch = pa.RecordBatch.from_pydict({"do": [what]})
list(model.predict([pa.RecordBatch.from_pydict({"do": ["start children"]})]))
print(model.pid, flush=True)
list(model.predict([batch]))
"""


@pytest.mark.parametrize(
    ("what", "sent", "code"),
    [
        ("hang with the lock", signal.SIGKILL, -signal.SIGKILL),
        ("hang", signal.SIGINT, -signal.SIGINT),
        ("answer", None, 0),
    ],
)
def test_a_model_never_outlives_the_process_that_asked_it(
    trickster_folder: Path, tmp_path: Path, what: str, sent: signal.Signals | None, code: int
) -> None:
    """Killed, interrupted, or ended without a close: the kernel, the exception and the exit each take the model along."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(trickster_folder), what, str(tmp_path)],
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    host = int(parent.stdout.readline())
    watched = _watch(host) if sent is not None else None
    if sent is not None:
        parent.send_signal(sent)

    assert parent.wait(60) == code
    parent.stdout.close()
    if watched is not None:
        assert select.select([watched], [], [], 10)[0], "the model's process outlived its parent by ten seconds"
        os.close(watched)
    for stray in survivors():
        if "sleep" in Path(f"/proc/{stray}/cmdline").read_text() and sent is signal.SIGKILL:
            watched = _watch(stray)
            os.kill(stray, signal.SIGKILL)  # out of the session, and nobody is left who could look for it
            assert select.select([watched], [], [], 10)[0]
            os.close(watched)


def _watch(pid: int) -> Any:
    return os.pidfd_open(pid)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Of a model of the project in `tmp_path`, whose data are `data.parquet`."""
    box = make_box(
        Isolation(), python=sys.executable, environ=os.environ, folder=tmp_path, scratch=tmp_path, root=tmp_path,
        forbidden=[tmp_path / "data.parquet"],
    )  # fmt: skip
    if box is None:
        pytest.skip("this kernel has no Landlock")
    return box


@pytest.mark.parametrize(
    ("functions", "line"), [(False, "isolation: {read: [PATH]}"), (True, "read: [PATH] beside the function")]
)
def test_what_a_function_was_denied_is_not_opened_to_the_model(
    tmp_path: Path, box: Box, functions: bool, line: str
) -> None:
    """It may be the truth that the model is measured by."""
    path = tmp_path / "table.csv"
    path.write_text("")
    fault = denied_by_box(ModelFault("a"), str(path), box, functions=functions)

    assert line.replace("PATH", str(path)) in str(fault.remedy)
    assert ("isolation" in str(fault.remedy)) is not functions


@pytest.mark.parametrize(
    "path", ["data.parquet", ".", ".git/config", ".gate", ".ssh/id_ed25519", "/etc/shadow", "/etc"]
)
def test_what_no_model_reads_is_never_advised_to_be_opened(tmp_path: Path, box: Box, path: str) -> None:
    """Whatever a process says that it was denied."""
    (tmp_path / path).parent.mkdir(exist_ok=True)
    if not (tmp_path / path).exists():
        (tmp_path / path).write_text("")

    assert "read:" not in str(denied_by_box(ModelFault("a"), str(tmp_path / path), box, functions=False).remedy)


def test_a_module_that_our_own_python_has_is_not_called_missing() -> None:
    """Where code of a `.pth` file led this process to it, the model's box, which runs none, does not open its folder."""
    attempt = Attempt("candidate", "loading", sys.executable, 60.0)
    error = Reported(
        "import", "ModuleNotFoundError", "No module named 'mlflow.pyfunc'", None, "mlflow.pyfunc", None, False, None
    )
    fault = model_error(attempt, error, "")
    folder = sysconfig.get_path("purelib")

    assert (
        f"the module 'mlflow.pyfunc', which its box does not let it read: {folder}, of which only code" in fault.message
    )
    assert fault.remedy == f"write isolation: {{read: [{folder}]}}, or name that folder in PYTHONPATH"
    absent = replace(error, module="not_there_at_all")
    assert "'not_there_at_all', which" in model_error(attempt, absent, "").message
    assert " does not have (while loading)" in model_error(attempt, absent, "").message
