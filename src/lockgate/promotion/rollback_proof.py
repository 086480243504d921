"""Is there a way back: the proof that the outgoing version still answers, and the words that waive it for a while."""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from lockgate import hashing as digest
from lockgate.errors import Refused
from lockgate.promotion.reevaluation_result import Repeats
from lockgate.signoff.identity import Identity
from lockgate.units import utc, utc_text

SCHEMA = "lockgate/proof/v1"
GOOD_FOR = timedelta(minutes=30)
CLOCK_SKEW = timedelta(minutes=10)

_WAIVED = re.compile(r"waived:\s*(?P<reason>\S.*?)\s*,\s*until\s+(?P<until>[0-9]{4}-[0-9]{2}-[0-9]{2})\s*", re.DOTALL)


@dataclass(frozen=True)
class Waived:
    """Why the way back is not proven, and the last day (UTC) on which that holds."""

    reason: str
    until: date

    def holds(self, now: datetime) -> bool:
        return utc(utc_text(now)).date() <= self.until

    def __str__(self) -> str:
        return f"{self.reason}, until {self.until.isoformat()}"


def waived(text: str) -> Waived | None:
    """What `promotion.way_back` says: None for `prove`. Raises ValueError for what is neither."""
    if text == "prove":
        return None
    match = _WAIVED.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is not a way back; write prove, or "waived: REASON, until 2026-12-31"')
    try:
        return Waived(match["reason"], date.fromisoformat(match["until"]))
    except ValueError as error:
        raise ValueError(f"{match['until']!r} is no day; write one like 2026-12-31") from error


@dataclass(frozen=True)
class Answered:
    """What a version answered to: the input example or the data of that name, how many rows, from files of that digest."""

    asked: str
    rows: int
    files: str


@dataclass(frozen=True)
class Proof:
    """That the version which is to leave Production answered, as somebody with no right to move anything found out.

    evidence: the digest that is to be promoted. version, files: the outgoing version and the digest of its files; None
    where nothing held Production. asked: what it answered to, `input example` or the name of data, and how many rows.
    repeats: what its gates said when they were asked again; None where they were not. run: the address of the CI run that
    made it, None where none did.
    """

    model: str
    evidence: str
    version: str | None
    files: str | None
    asked: str | None
    rows: int
    at: datetime
    by: Identity
    repeats: Repeats | None = None
    run: str | None = None

    @property
    def said(self) -> str:
        """What is to be recorded of it; empty where nothing is."""
        proven = "" if self.version is None else f"the way back was proven by {self.by} on {utc_text(self.at)}"
        again = "" if self.repeats is None else str(self.repeats)
        return "; ".join(part for part in (proven, again, f"in {self.run}" if self.run else "") if part)

    def must_name(self, gates: Sequence[str]) -> None:
        """Raises Refused where it does not say of each of these gates whether it was asked again."""
        missing = [name for name in gates if self.repeats is None or name not in self.repeats.gates]
        if missing:
            raise Refused(
                f"the proof does not say whether these gates were asked again: {', '.join(missing)}",
                code="proof",
                remedy="make it anew, with gate promote --prove-only FILE --repeat or the workflow of this lockgate",
            )

    @property
    def bytes(self) -> bytes:
        more = {} if self.repeats is None else {"repeats": self.repeats.to_json()}
        return digest.canonical(
            more
            | ({} if self.run is None else {"run": self.run})
            | {
                "schema": SCHEMA,
                "model": self.model,
                "evidence": self.evidence,
                "version": self.version,
                "files": self.files,
                "asked": self.asked,
                "rows": self.rows,
                "at": utc_text(self.at),
                "by": self.by.to_json(),
            }
        )

    @classmethod
    def read(cls, data: builtins.bytes) -> Proof:
        """A proof from its bytes. Raises ValueError for anything that is not one."""
        try:
            value: Mapping[str, Any] = json.loads(data)
            if value["schema"] != SCHEMA:
                raise ValueError(f"its schema is {value['schema']!r}; this lockgate reads {SCHEMA}")
            return cls(
                model=str(value["model"]),
                evidence=str(value["evidence"]),
                version=None if value["version"] is None else str(value["version"]),
                files=None if value["files"] is None else str(value["files"]),
                asked=None if value["asked"] is None else str(value["asked"]),
                rows=int(value["rows"]),
                at=utc(value["at"]),
                by=Identity.from_json(value["by"]),
                repeats=None if value.get("repeats") is None else Repeats.from_json(value["repeats"]),
                run=None if value.get("run") is None else str(value["run"]),
            )
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"these bytes are not a proof: {error!r}") from error

    def objection(self, *, model: str, evidence: str, outgoing: str | None, now: datetime) -> str | None:
        """Why it does not prove the way back from this evidence to this version now; None where it does."""
        if (self.model, self.evidence) != (model, evidence):
            return f"it is about {self.model} and {self.evidence}"
        if self.version != outgoing:
            return f"it is about {_named(self.version)}, and {_named(outgoing)} holds Production"
        if outgoing is not None and (self.rows < 1 or not digest.is_digest(self.files or "")):
            return "it names no rows that were answered, or no files that answered them"
        if now > self.at + GOOD_FOR:
            return f"it was made on {utc_text(self.at)}, and is good for 30 minutes"
        if now < self.at - CLOCK_SKEW:
            return f"it is dated {utc_text(self.at)}, which is still to come"
        return None


def _named(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"
