"""A promotion happens once or not at all, and only on what still holds."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from helpers import moving
from helpers.promoting import CI, NOW, PROMOTION, Bench, Clock, Models, evidence, run_folder, signed, ssh_key
from lockgate import hashing as digest
from lockgate.errors import ModelFault, NotFound, Refused, ServingFault, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.promotion import publish as published
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Done, Entry
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.preconditions import make_rollback_proof
from lockgate.promotion.rollback_proof import RerunResult, RollbackAnswer, RollbackProof
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.ports import ModelVersion
from lockgate.signoff import ssh
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW + timedelta(minutes=1))


@pytest.fixture
def bench(models: Models, clock: Clock) -> Bench:
    made = models.prepared(lambda folder: Bench(models, Clock(clock.now), folder))
    clock.now, made.clock = made.clock.now, clock
    return made


def test_a_promotion_moves_aliases_and_writes_who_when_why(bench: Bench) -> None:
    """Ledger, aliases, tags, evidence and the proof of the way back."""
    outcome = bench.promote()

    keys, aliases = bench.snapshot
    entry = json.loads(keys["epoch-2"])
    assert aliases == {"production": "2", "previous": "1"}
    assert (entry["kind"], entry["from"], entry["to"]) == ("promoted", "1", "2")
    assert (entry["evidence"], entry["actor"]["id"]) == (bench.evidence.digest, "ci@example.org")
    assert json.loads(keys["done-2"])["entry"] == digest.sha256(keys["epoch-2"].encode())
    assert (bench.state("1"), bench.state("2")) == ("standby", "production")
    tags = bench.models.registry.version(bench.model, "2").tags
    assert tags["lockgate.evidence"] == bench.evidence.digest
    assert tags["lockgate.promoted_by"] == "ci (unverified)"
    assert tags["lockgate.promoted_at"] == entry["at"]
    assert bench.models.registry.evidence(bench.model).published(bench.evidence.digest)
    assert bench.proven == ["1"]
    assert (
        outcome.lines[-1] == "which version answers your users was not checked; promotion.switch with a check does that"
    )
    assert outcome.lines[1] == f"version 1 is the previous version, to which gate rollback {bench.model} goes"


def test_a_first_promotion_needs_no_champion(models: Models, clock: Clock, tmp_path: Path) -> None:
    """There is no alias previous until there is something to go back to."""
    bench = Bench.__new__(Bench)
    bench.models, bench.clock, bench.folder, bench.model, bench.proven = models, clock, tmp_path, models.new(), []
    about = evidence(bench.model, models.register(bench.model))

    outcome = bench.promote(about)

    assert outcome.standing.standby is None
    assert bench.snapshot[1] == {"production": "1"}
    assert bench.proven == []


def test_promoting_again_changes_nothing(bench: Bench) -> None:
    """And says that it is so already."""
    bench.promote()
    before = bench.snapshot

    again = bench.promote()
    other = bench.promote(evidence(bench.model, bench.second, champion=bench.first))

    assert again.already
    assert again.notes == ()
    assert other.notes == (f"it got there on other evidence: {bench.evidence.digest}",)
    assert bench.snapshot == before


def test_measured_values_stand_on_the_version(bench: Bench) -> None:
    """What was measured overall, by name; slices stay in the evidence."""

    def finding(subject: str, observed: str, **where: str) -> dict[str, Any]:
        return {
            "id": "metrics/r1/overall",
            "requirement": "r1",
            "subject": subject,
            "slice": where,
            "observed": observed,
            "interval": None,
            "champion": None,
            "limit": {"op": ">=", "value": "0.5", "text": "0.5"},
            "decided": None,
            "rows": 10,
            "positives": None,
            "rows_needed": None,
            "verdict": "pass",
            "code": "met",
            "reason": "",
            "remedy": None,
            "detail": {},
        }

    findings = [finding("auc", "0.91"), finding("recall(threshold=0.7)", "0.5"), finding("auc", "0.2", country="BR")]
    bench.promote(evidence(bench.model, bench.second, champion=bench.first, findings=findings))

    tags = bench.models.registry.version(bench.model, "2").tags
    assert {key: value for key, value in tags.items() if "metric" in key} == {
        "lockgate.metric.auc": "0.91",
        "lockgate.metric.recall_threshold_0.7_": "0.5",
    }


def test_signed_votes_open_and_are_published(bench: Bench, tmp_path: Path) -> None:
    """The ledger names the votes that were counted; their bytes lie beside the evidence."""
    key = ssh_key(tmp_path, "alice")
    policy = SignoffPolicy.model_validate(
        {
            "groups": {"owners": [{"key": ssh.public_key(key)}]},
            "require": {"owners": 1},
            "separation_of_duties": False,
        }
    )
    with pytest.raises(Waiting) as waiting:
        bench.promote(signoff=policy)
    assert waiting.value.code == "votes_missing"
    vote, signature = signed(bench.evidence, key)
    votes, objections = ssh.read_votes([(vote, signature)], policy)

    bench.promote(signoff=policy, ballot=Ballot(votes, objections), votes=[(vote, signature)])

    entry = json.loads(bench.snapshot[0]["epoch-2"])
    assert entry["votes"] == [digest.sha256(vote)]
    assert entry["reason"] == "approved by alice@example.org"
    assert bench.models.registry.evidence(bench.model).votes(bench.evidence.digest) == [(vote, signature)]


def test_a_changed_policy_is_refused(bench: Bench) -> None:
    """The evidence answers another question."""
    assert bench.refusal(policy_digest="sha256:" + "b" * 64).code == "policy_changed"


def test_what_failed_is_refused(bench: Bench) -> None:
    """Also where nobody signs."""
    failed = evidence(bench.model, bench.second, champion=bench.first, verdict="fail", opens="no")

    assert bench.refusal(failed).code == "not_open"


def test_changed_model_bytes_are_refused(bench: Bench) -> None:
    """MLflow lets anybody overwrite them."""
    (bench.models.files(bench.second) / "weights.txt").write_text("other weights")

    assert bench.refusal().code == "model_changed"


def test_a_champion_that_moved_is_refused(bench: Bench) -> None:
    """The comparison was with another version; a policy that compares with nobody does not mind."""
    third = bench.models.register(bench.model)
    late = evidence(bench.model, third, champion=bench.first)
    alone = evidence(bench.model, third)
    bench.promote()

    assert bench.refusal(late).code == "champion_moved"
    assert bench.refusal(alone).code == "champion_moved"
    bench.promote(alone, follows_production=False)
    assert bench.snapshot[1]["production"] == "3"


def test_a_newer_run_for_the_version_counts(bench: Bench) -> None:
    """The owner approved what is no longer the last word; one that was only made here is nobody's last word."""
    newer = evidence(
        bench.model, bench.second, champion=bench.first, finished=NOW + timedelta(seconds=1), verdict="fail", opens="no"
    )
    published.publish(
        bench.models.registry, newer, run_folder(newer, bench.folder / "newer"), now=published.finished_at(newer)
    )

    refused = bench.refusal()

    assert refused.code == "not_newest"
    assert newer.digest in str(refused)


def test_what_was_published_last_counts_also_where_its_clock_runs_behind(bench: Bench) -> None:
    """A pass of a runner that is ahead is overtaken by a fail after it, and does not overtake a pass after it."""
    ahead = evidence(bench.model, bench.second, champion=bench.first, finished=NOW + timedelta(minutes=9))
    fail = evidence(bench.model, bench.second, champion=bench.first, verdict="fail", opens="no")
    for about in (ahead, fail):
        published.publish(
            bench.models.registry,
            about,
            run_folder(about, bench.folder / about.run_id),
            now=published.finished_at(about),
        )

    assert bench.refusal(ahead).code == "not_newest"

    published.publish(
        bench.models.registry,
        bench.evidence,
        run_folder(bench.evidence, bench.folder / bench.evidence.run_id),
        now=published.finished_at(bench.evidence),
    )
    assert not bench.promote().already


def test_a_run_that_was_not_published_says_itself_what_was_there_when_it_ended(bench: Bench) -> None:
    """By the number of the last publication; its clock, and that of the other, decide nothing."""
    fail = evidence(bench.model, bench.second, champion=bench.first, verdict="fail", opens="no")
    published.publish(
        bench.models.registry, fail, run_folder(fail, bench.folder / fail.run_id), now=published.finished_at(fail)
    )
    before, after = (
        Evidence.from_document(
            {**about.document, "run": {**about.document["run"], "registry": {"published": number, "epoch": 1}}}
        )
        for about, number in (
            (evidence(bench.model, bench.second, champion=bench.first, finished=NOW + timedelta(minutes=9)), 0),
            (evidence(bench.model, bench.second, champion=bench.first, finished=NOW - timedelta(minutes=9)), 1),
        )
    )

    assert bench.refusal(before).code == "not_newest"
    assert not bench.promote(after).already


def test_evidence_from_the_future_is_neither_published_nor_promoted(bench: Bench) -> None:
    """Also where an older lockgate published it; no override goes over it."""
    ahead = evidence(bench.model, bench.second, champion=bench.first, finished=NOW + timedelta(minutes=12))
    folder = run_folder(ahead, bench.folder / ahead.run_id)
    store = bench.models.registry.evidence(bench.model)

    with pytest.raises(Refused) as staged:
        moving.record_staging(
            bench.models.registry, ahead, folder=folder, promotion=PROMOTION, actor=CI, clock=bench.clock
        )
    assert staged.value.code == "clock_ahead"
    assert bench.refusal(ahead).code == "clock_ahead"
    assert not store.published(ahead.digest)

    published.publish(bench.models.registry, ahead, folder, now=published.finished_at(ahead))
    assert bench.refusal(ahead).code == bench.refusal(ahead, override=True).code == "clock_ahead"
    bench.clock.forward(minutes=3)
    assert not bench.promote(ahead).already


def test_older_published_evidence_does_not_stop_newer(bench: Bench) -> None:
    """Published or not, what was measured last counts."""
    older = evidence(bench.model, bench.second, finished=NOW - timedelta(days=1), verdict="fail", opens="no")
    published.publish(
        bench.models.registry, older, run_folder(older, bench.folder / "older"), now=published.finished_at(older)
    )

    assert not bench.promote().already


def test_an_outgoing_version_that_cannot_come_back_stops(bench: Bench) -> None:
    """Its files changed, it is gone, or it does not answer."""

    def broken(version: ModelVersion) -> None:
        raise ModelFault("it raised ImportError", remedy="pin scikit-learn")

    refused = bench.refusal(prove=broken)
    assert (refused.code, refused.remedy) == ("way_back", "pin scikit-learn")

    weights = bench.models.files(bench.first) / "weights.txt"
    kept = weights.read_text()
    weights.write_text("other weights")
    assert bench.refusal().code == "way_back"

    weights.write_text(kept)
    bench.models.mlflow.delete_model_version(bench.model, "1")
    bench.models.mlflow.set_registered_model_alias(bench.model, "production", "2")
    refused = bench.refusal()
    assert refused.code == "moved_by_hand"
    assert f"gate verify {bench.model} --repair points it back" in str(refused)


def test_an_alias_moved_by_hand_is_for_people_to_look_at(bench: Bench) -> None:
    """Both are named."""
    bench.models.registry.set_alias(bench.model, "production", "2")

    again = bench.refusal(evidence(bench.model, bench.models.register(bench.model), champion=bench.second))

    assert again.code == "moved_by_hand"
    assert "version 1 is Production, the alias points to version 2" in again.message


def test_a_production_that_a_ledger_does_not_know_is_never_adopted_in_passing(
    models: Models, clock: Clock, tmp_path: Path
) -> None:
    """Where the ledger has begun, a person says which of the two is right."""
    bench = Bench.__new__(Bench)
    bench.models, bench.clock, bench.folder, bench.model, bench.proven = models, clock, tmp_path, models.new(), []
    first, second = models.register(bench.model), models.register(bench.model)
    about = evidence(bench.model, second, champion=first)
    moving.record_staging(
        models.registry, about, folder=run_folder(about, tmp_path / "run"), promotion=PROMOTION, actor=CI, clock=clock
    )
    models.registry.set_alias(bench.model, "production", "1")

    refused = bench.refusal(about)

    assert refused.code == "not_adopted"
    assert refused.remedy == f'begin with gate adopt {bench.model} --version 1 --reason "…"'


class Crash(Exception):
    """The process ends here."""


class Crashing:
    """A registry that ends the process before the nth write, or whose answer to it is lost."""

    def __init__(self, registry: Any, at: int, *, after: bool = False) -> None:
        self.registry, self.at, self.after, self.count = registry, at, after, 0

    def __getattr__(self, name: str) -> Any:
        thing = getattr(self.registry, name)
        if name in ("ledger", "evidence"):
            return lambda model: Crashing.sharing(self, thing(model))
        return self.writing(thing) if name in ("set_alias", "set_tags") else thing

    def writing(self, call: Any) -> Any:
        def write(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            if self.count == self.at and not self.after:
                raise Crash
            answer = call(*arguments, **more)
            if self.count == self.at:
                raise Crash
            return answer

        return write

    @staticmethod
    def sharing(owner: Crashing, store: Any) -> Any:
        class Store:
            def __getattr__(self, name: str) -> Any:
                thing = getattr(store, name)
                return owner.writing(thing) if name in ("put_if_absent", "publish", "add_vote") else thing

        return Store()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_crash_at_any_write_leaves_one_production_and_is_finished_later(bench: Bench, at: int, after: bool) -> None:
    """While the lease is young others wait; then the next command rolls forward. Nothing happens twice."""
    real, bench.models = bench.models, replace_registry(bench.models, at, after=after)
    try:
        bench.promote()
        crashed = False
    except Crash:
        crashed = True
    bench.models = real
    claimed = "epoch-2" in bench.snapshot[0]
    finished = "done-2" in bench.snapshot[0]
    assert crashed
    assert bench.snapshot[1]["production"] in ("1", "2")

    if claimed and not finished:
        with pytest.raises(Waiting) as waiting:
            bench.promote()
        assert waiting.value.code == "in_progress"
    bench.clock.forward(minutes=11)
    outcome = bench.promote()

    keys, aliases = bench.snapshot
    chain = read_chain(keys)
    assert (len(chain.entries), chain.bad, chain.unfinished) == (2, None, None)
    assert aliases == chain.standing.aliases == {"production": "2", "previous": "1"}
    assert outcome.already == claimed
    assert (len(outcome.forwarded) == 1) == (claimed and not finished)


def replace_registry(models: Models, at: int, *, after: bool) -> Models:
    crashing = Models.__new__(Models)
    crashing.__dict__.update(models.__dict__)
    crashing.registry = Crashing(MlflowRegistry(models.uri), at, after=after)  # type: ignore[assignment]
    return crashing


class Serving:
    """A switch that writes down what it was told, and may break."""

    def __init__(self) -> None:
        self.broken, self.calls = False, list[tuple[str, str | None]]()

    def __call__(self, entry: Entry) -> str:
        self.calls.append((entry.kind, entry.target))
        if self.broken:
            raise ServingFault("the switch ./switch.sh ended with 3", remedy="mend what it says")
        return "serving was turned over"


def test_serving_is_turned_over_before_the_entry_is_done(bench: Bench) -> None:
    """And what came of it is told instead of `which version answers your users was not checked; promotion.switch with a check does that`."""
    marks: list[bool] = []

    def turn_over(entry: Entry) -> str:
        keys, aliases = bench.snapshot
        marks.append("done-2" not in keys and aliases["production"] == "2")
        return "serving was turned over"

    outcome = bench.promote(switch_traffic=turn_over)

    assert marks == [True]
    assert outcome.notes == ("serving was turned over",)


def test_a_switch_that_breaks_leaves_the_entry_to_the_next_command(bench: Bench) -> None:
    """At once: nobody waits for the lease of somebody who gave up. The switch runs again, and nothing else does."""
    serving = Serving()
    serving.broken = True
    with pytest.raises(ServingFault) as failed:
        bench.promote(switch_traffic=serving)
    keys, aliases = bench.snapshot
    with pytest.raises(ServingFault):
        bench.promote(switch_traffic=serving)
    serving.broken = False

    outcome = bench.promote(switch_traffic=serving)

    assert failed.value.message == (
        f"the registry shows version 2 of {bench.model} as Production, and serving does not: "
        "the switch ./switch.sh ended with 3"
    )
    assert failed.value.remedy == (
        f'mend what it says, then run the same command again; or leave that version with gate rollback {bench.model} --reason "…"'
    )
    assert ("done-2" in keys, aliases["production"]) == (False, "2")
    assert json.loads(keys["failed-2"])["note"] == "the switch ./switch.sh ended with 3"
    assert serving.calls == [("promoted", "2")] * 3
    assert outcome.already
    assert [left.line[:49] for left in outcome.forwarded] == ["finished what was left: revision 2 (epoch 2, vers"]
    assert len(read_chain(bench.snapshot[0]).entries) == 2


def test_an_interrupted_switch_gives_up_its_hold(bench: Bench) -> None:
    """Ctrl-C while it runs."""

    def interrupted(entry: Entry) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.promote(switch_traffic=interrupted)

    assert json.loads(bench.snapshot[0]["failed-2"])["note"] == "KeyboardInterrupt"
    assert bench.promote().already


def test_whoever_turned_serving_over_too_late_turns_it_back(bench: Bench) -> None:
    """While our switch hung, others rolled back: it is run once more, for what is Production now."""
    serving = Serving()

    def hanging(entry: Entry) -> str:
        said = serving(entry)
        if entry.target == "2":
            bench.clock.forward(minutes=11)
            rollback = {"reason": "it hangs", "promotion": PROMOTION, "actor": CI, "clock": bench.clock}
            moving.rollback(MlflowRegistry(bench.models.uri), bench.model, **rollback, switch_traffic=serving)  # type: ignore[arg-type]
        return said

    with pytest.raises(Refused) as told:
        bench.promote(switch_traffic=hanging)

    assert serving.calls == [("promoted", "2"), ("rolled_back", "1"), ("rolled_back", "1")]
    assert bench.snapshot[1]["production"] == "1"
    assert (told.value.code, "closed by ci (unverified)" in told.value.message) == ("overtaken", True)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_serving_follows_wherever_a_promotion_crashes(bench: Bench, at: int, after: bool) -> None:
    """The switch has run for what is Production when the next command is done, whoever ran it."""
    serving = Serving()
    real, bench.models = bench.models, replace_registry(bench.models, at, after=after)
    with pytest.raises(Crash):
        bench.promote(switch_traffic=serving)
    bench.models = real
    bench.clock.forward(minutes=11)

    bench.promote(switch_traffic=serving)

    assert bench.snapshot[1]["production"] == "2"
    assert serving.calls[-1] == ("promoted", "2")
    assert len(serving.calls) in (1, 2)


def test_a_version_that_is_deleted_while_it_is_promoted_is_given_up(bench: Bench) -> None:
    """By whoever promoted it, or by the next command; the aliases are back where they were."""
    mlflow = bench.models.mlflow

    class Deleting(Crashing):
        def writing(self, call: Any) -> Any:
            def write(*arguments: Any, **more: Any) -> Any:
                if call.__name__ == "set_alias":
                    with suppress(MlflowException):
                        mlflow.delete_model_version(bench.model, "2")
                return call(*arguments, **more)

            return write

    real = bench.models
    bench.models = replace_registry(bench.models, 99, after=False)
    bench.models.registry = Deleting(MlflowRegistry(real.uri), 99)  # type: ignore[assignment]
    with pytest.raises(Refused) as refused:
        bench.promote()
    bench.models = real
    third = real.register(bench.model)

    bench.promote(evidence(bench.model, third, champion=bench.first))

    assert refused.value.code == "target_gone"
    assert "counts for nothing, because version 2 is gone from the registry" in refused.value.message
    chain = read_chain(bench.snapshot[0])
    assert [chain.ending(entry) for entry in chain.entries] == ["done", "abandoned", "done"]
    assert chain.done[2].note == "version 2 is gone from the registry"
    assert bench.snapshot[1] == {"production": "3", "previous": "1"}


def test_a_version_that_was_deleted_after_a_crash_does_not_hold_up_the_next(bench: Bench) -> None:
    """It is given up, and told; after that everything goes on."""
    real, bench.models = bench.models, replace_registry(bench.models, 4, after=True)
    with pytest.raises(Crash):
        bench.promote()
    bench.models = real
    claimed, aliases = bench.snapshot
    bench.models.mlflow.delete_model_version(bench.model, "2")
    bench.clock.forward(minutes=11)
    third = real.register(bench.model)

    outcome = bench.promote(evidence(bench.model, third, champion=bench.first))

    assert ("done-2" in claimed, "epoch-2" in claimed, aliases["production"]) == (False, True, "2")
    assert outcome.lines[0].startswith(
        "gave up what was left: revision 2 (epoch 2, version 2 promoted by ci (unverified) at "
    )
    assert outcome.lines[0].endswith(", because version 2 is gone from the registry")
    assert bench.snapshot[1] == {"production": "3", "previous": "1"}


def test_the_way_back_is_waived_until_its_day(bench: Bench) -> None:
    """The champion is not asked; that stands in the ledger. Afterwards the promotion is refused."""

    def broken(version: ModelVersion) -> None:
        raise ModelFault("it needs a wheel that is gone")

    def policy(until: str) -> PromotionPolicy:
        return PromotionPolicy.model_validate({"way_back": f"waived: its wheel is gone, until {until}"})

    assert bench.refusal(prove=broken).code == "way_back"
    assert bench.refusal(prove=broken, promotion=policy("2026-11-20")).code == "waiver_expired"
    outcome = bench.promote(prove=broken, promotion=policy("2026-11-21"))

    said = "the rollback proof is waived: its wheel is gone, until 2026-11-21"
    assert outcome.notes[0] == said
    assert json.loads(bench.snapshot[0]["epoch-2"])["reason"] == f"the policy requires no approval; {said}"


def test_a_waiver_holds_too_where_another_job_made_the_proof(bench: Bench) -> None:
    """It asked gates again, and not the champion; the waiver's day, the evidence and the half hour count as ever."""
    policy = PromotionPolicy.model_validate({"way_back": "waived: its wheel is gone, until 2026-11-21"})
    again = RerunResult(("metadata",))
    proof = RollbackProof(bench.model, bench.evidence.digest, None, None, None, 0, bench.clock(), CI, rerun=again)
    other = replace(proof, evidence="sha256:" + "0" * 64)

    assert bench.refusal(proof=proof).code == "proof"
    assert bench.refusal(proof=other, promotion=policy).code == "proof"
    assert bench.promote(proof=proof, promotion=policy).notes[0] == (
        "the rollback proof is waived: its wheel is gone, until 2026-11-21; re-run: metadata"
    )
    assert bench.proven == []


def test_a_proof_from_another_job_stands_for_asking(bench: Bench) -> None:
    """For half an hour, for these files; the job that promotes asks nothing."""

    def answer(version: ModelVersion) -> RollbackAnswer:
        return RollbackAnswer("input example", 1, digest.folder_digest(bench.models.files(version)))

    def never(version: ModelVersion) -> None:
        raise AssertionError("a model was asked")

    reader = Identity("unverified", "reader@example.org", "reader")
    proof = make_rollback_proof(bench.models.registry, bench.evidence, run=answer, by=reader, clock=bench.clock)
    other = evidence(bench.model, bench.second, champion=bench.first)
    bench.clock.forward(minutes=29)
    assert bench.refusal(other, prove=never, proof=proof).code == "proof"
    weights = bench.models.files(bench.first) / "weights.txt"
    kept = weights.read_text()
    weights.write_text("other weights")
    assert bench.refusal(prove=never, proof=proof).code == "way_back"
    assert (
        bench.refusal(evidence(bench.model, bench.second), prove=never, proof=proof, follows_production=False).code
        == "proof"
    )
    weights.write_text(kept)

    outcome = bench.promote(prove=never, proof=proof)

    assert outcome.notes[0].startswith("the rollback was proven by reader (unverified) on 2026-11-21T12:01:0")
    assert outcome.notes[0] in json.loads(bench.snapshot[0]["epoch-2"])["reason"]


def test_an_old_proof_is_no_proof(bench: Bench) -> None:
    """It says how to make another."""
    answer = RollbackAnswer("input example", 1, digest.folder_digest(bench.models.files(bench.first)))
    proof = make_rollback_proof(
        bench.models.registry, bench.evidence, run=lambda version: answer, by=CI, clock=bench.clock
    )
    bench.clock.forward(minutes=31)

    refused = bench.refusal(proof=proof)

    assert refused.code == "proof"
    assert f"gate promote {bench.evidence.digest} --prove-only FILE" in str(refused)


def test_where_nothing_holds_production_there_is_nothing_to_prove(models: Models, clock: Clock) -> None:
    """The proof says so, and counts."""
    model = models.new()
    about = evidence(model, models.register(model))

    proof = make_rollback_proof(models.registry, about, run=lambda version: 1 / 0, by=CI, clock=clock)  # type: ignore[arg-type,return-value]

    assert proof.version is None
    assert proof.objection(model=model, evidence=about.digest, outgoing=None, now=clock()) is None


def test_who_comes_second_is_told(bench: Bench) -> None:
    """Somebody else's entry lands between verifying and claiming: one wins, the other learns which."""
    third = bench.models.register(bench.model)
    other = evidence(bench.model, third, champion=bench.first)

    def meanwhile(version: ModelVersion) -> None:
        bench.promote(other, prove=lambda version: None)

    with pytest.raises(Refused) as refused:
        bench.promote(prove=meanwhile)

    assert refused.value.code == "overtaken"
    assert "version 3 promoted by ci (unverified)" in refused.value.message
    assert bench.snapshot[1]["production"] == "3"
    assert len(read_chain(bench.snapshot[0]).entries) == 2


def test_a_broken_ledger_stops_everything(bench: Bench) -> None:
    """Nothing moves on a record that does not hold together."""
    ledger = bench.models.registry.ledger(bench.model)
    entry = read_chain(ledger.keys()).draft("promoted", source="7", target="2", actor=CI, at=NOW, lease=PROMOTION.lease)
    ledger.put_if_absent("epoch-2", entry.bytes.decode())
    ledger.put_if_absent("done-2", Done(2, entry.sha256, CI, NOW).bytes.decode())

    refused = bench.refusal()

    assert refused.code == "ledger_broken"
    assert "epoch-2 says that it came from version 7, but version 1 was Production" in refused.message


def test_a_pass_is_staged_with_its_evidence(bench: Bench) -> None:
    """Once; a later promotion finds it there."""
    folder = run_folder(bench.evidence, bench.folder / "staged")

    def stage(about: Evidence) -> Outcome:
        return moving.record_staging(
            bench.models.registry, about, folder=folder, promotion=PROMOTION, actor=CI, clock=bench.clock
        )

    first, again = stage(bench.evidence), stage(bench.evidence)
    failed = evidence(bench.model, bench.second, verdict="fail", opens="no")
    with pytest.raises(Refused, match="nothing is staged"):
        stage(failed)

    assert (first.already, again.already) == (False, True)
    assert bench.snapshot[1] == {"production": "1", "staging": "2"}
    assert bench.state("2") == "staging"
    bench.promote()
    assert bench.snapshot[1] == {"production": "2", "previous": "1"}


class Counting:
    """A registry that counts what is asked of it."""

    def __init__(self, registry: Any, calls: list[str]) -> None:
        self.registry, self.calls = registry, calls

    def __getattr__(self, name: str) -> Any:
        thing = getattr(self.registry, name)
        if name in ("ledger", "evidence"):
            return lambda model: Counting(thing(model), self.calls)

        def call(*arguments: Any, **more: Any) -> Any:
            self.calls.append(name)
            return thing(*arguments, **more)

        return call


def test_a_promotion_asks_little_of_the_registry(bench: Bench) -> None:
    """Beyond proving the way back, and publishing where that was not done before."""
    moving.record_staging(
        bench.models.registry,
        bench.evidence,
        folder=run_folder(bench.evidence, bench.folder / "staged"),
        promotion=PROMOTION,
        actor=CI,
        clock=bench.clock,
    )
    calls: list[str] = []
    counting = Models.__new__(Models)
    counting.__dict__.update(bench.models.__dict__)
    counting.registry = Counting(bench.models.registry, calls)  # type: ignore[assignment]
    bench.models = counting

    bench.promote(folder=None)

    free = ("version", "fetch", "stages", "storable_tags")  # of a model with aliases alone
    assert [call for call in calls if call not in free] == [
        "keys",
        "holder",  # which came with them
        "aliases",
        "newest",
        "show_holder",
        "put_if_absent",
        "set_alias",
        "set_alias",
        "loaded",
        "delete_alias",
        "put_if_absent",
        "versions",
        *["set_tags"] * 4,
    ]


def test_a_previous_that_was_deleted_does_not_hold_up_a_rollforward(bench: Bench) -> None:
    """There is no alias previous then."""
    keys = bench.models.registry.ledger(bench.model)
    entry = read_chain(keys.keys()).draft(
        "promoted", source="1", target="2", actor=CI, at=bench.clock(), lease=PROMOTION.lease
    )
    keys.put_if_absent("epoch-2", entry.bytes.decode())
    bench.models.mlflow.delete_model_version(bench.model, "1")
    bench.clock.forward(minutes=11)

    outcome = bench.promote()

    assert outcome.already
    assert bench.snapshot[1] == {"production": "2"}
    with pytest.raises(NotFound):
        bench.models.registry.version(bench.model, "1")
    assert replace(outcome.entry, stored=None) == replace(entry, at=outcome.entry.at)
