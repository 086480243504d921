"""The history tells who moved what, when, why and on what evidence, and what was Production at any moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import moving
from helpers.promoting import CI, NOW, POLICY, PROMOTION, Models, evidence, run_folder, signed, ssh_key
from lockgate.errors import UsageError
from lockgate.hashing import canonical
from lockgate.promotion import publish as published
from lockgate.promotion.audit.history import history, production_at, standing_at
from lockgate.promotion.ledger.chain import read_chain
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.signoff.decision import Ballot
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote
from lockgate.units import utc_text
from promotion.ledger.test_soak import Record
from promotion.test_rollback import Bench


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


@pytest.fixture
def bench(models: Models) -> Bench:
    """Version 1 was adopted, 2 and 3 were promoted after it."""
    return models.prepared(lambda folder: Bench(models, folder))


def stored(bench: Bench, **about: object) -> str:
    """Publish evidence of version 3 that opens nothing, or that somebody objects to."""
    made = evidence(bench.model, bench.versions[2], finished=bench.clock(), **about)  # type: ignore[arg-type]
    published.publish(
        bench.registry, made, run_folder(made, bench.folder / made.run_id), now=published.finished_at(made)
    )
    return made.digest


def test_every_entry_is_a_row_newest_first(bench: Bench) -> None:
    """With who did it (and that nobody verified that), why, and the beginning of the digest."""
    bench.rollback()

    found = history(bench.registry, bench.model, now=bench.clock())

    digest = bench.last.digest.removeprefix("sha256:")[:12]
    rows = [line.split("  ") for line in found.lines]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[0] == ["REVISION", "WHEN (UTC)", "WHAT", "VERSION", "WHO", "EVIDENCE", "APPROVALS", "WHY"]
    assert [row[0] for row in cells[1:]] == ["4", "3", "2", "1"]
    assert cells[1][2:5] == ["rolled back", "3 → 2", "ci (unverified)"]
    assert cells[1][-1] == "stalls"
    assert cells[2][2:] == ["promoted", "2 → 3", "ci (unverified)", digest, "the policy requires no approval"]
    assert cells[4][2:] == ["adopted", "1", "ci (unverified)", "it runs"]


def test_what_was_blocked_or_rejected_is_there_too(bench: Bench) -> None:
    """Each at its time, by its verdict or by whom; votes that approve are told by what they let in."""
    failed = stored(bench, verdict="fail", opens="no")
    passed = stored(bench)
    key = ssh_key(bench.folder, "olga")
    about = evidence(bench.model, bench.versions[2])
    for verb in ("approve", "reject"):
        voted = signed(about, key, at=bench.clock(), verb=verb)
        bench.registry.evidence(bench.model).add_vote(passed, *voted)

    found = history(bench.registry, bench.model, now=bench.clock())

    assert [(one.version, one.verdict, one.digest) for one in found.blocked] == [("3", "fail", failed)]
    assert [(version, vote.verb) for version, vote in found.objections] == [("3", "reject")]
    assert "rejected" in found.lines[1]
    assert "blocked (fail)" in found.lines[2]
    document = found.to_json()
    assert document["schema"] == "lockgate/history/v1"
    assert [entry["epoch"] for entry in document["entries"]] == [3, 2, 1]
    assert document["entries"][0]["done"]["by"] == CI.to_json()
    assert document["blocked"][0]["evidence"] == failed
    assert document["objections"][0]["by"]["name"] == "olga@example.org"


def test_an_objection_too_long_for_a_tag_is_shown_without_its_reason(bench: Bench) -> None:
    """Rather than cut; its bytes lie beside the evidence."""
    passed = stored(bench)
    by = {"kind": "ssh", "id": "SHA256:x", "name": "olga"}
    vote = {
        "schema": "lockgate/vote/v1", "verb": "reject", "digest": passed, "model": bench.model, "accepting": None,
        "reason": "no " * 2000, "at": utc_text(NOW), "by": by,
    }  # fmt: skip
    bench.registry.evidence(bench.model).add_vote(passed, canonical(vote), b"signature")

    (_, objection), *_ = history(bench.registry, bench.model, now=bench.clock()).objections

    assert objection.reason == "(6,000 characters)"


def test_that_night_it_was_that_version_on_that_evidence_approved_by_them(bench: Bench) -> None:
    """Though it is rolled back since, and though a rollback brought it there."""
    key = ssh_key(bench.folder, "olga")
    owners = SignoffPolicy.model_validate(
        {
            "groups": {"owners": [{"key": key.with_suffix(".pub").read_text().strip()}]},
            "require": {"owners": 1},
            "separation_of_duties": False,
        }
    )
    fourth, fifth = bench.models.register(bench.model), bench.models.register(bench.model)
    about = evidence(bench.model, fourth, champion=bench.versions[2], finished=bench.clock())
    voted = signed(about, key, at=bench.clock())

    def promote(made: object, policy: SignoffPolicy, votes: list[tuple[bytes, bytes]]) -> None:
        moving.promote(
            bench.registry, made, signoff=policy, promotion=PROMOTION, policy_digest=POLICY,  # type: ignore[arg-type]
            ballot=Ballot(tuple(Vote.read(vote) for vote, _ in votes)), actor=CI, clock=bench.clock,
            scratch=bench.folder / "scratch", prove=lambda version: None, votes=votes,
            folder=run_folder(made, bench.folder / made.run_id),  # type: ignore[arg-type, attr-defined]
        )  # fmt: skip

    promote(about, owners, [voted])
    bench.clock.forward(hours=1)
    night = bench.clock()
    nobody = SignoffPolicy(require={"owners": 0})
    promote(evidence(bench.model, fifth, champion=fourth, finished=bench.clock()), nobody, [])
    bench.clock.forward(hours=1)
    bench.rollback()
    bench.clock.forward(hours=1)

    then = production_at(bench.registry, bench.model, moment=night, now=bench.clock())
    now = production_at(bench.registry, bench.model, moment=bench.clock(), now=bench.clock())

    assert then.lines[0] == f"{bench.model} version 4 was Production on {utc_text(night)}"
    assert "(revision 4, epoch 4), until " in then.lines[1]
    assert then.lines[1].endswith("(revision 5, epoch 5)")
    assert then.lines[2] == "  promoted by ci (unverified): approved by olga@example.org"
    assert then.lines[3] == f"  on evidence {about.digest}"
    assert then.lines[4].startswith("  approved by olga@example.org on ")
    assert len(then.lines) == 5
    assert now.to_json()["production"] == "4"
    assert now.lines[1].endswith("(revision 6, epoch 6), and still is")
    assert now.lines[2] == "  rolled back by ci (unverified): stalls"
    assert now.lines[3].endswith("(revision 4, epoch 4), promoted by ci (unverified): approved by olga@example.org")
    assert [vote.by.name for vote in now.approvals] == ["olga@example.org"]
    assert [one["sha256"] for one in now.to_json()["approvals"]] == list(now.to_json()["let_in"]["votes"])


def test_before_the_ledger_began_nobody_knows(bench: Bench) -> None:
    """It says so, and since when it would; a time to come is no question."""
    early = production_at(bench.registry, bench.model, moment=NOW - timedelta(days=1), now=bench.clock())
    bare = bench.models.new()
    bench.models.register(bare)

    assert not early.recorded
    assert early.lines == [
        f"what was Production of {bench.model} on 2026-11-20T12:00:00.000Z is not known: the ledger begins on "
        f"{utc_text(early.chain.entries[0].at)}"
    ]
    assert "the ledger has no entry" in production_at(bench.registry, bare, moment=NOW, now=bench.clock()).lines[0]
    with pytest.raises(UsageError, match="still to come"):
        production_at(bench.registry, bench.model, moment=NOW + timedelta(days=1), now=bench.clock.now)


def test_what_was_only_staged_was_not_production() -> None:
    """The ledger has begun, and nothing held the place."""
    record = Record()
    record.add("staged", "1", NOW)
    record.add("adopted", "1", NOW + timedelta(hours=1))
    chain = record.chain

    assert standing_at(chain, NOW, "fraud").lines == ["fraud had no Production on 2026-11-21T12:00:00.000Z"]
    assert standing_at(chain, NOW + timedelta(hours=1), "fraud").entry == chain.entries[1]


def test_a_moment_inside_a_promotion_is_told_as_such(bench: Bench) -> None:
    """The ledger has both times."""
    chain = read_chain(bench.registry.ledger(bench.model).keys())
    ledger = bench.registry.ledger(bench.model)
    unfinished = chain.draft("promoted", source="3", target="2", actor=CI, at=bench.clock(), lease=PROMOTION.lease)
    ledger.put_if_absent("epoch-4", unfinished.bytes.decode())

    inside = production_at(bench.registry, bench.model, moment=chain.entries[2].at, now=bench.clock())
    after = production_at(bench.registry, bench.model, moment=bench.clock(), now=bench.clock())

    assert inside.notes[0].startswith("in between: revision 3 (epoch 3) was claimed on ")
    assert inside.notes[0].endswith("; until then version 2 may have answered")
    assert after.notes == ("revision 4 (epoch 4), promoted, was claimed and is not done",)


def test_a_broken_ledger_is_shown_as_far_as_it_holds(bench: Bench) -> None:
    """And the break is named."""
    bench.registry.ledger(bench.model).put_if_absent("epoch-4", "nonsense")

    found = history(bench.registry, bench.model, now=bench.clock())

    assert [entry.epoch for entry in found.chain.entries] == [1, 2, 3]
    assert found.lines[-1].startswith("! the ledger does not hold together: epoch-4 cannot be read")


def test_a_blocked_run_whose_tags_somebody_edited_is_pointed_at(bench: Bench) -> None:
    """It does not end the history."""
    failed = stored(bench, verdict="fail", opens="no")
    experiment = bench.models.mlflow.get_experiment_by_name(f"lockgate-evidence/{bench.model}")
    run = bench.models.mlflow.search_runs([experiment.experiment_id], f"tags.`lockgate.digest` = '{failed}'")[0]
    bench.models.mlflow.set_tag(run.info.run_id, "lockgate.at", "yesterday")

    found = history(bench.registry, bench.model, now=bench.clock())

    assert found.blocked == ()
    assert found.problems == (f"the tags of the evidence {failed} were edited; see gate verify {bench.model}",)


def test_a_history_without_its_evidence_is_still_a_history(bench: Bench) -> None:
    """Somebody deleted the experiment: the moves are told, and that the blocked runs are not known."""
    experiment = bench.models.mlflow.get_experiment_by_name(f"lockgate-evidence/{bench.model}")
    bench.models.mlflow.delete_experiment(experiment.experiment_id)
    found = history(MlflowRegistry(bench.models.uri), bench.model, now=bench.clock())

    assert len(found.chain.entries) == 3
    assert "which runs were blocked cannot be read" in found.lines[-1]


def test_the_calls_do_not_grow_with_the_history(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries, evidence and votes come in as many reads for ten as for one."""
    asked: list[str] = []
    read = MlflowClient.read

    def counted(self: MlflowClient, what: str, ask: object, **more: str) -> object:
        asked.append(what)
        return read(self, what, ask, **more)  # type: ignore[arg-type]

    def calls() -> int:
        asked.clear()
        history(MlflowRegistry(bench.models.uri), bench.model, now=bench.clock())
        return len(asked)

    monkeypatch.setattr(MlflowClient, "read", counted)
    few = calls()
    key = ssh_key(bench.folder, "olga")
    for _ in range(5):
        passed = stored(bench)
        stored(bench, verdict="fail", opens="no")
        about = evidence(bench.model, bench.versions[2])
        bench.registry.evidence(bench.model).add_vote(passed, *signed(about, key, verb="reject"))
    bench.rollback()
    bench.rollback()

    assert calls() == few <= 4


@given(st.lists(st.tuples(st.sampled_from(["1", "2", "3"]), st.integers(0, 100)), min_size=1, max_size=8), st.data())
def test_what_was_production_is_the_last_move_before(moves: list[tuple[str, int]], data: st.DataObject) -> None:
    """At any moment, held against a plain loop."""
    record, now, held = Record(), NOW, []
    for version, hours in moves:
        now += timedelta(hours=hours)
        if not held or held[-1][1] != version:
            record.add("promoted" if held else "adopted", version, now)
            held.append((now, version))
    asked = NOW + timedelta(hours=data.draw(st.integers(-10, 500)))

    found = standing_at(record.chain, asked, "fraud")

    before = [version for moment, version in held if moment <= asked]
    later = [moment for moment, _ in held if moment > asked]
    assert found.standing.production == (before[-1] if before else None)
    assert found.recorded == bool(before)
    assert (found.ended.at if found.ended else None) == (later[0] if later and before else None)
