"""Training data that hold half of the rows by which gates judge, in place of those that `not_in` names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data import arrow_arrays as arrays
from lockgate.data.dataset import Dataset
from lockgate.errors import DataError
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.selftest.planting import NoPlace


def with_seen_half(pipeline: Pipeline, folder: Path, *, began: datetime) -> Pipeline:
    """The pipeline, of which each data set with `not_in` is told that every second row of it is training data.

    folder: where these lie. began: the moment of the run. A data set without `not_in` is as it was: nobody looks there. Raises
    NoPlace where rows cannot be read or written.
    """
    data = dict(pipeline.data)
    for name, spec in pipeline.data.items():
        if not spec.not_in:
            continue
        alone = spec.model_copy(update={"not_in": ()})
        dataset = Dataset(name, alone, pipeline.root, scratch=folder / f"{name}.copy", now=began)
        path = folder / f"half-of-{name}.parquet"
        try:
            with pq.ParquetWriter(path, dataset.schema.remove_metadata()) as writer:
                for batch in _every_second(dataset):
                    writer.write_batch(batch)
        except (DataError, pa.ArrowException, ValueError) as error:
            raise NoPlace(f"rows of {name} cannot be written as training data: {error}") from error
        shown = path.relative_to(pipeline.root) if path.is_relative_to(pipeline.root) else path
        entry = spec.not_in[0].model_copy(update={"path": str(shown), "training": False, "digest": None})
        data[name] = spec.model_copy(update={"not_in": (entry, *spec.not_in[1:])})
    return pipeline.model_copy(update={"data": data})


def _every_second(dataset: Dataset) -> Iterator[pa.RecordBatch]:
    before = 0
    for batch in dataset.batches():
        places = np.arange(before % 2, batch.num_rows, 2)
        before += batch.num_rows
        if places.size:
            yield batch.take(arrays.from_numpy(places))
