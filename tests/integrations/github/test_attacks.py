"""Every attack that comes by comments, votes or what they rest on is played; the table is in docs/internals/attacks.md."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from helpers.hub.contract import github
from helpers.hub.deciding import asked, decided, event_of, ignored, said, seen, signoff
from helpers.hub.emulator import World, user
from helpers.promoting import POLICY, evidence
from lockgate.evidence.evidence import Evidence
from lockgate.integrations.github.comment_commands import read_record
from lockgate.integrations.github.schema import GitHubError

APPROVED, WAITING, REJECTED = ("approved", "approved"), ("pending", "votes_missing"), ("rejected", "rejected")


@pytest.fixture
def world() -> World:
    return World(github())


def approve(world: World, by: str, digest: str, **more: Any) -> dict[str, Any]:
    return world.comment(by, f"/gate approve {digest}", **more)


# who ------------------------------------------------------------------------------------------------------------------


def test_01_a_writer_who_is_no_owner_approves(world: World) -> None:
    approve(world, "mallory", world.run_gate().digest)

    decision = decided(world)

    assert (said(decision), ignored(decision)) == (WAITING, {("mallory", "not_owner")})


@pytest.mark.parametrize("association", ["OWNER", "MEMBER", "COLLABORATOR"])
def test_02_an_outsider_whose_association_looks_right_approves(world: World, association: str) -> None:
    approve(world, "mallory", world.run_gate().digest, author_association=association)

    assert ignored(decided(world)) == {("mallory", "not_owner")}


@pytest.mark.parametrize("association", ["NONE", "CONTRIBUTOR"])
def test_03_an_owner_whose_membership_is_private_counts(world: World, association: str) -> None:
    approve(world, "ana", world.run_gate().digest, author_association=association)

    assert said(decided(world)) == APPROVED


def test_04_the_author_of_the_pull_request_approves() -> None:
    world = World(github(), author="ana")
    approve(world, "ana", world.run_gate().digest)

    decision = decided(world)

    assert (said(decision), ignored(decision)) == (WAITING, {("ana", "own_work")})


def test_05_an_owner_who_pushed_one_commit_approves(world: World) -> None:
    world.push("ana")
    world.push("dev")
    approve(world, "ana", world.run_gate().digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_05_also_where_only_the_committer_or_the_pusher_is_the_owner(world: World) -> None:
    world.push("dev")
    world.commits[-1]["committer"] = user("ana")
    digest = world.run_gate(by="bo").digest
    approve(world, "ana", digest)
    approve(world, "bo", digest)

    assert ignored(decided(world)) == {("ana", "own_work"), ("bo", "own_work")}


def test_06_a_co_author_approves(world: World) -> None:
    number = user("ana")["id"]
    world.push("dev", message=f"train\n\nCo-authored-by: Ana <{number}+ana@users.noreply.github.com>")
    approve(world, "ana", world.run_gate().digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_06_a_co_author_or_author_whom_nobody_knows_stops_it(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    for email, message in (
        ("who@example.org", "train"),
        ("dev@example.org", "x\n\nCo-authored-by: W <who@example.org>"),
    ):
        world.push(None if message == "train" else "dev", email=email, message=message)
        approve(world, "ana", world.run_gate().digest)
        assert said(decided(world)) == ("refused", "authors_unknown")


def test_06_a_bot_that_committed_stops_it_until_the_policy_names_it(world: World) -> None:
    world.push("helper")
    world.commits[-1]["author"] = world.commits[-1]["committer"] = {"login": "helper[bot]", "id": 77, "type": "Bot"}
    approve(world, "ana", world.run_gate().digest)
    named = signoff().model_dump(exclude_unset=True)
    named["groups"] = {**named["groups"], "bots": [{"github": "helper[bot]", "id": 77}]}

    assert said(decided(world)) == ("refused", "authors_unknown")
    assert said(decided(world, signoff=type(signoff()).model_validate(named))) == APPROVED


@pytest.mark.parametrize(
    "trailer",
    [
        "Co-Authored-By: Claude Opus 4.5 (1M context) <noreply@anthropic.com>",
        "co-authored-by: Copilot <198982749+Copilot@users.noreply.github.com>",
        "Co-authored-by: Cursor Agent <cursoragent@cursor.com>",
        "Co-authored-by: Devin AI <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
    ],
)
def test_06_a_program_among_the_co_authors_is_no_person(world: World, trailer: str) -> None:
    world.push("dev", message=f"train\n\n{trailer}")
    approve(world, "ana", world.run_gate().digest)

    assert said(decided(world)) == APPROVED


def test_whoever_only_updated_the_branch_from_its_base_may_approve(world: World) -> None:
    """Also where nobody else could, and also for the run that this started; not once they start one by themselves."""
    world.update_branch("ana")
    approve(world, "ana", world.run_gate(by="ana").digest)
    assert said(decided(world, policy=signoff("ana"))) == APPROVED

    approve(world, "ana", world.rerun("ana").digest)
    assert ("ana", "own_work") in ignored(decided(world))


def test_any_number_of_updates_up_to_fifty_is_looked_into(world: World) -> None:
    """Those of people whom they would hinder: who wrote something else has a hand in it anyway."""
    for _ in range(30):
        world.update_branch("ana")
        world.update_branch("dev")
        world.start_run("dev")
    for _ in range(20):
        world.update_branch("ana")
    approve(world, "ana", world.run_gate(by="ana").digest)
    world.asked.clear()
    assert said(decided(world)) == APPROVED
    assert sum("/compare/" in line for line in world.asked) == 100

    world.update_branch("ana")
    approve(world, "ana", world.run_gate(by="ana").digest)
    assert ("ana", "own_work") in ignored(decided(world))


@pytest.mark.parametrize(
    "forged",
    [
        {"verified": False},
        {"signer": "ana@example.org", "committer": user("ana")},
        {"parents": ["e" * 40]},
        {"parents": ["e" * 40, "f" * 40]},
        {"solved": ["models/fraud.version"]},
        {"brings": [f"{number}.md" for number in range(300)]},
    ],
    ids=["unsigned", "signed-by-themselves", "no-merge", "of-another-branch", "a-conflict-solved", "too-many-files"],
)
def test_a_merge_that_is_somebodys_choice_is_their_work(world: World, forged: dict[str, Any]) -> None:
    """As it is where GitHub did not make it, did not merge the base into this branch, or took what somebody chose."""
    world.update_branch("ana", **forged)
    approve(world, "ana", world.run_gate().digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_a_merge_of_commits_that_are_not_of_the_base_is_somebodys_work(world: World) -> None:
    """GitHub merges any branch into another where it is asked to; what came with it is listed in the pull request."""
    world.push("ana")
    other = world.commits.pop()["sha"]
    world.update_branch("ana", parents=[world.head, other])
    world.commits.insert(1, {**world.commits[0], "sha": other})
    approve(world, "ana", world.run_gate().digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_an_update_that_cannot_be_looked_into_is_somebodys_work(world: World) -> None:
    """GitHub forgets commits that no branch has any more; the decision goes on without them."""
    world.update_branch("ana")
    approve(world, "ana", world.run_gate().digest)
    world.fault = lambda method, target: (404, {}, b"{}") if "/compare/" in target else None

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_who_updated_the_branch_and_committed_too_had_a_hand_in_it(world: World) -> None:
    world.push("ana")
    world.update_branch("ana")
    approve(world, "ana", world.run_gate(by="ana").digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


@pytest.mark.parametrize("pressing", ["ana", "bo"])
def test_who_pushed_what_lies_below_an_update_had_a_hand_in_it(world: World, pressing: str) -> None:
    """A commit names whom its maker likes; the first run on it, later ones of others or not, says who pushed it."""
    world.push("dev")
    world.run_gate(by="ana")
    world.start_run("dev")
    world.update_branch(pressing)
    approve(world, "ana", world.run_gate(by=pressing).digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_who_pushed_any_earlier_commit_had_a_hand_in_it(world: World) -> None:
    world.push("dev")
    world.run_gate(by="ana")
    world.push("dev")
    approve(world, "ana", world.run_gate().digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_an_update_of_what_nobody_is_seen_to_have_pushed_is_somebodys_work(world: World) -> None:
    """Without a run of that commit, as with [skip ci], the button would hide who pushed it; updates above are no better."""
    world.push("dev", message="train [skip ci]")
    world.update_branch("ana")
    world.update_branch("bo")
    digest = world.run_gate(by="bo").digest
    approve(world, "ana", digest)
    approve(world, "bo", digest)

    assert ignored(decided(world)) == {("ana", "own_work"), ("bo", "own_work")}


def test_own_work_says_which_commit_or_run_it_was(world: World) -> None:
    """And whose line of co-authors stops it, with the remedy that keeps the lock."""
    number, shas = user("bo")["id"], []
    shas.append(world.push("ana"))
    shas.append(world.push("dev", message=f"x\n\nCo-authored-by: Bo <{number}+bo@users.noreply.github.com>"))
    shas.append(world.push("dev"))
    digest = world.run_gate(by="cy").digest
    for name in ("ana", "bo", "cy"):
        approve(world, name, digest)
    reasons = {
        vote.vote.by.name: vote.reason.partition(": ")[2]
        for vote in decided(world, policy=signoff("ana", "bo", "cy")).ignored
    }
    assert reasons == {
        "ana": f"author of commit {shas[0][:12]}",
        "bo": f"Co-authored-by in commit {shas[1][:12]}",
        "cy": f"started the first run on commit {shas[2][:12]}, as who pushes does",
    }
    world.push("dev", message="x\n\nCo-authored-by: Pat")
    approve(world, "ana", world.run_gate().digest)
    decision = decided(world)
    assert f"pat (Co-authored-by in commit {world.head[:12]})" in decision.reason
    assert (decision.remedy or "").startswith("correct that line and push again")


def test_07_an_owner_who_ran_the_gate_again_approves(world: World) -> None:
    world.run_gate()
    approve(world, "ana", world.rerun("ana").digest)

    assert ignored(decided(world)) == {("ana", "own_work")}


def test_20_a_bot_or_an_app_approves(world: World) -> None:
    digest = world.run_gate().digest
    bot = {**user("ana"), "type": "Bot"}
    approve(world, "ana", digest, account=bot)
    approve(world, "bo", digest, performed_via_github_app=world.contract.example("apps/get-by-slug"))

    decision = decided(world)

    assert (said(decision), ignored(decision)) == (WAITING, {("ana", "bot"), ("bo", "bot")})


def test_21_a_login_that_changed_hands_approves(world: World) -> None:
    approve(world, "ana", world.run_gate().digest, account={**user("ana"), "id": 999999})

    assert ignored(decided(world)) == {("ana", "not_owner")}


def test_21_an_owner_who_took_another_login_counts(world: World) -> None:
    approve(world, "ana", world.run_gate().digest, account={**user("ana"), "login": "ana-maria"})

    assert said(decided(world)) == APPROVED


def test_22_an_owner_is_removed_before_the_promotion(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)

    assert said(decided(world)) == APPROVED
    assert ignored(decided(world, policy=signoff("bo"))) == {("ana", "not_owner")}


def test_40_one_person_votes_twice_where_two_are_needed(world: World) -> None:
    digest = world.run_gate().digest
    two = signoff("ana", "bo", "cy", require=2)
    for name in ("ana", "ana", "bo"):
        approve(world, name, digest)
        if name == "ana":
            assert dict(decided(world, policy=two).missing) == {"owners": 1}
    assert said(decided(world, policy=two)) == APPROVED
    world.comment("bo", "/gate revoke")

    decision = decided(world, policy=two)
    assert (said(decision), dict(decision.missing)) == (WAITING, {"owners": 1})


# edits and deletions --------------------------------------------------------------------------------------------------


def test_08_a_writer_edits_an_owners_comment_into_an_approval(world: World) -> None:
    digest = world.run_gate().digest
    number = world.comment("ana", "nice work")["comment"]["id"]
    told = world.edit(number, "mallory", f"/gate approve {digest}")

    decision = decided(world, told)

    assert (said(decision), ignored(decision)) == (WAITING, {("ana", "edited")})


def test_09_the_edit_comes_between_the_event_and_the_reading(world: World) -> None:
    digest = world.run_gate().digest
    told = world.comment("ana", "nice work")
    number = told["comment"]["id"]
    world.comments[number]["body"] = f"/gate approve {digest}"  # and the time of the edit is hidden

    assert ignored(decided(world, told)) == {("ana", "body_mismatch")}


def test_09_somebody_else_sent_what_bears_an_owners_name(world: World) -> None:
    told = approve(world, "ana", world.run_gate().digest)
    told["sender"] |= user("mallory")

    assert ignored(decided(world, told)) == {("ana", "not_sender")}


def test_08_a_writer_edits_an_owners_comment_in_the_second_in_which_it_was_written(world: World) -> None:
    """Its times do not show that, and do not bring it back when the event is forgotten."""
    digest = world.run_gate().digest
    made = world.comment("ana", "a fine model")["comment"]["id"]

    event = world.edit(made, "mallory", f"/gate approve {digest}", at_once=True)

    assert world.comments[made]["created_at"] == world.comments[made]["updated_at"]
    for told in (event, None):
        decision = decided(world, told)
        assert said(decision) == ("pending", "votes_missing")
        assert ignored(decision) == {("ana", "edited")}
    world.fault = lambda method, target: (404, {}, b"{}") if target == "/graphql" else None
    assert ignored(decided(world, event)) == {("ana", "edited")}, "the event alone tells too"


def test_10_the_history_of_the_edit_is_purged(world: World) -> None:
    digest = world.run_gate().digest
    number = world.comment("ana", "nice work")["comment"]["id"]
    world.edit(number, "mallory", f"/gate approve {digest}")

    assert ignored(decided(world)) == {("ana", "edited")}  # nothing but the times is looked at


def test_11_an_owner_deletes_the_approval_before_the_promotion(world: World) -> None:
    told = approve(world, "ana", world.run_gate().digest)
    assert said(decided(world)) == APPROVED

    world.delete(told["comment"]["id"], "ana")

    assert said(decided(world)) == WAITING


def test_12_a_writer_deletes_an_owners_veto(world: World) -> None:
    digest = world.run_gate().digest
    told = world.comment("bo", "/gate reject it loses money")
    assert said(decided(world, told)) == REJECTED
    gone = world.delete(told["comment"]["id"], "mallory")
    approve(world, "ana", digest)

    assert said(decided(world, gone)) == REJECTED
    assert said(decided(world)) == REJECTED
    world.comment("bo", "/gate revoke")
    assert said(decided(world)) == APPROVED


def test_12_the_event_of_the_deletion_is_the_first_that_is_seen(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    gone = world.delete(world.comment("bo", "/gate reject no")["comment"]["id"], "mallory")

    assert said(decided(world, gone)) == REJECTED
    assert said(decided(world)) == REJECTED


@pytest.mark.parametrize("body", ["never mind", "/gate revoke", "> /gate reject"])
def test_12_a_writer_edits_an_owners_veto_away(world: World, body: str) -> None:
    approve(world, "ana", world.run_gate().digest)
    number = world.comment("bo", "/gate reject no")["comment"]["id"]
    told = world.edit(number, "mallory", body)

    assert said(decided(world, told)) == REJECTED
    assert said(decided(world)) == REJECTED


def test_12_a_pull_request_leaves_a_record_that_knows_of_no_veto(world: World) -> None:
    digest = world.run_gate().digest
    told = world.comment("bo", "/gate reject no")
    decided(world, told)
    world.delete(told["comment"]["id"], "mallory")
    approve(world, "ana", digest)
    run = {"id": world.number(), "head_sha": world.head, "head_branch": "better"}
    world.leave(run, {"record.jsonl": b""})
    fork = world.leave({**run, "id": world.number(), "head_branch": "main"}, {"record.jsonl": b""})
    fork["head_repository_id"] = 666

    assert said(decided(world)) == REJECTED


def test_12_a_veto_is_written_and_deleted_before_there_is_evidence(world: World) -> None:
    told = world.comment("bo", "/gate reject no")
    assert said(decided(world, told)) == ("pending", "no_evidence")
    decided(world, world.delete(told["comment"]["id"], "mallory"))
    approve(world, "ana", world.run_gate().digest)

    assert said(decided(world)) == REJECTED


def test_12_strangers_cannot_fill_the_record_up(world: World) -> None:
    world.run_gate()
    told = world.comment("bo", "/gate reject no")
    for _ in range(250):
        world.comment("mallory", "/gate reject " + "x" * 1000)

    kept = seen(world).record(asked(), event_of(told))

    assert [vote.by.name for vote in read_record(kept)] == ["bo"]


def test_12_a_veto_outlives_a_new_run_and_a_new_push(world: World) -> None:
    world.run_gate()
    world.comment("bo", "/gate reject no")
    world.push("dev")
    approve(world, "ana", world.run_gate().digest)

    assert said(decided(world)) == REJECTED


@pytest.mark.parametrize("order", [("ana", "bo"), ("bo", "ana")])
def test_33_approval_and_veto_come_in_the_same_second(world: World, order: tuple[str, str]) -> None:
    digest = world.run_gate().digest
    for name in order:
        world.comment(name, f"/gate approve {digest}" if name == "ana" else "/gate reject no")
    at = next(iter(world.comments.values()))["created_at"]
    for comment in world.comments.values():
        comment |= {"created_at": at, "updated_at": at}

    assert said(decided(world)) == REJECTED


def test_49_one_event_is_delivered_twice(world: World) -> None:
    told = approve(world, "ana", world.run_gate().digest)
    looked = seen(world)

    assert decided(world, told) == decided(world, told)
    assert looked.record(asked()) == b""


# what was evaluated ---------------------------------------------------------------------------------------------------


def test_13_a_push_comes_after_the_approval(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    world.push("dev")

    assert said(decided(world)) == ("pending", "no_evidence")
    world.run_gate()
    assert ignored(decided(world)) == {("ana", "other_evidence")}


def test_13_the_evidence_of_the_old_head_is_left_by_a_run_of_the_new_one(world: World) -> None:
    old = world.run_gate()
    world.push("dev")
    world.run_gate(commit=str(old.document["run"]["git"]["commit"]))

    assert said(decided(world)) == ("superseded", "new_head")


def test_14_the_dates_of_a_commit_are_not_looked_at(world: World) -> None:
    """The emulator dates every commit to 2011, whenever it was pushed."""
    approve(world, "ana", world.run_gate().digest)
    assert said(decided(world)) == APPROVED
    world.push("dev")

    assert said(decided(world)) == ("pending", "no_evidence")


def test_15_a_forced_push_of_the_same_tree(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    old = world.commits.pop()
    world.push("dev")

    assert world.head != old["sha"]
    assert said(decided(world)) == ("pending", "no_evidence")


def test_16_an_old_digest_after_a_new_run(world: World) -> None:
    old = world.run_gate()
    world.rerun("dev")
    approve(world, "ana", old.digest)

    assert ignored(decided(world)) == {("ana", "other_evidence")}


def test_16_a_new_attempt_that_left_nothing_voids_the_old_one(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    world.runs[-1]["run_attempt"] += 1

    assert said(decided(world)) == ("superseded", "new_run")


def test_17_a_digest_of_another_pull_request_or_model(world: World) -> None:
    world.run_gate()
    approve(world, "ana", evidence().digest)
    assert ignored(decided(world)) == {("ana", "other_evidence")}

    approve(world, "ana", world.rerun("dev", model="loans").digest)
    assert said(decided(world)) == ("refused", "other_model")


def test_17_evidence_of_another_run_is_copied_into_a_newer_one(world: World) -> None:
    old = world.run_gate()
    world.run_gate()
    world.leave(world.runs[-1], {"evidence.json": old.stored})
    approve(world, "ana", old.digest)

    assert said(decided(world)) == ("superseded", "new_run")


@pytest.mark.parametrize("body", ["{0}", "sha256:abc", "x"])
def test_18_what_is_not_the_whole_digest_is_no_approval(world: World, body: str) -> None:
    digest = world.run_gate().digest
    world.comment("ana", "/gate approve " + body.format(digest[:-1]))

    assert said(decided(world)) == WAITING


@pytest.mark.parametrize("body", ["> {0}", "look:\n{0}", "```\n{0}\n```", "<!-- {0} -->", "\u200b{0}"])
def test_19_what_is_quoted_fenced_or_below_the_first_line_is_no_approval(world: World, body: str) -> None:
    digest = world.run_gate().digest
    world.comment("ana", body.format(f"/gate approve {digest}"))

    decision = decided(world)

    assert (said(decision), decision.ignored) == (WAITING, ())


def test_23_the_owners_are_those_of_the_default_branch(world: World) -> None:
    """Whatever the pull request says of them: that file is one that it may not touch at all."""
    approve(world, "mallory", world.run_gate().digest)
    assert ignored(decided(world)) == {("mallory", "not_owner")}
    world.files.append({"filename": "gates/fraud.yaml", "status": "modified"})
    decision = decided(world)

    assert said(decision) == ("refused", "needs_policy_review")
    assert "gate check --against origin/main says what got looser" in str(decision.remedy)


@pytest.mark.parametrize(
    "changed",
    [
        {"filename": "gates/fraud.yaml"},
        {"filename": "GATES/fraud.yaml"},
        {"filename": "gates"},
        {"filename": "action.yml"},
        {"filename": ".gate/salt"},
        {"filename": "policies/base.yaml"},
        {"filename": "x.yaml", "previous_filename": "policies/base.yaml", "status": "renamed"},
        {"filename": "gates/mine.py", "status": "added"},
    ],
)
def test_24_the_pipeline_or_what_it_extends_is_changed_in_the_pull_request(
    world: World, changed: dict[str, str]
) -> None:
    files = [{"path": name, "sha256": POLICY} for name in ("gates/fraud.yaml", "policies/base.yaml")]
    found = dict(world.run_gate().document)
    extended = Evidence.from_document(found | {"policy": {**found["policy"], "files": files}})
    world.leave(world.runs[-1], {"evidence.json": extended.stored})
    approve(world, "ana", extended.digest)
    assert said(decided(world)) == APPROVED

    world.files.append(changed)

    assert said(decided(world)) == ("refused", "needs_policy_review")


@pytest.mark.parametrize("changed", ["tests/serving/test_range.py", "checks/drift.py"])
def test_24_what_a_command_of_the_default_branch_reads_is_changed_in_the_pull_request(
    world: World, changed: str
) -> None:
    """It decides what that gate finds, and no other job runs it again."""
    approve(world, "ana", world.run_gate().digest)
    world.push("dev", files=[changed])
    approve(world, "ana", world.run_gate().digest)

    assert said(decided(world)) == APPROVED
    assert said(decided(world, code=("tests/serving", "checks/drift.py"))) == ("refused", "needs_policy_review")


def test_24_a_change_of_the_policy_on_the_default_branch_voids_too(world: World) -> None:
    approve(world, "ana", world.run_gate(policy="sha256:" + "b" * 64).digest)

    assert said(decided(world)) == ("superseded", "policy_changed")


def test_24_training_code_and_the_version_file_may_change(world: World) -> None:
    world.push("dev", files=["train/fit.py", "models/fraud.version", "gatesx/a", "docs/.github"])
    approve(world, "ana", world.run_gate().digest)

    assert said(decided(world)) == APPROVED


def test_25_the_gate_workflow_is_changed_so_that_it_forges_evidence(world: World) -> None:
    world.push("dev", files=[".github/workflows/gate.yml"])
    approve(world, "ana", world.run_gate().digest)

    assert said(decided(world)) == ("refused", "needs_policy_review")


def test_25_more_files_than_github_lists(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    looked = seen(world)
    more = looked.pull.model_copy(update={"changed_files": 3001})

    ballot = type(looked)(**{**vars(looked), "pull": more}).ballot(asked())

    assert ballot.hold is not None
    assert ballot.hold.code == "too_many_files"


def test_26_an_artifact_of_another_workflow(world: World) -> None:
    found = world.run_gate()
    other = {**world.runs[-1], "id": world.number(), "path": ".github/workflows/other.yml"}
    world.runs.append(other)
    world.leave(other, {"evidence.json": found.stored})
    world.push("dev")
    world.runs.append({**other, "id": world.number(), "head_sha": world.head})
    world.leave(world.runs[-1], {"evidence.json": found.stored})
    approve(world, "ana", found.digest)

    assert said(decided(world)) == ("pending", "no_evidence")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"path": ".github/workflows/other.yml"}, "other_workflow"),
        ({"event": "push"}, "other_workflow"),
        ({"head_repository": 666}, "other_repository"),
    ],
)
def test_26_a_run_that_github_should_not_have_listed(world: World, changed: dict[str, Any], code: str) -> None:
    """The list is asked for by workflow, event and commit; what it holds is looked at all the same."""
    approve(world, "ana", world.run_gate().digest)
    looked = seen(world)
    assert looked.run is not None
    told = (
        {"head_repository": looked.run.head_repository.model_copy(update={"id": 666})}
        if code == "other_repository"
        else changed
    )
    run = looked.run.model_copy(update=told)

    decision = type(looked)(**{**vars(looked), "run": run}).decision(asked(), world.now)

    assert said(decision) == ("refused", code)


def test_27_the_newest_attempt_rules_also_where_it_failed(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    approve(world, "ana", world.rerun("dev", verdict="fail", opens="no").digest)

    assert said(decided(world)) == ("refused", "not_open")


def _zip(entries: list[tuple[Any, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return packed.getvalue()


def _size(number: int) -> bytes:
    """As a zip writes how long a file is."""
    return number.to_bytes(4, "little")


def _link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda good: b"PK no zip", "no zip"),
        (lambda good: _zip([("evidence.json", good)])[:-30], "no zip"),
        (lambda good: _zip([("evidence.json", b"0" * 2**20)]).replace(_size(2**20), _size(9)), "no zip"),
        (lambda good: _zip([("evidence.json", good)]).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"), "no zip"),
        (lambda good: _zip([("x/../evidence.json", good), ("C:\\evidence.json", good), ("EVIDENCE.json", good)]), "holds no evidence.json"),
        (lambda good: _zip([("../evidence.json", good), ("/evidence.json", good)]), "holds no evidence.json"),
        (lambda good: _zip([(_link("evidence.json"), b"/etc/passwd")]), "is a link"),
        (lambda good: _zip([("evidence.json", b"0" * (33 * 2**20))]), "too long"),
        (lambda good: _zip([("evidence.json", good), ("evidence.json", b"{}")]), "twice"),
        (lambda good: _zip([(f"{number}", b"") for number in range(20_001)]), "files"),
        (lambda good: _zip([("evidence.json", b"\xff\xfe")]), "no evidence"),
        (lambda good: _zip([("evidence.json", good.replace(b'"verdict"', b'"verdict":"fail","verdict"', 1))]), "no evidence"),
        (lambda good: _zip([("evidence.json", good + b"\n")]), "no evidence"),
        (lambda good: _zip([("evidence.json", b'{"a":NaN}')]), "no evidence"),
        (lambda good: _zip([("evidence.json", b"[" * 100_000)]), "no evidence"),
        (lambda good: _zip([("evidence.json", b'{"policy":7}')]), "no evidence"),
        (lambda good: _zip([("evidence.json", good.replace(b'"git":{', b'"git":[],"x":{'))]), "no evidence"),
    ],
)  # fmt: skip
def test_28_the_artifact_is_malicious(world: World, forge: Callable[[bytes], bytes], why: str) -> None:
    good = world.run_gate()
    world.artifacts.clear()
    world.leave_bytes(world.runs[-1], forge(good.stored))

    with pytest.raises(GitHubError, match=why):
        decided(world)


def test_29_the_bytes_are_not_those_of_the_digest(world: World) -> None:
    """Neither the zip's, which GitHub knows, nor the evidence's, which the owner signed."""
    good = world.run_gate()
    changed = good.stored.replace(b"run-", b"ran-")
    world.leave(world.runs[-1], {"evidence.json": changed})
    approve(world, "ana", good.digest)
    assert ignored(decided(world)) == {("ana", "other_evidence")}

    world.artifacts[-1]["digest"] = "sha256:" + "0" * 64
    with pytest.raises(GitHubError, match="do not have the digest"):
        decided(world)


def test_30_a_pull_request_from_a_fork(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    world.pull["head_repository"] = 666

    assert said(decided(world)) == ("refused", "fork_denied")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"state": "closed"}, ("refused", "closed")),
        ({"draft": True}, ("refused", "draft")),
        ({"base": "release"}, ("refused", "not_default_branch")),
        ({"state": "closed", "merged": True}, APPROVED),
    ],
)
def test_31_a_pull_request_that_is_closed_a_draft_or_goes_elsewhere(
    world: World, changed: dict[str, Any], expected: tuple[str, str]
) -> None:
    """Merged before approval is common, and works while its head is what was evaluated."""
    approve(world, "ana", world.run_gate().digest)
    world.pull |= changed

    assert said(decided(world)) == expected


def test_31_where_the_policy_waits_for_the_merge(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    waiting = decided(world, when="merged")
    assert said(waiting) == ("pending", "not_merged")
    assert waiting.reason.startswith("approved by ana; pull request 12 is not merged")

    world.merge()

    assert said(decided(world, when="merged")) == APPROVED


def test_31_a_veto_is_told_before_the_merge_that_the_policy_waits_for(world: World) -> None:
    """That it is too early to promote does not hide who objects."""
    world.run_gate()
    vetoed = decided(world, world.comment("bo", "/gate reject"), when="merged")
    lifted = decided(world, world.comment("bo", "/gate revoke"), when="merged")

    assert (said(vetoed), said(lifted)) == (("rejected", "rejected"), ("pending", "not_merged"))


@pytest.mark.parametrize("place", [50, 101, 205])
def test_34_votes_stand_on_every_page(world: World, place: int) -> None:
    digest = world.run_gate().digest
    for number in range(300):
        world.comment("eve", f"/gate approve {digest}" if number % 7 == 0 else "+1")
    who = list(world.comments.values())[place]
    who |= {"user": user("ana"), "body": f"/gate approve {digest}"}
    assert said(decided(world)) == APPROVED
    list(world.comments.values())[299] |= {"user": user("bo"), "body": "/gate reject no"}

    assert said(decided(world)) == REJECTED


def test_34_three_hundred_comments_take_at_most_twelve_requests(world: World) -> None:
    digest = world.run_gate().digest
    for _ in range(299):
        world.comment("eve", "+1")
    approve(world, "ana", digest)
    gone = world.delete(world.comment("bo", "/gate reject no")["comment"]["id"], "mallory")
    decided(world, gone)
    world.comment("bo", "/gate revoke")
    del world.comments[min(world.comments)]
    world.asked.clear()

    assert said(decided(world)) == APPROVED
    assert len(world.asked) <= 12, world.asked


def test_37_evidence_an_approval_or_an_artifact_has_expired(world: World) -> None:
    approve(world, "ana", world.run_gate().digest)
    world.now += timedelta(days=7) - timedelta(minutes=5)
    assert said(decided(world)) == APPROVED
    world.now += timedelta(minutes=10)
    assert said(decided(world)) == ("expired", "evidence_expired")
    world.artifacts[-1]["expired"] = True

    with pytest.raises(GitHubError, match="has expired"):
        decided(world)


@pytest.mark.parametrize(
    ("minutes", "expected"), [(-4, APPROVED), (9, APPROVED), (11, WAITING), (16, ("refused", "clock_ahead"))]
)
def test_37_clocks_differ_by_some_minutes(world: World, minutes: int, expected: tuple[str, str]) -> None:
    """An approval, or evidence, may be a little from the future; one that is much more is no sign of a clock but of a lie."""
    digest = world.run_gate().digest
    world.now += timedelta(minutes=5)
    told = approve(world, "ana", digest)
    world.now -= timedelta(minutes=minutes)

    decision = decided(world, told)

    assert said(decision) == expected
    assert ignored(decision) == ({("ana", "not_yet")} if expected == WAITING else set())


def test_36_nobody_is_asked_who_is_in_a_team(world: World) -> None:
    """Groups are numbers in the policy: where GitHub refuses to tell of teams and rights, nothing changes; none is asked."""
    approve(world, "ana", world.run_gate().digest)
    asked_for = ("/orgs/", "/teams", "/collaborators", "/memberships", "/user")
    world.fault = lambda method, target: (403, {}, b"{}") if any(one in target for one in asked_for) else None

    assert said(decided(world)) == APPROVED
    assert not [line for line in world.asked if any(one in line for one in asked_for)]
    with pytest.raises(ValueError, match="team"):
        type(signoff()).model_validate({"groups": {"owners": [{"team": "acme/owners"}]}, "require": {"owners": 1}})


def test_50_the_evidence_is_of_githubs_test_merge(world: World) -> None:
    approve(world, "ana", world.run_gate(commit="e" * 40).digest)

    assert said(decided(world)) == ("superseded", "new_head")


def test_undecided_findings_are_accepted_by_comment(world: World) -> None:
    """By their number, as `gate approve --accepting` does."""
    found = world.run_gate(verdict="inconclusive", opens="by_owner", asks=["metrics/r1/overall", "metrics/r2/overall"])
    approve(world, "ana", found.digest)
    assert ignored(decided(world)) == {("ana", "accepting")}

    world.comment("ana", f"/gate approve {found.digest} accepting 2 undecided")

    assert said(decided(world)) == APPROVED
