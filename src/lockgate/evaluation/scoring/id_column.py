"""Check that ids are unique, and hash them unless the pipeline keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.evaluation.scoring.column import SingleColumn


class _Hashed(SingleColumn):
    """Ids as hex of sha256(salt + id) unless the pipeline keeps them."""

    def __init__(self, dataset: Dataset, column: str, *, salt: bytes, keep: bool, may_lack: bool = False) -> None:
        remedy = "give every row an id, or leave `id` out"
        super().__init__(dataset, column, "id", remedy=remedy, as_stored=True, may_lack=may_lack)
        self._keep = keep
        self._salted = hashlib.sha256(salt)
        self._ids: list[pa.Array] = []

    def _add(self, texts: pa.Array) -> bytes:
        """Keep the ids of these texts; returns their hashes, 32 bytes each."""
        digests = b"".join(map(self._digest, _bytes_of(texts)))
        self._ids.append(texts if self._keep else arrays.from_fixed_width(digests.hex(), 64))
        return digests

    def _digest(self, text: memoryview) -> bytes:
        salted = self._salted.copy()
        salted.update(text)
        return salted.digest()


class IdKeys(_Hashed):
    """Ids of rows that are joined to others, in the form that these have; null where a row lacks one."""

    def __init__(self, dataset: Dataset, column: str, *, salt: bytes, keep: bool) -> None:
        super().__init__(dataset, column, salt=salt, keep=keep, may_lack=True)

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        texts = self._texts(self._plain(batch, before))
        self._add(texts)
        self._ids[-1] = pc.if_else(texts.is_valid(), self._ids[-1], pa.scalar(None, pa.string()))

    def done(self) -> pa.ChunkedArray:
        return pa.chunked_array(self._ids, pa.string())


class Ids(_Hashed):
    """Ids, each of them once."""

    def __init__(self, dataset: Dataset, column: str, *, salt: bytes, keep: bool) -> None:
        super().__init__(dataset, column, salt=salt, keep=keep)
        self._digests: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        digests = self._add(self._texts(self._plain(batch, before)))
        # Half of each hash is enough to find equal ids: 128 bits do not collide by chance.
        self._digests.append(np.frombuffer(digests, np.uint64).reshape(-1, 4)[:, :2].copy())

    def done(self) -> pa.ChunkedArray:
        self._refuse_missing()
        self._refuse_twice(np.concatenate([*self._digests, np.zeros((0, 2), np.uint64)]))
        return pa.chunked_array(self._ids, pa.string())

    def _refuse_twice(self, digests: Array) -> None:
        order = np.lexsort((digests[:, 1], digests[:, 0])) if _repeats(digests[:, 0]) else np.zeros(0, np.int64)
        again = order[1:][(digests[order[1:]] == digests[order[:-1]]).all(axis=1)]
        if again.size:
            rows = "1 row repeats" if again.size == 1 else f"{again.size:,} rows repeat"
            raise self._wrong(
                f"is not unique: {rows} the id of an earlier one, for example {self._dataset.row(int(again.min()) + 1)}",
                remedy="a row that counts twice looks like more evidence than there is: leave repeated rows out",
            )


def _bytes_of(texts: pa.Array) -> Iterator[memoryview]:
    _, offsets, data = texts.buffers()
    view = memoryview(data or b"")
    ends = (
        np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].tolist() if len(texts) else [0]
    )
    start = ends[0]
    for end in ends[1:]:
        yield view[start:end]
        start = end


def _repeats(values: Array) -> bool:
    ordered = np.sort(values)
    return bool((ordered[1:] == ordered[:-1]).any())
