"""A process that runs our host: requests to it and their answers, each checked and with a time limit."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lockgate.errors import ModelFault
from lockgate.models.child_process import MODEL_HOST, Attempt, OwnedModel
from lockgate.models.process import failures
from lockgate.models.process.host_connection import ConnectionLost, Frame, HostConnection
from lockgate.models.process.host_errors import reported
from lockgate.models.safe_text import RowText

if TYPE_CHECKING:
    import pyarrow as pa

_LENGTH = 2**16  # of one text in an answer's header


@dataclass(frozen=True)
class Pending:
    """A request that is on its way. rows: what may be quoted of its rows."""

    id: int
    attempt: Attempt
    rows: RowText


@dataclass(eq=False, repr=False, kw_only=True)
class HostProcess(OwnedModel):
    """Answers the requests of one caller; after an exception that code in it merely raised, it still does.

    model: whose process it is, or beside which it runs, as faults call it. timeout_s: of one answer.
    """

    model: str | None = None
    timeout_s: float = 300.0
    _connection: HostConnection | None = field(default=None, init=False)
    _loading: Pending | None = field(default=None, init=False)
    _last_id: int = field(default=0, init=False)
    _block: dict[str, float] = field(default_factory=dict, init=False)

    def _launch(self) -> None:
        self._connection = HostConnection([self.python, str(MODEL_HOST)], env=self._env, cwd=self.scratch, box=self.box)
        self._child = self._connection.child

    def _send(
        self,
        header: Mapping[str, Any],
        *payload: Any,
        doing: str,
        rows: RowText | None = None,
        seconds: float | None = None,
    ) -> Pending:
        """Send a request. payload: buffers. seconds: the time limit that a fault names, that of an answer where None."""
        if self._fault is not None or self._connection is None:
            raise self._fault or ModelFault(f"{self.name} is closed")
        self._last_id += 1
        self._connection.send({**header, "id": self._last_id}, *payload)
        attempt = Attempt(self.name, doing, self.python, seconds or self.timeout_s, self.model or self.name)
        return Pending(self._last_id, attempt, rows or RowText())

    def _receive(self, pending: Pending, *, seconds: float | None = None, reports: int = 0) -> Frame:
        """Return the answer to one request; skip answers to requests that nobody waits for any more.

        reports: of progress, each of which begins the time limit anew; others change nothing.
        """
        if self._fault is not None or self._connection is None:
            raise self._fault or ModelFault(f"{self.name} is closed")
        self._block.clear()
        deadline = time.monotonic() + (seconds or self.timeout_s)
        try:
            while True:
                seconds_left = deadline - time.monotonic()
                frame = self._connection.receive(seconds=seconds_left, cancelled=self._cancelled)
                if frame.header.get("id") == pending.id:
                    break
                if reports > 0:
                    reports -= 1
                    deadline = time.monotonic() + (seconds or self.timeout_s)
                    self._block[str(frame.header.get("block"))] = time.monotonic()
                elif seconds_left <= 0:
                    raise ConnectionLost("silent", None)
        except ConnectionLost as lost:
            self._connection.end()
            raise self._end(failures.connection_lost(pending.attempt, lost, self._last_lines(pending))) from lost
        if "error" in frame.header:
            with self._understanding(pending):
                fault = self._reported(flat_texts(frame.header["error"]), pending)
            raise fault
        return frame

    def _reported(self, error: Mapping[str, Any], pending: Pending) -> ModelFault:
        """The fault of an error that the process reports; what it may say was checked."""
        rows = None
        if pending is not self._loading:
            rows = pending.rows.asked_for((error["lacking"] or "").splitlines()[:10])
            pending = replace(pending, rows=rows)
        checked = reported(error, rows)
        fault = failures.model_error(pending.attempt, checked, self._last_lines(pending))
        if self.box is None or not checked.denied:
            return fault
        return failures.denied_by_box(
            fault, checked.denied, self.box, functions=pending.attempt.model != pending.attempt.name
        )

    def _last_lines(self, pending: Pending) -> str:
        """What may be shown of the last lines that the process wrote: all of them as long as it got no rows."""
        return self.stderr if pending is self._loading else pending.rows.output(self.stderr)

    @contextmanager
    def _understanding(self, pending: Pending) -> Iterator[None]:
        """End a process whose answer is no answer of our host: a model wrote in its place."""
        import pyarrow as pa

        try:
            yield
        except (
            LookupError,
            TypeError,
            ValueError,
            ArithmeticError,
            RecursionError,
            struct.error,
            pa.ArrowException,
            OSError,
        ) as error:
            lost = ConnectionLost("garbage", None)
            raise self._end(failures.connection_lost(pending.attempt, lost, self._last_lines(pending))) from error

    def _end(self, fault: ModelFault) -> ModelFault:
        if self._connection is not None:
            self._connection.end()
        return super()._end(fault)


def to_stream(batch: pa.RecordBatch) -> pa.Buffer:
    """The batch as bytes, without the metadata of its schema."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.replace_schema_metadata().schema) as writer:
        writer.write_batch(batch.replace_schema_metadata())
    return sink.getvalue()


def plain_text(value: Any) -> str:
    """The value, cut where it is longer than any that our host writes. Raises TypeError for another type."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value[:_LENGTH]


def flat_texts(value: Any) -> dict[str, Any]:
    """A flat object of texts; null stays. Raises TypeError for anything else."""
    if not isinstance(value, dict):
        raise TypeError("no object")
    return {plain_text(key): None if each is None else plain_text(each) for key, each in value.items()}
