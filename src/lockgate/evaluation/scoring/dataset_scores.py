"""Let models answer all rows of a data set at the same time, and check what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.errors import DataError, ModelFault
from lockgate.evaluation.scoring.categories import batches_with_categories
from lockgate.evaluation.scoring.concurrent_scoring import in_lockstep

Scorer = Callable[[Iterator[pa.RecordBatch]], Iterator[Array | Mapping[str, Array]]]

_ROWS_OF_ARRAYS = 256  # of 224 × 224 pixels in colour and single precision 150 MB
_BATCH_CELLS = 1 << 19  # rows × columns: wide data goes to the models in shorter batches


def score_rows(
    dataset: Dataset,
    scorers: Mapping[str, Scorer],
    rows: int,
    *,
    columns: Sequence[str] | None,
    may_fail: bool,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Array]:
    """What the models answered, by the name of its column: (n,) or (n, classes), NaN where a row may fail and did."""
    scores: dict[str, Array] = {} if rows else {role: np.zeros(0) for role in scorers}
    sizes: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in batches_with_categories(dataset, columns, rows=batch_rows(dataset, columns)):
            sizes.append(batch.num_rows)
            yield batch

    done = 0
    if rows and scorers:
        with closing(in_lockstep(batches(), scorers)) as answers:
            for number, answer in enumerate(answers):
                if done + sizes[number] > rows:
                    break
                for name, values in _columns(answer):
                    if name not in scores:
                        scores[name] = np.full((rows, *values.shape[1:]), np.nan)
                    scores[name][done : done + sizes[number]] = checked_scores(
                        name, values, sizes[number], done, may_fail=may_fail or name not in scorers
                    )
                done += sizes[number]
                if progress is not None:
                    progress(done, rows)
        if done != rows or done != sum(sizes):
            raise DataError(
                f"data {dataset.name!r}: {dataset.redacted_path} changed while it was read",
                remedy="run again when nobody writes to it",
            )
    return scores


def batch_rows(dataset: Dataset, columns: Sequence[str] | None) -> int:
    """How many rows of these columns are read at a time; few where cells may be images or other arrays."""
    kinds = [dataset.schema.field(name).type for name in dataset.columns if columns is None or name in columns]
    if any(arrays.is_array(kind) for kind in kinds):
        return _ROWS_OF_ARRAYS
    return min(65_536, max(1_024, _BATCH_CELLS // max(1, len(dataset.columns if columns is None else columns))))


def _columns(answers: Mapping[str, Array | Mapping[str, Array]]) -> Iterator[tuple[str, Array]]:
    """(column of the scored table, its values) of what the models answered."""
    for role, answer in answers.items():
        if isinstance(answer, Mapping):
            yield from ((f"{role}:{name}" if name else role, values) for name, values in answer.items())
        else:
            yield role, answer


def checked_scores(role: str, scores: Array, rows: int, before: int, *, may_fail: bool) -> Array:
    """One answer for each of so many rows; those that are none are NaN, or refused. Raises ModelFault."""
    if scores.shape[:1] != (rows,):
        raise ModelFault(
            f"the {role} answered {scores.shape[0] if scores.ndim else 0:,} scores for {rows:,} rows",
            remedy="a model gives one answer for each row, in order",
        )
    broken: Array = ~np.isfinite(scores)
    if not broken.any():
        return scores
    if may_fail:
        return np.where(broken, np.nan, scores)
    broken = np.asarray(broken.reshape(rows, -1).any(axis=1))
    raise ModelFault(
        f"the {role}'s scores are NaN or infinite in {int(broken.sum()):,} of rows {before + 1:,} to {before + rows:,}, "
        f"first in row {before + int(broken.argmax()) + 1:,}",
        remedy="look at the model's answer for that row; a missing feature is the usual cause",
    )
