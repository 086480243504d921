"""MLflow client with timeouts, quiet logging and errors mapped to ours.

Reads are tried three times within a deadline. Writes are tried once: a repeated write can undo somebody else's.
The calls go to MLflow's own stores, one request each: its own client reads the model again before each write.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from lockgate.errors import Denied, NotFound, RegistryError, Unavailable, UnknownOutcome

READ_SECONDS = 5
READ_TRIES = 3
READ_DEADLINE_SECONDS = 20
WRITE_SECONDS = 25  # a server on SQLite may wait 20 s for its lock

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_USERS_TIMEOUT = os.environ.get(_TIMEOUT)


def _at_most(limit: int) -> str:
    """Our limit in seconds, or the user's own where that is lower."""
    text = _USERS_TIMEOUT or ""
    return str(min(limit, int(text))) if text.isdecimal() and int(text) > 0 else str(limit)


os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ[_TIMEOUT] = _at_most(READ_SECONDS)
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

_usual = gc.get_threshold()
gc.set_threshold(20_000, 20, 100)  # imports leave little to collect, and a tenth of their time goes into looking
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException
    from mlflow.tracking._model_registry import utils as model_stores
    from mlflow.tracking._tracking_service import utils as run_stores
gc.set_threshold(*_usual)

for _name in ("mlflow", "alembic", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)

T = TypeVar("T")

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
_FORBIDDEN = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"})
_DEFINITE = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "NOT_IMPLEMENTED", "INVALID_STATE"})
_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")
_FAULTS = (MlflowException, OSError, requests.RequestException, sqlalchemy.exc.SQLAlchemyError)

_PASSWORD = re.compile(r"//[^/@\s]+@")

_writes = threading.Lock()


@dataclass(frozen=True)
class Stores:
    """MLflow's stores at one address: registered models, and runs with their experiments."""

    uri: str
    models: Any
    runs: Any

    def artifacts(self, uri: str) -> Any:
        """The files below an address that a run or a version names."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(uri, tracking_uri=self.uri, registry_uri=self.uri)


class MlflowClient:
    """MLflow at one address. `uri` is used for models and runs alike."""

    def __init__(self, uri: str) -> None:
        scheme = urlsplit(uri).scheme
        if scheme.partition("+")[0] not in _SCHEMES:
            raise RegistryError(
                f"{redacted(uri)} is not an MLflow store that can hold a ledger",
                remedy="name a server (https://…) or a database (sqlite:///mlflow.db)",
            )
        self.uri = uri
        self._stores: Stores | None = None
        if self.database is not None and not self.database.parent.is_dir():
            raise RegistryError(
                f"the folder of {redacted(uri)} does not exist", remedy=f"make {self.database.parent} first"
            )

    @property
    def redacted_uri(self) -> str:
        return redacted(self.uri)

    @property
    def database(self) -> Path | None:
        """The file of a local SQLite store, None for any other."""
        return (
            Path(self.uri.partition(":///")[2].partition("?")[0]).resolve() if self.uri.startswith("sqlite") else None
        )

    def read(self, subject: str, call: Callable[[Stores], T]) -> T:
        """The result of a call that changes nothing. `subject` completes "while reading …".

        Raises NotFound, Denied or Unavailable.
        """
        began = time.monotonic()
        for attempt in range(1, READ_TRIES + 1):
            try:
                return self._call(call)
            except _FAULTS as fault:
                error = _error(fault, f"while reading {subject}", self.uri, write=False)
                late = time.monotonic() - began > READ_DEADLINE_SECONDS - READ_SECONDS
                if not isinstance(error, Unavailable) or attempt == READ_TRIES or (late and attempt > 1):
                    raise error from fault
            time.sleep(0.2 * attempt)
        raise AssertionError("unreachable")

    def read_pages(self, subject: str, call: Callable[[Stores, str | None], Any]) -> list[Any]:
        """Everything that a search finds, page by page. call: takes the token of a page, None for the first."""
        entities: list[Any] = []
        token: str | None = None
        while True:
            page = self.read(subject, lambda mlflow, token=token: call(mlflow, token))  # type: ignore[misc]
            entities += page
            token = page.token
            if not token:
                return entities

    def write(self, subject: str, call: Callable[[Stores], T]) -> T:
        """Make a call once. `subject` completes "while writing …". Raises UnknownOutcome where it may have happened."""
        with _patience(WRITE_SECONDS):
            try:
                return self._call(call)
            except _FAULTS as fault:
                raise _error(fault, f"while writing {subject}", self.uri, write=True) from fault

    def read_back(self, subject: str, failure: RegistryError, read: Callable[[], T]) -> T:
        """What stands after a write that failed. Raises UnknownOutcome where that cannot be read either."""
        try:
            return read()
        except RegistryError as error:
            raise UnknownOutcome(
                f"whether {subject} is not known: {error.message}",
                remedy="run the same command again once the registry answers; it finds out and goes on",
            ) from failure

    def _call(self, call: Callable[[Stores], T]) -> T:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if mlflow.get_tracking_uri() != self.uri:
                mlflow.set_tracking_uri(self.uri)
            if mlflow.get_registry_uri() != self.uri:
                mlflow.set_registry_uri(self.uri)
            if self._stores is None:
                self._stores = Stores(
                    self.uri, model_stores._get_store(self.uri, self.uri), run_stores._get_store(self.uri)
                )
            return call(self._stores)


def redacted(uri: str) -> str:
    """The address without its password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri


@contextmanager
def _patience(seconds: int) -> Iterator[None]:
    """How long MLflow waits for an answer inside the block; it reads this anew for every request."""
    with _writes:
        os.environ[_TIMEOUT] = _at_most(seconds)
        try:
            yield
        finally:
            os.environ[_TIMEOUT] = _at_most(READ_SECONDS)


def _error(fault: Exception, doing: str, uri: str, *, write: bool) -> RegistryError:
    code, message = _code(fault), _message(fault)
    where = f"the registry at {redacted(uri)}"
    if code in _ABSENT:
        return NotFound(f"{where} has no such thing {doing}: {message}", remedy="check the name and the version")
    if code in _FORBIDDEN:
        return Denied(
            f"{where} does not allow it {doing}: {message}",
            remedy="use a credential that may (MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN)",
        )
    if code == "ENDPOINT_NOT_FOUND":
        return RegistryError(f"{where} does not answer like MLflow {doing}: {message}", remedy="check registry.uri")
    if code in _DEFINITE:
        return RegistryError(f"{where} refused {doing}: {message}", remedy="see the registry's own log")
    remedy = "check that it is up and reachable from here, then run the same command again"
    if write and not any(sign in str(fault) for sign in ("Connection refused", "NewConnectionError", "NameResolution")):
        return UnknownOutcome(
            f"{where} gave no answer {doing}, which may have happened or not: {message}", remedy=remedy
        )
    return Unavailable(f"{where} gave no answer {doing}: {message}", remedy=remedy)


def _code(fault: Exception) -> str:
    if isinstance(fault, MlflowException):
        return str(fault.error_code)
    if isinstance(fault, requests.HTTPError) and fault.response is not None:
        status = fault.response.status_code
        return {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(status, "INTERNAL_ERROR")
    if isinstance(fault, requests.RequestException):
        return "INTERNAL_ERROR"
    if isinstance(fault, PermissionError):
        return "PERMISSION_DENIED"
    return "NOT_FOUND" if isinstance(fault, (FileNotFoundError, NotADirectoryError)) else "INTERNAL_ERROR"


def _message(fault: Exception) -> str:
    """The text of a fault on one line, without passwords and without the statement that a database driver adds."""
    text = _PASSWORD.sub("//", " ".join(str(fault).partition("[SQL")[0].split()))
    return text if len(text) <= 300 else text[:300] + "…"
