"""Commands in the comments of a pull request, and the votes they cast, with objections. No requests here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lockgate.evidence.evidence import Evidence
from lockgate.hashing import canonical, is_digest
from lockgate.integrations.github.closing_words import closing_meaning
from lockgate.integrations.github.reviews import approved_after, requests_changes
from lockgate.integrations.github.schema import (
    Account,
    Comment,
    CommentEvent,
    GitHubError,
    IssueEvent,
    PullRequest,
    Review,
    Statement,
    WorkflowRun,
)
from lockgate.signoff.decision import Ballot, Objection, SignoffDecision
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.unclear_words import UnclearWords
from lockgate.signoff.vote import Verb, Vote

REASON = 2000  # characters of a reason that are kept

_APPROVE = re.compile(r"/gate approve (sha256:[0-9a-f]{64})(?: accepting ([1-9][0-9]{0,4}) undecided)?")
_REJECT = re.compile(r"/gate reject(?: (?P<reason>.+))?", re.DOTALL)


@dataclass(frozen=True)
class CommentCommand:
    """A `/gate` command. digest and accepting: of an approval. unknown: addressed to us, and in no known form."""

    verb: Literal["approve", "reject", "revoke", "status", "unknown"]
    digest: str | None = None
    accepting: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Statements:
    """What people wrote about a pull request, as it is now.

    dismissals: review → the event of its dismissal. altered: nodes of what somebody else edited, so that nobody knows the words.
    """

    comments: Sequence[Comment] = ()
    reviews: Sequence[Review] = ()
    elsewhere: Sequence[Statement] = ()
    dismissals: Mapping[int, IssueEvent] = field(default_factory=dict)
    altered: Collection[str] = ()

    def __iter__(self) -> Iterator[Statement]:
        yield from sorted(self.comments, key=lambda comment: comment.id)
        yield from self.reviews
        yield from self.elsewhere


@dataclass(frozen=True)
class UnevaluatedCommit:
    """Stands for the evidence in a rejection before there is any: the commit, by the SHA-256 of its name."""

    digest: str
    model: str


def parse_command(body: str) -> CommentCommand | None:
    """The command in a comment's first line, None where it is none of ours. What follows that line is the reason.

    Exact to the letter: no other case, blank or sign, so that what is quoted, fenced, hidden or mailed back is no command.
    Only a rejection may have anything behind it; how else an owner may spell one is for `closing_meaning` to hear.
    """
    line, _, rest = body.partition("\n")
    line, rest = line.removesuffix("\r"), rest.strip()
    if line != "/gate" and not line.startswith("/gate "):
        return None
    if (approved := _APPROVE.fullmatch(line)) is not None:
        accepting = None if approved[2] is None else int(approved[2])
        return CommentCommand("approve", approved[1], accepting, rest[:REASON])
    if (rejected := _REJECT.fullmatch(line)) is not None:
        inline = rejected["reason"] or ""
        first, _, more = inline.partition(" ")
        named = first if is_digest(first) else None
        reason = "\n".join(part for part in (more.strip() if named else inline, rest) if part)
        return CommentCommand("reject", named, None, reason[:REASON])
    if line == "/gate revoke":
        return CommentCommand("revoke", reason=rest[:REASON])
    return CommentCommand("status") if line == "/gate status" else CommentCommand("unknown")


def ballot(
    pull: PullRequest,
    statements: Statements,
    *,
    made: Ballot,
    run: WorkflowRun,
    evidence: Evidence,
    policy: SignoffPolicy,
    edited: Collection[int] = (),
    recorded: Sequence[Vote] = (),
    event: CommentEvent | None = None,
    hold: SignoffDecision | None = None,
) -> Ballot:
    """The votes of a pull request on this evidence, and its contributors.

    made: the contributors. run: that made the evidence. edited: ids of comments that were edited though their times do not
    show it. recorded: rejections and revocations of earlier decisions, which keep blocking when their comment is edited or
    deleted. event: the current one; it can take away, and never add an approval.
    """
    votes: list[Vote] = []
    objections: dict[str, Objection] = {}
    closing = _closing([*recorded, *_taken_back(event, evidence, policy)])
    for statement in statements:
        if isinstance(statement, Comment) and statement.pull_number != str(pull.number):
            raise GitHubError(f"comment {statement.id} is not below pull request {pull.number}")
        altered = statement.node_id in statements.altered
        for vote in _votes(statement, statement.body, evidence, policy, run, altered=altered):
            objection = None
            if isinstance(statement, Comment) and vote.verb != "reject":
                objection = _objection(statement, event, edited)
            if objection is not None:
                objections[vote.sha256] = objection
                if vote.verb == "revoke":
                    closing[_key(vote)] = vote
            elif vote.verb != "approve":
                closing.pop(_key(vote), None)
            votes.append(vote)
    votes += [_transferred(vote, evidence) for vote in closing.values() if vote.verb == "reject"]
    for revocation in (vote for vote in closing.values() if vote.verb == "revoke"):
        # A changed comment proves no author, so it lifts no rejection; the approvals that it revoked stay revoked.
        for vote in votes:
            if vote.verb == "approve" and vote.by.id == revocation.by.id and vote.at <= revocation.at:
                objections.setdefault(
                    vote.sha256, Objection("revoked", "it was revoked, in a comment that changed since")
                )
    for review in requests_changes(statements.reviews, statements.dismissals, policy, made):
        reason = _review_reason(review, statements.dismissals.get(review.id))
        votes.append(_cast(review, review.body, CommentCommand("reject", reason=reason), evidence, run))
    heard = [
        UnclearWords(vote.by, vote.at, vote.url, heard_as)
        for vote in votes
        if (heard_as := _heard_as(vote)) is not None
    ]
    unclear = tuple(words for words in heard if not approved_after(statements.reviews, policy, words))
    counted = tuple(vote for vote in votes if _heard_as(vote) is None)
    return replace(made, votes=counted, objections=objections, hold=hold, unclear=unclear)


def closing_record(
    statements: Statements,
    event: CommentEvent | None,
    subject: Evidence | UnevaluatedCommit,
    policy: SignoffPolicy,
    old: Sequence[Vote],
) -> bytes:
    """The rejections and revocations of owners so far, a vote a line, to be stored where nobody's edit reaches them.

    Strangers' comments are left out, so that nobody can fill the record up.
    """
    current = [
        vote
        for statement in statements
        for vote in _votes(statement, statement.body, subject, policy, altered=statement.node_id in statements.altered)
    ]
    ours = [vote for vote in [*current, *_taken_back(event, subject, policy)] if policy.owner_of(vote.by) is not None]
    closing = _closing([*ours, *old])
    return b"".join(closing[key].bytes + b"\n" for key in sorted(closing))


def read_record(data: bytes) -> tuple[Vote, ...]:
    """The votes of a closing record. Raises ValueError for bytes that are none."""
    votes = tuple(Vote.read(line) for line in data.splitlines() if line)
    if any(not vote.objects or _key(vote)[0] <= 0 for vote in votes):
        raise ValueError("a record holds rejections and revocations from comments, and nothing else")
    return votes


def matters(statement: Statement, policy: SignoffPolicy | None) -> bool | None:
    """Whether a statement can change a decision; None where it is a stranger's command, which is only ever told of.

    policy: who is an owner; None where everybody could be.
    """
    if statement.user is None:
        return False
    if has_vote(statement.user, policy):
        return parse_command(statement.body) is not None or closing_meaning(statement.body) is not None
    return None if isinstance(statement, Comment) and parse_command(statement.body) is not None else False


def has_vote(user: Account | None, policy: SignoffPolicy | None) -> bool:
    """Whether it is the account of an owner. policy: None where everybody could be one."""
    return user is not None and (policy is None or policy.owner_of(user.identity) is not None)


def unverified(comments: Iterable[Comment], evidence: Evidence) -> tuple[Comment, ...]:
    """The comments that would approve or revoke, and look unedited: their times, to the second, do not prove it."""
    suspects = []
    for comment in comments:
        command = None if comment.edited else parse_command(comment.body)
        approves = command is not None and (command.verb, command.digest) == ("approve", evidence.digest)
        if approves or (command is not None and command.verb == "revoke"):
            suspects.append(comment)
    return tuple(suspects)


def _votes(
    statement: Statement,
    body: str,
    evidence: Evidence | UnevaluatedCommit,
    policy: SignoffPolicy,
    run: WorkflowRun | None = None,
    *,
    altered: bool = False,
) -> list[Vote]:
    """The vote in a statement, and what an owner says there to the gate that is not understood, as a rejection marked so.

    What opens stands in a comment, exact to the letter. What closes is an owner's in any spelling, wherever they write it.
    """
    if statement.user is None:
        return []
    command = parse_command(body) if isinstance(statement, Comment) else None
    known = command is not None and command.verb != "unknown"
    # Programs quote commands, as our own comment does; only a person can be asked what they mean.
    owner = statement.user.is_person and has_vote(statement.user, policy)
    heard = closing_meaning(body, commanded=known) if owner else None
    if heard == "reject" and (command is None or command.verb != "reject"):
        command, heard = CommentCommand("reject", reason=body.strip()[:REASON]), None
    votes = []
    if command is not None and command.verb in ("approve", "reject", "revoke"):
        votes.append(_cast(statement, body, command, evidence, run))
    hearing = "altered" if altered and owner and heard != "unclear" else heard
    if hearing is not None and (command is None or command.verb != "reject"):
        votes.append(_cast(statement, body, CommentCommand("reject"), evidence, run, heard=hearing))
    return votes


def _cast(
    statement: Statement,
    body: str,
    command: CommentCommand,
    evidence: Evidence | UnevaluatedCommit,
    run: WorkflowRun | None = None,
    *,
    heard: str | None = None,
) -> Vote:
    """A vote, its bytes with the statement itself and, where it is known, the run that it concerns."""
    if statement.user is None:
        raise ValueError("nobody wrote it")
    verb: Verb = "approve" if command.verb == "approve" else "reject" if command.verb == "reject" else "revoke"
    # A rejection or a revocation concerns the pull request, whatever its evidence; an approval names its evidence.
    at = statement.created_at if isinstance(statement, Comment) and verb == "approve" else statement.changed_at
    target = command.digest if verb == "approve" and command.digest is not None else evidence.digest
    vote = Vote(verb, target, evidence.model, command.accepting, command.reason, at, statement.user.identity)
    document = {**vote.to_json(), "comment": {"id": statement.id, "url": statement.html_url, "body": body}}
    if heard is not None:
        document["comment"]["heard_as"] = heard
    if run is not None:
        document["run"] = {"id": run.id, "attempt": run.run_attempt, "url": run.html_url}
    return replace(vote, stored=canonical(document))


def _objection(comment: Comment, event: CommentEvent | None, edited: Collection[int]) -> Objection | None:
    """Why an approval or a revocation in a comment does not count."""
    user = comment.user
    if user is None or not user.is_person or comment.performed_via_github_app is not None:
        return Objection("bot", "no person wrote it: it came through a bot or an app")
    current = event if event is not None and event.comment.id == comment.id else None
    if comment.edited or comment.id in edited or (current is not None and current.action == "edited"):
        return Objection("edited", "the comment was edited, and whoever may write here can edit anybody's comment")
    if current is not None:
        if current.comment.body != comment.body:
            return Objection("body_mismatch", "the comment differs from what was written first")
        if current.action == "created" and current.sender.id != user.id:
            return Objection("not_sender", f"{current.sender.login} sent a comment in the name of {user.login}")
    return None


def _taken_back(
    event: CommentEvent | None, evidence: Evidence | UnevaluatedCommit, policy: SignoffPolicy
) -> list[Vote]:
    """The votes in the former body of a comment that was just edited or deleted."""
    if event is None or event.previous_body is None:
        return []
    return _votes(event.comment, event.previous_body, evidence, policy)


def _transferred(vote: Vote, evidence: Evidence) -> Vote:
    """A recorded rejection, now of the current evidence; its bytes stay the same."""
    return Vote(
        vote.verb, evidence.digest, evidence.model, None, vote.reason, vote.at, vote.by, stored=vote.bytes
    )  # fmt: skip


def _closing(votes: Iterable[Vote]) -> dict[tuple[int, str, str, str], Vote]:
    """Rejections and revocations by comment and verb; a comment that was changed can have one of each.

    Without words that look like an approval: those are an objection only while they stand there.
    """
    return {_key(vote): vote for vote in votes if vote.verb != "approve" and _heard_as(vote) != "approving"}


def _key(vote: Vote) -> tuple[int, str, str, str]:
    """Number (0 without one) and address of the comment that cast a vote, its verb, and whether it was not understood."""
    number = vote.comment.get("id")
    return number if type(number) is int else 0, str(vote.comment.get("url")), vote.verb, _heard_as(vote) or ""


def _heard_as(vote: Vote) -> str | None:
    """How an owner's words sounded that were not understood, None for a vote that was."""
    heard = vote.comment.get("heard_as")
    return heard if isinstance(heard, str) else None


def _review_reason(review: Review, dismissal: IssueEvent | None) -> str:
    reason = f"a review that requests changes{': ' if review.body.strip() else ''}{review.body.strip()}"[:REASON]
    if review.state != "DISMISSED":
        return reason
    by = dismissal.actor.login if dismissal is not None and dismissal.actor is not None else "somebody"
    return f"{reason} (that {by} dismissed it does not count: its author can, or an owner who had no hand in this)"
