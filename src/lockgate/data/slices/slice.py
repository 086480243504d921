"""Assign each row to a slice of every declaration: by value, bin, quantile, condition or crossing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from lockgate.data.slices.names import (
    MISSING,
    OTHER,
    SliceKey,
    bin_labels,
    label_text,
    low_edge,
    meaning,
    slice_text,
    value_text,
)
from lockgate.data.slices.spec import Condition, SliceSpec
from lockgate.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Kind = Literal["values", "declared", "bins", "quantiles", "where", "cross", "found"]
Coded = tuple[tuple[str, ...], "NDArray[np.int32]"]

MOST = 1_000
_DENSE = 1 << 22  # up to so many combinations, counting them (32 MB) is faster than sorting the rows


@dataclass(frozen=True)
class Slice:
    """One declaration: it gives every row of the data one label.

    columns: the data columns that it reads; a crossing reads none, its labels come from those of its `parts`. values: the
    labels that are judged even where no row has them, in the order of the declaration; None where only labels that rows have are judged.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    values: tuple[str, ...] | None
    spec: SliceSpec
    parts: tuple[Slice, ...] = ()

    @classmethod
    def from_spec(cls, spec: SliceSpec) -> Slice:
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

    def names_by(self, column: str, kind: pa.DataType) -> bool:
        """Whether it takes a column for names, which are read as they are stored, and not for numbers or moments.

        kind: what the column seems to hold.
        """
        import pyarrow as pa

        from lockgate.data.slices.conditions import is_moment

        if self.spec.where is None:
            return self.kind in ("values", "declared")
        compared = [value for _, value in self.spec.where[column].comparisons]
        flat = [each for value in compared for each in (value if isinstance(value, tuple | list) else (value,))]
        moments = pa.types.is_temporal(kind) and all(map(is_moment, flat))
        return all(isinstance(value, str) for value in flat) and not moments

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
        if self.kind == "where":
            return label == "true"
        return label != self.rest if self.kind in ("declared", "cross") else True

    @property
    def rest(self) -> str:
        """The label of the rows outside declared values or crossed slices, which is no value's."""
        rest = OTHER
        while self.kind == "declared" and rest in (self.values or ()):
            rest = f"({rest})"
        return rest

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
            present = np.flatnonzero(np.bincount(combined, minlength=1))
            positions = np.zeros(int(present[-1]) + 1 if present.size else 1, np.int64)
            positions[present] = np.arange(present.size)
            inverse = positions[combined]
        else:
            present, inverse = np.unique(combined, return_inverse=True)
        names = [self._crossed(int(code), sizes, [labels for labels, _ in coded]) for code in present]
        order = list(dict.fromkeys([*(self.values or ()), *(name for name in names if name != self.rest), *names]))
        index = {name: code for code, name in enumerate(order)}
        lookup = np.array([index[name] for name in names], np.int32)
        return tuple(order), lookup[inverse] if names else np.zeros(0, np.int32)

    def _crossed(self, code: int, sizes: Sequence[int], labels: Sequence[Sequence[str]]) -> str:
        pairs: list[tuple[str, str]] = []
        for part, size, names in zip(reversed(self.parts), reversed(sizes), reversed(labels), strict=True):
            code, rest = divmod(code, size)
            if not part.judges(names[rest]):
                return self.rest
            pairs.append((part.name, names[rest]))
        return slice_text(tuple(reversed(pairs)))

    def assign(self, batch: pa.RecordBatch) -> pa.DictionaryArray:
        """The label of every row, none of them null: every row is in exactly one slice of a declaration.

        values: the value's text. declared: the declared value or `(other)`. bins: the bin, the outer ones included.
        quantiles: the bin, when the batch holds all rows there are. A crossing is not assigned but combined.
        where: `true` or `false`; a comparison with a missing value is false. Elsewhere `(missing)` is a label too.
        Raises DataError where a column's type does not fit the declaration.
        """
        from lockgate.data import arrow_arrays as arrays

        if self.spec.where is not None:
            return self._assign_where(batch, self.spec.where)
        column = batch.column(self.columns[0])
        if self.kind in ("values", "declared") and _is_coded(column):
            return self._assign_coded(column)
        column = arrays.plain(column)
        if self.spec.bins is not None:
            numbers = self._numbers(column)
            return self._cut(numbers, self.spec.bins, inside=_rounded(self.spec.bins, column.type))
        if self.spec.quantiles is not None:
            return self.cut(self._numbers(column))
        return self._assign_values(column)

    def numbers(self, batch: pa.RecordBatch) -> NDArray[np.float64]:
        """The column that quantiles are taken of, NaN where a value is missing. Raises DataError."""
        from lockgate.data import arrow_arrays as arrays

        return self._numbers(arrays.plain(batch.column(self.columns[0])))

    def cut(self, numbers: NDArray[np.float64], *, among: NDArray[np.float64] | None = None) -> pa.DictionaryArray:
        """The bin of every row, by quantiles of all of them, or of those that are given."""
        return self._cut(numbers, quantile_edges(numbers if among is None else among, self.spec.quantiles or 2))

    def order(self, present: Iterable[str]) -> tuple[str, ...]:
        """All labels in the order in which they are shown: the declared ones always, then what else rows have.

        `(other)` and `false` are labels as well, so that the rows of all labels are all rows; they are not judged.
        """
        declared: tuple[str, ...] = self.values or ()
        if self.spec.bins is not None:
            declared = bin_labels(self.spec.bins)
        elif self.spec.where is not None:
            declared = ("true", "false")
        labels = set(present)
        if self.kind == "quantiles":
            declared = tuple(sorted(labels - {MISSING}, key=low_edge))
        always = {*(self.values or ()), *(("false",) if self.spec.where is not None else ())}
        return (*(label for label in declared if label in labels | always), *sorted(labels.difference(declared)))

    def _assign_values(self, column: pa.Array) -> pa.DictionaryArray:
        import pyarrow as pa

        from lockgate.data import arrow_arrays as arrays

        if not arrays.has_text(column.type):
            raise self._unfit(column, "a slice needs texts, numbers, true/false or dates")
        half = pa.types.is_float16(column.type)
        encoded = arrays.encoded(column)
        distinct = encoded.dictionary.cast(pa.float16()) if half else encoded.dictionary  # Arrow encodes none of these
        return _encoded(self._labels(distinct), arrays.to_numpy(encoded.indices))

    def _assign_coded(self, column: pa.DictionaryArray) -> pa.DictionaryArray:
        """The same of a column that is stored by codes, of which those count that a row has."""
        import numpy as np
        import pyarrow as pa

        from lockgate.data import arrow_arrays as arrays

        if not arrays.has_text(column.dictionary.type):
            raise self._unfit(arrays.plain(column), "a slice needs texts, numbers, true/false or dates")
        codes, size = arrays.to_numpy(column.indices), len(column.dictionary)
        if column.indices.null_count:
            codes = np.where(arrays.is_missing(column.indices), size, codes)
        used = np.flatnonzero(np.bincount(codes, minlength=size + 1))
        labels = [*self._labels(column.dictionary), *self._labels(pa.nulls(1, column.dictionary.type))]
        if used.size and used[-1] == used.size - 1:
            return _encoded(labels[: used.size], codes)
        positions = np.zeros(size + 1, np.int32)
        positions[used] = np.arange(used.size)
        return _encoded([labels[code] for code in used], positions[codes])

    def _labels(self, distinct: pa.Array) -> list[str]:
        from lockgate.data import arrow_arrays as arrays
        from lockgate.data import column_texts

        if column_texts.may_have_collapsed(distinct).any():
            raise self._unfit(distinct, "its whole numbers are so large that different ones may have become the same")
        texts = column_texts.texts(distinct).to_pylist()
        if self.spec.values is None:
            return [label_text(text) for text in texts]
        are_texts = arrays.is_text(distinct.type)
        return [self._declared(text, is_text=are_texts) for text in texts]

    def _declared(self, text: str | None, *, is_text: bool) -> str:
        """The declared value that a value of the column is: its text, or the same number, truth or moment.

        Two texts are the same only where they are equal. Raises DataError for `01` where the number 1 is declared.
        """
        label = label_text(text)
        if label in (self.values or ()) or text is None:
            return label if label in (self.values or ()) else self.rest
        sought = meaning(text)
        for value in self.spec.values or ():
            if isinstance(value, str) and is_text:
                continue
            if meaning(value) == sought:
                return value_text(value)
            number = not isinstance(value, str | bool) and sought[0] == "text" and value_text(value).isdecimal()
            if number and text.isdecimal() and text.isascii() and int(text) == value:
                raise DataError(
                    f"slice {self.name!r}: values: {value_text(value)} is a number, and column {self.columns[0]!r} "
                    f"holds the text {text[:40]!r}",
                    remedy=f'write what the column holds, in quotes: values: ["{text[:40]}", …]; or "{value}" for that alone',
                )
        return self.rest

    def _numbers(self, column: pa.Array) -> NDArray[np.float64]:
        from lockgate.data import arrow_arrays as arrays

        if not arrays.is_number(column.type):
            raise self._unfit(column, f"{self.kind} need numbers")
        return arrays.to_floats(column)

    def _cut(
        self, numbers: NDArray[np.float64], edges: Sequence[float], *, inside: Sequence[float] | None = None
    ) -> pa.DictionaryArray:
        """inside: the edges in the precision of the numbers; those themselves where None."""
        import numpy as np

        codes = np.searchsorted(np.asarray(edges if inside is None else inside, float), numbers, side="right").astype(
            np.int32
        )
        codes[np.isnan(numbers)] = len(edges) + 1
        return _encoded([*bin_labels(edges), MISSING], codes)

    def _assign_where(self, batch: pa.RecordBatch, where: Mapping[str, Condition]) -> pa.DictionaryArray:
        import numpy as np

        from lockgate.data import arrow_arrays as arrays

        holds = np.ones(batch.num_rows, bool)
        for name, condition in where.items():
            column = arrays.plain(batch.column(name))
            holds &= ~arrays.is_missing(column)
            for key, value in condition.comparisons:
                holds &= self._compared(column, key, value, name=name)
        return _encoded(["false", "true"], holds.astype(np.int32))

    def _compared(self, column: pa.Array, key: str, value: Any, *, name: str) -> Any:
        """(n,) bool: `column key value`; the result for missing values is undefined."""
        import numpy as np

        from lockgate.data.slices.conditions import compared

        if key == "in":
            return np.logical_or.reduce([self._compared(column, "eq", each, name=name) for each in value])
        matches = compared(column, key, value)
        if matches is None:
            raise self._unfit(column, f"it is compared with {value!r}", column_name=name)
        return matches

    def _unfit(self, column: pa.Array, reason: str, *, column_name: str | None = None) -> DataError:
        return DataError(
            f"slice {self.name!r}: column {column_name or self.columns[0]!r} has the type {column.type}, and {reason}",
            remedy="declare the slice by what the column holds, or store the column with another type",
        )


def resolved(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """What is judged: crossings have their parts, and a search is left out.

    Combinations of what was named are promised, with rows or without.
    """
    slices = tuple(entry for entry in slices if entry.kind != "found")
    by_name = {entry.name: entry for entry in slices}
    return tuple(
        entry if entry.spec.cross is None else _crossing(entry, [by_name[name] for name in entry.spec.cross])
        for entry in slices
    )


def _crossing(crossing: Slice, parts: Sequence[Slice]) -> Slice:
    named = all(part.kind in ("declared", "where") for part in parts)
    combined = product(*([(part.name, value) for value in part.values or ()] for part in parts))
    return replace(crossing, parts=tuple(parts), values=tuple(map(slice_text, combined)) if named else None)


def _rounded(edges: Sequence[float], kind: pa.DataType) -> tuple[float, ...]:
    """Edges as a column of floats holds them: 0.7 of 32 bits is at the edge 0.7, as where a condition names it."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_floating(kind):
        return tuple(edges)
    with np.errstate(over="ignore"):
        own = np.asarray(edges, float).astype(f"f{kind.bit_width // 8}").astype(float)
    return tuple(float(number) if np.isfinite(number) else edge for number, edge in zip(own, edges, strict=True))


def _is_coded(column: pa.Array) -> bool:
    """Whether a column is stored by codes, and not by more of them than it has rows."""
    import pyarrow as pa

    return pa.types.is_dictionary(column.type) and len(column.dictionary) <= max(len(column), 1)


def _encoded(labels: Sequence[str], indices: NDArray[Any]) -> pa.DictionaryArray:
    """Dictionary codes with each label once, though several codes may share one."""
    import numpy as np
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays

    distinct = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    codes = indices.astype(np.int32, copy=False)
    if len(distinct) < len(labels) and codes.size:
        codes = np.array([distinct[label] for label in labels], np.int32)[codes]
    return pa.DictionaryArray.from_arrays(arrays.from_numpy(codes), arrays.from_texts(list(distinct)))


def quantile_edges(numbers: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """The values that split the finite numbers into `bins` parts of about as many rows; fewer where values repeat."""
    import numpy as np

    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return ()
    ranks = sorted({part * finite.size // bins for part in range(1, bins)})
    edges = np.unique(np.partition(finite, ranks)[ranks])
    return tuple(float(edge) + 0.0 for edge in edges[edges > finite.min()])
