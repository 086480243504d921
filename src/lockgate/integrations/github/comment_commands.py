"""Commands in the comments of a pull request, and the votes they cast, with objections. No requests here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lockgate.evidence import stored_json
from lockgate.evidence.evidence import Evidence
from lockgate.hashing import canonical, is_digest
from lockgate.integrations.github.schema import (
    Account,
    Comment,
    CommentEvent,
    Commit,
    GitHubError,
    PullEvent,
    PullRequest,
    WorkflowRun,
)
from lockgate.signoff.decision import Ballot, Objection, SignoffDecision
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Verb, Vote

REASON = 2000  # characters of a reason that are kept

_APPROVE = re.compile(r"/gate approve (sha256:[0-9a-f]{64})(?: accepting ([1-9][0-9]{0,4}) undecided)?")
_REJECT = re.compile(r"/gate reject(?: (?P<reason>.+))?", re.DOTALL)
_CO_AUTHOR = re.compile(r"^co-authored-by:.*<(?P<email>[^<>\s]+@[^<>\s]+)>\s*$", re.IGNORECASE | re.MULTILINE)
_NOREPLY = re.compile(r"(?P<id>\d+)\+(?P<login>[^@+]+)@users\.noreply\.github\.com", re.IGNORECASE)


@dataclass(frozen=True)
class CommentCommand:
    """A `/gate` command. digest and accepting: of an approval. unknown: addressed to us, and in no known form."""

    verb: Literal["approve", "reject", "revoke", "status", "unknown"]
    digest: str | None = None
    accepting: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class UnevaluatedCommit:
    """Stands for the evidence in a rejection before there is any: the commit, by the SHA-256 of its name."""

    digest: str
    model: str


def parse_command(body: str) -> CommentCommand | None:
    """The command in a comment's first line, None where it is none of ours. What follows that line is the reason.

    Exact to the letter: no other case, blank or sign, so that what is quoted, fenced, hidden or mailed back is no command.
    Only a rejection is taken in any form, because it can do no more than block.
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
    comments: Sequence[Comment],
    *,
    commits: Sequence[Commit],
    run: WorkflowRun,
    evidence: Evidence,
    policy: SignoffPolicy,
    edited: Collection[int] = (),
    recorded: Sequence[Vote] = (),
    event: CommentEvent | None = None,
    hold: SignoffDecision | None = None,
) -> Ballot:
    """The votes of a pull request on this evidence, and its contributors.

    comments: all of them as they are now. run: that made the evidence. edited: ids of comments that were edited though
    their times do not show it. recorded: rejections and revocations of earlier decisions, which keep blocking when their
    comment is edited or deleted. event: the current one; it can take away, and never add an approval.
    """
    votes: list[Vote] = []
    objections: dict[str, Objection] = {}
    closing = _closing([*recorded, *_taken_back(event, evidence)])
    for comment in sorted(comments, key=lambda comment: comment.id):
        if comment.pull_number != str(pull.number):
            raise GitHubError(f"comment {comment.id} is not below pull request {pull.number}")
        vote = _vote(comment, comment.body, evidence, run)
        if vote is None:
            continue
        votes.append(vote)
        objection = None if vote.verb == "reject" else _objection(comment, event, edited)
        if objection is not None:
            objections[vote.sha256] = objection
        if objection is None and vote.verb != "approve":
            closing.pop((comment.id, vote.verb), None)
        elif vote.verb == "revoke":
            closing[comment.id, vote.verb] = vote
    votes += [_transferred(vote, evidence) for vote in closing.values() if vote.verb == "reject"]
    for revocation in (vote for vote in closing.values() if vote.verb == "revoke"):
        # A changed comment proves no author, so it lifts no rejection; the approvals that it revoked stay revoked.
        for vote in votes:
            if vote.verb == "approve" and vote.by.id == revocation.by.id and vote.at <= revocation.at:
                objections.setdefault(
                    vote.sha256, Objection("revoked", "it was revoked, in a comment that changed since")
                )
    authors, accounts = _contributors(pull, commits, run, policy)
    return Ballot(tuple(votes), objections, authors, accounts, hold)


def contributors(event: PullEvent) -> Ballot:
    """The contributors of a pull request, as far as its event names them; no votes."""
    accounts = [account for account in (event.author, event.sender) if account is not None]
    people = tuple(dict.fromkeys(account.identity for account in accounts if account.is_person))
    bots = tuple(dict.fromkeys(account.noreply.lower() for account in accounts if not account.is_person))
    return Ballot(authors=bots, accounts=people)


def closing_record(
    comments: Iterable[Comment],
    event: CommentEvent | None,
    subject: Evidence | UnevaluatedCommit,
    policy: SignoffPolicy,
    old: Sequence[Vote],
) -> bytes:
    """The rejections and revocations of owners so far, a vote a line, to be stored where nobody's edit reaches them.

    Strangers' comments are left out, so that nobody can fill the record up.
    """
    current = [vote for comment in comments if (vote := _vote(comment, comment.body, subject)) is not None]
    ours = [vote for vote in [*current, *_taken_back(event, subject)] if policy.owner_of(vote.by) is not None]
    closing = _closing([*ours, *old])
    return b"".join(closing[key].bytes + b"\n" for key in sorted(closing))


def read_record(data: bytes) -> tuple[Vote, ...]:
    """The votes of a closing record. Raises ValueError for bytes that are none."""
    votes = tuple(Vote.read(line) for line in data.splitlines() if line)
    if any(vote.verb not in ("reject", "revoke") or comment_id(vote) == 0 for vote in votes):
        raise ValueError("a record holds rejections and revocations from comments, and nothing else")
    return votes


def unverified(comments: Iterable[Comment], evidence: Evidence) -> tuple[Comment, ...]:
    """The comments that would approve or revoke, and look unedited: their times, to the second, do not prove it."""
    suspects = []
    for comment in comments:
        command = None if comment.edited else parse_command(comment.body)
        approves = command is not None and (command.verb, command.digest) == ("approve", evidence.digest)
        if approves or (command is not None and command.verb == "revoke"):
            suspects.append(comment)
    return tuple(suspects)


def _vote(
    comment: Comment, body: str, evidence: Evidence | UnevaluatedCommit, run: WorkflowRun | None = None
) -> Vote | None:
    """The vote in a comment, its bytes with the comment itself and, where it is known, the run that it concerns."""
    command = parse_command(body)
    if command is None or comment.user is None or command.verb in ("status", "unknown"):
        return None
    verb: Verb = "approve" if command.verb == "approve" else "reject" if command.verb == "reject" else "revoke"
    # A rejection or a revocation concerns the pull request, whatever its evidence; an approval names its evidence.
    at = comment.created_at if verb == "approve" else comment.updated_at
    target = command.digest if verb == "approve" and command.digest is not None else evidence.digest
    vote = Vote(verb, target, evidence.model, command.accepting, command.reason, at, comment.user.identity)
    document = {**vote.to_json(), "comment": {"id": comment.id, "url": comment.html_url, "body": body}}
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


def _taken_back(event: CommentEvent | None, evidence: Evidence | UnevaluatedCommit) -> list[Vote]:
    """The vote in the former body of a comment that was just edited or deleted."""
    if event is None or event.previous_body is None:
        return []
    vote = _vote(event.comment, event.previous_body, evidence)
    return [] if vote is None else [vote]


def _transferred(vote: Vote, evidence: Evidence) -> Vote:
    """A recorded rejection, now of the current evidence; its bytes stay the same."""
    return Vote(
        vote.verb, evidence.digest, evidence.model, None, vote.reason, vote.at, vote.by, stored=vote.bytes
    )  # fmt: skip


def _closing(votes: Iterable[Vote]) -> dict[tuple[int, Verb], Vote]:
    """Rejections and revocations by comment and verb; a comment that was changed can have one of each."""
    return {(comment_id(vote), vote.verb): vote for vote in votes if vote.verb != "approve"}


def comment_id(vote: Vote) -> int:
    """The id of the comment that cast a vote, 0 without one."""
    comment = stored_json.read_object(vote.bytes).get("comment")
    number = comment.get("id") if isinstance(comment, dict) else None
    return number if type(number) is int and number > 0 else 0


def _contributors(
    pull: PullRequest, commits: Sequence[Commit], run: WorkflowRun, policy: SignoffPolicy
) -> tuple[tuple[str, ...], tuple[Identity, ...]]:
    """(emails that must belong to somebody in the policy, accounts) of the contributors to what was evaluated.

    A bot counts by its address, which blocks until the policy names it: anybody could act through it.
    """
    accounts: list[Account] = [pull.user] if pull.user is not None else []
    emails: list[str] = []
    people = policy.people()
    for commit in commits:
        for account, git_person in ((commit.author, commit.commit.author), (commit.committer, commit.commit.committer)):
            email = git_person.email.strip().lower() if git_person is not None else ""
            if account is not None:
                accounts.append(account)
                emails += [email] if any(person.wrote(email) for person in people) else []
            else:
                emails.append(email or f"nobody-{commit.sha[:12]}")
        emails += [match["email"].lower() for match in _CO_AUTHOR.finditer(commit.commit.message)]
    accounts += [run.actor, run.triggering_actor]
    by_id = {account.id: account for account in accounts}
    identities = [account.identity for account in by_id.values() if account.is_person]
    unknown = [account.noreply.lower() for account in by_id.values() if not account.is_person]
    for email in emails:
        match = _NOREPLY.fullmatch(email)
        if match is None or match["login"].endswith("[bot]"):
            unknown.append(email)
        elif int(match["id"]) not in by_id:
            identities.append(Identity("github", match["id"], match["login"]))
    return tuple(dict.fromkeys(unknown)), tuple(dict.fromkeys(identities))
