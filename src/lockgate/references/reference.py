"""What a text refers to, and whether it can only ever be one thing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from lockgate.text import cut

Kind = Literal["data", "code", "image"]
_MOST_SIGNS = 300
# What is called so is something else next week. An environment, `prod`, is a folder like others.
_MOVING = frozenset(
    [
        "latest",
        "current",
        "newest",
        "recent",
        "last",
        "head",
        "tip",
        "today",
        "yesterday",
        "now",
        "nightly",
        "edge",
        "rolling",
    ]
)
_DAY = re.compile(r"(?<!\d)(20\d\d)(?:-(\d\d)-(\d\d)|_(\d\d)_(\d\d)|(\d\d)(\d\d))(?!\d)")
_KEYED = re.compile(r"(?:[A-Za-z_]+=)?(.*)")


@dataclass(frozen=True)
class Reference:
    """scheme: git | s3 | gcs | azure | http | file | dvc | bigquery | delta | iceberg | table | wandb | huggingface | docker;
    empty for a form that is not known.

    text: as people may see it, without the secrets of an address. why: what pins it, or why it is not pinned, a clause
    about `it`. remedy: the exact change that pins it; empty where it is pinned. parts: what the scheme takes it apart into,
    addresses with their secrets among them. exists: None until `look_up` has asked, and where nobody could tell.
    """

    scheme: str
    text: str
    pinned: bool
    why: str
    remedy: str = ""
    parts: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    exists: bool | None = None

    @property
    def holds(self) -> bool:
        """Whether it is pinned, and not known to be of what nobody has."""
        return self.pinned and self.exists is not False

    def noting(self, clause: str) -> Reference:
        """The same, of which more was learnt."""
        return replace(self, why=f"{self.why}; {clause}") if clause else self


LookUp = Callable[[Reference], Reference]


def unasked(reference: Reference) -> Reference:
    """The reference as it is: nobody is asked whether it exists."""
    return reference


def pinned(scheme: str, text: str, reason: str, **parts: str) -> Reference:
    """A reference that can only ever be one thing."""
    return Reference(scheme, cut(text, _MOST_SIGNS), pinned=True, why=reason, parts=parts)


def moving(scheme: str, text: str, reason: str, remedy: str, **parts: str) -> Reference:
    """A reference that may be another thing tomorrow."""
    return Reference(scheme, cut(text, _MOST_SIGNS), pinned=False, why=reason, remedy=remedy, parts=parts)


def moving_word(path: str) -> str | None:
    """The part of a path, or the stem of its file, that says that it moves: `latest` of `fraud/latest.csv`."""
    parts = [part for part in re.split(r"[/\\]", path) if part]
    for part in parts:
        name = _KEYED.sub(r"\1", part, count=1).lower()
        if name in _MOVING or (part is parts[-1] and name.partition(".")[0] in _MOVING):
            return part
    return None


def day_of(path: str) -> str | None:
    """The calendar day in a path, 2024-01-15, as `dt=2024-01-15`, `20240115`, `2024/01/15` or a part of a name; else None."""
    for match in _DAY.finditer(re.sub(r"(?<=\d)/(?:[A-Za-z_]+=)?(?=\d\d(?:/|$))", "-", path)):
        year, *numbers = [group for group in match.groups() if group]
        try:
            return date(int(year), int(numbers[0]), int(numbers[1])).isoformat()
        except ValueError:
            continue
    return None
