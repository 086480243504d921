"""Count rows that repeat an earlier one in all columns but the id, by 64 bits of a hash that is the same everywhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lockgate.data.arrow_arrays import Array
from lockgate.data.overlap.cell_hashes import cell_hashes, row_hashes

_FEWEST_COPIED = 20


class RepeatedRows:
    """Collects one number a row, eight bytes each."""

    def __init__(self) -> None:
        self._hashes: list[Array] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """The next rows, of the same columns as those before."""
        self._hashes.append(row_hashes([cell_hashes(column) for column in batch.columns], batch.num_rows))

    def count(self) -> tuple[int, int]:
        """(how many rows equal one before them; how many copies of some rows all rows are); what was collected goes."""
        hashes = np.concatenate([*self._hashes, np.zeros(0, np.uint64)])
        self._hashes.clear()
        hashes.sort()
        firsts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]])[: hashes.size])
        repeated = hashes.size - firsts.size
        # Few categories come equally often by chance.
        enough = firsts.size >= _FEWEST_COPIED and 2 * repeated >= hashes.size
        return repeated, int(np.gcd.reduce(np.diff(firsts, append=hashes.size))) if enough else 1
