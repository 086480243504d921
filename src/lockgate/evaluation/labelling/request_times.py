"""When requests came, as a column of the scored table: labels that come later judge those that are old enough."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.data.time_window import HOW_TO_WRITE, TO_ITS_END, moments_of
from lockgate.evaluation.scoring.column import SingleColumn


class Times(SingleColumn):
    """Moments in microseconds since 1970, a day at its end; none where a request has no time."""

    def __init__(self, dataset: Dataset, column: str, purpose: str = "time") -> None:
        super().__init__(dataset, column, purpose, remedy=HOW_TO_WRITE, may_lack=True)
        self._zoned: bool | None = None
        self._moments: list[Array] = []
        self._lacking: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = batch.column(self.needs[0])
        try:
            times = moments_of(column, before=before, zoned=self._zoned)
        except ValueError as error:
            raise self._wrong(f"is not a time ({error})") from error
        self._zoned = times.zoned
        self._moments.append(times.values + (TO_ITS_END if times.days else 0))
        self._lacking.append(times.missing)

    def done(self) -> pa.Array:
        """(n,) int64, null where there is none."""
        moments, lacking = np.concatenate([*self._moments, np.zeros(0, np.int64)]), np.zeros(0, bool)
        return pa.array(moments.astype(np.int64), mask=np.concatenate([*self._lacking, lacking]).astype(bool))
