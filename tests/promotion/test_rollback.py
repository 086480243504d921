"""The way back takes one command, and says what it left behind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers import moving
from helpers.promoting import CI, NOBODY, NOW, POLICY, PROMOTION, Clock, Models, evidence, run_folder
from lockgate.errors import NotFound, Refused, ServingFault, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.publish import registry_moment
from lockgate.signoff.decision import Ballot


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


class Bench:
    """One model whose versions 1, 2 and 3 were Production one after the other."""

    def __init__(self, models: Models, folder: Path) -> None:
        self.models, self.registry, self.folder = models, models.registry, folder
        self.clock = Clock(NOW + timedelta(minutes=1))
        self.model = models.new()
        self.versions = [models.register(self.model) for _ in range(3)]
        self.adopt("1")
        for before, after in ((0, 1), (1, 2)):
            self.promote(after, before)

    def adopt(self, version: str, reason: str = "it runs") -> Outcome:
        return moving.adopt(
            self.registry,
            self.model,
            version=version,
            reason=reason,
            promotion=PROMOTION,
            actor=CI,
            clock=self.clock,
        )

    def promote(self, after: int, before: int, about: Any = None, **more: Any) -> Outcome:
        about = about or evidence(
            self.model, self.versions[after], champion=self.versions[before], finished=self.clock()
        )
        self.last = about
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
            prove=lambda version: None,
            folder=folder if folder.exists() else run_folder(about, folder),
            **more,
        )

    def rollback(self, **more: Any) -> Outcome:
        arguments: dict[str, Any] = {"reason": "stalls", "promotion": PROMOTION, "actor": CI, "clock": self.clock}
        return moving.rollback(self.registry, self.model, **arguments | more)

    def refusal(self, **more: Any) -> Refused:
        before = self.aliases
        with pytest.raises(Refused) as refused:
            self.rollback(**more)
        assert self.aliases == before
        return refused.value

    @property
    def aliases(self) -> dict[str, str]:
        return dict(self.registry.aliases(self.model))

    @property
    def entries(self) -> dict[str, str]:
        return dict(self.registry.ledger(self.model).keys())

    def state(self, version: str) -> str | None:
        return self.registry.version(self.model, version).tags.get("lockgate.state")


@pytest.fixture
def bench(models: Models) -> Bench:
    return models.prepared(lambda folder: Bench(models, folder))


def test_a_rollback_puts_the_standby_back(bench: Bench) -> None:
    """The version that leaves is withdrawn, the one before the standby becomes the standby."""
    outcome = bench.rollback()

    assert bench.aliases == {"production": "2", "previous": "1"}
    assert [bench.state(version) for version in "123"] == ["standby", "production", "withdrawn"]
    entry = read_chain(bench.registry.ledger(bench.model).keys()).entries[-1]
    assert (entry.kind, entry.source, entry.target, entry.reason) == ("rolled_back", "3", "2", "stalls")
    assert outcome.lines[1:] == [
        "version 3 is withdrawn",
        f"version 1 is the previous version, to which gate rollback {bench.model} goes",
        "whether version 2 is compatible with clients of version 3 is not known: versions 3 and 2 have no signature",
        "which version answers your users was not checked; promotion.switch with a check does that",
    ]


def test_twice_goes_back_twice_and_then_nothing_is_left(bench: Bench) -> None:
    """Each tells where it went; the third refuses and names what could still be meant."""
    bench.rollback()

    outcome = bench.rollback()

    assert bench.aliases == {"production": "1"}
    assert "no previous version is left, and no alias previous" in outcome.lines
    refused = bench.refusal()
    assert refused.code == "no_standby"
    assert "--to (2, 3); with --withdrawn-ok for what was withdrawn: 2, 3" in str(refused)


def test_a_rollback_by_name_may_be_called_again(bench: Bench) -> None:
    """Whoever does not know whether it was done goes no further back; without a name it would."""
    bench.rollback(to="2")
    before = bench.entries

    again = bench.rollback(to="2")

    assert again.already
    assert again.lines[0].startswith(f"{bench.model} version 2 is Production already, since ")
    assert bench.entries == before


def test_a_withdrawn_version_comes_back_only_when_that_is_said(bench: Bench) -> None:
    """By --to and --withdrawn-ok together."""
    bench.rollback()

    assert bench.refusal(to="3").code == "withdrawn_target"
    bench.rollback(to="3", withdrawn_ok=True)
    assert bench.aliases["production"] == "3"
    assert bench.state("2") == "withdrawn"


def test_an_older_version_is_reached_by_name(bench: Bench) -> None:
    """The standby that was skipped is archived, not a way forward."""
    bench.rollback(to="1")

    assert bench.aliases == {"production": "1"}
    assert [bench.state(version) for version in "123"] == ["production", "archived", "withdrawn"]


def test_old_evidence_of_a_withdrawn_version_opens_nothing(bench: Bench) -> None:
    """Not what it was promoted on, nor what else was made before; a new evaluation does."""
    spare = evidence(bench.model, bench.versions[2], champion=bench.versions[1], finished=bench.clock())
    old = bench.last
    bench.rollback()

    for about in (old, spare):
        with pytest.raises(Refused) as refused:
            bench.promote(2, 1, about)
        assert refused.value.code in ("withdrawn", "not_newest")
    bench.clock.forward(minutes=5)
    bench.promote(2, 1)
    assert bench.aliases == {"production": "3", "previous": "2"}


def test_a_withdrawal_that_a_run_had_not_met_counts_though_its_clock_is_ahead(bench: Bench) -> None:
    """The run says how far the ledger had come when it ended."""
    moment = registry_moment(bench.registry, bench.model, production_model=bench.model)
    ahead = evidence(
        bench.model, bench.versions[2], champion=bench.versions[1], finished=bench.clock() + timedelta(minutes=9)
    )
    ahead = Evidence.from_document({**ahead.document, "run": {**ahead.document["run"], "registry": moment}})
    bench.rollback()

    with pytest.raises(Refused) as refused:
        bench.promote(2, 1, ahead)

    assert refused.value.code == "withdrawn"


def test_targets_that_make_no_sense_are_refused(bench: Bench) -> None:
    """What never was Production, what is Production, what is gone, what is not kept any more."""
    fourth = bench.models.register(bench.model)

    assert bench.refusal(to=fourth.version).code == "never_production"
    assert bench.refusal(to="3").code == "already_production"
    bench.models.mlflow.delete_model_version(bench.model, "1")
    assert bench.refusal(to="1").code == "target_gone"
    bench.clock.forward(days=31)
    assert bench.refusal(to="1").code == "not_retained"


def test_a_rollback_that_broke_off_behind_a_staged_version_is_finished_whole(bench: Bench) -> None:
    """It had set production only: nothing is taken for done that is not."""
    fourth = bench.models.register(bench.model)
    about = evidence(bench.model, fourth, champion=bench.versions[2], finished=bench.clock())
    moving.record_staging(
        bench.registry, about, folder=run_folder(about, bench.folder / about.run_id), promotion=PROMOTION, actor=CI,
        clock=bench.clock,
    )  # fmt: skip
    ledger = bench.registry.ledger(bench.model)
    entry = read_chain(ledger.keys()).draft(
        "rolled_back", source="3", target="2", actor=CI, at=bench.clock(), lease=PROMOTION.lease, reason="stalls"
    )
    ledger.put_if_absent(f"epoch-{entry.epoch}", entry.bytes.decode())
    bench.registry.set_alias(bench.model, "production", "2")
    bench.clock.forward(hours=1)

    bench.rollback()

    assert bench.aliases == {"production": "2", "previous": "1", "staging": "4"}


def test_a_staged_version_that_somebody_deleted_does_not_stop_a_rollback(bench: Bench) -> None:
    """Its alias goes with it, and nothing can point there again."""
    fourth = bench.models.register(bench.model)
    about = evidence(bench.model, fourth, champion=bench.versions[2], finished=bench.clock())
    moving.record_staging(
        bench.registry, about, folder=run_folder(about, bench.folder / about.run_id), promotion=PROMOTION, actor=CI,
        clock=bench.clock,
    )  # fmt: skip
    bench.models.mlflow.delete_model_version(bench.model, fourth.version)

    bench.rollback()

    assert bench.aliases == {"production": "2", "previous": "1"}


def test_a_rollback_needs_a_reason(bench: Bench) -> None:
    """For whoever reads the ledger in a year."""
    with pytest.raises(UsageError, match="reason"):
        bench.rollback(reason="  ")


def test_a_rollback_works_though_somebody_moved_the_alias(bench: Bench) -> None:
    """The pager rings; it says what it found."""
    bench.registry.set_alias(bench.model, "production", "1")

    outcome = bench.rollback()

    assert bench.aliases["production"] == "2"
    assert "the alias production had been moved by hand, to 1" in outcome.lines


def test_adopting_begins_the_ledger_with_what_runs(models: Models, tmp_path: Path) -> None:
    """It sets the aliases, and once is enough."""
    bench = Bench.__new__(Bench)
    bench.models, bench.registry, bench.folder, bench.clock = models, models.registry, tmp_path, Clock()
    bench.model = models.new()
    for _ in range(2):
        models.register(bench.model)
    bench.registry.set_alias(bench.model, "production", "2")

    with pytest.raises(Refused) as elsewhere:
        bench.adopt("1")
    first, again = bench.adopt("2"), bench.adopt("2")
    with pytest.raises(Refused) as begun:
        bench.adopt("1")

    assert (elsewhere.value.code, begun.value.code) == ("alias_elsewhere", "already_begun")
    assert (first.already, again.already) == (False, True)
    assert bench.aliases == {"production": "2"}
    assert bench.state("2") == "production"
    assert bench.refusal().code == "no_standby"


def test_adopting_tells_which_aliases_it_took(models: Models, tmp_path: Path) -> None:
    """`previous` of a model that somebody kept by hand names a version that the ledger does not know."""
    bench = Bench.__new__(Bench)
    bench.models, bench.registry, bench.folder, bench.clock = models, models.registry, tmp_path, Clock()
    bench.model = models.new()
    for _ in range(2):
        models.register(bench.model)
    for alias, version in (("production", "2"), ("previous", "1")):
        bench.registry.set_alias(bench.model, alias, version)

    outcome = bench.adopt("2")
    bench.registry.set_alias(bench.model, "production", "1")
    with pytest.raises(Refused, match="--repair points the alias back") as moved:
        bench.adopt("2")

    assert outcome.lines[-1] == "the alias previous pointed to version 1, which is not in the ledger, and was deleted"
    assert moved.value.code == "already_begun"


def test_nothing_is_rolled_back_or_adopted_out_of_nowhere(models: Models, tmp_path: Path) -> None:
    """Without a ledger and without the version."""
    bench = Bench.__new__(Bench)
    bench.models, bench.registry, bench.folder, bench.clock = models, models.registry, tmp_path, Clock()
    bench.model = models.new()

    assert bench.refusal().code == "nothing_to_roll_back"
    with pytest.raises(NotFound):
        bench.adopt("1")
    assert bench.registry.ledger(bench.model).keys() == {}


class Stop(Exception):
    """The process ends here."""


def stuck(bench: Bench, to: str) -> Entry:
    """A promotion that was claimed and applied, and whose switch breaks."""
    version = bench.models.register(bench.model)
    assert version.version == to
    bench.versions.append(version)

    def broken(entry: Entry) -> str:
        raise ServingFault("the switch hung", remedy="mend it")

    with pytest.raises(ServingFault):
        bench.promote(int(to) - 1, int(to) - 2, switch_traffic=broken)
    entry = read_chain(bench.registry.ledger(bench.model).keys()).unfinished
    assert entry is not None
    return entry


def test_a_promotion_whose_switch_cannot_work_is_rolled_back_at_once(bench: Bench) -> None:
    """Its own switch is not run again; that of the rollback is. The version that never served is withdrawn."""
    turned: list[str | None] = []
    left = stuck(bench, "4")

    def turn_over(entry: Entry) -> str:
        turned.append(entry.target)
        return "serving was turned over"

    outcome = bench.rollback(switch_traffic=turn_over)

    chain = read_chain(bench.registry.ledger(bench.model).keys())
    assert chain.ending(left) == "unswitched"
    assert turned == ["3"]
    assert bench.aliases == {"production": "3", "previous": "2"}
    assert bench.state("4") == "withdrawn"
    assert outcome.lines[0].startswith("closed what was left: revision 4 (epoch 4, version 4 promoted by")
    assert outcome.lines[-1] == "serving was turned over"


def test_a_rollback_that_broke_off_is_finished_by_repeating_it(bench: Bench) -> None:
    """It goes one version back, not two."""

    def killed(entry: Entry) -> str:
        raise Stop

    with pytest.raises(Stop):
        bench.rollback(switch_traffic=killed)

    outcome = bench.rollback()

    assert bench.aliases["production"] == "2"
    assert "that was the rollback which had been left unfinished; nothing further was rolled back" in outcome.lines
    assert len(read_chain(bench.registry.ledger(bench.model).keys()).entries) == 4


def test_a_rollback_whose_switch_cannot_work_gives_way_to_another_version(bench: Bench) -> None:
    """By naming one."""

    def broken(entry: Entry) -> str:
        raise ServingFault("the switch hung", remedy="mend it")

    with pytest.raises(ServingFault, match=r"gate rollback fraud-.* --to VERSION"):
        bench.rollback(switch_traffic=broken)

    bench.rollback(to="1", switch_traffic=lambda entry: f"{entry.target} serves")

    assert bench.aliases["production"] == "1"
    assert [bench.state(version) for version in "123"] == ["production", "withdrawn", "withdrawn"]


def test_a_second_rollback_in_a_row_is_told(bench: Bench) -> None:
    """With who made the first, and how to undo the second."""
    bench.rollback()

    told = bench.rollback().lines

    assert any(
        line.startswith("this was a second rollback in a row: ci (unverified) had gone from version 3 to 2 on ")
        and line.endswith(f'gate rollback {bench.model} --to 2 --withdrawn-ok --reason "…"')
        for line in told
    )
