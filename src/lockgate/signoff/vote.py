"""A vote on one piece of evidence, in the bytes that a key signs."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, cast, get_args

from lockgate.errors import UsageError
from lockgate.evidence import stored_json
from lockgate.evidence.record import Record
from lockgate.hashing import is_digest
from lockgate.signoff.identity import Identity
from lockgate.units import utc


def check_reason(reason: str) -> str:
    """The reason. Raises UsageError for signs that would show as something else than the text of one line."""
    if reason.isprintable():
        return reason
    sign = next(sign for sign in reason if not sign.isprintable())
    raise UsageError(
        f"a reason is one line of text, and this one holds {sign!a}",
        remedy="write it on one line, without control signs",
    )


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

    @property
    def objects(self) -> bool:
        """Whether it is against what it is about, or takes an approval back."""
        return self.verb in ("reject", "revoke")

    @property
    def url(self) -> str:
        """The address of the comment that cast it; empty for another vote."""
        return str(self.comment.get("url", ""))

    @cached_property
    def comment(self) -> Mapping[str, Any]:
        """The comment that cast it, as the vote keeps it; empty for another vote."""
        comment = stored_json.read_object(self.bytes).get("comment")
        return comment if isinstance(comment, dict) else {}

    @classmethod
    def read(cls, data: builtins.bytes) -> Vote:
        """A vote from the bytes that were signed. Raises ValueError for anything that is not one."""
        try:
            value = cls.parse(data)
            if (verb := stored_json.text(value, "verb")) not in get_args(Verb):
                raise ValueError(f"its verb is {stored_json.excerpt(verb)}; known are {', '.join(get_args(Verb))}")
            if not is_digest(stored_json.text(value, "digest")):
                raise ValueError("it names no digest")
            return cls(
                verb=cast(Verb, verb),
                digest=value["digest"],
                model=stored_json.text(value, "model"),
                accepting=None
                if stored_json.field(value, "accepting") is None
                else stored_json.count(value, "accepting"),
                reason=stored_json.text(value, "reason"),
                at=utc(stored_json.text(value, "at")),
                by=Identity.from_json(stored_json.mapping(value, "by")),
                stored=data,
            )
        except ValueError as error:
            raise ValueError(f"these bytes are not a vote: {error}") from error
