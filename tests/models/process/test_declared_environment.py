"""The environment that a model declares: built once, by uv or by pip, never used half built."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import venv
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from helpers.model_processes import environ, save, survivors
from lockgate.errors import ModelFault
from lockgate.models.process.declared_environment import DeclaredEnvironment, declared_python, without_job_packages
from lockgate.models.process.model import ProcessModel

HERE = ".".join(map(str, sys.version_info[:2]))
UV = """#!{python}
# Stands in for uv: says what it was asked, and makes a folder that looks like an environment.
import os, pathlib, sys, time
log = pathlib.Path({log!r})
with log.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "venv":
    home = pathlib.Path(sys.argv[-1])
    assert not home.exists(), "half of an environment was still there"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to({python!r})
elif os.environ.get("UV_BREAKS"):
    sys.exit("no such distribution: " + os.environ["UV_BREAKS"])
elif os.environ.get("UV_HANGS"):
    time.sleep(600)
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A version's files, as far as they declare an environment."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "requirements.txt").write_text("mlflow==3.1.0\nscikit-learn==1.5.0\n")
    (folder / "python_env.yaml").write_text("python: 3.11.4\nbuild_dependencies: [pip]\n")
    return folder


@pytest.fixture
def uv(tmp_path: Path) -> dict[str, str]:
    """An environment whose `uv` writes down what it was asked."""
    folder = tmp_path / "tools"
    folder.mkdir()
    program = folder / "uv"
    program.write_text(UV.format(python=sys.executable, log=str(tmp_path / "uv.log")))
    program.chmod(0o755)
    return environ(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")


def calls(folder: Path) -> list[str]:
    log = folder / "uv.log"
    return log.read_text().splitlines() if log.exists() else []


def test_a_model_answers_under_what_it_declares(tmp_path: Path) -> None:
    """Built by the real uv; what a model needs to answer here is there too, and nothing of the job's own packages."""
    folder = save("trickster.py", tmp_path / "model")
    lines = [
        line
        for line in (Path(__file__).parents[3] / "constraints.txt").read_text().splitlines()
        if line.startswith(("mlflow-skinny=", "pandas=", "pyarrow=", "numpy="))
    ]
    (folder / "requirements.txt").write_text("\n".join(lines))
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where our own set-up installs uv
    cache, seen = tmp_path / "environments", environ(PYTHONPATH="src", PATH=beside)

    python = declared_python(folder, cache=cache, environ=seen)
    compiled = {each.parents[1].name for each in Path(python).parents[1].rglob("__pycache__/__init__.*.pyc")}
    with ProcessModel(folder, python=python, environ=without_job_packages(seen), scratch=tmp_path) as model:
        facts = model.load()
        (answer,) = model.predict([pa.RecordBatch.from_pydict({"do": ["answer"] * 2})])
    done = json.loads((Path(python).parents[1] / "lockgate.json").read_text())

    assert answer.num_rows == 2
    assert compiled > {"pyfunc", "pandas", "pyarrow"}  # which a box would not let the model's process keep
    assert "scikit-learn" not in facts.versions
    assert {f"{name}=={version}" for name, version in facts.versions.items()} == set(lines)
    assert done == {"python": HERE, "built_with": "uv", "added": []}


def test_an_environment_is_built_once(files: Path, uv: dict[str, str], tmp_path: Path) -> None:
    """With the declared Python, the declared requirements, and what else is needed to answer here."""
    first = declared_python(files, cache=tmp_path / "cache", environ=uv)
    second = declared_python(files, cache=tmp_path / "cache", environ=uv)

    home = str(Path(first).parents[1])
    assert first == second
    assert calls(tmp_path) == [
        f"venv --python 3.11 {home}",
        f"pip install --python {first} -r requirements.txt pandas pyarrow",
    ]


def test_two_runs_do_not_build_it_twice(files: Path, uv: dict[str, str], tmp_path: Path) -> None:
    """The second waits for the first."""
    found: list[str] = []
    both = [
        threading.Thread(target=lambda: found.append(declared_python(files, cache=tmp_path / "cache", environ=uv)))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert len(found) == 2
    assert len(calls(tmp_path)) == 2


def test_half_of_an_environment_is_never_used(files: Path, uv: dict[str, str], tmp_path: Path) -> None:
    """What a failed or a killed build left is built anew."""
    with pytest.raises(ModelFault) as caught:
        declared_python(files, cache=tmp_path / "cache", environ={**uv, "UV_BREAKS": "scikit-lern"})
    declared_python(files, cache=tmp_path / "cache", environ=uv)

    assert str(caught.value) == (
        "building the environment that candidate declares failed: uv ended with exit code 1; the last lines say which "
        "requirement; log the model with requirements that can be installed"
    )
    assert "no such distribution: scikit-lern" in caught.value.stderr
    assert [call.split()[0] for call in calls(tmp_path)] == ["venv", "pip", "venv", "pip"]


def test_a_cancelled_run_does_not_wait_for_the_build(files: Path, uv: dict[str, str], tmp_path: Path) -> None:
    """What builds ends with it, and nobody takes what it left for an environment."""
    cache = tmp_path / "cache"
    with pytest.raises(ModelFault, match="candidate was cancelled while building the environment"):
        declared_python(
            files, cache=cache, environ={**uv, "UV_HANGS": "1"}, cancelled=lambda: len(calls(tmp_path)) == 2
        )

    assert list(cache.glob("*/lockgate.json")) == []


def test_what_builds_sees_no_secrets_but_its_own(files: Path, uv: dict[str, str], tmp_path: Path) -> None:
    """A build runs other people's code; an index may want a password."""
    program = tmp_path / "tools" / "uv"
    kept = tmp_path / "seen"
    program.write_text(program.read_text() + f"\npathlib.Path({str(kept)!r}).write_text(repr(dict(os.environ)))\n")

    declared_python(
        files, cache=tmp_path / "cache", environ={**uv, "DEPLOY_TOKEN": "hidden-1", "UV_INDEX_MINE_PASSWORD": "shown-1",
                                                  "VIRTUAL_ENV": "/hidden-2", "PYTHONPATH": "hidden-3"},
    )  # fmt: skip

    assert "shown-1" in kept.read_text()
    assert "hidden" not in kept.read_text()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", "mlflow==3.1.0\nscikit-learn==1.5.1\n"),
        ("python_env.yaml", "python: 3.12.1\n"),
        ("wheel.whl", "other bytes"),
    ],
)
def test_another_declaration_is_another_environment(files: Path, file: str, text: str) -> None:
    """Requirements, Python, and the bytes of a wheel that lies beside them; comments are not part of it."""
    with (files / "requirements.txt").open("a") as requirements:
        requirements.write("wheel.whl\n")
    (files / "wheel.whl").write_text("bytes")
    before = DeclaredEnvironment.read(files, name="candidate")
    (files / "requirements.txt").write_text("# by hand\n\n" + (files / "requirements.txt").read_text())
    same = DeclaredEnvironment.read(files, name="champion")
    (files / file).write_text(text)

    assert same.key == before.key
    assert DeclaredEnvironment.read(files, name="candidate").key != before.key


def test_what_a_model_needs_to_answer_here_is_added(files: Path) -> None:
    """Where it is not declared, however it is written."""
    (files / "requirements.txt").write_text("Pandas[parquet]>=2  # frames\nscikit_learn\n-i https://index.example\n")

    assert DeclaredEnvironment.read(files, name="candidate").added == ("mlflow", "pyarrow")


def test_a_version_that_declares_nothing_says_so(tmp_path: Path) -> None:
    """With the two ways out."""
    with pytest.raises(ModelFault) as caught:
        DeclaredEnvironment.read(tmp_path, name="candidate")

    assert str(caught.value) == (
        "candidate declares no environment: its files have no requirements.txt that can be read; "
        "log it with pip_requirements=…, or write environment: current"
    )


def wheel(folder: Path, name: str) -> None:
    """The smallest that pip installs: one module that says its name."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"NAME = {name!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment without uv, neither on PATH nor beside us, and with an index of three small wheels."""
    tools, wheels = tmp_path / "bin", tmp_path / "wheels"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tools / "python"))
    wheels.mkdir()
    for name in ("mlflow", "pandas", "pyarrow"):
        wheel(wheels, name)
    ours = environ(PATH=str(tools), VIRTUAL_ENV="", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    return {**ours, "PIP_CONFIG_FILE": os.devnull}


def test_without_uv_pip_builds_it(files: Path, bare: dict[str, str], tmp_path: Path) -> None:
    """With the job's own python; what is declared and what is added are both there, and say what failed if they are not.

    No module that lies beside the model stands in for pip.
    """
    for name in ("pip", "venv"):
        (files / f"{name}.py").write_text("raise SystemExit(7)\n")
    (files / "python_env.yaml").write_text(f"python: {HERE}.1\n")
    with pytest.raises(ModelFault, match="python ended with exit code 1") as caught:
        declared_python(files, cache=tmp_path / "cache", environ=bare)
    (files / "requirements.txt").write_text("mlflow==1.0\n")

    python = declared_python(files, cache=tmp_path / "cache", environ=bare)
    said = subprocess.run(
        [python, "-c", "import mlflow, pandas, pyarrow; print(mlflow.NAME, pandas.NAME, pyarrow.NAME)"],
        capture_output=True,
        check=True,
        text=True,
    )
    done = json.loads((Path(python).parents[1] / "lockgate.json").read_text())

    assert "No matching distribution found" in caught.value.stderr
    assert said.stdout == "mlflow pandas pyarrow\n"
    assert done == {"python": HERE, "built_with": "venv and pip", "added": ["pandas", "pyarrow"]}


def test_where_the_job_has_no_pip_the_environment_gets_one(
    files: Path, bare: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is declared is installed by that."""
    venv.create(tmp_path / "job", symlinks=True)
    (files / "python_env.yaml").write_text(f"python: {HERE}.1\n")
    (files / "requirements.txt").write_text("mlflow==1.0\n")
    python = declared_python(files, cache=tmp_path / "cache", environ={**bare, "PATH": str(tmp_path / "job" / "bin")})

    subprocess.run([python, "-c", "import mlflow, pandas, pyarrow, pip"], check=True)


def test_pip_builds_for_no_other_python(files: Path, bare: dict[str, str], tmp_path: Path) -> None:
    """Then uv is what helps."""
    (files / "python_env.yaml").write_text("python: 3.8.1\n")
    with pytest.raises(ModelFault) as caught:
        declared_python(files, cache=tmp_path / "cache", environ=bare)

    assert str(caught.value) == (
        f"candidate declares Python 3.8, which {tmp_path / 'bin' / 'python'} is not, and uv is not installed; "
        "install uv (`pip install uv`), which brings Python 3.8"
    )


def test_uv_need_not_be_on_path(
    files: Path, uv: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was installed beside the python that runs us, as `pip install uv` does; that of PATH comes first."""
    beside = tmp_path / "beside"
    beside.mkdir()
    (tmp_path / "tools" / "uv").rename(beside / "uv")
    (beside / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(beside / "python"))

    first = declared_python(files, cache=tmp_path / "cache", environ={**uv, "PATH": str(tmp_path / "tools")})

    assert json.loads((Path(first).parents[1] / "lockgate.json").read_text())["built_with"] == "uv"
    assert [call.split()[0] for call in calls(tmp_path)] == ["venv", "pip"]


def test_the_build_ends_with_us(files: Path, uv: dict[str, str], tmp_path: Path) -> None:
    """Killed in the middle of it."""
    code = (
        "import os, sys; from pathlib import Path; from lockgate.models.process.declared_environment import declared_python;"
        "declared_python(Path(sys.argv[1]), cache=Path(sys.argv[2]), environ=os.environ)"
    )
    before = survivors()
    us = subprocess.Popen(
        [sys.executable, "-c", code, str(files), str(tmp_path / "cache")], env={**uv, "UV_HANGS": "1"}
    )
    while len(calls(tmp_path)) < 2:
        assert us.poll() is None
    watched = {pid: os.pidfd_open(pid) for pid in survivors() - before - {us.pid}}
    us.kill()
    us.wait()

    assert len(watched) == 2
    for pid, descriptor in watched.items():
        assert select.select([descriptor], [], [], 10)[0], f"process {pid} outlived us by ten seconds"
        os.close(descriptor)
