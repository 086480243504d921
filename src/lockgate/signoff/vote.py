"""A vote on one piece of evidence, in the bytes that a key signs."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from lockgate import hashing
from lockgate.signoff.identity import Identity
from lockgate.units import utc, utc_text

SCHEMA = "lockgate/vote/v1"
CLOCK_SKEW = timedelta(minutes=10)

Verb = Literal["approve", "reject", "revoke", "override", "rollback"]


@dataclass(frozen=True)
class Vote:
    """Approval, rejection, revocation, override or rollback by one identity. `bytes` are what a key signs.

    accepting: how many undecided findings an approval accepts, None where it accepts none.
    """

    verb: Verb
    digest: str
    model: str
    accepting: int | None
    reason: str
    at: datetime
    by: Identity
    stored: bytes | None = field(default=None, repr=False, compare=False)

    @classmethod
    def read(cls, data: builtins.bytes) -> Vote:
        """A vote from the bytes that were signed. Raises ValueError for anything that is not one."""
        try:
            value: Mapping[str, Any] = json.loads(data)
            if value["schema"] != SCHEMA:
                raise ValueError(f"its schema is {value['schema']!r}; this lockgate reads {SCHEMA}")
            if value["verb"] not in get_args(Verb):
                raise ValueError(f"its verb is {value['verb']!r}; known are {', '.join(get_args(Verb))}")
            accepting = value["accepting"]
            if not (accepting is None or (type(accepting) is int and accepting >= 0)):
                raise ValueError(f"accepting is {accepting!r}, not a count")
            if not hashing.is_digest(value["digest"]):
                raise ValueError("it names no digest")
            return cls(
                verb=cast(Verb, value["verb"]),
                digest=value["digest"],
                model=str(value["model"]),
                accepting=accepting,
                reason=str(value["reason"]),
                at=utc(value["at"]),
                by=Identity.from_json(value["by"]),
                stored=data,
            )
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"these bytes are not a vote: {error!r}") from error

    @property
    def bytes(self) -> bytes:
        if self.stored is not None:
            return self.stored
        return hashing.canonical(
            {
                "schema": SCHEMA,
                "verb": self.verb,
                "digest": self.digest,
                "model": self.model,
                "accepting": self.accepting,
                "reason": self.reason,
                "at": utc_text(self.at),
                "by": self.by.to_json(),
            }
        )

    @property
    def sha256(self) -> str:
        return hashing.sha256(self.bytes)
