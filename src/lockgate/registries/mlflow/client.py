"""MLflow client with quiet logging, whose errors are ours, and whose reads and write-once keys are tried again.

How long a request may take and what it is repeated after is settled in `session.py`. Calls go to MLflow's own stores, one
request each: its own client reads the model again before each write. Other writes are made once: a repeated one can undo
somebody else's.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lockgate.errors import Denied, LockgateError, RegistryError, Unavailable, UnknownOutcome
from lockgate.registries.mlflow import session
from lockgate.registries.mlflow.faults import fault_of, redacted

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

_usual = gc.get_threshold()
gc.set_threshold(20_000, 20, 100)  # imports leave little to collect, and a tenth of their time goes into looking
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow
    from mlflow.store.db import utils as databases
    from mlflow.tracking._model_registry import utils as model_stores
    from mlflow.tracking._tracking_service import utils as run_stores
gc.set_threshold(*_usual)
session.install()
databases.MAX_RETRY_COUNT = 1  # MLflow's own ten attempts at a database that is gone take more than a minute and a half

for _name in ("mlflow", "alembic", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)

T = TypeVar("T")

_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")
_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
_OF_THE_SERVER = ("", "mlflow-artifacts", "models", "runs")  # addresses of files that name no server
_BEHIND_A_SERVER = (*_OF_THE_SERVER, "http", "https")


class Stores:
    """MLflow's stores: registered models, and runs with their experiments. `latest` is the address that was used last."""

    def __init__(self, uri: str, tracking_uri: str) -> None:
        self._uri, self._tracking_uri = uri, tracking_uri
        self._threads = threading.local()

    @property
    def latest(self) -> str:
        return getattr(self._threads, "uri", self._uri)

    @property
    def models(self) -> Any:
        self._threads.uri = self._uri
        return self._model_store

    @property
    def runs(self) -> Any:
        self._threads.uri = self._tracking_uri
        return self._run_store

    def artifacts(self, uri: str) -> Any:
        """The files below an address that a run or a version names."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        self._threads.uri = self._tracking_uri
        return get_artifact_repository(uri, tracking_uri=self._tracking_uri, registry_uri=self._uri)

    @cached_property
    def _model_store(self) -> Any:
        return model_stores._get_store(self._uri, self._tracking_uri)

    @cached_property
    def _run_store(self) -> Any:
        return run_stores._get_store(self._tracking_uri)


class MlflowClient:
    """MLflow: registered models at `uri`; runs, experiments and their files at `tracking_uri`, often the same."""

    def __init__(self, uri: str, tracking_uri: str | None = None) -> None:
        self.uri, self.tracking_uri = (uri, tracking_uri) if tracking_uri else _pair(uri)
        for address in (self.uri, self.tracking_uri):
            if address.partition("://")[0].partition("+")[0] not in _SCHEMES:
                raise RegistryError(
                    f"{redacted(address)} is not an MLflow store that can hold a ledger",
                    remedy="name a server (https://…) or a database (sqlite:///mlflow.db); a folder mlruns becomes one by "
                    "mlflow migrate-filestore --source mlruns --target sqlite:///mlflow.db",
                )
            file = _database(address)
            if file is not None and not file.parent.is_dir():
                raise RegistryError(
                    f"the folder of {redacted(address)} does not exist", remedy=f"make {file.parent} first"
                )
        self._stores = Stores(self.uri, self.tracking_uri)

    @property
    def redacted_uri(self) -> str:
        return redacted(self.uri)

    @property
    def database(self) -> Path | None:
        """The file of a local SQLite store of runs, None for any other."""
        return _database(self.tracking_uri)

    def read(self, subject: str, call: Callable[[Stores], T], *, store: str = "") -> T:
        """The result of a call that changes nothing. `subject` completes "while reading …". store: address of files.

        Raises NotFound, Denied or Unavailable.
        """
        began = time.monotonic()
        for attempt in itertools.count():
            try:
                result = self._call(call)
                session.answered(self._address(store))
                return result
            except LockgateError:
                raise
            except Exception as raised:  # drivers and the libraries of stores raise what they want
                fault, wait = fault_of(raised), session.pause(attempt)
                address = self._address(store)
                if not fault.again or time.monotonic() - began + wait > session.patience(address):
                    if fault.again:
                        session.give_up(address)
                    raise self._error(raised, f"while reading {subject}", store) from raised
            time.sleep(wait)
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

    def write(self, subject: str, call: Callable[[Stores], T], *, store: str = "") -> T:
        """Make a call once. `subject` completes "while writing …". Raises UnknownOutcome where it may have happened."""
        try:
            return self._call(call)
        except LockgateError:
            raise
        except Exception as raised:
            raise self._error(raised, f"while writing {subject}", store, write=True) from raised

    def write_once(
        self, subject: str, call: Callable[[Stores], Any], read: Callable[[], str | None], value: str
    ) -> str:
        """Write the value of a key that can be written just once; returns the value that stands, ours or another's.

        read: the value that stands. It tells what became of a write that failed; one that left nothing is made again.
        """
        began = time.monotonic()
        for attempt in itertools.count():
            try:
                self.write(subject, call)
                return value
            except Denied:
                raise
            except RegistryError as failure:
                standing = self.read_back(f"{subject} was written", failure, read)
                if standing is not None:
                    return standing
                wait = session.pause(attempt)
                lost = isinstance(failure, UnknownOutcome | Unavailable)
                if not lost or time.monotonic() - began + wait > session.budget() / 3:
                    raise
            time.sleep(wait)
        raise AssertionError("unreachable")

    def read_back(self, subject: str, failure: RegistryError, read: Callable[[], T]) -> T:
        """What stands after a write that failed. Raises UnknownOutcome where that cannot be read either."""
        try:
            return read()
        except RegistryError as error:
            raise UnknownOutcome(
                f"whether {subject} is not known: {error.message}",
                remedy="run the same command again once the registry answers; it finds out and goes on",
            ) from failure

    def _error(self, raised: Exception, doing: str, store: str, *, write: bool = False) -> RegistryError:
        """store: the address of files, where it was they that were meant."""
        fault, address = fault_of(raised), self._address(store)
        if store.partition(":")[0] in _BEHIND_A_SERVER:
            address = self.tracking_uri if store else address
            where = "registry" if address == self.uri else "tracking server"
        else:
            where = "store"
        sentence = f"the {where} at {redacted(address)} {fault.problem} {doing}"
        detail = f": {fault.detail}" if fault.detail else ""
        if write and not fault.nothing_written:
            return UnknownOutcome(f"{sentence}, which may have happened or not{detail}", remedy=fault.remedy)
        return fault.kind(f"{sentence}{detail}", remedy=fault.remedy)

    def _address(self, store: str) -> str:
        """Who is asked: a store of files by its own address where that names one, else the store that was used last."""
        if not store:
            return self._stores.latest
        return self.tracking_uri if store.partition(":")[0] in _OF_THE_SERVER else store

    def _call(self, call: Callable[[Stores], T]) -> T:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) != (self.tracking_uri, self.uri):
                self._set_addresses()
            return call(self._stores)

    def _set_addresses(self) -> None:
        """Tell MLflow, which writes them into the environment too: there the user's own stay, by which pairs are told."""
        users = {name: os.environ.get(name) for name in _VARIABLES}
        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_registry_uri(self.uri)
        for name, value in users.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _pair(uri: str) -> tuple[str, str]:
    """(Address of models, address of runs): those of MLflow's two variables where the address is one of them."""
    tracking, registry = (os.environ.get(name, "") for name in _VARIABLES)
    both = tracking and registry and uri.rstrip("/") in (tracking.rstrip("/"), registry.rstrip("/"))
    return (registry, tracking) if both else (uri, uri)


def _database(uri: str) -> Path | None:
    """The file of a SQLite address, None for any other."""
    return Path(uri.partition(":///")[2].partition("?")[0]).resolve() if uri.startswith("sqlite") else None
