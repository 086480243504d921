"""What the data says about each row besides its features, checked: id, label, weight, cluster, slices, known scores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from lockgate import arrays
from lockgate.arrays import Array
from lockgate.class_scores import coded
from lockgate.classes import class_text, mismatch
from lockgate.dataset import Dataset
from lockgate.errors import DataError
from lockgate.output import Task
from lockgate.slices import OTHER, Slice, resolved


def checked_rows(
    dataset: Dataset,
    *,
    task: Task,
    positive: Any,
    salt: bytes,
    scores: Mapping[str, str | Mapping[str, str]],
    classes: Sequence[str] = (),
) -> tuple[int, dict[str, pa.Array | pa.ChunkedArray]]:
    """(number of rows, column of the scored table → its values) of all that the data itself says.

    scores: role → data column, or class → data column where there are several classes. Raises DataError, which counts the rows at fault and names the first by its number, and
    never quotes an id.
    """
    spec = dataset.spec
    columns: dict[str, _Column] = {}
    if spec.id is not None:
        columns["id"] = _Ids(dataset, spec.id, salt=salt, keep=spec.keep_ids)
    if spec.label is not None:
        if task == "multiclass":
            columns["label"] = _Classes(dataset, spec.label, "label", classes)
        elif task == "binary":
            columns["label"] = _Labels(dataset, spec.label, positive=positive)
        elif task == "ranking":
            columns["label"] = _Relevance(dataset, spec.label)
        else:
            columns["label"] = _Numbers(dataset, spec.label, "label", remedy="a regression needs a number a row")
    if spec.weight is not None:
        columns["weight"] = _Numbers(dataset, spec.weight, "weight", floor=0.0, remedy="weights are numbers from 0 on")
    if spec.cluster is not None:
        columns["cluster"] = _Codes(
            dataset, spec.cluster, "cluster", remedy="give each row that belongs to no other a cluster of its own"
        )
    queries = None
    if spec.query is not None and task == "ranking":
        columns["query"] = queries = _Codes(dataset, spec.query, "query", remedy="give every row the query it answers")
    for role, given in scores.items():
        if not isinstance(given, str):
            columns[role] = _Scores(dataset, given, role, classes)
        elif task == "multiclass":
            columns[role] = _Classes(dataset, given, f"{role}'s answer", classes)
        else:
            columns[role] = _Numbers(dataset, given, f"{role}'s score", remedy="each row needs a finite score")
    for declared in dataset.slices:
        if declared.columns:
            quantiles = declared.kind == "quantiles"
            columns[declared.name] = (
                _Quantiles(dataset, declared, queries) if quantiles else _Labelled(dataset, declared)
            )
    purposes = {column: each.what for each in reversed(columns.values()) for column in each.needs}
    dataset.need(purposes)
    if not purposes:
        return dataset.count(), {}
    rows = 0
    for batch in dataset.batches(list(purposes)):
        for each in columns.values():
            each.add(batch, rows)
        rows += batch.num_rows
    whats = {name: (each.what, each.needs[0]) for name, each in columns.items()}
    done = {name: columns.pop(name).done() for name in list(columns)}  # each column's parts go as it is made
    if queries is not None:
        _refuse_split_queries(dataset, done, whats)
    _refuse_large_crossings(dataset, done)
    return rows, done


class _Column(Protocol):
    @property
    def what(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Data columns."""

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        """Take one batch; `before` rows came earlier."""

    def done(self) -> pa.Array | pa.ChunkedArray:
        """All values. Raises DataError."""


class _Faults:
    """Rows at fault: how many, and which is the first."""

    def __init__(self, dataset: Dataset, what: str, column: str) -> None:
        self._dataset, self._what, self._column = dataset, what, column
        self._count = self._first = 0

    def add(self, mask: Array, before: int) -> None:
        here = int(mask.sum())
        if here and not self._count:
            self._first = before + int(mask.argmax()) + 1
        self._count += here

    def refuse(self, why: str, *, remedy: str) -> None:
        if self._count:
            rows = "1 row" if self._count == 1 else f"{self._count:,} rows"
            first = self._dataset.row(self._first)
            raise _wrong(
                self._dataset, self._what, self._column,
                f"{why} in {rows}: {first}" if self._count == 1 else f"{why} in {rows}, the first is {first}",
                remedy=remedy,
            )  # fmt: skip


class _Numbers:
    """A column of finite numbers, at least `floor`."""

    def __init__(self, dataset: Dataset, column: str, what: str, *, remedy: str, floor: float = -np.inf) -> None:
        self.what, self.needs = what, (column,)
        self._dataset, self._remedy, self._floor = dataset, remedy, floor
        self._missing = _Faults(dataset, what, column)
        self._outside = _Faults(dataset, what, column)
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = _plain(batch.column(self.needs[0]))
        kind = column.type
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not (number or pa.types.is_null(kind)):
            raise _wrong(self._dataset, self.what, self.needs[0], f"holds {kind}, not numbers", remedy=self._remedy)
        values = arrays.as_floats(column)
        missing = np.isnan(values)
        self._missing.add(missing, before)
        self._outside.add(np.isinf(values) | (values < self._floor), before)
        self._values.append(values)

    def done(self) -> pa.Array:
        self._missing.refuse("is missing", remedy=self._remedy)
        self._outside.refuse(
            "is infinite" if self._floor == -np.inf else "is negative or infinite", remedy=self._remedy
        )
        return arrays.from_numpy(np.concatenate([*self._values, np.zeros(0)], dtype=np.float64))


class _Relevance(_Numbers):
    """How relevant each row is to its query: a number from 0 on, or true and false."""

    def __init__(self, dataset: Dataset, column: str) -> None:
        super().__init__(
            dataset,
            column,
            "label",
            floor=0.0,
            remedy="the label of a ranking is a relevance, a number from 0 (none) on",
        )

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = _plain(batch.column(self.needs[0]))
        if pa.types.is_boolean(column.type):
            batch = pa.RecordBatch.from_arrays([column.cast(pa.uint8())], names=[self.needs[0]])
        super().add(batch, before)


class _Labels:
    """A label of two values as true where it equals `positive`; 1, 1.0 and true are equal, and "1" is a text."""

    what = "label"

    def __init__(self, dataset: Dataset, column: str, *, positive: Any) -> None:
        self.needs = (column,)
        self._dataset, self._positive = dataset, positive
        self._missing = _Faults(dataset, self.what, column)
        self._seen: dict[Any, None] = {}
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = _plain(batch.column(self.needs[0]))
        if pa.types.is_temporal(column.type) or pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            raise self._wrong(f"holds {column.type}", remedy="a binary label is a number, a text, or true and false")
        missing = arrays.is_missing(column)
        self._missing.add(missing, before)
        encoded = column.dictionary_encode(null_encoding="encode")
        distinct = encoded.dictionary.to_pylist()
        self._seen |= {value: None for value in distinct if value is not None and value == value}
        if len(self._seen) > 2:
            raise self._wrong(
                f"holds more than two values ({self._values_seen()}, …), and the task is binary",
                remedy="name a column of two values, or write task: regression for a number",
            )
        meanings = np.array([value == self._positive for value in distinct], bool)
        self._values.append(meanings[arrays.to_numpy(encoded.indices)])

    def done(self) -> pa.Array:
        self._missing.refuse("is missing", remedy="leave rows without a label out, or fill it in")
        if self._seen and not any(value == self._positive for value in self._seen) and self._coded_otherwise():
            text = isinstance(self._positive, str)
            suggestion = next(
                (value for value in self._seen if str(value).lower() == str(self._positive).lower()), None
            )
            example = max(self._seen, key=str) if suggestion is None else suggestion
            written = f'"{example}"' if isinstance(example, str) else repr(example).lower()
            raise self._wrong(
                f"holds {self._values_seen()}, none of which is `positive: {self._positive!r}`"
                + (" (a text)" if text else ""),
                remedy=f"write into the pipeline which value is the positive one, for example positive: {written}",
            )
        return arrays.from_numpy(np.concatenate([*self._values, np.zeros(0, bool)]))

    def _coded_otherwise(self) -> bool:
        """Whether the values cannot be the negative class alone: two of them, of another type, or in another spelling."""
        text = isinstance(self._positive, str)
        return len(self._seen) == 2 or any(
            isinstance(value, str) != text or str(value).strip().lower() == str(self._positive).strip().lower()
            for value in self._seen
        )

    def _values_seen(self) -> str:
        return ", ".join(repr(value)[:40] for value in sorted(self._seen, key=str)[:3])

    def _wrong(self, what: str, *, remedy: str) -> DataError:
        return _wrong(self._dataset, self.what, self.needs[0], what, remedy=remedy)


class _Classes:
    """A class in each row, as its place among those that there are."""

    def __init__(self, dataset: Dataset, column: str, what: str, classes: Sequence[str]) -> None:
        self.what, self.needs = what, (column,)
        self._dataset, self._classes = dataset, classes
        self._missing = _Faults(dataset, what, column)
        self._unknown = _Faults(dataset, what, column)
        self._found: dict[str, None] = {}
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = _plain(batch.column(self.needs[0]))
        if pa.types.is_temporal(column.type) or pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            raise _wrong(
                self._dataset, self.what, self.needs[0], f"holds {column.type}",
                remedy="a class is a text, a whole number, or true or false",
            )  # fmt: skip
        missing, places = arrays.is_missing(column), coded(column, self._classes)
        unknown = (places < 0) & ~missing
        self._missing.add(missing, before)
        self._unknown.add(unknown, before)
        if unknown.any() and not self._found:
            self._found[class_text(column[int(unknown.argmax())].as_py())] = None
        self._values.append(places.astype(np.int32))

    def done(self) -> pa.Array:
        self._missing.refuse("is missing", remedy="leave rows without a class out, or fill it in")
        self._unknown.refuse(
            f"is {next(iter(self._found), '')!r}, which is none of the classes ({', '.join(self._classes[:20])}),",
            remedy="write it into classes: of the pipeline where the models know it, or mend the column",
        )
        return arrays.from_numpy(np.concatenate([*self._values, np.zeros(0, np.int32)]))


class _Scores:
    """A score of each class in each row, in the order of the classes; `given`: class → column."""

    def __init__(self, dataset: Dataset, given: Mapping[str, str], role: str, classes: Sequence[str]) -> None:
        wrong = mismatch(list(given), classes, who=f"data {dataset.name!r}: scores of the {role}")
        if wrong is not None:
            raise wrong
        self._columns = [
            _Numbers(dataset, given[name], f"{role}'s score of class {name}", remedy="each row needs a finite score")
            for name in classes
        ]
        self.what = f"{role}'s score"
        self.needs = tuple(column.needs[0] for column in self._columns)

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        for column in self._columns:
            column.add(batch, before)

    def done(self) -> pa.Array:
        return arrays.from_matrix(np.column_stack([arrays.to_numpy(column.done()) for column in self._columns]))


class _Ids:
    """Ids, each of them once, as hex of sha256(salt + id) unless they are to be kept."""

    what = "id"

    def __init__(self, dataset: Dataset, column: str, *, salt: bytes, keep: bool) -> None:
        self.needs = (column,)
        self._dataset, self._keep = dataset, keep
        self._missing = _Faults(dataset, self.what, column)
        self._salted = hashlib.sha256(salt)
        self._digests: list[Array] = []
        self._ids: list[pa.Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = _plain(batch.column(self.needs[0]))
        self._missing.add(arrays.is_missing(column), before)
        texts = _texts(self._dataset, self.what, self.needs[0], column)
        digests = b"".join(map(self._digest, _bytes_of(texts)))
        self._digests.append(np.frombuffer(digests, np.uint64).reshape(-1, 4)[:, :2].copy())
        self._ids.append(texts if self._keep else arrays.from_fixed_width(digests.hex(), 64))

    def done(self) -> pa.ChunkedArray:
        self._missing.refuse("is missing", remedy="give every row an id, or leave `id` out")
        self._refuse_twice(np.concatenate([*self._digests, np.zeros((0, 2), np.uint64)]))
        return pa.chunked_array(self._ids, pa.string())

    def _digest(self, text: memoryview) -> bytes:
        salted = self._salted.copy()
        salted.update(text)
        return salted.digest()

    def _refuse_twice(self, digests: Array) -> None:
        order = np.lexsort((digests[:, 1], digests[:, 0])) if _repeats(digests[:, 0]) else np.zeros(0, np.int64)
        again = order[1:][(digests[order[1:]] == digests[order[:-1]]).all(axis=1)]
        if again.size:
            rows = "1 row repeats" if again.size == 1 else f"{again.size:,} rows repeat"
            raise _wrong(
                self._dataset, self.what, self.needs[0],
                f"is not unique: {rows} the id of an earlier one, for example {self._dataset.row(int(again.min()) + 1)}",
                remedy="a row that counts twice looks like more evidence than there is: leave repeated rows out",
            )  # fmt: skip


class _Codes:
    """Which rows belong together, as whole numbers in order of appearance, so that no user's name is stored."""

    def __init__(self, dataset: Dataset, column: str, what: str, *, remedy: str) -> None:
        self.what, self.needs = what, (column,)
        self._dataset, self._remedy = dataset, remedy
        self._missing = _Faults(dataset, what, column)
        self._codes = _Distinct()

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = _plain(batch.column(self.needs[0]))
        self._missing.add(arrays.is_missing(column), before)
        self._codes.add(
            _texts(self._dataset, self.what, self.needs[0], column).dictionary_encode(null_encoding="encode")
        )

    def done(self) -> pa.Array:
        self._missing.refuse("is missing", remedy=self._remedy)
        return arrays.from_numpy(self.all())

    def all(self) -> Array:
        return self._codes.all().astype(np.int32)


class _Labelled:
    """The label that a slice declaration gives to each row."""

    def __init__(self, dataset: Dataset, declared: Slice) -> None:
        self.what, self.needs = f"column of slice {declared.name!r}", declared.columns
        self._dataset, self._declared = dataset, declared
        self._codes = _Distinct()

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        with _speaking_of(self._dataset, self._declared):
            self._codes.add(self._declared.assign(batch))
        most, found = self._declared.most, len(self._codes.distinct)
        if most is not None and found > most:
            rows = before + batch.num_rows
            raise DataError(
                f"data {self._dataset.name!r}: slice {self._declared.name!r}: column {self.needs[0]!r} has {found:,} values "
                f"in the first {rows:,} rows, and at most {most:,} are judged",
                remedy="declare bins or quantiles of a number, the values that matter, or a larger max: each is judged alone",
            )

    def done(self) -> pa.Array:
        texts = [str(text) for text in self._codes.distinct]
        return pa.DictionaryArray.from_arrays(arrays.from_numpy(self._codes.all()), arrays.from_texts(texts))


class _Quantiles:
    """The bin of each row, which is known when all rows are; quantiles are of queries where there are any."""

    def __init__(self, dataset: Dataset, declared: Slice, queries: _Codes | None) -> None:
        self.what, self.needs = f"column of slice {declared.name!r}", declared.columns
        self._dataset, self._declared, self._queries = dataset, declared, queries
        self._numbers: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        with _speaking_of(self._dataset, self._declared):
            self._numbers.append(self._declared.numbers(batch))

    def done(self) -> pa.Array:
        numbers = np.concatenate([*self._numbers, np.zeros(0)])
        among = None if self._queries is None else numbers[arrays.firsts(self._queries.all())]
        return self._declared.cut(numbers, among=among)


@contextmanager
def _speaking_of(dataset: Dataset, declared: Slice) -> Iterator[None]:
    try:
        yield
    except (DataError, pa.ArrowException) as error:
        what = error.what if isinstance(error, DataError) else f"slice {declared.name!r}: cannot be read as text"
        remedy = error.remedy if isinstance(error, DataError) else "store the column as UTF-8 text"
        raise DataError(f"data {dataset.name!r}: {what}", remedy=remedy) from error


def _refuse_split_queries(
    dataset: Dataset, columns: Mapping[str, pa.Array | pa.ChunkedArray], whats: Mapping[str, tuple[str, str]]
) -> None:
    """What is said of a query must be the same in all of its rows: its weight, its cluster, the slices that it is in."""
    queries = arrays.to_numpy(columns["query"])
    first = arrays.firsts(queries)[queries] if queries.size else queries
    for name, (what, column) in whats.items():
        if name in ("id", "label", "query", "candidate", "champion"):
            continue
        given = columns[name]
        values = arrays.to_numpy(given.indices if pa.types.is_dictionary(given.type) else given)
        split = values != values[first]
        if split.any():
            row = int(split.argmax())
            one, other = dataset.row(int(first[row]) + 1), dataset.row(row + 1)
            raise _wrong(
                dataset, what, column, f"differs within a query: {one} and {other} are of one query",
                remedy="a query is judged as a whole: name a column that says something of the query, not of its rows",
            )  # fmt: skip


def _refuse_large_crossings(dataset: Dataset, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> None:
    for declared in resolved(dataset.slices):
        if not declared.parts:
            continue
        coded = []
        for part in declared.parts:
            column = columns[part.name]
            coded.append((tuple(column.dictionary.to_pylist()), arrays.to_numpy(column.indices)))
        labels, _ = declared.combine(coded)
        found, most = len(labels) - (OTHER in labels), declared.most or 0
        if found > most:
            names = " and ".join(part.name for part in declared.parts)
            raise DataError(
                f"data {dataset.name!r}: slice {declared.name!r}: crossing {names} gives {found:,} slices, and at most "
                f"{most:,} are judged",
                remedy="cross slices of fewer values, or write a larger max: each is judged alone",
            )


class _Distinct:
    """Dictionary arrays under one dictionary, in order of appearance."""

    def __init__(self) -> None:
        self.distinct: dict[Any, int] = {}
        self._codes: list[Array] = []

    def add(self, encoded: pa.DictionaryArray) -> None:
        texts = encoded.dictionary.to_pylist()
        lookup = [self.distinct.setdefault(text, len(self.distinct)) for text in texts]
        codes, narrow = arrays.to_numpy(encoded.indices), arrays.narrow(len(self.distinct))
        known = lookup == list(range(len(lookup)))
        self._codes.append(codes.astype(narrow) if known else np.array(lookup, narrow)[codes])

    def all(self) -> Array:
        """(n,) codes, in no more bytes than they need."""
        return np.concatenate([*self._codes, np.zeros(0, np.uint8)])


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _texts(dataset: Dataset, what: str, name: str, column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise _wrong(
            dataset, what, name, f"holds {column.type}, which has no text", remedy="store it as a number or a text"
        ) from error


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


def _wrong(dataset: Dataset, what: str, column: str, why: str, *, remedy: str) -> DataError:
    return DataError(f"data {dataset.name!r}: the {what} (column {column!r} of {dataset.shown}) {why}", remedy=remedy)
