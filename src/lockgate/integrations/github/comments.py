"""What do the comments below a pull request say? Commands in them become votes, with objections. Nothing is asked here."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lockgate import hashing as digest
from lockgate.evidence.evidence import Evidence
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
from lockgate.signoff.decision import Ballot, Objection, Obstacle
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import SCHEMA, Verb, Vote
from lockgate.units import utc_text

REASON = 2000  # characters of a reason that are kept

_APPROVE = re.compile(r"/gate approve (sha256:[0-9a-f]{64})(?: accepting ([1-9][0-9]{0,4}) undecided)?")
_REJECT = re.compile(r"/gate reject(?: (?P<reason>.+))?", re.DOTALL)
_CO_AUTHOR = re.compile(r"^co-authored-by:.*<(?P<email>[^<>\s]+@[^<>\s]+)>\s*$", re.IGNORECASE | re.MULTILINE)
_NOREPLY = re.compile(r"(?P<id>\d+)\+(?P<login>[^@+]+)@users\.noreply\.github\.com", re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """What a comment asks. digest and accepting: of an approval. unknown: it speaks to us, and we do not understand."""

    verb: Literal["approve", "reject", "revoke", "status", "unknown"]
    digest: str | None = None
    accepting: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Subject:
    """What a rejection is about while there is no evidence yet: the commit, by the SHA-256 of its name."""

    digest: str
    model: str

    @classmethod
    def of(cls, pull: PullRequest, model: str) -> Subject:
        return cls(digest.sha256(pull.head.sha.encode()), model)


def command(body: str) -> Command | None:
    """The command in a comment's first line, None where it is none of ours. What follows that line is the reason.

    Exact to the letter: no other case, blank or sign, so that what is quoted, fenced, hidden or mailed back says nothing.
    Only a rejection is taken as it comes, because what is not understood must not open anything.
    """
    line, _, rest = body.partition("\n")
    line, rest = line.removesuffix("\r"), rest.strip()
    if line != "/gate" and not line.startswith("/gate "):
        return None
    if (approved := _APPROVE.fullmatch(line)) is not None:
        accepting = None if approved[2] is None else int(approved[2])
        return Command("approve", approved[1], accepting, rest[:REASON])
    if (rejected := _REJECT.fullmatch(line)) is not None:
        said = rejected["reason"] or ""
        first, _, more = said.partition(" ")
        named = first if digest.is_digest(first) else None
        why = "\n".join(part for part in (more.strip() if named else said, rest) if part)
        return Command("reject", named, None, why[:REASON])
    if line == "/gate revoke":
        return Command("revoke", reason=rest[:REASON])
    return Command("status") if line == "/gate status" else Command("unknown")


def ballot(
    pull: PullRequest,
    comments: Sequence[Comment],
    *,
    commits: Sequence[Commit],
    runs: Sequence[WorkflowRun],
    evidence: Evidence,
    policy: SignoffPolicy,
    edited: Collection[int] = (),
    recorded: Sequence[Vote] = (),
    event: CommentEvent | None = None,
    obstacle: Obstacle | None = None,
) -> Ballot:
    """The votes of a pull request on this evidence, and who had a hand in it.

    comments: all of them as they are now. runs: that made the evidence. edited: ids of comments that were edited though
    their times do not show it. recorded: rejections and revocations seen
    earlier, which go on closing when their comment is edited or gone. event: what just happened; it can take away, and
    never add an approval.
    """
    votes: list[Vote] = []
    objections: dict[str, Objection] = {}
    closing = _closing([*recorded, *_taken_back(event, evidence)])
    for comment in sorted(comments, key=lambda comment: comment.id):
        if comment.pull_number != str(pull.number):
            raise GitHubError(f"comment {comment.id} is not below pull request {pull.number}")
        vote = _vote(comment, comment.body, evidence, next(iter(runs), None))
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
    votes += [_about(vote, evidence) for vote in closing.values() if vote.verb == "reject"]
    for gone in (vote for vote in closing.values() if vote.verb == "revoke"):
        # it lifts no rejection, because nobody can tell any more who wrote it; what it took back stays taken back
        for vote in votes:
            if vote.verb == "approve" and vote.by.id == gone.by.id and vote.at <= gone.at:
                objections.setdefault(
                    vote.sha256, Objection("revoked", "it was revoked, in a comment that changed since")
                )
    authors, accounts = _makers(pull, commits, runs, policy)
    return Ballot(tuple(votes), objections, authors, accounts, obstacle)


def makers(event: PullEvent) -> Ballot:
    """Who had a hand in a pull request, as far as its event tells; no votes."""
    people = tuple(dict.fromkeys(one.identity for one in event.accounts if one.is_person))
    bots = tuple(dict.fromkeys(one.noreply.lower() for one in event.accounts if not one.is_person))
    return Ballot(authors=bots, accounts=people)


def record(
    comments: Iterable[Comment],
    event: CommentEvent | None,
    about: Evidence | Subject,
    policy: SignoffPolicy,
    old: Sequence[Vote],
) -> bytes:
    """What owners rejected and revoked so far, a vote a line, to be kept where nobody's edit reaches it.

    Strangers' comments are left out, so that nobody can fill the record up.
    """
    seen = [vote for comment in comments if (vote := _vote(comment, comment.body, about)) is not None]
    ours = [vote for vote in [*seen, *_taken_back(event, about)] if policy.owner_of(vote.by) is not None]
    kept = _closing([*ours, *old])
    return b"".join(kept[key].bytes + b"\n" for key in sorted(kept))


def read_record(data: bytes) -> tuple[Vote, ...]:
    """The votes of such a record. Raises ValueError for bytes that are none."""
    votes = tuple(Vote.read(line) for line in data.splitlines() if line)
    if any(vote.verb not in ("reject", "revoke") or comment_id(vote) == 0 for vote in votes):
        raise ValueError("a record holds rejections and revocations from comments, and nothing else")
    return votes


def doubtful(comments: Iterable[Comment], evidence: Evidence) -> tuple[Comment, ...]:
    """The comments that would open something, if nobody edited them: whose times say so and cannot prove it."""
    found = []
    for comment in comments:
        asked = None if comment.edited else command(comment.body)
        if asked is not None and (asked.verb == "revoke" or (asked.verb, asked.digest) == ("approve", evidence.digest)):
            found.append(comment)
    return tuple(found)


def questions(comments: Iterable[Comment]) -> Iterator[tuple[Comment, Command]]:
    """The comments that speak to us, in their order."""
    for comment in sorted(comments, key=lambda comment: comment.id):
        asked = command(comment.body)
        if asked is not None:
            yield comment, asked


def _vote(comment: Comment, body: str, evidence: Evidence | Subject, run: WorkflowRun | None = None) -> Vote | None:
    """The vote in a comment, its bytes with the comment itself and, where it is known, the run that it is about."""
    asked = command(body)
    if asked is None or comment.user is None or asked.verb in ("status", "unknown"):
        return None
    verb: Verb = "approve" if asked.verb == "approve" else "reject" if asked.verb == "reject" else "revoke"
    # a rejection or a revocation is about the pull request, whatever lies in it by now; an approval names its evidence
    at = comment.created_at if verb == "approve" else comment.updated_at
    about = asked.digest if verb == "approve" and asked.digest is not None else evidence.digest
    return Vote(
        verb,
        about,
        evidence.model,
        asked.accepting,
        asked.reason,
        at,
        comment.user.identity,
        stored=digest.canonical(
            {
                "schema": SCHEMA,
                "verb": verb,
                "digest": about,
                "model": evidence.model,
                "accepting": asked.accepting,
                "reason": asked.reason,
                "at": utc_text(at),
                "by": comment.user.identity.to_json(),
                "comment": {"id": comment.id, "url": comment.html_url, "body": body},
                **({} if run is None else {"run": {"id": run.id, "attempt": run.run_attempt, "url": run.html_url}}),
            }
        ),
    )


def _objection(comment: Comment, event: CommentEvent | None, edited: Collection[int]) -> Objection | None:
    """Why an approval or a revocation in a comment is not believed."""
    user = comment.user
    if user is None or not user.is_person or comment.performed_via_github_app is not None:
        return Objection("bot", "no person wrote it: it came through a bot or an app")
    told = event is not None and event.comment.id == comment.id
    if comment.edited or comment.id in edited or (event is not None and told and event.action == "edited"):
        return Objection("edited", "the comment was edited, and whoever may write here can edit anybody's comment")
    if event is not None and event.comment.id == comment.id:
        if event.comment.body != comment.body:
            return Objection("body_mismatch", "the comment does not say any more what it said when it was written")
        if event.action == "created" and event.sender.id != user.id:
            return Objection("not_sender", f"{event.sender.login} sent what is signed {user.login}")
    return None


def _taken_back(event: CommentEvent | None, evidence: Evidence | Subject) -> list[Vote]:
    """What a comment said that was edited or deleted just now."""
    if event is None or event.before is None:
        return []
    vote = _vote(event.comment, event.before, evidence)
    return [] if vote is None else [vote]


def _about(vote: Vote, evidence: Evidence) -> Vote:
    """A remembered rejection, about what lies there now; its bytes stay what they were."""
    return Vote(
        vote.verb, evidence.digest, evidence.model, None, vote.reason, vote.at, vote.by, stored=vote.bytes
    )  # fmt: skip


def _closing(votes: Iterable[Vote]) -> dict[tuple[int, Verb], Vote]:
    """Rejections and revocations; of a comment that was changed there can be one of each."""
    return {(comment_id(vote), vote.verb): vote for vote in votes if vote.verb != "approve"}


def comment_id(vote: Vote) -> int:
    """The comment that a vote stood in, 0 where it stood in none."""
    comment = json.loads(vote.bytes).get("comment")
    number = comment.get("id") if isinstance(comment, dict) else None
    return number if type(number) is int and number > 0 else 0


def _makers(
    pull: PullRequest, commits: Sequence[Commit], runs: Sequence[WorkflowRun], policy: SignoffPolicy
) -> tuple[tuple[str, ...], tuple[Identity, ...]]:
    """(emails that must belong to somebody in the policy, accounts) of who made what was evaluated.

    A bot counts as its address, so that it stops everything until the policy names it: anybody could stand behind it.
    """
    accounts: list[Account] = [pull.user] if pull.user is not None else []
    emails: list[str] = []
    people = policy.people()
    for commit in commits:
        for account, signature in ((commit.author, commit.commit.author), (commit.committer, commit.commit.committer)):
            email = signature.email.strip().lower() if signature is not None else ""
            if account is not None:
                accounts.append(account)
                emails += [email] if any(person.wrote(email) for person in people) else []
            else:
                emails.append(email or f"nobody-{commit.sha[:12]}")
        emails += [match["email"].lower() for match in _CO_AUTHOR.finditer(commit.commit.message)]
    for run in runs:
        accounts += [run.actor, run.triggering_actor]
    known = {account.id: account for account in accounts}
    identities = [account.identity for account in known.values() if account.is_person]
    unknown = [account.noreply.lower() for account in known.values() if not account.is_person]
    for email in emails:
        match = _NOREPLY.fullmatch(email)
        if match is None or match["login"].endswith("[bot]"):
            unknown.append(email)
        elif int(match["id"]) not in known:
            identities.append(Identity("github", match["id"], match["login"]))
    return tuple(dict.fromkeys(unknown)), tuple(dict.fromkeys(identities))
