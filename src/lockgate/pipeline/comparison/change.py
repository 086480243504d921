"""One difference between two states of a pipeline, as a sentence with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr

from lockgate.hashing import canonical
from lockgate.pipeline.comparison.directions import Effect
from lockgate.signoff.policy import Owner
from lockgate.text import cut, one_line, without_secrets
from lockgate.units import duration_text

NOTHING = "nothing"
_LONGEST = 200


@dataclass(frozen=True)
class Change:
    """What a key was and is. at: `file:line:col`; key: dotted, a gate or another entry by its name."""

    effect: Effect
    at: str
    key: str
    before: str
    after: str

    def __str__(self) -> str:
        words = {"may_be_looser": "may be looser, judged by another yardstick"}.get(self.effect, self.effect)
        return one_line(f"{self.at}: {words}: {self.key}: {self.before} → {self.after}")

    def to_json(self) -> dict[str, str]:
        return dict(vars(self))


def value_text(value: Any) -> str:
    """A value as a sentence shows it, in one line and not too long; secrets and who signs in at an address stay hidden."""
    text = NOTHING if value is None else value if isinstance(value, str) and value else _json(value)
    return cut(without_secrets(text), _LONGEST)


def _json(value: Any) -> str:
    return canonical(_plain(value)).decode()


def _plain(value: Any) -> Any:
    """What a value says beyond its defaults, of types that JSON has."""
    if isinstance(value, Owner):
        return value.name
    if isinstance(value, SecretStr):
        return str(value)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            fields[name].alias or name: _plain(getattr(value, name))
            for name in fields
            if name in value.model_fields_set
        }
    if isinstance(value, Mapping):
        return {str(name): _plain(below) for name, below in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(below) for below in value]
    if isinstance(value, timedelta):
        return duration_text(value)
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
