"""One entry of `data:` in a pipeline."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lockgate.config import Config, Duration
from lockgate.data import remote
from lockgate.data.slices.spec import Name, SliceEntries, SmallSlices
from lockgate.hashing import is_digest

Role = Literal["candidate", "champion"]
ClassColumns = Annotated[dict[Name, Name], Field(min_length=2)]


def _digest(text: str) -> str:
    if not is_digest(text):
        raise ValueError(f"{text!r} is not a digest; it is `sha256:` and 64 lower-case hex digits")
    return text


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
    time: Name | None = None
    keep_ids: bool = False
    scores: dict[Role, Name | ClassColumns] | None = Field(default=None, min_length=1)
    query: Name | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> DatasetSpec:
        if self.last is not None and self.time is None:
            raise ValueError("`last` needs `time`, the column that says when a row was recorded")
        if self.last is not None and not self.last:
            raise ValueError("`last` is no time at all; write a span like 7d")
        if self.keep_ids and self.id is None:
            raise ValueError("`keep_ids` needs `id`, the column that holds them")
        if remote.is_url(self.path) and not remote.names_something(self.path):
            raise ValueError("`path` is an address that names nothing; write one like s3://bucket/holdout.parquet")
        if self.scores is not None and "candidate" not in self.scores:
            raise ValueError("`scores` names no candidate; write scores: {candidate: column, champion: column}")
        return self
