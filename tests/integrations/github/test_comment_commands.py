"""What counts as a command is exact to the letter, and everything else says nothing."""

from __future__ import annotations

import pytest

from helpers.hub.contract import github
from helpers.hub.deciding import asked, decided, event_of, ignored, said, seen
from helpers.hub.emulator import World
from lockgate.integrations.github.comment_commands import CommentCommand, parse_command, read_record
from lockgate.integrations.github.schema import GitHubError
from lockgate.signoff.vote import Vote

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        (f"/gate approve {DIGEST}", CommentCommand("approve", DIGEST)),
        (f"/gate approve {DIGEST}\r\n\r\nlooks good", CommentCommand("approve", DIGEST, None, "looks good")),
        (f"/gate approve {DIGEST} accepting 3 undecided", CommentCommand("approve", DIGEST, 3)),
        ("/gate reject", CommentCommand("reject")),
        ("/gate reject it loses money", CommentCommand("reject", None, None, "it loses money")),
        (
            f"/gate reject {DIGEST} it loses money\nand more",
            CommentCommand("reject", DIGEST, None, "it loses money\nand more"),
        ),
        ("/gate reject sha256:abc", CommentCommand("reject", None, None, "sha256:abc")),
        ("/gate revoke", CommentCommand("revoke")),
        ("/gate status", CommentCommand("status")),
    ],
)
def test_the_first_line_is_a_command(body: str, meant: CommentCommand) -> None:
    """The rest of the comment is the reason, whatever the line ends with."""
    assert parse_command(body) == meant


@pytest.mark.parametrize(
    "line",
    [
        f"/gate approve {DIGEST[:-1]}",
        f"/gate approve {DIGEST}0",
        f"/gate approve {DIGEST[:19]}",
        f"/gate approve sha256:{HEX.upper()}",
        f"/gate approve {HEX}",
        f"/gate approve {DIGEST} please",
        f"/gate approve {DIGEST} ",
        f"/gate approve  {DIGEST}",
        f"/gate approve\t{DIGEST}",
        f"/gate Approve {DIGEST}",
        f"/gate approve {DIGEST.replace('a', 'а')}",  # a Cyrillic letter that looks the same
        f"/gate approve {DIGEST}\u200b",
        f"/gate approve {DIGEST}\rx",
        f"/gate approve {DIGEST}\u2028",
        f"/gate approve {DIGEST} accepting 0 undecided",
        f"/gate approve {DIGEST} accepting 03 undecided",
        f"/gate approve {DIGEST} accepting ３ undecided",  # a digit of another script
        "/gate approve",
        "/gate revoke now",
        "/gate",
        "/gate lgtm",
    ],
)
def test_what_is_not_exact_is_unknown_and_opens_nothing(line: str) -> None:
    """A prefix can be ground out, a look-alike read over: only the whole digest in its one form is taken."""
    assert parse_command(line) == CommentCommand("unknown")


@pytest.mark.parametrize(
    "body",
    [
        f"I agree\n/gate approve {DIGEST}",
        f"> /gate approve {DIGEST}",
        f"```\n/gate approve {DIGEST}\n```",
        f"<!-- /gate approve {DIGEST} -->",
        f"<!--\n/gate approve {DIGEST}\n-->",
        f"On Friday ana wrote:\n> /gate approve {DIGEST}",
        f" /gate approve {DIGEST}",
        f"\n/gate approve {DIGEST}",
        f"\ufeff/gate approve {DIGEST}",
        f"\u200b/gate approve {DIGEST}",
        f"/GATE approve {DIGEST}",
        f"`/gate approve {DIGEST}`",
        "/gateway is down",
        "",
    ],
)
def test_what_is_quoted_fenced_hidden_or_mailed_back_says_nothing(body: str) -> None:
    """Nor does a command that is not the very first thing in the comment."""
    assert parse_command(body) is None


def test_a_vote_keeps_the_comment_that_it_stood_in() -> None:
    """For whoever asks later, when the comment may be gone: its number, address and raw text."""
    world = World(github())
    evidence = world.run_gate()
    world.comment("ana", f"/gate approve {evidence.digest}\r\nfine")
    (vote,) = seen(world).ballot(asked()).votes

    assert (vote.verb, vote.digest, vote.model, vote.reason) == ("approve", evidence.digest, "fraud", "fine")
    assert (vote.by.kind, vote.by.name) == ("github", "ana")
    assert f'"body":"/gate approve {evidence.digest}\\r\\nfine"'.encode() in vote.bytes
    assert Vote.read(vote.bytes) == vote


def test_a_record_holds_what_closes_and_never_an_approval() -> None:
    """Read back as it was written; a record that approves is refused whole."""
    world = World(github())
    evidence = world.run_gate()
    world.comment("ana", f"/gate approve {evidence.digest}")
    world.comment("bo", "/gate reject no")
    world.comment("bo", "/gate revoke")
    looked = seen(world)

    assert [vote.verb for vote in read_record(looked.record(asked()))] == ["reject", "revoke"]
    with pytest.raises(ValueError, match="nothing else"):
        read_record(looked.ballot(asked()).votes[0].bytes)
    with pytest.raises(ValueError):  # noqa: PT011  # the message is json's own
        read_record(b"not a vote\n")


def test_a_comment_of_another_pull_request_is_no_part_of_this_one() -> None:
    """Somebody mixed lists up; nothing is decided on that."""
    world = World(github())
    evidence = world.run_gate()
    world.comment("ana", f"/gate approve {evidence.digest}", issue_url="https://api.github.com/repos/a/b/issues/13")

    with pytest.raises(GitHubError, match="not below pull request 12"):
        decided(world)


def test_an_edited_revocation_takes_back_and_lifts_nothing() -> None:
    """Nobody can tell who wrote it: so it can close, and not open."""
    world = World(github())
    evidence = world.run_gate()
    world.comment("ana", f"/gate approve {evidence.digest}")
    world.comment("bo", "/gate reject no")
    for name in ("ana", "bo"):
        changed = world.comment(name, "hello")["comment"]["id"]
        world.edit(changed, "mallory", "/gate revoke")

    assert said(decided(world)) == ("rejected", "rejected")
    world.comment("bo", "/gate revoke")
    decision = decided(world)
    assert said(decision) == ("pending", "votes_missing")
    assert ignored(decision) == {("ana", "revoked"), ("ana", "edited"), ("bo", "edited")}


def test_a_deleted_revocation_does_not_bring_the_approval_back() -> None:
    """Whoever may write here may delete; what was taken back stays so until its owner approves anew."""
    world = World(github())
    evidence = world.run_gate()
    world.comment("ana", f"/gate approve {evidence.digest}")
    told = world.comment("ana", "/gate revoke")
    assert said(decided(world, told)) == ("pending", "votes_missing")

    gone = world.delete(told["comment"]["id"], "mallory")

    assert said(decided(world, gone)) == ("pending", "votes_missing")
    assert said(decided(world)) == ("pending", "votes_missing")
    assert event_of(gone) is not None
    world.comment("ana", f"/gate approve {evidence.digest}")
    assert said(decided(world)) == ("approved", "approved")
