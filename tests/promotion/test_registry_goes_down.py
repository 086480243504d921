"""A registry that goes down at any call of a command, or loses the answer to one: exit 4, and the same command finishes it.

Played on a registry in memory, at each of the calls that a command makes, one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from helpers import moving
from helpers.memory_registry import MemoryRegistry
from helpers.promoting import CI, NOBODY, POLICY, PROMOTION, Clock, evidence, run_folder
from lockgate.errors import LockgateError, Unavailable, UnknownOutcome
from lockgate.hashing import folder_digest
from lockgate.promotion.audit.history import history
from lockgate.promotion.audit.status import status
from lockgate.promotion.audit.verify import verify
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.publish import finished_at, publish
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.decision import Ballot

Fault = Literal["down", "lost request", "lost answer"]
MODEL = "fraud"
WRITES = {"set_alias", "delete_alias", "set_stage", "set_tags", "put_if_absent", "publish", "add_vote", "show_holder"}
FREE = {"ledger", "evidence", "storable_tags", "time", "holder"}  # what asks nothing of a registry


class Breaking:
    """A registry, or a store of it, of which one call is not answered, or none from that one on."""

    def __init__(self, registry: Any, fault: Fault, at: int, count: Any = None) -> None:
        self._registry, self._fault, self._at = registry, fault, at
        self._count = itertools.count(1) if count is None else count

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._registry, name)
        if name in ("ledger", "evidence"):
            return lambda *arguments: Breaking(inner(*arguments), self._fault, self._at, self._count)
        return inner if name in FREE else lambda *arguments, **named: self._call(name, inner, *arguments, **named)

    def _call(self, name: str, inner: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        number = next(self._count)
        if number < self._at or (number > self._at and self._fault != "down"):
            return inner(*arguments, **named)
        if name not in WRITES:
            raise Unavailable("the registry gave no answer", remedy="run the same command again")
        if self._fault == "lost answer":
            inner(*arguments, **named)
        raise UnknownOutcome("the registry gave no answer", remedy="run the same command again")


class Night:
    """Two versions, of which the first is Production as far as a command needs, and what each command is called with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Clock()
        self.registry: Any = MemoryRegistry(folder / "shelf")
        first, second = (self.registry.register(MODEL, version) for version in ("v1", "v2"))
        first, second = (
            ModelVersion(MODEL, each.version, digest=folder_digest(folder / "shelf" / each.version))
            for each in (first, second)
        )
        self.passed = evidence(MODEL, second, champion=first, finished=self.clock())
        self.failed = evidence(MODEL, second, champion=first, finished=self.clock(), verdict="fail", opens="no")
        self.runs = {each.digest: run_folder(each, folder / each.run_id) for each in (self.passed, self.failed)}

    def who(self) -> dict[str, Any]:
        """Whoever comes next knows that the process before it, on the same machine, has ended."""
        return {"promotion": PROMOTION, "actor": CI, "clock": self.clock, "is_gone": lambda process: True}

    def adopt(self, registry: Any) -> None:
        moving.adopt(registry, MODEL, version="v1", reason="it runs", **self.who())

    def publish(self, registry: Any) -> None:
        about = self.failed
        publish(registry, about, self.runs[about.digest], now=finished_at(about))

    def stage(self, registry: Any) -> None:
        moving.record_staging(registry, self.passed, folder=self.runs[self.passed.digest], **self.who())

    def promote(self, registry: Any) -> None:
        moving.promote(
            registry, self.passed, signoff=NOBODY, policy_digest=POLICY, ballot=Ballot(), prove=lambda version: None,
            scratch=self.folder / "scratch", folder=self.runs[self.passed.digest], **self.who(),
        )  # fmt: skip

    def rollback(self, registry: Any, to: str | None = None) -> None:
        moving.rollback(registry, MODEL, reason="it stalls", to=to, **self.who())

    def archive(self, registry: Any) -> None:
        moving.archive(registry, MODEL, **self.who())

    def status(self, registry: Any) -> None:
        status(registry, MODEL, promotion=PROMOTION, now=self.clock.now)

    def history(self, registry: Any) -> None:
        history(registry, MODEL, now=self.clock.now)

    def verify(self, registry: Any) -> None:
        verify(registry, MODEL, promotion=PROMOTION, now=self.clock.now, scratch=self.folder / f"{self.clock()}")

    @property
    def stands(self) -> tuple[Any, ...]:
        """Of the ledger the finished entries, and the aliases; what stands for nothing may stay, which is told and no more."""
        chain = read_chain(self.registry.ledger(MODEL).keys()).whole()
        assert chain.unfinished is None
        used = chain.standing.aliases
        aliases = {alias: version for alias, version in self.registry.pointers.items() if alias in used}
        return aliases, [(entry.kind, entry.source, entry.target) for entry in chain.finished]


BEFORE: dict[str, list[str]] = {
    "adopt": [],
    "publish": [],
    "stage": ["adopt"],
    "promote": ["adopt", "stage"],
    "rollback": ["adopt", "promote"],
    "archive": ["adopt", "promote"],
    "status": ["adopt", "promote"],
    "history": ["adopt", "publish"],
    "verify": ["adopt", "publish"],
}


def failure(call: Callable[[Any], None], registry: Any) -> LockgateError | None:
    try:
        call(registry)
    except LockgateError as error:
        return error
    return None


def play(folder: Path, command: str, fault: Fault, at: int) -> tuple[bool, LockgateError | None, tuple[Any, ...]]:
    """(Whether the fault was met, what the command ended with, what stands after it was called again where that was not 0)."""
    night = Night(folder)
    for earlier in BEFORE[command]:
        getattr(night, earlier)(night.registry)
    night.clock.forward(days=3 if command == "archive" else 0)
    breaking = Breaking(night.registry, fault, at)
    error = failure(getattr(night, command), breaking)
    if error is not None:
        getattr(night, command)(night.registry, **({"to": "v1"} if "--to v1" in str(error.remedy) else {}))
    return next(breaking._count) > at, error, night.stands


@pytest.mark.parametrize("fault", ["down", "lost request", "lost answer"])
@pytest.mark.parametrize("command", BEFORE)
def test_the_same_command_finishes_what_broke_off_at_any_call(tmp_path: Path, command: str, fault: Fault) -> None:
    """What it ends with is what it would have come to at once."""
    _, unbroken, expected = play(tmp_path / "0", command, fault, 10**6)
    assert unbroken is None
    errors = []
    for at in itertools.count(1):
        met, error, stands = play(tmp_path / str(at), command, fault, at)
        if not met:
            break
        errors.append(error)
        assert error is None or (error.exit_code, bool(error.remedy)) == (4, True), (
            f"{command}, {fault} at {at}: {error}"
        )
        assert stands == expected, f"{command}, {fault} at {at}"
    assert errors[0] is not None
