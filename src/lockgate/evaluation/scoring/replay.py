"""Replay recorded requests in batches, where a request may fail without failing the others of its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lockgate.errors import ModelFault

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.models.answers.answer_reader import AnswerReader
    from lockgate.models.model import Model

ROWS = 1024  # a failing request costs about 2 log2(ROWS) calls


def answer(model: Model, reader: AnswerReader, batch: pa.RecordBatch) -> Array | None:
    """What `reader` reads of the answer to a batch, of several classes the predicted one; None where the model raised.

    Raises ModelFault where the process itself broke.
    """
    from lockgate.models.class_scores import predicted_class

    try:
        columns = next(iter(model.predict([batch], method=reader.reading.output.method)))
    except ModelFault as fault:
        if not fault.alive:
            raise
        return None
    values = reader.read(columns)
    return predicted_class(values) if reader.reading.task == "multiclass" else values


def replay(
    model: Model, reader: AnswerReader, *, failed_once: Callable[[], None]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[Array]]:
    """A scorer for `build_scored`: what `reader` reads of each batch, NaN where the model raised or gave no number.

    For several classes, the index of the predicted one. reader: made for rows that may fail.

    A batch that fails is halved until the failing requests stand alone. Where none of them fails, it is asked again whole:
    `failed_once` is called if it is answered then. Raises ModelFault where the process itself broke.
    """
    import numpy as np

    failures = 0

    def answers(batch: pa.RecordBatch) -> Array:
        nonlocal failures
        if (values := answer(model, reader, batch)) is not None:
            return values
        failures += 1
        if batch.num_rows <= 1:
            return np.full(batch.num_rows, np.nan)
        before, half = failures, batch.num_rows // 2
        halves = np.concatenate([answers(batch.slice(0, half)), answers(batch.slice(half))])
        if (
            failures == before and answer(model, reader, batch) is not None
        ):  # else it is too large, or its rows fail together
            failed_once()
        return halves

    def scores(batches: Iterator[pa.RecordBatch]) -> Iterator[Array]:
        for batch in batches:
            parts = [answers(batch.slice(start, ROWS)) for start in range(0, batch.num_rows, ROWS)]
            yield np.concatenate(parts) if parts else np.zeros(0)

    return scores
