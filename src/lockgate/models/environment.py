"""The interpreter of a model, and which of our environment variables it sees."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

from lockgate.errors import UsageError

_LOG = logging.getLogger(__name__)
# Like the host, it may find the library by PYTHONPATH, and not in the working folder.
_HAS_MLFLOW = (
    "import sys; sys.path = [each for each in sys.path if each]; from importlib.util import find_spec; "
    "sys.exit(find_spec('mlflow') is None)"
)
_PROBE_S = 30.0
_SECRET_PARTS = re.compile("SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|WEBHOOK")
_SECRET_WORDS = re.compile("(^|_)(TOKENS?|KEYS?|PAT|AUTH|JWT|CREDS?|BEARER)(_|$)|(^|_)(PWD|PASS)$(?<!^PWD)")
# Two words in one, as in MYAPIKEY, DBPASS or authtoken; MONKEY, KEYBOARD and TOKENIZERS are none of them.
_SECRET_ENDS = re.compile(
    "(API|ACCESS|SECRET|PRIVATE|SIGNING|ENCRYPTION|MASTER|ACCOUNT|SHARED|STORAGE|LICENSE|SERVICE|SSH|GPG|HMAC)KEYS?(_|$)"
    "|[A-Z0-9]TOKEN(_|$)|(DB|PG|SQL|USER|ADMIN|ROOT|FTP|SMTP|MAIL|LDAP|REDIS)(PASS|PWD|PW)(_|$)"
)
_HUMP = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_NO_SECRET = re.compile(r"\d{1,5}|true|false|yes|no|on|off", re.IGNORECASE)
_SECRET_PREFIXES = ("MLFLOW_TRACKING_", "MLFLOW_REGISTRY_", "AWS_", "DATABRICKS_", "GITHUB_", "ACTIONS_", "SSH_")
_URL_WITH_PASSWORD = re.compile(r"://(?P<user>[^/\s:@]*):(?P<password>[^/\s]+)@")


def job_python(environ: Mapping[str, str]) -> str:
    """Find the job's own python: `$GATE_PYTHON`, else `$VIRTUAL_ENV/bin/python`, else `python` or `python3` on its PATH.

    Where that one on PATH has no mlflow, without which no model loads, and `gate` was called by its path in an environment
    that nobody activated, it is the python of that environment. Raises UsageError.
    """
    if environ.get("GATE_PYTHON"):
        named = shutil.which(environ["GATE_PYTHON"], path=environ.get("PATH", os.defpath))
        if named is None:
            raise UsageError(
                f"GATE_PYTHON names {environ['GATE_PYTHON']!r}, which is no program here",
                remedy="name the python that the models need, by its path or by a name on PATH",
            )
        return named
    if environ.get("VIRTUAL_ENV"):
        own = Path(environ["VIRTUAL_ENV"]) / "bin" / "python"
        if os.access(own, os.X_OK):
            return str(own)
    on_path = filter(None, (shutil.which(name, path=environ.get("PATH", os.defpath)) for name in ("python", "python3")))
    path, beside = next(on_path, None), _python_beside_gate()
    if path is not None and (
        beside is None or _are_one(path, beside) or _has_mlflow(path, tuple(sorted(environ.items())))
    ):
        return path
    if beside is not None:
        _say_beside(path, beside)
        return beside
    raise UsageError(
        "no python was found for the models: VIRTUAL_ENV is not set, and neither python nor python3 is on PATH",
        remedy="activate the environment that the models need, or name its python with environment: {python: PATH}",
    )


def _python_beside_gate() -> str | None:
    """The python of the environment whose `gate` was called; None where the call came from elsewhere, as by a link."""
    command, python = Path(sys.argv[0]), Path(sys.executable)
    try:
        return sys.executable if command.stem == "gate" and command.parent.samefile(python.parent) else None
    except OSError:
        return None


def _are_one(path: str, other: str) -> bool:
    """Whether two paths are of one python in one environment, whose folder tells it from others of the same file."""
    return Path(path).samefile(other) and Path(path).parent.samefile(Path(other).parent)


@lru_cache(maxsize=8)
def _has_mlflow(python: str, environ: tuple[tuple[str, str], ...]) -> bool:
    """Whether mlflow can be imported there; also where that cannot be found out, as the model's process will say."""
    try:
        done = subprocess.run(
            [python, "-c", _HAS_MLFLOW], env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_PROBE_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 1


@lru_cache(maxsize=8)
def _say_beside(path: str | None, beside: str) -> None:
    """Said once a command: versions of libraries decide what a model answers."""
    lacks = "there is no python on PATH" if path is None else f"{path}, the python on PATH, has no mlflow"
    _LOG.info("%s; models answer under %s, where gate is installed", lacks, beside)


def interpreter(python: str) -> str:
    """Make an interpreter independent of the working folder: a path becomes absolute, links unfollowed; a name stays."""
    return os.path.abspath(python) if os.sep in python else python  # noqa: PTH100  # a link may be an environment's own


def model_environment(environ: Mapping[str, str], *, keep: Collection[str] = ()) -> dict[str, str]:
    """Return what a model sees of our environment: all but what opens the registry, the CI job or somebody's account.

    Left out: names that hold SECRET, PASSWORD, PASSWD, PASSPHRASE, CREDENTIAL or WEBHOOK, or have one of the words TOKEN,
    KEY, PAT, AUTH, JWT, CRED, BEARER (`API_KEY`, `api-key`, `apiKey`), or end in PASS or PWD as a word, or join two, as
    MYAPIKEY, AUTHTOKEN and DBPASS do, unless the value is a small number or a switch; names that begin with MLFLOW_TRACKING_, MLFLOW_REGISTRY_, AWS_,
    DATABRICKS_, GITHUB_, ACTIONS_ or SSH_; values that hold a URL with a password. `keep` names exceptions.
    Relative entries of PYTHONPATH become absolute, because the model may work in another folder; MLflow's own
    telemetry is off, because it would share the model's processor.
    """
    visible = {name: value for name, value in environ.items() if name in keep or not is_secret(name, value)}
    if visible.get("PYTHONPATH"):
        visible["PYTHONPATH"] = os.pathsep.join(
            str(Path(entry).absolute()) for entry in visible["PYTHONPATH"].split(os.pathsep)
        )
    visible.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return visible


def is_secret(name: str, value: str) -> bool:
    """Return whether the rule of `model_environment` leaves the variable out."""
    return (
        name.upper().startswith(_SECRET_PREFIXES)
        or (_names_a_secret(name) and not _NO_SECRET.fullmatch(value))
        or _URL_WITH_PASSWORD.search(value) is not None
    )


def secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of variables whose names say that they are secret, and passwords in addresses, each once."""
    values = [value for name, value in environ.items() if _names_a_secret(name) and not _NO_SECRET.fullmatch(value)]
    for value in environ.values():
        values += [match["password"] for match in _URL_WITH_PASSWORD.finditer(value)]
    return tuple(dict.fromkeys(filter(None, values)))


def _names_a_secret(name: str) -> bool:
    words, joined = _HUMP.sub("_", name).upper(), re.sub("[^A-Z0-9]", "_", name.upper())
    patterns = (_SECRET_PARTS, _SECRET_WORDS, _SECRET_ENDS)
    return any(pattern.search(text) is not None for pattern in patterns for text in (words, joined))
