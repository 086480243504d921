"""A rollback after anything: it ends with the version that was asked for, and waits for nobody who is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from explore.commands import Actor, Adopt, Archive, Command, Promote, Rollback, Stage
from explore.store import Store
from explore.tape import Cut, Direct, Ended, Request, play
from helpers.desk import Desk
from helpers.promoting import CI, NOW
from lockgate.cli.commands import adopt, promote, rollback
from lockgate.cli.commands.vote import approve
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.holder import Holder, Process
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.vote import CLOCK_SKEW

BEGINS: tuple[Command, ...] = (Adopt("1"), Promote("2"), Promote("3"), Promote("4"))
PROMISED = 120  # seconds in all


class Night:
    """A registry and a clock; `call` runs a command there, `dies` kills it where that many requests were answered."""

    def __init__(self, begins: tuple[Command, ...] = BEGINS) -> None:
        self.store, self.now = Store(), 0
        for command in begins:
            assert self.call(command).fault is None

    def call(self, command: Command, actor: Actor | None = None, *, dies: int | None = None) -> Ended:
        answered = 0

        def world(request: Request) -> object:
            nonlocal answered
            if answered == dies:
                raise Cut(request)
            answered += 1
            if request.name == "is_gone":
                return True
            self.store, value = self.store.after(request)
            return value

        actor = actor or Actor("A", ())
        ended = play(lambda tape: actor.run(command, tape), Direct((), self.now, world=world))
        return ended if isinstance(ended, Ended) else Ended("killed")

    def insist(self, command: Command, actor: Actor) -> tuple[Ended, int]:
        """Call again until nobody is waited for: how it ended, and after how many seconds."""
        begun = self.now
        while (ended := self.call(command, actor)).fault == "in_progress":
            self.now += 5
        return ended, self.now - begun

    @property
    def production(self) -> tuple[str | None, str | None]:
        """By the ledger, and by the alias."""
        return self.store.chain.standing.production, dict(self.store.aliases).get("production")


@pytest.mark.parametrize("blind", [False, True], ids=["where it died", "elsewhere"])
@pytest.mark.parametrize("switches", [False, True], ids=["alone", "with a switch"])
@pytest.mark.parametrize(
    "killed", [Rollback("3"), Rollback("1"), Rollback(), Promote("5"), Stage("5"), Archive()], ids=str
)
def test_whatever_is_killed_wherever_a_rollback_ends_as_it_was_asked(
    killed: Command, switches: bool, blind: bool
) -> None:
    """With version 1, or refused with all as the ledger says; at once where the holder is seen to be gone, else in time."""
    longest = 0
    for step in range(40):
        night = Night()
        ended = night.call(killed, Actor("A", (), switches=switches), dies=step)
        noted = night.store.note is not None and night.store.chain.unfinished is not None
        noted = noted and str(night.store.chain.unfinished.sha256) in str(night.store.note)

        outcome, waited = night.insist(Rollback("1"), Actor("B", (), switches=switches, blind=blind))

        assert outcome.fault in (None, "already_production"), (step, outcome)
        assert night.production == ("1", "1")
        assert night.store.chain.unfinished is None
        assert not switches or night.store.serving == "1" or ended.fault is None
        assert not (waited and noted and not blind)
        longest = max(longest, waited)
        if ended.fault != "killed":
            break
    else:
        raise AssertionError("it never ends")
    assert longest <= PROMISED


@pytest.mark.parametrize("following", [Adopt("1"), Archive()], ids=str)
def test_an_adoption_that_is_killed_anywhere_is_finished_by_the_next_command(following: Command) -> None:
    """At once, as its holder is seen to be gone, or within its lease; what was not claimed is begun by the same command alone."""
    for step in range(40):
        night = Night(begins=())
        ended = night.call(Adopt("1"), dies=step)
        claimed = bool(night.store.chain.entries)

        outcome, waited = night.insist(following, Actor("B", ()))

        expected = ("1", "1") if claimed or following == Adopt("1") else (None, None)
        assert (outcome.fault, night.production) == (None, expected), step
        assert night.store.chain.unfinished is None
        assert waited <= PROMISED
        if ended.fault != "killed":
            break
    else:
        raise AssertionError("it never ends")


def test_a_rollback_to_another_version_is_no_repetition() -> None:
    """What was left is closed, then the version that is asked for becomes Production."""
    night = Night()
    night.call(Rollback("3"), dies=4)

    ended = night.call(Rollback("1"))

    assert (ended.fault, ended.already) == (None, False)
    assert [(entry.kind, entry.target) for entry in night.store.chain.entries[4:]] == [
        ("rolled_back", "3"),
        ("rolled_back", "1"),
    ]


def test_a_holder_that_is_alive_is_waited_for_until_somebody_says_now() -> None:
    """The reason is on record, with who took over."""
    night, alive = Night(), Actor("B", (), blind=True)
    night.call(Rollback("3"), dies=4)
    assert night.call(Rollback("1"), alive).fault == "in_progress"

    ended = night.call(Rollback("1"), replace(alive, at_once="the job was cancelled"))

    mark = night.store.chain.failed[5]
    assert (ended.fault, mark.note, mark.actor.id) == (None, "taken over at once: the job was cancelled", "B")


def test_a_lease_is_renewed_by_the_heartbeat_and_by_nothing_else() -> None:
    """A note on another entry, and one that says nothing, change nothing."""
    chain = Chain()
    entry = chain.draft("promoted", target="2", actor=CI, at=NOW, lease=timedelta(minutes=1))
    later = NOW + timedelta(seconds=50)
    renewed = replace(chain, entries=(entry,), holder=Holder(entry.sha256, later, Process("h", "b", "n", 1, "2")))
    other = replace(renewed, holder=Holder("sha256:0", later, Process("h", "b", "n", 1, "2")))

    assert renewed.held_until(entry, later) == later + timedelta(minutes=1)
    assert other.held_until(entry, later) == entry.lease_ends
    assert Holder.read(renewed.holder.bytes.decode() if renewed.holder else None) == renewed.holder
    assert [Holder.read(text) for text in (None, "", "{}", "[]", '{"schema": "lockgate/holder/v1"}')] == [None] * 5


def test_a_date_that_is_still_to_come_holds_nobody_up() -> None:
    """Neither a note's nor an entry's, once it is further ahead than clocks may differ; within that both are believed."""
    for ahead, waits in ((CLOCK_SKEW, True), (CLOCK_SKEW + timedelta(seconds=1), False), (timedelta(days=9999), False)):
        entry = Chain().draft("promoted", target="2", actor=CI, at=NOW, lease=timedelta(minutes=1))
        early = Chain().draft("promoted", target="2", actor=CI, at=NOW + ahead, lease=timedelta(minutes=1))
        note = Holder(entry.sha256, NOW + ahead, Process("h", "b", "n", 1, "2"))
        later = NOW + timedelta(minutes=2)

        assert Chain((entry,), holder=replace(note, at=later + ahead)).is_held(entry, later) == waits
        assert Chain((entry,), holder=note).held_until(entry, NOW) <= NOW + CLOCK_SKEW + entry.lease
        assert Chain((early,)).is_held(early, NOW) == waits


def test_only_a_process_of_this_machine_is_known_to_be_gone() -> None:
    """Elsewhere, in another container, or before the last boot nobody is guessed to be dead."""
    here = Process.current()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    theirs = replace(here, pid=child.pid, started=started)
    running = theirs.is_gone
    child.kill()
    child.wait()
    if child.stdin is not None:
        child.stdin.close()

    assert (here.is_gone, running, theirs.is_gone) == (False, False, True)
    assert replace(here, started="1").is_gone, "its number is used again"
    for field in ("boot", "namespace", "started"):
        assert not replace(theirs, **{field: ""}).is_gone
    assert not replace(theirs, boot="another").is_gone
    assert not replace(theirs, namespace="another").is_gone


def test_a_rollback_that_was_killed_for_real_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_gate: str
) -> None:
    """SIGKILL while it switches traffic: the next one, to another version, waits for nothing."""
    desk = Desk(tmp_path, monkeypatch)
    versions = [desk.register() for _ in range(3)]
    desk.gate(adopt.command, desk.model, "--version", "1", "--reason", "it runs")
    for before, after in pairwise(versions):
        champion = ModelVersion(desk.model, before.version, digest=before.digest)
        about = desk.evaluate(after, champion=champion)
        desk.gate(approve, about.digest, "--key", desk.key)
        assert desk.gate(promote.command, about.digest).exit_code == 0
    desk.write('promotion: {switch: {run: [/bin/sh, -c, "kill -9 $PPID"]}}\n')
    gate = [warm_gate, "-m", "lockgate.cli", "rollback", desk.model, "--reason", "stalls"]

    killed = subprocess.run(gate, env=dict(os.environ), check=False, capture_output=True, text=True)
    desk.write()
    done = desk.gate(rollback.command, desk.model, "--to", "1", "--reason", "stalls")

    assert killed.returncode == -9, killed.stderr
    assert done.exit_code == 0, done.exception
    assert desk.aliases == {"production": "1"}
    assert done.output.startswith("finished what was left: revision 4 (epoch 4, version 2 rolled back by")
