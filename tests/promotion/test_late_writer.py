"""A writer that freezes past its lease and wakes when others have moved on does no lasting harm."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from helpers import moving
from helpers.promoting import CI, NOBODY, NOW, POLICY, PROMOTION, Clock, Models, evidence, run_folder
from helpers.waiting import until
from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.outcome import Outcome
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.decision import Ballot
from promotion.test_registry_goes_down import Night

HERE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Frozen:
    """A process that stands still, started by `process`, which ends as it does."""

    process: subprocess.Popen[str]
    number: int

    def wake(self) -> tuple[int, str]:
        """Let it go on to its end: how it ended, and what it said."""
        os.kill(self.number, signal.SIGCONT)
        said, _ = self.process.communicate()
        return self.process.returncode, said


class Bench:
    """A model whose version 1 is adopted, and a process that is frozen while it promotes version 2."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = Models.fresh(folder)
        self.registry = MlflowRegistry(self.models.uri)
        self.model, self.clock = self.models.new(), Clock(NOW + timedelta(minutes=1))
        self.versions = [self.models.register(self.model) for _ in range(4)]
        moving.adopt(
            self.registry, self.model, version="1", reason="it runs", promotion=PROMOTION, actor=CI, clock=self.clock
        )
        self.second = self.about(1, 0)

    def about(self, after: int, before: int) -> Evidence:
        return evidence(self.model, self.versions[after], champion=self.versions[before], finished=self.clock())

    def promote(self, about: Evidence, prove: Callable[[ModelVersion], object] = lambda version: None) -> Outcome:
        folder = self.folder / about.run_id
        return moving.promote(
            self.registry,
            about,
            signoff=NOBODY,
            promotion=PROMOTION,
            policy_digest=POLICY,
            ballot=Ballot(),
            actor=CI,
            clock=self.clock,
            scratch=self.folder / "scratch",
            prove=prove,
            folder=folder if folder.exists() else run_folder(about, folder),
        )

    def freeze(self, python: str, then: str) -> Frozen:
        """Begin to promote version 2 in a process that now stands still before it sets the alias."""
        file = self.folder / "second.json"
        file.write_bytes(self.second.stored)
        arguments = [
            self.models.uri,
            str(self.folder / "theirs"),
            self.model,
            str(file),
            self.clock().isoformat(),
            then,
        ]
        process = subprocess.Popen(
            [python, str(HERE / "helpers" / "frozen.py"), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        number = int(process.stdout.readline())
        until(lambda: " T " in Path(f"/proc/{number}/stat").read_text(), process)
        return Frozen(process, number)

    @property
    def production(self) -> str:
        return self.registry.aliases(self.model)["production"]

    @property
    def kinds(self) -> list[str]:
        chain = read_chain(self.registry.ledger(self.model).keys()).whole()
        assert chain.standing.aliases == self.registry.aliases(self.model)
        return [entry.kind for entry in chain.finished]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def frozen(bench: Bench, warm_gate: str, request: pytest.FixtureRequest) -> Iterator[Frozen]:
    frozen = bench.freeze(warm_gate, request.param)
    with frozen.process as process:
        yield frozen
        process.kill()  # and the server what it forked for it


def overtake(bench: Bench) -> None:
    """Others finish version 2 after the lease, then promote version 3."""
    bench.clock.forward(minutes=11)
    assert bench.promote(bench.second).forwarded[0].entry.epoch == 2
    bench.promote(bench.about(2, 1))
    assert bench.production == "3"


@pytest.mark.parametrize("frozen", ["dies"], indirect=True)
def test_what_it_set_is_put_back_by_the_next_command(bench: Bench, frozen: Frozen) -> None:
    """Recorded, with the epoch whose writer was late; then the command does what it was asked."""
    overtake(bench)
    code, _ = frozen.wake()
    late = bench.production

    outcome = bench.promote(bench.about(3, 2))

    assert (code, late) == (-signal.SIGKILL, "2")
    assert bench.production == "4"
    assert bench.kinds == ["adopted", "promoted", "promoted", "repaired", "promoted"]
    assert outcome.forwarded[0].entry.reason == (
        "put back: production had been set to version 2 too late, by a writer of revision 2 (epoch 2) that others had ended"
    )


@pytest.mark.parametrize("frozen", ["lives"], indirect=True)
def test_it_puts_back_itself_what_it_set(bench: Bench, frozen: Frozen) -> None:
    """And tells the truth: its promotion was finished by others, and another version is Production now."""
    overtake(bench)
    code, told = frozen.wake()

    assert code == 0
    assert bench.production == "3"
    assert bench.kinds == ["adopted", "promoted", "promoted", "repaired"]
    assert "version 3 is Production now" in told


@pytest.mark.parametrize("frozen", ["dies"], indirect=True)
def test_a_version_that_no_late_writer_explains_stays_refused(bench: Bench, frozen: Frozen) -> None:
    """Somebody moved it by hand, back to the version before: that is for people to look at."""
    frozen.process.kill()
    frozen.process.communicate()
    overtake(bench)
    bench.registry.set_alias(bench.model, "production", "1")

    with pytest.raises(Refused) as refused:
        bench.promote(bench.about(3, 2))

    assert refused.value.code == "moved_by_hand"
    assert bench.production == "1"


def test_an_alias_that_was_deleted_too_late_is_set_again_while_its_version_exists(tmp_path: Path) -> None:
    """A request to delete what stood for nothing may come when it stands for something again."""
    night = Night(tmp_path)
    night.adopt(night.registry)
    night.promote(night.registry)
    ledger = night.registry.ledger("fraud")

    night.registry.delete_alias("fraud", "previous")
    night.promote(night.registry)
    repaired, aliases = read_chain(ledger.keys()).entries[-1], night.registry.aliases("fraud")
    night.registry.delete_alias("fraud", "previous")
    night.registry.listed = [version for version in night.registry.listed if version.version != "v1"]
    night.promote(night.registry)

    assert (repaired.kind, repaired.reason) == ("repaired", "put back: previous was missing")
    assert aliases == {"production": "v2", "previous": "v1"}
    assert read_chain(ledger.keys()).last == repaired
