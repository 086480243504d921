"""One entry of `data:` in a pipeline."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from lockgate.config import Config, Duration, Share
from lockgate.data import remote
from lockgate.data.slices.spec import Name, SliceEntries, SmallSlices
from lockgate.hashing import is_digest
from lockgate.units import utc, utc_text

Role = Literal["candidate", "champion"]
ClassColumns = Annotated[dict[Name, Name], Field(min_length=2)]


def _digest(text: str) -> str:
    if not is_digest(text):
        raise ValueError(f"{text!r} is not a digest; it is `sha256:` and 64 lower-case hex digits")
    return text


def _until(value: Any) -> datetime:
    """The moment that a text names; a day is its end, 24:00 in UTC. Raises ValueError."""
    remedy = "write a day, 2026-11-21, or a moment with its time zone, 2026-11-21T10:00:00Z"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no moment; {remedy}")
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip(), re.ASCII):
            return utc(f"{value.strip()}T23:59:59.999999+00:00")
        return utc(value.strip())
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is no moment with a time zone; {remedy}") from None


Until = Annotated[
    datetime,
    BeforeValidator(_until),
    PlainSerializer(utc_text),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,]+\s*(Z|[+-][0-9:]+))?\s*$"}
    ),
]


class DatasetSpec(Config):
    """One entry of `data:`. The columns are named here; that the files have them is checked when they are read."""

    path: Name
    digest: Annotated[str, AfterValidator(_digest)] | None = None
    label: Name | None = None
    id: Name | None = None
    cluster: Name | None = None
    weight: Name | None = None
    slices: SliceEntries = ()
    small_slices: SmallSlices = SmallSlices()
    last: Duration | None = None
    until: Until | None = None
    time: Name | None = None
    keep_ids: bool = False
    scores: dict[Role, Name | ClassColumns] | None = Field(default=None, min_length=1)
    query: Name | None = None
    max_repeated: Share | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> DatasetSpec:
        if self.last is not None and self.time is None:
            raise ValueError("`last` needs `time`, the column that says when a row was recorded")
        if self.last is not None and not self.last:
            raise ValueError("`last` is no time at all; write a span like 7d")
        if self.until is not None and self.last is None:
            raise ValueError("`until` needs `last`, the span that is counted back from it; write one like last: 7d")
        if self.keep_ids and self.id is None:
            raise ValueError("`keep_ids` needs `id`, the column that holds them")
        if remote.is_url(self.path) and not remote.names_something(self.path):
            raise ValueError("`path` is an address that names nothing; write one like s3://bucket/holdout.parquet")
        if self.scores is not None and "candidate" not in self.scores:
            raise ValueError("`scores` names no candidate; write scores: {candidate: column, champion: column}")
        return self
