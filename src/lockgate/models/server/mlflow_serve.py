"""A model behind `mlflow models serve`, started from the version's files and ended by us."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from lockgate.errors import ModelFault
from lockgate.models.child_process import MODEL_HOST, Attempt, ChildProcess, killed_by_signal, no_interpreter
from lockgate.models.environment import interpreter, model_environment
from lockgate.models.model import Drive, LoadFacts, LoadPlan, Usage
from lockgate.models.server.client import HttpClient
from lockgate.models.server.model import ServerModel
from lockgate.models.server.protocol_mlflow import MlflowProtocol

_ATTEMPTS = 3
_PORT_TAKEN = "address already in use"


class MlflowServeModel:
    """An MLflow model in a local folder behind a scoring server of its own, behind the port `model.Model`.

    The arguments are those of `ProcessModel`; signature: the model's input columns as the registry has them. load_seconds
    is the time from the start of the server until it is ready, rss_bytes that of the largest of its processes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        python: str,
        environ: Mapping[str, str],
        name: str = "candidate",
        keep: Collection[str] = (),
        scratch: Path | None = None,
        signature: Sequence[Mapping[str, Any]] | None = None,
        timeout_s: float = 60.0,
        ready_s: float = 180.0,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.name = name
        self._folder, self._scratch, self._signature = folder, scratch, signature
        self._python = interpreter(python)
        self._env = _found_beside(self._python, model_environment(environ, keep=keep))
        self._timeout_s, self._ready_s = timeout_s, ready_s
        self._cancelled = cancelled or (lambda: False)
        self._child: ChildProcess | None = None
        self._server: ServerModel | None = None
        self._client: HttpClient | None = None
        self._began = 0.0
        self._facts: LoadFacts | None = None
        self._fault: ModelFault | None = None

    def start(self) -> None:
        """Begin to start the server and return at once, so that two models can load beside each other."""
        if self._fault is not None:
            raise self._fault
        if self._child is None:
            self._launch()

    def load(self) -> LoadFacts:
        """Start the server if it is not started, and wait until it is ready; later calls return the same facts."""
        self.start()
        attempt = 1
        while self._facts is None:
            assert self._client is not None and self._server is not None  # noqa: S101, PT018  # set by start
            try:
                self._client.wait(MlflowProtocol.health, seconds=self._ready_s, ended=self._ended)
            except ModelFault as fault:
                last_lines = self.stderr
                if _PORT_TAKEN in last_lines and attempt < _ATTEMPTS:
                    attempt += 1
                    self._launch()
                    continue
                self._end(ModelFault(fault.message, remedy=fault.remedy, stderr=last_lines))
                raise self._fault from fault  # type: ignore[misc]  # set by _end
            seconds = time.perf_counter() - self._began
            facts = self._server.load()
            where = f"{self._server.where}, mlflow models serve with one worker"
            self._facts = LoadFacts(seconds, None, facts.versions, where=where)
        return self._facts

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield one answer for each batch, in order. Raises ModelFault, with the last lines that the server wrote."""
        self.load()
        assert self._server is not None  # noqa: S101
        answers = self._server.predict(batches, method=method)
        while True:
            try:
                answer = next(answers, None)
            except ModelFault as fault:
                raise self._with_last_words(fault) from fault
            if answer is None:
                return
            yield answer

    def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
        """Send the plan's requests over HTTP and time them here."""
        self.load()
        assert self._server is not None  # noqa: S101
        try:
            return self._server.drive(plan, batch)
        except ModelFault as fault:
            raise self._with_last_words(fault) from fault

    def usage(self) -> Usage:
        """Return what the server's processes used so far, as /proc has it; loads the model if it is not loaded."""
        self.load()
        assert self._server is not None and self._child is not None  # noqa: S101, PT018
        rss, cpu = self._child.used()
        return Usage(rss, cpu, self._server.usage().first_prediction_ms)

    def close(self) -> None:
        """End the server and everything that it started, whatever state it is in; safe to call twice."""
        self._end(self._fault or ModelFault(f"{self.name} is closed", remedy="make a new one"))

    @property
    def stderr(self) -> str:
        """The last lines that the server wrote."""
        return "" if self._child is None else self._child.stderr

    @property
    def pid(self) -> int | None:
        """Id of its first process, None before the start."""
        return None if self._child is None else self._child.pid

    def _launch(self) -> None:
        if self._child is not None:
            self._child.end()
        port = _free_port()
        serve = ["-m", "mlflow", "models", "serve", "--model-uri", str(self._folder.absolute()), "--host", "127.0.0.1",
                 "--port", str(port), "--env-manager", "local", "--workers", "1"]  # fmt: skip
        self._began = time.perf_counter()
        try:
            self._child = ChildProcess(
                [self._python, str(MODEL_HOST), "run"],
                after=[self._python, *serve],
                env=self._env,
                cwd=self._scratch,
            )
        except OSError as error:
            self._fault = no_interpreter(self.name, self._python, error)
            raise self._fault from error
        self._client = HttpClient(
            f"http://127.0.0.1:{port}", name=self.name, timeout_s=self._timeout_s, cancelled=self._cancelled
        )
        self._server = ServerModel(self._client, MlflowProtocol(), signature=self._signature, ready_s=self._ready_s)

    def _ended(self) -> ModelFault | None:
        """Fault of a server whose process ended, None while it runs."""
        if self._child is None or self._child.returncode is None:
            return None
        code = self._child.wait() or 0
        doing = "starting mlflow models serve" if self._facts is None else "it was served"
        if code < 0 or code > 128:
            attempt = Attempt(self.name, doing, self._python, self._ready_s)
            # `model_host.py run` reports a signal as a shell does, as 128 and its number
            return killed_by_signal(attempt, -code if code < 0 else code - 128, self.stderr)
        return ModelFault(
            f"{self.name} could not be served: mlflow models serve ended with exit code {code} while {doing}",
            remedy=f"try `{self._python} -m mlflow models serve --env-manager local` on it; the last lines say more",
            stderr=self.stderr,
        )

    def _with_last_words(self, fault: ModelFault) -> ModelFault:
        gone = self._ended()
        if gone is not None:
            self._end(gone)
            return gone
        return ModelFault(fault.message, remedy=fault.remedy, stderr=self.stderr, alive=fault.alive)

    def _end(self, fault: ModelFault) -> None:
        self._fault = fault
        if self._server is not None:
            self._server.close()
        if self._child is not None:
            self._child.end()


def _free_port() -> int:
    """A free port of the loopback; another program may take it before the server does, which is why `load` tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _found_beside(python: str, env: Mapping[str, str]) -> dict[str, str]:
    """Put the interpreter's folder first on PATH: MLflow calls `uvicorn` by name."""
    if os.sep not in python:
        return dict(env)
    return {**env, "PATH": os.pathsep.join([os.path.dirname(python), env.get("PATH", os.defpath)])}  # noqa: PTH120
