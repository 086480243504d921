"""Outline data for a first pipeline: which column is the truth, an id, a weight, a recorded score, a slice; as people name them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockgate.cli.drafting.truth_column import Truth, distinct, truth_column, two_values
from lockgate.data.class_labels import plain_number
from lockgate.data.dataset import Dataset
from lockgate.data.stored_columns import stored

if TYPE_CHECKING:
    import pyarrow as pa

_WEIGHTS = ("weight", "weights", "sample_weight", "w", "wt")
CANDIDATE_SCORES = ("candidate", "p", "p_new", "p_candidate", "score_candidate", "y_score", "y_prob", "score")
_SCORES = {
    "candidate": CANDIDATE_SCORES,
    "champion": ("champion", "p_old", "p_champion", "score_champion"),
}
_NEGATIVE = ("0", "0.0", "no", "n", "false", "f", "negative", "neg", "-1", "-1.0", "ok", "fine", "normal", "legit",
             "ham", "none", "benign")  # fmt: skip
_POSITIVE = (
    "1",
    "1.0",
    "yes",
    "y",
    "true",
    "t",
    "positive",
    "pos",
    "fraud",
    "spam",
    "churn",
    "default",
    "malignant",
)
MOST_ROWS = 200_000  # that are looked at
_MOST_SLICES = 30
_MOST_COLUMNS = 3  # of slices, those of the fewest values
_LEAST_ROWS = 30  # of each value of a slice
_MOST_LISTED = 40


@dataclass(frozen=True)
class Outline:
    """What the columns of some rows seem to be. label: None where no column holds the truth."""

    columns: tuple[str, ...]
    label: str | None
    positive: Any = None
    unsure: tuple[Any, ...] = ()
    id: str | None = None
    cluster: str | None = None
    weight: str | None = None
    scores: tuple[tuple[str, str], ...] = ()
    slices: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[Any, ...]:
        """The two labels where it is a guess which of them is the positive one, else that one alone."""
        return self.unsure or (self.positive,)


def first_rows(dataset: Dataset) -> pa.Table:
    """The rows of a data set that are looked at. Raises LockgateError where it cannot be read."""
    import pyarrow as pa

    batches = first_batches(dataset.batches(), MOST_ROWS)
    return _with_codes(dataset, pa.Table.from_batches(batches)) if batches else dataset.schema.empty_table()


def first_batches(batches: Iterable[pa.RecordBatch], rows: int) -> list[pa.RecordBatch]:
    """The first batches, which hold so many rows together; all of them where there are fewer."""
    first, before = [], 0
    for batch in batches:
        first.append(batch)
        before += batch.num_rows
        if before >= rows:
            break
    return first


def truth_of(table: pa.Table, *, classes: bool, inputs: Collection[str] | None) -> Truth:
    """Which column is the truth, as far as that can be told: see `truth_column`; lists and moments are none."""
    from lockgate.data.arrow_arrays import is_class, plain_type

    weights = () if inputs is not None and len(set(table.column_names).difference(inputs)) == 1 else _WEIGHTS
    others = {*weights, *(name for names in _SCORES.values() for name in names)}
    others |= {name for name in table.column_names if _is_key(name) or not is_class(plain_type(table[name].type))}
    return truth_column(table, not_among=others, classes=classes, inputs=inputs)


def outline(table: pa.Table, *, label: str | None, inputs: Collection[str] = ()) -> Outline:
    """The outline of the first rows of data. label: the column that holds the truth, None where none does.

    inputs: what the model is given by name, which is no id, weight or score.
    """
    names = tuple(table.column_names)
    if not table.num_rows:
        return Outline(names, label)
    own = [name for name in names if name not in inputs]
    if label not in names:
        return Outline(names, None, id=_id(table, own))
    positive, unsure = _positive(table.column(label))
    scores = _scores(table, own) if positive is not None else ()
    weight = next((name for name in _WEIGHTS if name in own and _is_weight(table.column(name))), None)
    taken = {label, weight, *(column for _, column in scores)}
    free = [name for name in own if name not in taken]
    row_id = _id(table, free)
    cluster = None if row_id is None and not free else _cluster(table, [name for name in free if name != row_id])
    taken |= {row_id, cluster}
    slices = {name: count for name in names if name not in taken and (count := _slice_values(table.column(name)))}
    fewest = sorted(slices, key=lambda name: slices[name])[:_MOST_COLUMNS]
    return Outline(
        names, label, positive, unsure, row_id, cluster, weight, scores, tuple(name for name in names if name in fewest)
    )


def column_list(columns: Sequence[str], inputs: Collection[str] | None = None) -> str:
    """Names of columns, first those that the model is not given, of which one may be the truth; of many the first and last."""
    others = set(inputs or ())
    own = [name for name in columns if name not in others]
    names = [*own, *(name for name in columns if name in others)]
    if len(names) <= _MOST_LISTED:
        return ", ".join(names)
    half = _MOST_LISTED // 2
    listed = [*own[:half], *own[-half:]] if len(own) > _MOST_LISTED else names[:_MOST_LISTED]
    return f"{', '.join(listed)} and {len(names) - _MOST_LISTED:,} more"


def _with_codes(dataset: Dataset, table: pa.Table) -> pa.Table:
    """The table with texts for what only looks like numbers in CSV: `01001`, or more digits than a number keeps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [name for name in table.column_names if dataset.untyped(name) and not pa.types.is_string(table[name].type)]
    if not names:
        return table
    batches = first_batches(dataset.batches([stored(name) for name in names]), table.num_rows)
    texts = pa.Table.from_batches(batches).slice(0, table.num_rows)
    for name in names:
        column = texts.column(stored(name))
        if pc.any(pc.match_substring_regex(column, "^0[0-9]|^[0-9]{17,}$")).as_py():
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def _positive(column: pa.ChunkedArray) -> tuple[Any, tuple[Any, ...]]:
    """(the positive one of two values, the rarer where their usual meaning does not say it; the two where that is a guess)."""
    import pyarrow.compute as pc

    from lockgate.data import arrow_arrays as arrays

    if not arrays.is_class(arrays.plain_type(column.type)):
        return None, ()
    if not (values := [_plain(value) for value in two_values(column)]):
        return None, ()
    first, second = sorted(values, key=str)
    for value, other in ((first, second), (second, first)):
        word, opposite = str(value).strip().casefold(), str(other).strip().casefold()
        if word in _POSITIVE and opposite in _NEGATIVE:
            return value, ()
        if word.isalpha() and word in _POSITIVE and opposite not in _POSITIVE:
            return value, ()
        if opposite.isalpha() and opposite in _NEGATIVE and word not in _NEGATIVE:
            return value, ()
    entries = pc.value_counts(arrays.comparable(column)).to_pylist()
    counts = {_plain(plain_number(entry["values"])): entry["counts"] for entry in entries}
    return (first if counts[first] < counts[second] else second), (first, second)


def _plain(value: Any) -> Any:
    """A number as a pipeline writes it: 1 of 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_weight(column: pa.ChunkedArray) -> bool:
    low, high = _extremes(column)
    return low >= 0 and high > 0


def _extremes(column: pa.ChunkedArray) -> tuple[float, float]:
    """The smallest and the largest number of a column; NaN where one is missing, and of anything else than numbers."""
    from lockgate.data import arrow_arrays as arrays

    if not arrays.is_number(column.type) or column.null_count:
        return math.nan, math.nan
    numbers = arrays.to_floats(arrays.whole(column))
    return float(numbers.min()), float(numbers.max())


def _scores(table: pa.Table, among: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(role, column) of scores that were recorded: numbers from 0 to 1 under a name that says so; none without a candidate's."""
    scores = []
    for role, names in _SCORES.items():
        column = next((name for name in names if name in among and _is_score(table.column(name))), None)
        if column is not None:
            scores.append((role, column))
    return tuple(scores) if scores and scores[0][0] == "candidate" else ()


def _is_score(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    fractions = pa.types.is_floating(column.type) or (pa.types.is_decimal(column.type) and column.type.scale > 0)
    low, high = _extremes(column)
    return fractions and 0 <= low < high <= 1


def _is_key(name: str) -> bool:
    low = name.casefold()
    return (
        low in ("id", "uuid", "guid", "key", "iccid")
        or low.endswith(("_id", "-id", " id", "_key", "_uuid"))
        or name.endswith(("Id", "ID"))
    )


def _id(table: pa.Table, names: Sequence[str]) -> str | None:
    """The column of ids: named like one, and no value comes twice or is missing."""
    return next((name for name in names if _is_key(name) and _distinct(table.column(name)) == table.num_rows), None)


def _cluster(table: pa.Table, names: Sequence[str]) -> str | None:
    """The column of what rows belong together by: named like an id, and values come again; none where several are."""
    keys = [name for name in names if _is_key(name)]
    clusters = [name for name in keys if _MOST_SLICES < (_distinct(table.column(name)) or 0) < table.num_rows]
    return clusters[0] if len(clusters) == 1 else None


def _slice_values(column: pa.ChunkedArray) -> int | None:
    """How many values a column of few texts holds, each of them often; None of any other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from lockgate.data import arrow_arrays as arrays

    kind = arrays.plain_type(column.type)
    if not (arrays.is_text(kind) or pa.types.is_boolean(kind)) or column.null_count:
        return None
    counts = pc.value_counts(arrays.comparable(column)).field("counts")
    return len(counts) if 2 <= len(counts) <= _MOST_SLICES and pc.min(counts).as_py() >= _LEAST_ROWS else None


def _distinct(column: pa.ChunkedArray) -> int | None:
    """How many values there are; None where some are missing or cannot be told apart."""
    return None if column.null_count else len(distinct(column)) or None
