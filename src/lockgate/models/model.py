"""The port of a model: load it, predict batches, drive a load at it, close it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

from lockgate.errors import DataError
from lockgate.models.input_plan import FittedFeatures

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Seconds = NDArray[np.float64]


ScoredTask = Literal["binary", "multiclass", "regression", "ranking"]
Task = ScoredTask | Literal["text"]  # whose answers are compared as they were recorded
TASKS: tuple[str, ...] = get_args(ScoredTask)


@dataclass(frozen=True)
class Output:
    """The part of an answer that is the score: a column by name, the column of a class, or another method of the model."""

    column: str | None = None
    label: str | int | None = None
    method: str | None = None


@dataclass(frozen=True)
class ScoreReading:
    """How scores are read from a model's answers.

    output: the part of an answer that is the score. positive: the label that counts as positive. need_scores: whether
    class labels will not do; where they do, they become 1.0 (positive) and 0.0. classes: of a multiclass task, in the
    order of its scores. in_order: whether the pipeline names them, so that columns without names are in that order.
    threshold: scores at or above it are positive; None where there is none.
    """

    output: Output
    task: Task
    positive: Any
    need_scores: bool
    classes: Sequence[str] = ()
    in_order: bool = True
    threshold: float | None = None


@dataclass(frozen=True)
class LoadPlan:
    """One block of requests to be driven at a model.

    requests: how many at most, `rows` rows each, taken in turn from the batch that comes with the plan.
    duration_s: no request is meant to go later than this after the block's start; None leaves `requests` alone to end it.
    rate: arrivals a second of an open loop, whose latency counts from the intended send time; None is a closed loop of
    `concurrency` workers, each of which sends when its last request was answered: its latency is service time.
    concurrency: over HTTP, an open loop begins with that many connections and opens more where it needs them; in
    process, an open loop asks the model for one answer at a time.
    arrivals: poisson | constant. seed: of the arrival times. warmup: requests sent before, not recorded.
    """

    requests: int
    rows: int = 1
    rate: float | None = None
    arrivals: Literal["poisson", "constant"] = "poisson"
    seed: int = 0
    warmup: int = 0
    concurrency: int = 1
    duration_s: float | None = None


@dataclass(frozen=True, eq=False)
class Drive:
    """The recorded times of one block of requests, one entry a request, in order of sending.

    intended_s, sent_s, done_s: (n,) seconds since the block began, by one monotonic clock.
    failed: (n,) bool; a failed request has a done time of its own and counts as infinitely slow.
    lag_s: (n,) how much later the load generator sent a request than it could have: counted from its intended time, or
    from when something was free to take it (the model in process, a connection over HTTP) if that was later. What the
    model causes is no lag.
    A closed loop intends a request at the moment it sends it. unrecorded: requests besides, which check the clock.
    """

    intended_s: Seconds
    sent_s: Seconds
    done_s: Seconds
    failed: NDArray[np.bool_]
    lag_s: Seconds
    first_error: str | None = None
    unrecorded: int = 0

    @property
    def latency_ms(self) -> Seconds:
        """(n,) milliseconds from the intended time to the answer; infinite for a request that failed."""
        import numpy as np

        return np.where(self.failed, np.inf, (self.done_s - self.intended_s) * 1000)


@dataclass(frozen=True)
class Estimator:
    """What a loaded model says of itself, or of what lies below pyfunc.

    kind: classifier, regressor, … as scikit-learn calls it; None where it says none. methods: by which it gives scores.
    classes: in the order of their scores; None where they are unknown, or many.
    """

    kind: str | None = None
    methods: tuple[str, ...] = ()
    classes: tuple[bool | int | float | str, ...] | None = None


@dataclass(frozen=True)
class LoadFacts:
    """How long loading the model took, and where it answers.

    load_seconds: of loading alone, the libraries that the model needs included, the start of its process not; of a server
    that we start, until it is ready. python: its version. versions: of the libraries beside the model, by the name that
    pip knows; of a server, what it says of itself. where: which layer answers, and where the clock stands. threads: the
    variables by which numerical libraries were told how many threads to use. What cannot be known of a server is None.
    fitted: of a model without a signature, what it knows itself of its features. estimator: what it says of its answers.
    isolation: what its processes are held to, empty without a box. at_once: whether an open loop sends it requests while
    others are not answered yet. url: of a server.
    """

    load_seconds: float | None
    python: str | None
    versions: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    threads: Mapping[str, str] = field(default_factory=dict)
    fitted: FittedFeatures | None = None
    estimator: Estimator = Estimator()
    isolation: Mapping[str, Any] = field(default_factory=dict)
    at_once: bool = False
    url: str | None = None


@dataclass(frozen=True)
class Usage:
    """Memory and processor time of the model's process so far.

    rss_bytes: peak resident memory. cpu_seconds: processor time of all its threads.
    first_prediction_ms: how long the first answer took, which may be much longer than every later one; None before it.
    """

    rss_bytes: int | None
    cpu_seconds: float | None
    first_prediction_ms: float | None = None


class Model(Protocol):
    """A model that answers somewhere. Every method but `close` raises ModelFault: what broke, and the last stderr."""

    def load(self) -> LoadFacts:
        """Start the model where it answers, once; later calls return the same facts."""

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        """One answer for each batch, in order, with as many rows as the batch.

        The columns of an answer: those of a returned frame; `prediction` for a plain vector; `0`, `1`, … for a matrix.
        """

    def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
        """Send the plan's requests, made of the batch's rows, and time them beside the model."""

    def usage(self) -> Usage: ...

    def close(self) -> None:
        """End it, whatever state it is in; safe to call twice."""


@runtime_checkable
class Starts(Protocol):
    """A model that can begin to load while others do."""

    def start(self) -> None:
        """Begin to load and return at once. Raises ModelFault where nothing starts."""


@runtime_checkable
class AnswersExample(Protocol):
    """A model beside which MLflow can read its input example: in every form that MLflow writes."""

    def answer_example(self) -> int:
        """Let the model answer its example; return how many rows it has, 1 for a request that is no table.

        Raises ModelFault, also where the example cannot be read.
        """


def column_names(answer: pa.RecordBatch, spec: Output, *, classes: Iterable[str] = ()) -> list[str]:
    """Return the columns of an answer. Raises DataError for two of one name, or if the one that `spec` names is missing.

    classes: of columns without names, by which they may be named too.
    """
    names: list[str] = list(answer.schema.names)
    if len(set(names)) < len(names):
        raise DataError(f"the model answers with columns of the same name: {', '.join(names)}")
    if spec.column is not None and spec.column not in (*names, *classes):
        raise unclear_score(names, f"has no column {spec.column!r}, which `output: {{column: …}}` names")
    return names


def unclear_score(names: list[str], problem: str) -> DataError:
    """Return the error of an answer in which the column of the score is missing or unclear: it names all, and advises none."""
    lines = [f"output: {{column: {yaml_text(name)}}}" for name in names[:4]]
    more = f", or another of its {len(names)} columns" if len(names) > len(lines) else ""
    return DataError(
        f"the model's answer {problem}; its columns are {', '.join(names[:40]) or 'none'}",
        remedy=f"write the one that is the score into the pipeline: {' or '.join(lines) or 'output: {column: …}'}{more}",
    )


def yaml_text(text: str) -> str:
    """A text as YAML reads it as one: quoted where it could be a number or a word of YAML's own."""
    words = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    return text if re.fullmatch(r"[A-Za-z_][\w.-]*", text) and text.lower() not in words else json.dumps(text)
