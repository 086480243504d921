"""The interpreter of a model, and which of our environment variables it sees."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from lockgate.errors import UsageError

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

    Raises UsageError.
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
    for name in ("python", "python3"):
        path = shutil.which(name, path=environ.get("PATH", os.defpath))
        if path:
            return path
    raise UsageError(
        "no python was found for the models: VIRTUAL_ENV is not set, and neither python nor python3 is on PATH",
        remedy="activate the environment that the models need, or name its python with environment: {python: PATH}",
    )


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
