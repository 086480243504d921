"""Raw requests on disk, block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from lockgate.evaluation.latency.request_log import RequestLog
from lockgate.models.load_spec import BYTES
from lockgate.models.model import Drive


def drive(requests: int = 150, *, seed: int = 0) -> Drive:
    draw = np.random.default_rng(seed)
    due = np.cumsum(draw.exponential(1 / 500, requests))
    lag = np.abs(draw.normal(0, 3e-5, requests))
    done = due + lag + draw.lognormal(-5, 0.3, requests)
    return Drive(due, due + lag, done, draw.random(requests) < 0.01, lag)


def test_every_request_is_kept_as_it_was_measured(tmp_path: Path) -> None:
    """Each block in a row group of its own, to the last bit."""
    with RequestLog(tmp_path / "latency", "load") as raw:
        for block in range(3):
            raw.write_block(drive(seed=block), role="candidate", batch=32, block=block)
    file = parquet.ParquetFile(tmp_path / "latency" / "load.parquet")

    assert [path.name for path in (tmp_path / "latency").iterdir()] == ["load.parquet"]
    assert file.num_row_groups == 3
    table = file.read_row_group(1)
    for name in ("intended_s", "sent_s", "done_s", "failed", "lag_s"):
        assert np.array_equal(table[name].to_numpy(), getattr(drive(seed=1), name))
    assert {name: set(table[name].to_pylist()) for name in ("model", "batch", "block")} == {
        "model": {"candidate"},
        "batch": {32},
        "block": {1},
    }


def test_blocks_are_on_disk_as_soon_as_they_are_over(tmp_path: Path) -> None:
    """Whoever interrupts the run finds them, complete, under a name that says that it is not all."""
    sizes = []

    def interrupted() -> None:
        with RequestLog(tmp_path, "load") as raw:
            raw.write_block(drive(50_000), role="candidate", batch=1, block=0)
            sizes.append((tmp_path / "load.partial.parquet").stat().st_size)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sizes[0] > 500_000
    assert parquet.read_metadata(tmp_path / "load.partial.parquet").num_rows == 50_000
    assert not (tmp_path / "load.parquet").exists()


def test_a_request_takes_no_more_bytes_than_is_foretold(tmp_path: Path) -> None:
    """`gate plan` multiplies with them."""
    with RequestLog(tmp_path, "load") as raw:
        for block in range(4):
            raw.write_block(drive(50_000, seed=block), role="candidate", batch=1, block=block)

    assert 0.75 * BYTES < (tmp_path / "load.parquet").stat().st_size / 200_000 < 1.02 * BYTES
