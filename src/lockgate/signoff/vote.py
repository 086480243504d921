"""A vote on one piece of evidence, in the bytes that a key signs."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast, get_args

from lockgate.evidence.record import Record
from lockgate.hashing import is_digest
from lockgate.signoff.identity import Identity
from lockgate.units import utc

CLOCK_SKEW = timedelta(minutes=10)

Verb = Literal["approve", "reject", "revoke", "override", "rollback"]


@dataclass(frozen=True)
class Vote(Record):
    """Approval, rejection, revocation, override or rollback by one identity. `bytes` are what a key signs.

    accepting: how many undecided findings an approval accepts, None where it accepts none.
    """

    schema = "lockgate/vote/v1"

    verb: Verb
    digest: str
    model: str
    accepting: int | None
    reason: str
    at: datetime
    by: Identity

    @classmethod
    def read(cls, data: builtins.bytes) -> Vote:
        """A vote from the bytes that were signed. Raises ValueError for anything that is not one."""
        try:
            value = cls.parse(data)
            if value["verb"] not in get_args(Verb):
                raise ValueError(f"its verb is {value['verb']!r}; known are {', '.join(get_args(Verb))}")
            accepting = value["accepting"]
            if not (accepting is None or (type(accepting) is int and accepting >= 0)):
                raise ValueError(f"accepting is {accepting!r}, not a count")
            if not is_digest(value["digest"]):
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
