"""Build the environment that a model declares, once for all versions that declare the same."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lockgate.errors import ModelFault
from lockgate.foreign import yaml as foreign_yaml
from lockgate.hashing import canonical, sha256, sha256_file
from lockgate.models.child_process import MODEL_HOST, ChildProcess
from lockgate.models.environment import job_python, model_environment
from lockgate.models.model_host import LIBRARIES

_DONE = "lockgate.json"
_BUILD_S = 1800.0  # for all commands of one build; torch and its like take minutes to download
_POLL_S = 0.1
_JOB_VARIABLES = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
_INSTALLS_ELSEWHERE = "import pip; assert tuple(map(int, pip.__version__.split('.')[:2])) >= (22, 3)"
# What Python compiles of the libraries stays beside them: a model's box lets nothing be written there.
_IMPORT = """
import importlib, sys
for name in ("mlflow.pyfunc", "pyarrow.pandas_compat", *sys.argv[1:]):
    try:
        importlib.import_module(name)
    except Exception:
        pass
"""
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True)
class DeclaredEnvironment:
    """The environment of a version: `requirements.txt` and the Python of `python_env.yaml`.

    python: such as 3.11; a bug-fix release of it is as good as another. added: what `model_host` needs and the version
    does not declare. key: digest of everything that the environment depends on, as far as files say it.
    """

    folder: Path
    python: str
    added: tuple[str, ...]
    key: str

    @classmethod
    def read(cls, folder: Path, *, name: str) -> DeclaredEnvironment:
        """Read it from the version's files. Raises ModelFault where they declare no environment."""
        file = folder / "requirements.txt"
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFault(
                f"{name} declares no environment: its files have no requirements.txt that can be read",
                remedy="log it with pip_requirements=…, or write environment: current",
            ) from error
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        declared_names = {match[1].lower().replace("_", "-") for line in lines if (match := _NAME.match(line))}
        added = [] if declared_names & {"mlflow", "mlflow-skinny"} else ["mlflow"]
        added += [library for library in ("pandas", "pyarrow") if library not in declared_names]
        python = _python(folder)
        parts = {
            "python": python,
            "requirements": lines,
            "added": added,
            "files": {line: sha256_file(folder / line) for line in lines if (folder / line).is_file()},
            "machine": [sys.platform, platform.machine()],
        }
        key = sha256(canonical(parts)).removeprefix("sha256:")[:20]
        return cls(folder, python, tuple(added), key)


def declared_python(
    folder: Path,
    *,
    cache: Path,
    environ: Mapping[str, str],
    name: str = "candidate",
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Return the python of the environment that the model in `folder` declares; build it in `cache` if it is not there.

    Two runs do not build it twice: the second waits for the first. A half-built one is built anew. uv builds it, from
    PATH or installed beside us, else `python -m venv` and pip where the job's python is of the declared version. Raises
    ModelFault.
    """
    declared = DeclaredEnvironment.read(folder, name=name)
    home = cache / declared.key
    python = home / "bin" / "python"
    stop = cancelled or (lambda: False)
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{declared.key}.lock", stop, name):
        if not (home / _DONE).is_file() or not python.exists():
            shutil.rmtree(home, ignore_errors=True)
            build = _Build(declared, home, environ=environ, name=name, cancelled=stop)
            build.run()
            done = {"python": declared.python, "built_with": build.tool, "added": list(declared.added)}
            part = home / f"{_DONE}.part"
            part.write_text(json.dumps(done))
            part.replace(home / _DONE)
    return str(python)


def without_job_packages(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that would mix the job's own packages into a declared environment."""
    return {name: value for name, value in environ.items() if name not in _JOB_VARIABLES}


class _Build:
    """The build of one environment; its commands end with us, and see no secrets but those of uv and pip."""

    def __init__(
        self,
        spec: DeclaredEnvironment,
        home: Path,
        *,
        environ: Mapping[str, str],
        name: str,
        cancelled: Callable[[], bool],
    ) -> None:
        self.spec, self.home, self.name, self.cancelled = spec, home, name, cancelled
        keep = [variable for variable in environ if variable.startswith(("UV_", "PIP_"))]
        self.env = model_environment(without_job_packages(environ), keep=keep)
        self.uv = _uv(environ)
        self.environ = environ
        self.deadline = time.monotonic() + _BUILD_S

    @property
    def tool(self) -> str:
        return "uv" if self.uv else "venv and pip"

    def run(self) -> None:
        python = str(self.home / "bin" / "python")
        packages = ["-r", "requirements.txt", *self.spec.added]
        if self.uv:
            self._call([self.uv, "venv", "--python", self.spec.python, str(self.home)])
            self._call([self.uv, "pip", "install", "--python", python, *packages])
            with suppress(ModelFault):  # what cannot be imported, the model that needs it says
                self._call(
                    [python, "-I", "-c", _IMPORT, *(name.replace("scikit-learn", "sklearn") for name in LIBRARIES)]
                )
            return
        own = job_python(self.environ)
        probe = "import sys; sys.exit('%d.%d' % sys.version_info[:2] != sys.argv[1])"
        try:
            self._call([own, "-I", "-c", probe, self.spec.python])
        except ModelFault as fault:
            raise ModelFault(
                f"{self.name} declares Python {self.spec.python}, which {own} is not, and uv is not installed",
                remedy=f"install uv (`pip install uv`), which brings Python {self.spec.python}",
            ) from fault
        try:
            self._call([own, "-I", "-c", _INSTALLS_ELSEWHERE])
            venv, pip = ["venv", "--without-pip"], [own, "-I", "-m", "pip", "--python", python]
        except ModelFault:  # then the environment gets a pip of its own, which takes as long as all else
            venv, pip = ["venv"], [python, "-I", "-m", "pip"]
        self._call([own, "-I", "-m", *venv, str(self.home)])  # isolated: a module beside the model is none of these
        self._call([*pip, "install", "--disable-pip-version-check", *packages])

    def _call(self, command: list[str]) -> None:
        doing = f"building the environment that {self.name} declares"
        child = ChildProcess(
            [sys.executable, "-I", str(MODEL_HOST), "run"], after=command, env=self.env, cwd=self.spec.folder.absolute()
        )
        try:
            while child.returncode is None:
                if self.cancelled():
                    raise ModelFault(f"{self.name} was cancelled while {doing}")
                if time.monotonic() > self.deadline:
                    raise ModelFault(f"{doing} took more than {_BUILD_S / 60:g} minutes", stderr=child.stderr)
                time.sleep(_POLL_S)
            code = child.wait()
            if code:
                raise ModelFault(
                    f"{doing} failed: {Path(command[0]).name} ended with exit code {code}",
                    remedy="the last lines say which requirement; log the model with requirements that can be installed",
                    stderr=child.stderr,
                )
        finally:
            child.end()


def _uv(environ: Mapping[str, str]) -> str | None:
    """Return the uv of PATH, else the one that `pip install uv` laid beside our own python, which need not be on PATH."""
    beside = Path(sys.executable).parent
    return shutil.which("uv", path=environ.get("PATH", os.defpath)) or shutil.which("uv", path=beside)


@contextmanager
def _locked(path: Path, cancelled: Callable[[], bool], name: str) -> Iterator[None]:
    """Let one builder in at a time; the kernel drops the lock if its process dies."""
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise ModelFault(f"{name} was cancelled while another run builds its environment") from None
                time.sleep(_POLL_S)
        yield


def _python(folder: Path) -> str:
    """`3.11` as `python_env.yaml` declares it, else the version that this program runs under."""
    try:
        python_env = foreign_yaml.read((folder / "python_env.yaml").read_text(encoding="utf-8"))
        match = re.match(r"(\d+\.\d+)", str(python_env.get("python")))
    except (OSError, ValueError, AttributeError):
        match = None
    return match[1] if match else platform.python_version().rpartition(".")[0]
