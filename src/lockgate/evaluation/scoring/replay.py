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


def replay(model: Model, reader: AnswerReader) -> Callable[[Iterator[pa.RecordBatch]], Iterator[Array]]:
    """A scorer for `build_scored`: what `reader` reads of each batch, NaN where the model raised or gave no number.

    For several classes, the index of the predicted one. reader: made for rows that may fail.

    A batch that fails is halved until the failing requests stand alone. Raises ModelFault where the process itself broke.
    """
    import numpy as np

    from lockgate.models.class_scores import predicted_class

    several = reader.reading.task == "multiclass"

    def answers(batch: pa.RecordBatch) -> Array:
        try:
            answer = next(iter(model.predict([batch], method=reader.reading.output.method)))
        except ModelFault as fault:
            if not fault.alive:
                raise
        else:
            values = reader.read(answer)
            return predicted_class(values) if several else values
        if batch.num_rows <= 1:
            return np.full(batch.num_rows, np.nan)
        half = batch.num_rows // 2
        return np.concatenate([answers(batch.slice(0, half)), answers(batch.slice(half))])

    def scores(batches: Iterator[pa.RecordBatch]) -> Iterator[Array]:
        for batch in batches:
            parts = [answers(batch.slice(start, ROWS)) for start in range(0, batch.num_rows, ROWS)]
            yield np.concatenate(parts) if parts else np.zeros(0)

    return scores
