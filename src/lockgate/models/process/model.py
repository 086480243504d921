"""A model in a process of its own: none of its code runs in ours, and nothing of it outlives us."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lockgate.errors import ModelFault
from lockgate.models.child_process import MODEL_HOST, Attempt, OwnedModel
from lockgate.models.input_plan import FittedFeatures
from lockgate.models.json_rows import concatenate
from lockgate.models.model import Drive, LoadFacts, LoadPlan, Usage
from lockgate.models.process import failures
from lockgate.models.process.clock_check import ClockCheck
from lockgate.models.process.host_connection import ConnectionLost, Frame, HostConnection
from lockgate.models.safe_text import RowText

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.models.row_functions import RowFunctionPlan

_AHEAD = 2  # the batch that is predicted, and the next one, so that the model never waits for us
IN_PROCESS = "in process: pyfunc predict in a process of its own, the clock beside it"


@dataclass(frozen=True)
class _Pending:
    """A request that is on its way. whole: its answer completes a batch. rows: what may be quoted of its rows."""

    id: int
    attempt: Attempt
    rows: RowText
    whole: bool = True


@dataclass(eq=False, repr=False, kw_only=True)
class ProcessModel(OwnedModel):
    """An MLflow pyfunc model in a local folder, behind the port `model.Model`. One caller at a time.

    timeout_s: of one answer, or one request of a drive; load_timeout_s: of loading, its process included. batch_bytes:
    larger batches travel in pieces.

    Latency is that of pyfunc's `predict`, its check of the signature included.
    After an exception that the model merely raised, it still answers.
    """

    timeout_s: float = 300.0
    load_timeout_s: float = 300.0
    batch_bytes: int = 8 * 2**20
    _connection: HostConnection | None = field(default=None, init=False)
    _loading: _Pending | None = field(default=None, init=False)
    _last_id: int = field(default=0, init=False)
    _block: dict[str, float] = field(default_factory=dict, init=False)
    _clock: ClockCheck = field(default_factory=ClockCheck, init=False)

    def _launch(self) -> None:
        self._connection = HostConnection([self.python, str(MODEL_HOST)], env=self._env, cwd=self.scratch, box=self.box)
        self._child = self._connection.child
        self._loading = self._send({"verb": "load", "folder": str(self.folder.absolute())}, doing="loading")

    def load(self) -> LoadFacts:
        """Start the model's process if it is not started, wait until it is loaded; later calls return the same."""
        if self._facts is None:
            self.start()
            if self._loading is None:
                raise ModelFault(f"{self.name} is closed", remedy="make a new one")
            loading = self._loading
            try:
                header = self._receive(loading, seconds=self.load_timeout_s).header
                with self._understanding(loading):
                    self._facts = LoadFacts(
                        _number(header["seconds"]),
                        _text(header["python"]),
                        _texts(header["versions"]),
                        where=IN_PROCESS,
                        threads=_texts(header["threads"]),
                        fitted=_fitted(header["features"]),
                        isolation={} if self.box is None else self.box.facts,
                    )
            except ModelFault as fault:
                self._end(fault)
                raise
        return self._facts

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield one answer for each batch, in order; while one is predicted, the next is on its way. Raises ModelFault."""
        return self._predicted(batches, {"verb": "predict", "method": method})

    def predict_with_functions(
        self, batches: Iterable[pa.RecordBatch], plan: RowFunctionPlan, *, method: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """As `predict`, with functions run on each batch in the model's own process: see `RunsRowFunctions`."""
        return self._predicted(batches, {"verb": "predict", "method": method, "beside": plan.header})

    def _predicted(self, batches: Iterable[pa.RecordBatch], header: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        self.load()
        before = 0
        pieces = self._pieces(batches)
        waiting: deque[_Pending] = deque()
        answered: list[pa.RecordBatch] = []
        unfinished = True
        while True:
            while unfinished and len(waiting) < _AHEAD:
                piece = next(pieces, None)
                if piece is None:
                    unfinished = False
                    break
                rows, whole = piece
                doing = f"predicting {rows.num_rows:,} rows" if rows.num_rows != 1 else "predicting 1 row"
                waiting.append(self._send({**header, "before": before}, rows, doing=doing, whole=whole))
                before += rows.num_rows
            if not waiting:
                return
            pending = waiting.popleft()
            frame = self._receive(pending)
            with self._understanding(pending):
                answered.append(_batch(frame))
            if pending.whole:
                yield concatenate(answered, name=self.name, stderr=pending.rows.output(self.stderr))
                answered = []

    def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
        """Send the plan's requests and time them beside the model. A request that fails is recorded, not raised."""
        if batch.num_rows == 0:
            raise ModelFault(f"{self.name} cannot be driven with a batch without rows", remedy="give data with rows")
        self.load()
        drive, passed_s = self._timed(plan, batch)
        if not len(drive.sent_s):
            return drive
        self._clock.add_block(reported_s=float(drive.done_s.max()), passed_s=passed_s)
        if self._clock.needs_single:
            inputs = max(1, min(plan.requests, batch.num_rows // plan.rows))
            number = self._clock.next_single(min(inputs, len(drive.sent_s)))
            alone = replace(plan, requests=1, rate=None, warmup=0, concurrency=1, duration_s=None)
            _, single_s = self._timed(alone, batch.slice(number * plan.rows if inputs > 1 else 0, plan.rows))
            self._clock.add_single(passed_s=single_s, reported_s=float(drive.done_s[number] - drive.sent_s[number]))
            drive = replace(drive, unrecorded=1)
        problem = self._clock.problem()
        if problem is not None:
            raise self._end(failures.false_clock(self.name, problem, self.stderr))
        return drive

    def _timed(self, plan: LoadPlan, batch: pa.RecordBatch) -> tuple[Drive, float]:
        """(the times of one block, how many seconds it took on this side of the line)."""
        doing = f"answering {plan.requests:,} requests of {plan.rows:,} rows"
        # No frame comes between two arrivals. A Poisson gap is longer than 30 means with probability exp(-30), 1e-13.
        pause = 0.0 if plan.rate is None else 30.0 / plan.rate
        pending = self._send({"verb": "drive", "plan": asdict(plan)}, batch, doing=doing)
        frame = self._receive(pending, seconds=self.timeout_s + pause)
        with self._understanding(pending):
            passed_s = self._block["ended"] - self._block["begins"]
            drive = _drive(_batch(frame), frame.header["first_error"])
        kind, _, text = (drive.first_error or "").partition(": ")
        return replace(drive, first_error=pending.rows.error(kind, text) if kind else None), passed_s

    def answer_example(self) -> int:
        """See `AnswersExample`."""
        self.load()
        return int(self._receive(self._send({"verb": "example"}, doing="answering its input example")).header["rows"])

    def usage(self) -> Usage:
        """Return what the process used so far; loads the model if it is not loaded."""
        self.load()
        pending = self._send({"verb": "usage"}, doing="counting what it used")
        header = self._receive(pending).header
        with self._understanding(pending):
            first = header["first_prediction_ms"]
            return Usage(
                int(_number(header["rss_bytes"])),
                _number(header["cpu_seconds"]),
                None if first is None else _number(first),
            )

    def __enter__(self) -> ProcessModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _send(
        self, header: Mapping[str, Any], batch: pa.RecordBatch | None = None, *, doing: str, whole: bool = True
    ) -> _Pending:
        if self._fault is not None or self._connection is None:
            raise self._fault or ModelFault(f"{self.name} is closed")
        self._last_id += 1
        self._connection.send(
            {**header, "id": self._last_id}, b"" if batch is None else _stream(batch.replace_schema_metadata())
        )
        seconds = self.load_timeout_s if header["verb"] == "load" else self.timeout_s
        rows = self._example_text() if header["verb"] == "example" else RowText(batch)
        return _Pending(self._last_id, Attempt(self.name, doing, self.python, seconds), rows, whole)

    def _example_text(self) -> RowText:
        from lockgate.models.input_example import example_text  # which needs pyarrow

        return example_text(self.folder)

    def _receive(self, pending: _Pending, *, seconds: float | None = None) -> Frame:
        """Return the answer to one request; skip answers to requests that nobody waits for any more."""
        if self._fault is not None or self._connection is None:
            raise self._fault or ModelFault(f"{self.name} is closed")
        self._block.clear()
        try:
            while True:
                frame = self._connection.receive(seconds=seconds or self.timeout_s, cancelled=self._cancelled)
                if frame.header.get("id") == pending.id:
                    break
                self._block[str(frame.header.get("block"))] = time.monotonic()
        except ConnectionLost as lost:
            self._connection.end()
            raise self._end(failures.connection_lost(pending.attempt, lost, self._last_lines(pending))) from lost
        if "error" in frame.header:
            with self._understanding(pending):
                error = _texts(frame.header["error"])
                if pending is not self._loading:
                    pending = replace(pending, rows=pending.rows.asked_for((error.get("lacking") or "").splitlines()))
                    error = failures.without_rows(error, pending.rows)
                fault = failures.model_error(pending.attempt, error, self._last_lines(pending))
                if self.box is not None and error.get("denied"):
                    fault = failures.denied_by_box(fault, error["denied"])
            raise fault
        return frame

    def _last_lines(self, pending: _Pending) -> str:
        """What may be shown of the last lines that the process wrote: all of them as long as it got no rows."""
        return self.stderr if pending is self._loading else pending.rows.output(self.stderr)

    @contextmanager
    def _understanding(self, pending: _Pending) -> Iterator[None]:
        """End a process whose answer is no answer of our host: the model wrote in its place."""
        import pyarrow as pa

        try:
            yield
        except (KeyError, TypeError, ValueError, OverflowError, pa.ArrowException, OSError) as error:
            lost = ConnectionLost("garbage", None)
            raise self._end(failures.connection_lost(pending.attempt, lost, self._last_lines(pending))) from error

    def _end(self, fault: ModelFault) -> ModelFault:
        if self._connection is not None:
            self._connection.end()
        return super()._end(fault)

    def _pieces(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, bool]]:
        """Cut every batch into pieces of about batch_bytes; yield (piece, whether it is the batch's last)."""
        for batch in batches:
            count = max(1, min(batch.num_rows, math.ceil(batch.nbytes / self.batch_bytes)))
            step = math.ceil(batch.num_rows / count) or 1
            starts = range(0, max(1, batch.num_rows), step)
            for start in starts:
                yield batch.slice(start, step), start == starts[-1]


def _fitted(reported: Mapping[str, Any] | None) -> FittedFeatures | None:
    if reported is None:
        return None
    names, count = reported["names"], reported["count"]
    return FittedFeatures(
        None if names is None else tuple(_text(name) for name in names), None if count is None else int(_number(count))
    )


def _stream(batch: pa.RecordBatch) -> Any:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _batch(frame: Frame) -> pa.RecordBatch:
    """The batch of a frame. Raises ArrowException, ValueError: its buffers are checked before anything reads them."""
    import pyarrow as pa

    batch = pa.ipc.open_stream(pa.py_buffer(frame.payload)).read_next_batch()
    batch.validate(full=True)
    return batch


def _drive(times: pa.RecordBatch, first_error: Any) -> Drive:
    """The times of a block. Raises ValueError where they are no times in order, TypeError for another type."""
    import numpy as np

    intended, sent, done, failed, lag = (column.to_numpy(zero_copy_only=False) for column in times.columns)
    for seconds in (intended, sent, done, lag):
        if seconds.dtype != np.float64 or not np.isfinite(seconds).all():
            raise ValueError("no times")
    if failed.dtype != bool or (done < sent).any() or (lag < 0).any() or (np.diff(sent) < 0).any():
        raise ValueError("times out of order")
    return Drive(intended, sent, done, failed, lag, None if first_error is None else _text(first_error))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError("no number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _texts(value: Any) -> dict[str, Any]:
    """A flat object of texts; null stays."""
    if not isinstance(value, dict):
        raise TypeError("no object")
    return {_text(key): None if each is None else _text(each) for key, each in value.items()}
