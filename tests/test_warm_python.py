"""A forked process is to its caller what one of the real interpreter is; or tests that rest on it could not fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from helpers.model_processes import environ, save, survivors
from helpers.warm_python import OWN
from lockgate.errors import ModelFault
from lockgate.models.process.model import ProcessModel

SCRIPT = """
import json, os, signal, sys, time
what = sys.argv[1]
if what == "facts":
    file, variables = sys.argv[0], sorted(name for name in os.environ if name.startswith("SEEN"))
    own = open("/proc/self/environ").read().split(chr(0)) if os.path.exists("/proc/self/environ") else []
    shown = [entry for entry in own if entry.startswith("SEEN")]
    open_ = [number for number in range(3, 2_000) if os.path.exists(f"/proc/self/fd/{number}")]
    print(json.dumps([__name__, file, sys.argv[1:], os.getcwd(), variables, shown, open_, os.getsid(0) != int(sys.argv[2])]))
elif what.startswith("SIG"):
    os.kill(os.getpid(), getattr(signal, what))
elif what == "raise":
    raise ValueError("no such merchant")
elif what == "exit":
    sys.exit(7)
else:
    if what == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def started(python: str, script: Path, what: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [python, str(script), what], env=environ(), stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_it_has_the_arguments_folder_variables_and_descriptors_of_its_caller(
    warm_python: str, script: Path, tmp_path: Path
) -> None:
    """And nothing of the server's; /proc shows its variables too, where strays are looked for."""
    inherited, other = os.pipe()
    said = [
        json.loads(
            subprocess.run(
                [python, str(script), "facts", str(os.getsid(0))],
                cwd=tmp_path,
                env=environ(SEEN="1"),
                pass_fds=[inherited],
                start_new_session=True,
                capture_output=True,
                check=True,
            ).stdout
        )
        for python in (sys.executable, warm_python)
    ]
    os.close(inherited)
    os.close(other)

    assert said[0] == said[1]
    assert said[1][4:] == [["SEEN"], ["SEEN=1"], [inherited], True]


@pytest.mark.parametrize("what", ["exit", "raise", "SIGKILL", "SIGSEGV", "SIGTERM", "SIGABRT"])
def test_it_ends_as_the_real_one_does(warm_python: str, script: Path, what: str) -> None:
    """The exit code or signal, and the last line of what it wrote."""
    ended = [
        subprocess.run([python, str(script), what], env=environ(), capture_output=True, text=True)
        for python in (sys.executable, warm_python)
    ]

    assert ended[0].returncode == ended[1].returncode != 0
    assert [one.stderr.splitlines()[-1:] for one in ended] == [["ValueError: no such merchant"] * (what == "raise")] * 2


@pytest.mark.parametrize("what", ["sleep", "ignore"])
def test_whoever_ends_it_ends_what_was_forked_for_it(warm_python: str, script: Path, what: str) -> None:
    """A signal that may be ignored is passed on, and is no more ignored than there; a kill leaves nothing."""
    before = survivors()
    process = started(warm_python, script, what)
    process.terminate()
    if what == "ignore":
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.kill()

    assert process.wait(30) == (-signal.SIGTERM if what == "sleep" else -signal.SIGKILL)
    deadline = time.monotonic() + 30
    while survivors() - before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_option_is_left_to_the_real_one(warm_python: str) -> None:
    """A text alone is run as there: its arguments, its path, what others import as the main module."""
    asked = "import sys, __main__; print(sys.argv, sys.path[0], __main__.sys is sys, __name__, 'mlflow' in sys.modules)"
    said = [
        subprocess.run([*command, "-c", asked, "a b"], capture_output=True, text=True, check=True).stdout
        for command in ([sys.executable], [warm_python, "-S"], [warm_python])
    ]

    assert said[0] == said[1] == "['-c', 'a b']  True __main__ False\n"
    assert said[2].replace("True\n", "False\n") == said[0]
    assert said[2].endswith(f"{warm_python != sys.executable}\n")


def test_other_variables_of_a_library_are_left_to_the_real_one(warm_python: str, tmp_path: Path) -> None:
    """It was imported under the server's."""
    script = tmp_path / "script.py"
    script.write_text("import sys; print('mlflow' in sys.modules)")
    said = [
        subprocess.run(
            [warm_python, str(script)], env=environ(**more), capture_output=True, text=True, check=True
        ).stdout
        for more in ({}, {"OMP_NUM_THREADS": "3"})
    ]

    assert said == [f"{warm_python != sys.executable}\n", "False\n"]


@pytest.fixture(scope="module")
def trickster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("trickster.py", tmp_path_factory.mktemp("models") / "trickster")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("raise", "candidate raised ValueError: no such merchant, while predicting 1 row"),
        ("SIGKILL", "candidate was killed by SIGKILL while predicting 1 row, often the kernel's out-of-memory killer"),
        ("crash", "candidate crashed while predicting 1 row (segmentation fault, SIGSEGV)"),
        ("hang", "candidate did not answer within 1 s while predicting 1 row, and was killed"),
    ],
)
def test_a_model_that_breaks_there_is_the_same_fault(
    warm_python: str, trickster_folder: Path, what: str, sentence: str
) -> None:
    """With its last lines; nothing of it is left."""
    before = survivors()
    with (
        ProcessModel(trickster_folder, python=warm_python, environ=environ(), timeout_s=1.0) as model,
        pytest.raises(ModelFault) as fault,
    ):
        list(model.predict([pa.RecordBatch.from_pydict({"do": [what]})]))

    assert fault.value.message == sentence
    assert "in act" in fault.value.stderr or what == "SIGKILL"
    assert survivors() <= before


def test_what_it_starts_is_started_by_the_real_one_unless_another_is_named(warm_python: str, tmp_path: Path) -> None:
    """The variable that names it goes no further."""
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys; print(sys.executable, os.environ.get({OWN!r}))")
    said = [
        subprocess.run(
            [warm_python, str(script)], env=environ(**more), capture_output=True, text=True, check=True
        ).stdout
        for more in ({}, {OWN: "/elsewhere/python"})
    ]

    assert said[0] == f"{sys.executable} None\n"
    assert said[1] == "/elsewhere/python None\n" or warm_python == sys.executable
