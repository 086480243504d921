"""A model behind a server that answers over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pyarrow as pa

from lockgate.errors import ModelFault
from lockgate.models.json_rows import UnusableAnswer, concatenate, fit_batch, other_kind, value_kinds
from lockgate.models.model import Drive, LoadFacts, LoadPlan, Usage
from lockgate.models.safe_text import RowText
from lockgate.models.server.client import HttpClient
from lockgate.models.server.load_test import drive_http
from lockgate.models.server.pace import Pace
from lockgate.models.server.predictions import (
    NO_PREDICTION,
    load_problem,
    moved_column,
    read_predictions_of,
    without_rows,
)
from lockgate.text import counted

_ROWS = 1000  # of a request, so that its body stays small and its answer within the time limit


class ServerProtocol(Protocol):
    """How rows become the body of a request, and an answer becomes predictions."""

    path: str
    health: str | None = None
    one_row: bool = False

    def body(self, batch: pa.RecordBatch, *, name: str) -> Any:
        """Return the body as JSON values. Raises ModelFault for rows that cannot be written so."""

    def answer(self, document: Any, rows: int) -> pa.RecordBatch:
        """Return one prediction a row. Raises UnusableAnswer."""

    def reported(self, client: HttpClient) -> dict[str, str]:
        """Return what the server reports of itself and its model, for the evidence. Raises ModelFault for another version."""
        return {}


class ServerModel:
    """A model behind a server that somebody else runs, behind the port `model.Model`. One caller at a time.

    signature: the input columns as the registry has them, of which the server gets no more and no others. ready_s: how
    long to wait until the server is ready. pace: of the rows that are predicted, None without a limit. Nothing of the server is started or ended here; what it uses is not known.
    """

    def __init__(
        self,
        client: HttpClient,
        protocol: ServerProtocol,
        *,
        signature: Sequence[Mapping[str, Any]] | None = None,
        ready_s: float = 30.0,
        pace: Pace | None = None,
    ) -> None:
        self.name = client.name
        self._pace = pace
        self.client, self._protocol, self._signature, self._ready_s = client, protocol, signature, ready_s
        self._facts: LoadFacts | None = None
        self._first_ms: float | None = None
        self._kinds: dict[str, str] = {}
        self._closed = False

    def load(self) -> LoadFacts:
        """Wait until the server is ready; later calls return the same facts."""
        if self._closed:
            raise ModelFault(f"{self.name} is closed", remedy="make a new one")
        if self._facts is None:
            self.client.wait(self._protocol.health, seconds=self._ready_s)
            reported = self._protocol.reported(self.client)
            self._facts = LoadFacts(None, None, reported, where=self.where, at_once=True)
        return self._facts

    @property
    def where(self) -> str:
        """Where it answers, and between which points time is measured."""
        return f"over HTTP: POST {self.client.url(self._protocol.path.partition('?')[0])}, from our machine and back"

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield one answer for each batch, in order; a large batch is sent in parts. Raises ModelFault."""
        if method is not None:
            raise ModelFault(
                f"{self.name} is behind a server, which answers as it was deployed: {method!r} cannot be called",
                remedy="remove output: {method: …}, or run the model in a process of its own: target: process",
            )
        self.load()
        step = 1 if self._protocol.one_row else _ROWS if self._pace is None else min(_ROWS, self._pace.most_rows)
        for batch in batches:
            rows = fit_batch(batch, self._signature, name=self.name)
            starts = range(0, max(1, rows.num_rows), step)
            yield concatenate([self._answer(rows.slice(start, step)) for start in starts], name=self.name)

    def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
        """Send the plan's requests over HTTP and time them here. A request that fails is recorded, not raised.

        One answer is read beforehand, with which the others are compared. The answers of the load are read when it is over:
        each that differs from those before it, of more than thousands each of another shape and a sample. One that is no
        prediction for the rows sent is a failed request.
        """
        if batch.num_rows == 0:
            raise ModelFault(f"{self.name} cannot be driven with a batch without rows", remedy="give data with rows")
        if self._protocol.one_row and plan.rows != 1:
            raise ModelFault(
                f"{self.name} takes one row a request, because its body says $row or $record, and batch_size is {plan.rows}",
                remedy="write batch_size: 1, or a body with $rows or $records",
            )
        self.load()
        parts = _parts(fit_batch(batch, self._signature, name=self.name), rows=plan.rows, most=plan.requests)
        if self._first_ms is None:
            self._answer(parts[0])
        read, verified, quotable = self._protocol.answer, self._kinds, RowText(batch)
        drive = drive_http(
            plan,
            url=self.client.address(self._protocol.path),
            headers={"Content-Type": "application/json", "Accept": "application/json", **self.client.headers},
            bodies=[self._body(part) for part in parts],
            timeout_s=self.client.timeout_s,
            ca_file=self.client.ca_file,
            cancelled=self.client.cancelled,
            problem_of=lambda answer: load_problem(answer, plan.rows, read=read, verified=verified, quotable=quotable),
        )
        what, colon, body = (drive.first_error or "").partition(": ")
        if not colon or what == NO_PREDICTION:
            return drive
        return replace(drive, first_error=f"{what}: {quotable.body(body)}")

    def usage(self) -> Usage:
        """Return how long the first answer took; memory and processor time of somebody else's server are unknown."""
        return Usage(None, None, self._first_ms)

    def close(self) -> None:
        """End the connection, not the server; safe to call twice."""
        self._closed = True
        self.client.close()

    def _body(self, rows: pa.RecordBatch) -> bytes:
        return json.dumps(self._protocol.body(rows, name=self.name), allow_nan=False, separators=(",", ":")).encode()

    def _answer(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        count = rows.num_rows
        doing = f"predicting {counted(count, 'row')}"
        body = self._body(rows)
        if self._pace is not None:
            self._pace.wait(count)
        began = time.perf_counter()
        document = self.client.post(self._protocol.path, body, doing=doing, rows=RowText(rows))
        if self._first_ms is None:
            self._first_ms = (time.perf_counter() - began) * 1000
        try:
            answer = read_predictions_of(document, count, read=self._protocol.answer)
            if (problem := other_kind(answer, self._kinds)) is not None:
                raise UnusableAnswer(problem)
            if (column := moved_column(answer, rows)) is not None:
                raise UnusableAnswer(
                    f"it repeats the input column {column!r} in another order than that of the rows sent, and answers are "
                    "matched to rows by their order"
                )
            self._kinds = {**value_kinds(answer), **self._kinds}
            return answer
        except UnusableAnswer as bad:
            raise ModelFault(
                f"{self.name} gave no usable answer while {doing}: {self.client.redact(without_rows(bad, RowText(rows)))}",
                remedy="look at protocol and output of target (docs/targets.md), or at what the server returns",
                alive=True,
            ) from bad


def _parts(batch: pa.RecordBatch, *, rows: int, most: int) -> list[pa.RecordBatch]:
    """Cut requests of `rows` rows each; a batch with fewer rows is repeated until it has enough for one."""
    if batch.num_rows < rows:
        batch = batch.take(pa.array([row % batch.num_rows for row in range(rows)]))
    return [batch.slice(part * rows, rows) for part in range(min(most, batch.num_rows // rows))]
