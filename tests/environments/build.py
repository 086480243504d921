"""The environments of programs that tests start for real: pinned in the files beside this one, built once, by uv.

`python tests/environments/build.py` builds all of them; a test that comes first builds the one that it needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = sorted(path.stem for path in HERE.glob("*.txt"))
_PYTHONS = ((3, 11), (3, 12))  # that all of these can be installed under
_PREPARED = {"airflow": ("airflow", "db", "migrate")}  # an empty database in `state`, of which each test has a copy
# The box of a model or program lets nothing be written beside libraries, so what Python compiles of them is compiled at once.
_COMPILED = """
import contextlib, importlib
for name in ("evidently.metrics", "great_expectations", "mlflow.pyfunc", "pandas", "pandera.pandas", "pandera.io",
             "pyarrow.pandas_compat", "pyarrow.parquet"):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""
_BUILT = Path(os.environ.get("LOCKGATE_TEST_SERVERS") or HERE.parents[1] / ".servers")


def environment(name: str) -> Path:
    """The folder of a program's environment, whose `bin` holds its command."""
    pins = (HERE / f"{name}.txt").read_bytes()
    own = sys.version_info[:2]
    python = sys.executable if own in _PYTHONS else "3.12"
    key = hashlib.sha256(pins + ".".join(map(str, own)).encode()).hexdigest()[:12]
    home, done = _BUILT / f"{name}-{key}", _BUILT / f"{name}-{key}.done"
    _BUILT.mkdir(parents=True, exist_ok=True)
    with (_BUILT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)
            uv = [sys.executable, "-m", "uv", "--quiet"]
            subprocess.run([*uv, "venv", "--python", python, str(home)], check=True)
            into = ["--python", str(home / "bin" / "python"), "--requirement", str(HERE / f"{name}.txt")]
            into += ["--find-links", links] if (links := os.environ.get("PIP_FIND_LINKS")) else []  # as pip itself does
            subprocess.run([*uv, "pip", "install", *into], check=True)
            environ = {**os.environ, "AIRFLOW_HOME": str(home / "state")}
            environ.pop("PYTHONDONTWRITEBYTECODE", None)
            subprocess.run(
                [home / "bin" / "python", "-c", _COMPILED], env=environ, stderr=subprocess.DEVNULL, check=False
            )
            if name in _PREPARED:
                prepared = [home / "bin" / _PREPARED[name][0], *_PREPARED[name][1:]]
                subprocess.run(prepared, env=environ, stdout=subprocess.DEVNULL, check=True)
            done.touch()
    return home


if __name__ == "__main__":
    for program in sys.argv[1:] or PROGRAMS:
        print(environment(program))
