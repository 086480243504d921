"""Rows of an answer that name an error of their own beside their score, which is then none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lockgate.errors import ModelFault
from lockgate.models.model_host import ERROR_KEYS, error_text


def without_failed_rows(
    answer: pa.RecordBatch, *, score: str | None, may_fail: bool, rows_before: int
) -> pa.RecordBatch:
    """Return the answer with null in the rows whose `error` or `errors` says something. Raises ModelFault unless they may.

    score: the column that the pipeline names, which is no error whatever it is called; so is one that stands alone.
    rows_before: rows answered in earlier batches.
    """
    names = set(answer.schema.names)
    failed = np.zeros(answer.num_rows, bool)
    for key in names & ERROR_KEYS - {score} if names - ERROR_KEYS or score in names else ():
        column = answer.column(key)
        if column.null_count < len(column):
            failed |= [error_text(value) is not None for value in column.to_pylist()]
    if not failed.any():
        return answer
    if may_fail:
        return answer.take(pa.array([None if broken else row for row, broken in enumerate(failed)], pa.int64()))
    raise ModelFault(
        f"the model names an error of its own in {int(failed.sum()):,} of rows {rows_before + 1:,} to "
        f"{rows_before + len(failed):,}, first in row {rows_before + int(failed.argmax()) + 1:,}, and what stands beside it "
        "is no score",
        remedy="look at `error` in the model's answer for that row; a column that is no error needs another name",
    )
