"""Declare slices: by values of a column, bins of a number, a condition on rows, or a crossing of others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, time
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator

from lockgate.config import Config
from lockgate.data.slices.names import number_text, value_text
from lockgate.errors import guess
from lockgate.text import enumerated

_KINDS = ("values", "bins", "quantiles", "where", "cross")
TIME = "request:time"  # when a request came, in the scored table
FIXED_COLUMNS = ("id", TIME, "label", "weight", "cluster", "query", "candidate", "champion")


def is_fixed(name: str) -> bool:
    """Whether a column of the scored table is not a slice's: `candidate`, and `candidate:iou` of a metric by row."""
    return name in FIXED_COLUMNS or name.startswith(("candidate:", "champion:"))


def free_name(name: str) -> str:
    """A name for a slice of a column whose own name is not free: `champion_group`, `candidate_iou_group`."""
    return f"{name.replace(':', '_')}_group"


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

    lt: Scalar = Field(default=None, description="Below this number or day.")
    le: Scalar = Field(default=None, description="This number or day, or below.")
    gt: Scalar = Field(default=None, description="Above this number or day.")
    ge: Scalar = Field(default=None, description="This number or day, or above.")
    eq: Scalar = Field(default=None, description="Equal to this; a value alone says the same.")
    ne: Scalar = Field(default=None, description="Any value but this.")
    among: tuple[Scalar, ...] | None = Field(default=None, alias="in", min_length=1, description="One of these values.")

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("a condition is empty; write one of lt, le, gt, ge, eq, ne, in")
        return self

    @property
    def comparisons(self) -> tuple[tuple[str, Any], ...]:
        """(operator as written, what it is compared with)."""
        written = self.model_dump(by_alias=True, exclude_unset=True)
        return tuple(written.items())


def _condition(value: Any) -> Any:
    return value if isinstance(value, Mapping | Condition) else {"eq": value}


WhereCondition = Annotated[
    Condition, BeforeValidator(_condition, json_schema_input_type=bool | int | float | str | Condition)
]


class FindSpec(Config):
    """Which conjunctions of the other slices are searched for losses; what is found is shown and never judged."""

    depth: int = Field(default=2, ge=1, le=3, description="Of how many slices at most one value each is combined.")
    worst: int = Field(default=10, ge=1, le=200, description="How many combinations are shown.")
    min_rows: int = Field(default=50, ge=10, description="Rows of a combination at least.")


class SliceSpec(Config):
    """One entry of `slices:`: every value of a column, declared values, bins of a number, a condition on rows, or a
    crossing of other entries; or, with `find`, a search among the others."""

    column: Name | None = Field(default=None, description="Column whose values make the slices.")
    name: Name | None = Field(
        default=None, description="Name in lines and reports; by default the column, or the crossed slices."
    )
    values: tuple[Scalar, ...] | None = Field(
        default=None,
        min_length=1,
        description="The values, whether the data have them or not; else all that they have.",
    )
    bins: tuple[Edge, ...] | None = Field(
        default=None,
        min_length=1,
        description="Edges of bins of a number, in increasing order, such as `[0, 50, 200]`; rows beyond them get slices "
        "of their own.",
    )
    quantiles: int | None = Field(
        default=None,
        ge=2,
        le=100,
        description="How many bins of about as many rows; their edges come from the data of the run.",
    )
    where: dict[Name, WhereCondition] | None = Field(
        default=None,
        min_length=1,
        description="Conditions on columns that its rows meet, such as `{age: {lt: 30}, country: BR}`.",
    )
    cross: tuple[Name, ...] | None = Field(
        default=None, description="Names of two to four other slices whose values are combined."
    )
    max: int | None = Field(
        default=None,
        ge=1,
        description="How many values, or crossed values, a run may find before it refuses; 1,000 by default.",
    )
    find: FindSpec | None = Field(
        default=None,
        description="Searches the other slices' combinations for losses; what is found is shown and never judged.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> SliceSpec:
        kinds = [key for key in _KINDS if getattr(self, key) is not None]
        if len(kinds) > 1:
            raise ValueError(f"a slice is declared by one of {enumerated(_KINDS)}, not by {' and '.join(kinds)}")
        if self.find is not None:
            others = sorted(self.model_fields_set - {"find"})
            if others:
                raise ValueError(f"`find` stands by itself, and {others[0]} beside it has no meaning")
            return self
        if self.max is not None and kinds not in ([], ["cross"]):
            raise ValueError(
                f"max is for what is found in the data; `{kinds[0]}` says itself how many slices there are"
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
                f"give it another name, for example {{column: …, name: {free_name(self.slice_name)}}}"
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
                raise ValueError(f"bins must increase, and {number_text(high)} comes after {number_text(low)}")

    def _fits_values(self, values: tuple[Any, ...]) -> None:
        labels = [value_text(value) for value in values]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"values are declared twice: {', '.join(twice)}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data that it reads itself."""
        return (() if self.column is None else (self.column,)) if self.where is None else tuple(self.where)

    @property
    def each_value(self) -> bool:
        """Whether it is every value of a column, none of which it names itself."""
        return all(getattr(self, kind) is None for kind in _KINDS)

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
                problem = "is a crossing itself" if name in names else "is no slice here"
                raise ValueError(
                    f"cross names {name!r}, which {problem}; declared: {', '.join(single) or 'none'}{guess(name, single)}"
                )
        if set(crossed) in crossings:
            raise ValueError(f"the same slices are crossed twice: {', '.join(crossed)}")
        crossings.append(set(crossed))
    return entries_found


SliceEntry = Annotated[SliceSpec, BeforeValidator(_entry, json_schema_input_type=str | SliceSpec)]
SliceEntries = Annotated[tuple[SliceEntry, ...], AfterValidator(_fit_each_other)]


class SmallSlices(Config):
    """From how many rows and positives on a slice is judged like a large one, and what becomes of the others."""

    min_rows: int = Field(default=0, ge=0, description="Rows from which on a slice is judged like a large one.")
    min_positives: int = Field(
        default=0, ge=0, description="Positive rows from which on a slice is judged like a large one."
    )
    below: Literal["watch", "merge", "block"] = Field(
        default="block",
        description="What becomes of smaller ones: `block` (inconclusive, with the rows needed), `watch` (tested for harm "
        "alone), `merge` (pooled into one slice `other`; declared values and `where` slices stay by "
        "themselves).",
    )
