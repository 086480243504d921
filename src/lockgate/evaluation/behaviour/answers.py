"""Let models answer altered rows, and keep what they answered as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.evaluation.scoring.dataset_scores import Scorer, score_rows
from lockgate.evaluation.scoring.replay import answer, replay
from lockgate.evaluation.scoring.scored_file import batches_of, write_scored
from lockgate.evaluation.scoring.scored_table import Scored, answer_forms
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.model import Model

ALTERED = "altered"
_PROBES = 64


def answering(model: Model, reader: AnswerReader) -> Callable[[Iterator[pa.RecordBatch]], Iterator[Array]]:
    """A scorer of altered rows: what `reader` reads of each batch, NaN where the model raised or gave no number.

    A batch is sent whole first, as rows are scored. Where it fails, and each of 64 rows that are spread over it fails alone
    too, none of it counts as answered, and the rest is not asked row by row. reader: made for rows that may fail.
    """
    one_by_one = replay(model, reader, failed_once=lambda: None)

    def answers(batch: pa.RecordBatch) -> Array:
        if batch.num_rows == 0:
            return np.zeros(0)
        if (values := answer(model, reader, batch)) is not None:
            return values
        rows = np.unique(np.linspace(0, batch.num_rows - 1, _PROBES).astype(int))
        if batch.num_rows > _PROBES and not any(_answered(model, reader, batch.slice(row, 1)) for row in rows):
            return np.full(batch.num_rows, np.nan)
        return next(one_by_one(iter([batch])))

    return lambda batches: map(answers, batches)


def unanswered(batches: Iterator[pa.RecordBatch]) -> Iterator[Array]:
    """A scorer of altered rows that no model takes, as its signature says: NaN for each."""
    return (np.full(batch.num_rows, np.nan) for batch in batches)


def _answered(model: Model, reader: AnswerReader, row: pa.RecordBatch) -> bool:
    values = answer(model, reader, row)
    return values is not None and bool(np.isfinite(values).all())


def build_altered(
    dataset: Dataset,
    *,
    scorers: Mapping[str, Scorer],
    altered: Callable[[], Array],
    readers: Mapping[str, AnswerReader],
    labels: Sequence[Any] | None,
    before: Scored,
    columns: Sequence[str],
    path: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Scored:
    """Score altered rows, write what was answered, and open it: a score of each role, and which rows could be altered.

    scorers: role → the model's answers to each batch of the data, altered; of several classes the predicted one. altered:
    asked when all is answered, (n,) bool. labels: the values of the label column, None where they are unknown. before: the
    answers to the rows as they were, which say what the altered ones are: all of them may be 1 now. The rows are
    those of `dataset`, in its order; what it says of them besides stands in their scored table. Raises DataError, ModelFault.
    """
    for role, reader in readers.items():
        reader.expect(labels, alike=before.kind_of_answers(role))
    values = score_rows(dataset, scorers, dataset.count(), columns=columns, may_fail=True, progress=progress)
    answers = {role: arrays.from_numpy(readers[role].finish(values[role])) for role in sorted(scorers)}
    answers[f"candidate:{ALTERED}"] = arrays.from_numpy(altered().astype(np.float64))
    table = pa.Table.from_arrays(list(answers.values()), names=list(answers))
    write_scored(path, batches_of(table), answers=answer_forms(readers))
    return Scored.open(path)
