"""The way from a record to a value in it: `request.body|json.rows[*].amount`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

DECODERS = ("json", "base64", "csv")
_SYNTAX = (
    "write names with dots, [0] for one element of a list, [*] for every one (a row each), [name=x-request-id] for the "
    'first object of a list that says so, |json, |base64 or |csv behind a text that holds these, ["a.b"] for other names'
)
_TOKEN = re.compile(
    r"""(?P<dot>\.)?(?P<key>[^.\[\]|"]+)
      | \[(?P<index>\d{1,9})\]
      | \[(?P<every>\*)\]
      | \[(?P<quoted>"(?:[^"\\]|\\.)*")\]
      | \[(?P<field>[^=\[\]"*]+)=(?P<value>[^\[\]"]+)\]
      | \|(?P<decoder>\w+)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Key:
    """The value of a key of an object."""

    name: str


@dataclass(frozen=True)
class Item:
    """One element of a list, from 0."""

    index: int


@dataclass(frozen=True)
class Every:
    """All elements of a list, a row each."""


@dataclass(frozen=True)
class Where:
    """The first object of a list whose field is that text."""

    field: str
    value: str


@dataclass(frozen=True)
class Decode:
    """What a text holds: `json`, `base64` (bytes, read as text), `csv` (a list of lines of cells)."""

    decoder: str


Step = Key | Item | Every | Where | Decode


@dataclass(frozen=True)
class RecordPath:
    """Steps from a record to a value; at most one of them is `Every`."""

    text: str
    steps: tuple[Step, ...]

    @property
    def of_rows(self) -> bool:
        """Whether a record may give it several values, one a row."""
        return Every() in self.steps


def parse_path(text: str) -> RecordPath:
    """The path that a text names. Raises ValueError, which says how to write one."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or (token["key"] is not None and (token["dot"] is None) is not (at == 0)):
            raise ValueError(f"{text!r} is no path from {text[at:]!r} on; {_SYNTAX}")
        steps.append(_step(text, token))
        at = token.end()
    if not steps:
        raise ValueError(f"a path is empty; {_SYNTAX}")
    if not isinstance(steps[0], Key):
        raise ValueError(f"{text!r} begins with no name: a record is an object; {_SYNTAX}")
    if steps.count(Every()) > 1:
        raise ValueError(f"{text!r} has [*] twice: a record gives rows by one list alone")
    return RecordPath(text, tuple(steps))


def need_path(text: str) -> str:
    """The text. Raises ValueError where it is no path."""
    return parse_path(text).text


def _step(text: str, token: re.Match[str]) -> Step:
    if token["key"] is not None:
        return Key(token["key"])
    if token["quoted"] is not None:
        try:
            return Key(json.loads(token["quoted"]))
        except ValueError:
            raise ValueError(f"{text!r}: {token['quoted']} is no JSON text") from None
    if token["index"] is not None:
        return Item(int(token["index"]))
    if token["every"] is not None:
        return Every()
    if token["field"] is not None:
        return Where(token["field"], token["value"])
    if token["decoder"] not in DECODERS:
        raise ValueError(f"{text!r}: nothing decodes {token['decoder']!r}; known are {', '.join(DECODERS)}")
    return Decode(token["decoder"])
