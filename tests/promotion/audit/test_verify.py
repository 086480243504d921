"""Verify names what somebody did behind the ledger's back, and repair puts back what can be put back.

Each test tampers as a person would: through MLflow's own interface, in the database file, or among the artifacts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import moving
from helpers.promoting import CI, POLICY, PROMOTION, Models, evidence, run_folder, signed, ssh_key
from lockgate import hashing as digest
from lockgate.errors import Refused
from lockgate.promotion import publish as published
from lockgate.promotion.audit.verify import Verification, verify
from lockgate.promotion.ledger import export as ledger_copy
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.signoff.decision import Ballot
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote
from promotion.test_rollback import Bench


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


@pytest.fixture
def bench(models: Models) -> Bench:
    """Version 1 was adopted, 2 and 3 were promoted after it."""
    return models.prepared(lambda folder: Bench(models, folder))


def look(bench: Bench, **more: Any) -> Verification:
    """As a new process would see it."""
    scratch = bench.folder / f"verify-{bench.clock().timestamp()}"
    registry = MlflowRegistry(bench.models.uri)
    return verify(registry, bench.model, promotion=PROMOTION, now=bench.clock.now, scratch=scratch, **more)


def codes(found: Verification) -> list[str]:
    return [one.code for one in found.discrepancies]


def mend(bench: Bench) -> list[str]:
    outcome = moving.repair(
        bench.registry, bench.model, reason="by hand", promotion=PROMOTION, actor=CI, clock=bench.clock
    )
    return [] if outcome is None else outcome.lines


def ledger_run(bench: Bench) -> str:
    experiment = bench.models.mlflow.get_experiment_by_name(f"lockgate-ledger/{bench.model}")
    return str(experiment.tags["ledger_run"])


def evidence_run(bench: Bench, about: str) -> Any:
    experiment = bench.models.mlflow.get_experiment_by_name(f"lockgate-evidence/{bench.model}")
    return bench.models.mlflow.search_runs([experiment.experiment_id], f"tags.`lockgate.digest` = '{about}'")[0]


def write_key(bench: Bench, key: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit a write-once param where it lies: in the database."""
    with sqlite3.connect(bench.models.uri.removeprefix("sqlite:///")) as database:
        where = (ledger_run(bench), key)
        (text,) = database.execute("select value from params where run_uuid = ? and key = ?", where).fetchone()
        document = json.loads(text)
        change(document)
        edited = digest.canonical(document).decode()
        database.execute("update params set value = ? where run_uuid = ? and key = ?", (edited, *where))
    database.close()


def test_times_that_run_backwards_are_told_and_nothing_is_wrong(bench: Bench) -> None:
    """They can never be put right, so that a schedule which verifies goes on."""
    bench.clock.forward(minutes=-30)
    bench.rollback()
    bench.clock.forward(minutes=40)

    state = look(bench)

    assert (state.exit_code, state.to_json()["agrees"]) == (0, True)
    assert [notice["code"] for notice in state.to_json()["notices"]] == ["clock_backwards"]
    assert [line[:11] for line in state.lines if line.startswith("~")] == ["~ epoch-4 o"]


def test_where_nobody_did_anything_all_agrees(bench: Bench) -> None:
    """It counts what it looked at, and says what no hash covers."""
    found = look(bench)

    assert found.discrepancies == ()
    assert found.exit_code == 0
    assert found.lines == [
        f"{bench.model}: all agrees: 3 entries, 3 versions, 2 published runs",
        "  only a copy kept elsewhere would show that epoch-3, done-3 were edited, or that the last entry was taken away, as no "
        "later entry covers them: --export FILE now, --ledger FILE later",
    ]


def test_an_alias_moved_by_hand_is_named_and_put_back(bench: Bench) -> None:
    """With who had moved it last and what to do; the repair is an entry of its own and changes no standing."""
    bench.registry.set_alias(bench.model, "production", "1")
    found = look(bench)

    lines = mend(bench)

    assert codes(found) == ["alias_moved"]
    assert str(found.discrepancies[0]).startswith(
        f"the alias production of {bench.model}: it was moved by hand: it points to version 1, and the ledger says "
        "version 3, promoted by ci (unverified) on "
    )
    assert found.exit_code == 1
    assert lines[0].startswith(f"{bench.model} version 3 is Production, as the ledger says since ")
    assert lines[-2:] == [
        "done: point the alias production to version 3",
        "which version answers your users was not checked; promotion.switch with a check does that",
    ]
    assert bench.aliases == {"production": "3", "previous": "2"}
    entry = read_chain(bench.registry.ledger(bench.model).keys()).entries[-1]
    assert (entry.kind, entry.source, entry.target, entry.reason) == ("repaired", "1", "3", "by hand")
    assert look(bench).discrepancies == ()
    assert mend(bench) == []


def test_an_alias_that_was_deleted_or_stands_for_nothing_is_named(bench: Bench) -> None:
    """Nobody loads Production by `previous` or `staging` in silence."""
    bench.models.mlflow.delete_registered_model_alias(bench.model, "previous")
    bench.registry.set_alias(bench.model, "staging", "3")

    found = look(bench)
    mend(bench)

    assert codes(found) == ["alias_moved", "alias_left"]
    assert "it is missing, and the ledger says version 2" in str(found.discrepancies[0])
    assert "it stands for nothing, and still points to version 3" in str(found.discrepancies[1])
    assert found.repairs == [
        "point the alias previous to version 2",
        "delete the alias staging, which stands for nothing",
    ]
    assert bench.aliases == {"production": "3", "previous": "2"}


def test_a_tag_edited_by_hand_is_named_and_put_back(bench: Bench) -> None:
    """State, evidence, who and when."""
    bench.registry.set_tags(bench.model, "2", {"lockgate.state": "production", "lockgate.promoted_by": "me"})
    bench.models.mlflow.delete_model_version_tag(bench.model, "3", "lockgate.evidence")

    found = look(bench)
    mend(bench)

    assert codes(found) == ["tag_edited"] * 3
    assert (
        f"the tag lockgate.state of {bench.model} version 2: it is production, and the ledger says standby; "
        f"gate verify {bench.model} --repair sets it again" in map(str, found.discrepancies)
    )
    assert bench.state("2") == "standby"
    assert bench.registry.version(bench.model, "3").tags["lockgate.evidence"] == bench.last.digest
    assert look(bench).discrepancies == ()


def test_a_deleted_version_is_named_by_what_it_was_for(bench: Bench) -> None:
    """Production, the standby, and one that was to be kept until a day; after that day it may go."""
    bench.models.mlflow.delete_model_version(bench.model, "1")
    kept = look(bench)
    bench.clock.forward(days=31)
    later = look(bench)
    bench.models.mlflow.delete_model_version(bench.model, "2")
    standby = look(bench)
    bench.models.mlflow.delete_model_version(bench.model, "3")
    production = look(bench)

    assert codes(kept) == ["version_deleted"]
    assert (
        f"version 1 of {bench.model}: it was deleted from the registry, and was to be kept until 2026-12-21T12:01"
        in str(kept.discrepancies[0])
    )
    assert later.discrepancies == ()
    assert codes(standby) == ["version_deleted"]
    assert any("and it is the previous version, to which a rollback goes" in str(one) for one in standby.discrepancies)
    assert any("and it is Production; gate rollback" in str(one) for one in production.discrepancies)
    with pytest.raises(Refused, match="is gone from the registry, so nothing can point to it") as refused:
        mend(bench)
    assert refused.value.code == "target_gone"


def test_edited_evidence_is_named(bench: Bench) -> None:
    """MLflow lets anybody overwrite an artifact, also with a better verdict."""
    run = evidence_run(bench, bench.last.digest)
    bench.models.mlflow.log_text(run.info.run_id, '{"verdict": "pass"}', "evidence.json")

    found = look(bench)

    assert codes(found) == ["evidence_edited"]
    assert found.discrepancies[0].where == f"the evidence {bench.last.digest} of epoch 3"


def test_evidence_that_is_gone_is_named(bench: Bench) -> None:
    """Its run, its file, or the whole experiment."""
    run = evidence_run(bench, bench.last.digest)
    bench.models.mlflow.delete_run(run.info.run_id)
    deleted = look(bench)
    bench.models.mlflow.restore_run(run.info.run_id)
    (Path(run.info.artifact_uri.removeprefix("file://")) / "evidence.json").unlink()
    unlinked = look(bench)
    bench.models.mlflow.delete_experiment(run.info.experiment_id)
    whole = look(bench)

    assert codes(deleted) == ["evidence_gone"]
    assert codes(unlinked) == ["evidence_edited"]
    assert "is gone or was edited since" in str(unlinked.discrepancies[0])
    assert codes(whole) == ["evidence_gone"]
    assert "was deleted, and the evidence with it" in str(whole.discrepancies[0])


def test_an_edited_exhibit_or_tag_of_the_evidence_is_named(bench: Bench) -> None:
    """The evidence holds the hash of each picture; and what is searched by must be what it says."""
    exhibit = {"name": "metrics/roc", "kind": "curve", "sha256": digest.sha256(b"[1]")}
    made = evidence(bench.model, bench.versions[2], finished=bench.clock(), verdict="fail", opens="no")
    made = type(made).from_document({**made.document, "exhibits": [exhibit]})
    folder = run_folder(made, bench.folder / made.run_id)
    (folder / "exhibits" / "metrics-roc.json").write_bytes(b"[1]")
    published.publish(bench.registry, made, folder, now=published.finished_at(made))
    whole = look(bench)
    run = evidence_run(bench, made.digest).info.run_id
    bench.models.mlflow.log_text(run, "[2]", "exhibits/metrics-roc.json")
    bench.models.mlflow.set_tag(run, "lockgate.verdict", "pass")

    found = look(bench)

    assert whole.discrepancies == ()
    assert codes(found) == ["exhibit_edited", "fact_edited"]
    assert "its exhibit metrics/roc was edited since" in str(found.discrepancies[0])
    assert "its tag lockgate.verdict is pass, and the evidence says fail" in str(found.discrepancies[1])


def test_an_edited_or_lost_vote_is_named(bench: Bench) -> None:
    """The ledger holds the hash of each vote that counted."""
    key = ssh_key(bench.folder, "olga")
    owners = SignoffPolicy.model_validate(
        {
            "groups": {"owners": [{"key": key.with_suffix(".pub").read_text().strip()}]},
            "require": {"owners": 1},
            "separation_of_duties": False,
        }
    )
    fourth = bench.models.register(bench.model)
    about = evidence(bench.model, fourth, champion=bench.versions[2], finished=bench.clock())
    vote, signature = signed(about, key, at=bench.clock())
    moving.promote(
        bench.registry, about, signoff=owners, promotion=PROMOTION, policy_digest=POLICY,
        ballot=Ballot((Vote.read(vote),)), actor=CI, clock=bench.clock, scratch=bench.folder / "scratch",
        prove=lambda version: None, votes=[(vote, signature)], folder=run_folder(about, bench.folder / about.run_id),
    )  # fmt: skip
    whole = look(bench)
    run, name = evidence_run(bench, about.digest), digest.sha256(vote).removeprefix("sha256:")
    file = Path(run.info.artifact_uri.removeprefix("file://")) / "votes" / f"{name}.json"
    file.write_bytes(vote.replace(b"olga", b"otto"))
    edited = look(bench)
    file.unlink()
    lost = look(bench)

    assert whole.discrepancies == ()
    assert codes(edited) == ["vote_edited"]
    assert f"the vote {name} was edited since" in str(edited.discrepancies[0])
    assert codes(lost) == ["vote_gone"]
    assert "on which revision 4 (epoch 4) rests, is gone" in str(lost.discrepancies[0])


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        ("epoch-2", {"reason": "because"}, "epoch-2 is not the entry that done-2 speaks of"),
        ("epoch-3", {"evidence": None}, "epoch-3 is not the entry that done-3 speaks of"),
        (
            "done-1",
            {"actor": {"kind": "github", "id": "1", "name": "olga"}},
            "done-2 does not follow the bytes of done-1",
        ),
        ("done-2", {"at": "2026-11-21T13:00:00.000Z"}, "done-3 does not follow the bytes of done-2"),
    ],
)
def test_an_edited_ledger_entry_is_named(bench: Bench, key: str, change: dict[str, Any], said: str) -> None:
    """Also who finished one, and when; nothing is repaired on such a ledger."""
    write_key(bench, key, lambda document: document.update(change))

    found = look(bench)

    assert codes(found) == ["ledger_edited"]
    assert said in str(found.discrepancies[0])
    with pytest.raises(Refused, match="does not hold together"):
        mend(bench)


def test_what_no_hash_covers_a_copy_shows(bench: Bench) -> None:
    """The last mark edited, the last entry taken away: each by name."""
    known = ledger_copy.copy_ledger(bench.model, bench.registry.ledger(bench.model).keys())
    assert look(bench, exported=known).discrepancies == ()

    write_key(bench, "done-3", lambda document: document.update(at="2026-11-21T13:00:00.000Z"))
    unseen, edited = look(bench), look(bench, exported=known)
    with sqlite3.connect(bench.models.uri.removeprefix("sqlite:///")) as database:
        database.execute("delete from params where run_uuid = ? and key like '%-3'", (ledger_run(bench),))
    database.close()
    taken = look(bench, exported=known)

    assert unseen.discrepancies == ()
    assert [(one.code, one.where) for one in edited.discrepancies] == [("copy_differs", "done-3")]
    assert [one.where for one in taken.discrepancies if one.code == "copy_differs"] == ["epoch-3", "done-3"]
    assert "is missing in the registry" in str(taken.discrepancies[0])


def test_a_deleted_ledger_is_named(bench: Bench) -> None:
    """And not taken for a model that has none."""
    bench.models.mlflow.delete_run(ledger_run(bench))

    found = look(bench)

    assert codes(found) == ["ledger_deleted"]
    assert "restore it in MLflow" in str(found.discrepancies[0])
    assert found.exit_code == 1


def test_a_model_without_a_ledger_has_nothing_to_disagree_with(models: Models, bench: Bench) -> None:
    """Until something is Production there."""
    bench.model = models.new()
    models.register(bench.model)
    bare = look(bench)
    bench.registry.set_alias(bench.model, "production", "1")

    assert bare.lines == [f"{bench.model}: all agrees: 0 entries, 1 version, 0 published runs"]
    assert codes(look(bench)) == ["not_adopted"]


def test_a_promotion_that_is_under_way_is_no_disagreement(bench: Bench) -> None:
    """Exit 3 while its lease is young; then it was left, and a repair finishes it."""
    ledger = bench.registry.ledger(bench.model)
    entry = read_chain(ledger.keys()).draft(
        "promoted", source="3", target="2", actor=CI, at=bench.clock(), lease=PROMOTION.lease
    )
    ledger.put_if_absent("epoch-4", entry.bytes.decode())
    during = look(bench)
    bench.clock.forward(minutes=11)
    after = look(bench)

    lines = mend(bench)

    assert (during.exit_code, after.exit_code) == (3, 1)
    assert "is in progress until" in during.lines[0]
    assert codes(after) == ["unfinished"]
    assert lines[0].startswith("finished what was left: revision 4 (epoch 4, version 2 promoted by ci (unverified) at ")
    assert look(bench).discrepancies == ()
    assert bench.aliases["production"] == "2"


def test_serving_follows_a_repair_that_moves_production_and_no_other(bench: Bench) -> None:
    """A tag is nothing that serving looks at."""
    turned: list[str | None] = []

    def turn_over(entry: Entry) -> str:
        turned.append(entry.target)
        return "serving answers"

    def mended() -> list[str]:
        arguments: dict[str, Any] = {"reason": "a slip", "promotion": PROMOTION, "actor": CI, "clock": bench.clock}
        outcome = moving.repair(bench.registry, bench.model, switch_traffic=turn_over, **arguments)
        return [] if outcome is None else outcome.lines

    bench.registry.set_tags(bench.model, "2", {"lockgate.state": "production"})
    tags = mended()
    bench.registry.set_alias(bench.model, "production", "2")
    moved = mended()

    assert turned == ["3"]
    assert tags[-1] == "done: set lockgate.state of version 2 to standby"
    assert moved[-1] == "serving answers"


def test_a_repair_that_broke_off_is_rolled_forward(bench: Bench) -> None:
    """By whatever moves a version next."""
    bench.registry.set_alias(bench.model, "production", "1")
    bench.registry.set_tags(bench.model, "1", {"lockgate.state": "production"})
    ledger = bench.registry.ledger(bench.model)
    entry = read_chain(ledger.keys()).draft(
        "repaired", source="1", target="3", actor=CI, at=bench.clock(), lease=PROMOTION.lease
    )
    ledger.put_if_absent("epoch-4", entry.bytes.decode())
    bench.clock.forward(hours=1)

    bench.rollback()

    assert bench.aliases == {"production": "2", "previous": "1"}
    assert look(bench).discrepancies == ()


def test_everything_that_moves_versions_leaves_all_in_agreement(bench: Bench) -> None:
    """Staged, promoted, rolled back, archived: verify has nothing to say."""

    bench.rollback()
    assert look(bench).discrepancies == ()
    bench.clock.forward(hours=49)
    assert (
        moving.archive(bench.registry, bench.model, promotion=PROMOTION, actor=CI, clock=bench.clock).entry is not None
    )

    assert look(bench).discrepancies == ()
