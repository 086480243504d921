"""Rows to judge a model on: which files they are, what they say, and in which batches they are read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lockgate import digest as digests
from lockgate.config import Config, Duration, later
from lockgate.slices import Name, SliceEntries, SmallSlices

Role = Literal["candidate", "champion"]


def _digest(text: str) -> str:
    if not digests.is_digest(text):
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
    scores: dict[Role, Name] | None = Field(default=None, min_length=1)
    query: later("ranking by query arrives with the statistics release") = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _fits_together(self) -> DatasetSpec:
        if self.last is not None and self.time is None:
            raise ValueError("`last` needs `time`, the column that says when a row was recorded")
        if self.last is not None and not self.last:
            raise ValueError("`last` is no time at all; write a span like 7d")
        if self.keep_ids and self.id is None:
            raise ValueError("`keep_ids` needs `id`, the column that holds them")
        if self.scores is not None and "candidate" not in self.scores:
            raise ValueError("`scores` names no candidate; write scores: {candidate: column, champion: column}")
        return self
