"""The commands that actors of an exploration run, and what exit 0 of each means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from explore.tape import MODEL, Ended, Tape, TapedRegistry, files_digest
from helpers import moving
from helpers.promoting import NOBODY, NOW, POLICY, PROMOTION, evidence
from lockgate.evidence.evidence import Evidence
from lockgate.hashing import sha256
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.holder import Process
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.rollback_consent import RollbackPlan
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity


@dataclass(frozen=True)
class Actor:
    """Who runs commands, one after the other. ahead: seconds by which its clock is; refuses: its tags are refused.

    switches: whether traffic follows. mirrors: whether stages follow. blind: whether it cannot see other processes.
    """

    name: str
    script: tuple[Command, ...]
    ahead: int = 0
    refuses: bool = False
    switches: bool = False
    mirrors: bool = False
    blind: bool = False
    at_once: str | None = None

    def run(self, command: Command, tape: Tape) -> Any:
        who = {
            "promotion": PROMOTION,
            "actor": Identity("unverified", self.name, self.name),
            "clock": tape.clock,
            "switch_traffic": (lambda entry: str(tape.ask("switch", str(entry.target)))) if self.switches else None,
            **self.host(tape),
        }
        return command(TapedRegistry(tape, mirrors=self.mirrors), who, tape)

    def host(self, tape: Tape) -> dict[str, Any]:
        """What the operator knows of processes. All are on one machine, where whoever died is known to be gone."""
        return {
            "process": Process("host", "boot", "pids", int.from_bytes(self.name.encode(), "big"), "0"),
            "at_once": self.at_once,
            "is_gone": lambda process: not self.blind and tape.ask("is_gone", str(process.pid)),
        }


class Command:
    """What an actor runs: called with a registry, with who runs it and with the tape of its answers."""

    def __call__(self, registry: Any, who: dict[str, Any], tape: Tape) -> Any:
        raise NotImplementedError

    def lie(self, ended: Ended, chain: Chain) -> str | None:
        """What is untrue of exit 0, by the ledger at that moment; None where it holds."""
        entry = next((entry for entry in chain.entries if entry.sha256 == ended.entry), None)
        if entry is None:
            return "speaks of an entry that is not in the ledger"
        if not (self.is_meant(entry) or (ended.already and entry.target == self.place)):
            return f"speaks of {entry.kind} to {entry.target}"
        ending = chain.ending(entry)
        if ending == "done" or (ending == "unswitched" and entry != chain.last):
            return None
        return f"and epoch {entry.epoch} ended as {ending}"

    def is_meant(self, entry: Entry) -> bool:
        raise NotImplementedError

    @property
    def place(self) -> str:
        """The version that exit 0 of a command which had nothing to do may also speak of."""
        return "none"


@dataclass(frozen=True)
class Adopt(Command):
    version: str

    def __call__(self, registry: Any, who: dict[str, Any], tape: Tape) -> Any:
        return moving.adopt(registry, MODEL, version=self.version, reason="it runs", **who)

    def is_meant(self, entry: Entry) -> bool:
        return entry.kind == "adopted" and entry.target == self.version

    def __str__(self) -> str:
        return f"adopt {self.version}"


@dataclass(frozen=True)
class Promote(Command):
    """On evidence that compares with `champion`. strict: the policy compares with whoever is Production.

    number: which evidence of the version, where there are several. model: whose version it is; that of another is copied.
    """

    version: str
    champion: str = "1"
    strict: bool = False
    number: int = 0
    model: str = MODEL

    @property
    def evidence(self) -> Evidence:
        return evidence_of(self.version, self.champion, self.number, self.model)

    def __call__(self, registry: Any, who: dict[str, Any], tape: Tape) -> Any:
        return moving.promote(
            registry,
            self.evidence,
            model=MODEL,
            signoff=NOBODY,
            policy_digest=POLICY,
            ballot=Ballot(),
            scratch=Path("unused"),
            prove=lambda version: None,
            follows_production=self.strict,
            **who,
        )

    def is_meant(self, entry: Entry) -> bool:
        return entry.kind == "promoted" and _is_of(entry, self.version, self.model)

    def __str__(self) -> str:
        return f"promote {'' if self.model == MODEL else 'a copy of '}{self.version}"


@dataclass(frozen=True)
class Stage(Command):
    version: str
    champion: str = "1"
    model: str = MODEL

    def __call__(self, registry: Any, who: dict[str, Any], tape: Tape) -> Any:
        about = evidence_of(self.version, self.champion, model=self.model)
        return moving.record_staging(registry, about, model=MODEL, folder=None, **who)

    def is_meant(self, entry: Entry) -> bool:
        return _is_of(entry, self.version, self.model)

    def __str__(self) -> str:
        return f"stage {self.version}"


@dataclass(frozen=True)
class Archive(Command):
    def __call__(self, registry: Any, who: dict[str, Any], tape: Tape) -> Any:
        return moving.archive(registry, MODEL, **who | {"promotion": AT_ONCE})

    def lie(self, ended: Ended, chain: Chain) -> str | None:
        return None if ended.entry is None else super().lie(ended, chain)

    def is_meant(self, entry: Entry) -> bool:
        return entry.kind == "archived"

    def __str__(self) -> str:
        return "archive"


@dataclass(frozen=True)
class Rollback(Command):
    """An owner approves exactly what it plans."""

    to: str | None = None

    def __call__(self, registry: Any, who: dict[str, Any], tape: Tape) -> Any:
        return moving.rollback(registry, MODEL, reason="stalls", to=self.to, consent=Consent(), **who)

    def is_meant(self, entry: Entry) -> bool:
        return entry.kind == "rolled_back" and self.to in (None, entry.target)

    @property
    def place(self) -> str:
        return self.to or "none"

    def __str__(self) -> str:
        return f"rollback --to {self.to}" if self.to else "rollback"


@dataclass(frozen=True)
class Publish(Command):
    """Evidence of an evaluation is published."""

    version: str
    number: int

    def __call__(self, registry: Any, who: dict[str, Any], tape: Tape) -> Any:
        made = evidence_of(self.version, "1", self.number)
        facts = {"digest": made.digest, "version": self.version, "verdict": "pass"}
        tape.ask(
            "publish", *(f"{key}={value}" for key, value in facts.items()), f"at={made.document['run']['finished_at']}"
        )

    def lie(self, ended: Ended, chain: Chain) -> str | None:
        return None

    def __str__(self) -> str:
        return f"publish {self.number} of {self.version}"


class Consent:
    def check_unfinished(self, entry: Entry) -> None:
        return

    def __call__(self, plan: RollbackPlan) -> list[tuple[bytes, bytes]]:
        return [(plan.bytes, b"")]


AHEAD = 7200  # seconds
AT_ONCE = PromotionPolicy(soak="0s")


def evidence_of(version: str, champion: str, number: int = 0, model: str = MODEL) -> Evidence:
    """Evidence from before everything, the same each time; number 1 from an evaluator whose clock is ahead."""
    return _evidence(version, champion, number, model)


@cache
def _evidence(version: str, champion: str, number: int, model: str) -> Evidence:
    digest = files_digest()
    finished = NOW - timedelta(hours=3) + timedelta(minutes=number and 9, seconds=AHEAD if number == 1 else 0)
    return evidence(
        model,
        ModelVersion(model, version, digest=digest),
        champion=ModelVersion(MODEL, champion, digest=digest),
        finished=finished,
    )


def _is_of(entry: Entry, version: str, model: str) -> bool:
    """Whether an entry is about a version, or about its copy where it is another model's."""
    if model == MODEL:
        return entry.target == version
    return entry.copied is not None and entry.copied.version == version


def unapproved(entry: Entry, chain: Chain, command: Command) -> str | None:
    """What is wrong with a claim that was just written, on the ledger before it; None where it had its approval."""
    before = chain.standing
    if entry.kind == "rolled_back":
        plan = RollbackPlan(MODEL, str(entry.source), str(entry.target), str(entry.prev))
        return None if tuple(entry.votes) == (sha256(plan.bytes),) else "an owner approved another rollback"
    if entry.kind == "promoted" and isinstance(command, Promote):
        if entry.evidence != command.evidence.digest:
            return "it rests on other evidence"
        if entry.evidence in before.dead:
            return "it rests on evidence of a version that was withdrawn"
        if command.strict and entry.source != command.champion:
            return f"it was compared with {command.champion}, and {entry.source} is Production"
    return None
