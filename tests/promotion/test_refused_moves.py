"""A move that the registry refuses holds nobody up, and is carried out by nobody later."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from helpers import moving
from helpers.promoting import CI, NOW, PROMOTION, Bench, Clock, Models, evidence
from lockgate.errors import Denied
from lockgate.promotion.audit.history import history
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.outcome import ForwardedEntry, describe
from promotion.test_registry_goes_down import Night


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models.fresh(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def bench(models: Models) -> Bench:
    return models.prepared(lambda folder: Bench(models, Clock(NOW + timedelta(minutes=1)), folder))


def refusing(*aliases: str) -> Callable[..., None]:
    """`set_registered_model_alias` for whoever may not set these."""
    real = SqlAlchemyStore.set_registered_model_alias

    def choosy(store: Any, name: str, alias: str, version: str) -> None:
        if alias in aliases:
            raise MlflowException("EDIT is needed", error_code=PERMISSION_DENIED)
        real(store, name, alias, version)

    return choosy


def refused_promotion(bench: Bench, monkeypatch: pytest.MonkeyPatch, *aliases: str) -> str:
    """What a promotion says that may not set these aliases."""
    with monkeypatch.context() as patched:
        patched.setattr(SqlAlchemyStore, "set_registered_model_alias", refusing(*aliases))
        with pytest.raises(Denied) as told:
            bench.promote()
    return told.value.message


def test_a_refused_promotion_is_given_up_and_the_same_command_then_works_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a credential that may; the ledger says what was refused."""
    message = refused_promotion(bench, monkeypatch, "production")
    given_up = json.loads(bench.snapshot[0]["done-2"])
    outcome = bench.promote()

    assert "; nothing moved, and " in message
    assert message.endswith("was given up and counts for nothing")
    assert (given_up["ending"], "EDIT is needed" in given_up["note"]) == ("abandoned", True)
    assert outcome.entry.epoch == 3
    assert bench.snapshot[1]["production"] == "2"


def test_a_refused_promotion_is_in_the_way_of_no_rollback_and_never_carried_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever saw it fail need not fear that somebody else's command does it."""
    bench.promote()
    third = bench.models.register(bench.model)
    about = evidence(bench.model, third, champion=bench.second)
    with monkeypatch.context() as patched:
        patched.setattr(SqlAlchemyStore, "set_registered_model_alias", refusing("production"))
        with pytest.raises(Denied):
            bench.promote(about)
    outcome = moving.rollback(
        bench.models.registry, bench.model, reason="stalls", promotion=PROMOTION, actor=CI, clock=bench.clock
    )

    assert outcome.forwarded == ()
    assert outcome.entry.target == "1"
    assert bench.snapshot[1]["production"] == "1"


def test_a_promotion_of_which_half_was_refused_is_finished_by_the_next_command(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and whoever began it is told."""
    message = refused_promotion(bench, monkeypatch, "previous")
    chain = read_chain(bench.snapshot[0])
    assert message.endswith("is left half done, and the next command finishes it")
    assert (chain.unfinished is not None, list(chain.failed)) == (True, [2])
    bench.promote()

    assert bench.snapshot[1] == {"production": "2", "previous": "1"}


class Closed:
    """A registry in which nothing may be made Production."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        if alias == "production":
            raise Denied("EDIT is needed", remedy="ask for it")
        self._registry.set_alias(name, alias, version)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_what_was_given_up_put_no_version_where_it_is(night: Night) -> None:
    """Who staged it, and when, is told by the entry that did."""
    night.adopt(night.registry)
    night.stage(night.registry)
    with pytest.raises(Denied):
        night.promote(Closed(night.registry))

    again = moving.record_staging(night.registry, night.passed, folder=night.runs[night.passed.digest], **night.who())

    assert (again.already, again.entry.kind, again.entry.epoch) == (True, "staged", 2)


def test_a_ledger_of_which_all_was_given_up_has_not_begun(night: Night) -> None:
    """A Production that was set by hand is adopted, as where there is none."""
    with pytest.raises(Denied):
        night.adopt(Closed(night.registry))
    night.registry.set_alias("fraud", "production", "v1")

    night.promote(night.registry)

    assert night.stands[1] == [("adopted", None, "v1"), ("promoted", "v1", "v2")]


def test_an_override_that_was_given_up_leaves_its_run_among_the_blocked(night: Night) -> None:
    """Its evidence was never promoted."""
    night.adopt(night.registry)
    night.publish(night.registry)
    ledger = night.registry.ledger("fraud")
    chain = read_chain(ledger.keys())
    entry = chain.draft(
        "override", source="v1", target="v2", actor=CI, at=NOW, lease=PROMOTION.lease, evidence=night.failed.digest
    )
    ledger.put_if_absent("epoch-2", entry.bytes.decode())
    ledger.put_if_absent("done-2", chain.mark(entry, actor=CI, at=NOW, ending="abandoned").bytes.decode())

    assert [run.digest for run in history(night.registry, "fraud", now=NOW).blocked] == [night.failed.digest]


@pytest.mark.parametrize(
    ("note", "reason"), [("EDIT is needed", "EDIT is needed"), ("", "the ledger does not say why")]
)
def test_what_others_gave_up_is_told_with_their_reason(note: str, reason: str) -> None:
    """Which need not be that a version is gone."""
    entry = Chain().draft("promoted", target="2", actor=CI, at=NOW, lease=PROMOTION.lease)
    mark = Chain((entry,)).mark(entry, actor=CI, at=NOW, ending="abandoned", note=note)

    assert ForwardedEntry(entry, mark).line == f"gave up what was left: {describe(entry)}, because {reason}"
