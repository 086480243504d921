"""Archiving does once what is due, and tells what it waits for."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from helpers import moving
from helpers.promoting import CI, NOW, PROMOTION, Clock, Models
from lockgate.errors import Refused, Waiting
from lockgate.promotion.archive import ArchiveResult
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.operator import registry_clock
from lockgate.registries.mlflow.registry import MlflowRegistry
from promotion.test_rollback import Bench


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


@pytest.fixture
def bench(models: Models) -> Bench:
    """Versions 1, 2 and 3 were promoted a moment ago, one after the other: 1 is archived, 2 stands by."""
    return models.prepared(lambda folder: Bench(models, folder))


def call(bench: Bench, promotion: PromotionPolicy = PROMOTION) -> ArchiveResult:
    return moving.archive(bench.registry, bench.model, promotion=promotion, actor=CI, clock=bench.clock)


def epochs(bench: Bench) -> int:
    return len(read_chain(bench.registry.ledger(bench.model).keys()).entries)


def test_before_its_time_nothing_moves(bench: Bench) -> None:
    """And the sentence says until when, and for what."""
    bench.clock.forward(hours=47)
    before = (bench.aliases, epochs(bench))

    found = call(bench)

    assert (bench.aliases, epochs(bench)) == before
    assert found.entry is None
    assert found.lines == [
        f"{bench.model}: nothing is due: version 2 stays the previous version until {found.to_json()['due_at']}, "
        "when version 3 will have held Production for 48h"
    ]


def test_after_the_soak_the_standby_is_archived_once(bench: Bench) -> None:
    """With the time until when it is kept; there is no alias previous any more; a second call finds nothing to do."""
    bench.clock.forward(hours=49)

    found, again = call(bench), call(bench)

    assert found.entry is not None
    assert (found.entry.kind, found.entry.source, found.entry.target) == ("archived", "2", None)
    assert found.retain_until == found.entry.at + timedelta(days=30)
    assert bench.aliases == {"production": "3"}
    assert [bench.state(version) for version in "123"] == ["archived", "archived", "production"]
    assert again.entry is None
    assert again.lines == [f"{bench.model}: nothing is due: there is no previous version behind version 3"]
    assert epochs(bench) == 4


def test_a_machine_whose_clock_is_ahead_archives_nothing_early(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that says what time it is is asked, and this machine's own clock where it does not."""
    late = Clock(bench.clock.now + timedelta(hours=49))
    clock = registry_clock(bench.registry, late)
    monkeypatch.setattr(bench.registry, "time", lambda: bench.clock.now)
    soaking = moving.archive(bench.registry, bench.model, promotion=PROMOTION, actor=CI, clock=clock)
    monkeypatch.setattr(bench.registry, "time", lambda: None)
    archived = moving.archive(bench.registry, bench.model, promotion=PROMOTION, actor=CI, clock=clock)

    assert soaking.entry is None
    assert archived.entry is not None


def test_a_rollback_to_an_archived_version_still_works_while_it_is_kept(bench: Bench) -> None:
    """By name: no standby is left, and it says which could be meant."""
    bench.clock.forward(hours=49)
    call(bench)

    assert bench.refusal().code == "no_standby"
    bench.clock.forward(days=29)
    bench.rollback(to="2")

    assert bench.aliases["production"] == "2"


def test_a_rollback_begins_another_soak(bench: Bench) -> None:
    """For the version that stands by then."""
    bench.clock.forward(hours=47)
    bench.rollback()
    bench.clock.forward(hours=47)

    early = call(bench)
    bench.clock.forward(hours=2)
    late = call(bench)

    assert early.entry is None
    assert late.entry is not None
    assert late.entry.source == "1"


def test_nothing_is_archived_behind_a_production_that_somebody_moved(bench: Bench) -> None:
    """It is not known to have held. Where nothing is due yet, that is what it says."""
    bench.registry.set_alias(bench.model, "production", "1")
    assert call(bench).entry is None
    bench.clock.forward(hours=49)

    with pytest.raises(Refused, match="version 3 is Production in the ledger, and the alias points to version 1") as no:
        call(bench)

    assert no.value.code == "moved_by_hand"
    assert epochs(bench) == 3


def test_what_others_left_is_finished_first(bench: Bench) -> None:
    """A promotion that nobody finished counts from when it was finished, so nothing is archived on its account."""
    ledger = bench.registry.ledger(bench.model)
    chain = read_chain(ledger.keys())
    fourth = bench.models.register(bench.model)
    entry = chain.draft(
        "promoted", source="3", target=fourth.version, actor=CI, at=bench.clock(), lease=PROMOTION.lease
    )
    ledger.put_if_absent("epoch-4", entry.bytes.decode())

    with pytest.raises(Waiting):
        call(bench)
    bench.clock.forward(hours=49)
    found = call(bench)

    assert [left.entry.epoch for left in found.forwarded] == [4]
    assert found.entry is None
    assert bench.aliases == {"production": "4", "previous": "3"}
    assert found.lines[0].startswith(
        "finished what was left: revision 4 (epoch 4, version 4 promoted by ci (unverified) at "
    )


def test_an_archiving_that_somebody_is_at_is_left_to_them(bench: Bench) -> None:
    """Said, and no error: the schedule calls again. After the lease it is finished."""
    bench.clock.forward(hours=49)
    ledger = bench.registry.ledger(bench.model)
    entry = read_chain(ledger.keys()).draft(
        "archived", source="2", target=None, actor=CI, at=bench.clock(), lease=PROMOTION.lease
    )
    ledger.put_if_absent("epoch-4", entry.bytes.decode())

    during = call(bench)
    bench.clock.forward(minutes=11)
    after = call(bench)

    assert during.lines[0].startswith(f"{bench.model}: nothing is due: ci (unverified) is archiving version 2; unless")
    assert [left.entry.epoch for left in after.forwarded] == [4]
    assert bench.state("2") == "archived"
    assert "previous" not in bench.aliases


def test_several_at_once_archive_it_once(bench: Bench) -> None:
    """Each is told what happened, none of them an error."""
    bench.clock.forward(hours=49)
    told: list[ArchiveResult] = []
    barrier = threading.Barrier(4)

    def one() -> None:
        registry = MlflowRegistry(bench.models.uri)
        barrier.wait()
        clock = Clock(bench.clock.now)
        told.append(moving.archive(registry, bench.model, promotion=PROMOTION, actor=CI, clock=clock))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 4
    assert epochs(bench) == 4
    assert bench.aliases == {"production": "3"}


def test_a_longer_retention_is_promised_and_kept(bench: Bench) -> None:
    """By the policy, whose floor is 30 days."""
    bench.clock.forward(hours=49)
    policy = PromotionPolicy(retain=timedelta(days=90))

    found = call(bench, policy)

    assert found.entry is not None
    assert found.retain_until == found.entry.at + timedelta(days=90)


def test_without_a_ledger_or_a_standby_nothing_is_due(models: Models) -> None:
    """A model that was never promoted, and one that was just adopted."""
    bare, adopted = models.new(), models.new()
    models.register(bare)
    models.register(adopted)
    arguments = {"promotion": PROMOTION, "actor": CI, "clock": Clock(NOW)}
    moving.adopt(models.registry, adopted, version="1", reason="it runs", **arguments)

    assert moving.archive(models.registry, bare, **arguments).waits_for == "the ledger knows no Production"
    assert (
        moving.archive(models.registry, adopted, **arguments).waits_for
        == "there is no previous version behind version 1"
    )
