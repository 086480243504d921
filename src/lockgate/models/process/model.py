"""A model in a process of its own: none of its code runs in ours, and nothing of it outlives us."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lockgate.errors import ModelFault
from lockgate.models.input_plan import FittedFeatures
from lockgate.models.json_rows import concatenate
from lockgate.models.model import Drive, Estimator, LoadFacts, LoadPlan, Usage
from lockgate.models.model_host import FEW_CLASSES, LIBRARIES, SCORING, THREADS
from lockgate.models.process import failures
from lockgate.models.process.answer_batch import read_batch
from lockgate.models.process.clock_check import ClockCheck
from lockgate.models.process.host_process import HostProcess, Pending, flat_texts, plain_text, to_stream
from lockgate.models.process.row_function_process import RowFunctionProcess, is_packed
from lockgate.models.safe_text import RowText
from lockgate.text import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.models.row_functions import RowFunctionPlan

_VERSION_LENGTH = 60
_AHEAD = 2  # the batch that is predicted, and the next one, so that the model never waits for us
IN_PROCESS = "in process: the model in a process of its own, the clock beside it"


@dataclass(eq=False, repr=False, kw_only=True)
class ProcessModel(HostProcess):
    """An MLflow pyfunc model in a local folder, behind the port `model.Model`. One caller at a time.

    timeout_s: of one answer, or one request of a drive; load_timeout_s: of loading, its process included. batch_bytes:
    larger batches travel in pieces. functions: where row functions run, if any do; it ends with the model.

    Latency is that of pyfunc's `predict`, its check of the signature included.
    """

    load_timeout_s: float = 300.0
    batch_bytes: int = 8 * 2**20
    functions: RowFunctionProcess | None = None
    _clock: ClockCheck = field(default_factory=ClockCheck, init=False)

    def _launch(self) -> None:
        super()._launch()
        header = {"verb": "load", "folder": str(self.folder.absolute())}
        self._loading = self._send(header, doing="loading", seconds=self.load_timeout_s)

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
                        _version(header["python"]),
                        _of(LIBRARIES, header["versions"]),
                        where=IN_PROCESS,
                        threads=_of(THREADS, header["threads"]),
                        fitted=_fitted(header["features"]),
                        estimator=_estimator(header["estimator"]),
                        isolation={} if self.box is None else self.box.facts,
                    )
            except ModelFault as fault:
                self._end(fault)
                raise
        return self._facts

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield one answer for each batch, in order; while one is predicted, the next is on its way. Raises ModelFault."""
        return self._predicted(batches, {"verb": "predict", "method": method, "packed": False})

    def predict_with_functions(
        self, batches: Iterable[pa.RecordBatch], plan: RowFunctionPlan, *, method: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """As `predict`, with functions run on each answer in a process of their own: see `RunsRowFunctions`."""
        if self.functions is None:
            raise ValueError(f"{self.name} was made without a process for row functions")
        measure = partial(self.functions.measure, plan)
        header = {"verb": "predict", "method": method, "packed": True}
        return self._predicted(batches, header, inputs=plan.inputs, measure=measure)

    def _predicted(
        self,
        batches: Iterable[pa.RecordBatch],
        header: Mapping[str, Any],
        *,
        inputs: Callable[[pa.RecordBatch], pa.RecordBatch] = lambda rows: rows,
        measure: Callable[..., pa.RecordBatch] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """inputs: which columns of a batch the model gets. measure: makes of (batch, packed answer) what is yielded."""
        self.load()
        before = 0
        pieces = self._pieces(batches)
        waiting: deque[tuple[Pending, pa.RecordBatch, int, bool]] = deque()
        answered: list[pa.RecordBatch] = []
        unfinished = True
        while True:
            while unfinished and len(waiting) < _AHEAD:
                piece = next(pieces, None)
                if piece is None:
                    unfinished = False
                    break
                rows, whole = piece
                doing = f"predicting {counted(rows.num_rows, 'row')}"
                sent = inputs(rows)
                pending = self._send({**header, "before": before}, to_stream(sent), doing=doing, rows=RowText(sent))
                waiting.append((pending, rows, before, whole))
                before += rows.num_rows
            if not waiting:
                return
            pending, rows, rows_before, whole = waiting.popleft()
            frame = self._receive(pending)
            with self._understanding(pending):
                count = rows.num_rows
                answer = read_batch(frame.payload, rows=None if measure is not None else range(count, count + 1))
                if measure is not None and not is_packed(answer):
                    raise ValueError("not packed")
            if measure is not None:
                measured = measure(rows, answer, rows_before=rows_before)
                answer = measured.replace_schema_metadata(answer.schema.metadata)
            answered.append(answer)
            if whole:
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
        alone = 0
        while self._clock.needs_single and (not alone or self._clock.in_doubt):
            self._time_alone(plan, batch, drive)
            alone += 1
        problem = self._clock.problem()
        if problem is not None:
            raise self._end(failures.false_clock(self.name, problem, self.stderr))
        return replace(drive, unrecorded=alone)

    def _time_alone(self, plan: LoadPlan, batch: pa.RecordBatch, drive: Drive) -> None:
        """Send one of the block's requests again, by itself, for the check of its clock."""
        inputs = max(1, min(plan.requests, batch.num_rows // plan.rows))
        number = self._clock.next_single(min(inputs, len(drive.sent_s)))
        single = replace(plan, requests=1, rate=None, warmup=0, concurrency=1, duration_s=None)
        _, passed_s = self._timed(single, batch.slice(number * plan.rows if inputs > 1 else 0, plan.rows))
        self._clock.add_single(passed_s=passed_s, reported_s=float(drive.done_s[number] - drive.sent_s[number]))

    def _timed(self, plan: LoadPlan, batch: pa.RecordBatch) -> tuple[Drive, float]:
        """(the times of one block, how many seconds it took on this side of the line)."""
        doing = f"answering {plan.requests:,} requests of {plan.rows:,} rows"
        # No frame comes between two arrivals. A Poisson gap is longer than 30 means with probability exp(-30), 1e-13.
        pause = 0.0 if plan.rate is None else 30.0 / plan.rate
        header = {"verb": "drive", "plan": asdict(plan)}
        pending = self._send(header, to_stream(batch), doing=doing, rows=RowText(batch))
        reports = plan.warmup + plan.requests + 2  # at most one after each request, and where the block begins and ends
        frame = self._receive(pending, seconds=self.timeout_s + pause, reports=reports)
        with self._understanding(pending):
            passed_s = self._block["ended"] - self._block["begins"]
            drive = _drive(read_batch(frame.payload, rows=range(plan.requests + 1)), frame.header["first_error"])
        kind, _, text = (drive.first_error or "").partition(": ")
        return replace(drive, first_error=pending.rows.error(kind, text) if kind else None), passed_s

    def answer_example(self) -> int:
        """See `AnswersExample`."""
        self.load()
        doing = "answering its input example"
        pending = self._send({"verb": "example"}, doing=doing, rows=self._example_text())
        header = self._receive(pending).header
        with self._understanding(pending):
            if isinstance(header["rows"], float):
                raise TypeError("no count")
            return int(_number(header["rows"]))

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

    def _example_text(self) -> RowText:
        from lockgate.models.input_example import example_text  # which needs pyarrow

        return example_text(self.folder)

    def _end(self, fault: ModelFault) -> ModelFault:
        if self.functions is not None:
            self.functions.close()
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
        None if names is None else tuple(plain_text(name) for name in names),
        None if count is None else int(_number(count)),
    )


def _estimator(reported: Mapping[str, Any]) -> Estimator:
    """Raises LookupError, TypeError, ValueError for what our host does not report."""
    kind, methods, classes = reported["kind"], tuple(reported["methods"]), reported["classes"]
    if not {*methods} <= {*SCORING}:
        raise ValueError("other methods")
    if classes is not None and not (
        len(classes) <= FEW_CLASSES and all(isinstance(each, str | float | int) for each in classes)
    ):
        raise ValueError("no classes")
    return Estimator(
        None if kind is None else plain_text(kind), methods, None if classes is None else tuple(map(_class, classes))
    )


def _class(value: Any) -> Any:
    return plain_text(value) if isinstance(value, str) else value


def _drive(times: pa.RecordBatch, first_error: Any) -> Drive:
    """The times of a block. Raises ValueError where they are no times in order, TypeError for another type."""
    import numpy as np

    intended, sent, done, failed, lag = (column.to_numpy(zero_copy_only=False) for column in times.columns)
    for seconds in (intended, sent, done, lag):
        if seconds.dtype != np.float64 or not np.isfinite(seconds).all():
            raise ValueError("no times")
    if failed.dtype != bool or (done < sent).any() or (lag < 0).any() or (np.diff(sent) < 0).any():
        raise ValueError("times out of order")
    return Drive(intended, sent, done, failed, lag, None if first_error is None else plain_text(first_error))


def _of(names: Iterable[str], value: Any) -> dict[str, str]:
    """An object of short texts under some of these names. Raises TypeError, ValueError for anything else."""
    texts = flat_texts(value)
    if not texts.keys() <= {*names}:
        raise ValueError("other names")
    return {name: _version(text or "") for name, text in texts.items()}


def _version(value: Any) -> str:
    """A text such as a version, without what none holds. Raises TypeError for another type."""
    return re.sub(r"[^\w.,+!-]", "?", plain_text(value)[:_VERSION_LENGTH])


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        raise ValueError("no number")
    return float(value)
