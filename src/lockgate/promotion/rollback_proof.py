"""Rollback proof: the outgoing version still answers, and which gates agreed when re-run."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from lockgate.errors import Refused
from lockgate.evidence import stored_json
from lockgate.evidence.record import Record
from lockgate.hashing import is_digest
from lockgate.promotion.ledger.entry import version_text
from lockgate.signoff.identity import Identity
from lockgate.signoff.vote import CLOCK_SKEW
from lockgate.units import utc, utc_text

GOOD_FOR = timedelta(minutes=30)


@dataclass(frozen=True)
class RerunResult:
    """same: names of gates that were re-run. left_out: name → why not. A gate that differs raises Refused instead."""

    same: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def gates(self) -> frozenset[str]:
        return frozenset((*self.same, *self.left_out))

    @property
    def lines(self) -> list[str]:
        """The result for people; no gate is passed over in silence."""
        again = [f"re-run, with the same result: {', '.join(self.same)}"] if self.same else []
        return again + [f"not re-run: {name} ({reason})" for name, reason in self.left_out.items()]

    def __str__(self) -> str:
        """The same in one line, without the reasons."""
        parts = [("re-run", ", ".join(self.same)), ("not re-run", ", ".join(self.left_out))]
        return "; ".join(f"{words}: {names}" for words, names in parts if names)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RerunResult:
        """Raises ValueError for anything else."""
        left_out = stored_json.mapping(value, "left_out")
        return cls(stored_json.texts(value, "same"), {name: stored_json.text(left_out, name) for name in left_out})


@dataclass(frozen=True)
class RollbackAnswer:
    """What a version answered: `sample` is the input example or the name of data, `files` the digest of the version's."""

    sample: str
    rows: int
    files: str


@dataclass(frozen=True)
class RollbackProof(Record):
    """That the version which is to leave Production answered, as somebody with no right to move anything found out.

    evidence: the digest that is to be promoted. version, files: the outgoing version and the digest of its files; None
    where nothing held Production. sample, rows: what it answered, `input example` or the name of data, and how many rows.
    rerun: what re-running its gates led to; None where they were not. run: the address of the CI run that made
    it, None where none did.
    """

    schema = "lockgate/proof/v1"
    renamed: ClassVar = {"sample": "asked", "rerun": "repeats"}

    model: str
    evidence: str
    version: str | None
    files: str | None
    sample: str | None
    rows: int
    at: datetime
    by: Identity
    rerun: RerunResult | None = None
    run: str | None = None

    @property
    def summary(self) -> str:
        """The proof as the ledger records it; empty where it says nothing."""
        proven = "" if self.version is None else f"the rollback was proven by {self.by} on {utc_text(self.at)}"
        again = "" if self.rerun is None else str(self.rerun)
        return "; ".join(part for part in (proven, again, f"in {self.run}" if self.run else "") if part)

    def require_gates(self, gates: Sequence[str]) -> None:
        """Raises Refused where it does not say of each of these gates whether it was re-run."""
        missing = [name for name in gates if self.rerun is None or name not in self.rerun.gates]
        if missing:
            raise Refused(
                f"the rollback proof does not say whether these gates were re-run: {', '.join(missing)}",
                code="proof",
                remedy="make it anew, with gate promote --prove-only FILE --repeat or the workflow of this lockgate",
            )

    def to_json(self) -> dict[str, Any]:
        document = super().to_json()
        return {key: value for key, value in document.items() if value is not None or key not in ("repeats", "run")}

    @classmethod
    def read(cls, data: builtins.bytes) -> RollbackProof:
        """A proof from its bytes. Raises ValueError for anything that is not one."""
        try:
            value = cls.parse(data)
            repeats = None if value.get("repeats") is None else stored_json.mapping(value, "repeats")
            return cls(
                model=stored_json.text(value, "model"),
                evidence=stored_json.text(value, "evidence"),
                version=stored_json.optional_text(value, "version"),
                files=stored_json.optional_text(value, "files"),
                sample=stored_json.optional_text(value, "asked"),
                rows=stored_json.count(value, "rows"),
                at=utc(stored_json.text(value, "at")),
                by=Identity.from_json(stored_json.mapping(value, "by")),
                rerun=None if repeats is None else RerunResult.from_json(repeats),
                run=stored_json.optional_text(value, "run"),
            )
        except ValueError as error:
            raise ValueError(f"these bytes are not a proof: {error}") from error

    def objection(self, *, model: str, evidence: str, outgoing: str | None, now: datetime) -> str | None:
        """Why it does not prove a rollback from this evidence to this version now; None where it does."""
        if (self.model, self.evidence) != (model, evidence):
            return f"it is about {self.model} and {self.evidence}"
        if self.version != outgoing:
            return f"it is about {version_text(self.version)}, and {version_text(outgoing)} holds Production"
        if outgoing is not None and (self.rows < 1 or not is_digest(self.files or "")):
            return "it names no rows that were answered, or no files that answered them"
        if now > self.at + GOOD_FOR:
            return f"it was made on {utc_text(self.at)}, and is good for 30 minutes"
        if now < self.at - CLOCK_SKEW:
            return f"it is dated {utc_text(self.at)}, which is still to come"
        return None
