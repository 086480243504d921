"""Base of every section of a pipeline: unknown keys refused, values frozen, durations read."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from lockgate import units

DURATION = r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|s|m|min|h|d|w)\s*)+$"

SHARE = r"^\s*[0-9]+(\.[0-9]+)?\s*%?\s*$"


class Config(BaseModel):
    """Base of everything that is read from YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)

    @classmethod
    def variant(cls, value: Any) -> type[Config]:
        """The subclass that a mapping is read as, where one of its keys decides that; else this class."""
        return cls


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write one like 90s, 30m, 48h or 7d")
    return units.duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(units.duration_text),
    WithJsonSchema({"type": "string", "pattern": DURATION}),
]


Share = Annotated[
    float,
    BeforeValidator(lambda value: units.share(str(value))),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": SHARE}]}),
]


class NotAvailableYet(ValueError):
    """A key or value that is known and cannot be used yet."""

    def __str__(self) -> str:
        return f"not available yet: {super().__str__()}"
