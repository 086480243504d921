"""Labels are joined to requests by id: each row of them is counted once, whatever their order."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import UsageError
from lockgate.evaluation.labelling.join import Joined, join
from lockgate.evaluation.scoring.scored_table import Scored

REQUESTS = ["a", "b", "c", "d"]
SALT = b"salt"
ROW = st.tuples(
    st.sampled_from([*REQUESTS, "x", "y", None]), st.sampled_from([0, 1, None]), st.sampled_from([1, 2, None])
)


def requests(ids: list[Any] = REQUESTS, *, keep_ids: bool = False) -> Scored:
    table = pa.table({"id": ids, "candidate": [0.1, 0.9] * (len(ids) // 2)})
    spec = DatasetSpec(path="t", id="id", keep_ids=keep_ids)
    return Scored.from_table(table, spec, task="binary", positive=1, salt=SALT)


def joined(
    rows: list[tuple[Any, Any, Any]], *, timed: bool = False, keep_ids: bool = False, scored: Scored | None = None
) -> Joined:
    ids, labels, days = ([row[part] for row in rows] for part in range(3))
    times = pa.array([None if day is None else f"2026-01-0{day}T00:00:00Z" for day in days], pa.string())
    kind = None if any(each is not None for each in ids) else pa.string()
    table = pa.table({"id": pa.array(ids, kind), "y": pa.array(labels, pa.int64()), "at": times})
    spec = DatasetSpec(path="labels", id="id", label="y", time="at" if timed else None)
    return join(
        scored or requests(keep_ids=keep_ids), TableDataset(table, spec), salt=SALT, keep_ids=keep_ids, task="binary", positive=1
    )  # fmt: skip


def expected(rows: list[tuple[Any, Any, Any]], *, timed: bool) -> dict[str, int]:
    """Request → its label, row by row."""
    labels: dict[str, int] = {}
    for request in REQUESTS:
        own = [(day or 0, label) for name, label, day in rows if name == request and label is not None]
        newest = max((day for day, _ in own), default=0)
        values = {label for day, label in own if not timed or day == newest}
        if len(values) == 1:
            labels[request] = values.pop()
    return labels


@settings(max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=12), st.booleans(), st.booleans())
def test_each_row_is_counted_once_and_each_request_has_the_label_that_its_rows_agree_on(
    rows: list[tuple[Any, Any, Any]], timed: bool, keep_ids: bool
) -> None:
    """In whatever order they are, with ids hashed or kept; of several times the newest."""
    if all(name is None for name, _, _ in rows):
        with pytest.raises(UsageError, match="has no id in column 'id'"):
            joined(rows, timed=timed)
        return
    found, turned = joined(rows, timed=timed, keep_ids=keep_ids), joined(rows[::-1], timed=timed, keep_ids=keep_ids)
    count = found.count.to_json()

    labels = {REQUESTS[place]: rows[row][1] for place, row in enumerate(found.rows) if row >= 0}
    assert labels == expected(rows, timed=timed)
    assert count["rows"] == len(rows) == sum(rows for name, rows in count.items() if name != "rows")
    assert (count["used"], count) == (len(labels), turned.count.to_json())


def test_ids_are_compared_as_names() -> None:
    """A number is its digits; a text with zeros before it is another name."""
    scored = requests([1, 2, 3, 4])

    assert joined([("1", 1, 1), ("2", 0, 1), ("03", 1, 1)], scored=scored).count.used == 2
    assert joined([(1, 1, 1), (4, 0, 1)], scored=scored).count.used == 2


def test_labels_of_another_salt_are_of_no_request() -> None:
    """So that nobody who has the hashes alone can try ids."""
    table = pa.table({"id": ["a", "b"], "y": [1, 0]})
    labels = TableDataset(table, DatasetSpec(path="labels", id="id", label="y"))

    assert join(requests(), labels, salt=b"other", keep_ids=False, task="binary", positive=1).count.unknown == 2
