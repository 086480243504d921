"""Join labels that came later to the requests of an earlier run, by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.stored_columns import stored
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import UsageError
from lockgate.evaluation.labelling.request_times import Times
from lockgate.evaluation.scoring.id_column import IdKeys
from lockgate.evaluation.scoring.row_columns import checked_rows
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.models.class_scores import predicted_class
from lockgate.models.model import Task

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class LabelCount:
    """What became of the rows of the labels.

    without_id, without_label: lack one. unknown: are of no request of the run. repeated: say the same of a request that another row
    says. superseded: an older label of a request that has a newer one. contradictory: of requests whose labels differ, none of
    which is used. used: the requests that got a label.
    """

    rows: int
    without_id: int
    without_label: int
    unknown: int
    repeated: int
    superseded: int
    contradictory: int
    used: int

    def to_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class Joined:
    """Requests and their labels.

    rows: (n,) row of the labels by which a request is judged, -1 without one. values: what the rows say. source: where they lie.
    """

    scored: Scored
    rows: Array
    count: LabelCount
    values: pa.Array
    source: Dataset

    @property
    def labelled(self) -> Array:
        """(n,) bool."""
        return self.rows >= 0

    def judged(self, chosen: Array, *, task: Task, positive: Any, classes: Sequence[str]) -> Scored:
        """The scored table of the requests in `chosen`, (n,) bool, all of them labelled. Raises DataError for labels that are
        none of the task's."""
        places = np.flatnonzero(chosen)
        dataset = _ChosenLabels(self.values, self.source, self.rows[places])
        checked = checked_rows(dataset, task=task, positive=positive, salt=b"", scores={}, classes=classes)
        rows, label = self.scored.of_rows(places), checked.columns.get("label")
        rows.labels = None if label is None else arrays.to_numpy(arrays.whole(label))
        return rows


def join(scored: Scored, labels: Dataset, *, salt: bytes, keep_ids: bool, task: Task, positive: Any) -> Joined:
    """labels: their columns are those that its spec names: id, label, and time where the newest of several counts.

    Raises DataError where they cannot be read so.
    """
    spec = labels.spec
    assert spec.id is not None  # noqa: S101  # they are joined by it
    assert spec.label is not None  # noqa: S101
    assert scored.ids is not None  # noqa: S101  # whoever calls has looked
    keys = IdKeys(labels, spec.id, salt=salt, keep=keep_ids)
    times = None if spec.time is None else Times(labels, spec.time)
    as_texts = labels.untyped(spec.label) and (task == "multiclass" or isinstance(positive, str))
    label = stored(spec.label) if as_texts else spec.label
    values = _read(labels, label, [keys, *([] if times is None else [times])])
    ids = keys.done()
    if len(ids) and ids.null_count == len(ids):
        raise UsageError(
            f"{labels.redacted_path} has no id in column {spec.id!r}, so nothing says whose labels these are"
        )
    positions = arrays.to_numpy(arrays.whole(pc.index_in(ids, value_set=scored.ids)).fill_null(-1))
    missing = arrays.is_missing(values)
    moments = None if times is None else arrays.to_numpy(times.done().fill_null(_NEVER))
    usable = (positions >= 0) & ~missing
    rows, superseded, contradictory = _chosen(
        scored.rows, positions[usable], np.flatnonzero(usable), _codes(values.filter(arrays.from_numpy(usable))),
        None if moments is None else moments[usable],
    )  # fmt: skip
    used = int((rows >= 0).sum())
    count = LabelCount(
        rows=len(ids),
        without_id=ids.null_count,
        without_label=int(((positions >= 0) & missing).sum()),
        unknown=int((positions < 0).sum()) - ids.null_count,
        repeated=int(usable.sum()) - superseded - contradictory - used,
        superseded=superseded,
        contradictory=contradictory,
        used=used,
    )
    return Joined(scored, rows, count, values, labels)


def _read(labels: Dataset, label: str, columns: list[Any]) -> pa.Array:
    """The label column; the others are added to as the rows are read."""
    names = [label, *(name for column in columns for name in column.needs)]
    purposes = {name: column.purpose for column in columns for name in column.needs}
    labels.need({label: "label"} | purposes)
    parts, before = [pa.nulls(0)], 0
    for batch in map(labels.typed, labels.batches(list(dict.fromkeys(names)))):
        for column in columns:
            column.add(batch, before)
        parts.append(arrays.plain(batch.column(label)))
        before += batch.num_rows
    return arrays.whole(pa.chunked_array(parts[1:] or parts))


def _codes(values: pa.Array) -> Array:
    """(n,) a number for each distinct label."""
    return arrays.to_numpy(arrays.encoded(values).indices)


def _chosen(
    requests: int, positions: Array, rows: Array, codes: Array, moments: Array | None
) -> tuple[Array, int, int]:
    """((requests,) row of the label of each, -1 without; rows that a newer one replaces; rows that contradict each other).

    positions: (m,) the request of each row. rows: (m,) their numbers. codes: (m,) what they say. moments: (m,) when that became known.
    """
    total = len(positions)
    if moments is not None:
        newest = np.full(requests, _NEVER)
        np.maximum.at(newest, positions, moments)
        current = moments == newest[positions]
        positions, rows, codes = positions[current], rows[current], codes[current]
    lowest, highest = np.full(requests, np.iinfo(np.int64).max), np.full(requests, -1)
    np.minimum.at(lowest, positions, codes)
    np.maximum.at(highest, positions, codes)
    at_odds = (lowest != highest)[positions]
    chosen = np.full(requests, -1)
    chosen[positions[~at_odds][::-1]] = rows[~at_odds][::-1]  # the first row of each stays
    return chosen, total - len(positions), int(at_odds.sum())


class _ChosenLabels(TableDataset):
    """The labels of some rows of `source`, in the order of `rows`, which errors name by where they stand there."""

    def __init__(self, values: pa.Array, source: Dataset, rows: Array) -> None:
        name = source.spec.label or ""
        super().__init__(
            pa.table({name: values.take(pa.array(rows))}),
            DatasetSpec.model_construct(path=source.spec.path, label=name),
        )
        self.name = source.name
        self._source, self._numbers = source, rows

    def untyped(self, column: str) -> bool:
        return self._source.untyped(column)

    def _place(self, number: int) -> str:
        return self._source.row(int(self._numbers[number - 1]) + 1)


def answered(scored: Scored) -> Array:
    """(n,) whether each model that there is answered the request."""
    both: Array = np.ones(scored.rows, bool)
    for answers in (scored.candidate, scored.champion):
        if answers is not None:
            both &= ~np.isnan(predicted_class(answers))
    return both
