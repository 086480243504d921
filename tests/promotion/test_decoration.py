"""Tags and leftover aliases are decoration: nothing waits for them, and what is refused is told and written later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from helpers import moving
from helpers.promoting import CI, NOW, PROMOTION, Bench, Clock, Models, evidence, run_folder, signed, ssh_key
from lockgate.promotion.audit.verify import verify
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.publish import publish
from lockgate.registries.mlflow.registry import MlflowRegistry

Write = Callable[..., None]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models.fresh(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def bench(models: Models) -> Bench:
    models.registry = MlflowRegistry(models.uri)
    return models.prepared(lambda folder: Bench(models, Clock(NOW + timedelta(minutes=1)), folder))


def _refused(code: str, text: str) -> Callable[[Write], Write]:
    def refuse(write: Write) -> Write:
        def refused(*arguments: Any) -> None:
            raise MlflowException(text, error_code=ErrorCode.Value(code))

        return refused

    return refuse


def _unanswered(fault: Exception, *, happened: bool) -> Callable[[Write], Write]:
    def lose(write: Write) -> Write:
        def lost(*arguments: Any) -> None:
            if happened:
                write(*arguments)
            raise fault

        return lost

    return lose


REFUSALS = {
    "not allowed": _refused("PERMISSION_DENIED", "EDIT is needed"),
    "not accepted": _refused("INVALID_PARAMETER_VALUE", "a policy of this server forbids tags"),
    "too long": _refused("BAD_REQUEST", "(psycopg2.errors.StringDataRightTruncation) value too long"),
    "broken": _refused("INTERNAL_ERROR", "no"),
    "answer lost": _unanswered(requests.ConnectionError("reset by peer"), happened=True),
    "timeout": _unanswered(requests.Timeout("timed out"), happened=False),
}


@pytest.fixture(params=REFUSALS)
def refusal(request: pytest.FixtureRequest) -> Callable[[Write], Write]:
    return REFUSALS[request.param]


def _codes(bench: Bench) -> set[str]:
    registry = MlflowRegistry(bench.models.uri)
    scratch = bench.folder / f"verify-{bench.clock().timestamp()}"
    found = verify(registry, bench.model, promotion=PROMOTION, now=bench.clock.now, scratch=scratch)
    return {one.code for one in found.discrepancies}


def _rollback(bench: Bench) -> Outcome:
    return moving.rollback(
        bench.models.registry, bench.model, reason="stalls", promotion=PROMOTION, actor=CI, clock=bench.clock
    )


def _repair(bench: Bench) -> Outcome | None:
    return moving.repair(
        bench.models.registry, bench.model, reason="a slip", promotion=PROMOTION, actor=CI, clock=bench.clock
    )


@pytest.fixture
def no_tags(monkeypatch: pytest.MonkeyPatch, refusal: Callable[[Write], Write]) -> Iterator[pytest.MonkeyPatch]:
    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "set_model_version_tag", refusal(SqlAlchemyStore.set_model_version_tag))
        yield patch


def test_a_tag_that_is_refused_stops_neither_promotion_nor_rollback(bench: Bench, no_tags: pytest.MonkeyPatch) -> None:
    """Both are done, say what is missing, and verify names it; what is missing is written by the next command that may."""
    promoted = bench.promote()
    chain = read_chain(bench.snapshot[0])
    rolled_back = _rollback(bench)
    missing = _codes(bench)

    assert chain.unfinished is None
    assert (promoted.standing.production, rolled_back.standing.production) == ("2", "1")
    if bench.state("2") != "withdrawn":  # where answers are lost, tags are written all the same
        assert any("lockgate.state of version 2 was not set" in note or "tags" in note for note in promoted.notes)
        assert any("gate verify" in note for note in rolled_back.notes)
        assert missing == {"tag_edited"}
    no_tags.undo()
    third = bench.models.register(bench.model)
    bench.promote(evidence(bench.model, third, champion=bench.first, finished=bench.clock()))
    assert _codes(bench) == set()
    assert (bench.state("2"), bench.state("3")) == ("withdrawn", "production")


@pytest.mark.parametrize("kind", ["not accepted", "too long", "broken", "timeout"])
def test_one_tag_that_is_refused_keeps_no_other_back(bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Each is tried, until the registry says that none may be written, or lets too long be waited for."""
    write = SqlAlchemyStore.set_model_version_tag
    refused = REFUSALS[kind](write)

    def choosy(store: Any, name: str, version: str, tag: Any) -> None:
        (refused if tag.key == "lockgate.promoted_by" else write)(store, name, version, tag)

    monkeypatch.setattr(SqlAlchemyStore, "set_model_version_tag", choosy)

    outcome = bench.promote()

    tags = bench.models.registry.version(bench.model, "2").tags
    assert {"lockgate.state", "lockgate.evidence", "lockgate.promoted_at"} <= tags.keys()
    assert any(note.startswith("the tag lockgate.promoted_by of version 2 was not set") for note in outcome.notes)


def test_a_repair_writes_the_tags_that_are_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says `done` only of what it could do."""
    write = SqlAlchemyStore.set_model_version_tag
    monkeypatch.setattr(SqlAlchemyStore, "set_model_version_tag", REFUSALS["not accepted"](write))
    bench.promote()
    before = _repair(bench)
    monkeypatch.undo()

    after = _repair(bench)

    assert before is not None
    assert after is not None
    assert not any(note.startswith("done: set") for note in before.notes)
    assert any(note.startswith("done: set lockgate.state of version 2 to production") for note in after.notes)
    assert _codes(bench) == set()


def test_keys_and_values_are_what_the_registry_can_hold(models: Models) -> None:
    """Two long ones that begin alike stay two; what was mapped is taken, and read back as it was mapped."""
    model = models.new()
    models.register(model)
    tags = {
        "lockgate.metric.auc @ café, [x]": "1",
        "lockgate.metric." + "a" * 400: "2",
        "lockgate.metric." + "a" * 401: "3",
        "../up//and/./down": "4",
        "lockgate.promoted_by": "x" * 6000,
        "lockgate.empty": "",
        "lockgate.nul": "a\0b",
        "lockgate.surrogate": "a\udcff",
    }

    storable = models.registry.storable_tags(tags)
    models.registry.set_tags(model, "1", storable)

    assert len(storable) == len(tags)
    assert max(map(len, storable)) == 250
    assert max(map(len, storable.values())) == 5000
    assert models.registry.version(model, "1").tags == storable
    assert models.registry.storable_tags(storable) == storable


def test_an_alias_that_may_not_be_deleted_is_told_each_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`previous` that stands for nothing loads Production: not in silence."""
    monkeypatch.setattr(
        SqlAlchemyStore, "delete_registered_model_alias", REFUSALS["not allowed"](lambda *arguments: None)
    )
    bench.promote()

    outcome = _rollback(bench)

    assert bench.snapshot[1] == {"production": "1", "previous": "1"}
    assert any(
        note.startswith("the alias previous stands for nothing and still points to version 1") for note in outcome.notes
    )
    assert _codes(bench) == {"alias_left"}
    monkeypatch.undo()
    _repair(bench)
    assert bench.snapshot[1] == {"production": "1"}
    assert _codes(bench) == set()


def test_a_run_that_cannot_be_marked_as_finished_is_published(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status in the registry is for people; the write-once param is what counts."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs

    monkeypatch.setattr(Runs, "update_run_info", REFUSALS["not allowed"](lambda *arguments: None))

    outcome = bench.promote()

    assert outcome.standing.production == "2"
    assert MlflowRegistry(bench.models.uri).evidence(bench.model).published(bench.evidence.digest)


def test_a_production_set_by_hand_begins_the_ledger(models: Models, tmp_path: Path) -> None:
    """The first command that writes adopts it and says so; a refused one writes nothing, and a ledger is never overruled."""
    bench = Bench.__new__(Bench)
    bench.models, bench.clock, bench.folder = models, Clock(NOW + timedelta(minutes=1)), tmp_path
    bench.model, bench.proven = models.new(), []
    first, second, third = (models.register(bench.model) for _ in range(3))
    models.registry = MlflowRegistry(models.uri)
    models.registry.set_alias(bench.model, "production", "1")
    about = evidence(bench.model, second, champion=first)

    assert bench.refusal(evidence(bench.model, second)).code == "champion_moved"
    outcome = bench.promote(about)

    chain = read_chain(bench.snapshot[0])
    assert [(entry.kind, entry.target) for entry in chain.entries] == [("adopted", "1"), ("promoted", "2")]
    assert (chain.standing.standby, bench.proven) == ("1", ["1"])
    assert any("version 1 held the alias production" in line and "adopted" in line for line in outcome.lines)
    models.registry.set_alias(bench.model, "production", "3")
    assert bench.refusal(evidence(bench.model, third, champion=second)).code == "moved_by_hand"


def test_staging_adopts_a_production_set_by_hand(models: Models, tmp_path: Path) -> None:
    """Where the version that is staged holds the alias itself, it is Production already."""
    for holder, kinds in (("1", ["adopted", "staged"]), ("2", ["adopted"])):
        model = models.new()
        _, second = models.register(model), models.register(model)
        models.registry.set_alias(model, "production", holder)
        about = evidence(model, second)
        outcome = moving.record_staging(
            models.registry,
            about,
            folder=run_folder(about, tmp_path / holder),
            promotion=PROMOTION,
            actor=CI,
            clock=Clock(),
        )

        chain = read_chain(models.registry.ledger(model).keys())
        assert [entry.kind for entry in chain.finished] == kinds
        assert outcome.standing.production == holder
        assert any("held the alias production" in line for line in outcome.lines)


def test_an_objection_whose_tag_is_refused_counts_and_verify_names_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """History reads objections from tags; the vote itself lies beside the evidence."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs

    registry, key = bench.models.registry, ssh_key(tmp_path, "olga")
    store = registry.evidence(bench.model)
    publish(registry, bench.evidence, run_folder(bench.evidence, tmp_path / "run"), now=NOW)
    with monkeypatch.context() as patch:
        patch.setattr(Runs, "set_tag", REFUSALS["not allowed"](lambda *arguments: None))
        store.add_vote(bench.evidence.digest, *signed(bench.evidence, key, verb="reject", reason="drifts"))
    unlisted = _codes(bench)
    store.add_vote(bench.evidence.digest, *signed(bench.evidence, key, verb="reject", reason="drifts"))

    assert len(store.votes(bench.evidence.digest)) == 1
    assert (unlisted, _codes(bench)) == ({"objection_unlisted"}, set())
