"""A model behind `mlflow models serve`, started from the version's files and ended by us."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lockgate.errors import ModelFault
from lockgate.models.child_process import MODEL_HOST, Attempt, ChildProcess, OwnedModel, killed_by_signal
from lockgate.models.model import Drive, LoadFacts, LoadPlan, Usage
from lockgate.models.safe_text import RowText
from lockgate.models.server.client import HttpClient
from lockgate.models.server.model import ServerModel
from lockgate.models.server.protocol_mlflow import MlflowProtocol
from lockgate.text import cut

_ATTEMPTS = 3
_MOST_SIGNS = 200
_PORT_TAKEN = "address already in use"
_RAISED = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception): (?!Command ).*", re.ASCII)


@dataclass(eq=False, repr=False, kw_only=True)
class MlflowServeModel(OwnedModel):
    """An MLflow model in a local folder behind a scoring server of its own, behind the port `model.Model`.

    signature: the model's input columns as the registry has them. load_seconds is the time from the start of the server
    until it is ready, rss_bytes that of the largest of its processes.
    """

    signature: Sequence[Mapping[str, Any]] | None = None
    timeout_s: float = 60.0
    ready_s: float = 180.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if os.sep in self.python:  # its folder comes first on PATH, because MLflow calls `uvicorn` by name
            folders = [os.path.dirname(self.python), self._env.get("PATH", os.defpath)]  # noqa: PTH120
            self._env["PATH"] = os.pathsep.join(folders)

    def load(self) -> LoadFacts:
        """Start the server if it is not started, and wait until it is ready; later calls return the same facts."""
        self.start()
        attempt = 1
        while self._facts is None:
            try:
                self._server.client.wait(MlflowProtocol.health, seconds=self.ready_s, ended=self._ended)
            except ModelFault as fault:
                last_lines = self.stderr
                if _PORT_TAKEN in last_lines and attempt < _ATTEMPTS:
                    attempt += 1
                    self._launch()
                    continue
                raise self._end(ModelFault(fault.message, remedy=fault.remedy, stderr=last_lines)) from fault
            seconds = time.perf_counter() - self._began
            facts = self._server.load()
            where = f"{self._server.where}, mlflow models serve with one worker"
            isolation = {} if self._serving_box is None else self._serving_box.facts
            self._facts = LoadFacts(
                seconds, None, facts.versions, where=where, isolation=isolation, at_once=True,
                url=self._server.client.url(""),
            )  # fmt: skip
        return self._facts

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield one answer for each batch, in order. Raises ModelFault, with the last lines that the server wrote."""
        self.load()
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
        try:
            return self._server.drive(plan, batch)
        except ModelFault as fault:
            raise self._with_last_words(fault) from fault

    def usage(self) -> Usage:
        """Return what the server's processes used so far, as /proc has it; loads the model if it is not loaded."""
        self.load()
        assert self._child is not None  # noqa: S101  # set by start
        rss, cpu = self._child.used()
        return Usage(rss, cpu, self._server.usage().first_prediction_ms)

    def _launch(self) -> None:
        if self._child is not None:
            self._child.end()
        port = _free_port()
        serve = ["-m", "mlflow", "models", "serve", "--model-uri", str(self.folder.absolute()), "--host", "127.0.0.1",
                 "--port", str(port), "--env-manager", "local", "--workers", "1"]  # fmt: skip
        client = HttpClient(
            f"http://127.0.0.1:{port}", name=self.name, timeout_s=self.timeout_s, cancelled=self._cancelled
        )
        self._server = ServerModel(client, MlflowProtocol(), signature=self.signature, ready_s=self.ready_s)
        self._began = time.perf_counter()
        self._serving_box = None if self.box is None else self.box.serving(port)
        self._child = ChildProcess(
            [self.python, str(MODEL_HOST), "run"], after=[self.python, *serve], env=self._env, cwd=self.scratch,
            box=self._serving_box,
        )  # fmt: skip

    def _ended(self) -> ModelFault | None:
        """Fault of a server whose process ended, None while it runs."""
        if self._child is None or self._child.returncode is None:
            return None
        code = self._child.wait() or 0
        doing = "starting mlflow models serve" if self._facts is None else "it was served"
        if code < 0 or code > 128:
            attempt = Attempt(self.name, doing, self.python, self.ready_s)
            # `model_host.py run` reports a signal as a shell does, as 128 and its number
            return killed_by_signal(
                attempt, -code if code < 0 else code - 128, self._last_lines, limit=self._child.limit
            )
        # in the traceback of the server, and not in that of the command which called it
        lines = self._last_lines.splitlines() if self._facts is None else []
        raised = next((f": {cut(line, _MOST_SIGNS)}" for line in reversed(lines) if _RAISED.fullmatch(line)), "")
        return ModelFault(
            f"{self.name} could not be served: mlflow models serve ended with exit code {code} while {doing}{raised}",
            remedy=f"try `{self.python} -m mlflow models serve --env-manager local` on it; the last lines say more",
            stderr=self._last_lines,
        )

    def _with_last_words(self, fault: ModelFault) -> ModelFault:
        gone = self._ended()
        if gone is not None:
            return self._end(gone)
        return ModelFault(fault.message, remedy=fault.remedy, stderr=self._last_lines, alive=fault.alive)

    @property
    def _last_lines(self) -> str:
        """What may be shown of the last lines that the server wrote: all of them as long as it got no rows."""
        return self.stderr if self._facts is None else RowText().output(self.stderr)

    def _end(self, fault: ModelFault) -> ModelFault:
        if self._child is not None:
            self._server.close()
        return super()._end(fault)


def _free_port() -> int:
    """A free port of the loopback; another program may take it before the server does, which is why `load` tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
