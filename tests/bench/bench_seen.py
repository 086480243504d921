"""How long does it take to find the rows of a large holdout in as many of training data, beside pandas' own hashes?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.overlap.seen_rows import Reference, SeenRows, find_seen_rows

ROWS, SEEN = 1_000_000, 5_000
GOAL_S = 2.0


def rows(seed: int) -> pd.DataFrame:
    """Ten features: six numbers, two counts and two texts of few values, as of transactions."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x{number}": draw.normal(size=ROWS) for number in range(6)})
    frame["count"], frame["age"] = draw.integers(0, 1_000, ROWS), draw.integers(18, 90, ROWS)
    frame["country"] = np.array([f"c{number}" for number in range(200)])[draw.integers(0, 200, ROWS)]
    frame["device"] = np.array(["app", "web", "branch"])[draw.integers(0, 3, ROWS)]
    return frame


class Timed(Dataset):
    """A data set that knows how much of the processor its files took to be read."""

    reading_s = 0.0

    def all_batches(self, columns: Sequence[str] | None = None, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        batches = super().all_batches(columns, rows)
        while True:
            began = time.process_time()
            batch = next(batches, None)
            self.reading_s += time.process_time() - began
            if batch is None:
                return
            yield batch


def best(repeats: int, measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(repeats))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        training, holdout = rows(1), rows(2)
        holdout = pd.concat([training.iloc[-SEEN:], holdout.iloc[SEEN:]], ignore_index=True)
        for title, frame in (("train", training), ("holdout", holdout)):
            pq.write_table(pa.Table.from_pandas(frame), folder / f"{title}.parquet")
        columns = tuple(training.columns)
        found: list[SeenRows] = []

        def ours() -> float:
            data = [Timed(title, DatasetSpec(path=f"{title}.parquet"), folder) for title in ("holdout", "train")]
            for each in data:
                each.digest, each.schema  # noqa: B018  # read and hashed before, as a run does
            began = time.process_time()
            found[:] = [find_seen_rows(data[0], [Reference(data[1], columns)])]
            return time.process_time() - began - sum(each.reading_s for each in data)

        def peer() -> float:
            began = time.process_time()
            hashes = [pd.util.hash_pandas_object(frame, index=False) for frame in (holdout, training)]
            assert int(hashes[0].isin(hashes[1]).sum()) == SEEN
            return time.process_time() - began

        seconds, pandas_s = best(3, ours), best(3, peer)
    seen = found[0].rows - found[0].kept
    print(f"{ROWS:,} rows of a holdout, {ROWS:,} of training data, {len(columns)} columns, {seen:,} rows in both")
    print(f"beyond reading the files   {seconds:6.2f} s     goal: under {GOAL_S:g} s")
    print(f"pandas, frames in memory   {pandas_s:6.2f} s     ratio {seconds / pandas_s:.2f}")
    assert seen == SEEN


if __name__ == "__main__":
    main()
