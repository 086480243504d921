"""Which groups of rows are judged on their own, what they are called, and which rows each of them holds."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, product
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, unquote

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator

from lockgate.config import Config
from lockgate.errors import DataError, guess

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

MISSING = "(missing)"
OTHER = "(other)"
MOST = 1_000
_KINDS = ("values", "bins", "quantiles", "where", "cross")
FIXED_COLUMNS = ("id", "label", "weight", "cluster", "query", "candidate", "champion")


def is_fixed(name: str) -> bool:
    """Whether a column of the scored table is not a slice's: `candidate`, and `candidate:iou` of a metric by row."""
    return name in FIXED_COLUMNS or name.startswith(("candidate:", "champion:"))


SliceKey = tuple[tuple[str, str], ...]
Kind = Literal["values", "declared", "bins", "quantiles", "where", "cross", "found"]
Coded = tuple[tuple[str, ...], "NDArray[np.int32]"]


def _scalar(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a value that rows can be compared with")
    if not isinstance(value, bool | int | float | str | date | time):
        raise ValueError(
            "write a text, a number, true, false or a date; several values are a list after `in` or `values`"
        )
    return value


def _edge(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number; rows outside the edges get slices of their own")
    return value


def _given_name(name: str) -> str:
    if not name.strip():
        raise ValueError("this is empty; a name is needed")
    return name


Scalar = Annotated[Any, PlainValidator(_scalar, json_schema_input_type=bool | int | float | str)]
Edge = Annotated[float, PlainValidator(_edge, json_schema_input_type=float)]
Name = Annotated[str, AfterValidator(_given_name)]


class Condition(Config):
    """What a column's value must meet, all of it; a missing value meets nothing."""

    lt: Scalar = None
    le: Scalar = None
    gt: Scalar = None
    ge: Scalar = None
    eq: Scalar = None
    ne: Scalar = None
    among: tuple[Scalar, ...] | None = Field(default=None, alias="in", min_length=1)

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("a condition is empty; write one of lt, le, gt, ge, eq, ne, in")
        return self

    @property
    def comparisons(self) -> tuple[tuple[str, Any], ...]:
        """(operator as written, what it is compared with)."""
        given = self.model_dump(by_alias=True, exclude_unset=True)
        return tuple(given.items())


def _condition(value: Any) -> Any:
    return value if isinstance(value, Mapping | Condition) else {"eq": value}


WhereCondition = Annotated[
    Condition, BeforeValidator(_condition, json_schema_input_type=bool | int | float | str | Condition)
]


class FindSpec(Config):
    """Which conjunctions of the other slices are searched for losses; what is found is shown and never judged.

    depth: of how many slices at most one value each. worst: how many are shown. min_rows: of a conjunction.
    """

    depth: int = Field(default=2, ge=1, le=3)
    worst: int = Field(default=10, ge=1, le=200)
    min_rows: int = Field(default=50, ge=10)


class SliceSpec(Config):
    """One entry of `slices:`: every value of a column, declared values, bins of a number, a condition on rows, or a
    crossing of other entries; or, with `find`, a search among the others.

    quantiles: how many bins of about as many rows; their edges come from the data of the run. max: how many values or
    crossed values a run may find before it refuses, 1,000 by default.
    """

    column: Name | None = None
    name: Name | None = None
    values: tuple[Scalar, ...] | None = Field(default=None, min_length=1)
    bins: tuple[Edge, ...] | None = Field(default=None, min_length=1)
    quantiles: int | None = Field(default=None, ge=2, le=100)
    where: dict[Name, WhereCondition] | None = Field(default=None, min_length=1)
    cross: tuple[Name, ...] | None = None
    max: int | None = Field(default=None, ge=1)
    find: FindSpec | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> SliceSpec:
        given = [key for key in _KINDS if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(
                f"a slice is declared by one of {', '.join(_KINDS[:-1])} and {_KINDS[-1]}, not by {' and '.join(given)}"
            )
        if self.find is not None:
            others = sorted(self.model_fields_set - {"find"})
            if others:
                raise ValueError(f"`find` stands by itself, and {others[0]} beside it has no meaning")
            return self
        if self.max is not None and given not in ([], ["cross"]):
            raise ValueError(
                f"max is for what is found in the data; `{given[0]}` says itself how many slices there are"
            )
        if self.where is not None:
            self._fits_where()
        elif self.cross is not None:
            self._fits_cross(self.cross)
        elif self.column is None:
            raise ValueError("a slice needs a column, or a name and `where`")
        if self.bins is not None:
            self._fits_bins(self.bins)
        if self.values is not None:
            self._fits_values(self.values)
        if is_fixed(self.slice_name):
            raise ValueError(
                f"a slice cannot be called {self.slice_name!r}, which is a column of the scored table; "
                f"give it another name, for example {{column: …, name: {self.slice_name}_group}}"
            )
        return self

    def _fits_where(self) -> None:
        if self.name is None:
            raise ValueError("a slice with `where` needs a name, for example {name: risky_new, where: {age: {lt: 30}}}")
        if self.column is not None:
            raise ValueError("a slice with `where` names its columns there; leave `column` out")

    def _fits_cross(self, crossed: tuple[str, ...]) -> None:
        if self.column is not None:
            raise ValueError("a slice with `cross` names other slices there; leave `column` out")
        if not 2 <= len(crossed) <= 4:
            raise ValueError(f"cross names {len(crossed)} of the 2 to 4 slices that it needs")
        if len(set(crossed)) < len(crossed):
            raise ValueError(f"a slice is crossed with itself: {', '.join(crossed)}")

    def _fits_bins(self, bins: tuple[float, ...]) -> None:
        if self.name is None:
            raise ValueError(
                "a slice with `bins` needs a name, for example {name: amount_band, column: amount, bins: [0, 10]}"
            )
        for low, high in pairwise(bins):
            if not low < high:
                raise ValueError(f"bins must increase, and {_number_text(high)} comes after {_number_text(low)}")

    def _fits_values(self, values: tuple[Any, ...]) -> None:
        labels = [value_text(value) for value in values]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"values are declared twice: {', '.join(twice)}")
        if OTHER in labels:
            raise ValueError(f"{OTHER} is the name of the rows outside the declared values and cannot be one of them")

    @property
    def slice_name(self) -> str:
        return self.name or self.column or ("(found)" if self.find is not None else "×".join(self.cross or ()))


def _entry(value: Any) -> Any:
    if not isinstance(value, str | Mapping | SliceSpec):
        raise ValueError("a slice is the name of a column, or a mapping such as {column: geography, values: [EU, US]}")
    return {"column": value} if isinstance(value, str) else value


def _fit_each_other(entries: tuple[SliceSpec, ...]) -> tuple[SliceSpec, ...]:
    if sum(entry.find is not None for entry in entries) > 1:
        raise ValueError("find is written twice; one search is made of all other slices")
    if entries and all(entry.find is not None for entry in entries):
        raise ValueError("find searches among the other slices, and there are none; declare columns beside it")
    entries_found, entries = entries, tuple(entry for entry in entries if entry.find is None)
    names = [entry.slice_name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"slices have the same name: {', '.join(twice)}; give one of them `name: …`")
    single = [entry.slice_name for entry in entries if entry.cross is None]
    crossings: list[set[str]] = []
    for crossed in (entry.cross for entry in entries if entry.cross is not None):
        for name in crossed:
            if name not in single:
                what = "is a crossing itself" if name in names else "is no slice here"
                raise ValueError(
                    f"cross names {name!r}, which {what}; declared: {', '.join(single) or 'none'}{guess(name, single)}"
                )
        if set(crossed) in crossings:
            raise ValueError(f"the same slices are crossed twice: {', '.join(crossed)}")
        crossings.append(set(crossed))
    return entries_found


SliceEntry = Annotated[SliceSpec, BeforeValidator(_entry, json_schema_input_type=str | SliceSpec)]
SliceEntries = Annotated[tuple[SliceEntry, ...], AfterValidator(_fit_each_other)]


class SmallSlices(Config):
    """From how many rows and positives on a slice is judged like a large one, and what becomes of the others.

    watch: held to the weaker claim `no_harm`, and shown as watched. merge: pooled into one slice `other`, which is then
    judged like any other; declared values and `where` slices stay by themselves. block: inconclusive, with the rows needed.
    """

    min_rows: int = Field(default=0, ge=0)
    min_positives: int = Field(default=0, ge=0)
    below: Literal["watch", "merge", "block"] = "block"


def _number_text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def value_text(value: Any) -> str:
    """A value as slices show it: `3`, `0.5`, `true`, `2026-11-21`, a text as it is; `(missing)` for None and NaN."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Slice:
    """One declaration: it gives every row of the data one label.

    columns: the data columns that it reads; a crossing reads none, its labels come from those of its `parts`. values: the
    labels that are judged even where no row has them, in the order of the declaration; None where only what is found is.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    values: tuple[str, ...] | None
    spec: SliceSpec
    parts: tuple[Slice, ...] = ()

    @classmethod
    def of(cls, spec: SliceSpec) -> Slice:
        """The declaration by itself; a crossing learns its parts from `resolved`."""
        if spec.cross is not None or spec.find is not None:
            return cls(spec.slice_name, "found" if spec.cross is None else "cross", (), None, spec)
        if spec.where is not None:
            return cls(spec.slice_name, "where", tuple(spec.where), ("true",), spec)
        columns = (spec.column or "",)
        if spec.bins is not None:
            return cls(spec.slice_name, "bins", columns, bin_labels(spec.bins)[1:-1], spec)
        if spec.quantiles is not None:
            return cls(spec.slice_name, "quantiles", columns, None, spec)
        if spec.values is not None:
            return cls(spec.slice_name, "declared", columns, tuple(map(value_text, spec.values)), spec)
        return cls(spec.slice_name, "values", columns, None, spec)

    @property
    def mergeable(self) -> bool:
        """Whether small ones may be pooled: what was declared by name never is."""
        return self.kind in ("values", "bins", "quantiles") or any(part.mergeable for part in self.parts)

    @property
    def most(self) -> int | None:
        """How many labels the data may have; None where the declaration says itself how many there are."""
        return (self.spec.max or MOST) if self.kind in ("values", "cross") else None

    def judges(self, label: str) -> bool:
        """Whether the rows of a label are a slice, and not those outside all of them."""
        return label == "true" if self.kind == "where" else label != OTHER

    def key(self, label: str) -> SliceKey:
        """What a label stands for: `country=BR&channel=web` of a crossing is both of its parts."""
        if self.kind != "cross" or "=" not in label:
            return ((self.name, label),)
        pairs = (pair.partition("=") for pair in label.split("&"))
        return tuple((unquote(name), unquote(value)) for name, _, value in pairs)

    def combine(self, coded: Sequence[Coded]) -> Coded:
        """(labels, (n,) codes) of a crossing from those of its parts, in their order.

        A row that is in no slice of some part is in `(other)`. Promised combinations come first, with rows or without.
        """
        import numpy as np

        sizes = [len(labels) for labels, _ in coded]
        combined = np.zeros(coded[0][1].size, np.int64)
        for size, (_, codes) in zip(sizes, coded, strict=True):
            combined = combined * size + codes
        if math.prod(sizes) <= _DENSE:
            found = np.flatnonzero(np.bincount(combined, minlength=1))
            place = np.zeros(int(found[-1]) + 1 if found.size else 1, np.int64)
            place[found] = np.arange(found.size)
            inverse = place[combined]
        else:
            found, inverse = np.unique(combined, return_inverse=True)
        names = [self._crossed(int(one), sizes, [labels for labels, _ in coded]) for one in found]
        order = list(dict.fromkeys([*(self.values or ()), *(name for name in names if name != OTHER), *names]))
        known = {name: code for code, name in enumerate(order)}
        lookup = np.array([known[name] for name in names], np.int32)
        return tuple(order), lookup[inverse] if names else np.zeros(0, np.int32)

    def _crossed(self, code: int, sizes: Sequence[int], labels: Sequence[Sequence[str]]) -> str:
        pairs: list[tuple[str, str]] = []
        for part, size, known in zip(reversed(self.parts), reversed(sizes), reversed(labels), strict=True):
            code, rest = divmod(code, size)
            if not part.judges(known[rest]):
                return OTHER
            pairs.append((part.name, known[rest]))
        return slice_text(tuple(reversed(pairs)))

    def assign(self, batch: pa.RecordBatch) -> pa.DictionaryArray:
        """The label of every row, none of them null: every row is in exactly one slice of a declaration.

        values: the value's text. declared: the declared value or `(other)`. bins: the bin, the outer ones included.
        quantiles: the bin, when the batch holds all rows there are. A crossing is not assigned but combined.
        where: `true` or `false`; a comparison with a missing value is false. Elsewhere `(missing)` is a label too.
        Raises DataError where a column's type does not fit the declaration.
        """
        if self.spec.where is not None:
            return self._assign_where(batch, self.spec.where)
        column = batch.column(self.columns[0])
        if self.kind in ("values", "declared") and _is_coded(column):
            return self._assign_coded(column)
        column = _plain(column)
        if self.spec.bins is not None:
            return self._cut(self._numbers(column), self.spec.bins)
        if self.spec.quantiles is not None:
            return self.cut(self._numbers(column))
        return self._assign_values(column)

    def numbers(self, batch: pa.RecordBatch) -> NDArray[np.float64]:
        """The column that quantiles are taken of, NaN where a value is missing. Raises DataError."""
        return self._numbers(_plain(batch.column(self.columns[0])))

    def cut(self, numbers: NDArray[np.float64], *, among: NDArray[np.float64] | None = None) -> pa.DictionaryArray:
        """The bin of every row, by quantiles of all of them, or of those that are given."""
        return self._cut(numbers, quantile_edges(numbers if among is None else among, self.spec.quantiles or 2))

    def order(self, found: Iterable[str]) -> tuple[str, ...]:
        """All labels in the order in which they are shown: the declared ones always, then what else rows have.

        `(other)` and `false` are labels as well, so that the rows of all labels are all rows; they are not judged.
        """
        known: tuple[str, ...] = self.values or ()
        if self.spec.bins is not None:
            known = bin_labels(self.spec.bins)
        elif self.spec.where is not None:
            known = ("true", "false")
        labels = set(found)
        if self.kind == "quantiles":
            known = tuple(sorted(labels - {MISSING}, key=_low_edge))
        always = {*(self.values or ()), *(("false",) if self.spec.where is not None else ())}
        return (*(label for label in known if label in labels | always), *sorted(labels.difference(known)))

    def _assign_values(self, column: pa.Array) -> pa.DictionaryArray:
        from lockgate import arrays

        if not _has_text(column.type):
            raise self._unfit(column, "a slice needs texts, numbers, true/false or dates")
        encoded = column.dictionary_encode(null_encoding="encode")
        return _encoded(self._labels(encoded.dictionary), arrays.to_numpy(encoded.indices))

    def _assign_coded(self, column: pa.DictionaryArray) -> pa.DictionaryArray:
        """The same of a column that is stored by codes, of which those count that a row has."""
        import numpy as np
        import pyarrow as pa

        from lockgate import arrays

        if not _has_text(column.dictionary.type):
            raise self._unfit(_plain(column), "a slice needs texts, numbers, true/false or dates")
        codes, known = arrays.to_numpy(column.indices), len(column.dictionary)
        if column.indices.null_count:
            codes = np.where(arrays.is_missing(column.indices), known, codes)
        used = np.flatnonzero(np.bincount(codes, minlength=known + 1))
        labels = [*self._labels(column.dictionary), *self._labels(pa.nulls(1, column.dictionary.type))]
        if used.size and used[-1] == used.size - 1:
            return _encoded(labels[: used.size], codes)
        place = np.zeros(known + 1, np.int32)
        place[used] = np.arange(used.size)
        return _encoded([labels[code] for code in used], place[codes])

    def _labels(self, distinct: pa.Array) -> list[str]:
        import pyarrow as pa

        labels = _texts(distinct)
        if self.spec.values is None:
            return labels
        floating = pa.types.is_floating(distinct.type)
        declared = {_as_stored(value, floating=floating): value_text(value) for value in self.spec.values}
        return [declared.get(label, OTHER) for label in labels]

    def _numbers(self, column: pa.Array) -> NDArray[np.float64]:
        from lockgate import arrays

        if not _is_number(column.type):
            raise self._unfit(column, f"{self.kind} need numbers")
        return arrays.to_floats(column)

    def _cut(self, numbers: NDArray[np.float64], edges: Sequence[float]) -> pa.DictionaryArray:
        import numpy as np

        codes = np.searchsorted(np.asarray(edges, float), numbers, side="right").astype(np.int32)
        codes[np.isnan(numbers)] = len(edges) + 1
        return _encoded([*bin_labels(edges), MISSING], codes)

    def _assign_where(self, batch: pa.RecordBatch, where: Mapping[str, Condition]) -> pa.DictionaryArray:
        import numpy as np

        from lockgate import arrays

        holds = np.ones(batch.num_rows, bool)
        for name, condition in where.items():
            column = _plain(batch.column(name))
            holds &= ~arrays.is_missing(column)
            for key, asked in condition.comparisons:
                holds &= self._compared(column, key, asked, name=name)
        return _encoded(["false", "true"], holds.astype(np.int32))

    def _compared(self, column: pa.Array, key: str, asked: Any, *, name: str) -> Any:
        """(n,) bool: `column key asked`; what it says for missing values is undefined."""
        import numpy as np
        import pyarrow as pa

        from lockgate import arrays

        if key == "in":
            return np.logical_or.reduce([self._compared(column, "eq", each, name=name) for each in asked])
        compare = _COMPARE[key]
        if pa.types.is_null(column.type):
            return np.zeros(len(column), bool)
        if _is_number(column.type) or pa.types.is_boolean(column.type):
            if isinstance(asked, bool | int | float):
                decimal = pa.types.is_decimal(column.type)
                return compare(arrays.to_floats(column) if decimal else arrays.to_numpy(column), asked)
        elif pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            moment = _microseconds(asked)
            if moment is not None:
                return compare(arrays.to_numpy(column.cast(pa.timestamp("us"), safe=False)), moment)
        elif isinstance(asked, str) and _is_text(column.type):
            encoded = column.dictionary_encode(null_encoding="encode")
            answers = np.array(
                [text is not None and compare(text, asked) for text in encoded.dictionary.to_pylist()], bool
            )
            return answers[arrays.to_numpy(encoded.indices)]
        raise self._unfit(column, f"it is compared with {asked!r}", column_name=name)

    def _unfit(self, column: pa.Array, why: str, *, column_name: str | None = None) -> DataError:
        return DataError(
            f"slice {self.name!r}: column {column_name or self.columns[0]!r} has the type {column.type}, and {why}",
            remedy="declare the slice by what the column holds, or store the column with another type",
        )


def resolved(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """What is judged: crossings have their parts, and a search is left out.

    Combinations of what was named are promised, with rows or without.
    """
    slices = tuple(one for one in slices if one.kind != "found")
    known = {one.name: one for one in slices}
    return tuple(
        one if one.spec.cross is None else _crossing(one, [known[name] for name in one.spec.cross]) for one in slices
    )


def _crossing(one: Slice, parts: Sequence[Slice]) -> Slice:
    named = all(part.kind in ("declared", "where") for part in parts)
    combined = product(*([(part.name, value) for value in part.values or ()] for part in parts))
    return replace(one, parts=tuple(parts), values=tuple(map(slice_text, combined)) if named else None)


_DENSE = 1 << 22
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}


def _plain(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_coded(column: pa.Array) -> bool:
    """Whether a column is stored by codes, and not by more of them than it has rows."""
    import pyarrow as pa

    return pa.types.is_dictionary(column.type) and len(column.dictionary) <= max(len(column), 1)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _has_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_null(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_temporal(kind)
        or _is_number(kind)
        or _is_text(kind)
    )


def _texts(distinct: pa.Array) -> list[str]:
    import pyarrow as pa

    if not pa.types.is_floating(
        distinct.type
    ):  # Arrow's own texts; its floats lack the `.0`, and its timestamps need no pandas
        distinct = distinct.cast(pa.string())
    return [value_text(value) for value in distinct.to_pylist()]


def _as_stored(value: Any, *, floating: bool) -> str:
    """The text that a declared value has in a column: whole numbers end in .0 where a column holds floats."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and floating:
        return value_text(float(value))
    return _number_text(value) if number else value_text(value)


def _encoded(labels: Sequence[str], indices: NDArray[Any]) -> pa.DictionaryArray:
    """Dictionary codes with each label once, though several codes may share one."""
    import numpy as np
    import pyarrow as pa

    from lockgate import arrays

    distinct = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    codes = indices.astype(np.int32, copy=False)
    if len(distinct) < len(labels) and codes.size:
        codes = np.array([distinct[label] for label in labels], np.int32)[codes]
    return pa.DictionaryArray.from_arrays(arrays.from_numpy(codes), arrays.from_texts(list(distinct)))


def _microseconds(asked: Any) -> int | None:
    """A date or moment as microseconds since 1970, by UTC where no zone is given; None for what is neither."""
    try:
        moment = datetime.fromisoformat(asked) if isinstance(asked, str) else asked
    except ValueError:
        return None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, datetime):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def bin_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """`(-inf,0)`, `[0,10)`, `[10,inf)` for the edges 0 and 10: every number has a bin."""
    if not len(edges):
        return ("(-inf,inf)",)
    texts = [_number_text(edge) for edge in edges]
    inner = (f"[{low},{high})" for low, high in pairwise(texts))
    return (f"(-inf,{texts[0]})", *inner, f"[{texts[-1]},inf)")


def quantile_edges(numbers: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """The values that split the finite numbers into `bins` parts of about as many rows; fewer where values repeat."""
    import numpy as np

    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return ()
    ranks = sorted({part * finite.size // bins for part in range(1, bins)})
    edges = np.unique(np.partition(finite, ranks)[ranks])
    return tuple(float(edge) + 0.0 for edge in edges[edges > finite.min()])


def _low_edge(label: str) -> float:
    return float(label[1:].partition(",")[0])


def slice_text(key: SliceKey) -> str:
    """`geography=BR&sex=Male`, percent-encoded; `overall` for all rows."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in key) or "overall"


def finding_id(gate: str, requirement_id: str, key: SliceKey) -> str:
    """`metrics/r2/geography=BR`: the id of what a gate found about one requirement on one slice."""
    return f"{gate}/{requirement_id}/{slice_text(key)}"
