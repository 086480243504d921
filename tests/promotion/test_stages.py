"""Where stages mirror the aliases: the alias leads, one version stands in Production, and whoever moves a stage by hand is put right."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers import moving
from helpers.promoting import CI, NOBODY, NOW, POLICY, PROMOTION, Clock, Models, evidence, run_folder
from lockgate.errors import Refused, Waiting
from lockgate.promotion.audit import status as audit
from lockgate.promotion.audit.verify import Verification, verify
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.standing import Standing, standing
from lockgate.promotion.outcome import Outcome
from lockgate.registries.mlflow.registry import STAGES, MlflowRegistry
from lockgate.registries.ports import Stages
from lockgate.signoff.decision import Ballot


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    made = Models.fresh(folder)
    made.registry = MlflowRegistry(made.uri, lifecycle="stages")
    return made


class Bench:
    """A model with three versions, of which the first is adopted."""

    def __init__(self, models: Models, folder: Path) -> None:
        self.models, self.registry, self.folder = models, models.registry, folder
        self.clock = Clock(NOW + timedelta(minutes=1))
        self.model = models.new()
        self.versions = [models.register(self.model) for _ in range(3)]

    def adopt(self, version: str = "1") -> Outcome:
        return moving.adopt(
            self.registry,
            self.model,
            version=version,
            reason="it runs",
            promotion=PROMOTION,
            actor=CI,
            clock=self.clock,
        )

    def about(self, after: int, before: int) -> Any:
        return evidence(self.model, self.versions[after], champion=self.versions[before], finished=self.clock())

    def promote(self, after: int, before: int, registry: Any = None) -> Outcome:
        about = self.about(after, before)
        return moving.promote(
            registry or self.registry,
            about,
            signoff=NOBODY,
            promotion=PROMOTION,
            policy_digest=POLICY,
            ballot=Ballot(),
            actor=CI,
            clock=self.clock,
            scratch=self.folder / f"scratch-{about.run_id}",
            prove=lambda version: None,
            folder=run_folder(about, self.folder / about.run_id),
        )

    def by_hand(self, version: str, stage: str) -> None:
        self.models.mlflow.transition_model_version_stage(self.model, version, stage)

    def stage(self, version: int) -> Outcome:
        about = self.about(version, 0)
        return moving.record_staging(
            self.registry,
            about,
            folder=run_folder(about, self.folder / about.run_id),
            promotion=PROMOTION,
            actor=CI,
            clock=self.clock,
        )

    def look(self, lifecycle: str = "stages") -> Verification:
        """What `gate verify` finds, as a new process would."""
        registry = MlflowRegistry(self.models.uri, lifecycle=lifecycle)
        scratch = self.folder / f"verify-{self.clock().timestamp()}"
        return verify(registry, self.model, promotion=PROMOTION, now=self.clock.now, scratch=scratch)

    def mend(self, **more: Any) -> Outcome | None:
        arguments: dict[str, Any] = {"reason": "a slip", "promotion": PROMOTION, "actor": CI, "clock": self.clock}
        return moving.repair(self.registry, self.model, **arguments | more)

    @property
    def problems(self) -> tuple[str, ...]:
        return audit.status(self.registry, self.model, promotion=PROMOTION, now=self.clock()).problems

    @property
    def stages(self) -> str:
        found = self.registry.stages(self.model).by_version
        return " ".join(found[version] for version in sorted(found))

    @property
    def kinds(self) -> list[str]:
        return [entry.kind for entry in read_chain(self.registry.ledger(self.model).keys()).finished]


@pytest.fixture
def bench(models: Models, tmp_path: Path) -> Bench:
    return Bench(models, tmp_path)


def test_the_stage_follows_the_alias(bench: Bench) -> None:
    """A standby sits in Archived, because MLflow has only four stages; the tag tells."""
    bench.adopt()
    assert bench.stages == "Production None None"
    bench.stage(1)
    assert bench.stages == "Production Staging None"
    bench.promote(1, 0)
    assert bench.stages == "Archived Production None"
    assert bench.registry.version(bench.model, "1").tags["lockgate.state"] == "standby"

    moving.rollback(bench.registry, bench.model, reason="x", promotion=PROMOTION, actor=CI, clock=bench.clock)

    assert bench.stages == "Production Archived None"
    assert bench.registry.version(bench.model, "2").tags["lockgate.state"] == "withdrawn"


def test_a_move_is_one_write_of_a_stage(bench: Bench) -> None:
    """The version that leaves is archived by the same transaction: there is no moment with two, or with none."""
    bench.adopt()
    calls: list[tuple[Any, ...]] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            thing = getattr(bench.registry, name)
            if name != "set_stage":
                return thing
            return lambda *arguments: (calls.append(arguments), thing(*arguments))

    bench.promote(1, 0, Counting())

    assert calls == [(bench.model, "2", "Production")]


def test_extra_productions_are_repaired_and_recorded(bench: Bench) -> None:
    """A version that somebody moved there, known to the ledger or not."""
    bench.adopt()
    bench.by_hand("3", "Production")
    assert bench.stages == "Production None Production"

    outcome = bench.promote(1, 0)

    assert bench.stages == "Archived Production Archived"
    assert bench.kinds == ["adopted", "repaired", "promoted"]
    assert "version 3 stood in the stage Production" in outcome.forwarded[0].entry.reason


def test_the_alias_leads(bench: Bench) -> None:
    """A stage moved by hand decides nothing."""
    bench.adopt()
    bench.promote(1, 0)
    bench.by_hand("2", "Archived")
    bench.by_hand("1", "Production")

    outcome = bench.promote(1, 0)

    assert outcome.already
    assert bench.stages == "Archived Production None"


def test_a_version_in_another_stage_is_not_adopted_by_mistake(bench: Bench) -> None:
    """Whoever served by stage would lose it."""
    bench.by_hand("3", "Production")

    with pytest.raises(Refused) as refused:
        bench.adopt("1")
    bench.adopt("3")

    assert refused.value.code == "stage_elsewhere"
    assert bench.stages == "None None Production"


def test_a_registry_without_stages_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written."""
    from mlflow.entities.model_registry import ModelVersion

    monkeypatch.setattr(ModelVersion, "current_stage", property(lambda self: None))

    with pytest.raises(Refused) as refused:
        bench.adopt()

    assert (refused.value.code, refused.value.remedy) == ("no_stages", "use lifecycle: aliases")
    assert bench.registry.ledger(bench.model).keys() == {}


def test_two_at_once_never_leave_two_productions(bench: Bench) -> None:
    """MLflow's own call does when two callers race; under the ledger one of the two moves, and every look shows one."""
    bench.adopt()
    started, seen = threading.Barrier(3), Counter[int]()
    told: list[str] = []
    done = threading.Event()

    def one(number: int) -> None:
        registry = MlflowRegistry(bench.models.uri, lifecycle="stages")
        started.wait()
        try:
            told.append(str(bench.promote(number, 0, registry).entry.target))
        except (Refused, Waiting) as error:
            told.append(error.code)

    def watch() -> None:
        registry = MlflowRegistry(bench.models.uri, lifecycle="stages")
        started.wait()
        while not done.is_set():
            stages = registry.stages(bench.model).by_version
            seen[sum(stage == "Production" for stage in stages.values())] += 1

    threads = [threading.Thread(target=one, args=(number,)) for number in (1, 2)]
    watcher = threading.Thread(target=watch)
    for thread in (*threads, watcher):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()

    assert set(seen) == {1}
    won = [word for word in told if word in ("2", "3")]
    assert len(won) == 1
    assert set(told) - set(won) <= {"overtaken", "in_progress", "champion_moved"}
    place = standing(read_chain(bench.registry.ledger(bench.model).keys()).finished)
    assert place.stages_due(bench.registry.stages(bench.model)) == {}
    assert place.production == won[0]


def test_what_a_mirror_shows_otherwise_is_named_production_first() -> None:
    """Strangers are left alone, unless they stand in Production."""
    place = Standing(production="3", standby="2", states={"1": "withdrawn", "2": "standby", "3": "production"})

    due = place.stages_due(
        Stages({"1": "Production", "2": "None", "3": "None", "4": "Production", "5": "Staging"}, STAGES)
    )

    assert list(due.items()) == [("3", "Production"), ("1", "Archived"), ("2", "Archived"), ("4", "Archived")]
    assert place.stages_due(Stages({"3": "Production", "2": "Archived", "1": "Archived", "5": "Staging"}, STAGES)) == {}


def test_verify_names_every_version_in_another_stage_than_its_own_and_repair_moves_it_back(bench: Bench) -> None:
    """Also a stranger in Production, and no other stranger; recorded under the reason that was given, standing unchanged."""
    bench.adopt()
    bench.promote(1, 0)
    assert (bench.look().discrepancies, bench.problems) == ((), ())
    strangers = [bench.models.register(bench.model).version for _ in range(2)]
    for version, stage in (("1", "Staging"), ("2", "None"), ("3", "Production"), (strangers[0], "Staging")):
        bench.by_hand(version, stage)
    found = bench.look()

    outcome = bench.mend()

    assert {one.code for one in found.discrepancies} == {"stage_moved"}
    assert [str(one) for one in found.discrepancies] == [
        f"version 2 of {bench.model}: it was moved by hand: it stands in the stage None, and the ledger says Production, "
        f"promoted by ci (unverified) on {_done(bench, 'promoted')}; gate verify {bench.model} --repair moves it to Production",
        f"version 1 of {bench.model}: it was moved by hand: it stands in the stage Staging, and the ledger says Archived, "
        f"because it is standby; gate verify {bench.model} --repair moves it to Archived",
        f"version 3 of {bench.model}: it was moved by hand: it stands in the stage Production, and the ledger does not "
        f"know it: version 2 is Production, promoted by ci (unverified) on {_done(bench, 'promoted')}; "
        f"gate verify {bench.model} --repair moves it to Archived, or promote version 3 if it is meant",
    ]
    assert found.exit_code == 1
    assert found.to_json()["repairs"] == [
        "move version 2 to the stage Production",
        "move version 1 to the stage Archived",
        "move version 3 to the stage Archived",
    ]
    assert outcome is not None
    assert (outcome.entry.kind, outcome.entry.target, outcome.entry.reason) == ("repaired", "2", "a slip")
    assert outcome.forwarded == ()
    assert [
        *(f"done: {one}" for one in found.repairs),
        "which version answers your users was not checked; promotion.switch with a check does that",
    ] == list(outcome.notes)
    assert bench.stages == "Archived Production Archived Staging None"
    assert bench.kinds == ["adopted", "promoted", "repaired"]
    assert bench.look().discrepancies == ()
    assert bench.mend() is None


def test_a_rollback_that_is_done_already_puts_a_stage_back_that_was_set_too_late(bench: Bench) -> None:
    """Whoever loads the stage gets what exit 0 says."""

    def rollback() -> Outcome:
        return moving.rollback(
            bench.registry, bench.model, reason="x", to="1", promotion=PROMOTION, actor=CI, clock=bench.clock
        )

    bench.adopt()
    bench.promote(1, 0)
    rollback()
    bench.by_hand("2", "Production")

    again = rollback()

    assert (again.already, again.entry.kind, bench.stages) == (True, "rolled_back", "Production Archived None")
    assert bench.kinds == ["adopted", "promoted", "rolled_back", "repaired"]


def _done(bench: Bench, kind: str) -> str:
    entries = read_chain(bench.registry.ledger(bench.model).keys()).finished
    return str(next(entry.to_json()["at"] for entry in reversed(entries) if entry.kind == kind))


def test_an_alias_and_a_stage_that_were_moved_are_put_back_by_one_entry(bench: Bench) -> None:
    """Serving follows, whichever of the two it reads; where neither touches Production it is left alone."""
    bench.adopt()
    bench.promote(1, 0)
    turned: list[str | None] = []

    def turn_over(entry: Entry) -> str:
        turned.append(entry.target)
        return "serving answers"

    bench.registry.set_alias(bench.model, "previous", "3")
    bench.by_hand("1", "None")
    aside = bench.mend(switch_traffic=turn_over)
    bench.by_hand("3", "Production")
    bench.registry.set_alias(bench.model, "previous", "3")
    moved = bench.mend(switch_traffic=turn_over)

    assert aside is not None
    assert moved is not None
    assert turned == ["2"]
    assert aside.notes == ("done: point the alias previous to version 1", "done: move version 1 to the stage Archived")
    assert moved.notes[-1] == "serving answers"
    assert bench.look().discrepancies == ()
    assert bench.kinds == ["adopted", "promoted", "repaired", "repaired"]


def test_status_turns_red_where_a_stage_was_moved(bench: Bench) -> None:
    """Not where stages mirror nothing, nor while somebody is moving a version."""
    bench.adopt()
    bench.by_hand("3", "Production")
    bare = MlflowRegistry(bench.models.uri)

    assert bench.problems == ("somebody moved a stage by hand: version 3 is in Production and should be in Archived",)
    assert audit.status(bare, bench.model, promotion=PROMOTION, now=bench.clock()).problems == ()
    assert bench.look("aliases").discrepancies == ()
    entry = read_chain(bench.registry.ledger(bench.model).keys()).draft(
        "promoted", source="1", target="2", actor=CI, at=bench.clock(), lease=PROMOTION.lease
    )
    bench.registry.ledger(bench.model).put_if_absent("epoch-2", entry.bytes.decode())
    assert bench.look().exit_code == 3
    assert len(bench.problems) == 1
    assert "is in progress" in bench.problems[0]


def test_where_the_ledger_has_no_production_a_stage_holds_it_for_nobody_to_take(bench: Bench) -> None:
    """It may be what serves: it is to be adopted, and no repair archives it. A version that waits is put back to Staging."""
    bench.by_hand("3", "Production")
    begun = bench.look()
    bench.stage(1)
    bench.by_hand("2", "None")

    found = bench.look()
    outcome = bench.mend()

    assert [str(one) for one in begun.discrepancies] == [
        f"the stage Production of {bench.model}: it holds version 3, and the ledger knows nothing of it; "
        f'begin with gate adopt {bench.model} --version 3 --reason "…"'
    ]
    assert [one.code for one in found.discrepancies] == ["stage_moved", "not_adopted"]
    assert found.repairs == ["move version 2 to the stage Staging"]
    assert outcome is not None
    assert outcome.lines[0].startswith(f"{bench.model} is as the ledger says since ")
    assert bench.stages == "None Staging Production"
    assert [one.code for one in bench.look().discrepancies] == ["not_adopted"]
