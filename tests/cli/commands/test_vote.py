"""An approval is a signature under one digest, stored beside the evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import moving
from helpers.desk import Desk
from helpers.promoting import CI, PROMOTION, ssh_key
from lockgate.cli.commands import adopt, promote, rollback, status
from lockgate.cli.commands.vote import approve, override, reject
from lockgate.errors import Refused, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.promotion import publish as publishing
from lockgate.signoff import ssh
from lockgate.signoff.vote import Vote


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def refusal(desk: Desk, command: object, *arguments: object) -> Refused:
    error = desk.gate(command, *arguments).exception
    assert isinstance(error, Refused)
    return error


def refused_alike(desk: Desk, about: Evidence) -> Refused:
    """What a promotion is refused for, and an approval too."""
    promoting = refusal(desk, promote.command, about.digest)
    approving = refusal(desk, approve, about.digest, "--key", desk.key)
    assert (approving.code, approving.message) == (promoting.code, promoting.message)
    return approving


def stage(desk: Desk, about: Evidence) -> None:
    recorded = publishing.finished_at(about)
    moving.record_staging(
        desk.models.registry, about, folder=desk.folder_of(about), promotion=PROMOTION, actor=CI, clock=lambda: recorded
    )


def test_a_vote_lies_beside_the_evidence(desk: Desk) -> None:
    """Here at once, in the registry where the evidence is published."""
    about = desk.evaluate(desk.register())

    first = desk.gate(approve, about.digest, "--key", desk.key, "--reason", "looked at it")
    publishing.publish(desk.models.registry, about, desk.folder_of(about), now=publishing.finished_at(about))
    second = desk.gate(approve, about.digest.removeprefix("sha256:"), "--key", desk.key)

    assert (first.exit_code, second.exit_code) == (0, 0), (first.exception, second.exception)
    votes = [Vote.read(vote) for vote, _ in ssh.stored_votes(desk.folder_of(about) / "votes")]
    assert {vote.reason for vote in votes} == {"looked at it", ""}
    assert {(vote.verb, vote.digest, vote.by.name) for vote in votes} == {
        ("approve", about.digest, "alice@example.org")
    }
    assert len(desk.models.registry.evidence(desk.model).votes(about.digest)) == 1
    assert second.stdout.splitlines() == [
        f"alice@example.org approves {about.digest}",
        "stored beside the evidence in the registry",
    ]


def test_after_a_vote_it_is_told_what_comes_next(desk: Desk) -> None:
    """How many approvals are missing, the promotion, and that it is done already; to people alone."""
    bob = ssh_key(desk.folder, "bob")
    text = desk.pipeline.read_text().replace('"}]}', f'"}}, {{key: "{ssh.public_key(bob)}"}}]}}')
    desk.pipeline.write_text(text.replace("owners: 1}", "owners: 2}"))
    about = desk.evaluate(desk.register())

    told = [desk.gate(approve, about.digest, "--key", key).stderr for key in (desk.key, bob)]
    desk.gate(promote.command, about.digest)
    told += [desk.gate(command, about.digest, "--key", bob).stderr for command in (approve, reject)]

    done = f"version 1 of {desk.model} is Production on this evidence already"
    assert told == [
        "next     1 approval of owners missing\n",
        f"next     gate promote {about.digest[:19]}\n",
        f"{done}\n",
        f"{done}: gate rollback {desk.model} takes it back\n",
    ]


def test_a_vote_can_be_carried_elsewhere(desk: Desk) -> None:
    """With --out nothing is stored beside the evidence."""
    about = desk.evaluate(desk.register())

    desk.gate(approve, about.digest, "--key", desk.key, "--out", desk.folder / "vote.json")

    assert Vote.read((desk.folder / "vote.json").read_bytes()).digest == about.digest
    assert b"SSH SIGNATURE" in (desk.folder / "vote.json.sig").read_bytes()
    assert not (desk.folder_of(about) / "votes").exists()


def test_a_rejection_is_a_vote_as_well(desk: Desk) -> None:
    """On any evidence, also on what did not pass."""
    about = desk.evaluate(desk.register(), verdict="fail", opens="no")

    ended = desk.gate(reject, about.digest, "--key", desk.key, "--reason", "no")

    assert ended.exit_code == 0, ended.exception
    assert [Vote.read(vote).verb for vote, _ in ssh.stored_votes(desk.folder_of(about) / "votes")] == ["reject"]


def test_strangers_and_hopeless_evidence_are_refused(desk: Desk) -> None:
    """Before anything is signed."""
    version = desk.register()
    passed = desk.evaluate(version)
    failed = desk.evaluate(version, verdict="fail", opens="no")
    asking = desk.evaluate(version, verdict="inconclusive", opens="by_owner", asks=["metadata/r1/overall"])

    assert refusal(desk, approve, passed.digest, "--key", ssh_key(desk.folder, "eve")).code == "not_an_owner"
    assert refusal(desk, approve, failed.digest, "--key", desk.key).code == "not_open"
    unasked = refusal(desk, approve, asking.digest, "--key", desk.key, "--accepting", 1)
    assert unasked.code == "incomplete"
    assert "that no owner may accept" in str(unasked), "no line of the policy says if_inconclusive: ask"


def test_who_approves_says_how_many_undecided_findings_are_accepted(desk: Desk) -> None:
    """The refusal names the option, and each finding."""
    line = "- gate: metadata\n    require: [{metric: source_run, at_least: 1, if_inconclusive: ask}]"
    desk.pipeline.write_text(desk.pipeline.read_text().replace("- gate: metadata", line))
    asking = desk.evaluate(desk.register(), verdict="inconclusive", opens="by_owner", asks=["metadata/r1/overall"])

    undecided = refusal(desk, approve, asking.digest, "--key", desk.key)

    assert undecided.code == "accepting"
    assert "add --accepting 1" in str(undecided)
    assert desk.gate(approve, asking.digest, "--key", desk.key, "--accepting", 1).exit_code == 0


def test_nothing_is_signed_that_a_promotion_would_refuse_whatever_is_signed(desk: Desk) -> None:
    """With the reason of the promotion; a changed policy is named before what else its evidence lacks then."""
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    stage(desk, about)
    failed = desk.evaluate(second, champion=first, verdict="fail", opens="no")
    publishing.publish(desk.models.registry, failed, desk.folder_of(failed), now=publishing.finished_at(failed))

    refusals = {"not_newest": refused_alike(desk, about)}
    desk.pipeline.write_text(desk.pipeline.read_text().replace("gate: metadata", "gate: metadata\n    name: card"))
    refusals["policy_changed"] = refused_alike(desk, about)

    assert {code: error.code for code, error in refusals.items()} == {code: code for code in refusals}
    assert f"gate report {failed.digest} shows what stopped it" in str(refusals["not_newest"])


def test_evidence_of_a_version_that_was_withdrawn_is_not_signed(desk: Desk) -> None:
    """Neither to approve it nor to override anything; its next evidence is."""
    desk.write("  override: {owners: 1}\n")
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    desk.gate(promote.command, about.digest)
    desk.gate(rollback.command, desk.model, "--reason", "it burns")

    assert refused_alike(desk, about).code == "withdrawn"
    assert refusal(desk, override, about.digest, "--key", desk.key, "--reason", "now").code == "withdrawn"
    anew = desk.evaluate(second, champion=first)
    assert desk.gate(approve, anew.digest, "--key", desk.key).exit_code == 0


def test_what_is_no_digest_is_wrong_usage(desk: Desk) -> None:
    """Exit 2."""
    errors = [desk.gate(approve, text, "--key", desk.key).exception for text in ("latest", "777722A6CD0E")]

    for error in errors:
        assert isinstance(error, UsageError)
        assert error.exit_code == 2
        assert "64 lower-case hex digits; the first 12 do" in str(error)


def test_where_owners_approve_by_comment_alone_no_key_is_asked_for(desk: Desk) -> None:
    """By any command: a pull request that changes the candidate's file is the way."""
    text = desk.pipeline.read_text().replace("{newest: true}", "{file: models/m.version}")
    key = ssh.public_key(desk.key)
    desk.pipeline.write_text(text.replace(f'{{key: "{key}"}}', "{github: olga, id: 583231}"))
    about = desk.evaluate(desk.register())
    stage(desk, about)
    asked = desk.gate(approve)
    shown = desk.gate(status.command, desk.model).stdout

    assert isinstance(asked.exception, UsageError)
    way = "olga approves by a comment on a pull request, and only what its own job evaluated"
    assert asked.exception.message == way
    assert asked.exception.remedy is not None
    assert "open a pull request that changes models/m.version" in asked.exception.remedy
    assert f"it waits: 1 approval of owners missing; {way}" in " ".join(shown.split())
    assert "gate approve" not in shown
