"""Promotion across registered models: candidates are evaluated in one, Production is a copy in another, made once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from helpers import moving
from helpers.promoting import CI, NOBODY, NOW, POLICY, PROMOTION, Clock, Models, evidence, run_folder
from lockgate.errors import Denied, Edited, LockgateError, Refused, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.promotion import promote as promoting
from lockgate.promotion.audit.history import history
from lockgate.promotion.audit.status import status
from lockgate.promotion.audit.verify import verify
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.operator import Operator
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.preconditions import PromotionRequest, PromotionTerms, RollbackCheck
from lockgate.registries.copy_target import with_copy_target
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.signoff.decision import Ballot

CREATE = SqlAlchemyStore.create_model_version


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models.fresh(tmp_path_factory.mktemp("mlflow"))


class Desk:
    """A model with two evaluated versions, and another one, not made yet, for Production."""

    def __init__(self, models: Models, folder: Path, lifecycle: str = "aliases") -> None:
        self.models, self.folder, self.lifecycle = models, folder, lifecycle
        self.clock = Clock(NOW + timedelta(minutes=1))
        self.source = models.new()
        self.target = f"prod-{self.source}"
        self.first, self.second = models.register(self.source), models.register(self.source)
        self.champion: ModelVersion | None = None
        self.evidence = self.about(self.first)

    def about(self, version: ModelVersion) -> Evidence:
        champion = self.champion and ModelVersion(self.target, self.champion.version, digest=self.champion.digest)
        return evidence(self.source, version, champion=champion, finished=self.clock())

    @property
    def registry(self) -> Registry:
        registry = MlflowRegistry(self.models.uri, lifecycle=self.lifecycle)
        return with_copy_target(registry, source=self.source, target=self.target)

    @property
    def who(self) -> dict[str, Any]:
        return {"promotion": PROMOTION, "actor": CI, "clock": self.clock}

    def run(self, about: Evidence) -> Path:
        folder = self.folder / about.run_id
        return folder if folder.exists() else run_folder(about, folder)

    def stage(self) -> Outcome:
        operator = Operator(self.registry, self.target, **self.who)
        return promoting.record_staging(operator, self.evidence, folder=self.run(self.evidence))

    def promote(self, registry: Any = None) -> Outcome:
        return promoting.promote(
            Operator(registry or self.registry, self.target, **self.who),
            PromotionRequest(self.evidence, Ballot(), self.run(self.evidence)),
            terms=PromotionTerms(NOBODY, POLICY),
            rollback_check=RollbackCheck(self.folder / "scratch", lambda version: None),
        )

    def promote_second(self) -> Outcome:
        self.champion = ModelVersion(self.target, "1", digest=self.first.digest)
        self.evidence = self.about(self.second)
        return self.promote()

    def rollback(self) -> Outcome:
        return moving.rollback(self.registry, self.target, reason="stalls", **self.who)

    @property
    def chain(self) -> Chain:
        return read_chain(self.registry.ledger(self.target).keys())

    @property
    def copies(self) -> list[str]:
        return [version.version for version in self.registry.versions(self.target)]

    @property
    def problems(self) -> tuple[Any, ...]:
        scratch = self.folder / f"verify-{self.clock().timestamp()}"
        shown = verify(self.registry, self.target, promotion=PROMOTION, now=self.clock.now, scratch=scratch)
        state = status(self.registry, self.target, promotion=PROMOTION, now=self.clock.now)
        return (*map(str, shown.discrepancies), *state.problems)


@pytest.fixture(params=["aliases", "stages"])
def desk(request: pytest.FixtureRequest, models: Models, tmp_path: Path) -> Desk:
    return Desk(models, tmp_path, request.param)


@pytest.fixture
def one(models: Models, tmp_path: Path) -> Desk:
    return Desk(models, tmp_path)


def test_staged_promoted_replaced_and_rolled_back(desk: Desk) -> None:
    """Ledger, aliases and Production are the target's; entries name what was copied, and nothing in the source moves."""
    staged, again = desk.stage(), desk.stage()
    waiting = (staged.standing.staging, again.already, desk.problems, desk.copies)
    first = desk.promote()
    second = desk.promote_second()
    repeated = desk.promote()
    back = desk.rollback()

    assert waiting == (f"{desk.source}/1", True, (), [])
    assert (first.standing.production, second.standing.production, repeated.already) == ("1", "2", True)
    assert (back.standing.production, back.standing.staging) == ("1", None)
    entries = [json.loads(entry.bytes) for entry in desk.chain.entries]
    assert [(entry["kind"], entry["to"]) for entry in entries] == [
        ("staged", f"{desk.source}/1"),
        ("promoted", "1"),
        ("promoted", "2"),
        ("rolled_back", "1"),
    ]
    assert entries[1]["copy_of"] == {"model": desk.source, "version": "1", "digest": desk.first.digest}
    assert "copy_of" not in entries[3]
    assert dict(desk.registry.aliases(desk.target)) == {"production": "1"}
    assert desk.registry.aliases(desk.source) == {}
    assert desk.copies == ["2", "1"]
    assert desk.problems == ()
    shown = history(desk.registry, desk.target, now=desk.clock())
    assert len(shown.chain.entries) == 4
    assert [f"1, copy of {desk.source}/1  " in line for line in shown.lines if " promoted " in line] == [False, True]
    if desk.lifecycle == "stages":
        assert desk.registry.stages(desk.target).by_version == {"1": "Production", "2": "Archived"}


def test_old_evidence_of_a_copy_that_was_withdrawn_promotes_nothing(one: Desk) -> None:
    """A new evaluation does, and copies nothing anew."""
    one.promote()
    one.promote_second()
    one.rollback()

    with pytest.raises(Refused) as refused:
        one.promote()
    one.evidence = one.about(one.second)
    again = one.promote()

    assert refused.value.code == "withdrawn"
    assert (again.standing.production, one.copies) == ("2", ["2", "1"])


def _lost(*, happened: bool) -> Callable[..., Any]:
    def create(store: Any, *arguments: Any, **more: Any) -> Any:
        if happened:
            CREATE(store, *arguments, **more)
        raise requests.Timeout("timed out")

    return create


def test_a_copy_whose_answer_was_lost_is_found_by_its_files(one: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow makes another copy for each request."""
    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "create_model_version", _lost(happened=True))
        outcome = one.promote()

    assert (outcome.standing.production, one.copies) == ("1", ["1"])


def test_a_copy_that_may_still_come_is_waited_for(one: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody copies before the lease of whoever asked for it ends; then what came late is taken."""
    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "create_model_version", _lost(happened=False))
        with pytest.raises(LockgateError, match="may have happened or not"):
            one.promote()
    with pytest.raises(Waiting) as waiting:
        one.promote()
    one.models.mlflow.copy_model_version(f"models:/{one.source}/1", one.target)
    one.clock.forward(minutes=11)

    outcome = one.promote()

    assert waiting.value.code == "in_progress"
    assert (outcome.standing.production, one.copies) == ("1", ["1"])


def test_two_at_once_copy_once(one: Desk) -> None:
    """Whoever comes while somebody copies waits; nothing is Production before."""
    told: list[str] = []

    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(one.registry, name)

        def copy_version(self, *arguments: Any, **more: Any) -> ModelVersion:
            with pytest.raises(Waiting) as waiting:
                one.promote()
            told.append(waiting.value.code)
            return one.registry.copy_version(*arguments, **more)

    outcome = one.promote(Meanwhile())

    assert told == ["in_progress"]
    assert (outcome.standing.production, one.copies) == ("1", ["1"])


def test_a_copy_that_is_refused_is_made_by_the_next_who_may(one: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once; nothing is Production meanwhile."""

    def denied(*arguments: Any, **more: Any) -> None:
        raise MlflowException("CREATE is needed", error_code=PERMISSION_DENIED)

    for call in ("create_registered_model", "create_model_version"):
        with monkeypatch.context() as patch:
            patch.setattr(SqlAlchemyStore, call, denied)
            with pytest.raises(Refused) as refused:
                one.promote()
        assert refused.value.code == "copy_denied"
        assert one.chain.entries == ()

    assert one.promote().standing.production == "1"
    assert one.copies == ["1"]


class Altered:
    """A registry of which a copy is made in another way."""

    def __init__(self, desk: Desk, copy_version: Callable[..., ModelVersion]) -> None:
        self.desk, self.copy_version = desk, copy_version

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk.registry, name)


def _denied(*arguments: Any, **more: Any) -> ModelVersion:
    raise Denied("CREATE is needed", remedy="ask for it")


def test_a_copy_that_was_given_up_before_it_came_is_found_by_whoever_made_it(one: Desk) -> None:
    """Somebody who came after its lease, and may not copy, had written down that there is none."""

    def slow(*arguments: Any, **more: Any) -> ModelVersion:
        one.clock.forward(minutes=2)
        with pytest.raises(Refused):
            one.promote(Altered(one, _denied))
        return one.registry.copy_version(*arguments, **more)

    outcome = one.promote(Altered(one, slow))

    assert (outcome.standing.production, one.copies) == ("1", ["1"])


def test_a_record_of_a_copy_that_nobody_here_wrote_is_named(one: Desk) -> None:
    """It is no fault of the candidate, and nothing moves; one that is dated ahead holds nobody up."""
    with pytest.raises(Refused):
        one.promote(Altered(one, _denied))
    ledger = one.registry.ledger(one.target)
    result, claim = (key[:-1] for key in sorted(ledger.keys()))

    def showing(key: str, text: str) -> Altered:
        registry = Altered(one, one.registry.copy_version)
        more = {"keys": lambda: {**ledger.keys(), f"{key}2": text}, "holder": ledger.holder}
        writes = {"put_if_absent": ledger.put_if_absent, "show_holder": ledger.show_holder}
        registry.ledger = lambda model: SimpleNamespace(**more, **writes)  # type: ignore[attr-defined]
        return registry

    for key, text in (
        (claim, "nonsense"),
        (claim, "{}"),
        (claim, '{"at": "yesterday", "lease": "1m"}'),
        (claim, '{"at": "2026-11-21T12:00:00Z", "lease": 7}'),
        (result, "[]"),
        (result, '{"version": 5}'),
    ):
        with pytest.raises(Edited, match=f"{key}2 in the ledger .*; nothing was moved") as edited:
            one.promote(showing(key, text))
        assert edited.value.exit_code == 4
    outcome = one.promote(showing(claim, '{"at": "2100-01-01T00:00:00Z", "lease": "1m"}'))

    assert [entry.kind for entry in one.chain.entries] == ["promoted"]
    assert outcome.standing.production == "1"


def test_what_is_no_whole_copy_is_not_taken(one: Desk) -> None:
    """Neither one with other files nor one that the registry has not made ready: the evaluated files decide."""
    mlflow, other = one.models.mlflow, one.models.files(one.second)
    mlflow.create_registered_model(one.target)
    mlflow.create_model_version(one.target, source=f"models:/{one.source}/2")
    mlflow.create_model_version(one.target, source=str(other))
    copied = mlflow.copy_model_version(f"models:/{one.source}/1", one.target)
    import sqlite3

    with sqlite3.connect(one.models.uri.removeprefix("sqlite:///")) as database:
        database.execute(
            "UPDATE model_versions SET status = 'FAILED_REGISTRATION' WHERE name = ? AND version = ?",
            (one.target, int(copied.version)),
        )

    outcome = one.promote()

    assert outcome.standing.production == "4"


def test_files_that_change_in_a_copy_are_refused(one: Desk) -> None:
    """After they were compared once, too: the copy is compared with the evidence each time."""
    one.promote()
    one.promote_second()
    one.rollback()
    one.evidence = one.about(one.second)
    (one.models.files(one.second) / "weights.txt").write_text("others")

    with pytest.raises(Refused) as refused:
        one.promote()

    assert refused.value.code == "model_changed"


class Stop(Exception):
    """The process ends here."""


WRITES = ("put_if_absent", "publish", "copy_version", "set_alias", "delete_alias")


class Stopping:
    """A registry that ends the process before the nth write, or after it."""

    def __init__(self, registry: Any, at: int, *, after: bool, count: list[int] | None = None) -> None:
        self.registry, self.at, self.after, self.count = registry, at, after, count or [0]

    def __getattr__(self, name: str) -> Any:
        thing = getattr(self.registry, name)
        if name in ("ledger", "evidence"):
            return lambda model: Stopping(thing(model), self.at, after=self.after, count=self.count)
        return self._writing(thing) if name in WRITES else thing

    def _writing(self, call: Any) -> Any:
        def write(*arguments: Any, **more: Any) -> Any:
            self.count[0] += 1
            if self.count[0] == self.at and not self.after:
                raise Stop
            answer = call(*arguments, **more)
            if self.count[0] == self.at:
                raise Stop
            return answer

        return write


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_crash_at_any_write_copies_once_and_is_finished_later(one: Desk, at: int, after: bool) -> None:
    """Published, claimed, copied, written down, entry claimed, alias, done: the next command goes on where it was."""
    count = [0]
    stopped = Stopping(one.registry, at, after=after, count=count)
    with pytest.raises(Stop):
        one.promote(stopped)
    one.clock.forward(minutes=11)

    one.promote()

    assert count == [at]
    assert one.copies == ["1"]
    assert [(entry.kind, entry.target) for entry in one.chain.finished] == [("promoted", "1")]
    assert one.chain.unfinished is None
    assert dict(one.registry.aliases(one.target)) == {"production": "1"}
    assert one.problems == ()
