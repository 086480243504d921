"""Request log: every request of a run as it was measured, on disk as soon as its block is over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from lockgate.models.model import Drive

_TIMES = ("intended_s", "sent_s", "done_s", "lag_s")
_NAMES = ("model", "batch", "block")
_SCHEMA = pa.schema(
    [
        *(("model", pa.string()), ("batch", pa.int64()), ("block", pa.int64())),
        *(("intended_s", pa.float64()), ("sent_s", pa.float64()), ("done_s", pa.float64())),
        *(("failed", pa.bool_()), ("lag_s", pa.float64())),
    ]
)


class RequestLog:
    """`<name>.parquet` in a folder, a row group for each block: about 24 bytes a request.

    While the load runs it is called `<name>.partial.parquet`. Where the run is interrupted that name stays, and the file
    has the blocks that were measured until then, complete and readable.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.parquet"
        self._partial = folder / f"{name}.partial.parquet"

    def __enter__(self) -> RequestLog:
        self._writer = parquet.ParquetWriter(
            self._partial,
            _SCHEMA,
            compression="zstd",
            use_dictionary=list(_NAMES),  # the same in all rows of a block
            # times never repeat, but their high bytes do: split into streams of bytes they compress
            column_encoding=dict.fromkeys(_TIMES, "BYTE_STREAM_SPLIT"),
        )
        return self

    def write_block(self, drive: Drive, *, role: str, batch: int, block: int) -> None:
        """Write one block."""
        count = len(drive.sent_s)
        columns = [
            pa.repeat(pa.scalar(role), count),
            np.full(count, batch, np.int64),
            np.full(count, block, np.int64),
            *(getattr(drive, name) for name in ("intended_s", "sent_s", "done_s", "failed", "lag_s")),
        ]
        self._writer.write_table(pa.table([pa.array(column) for column in columns], schema=_SCHEMA))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        if kind is None:
            self._partial.replace(self.path)
