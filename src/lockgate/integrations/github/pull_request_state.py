"""The state of a pull request that a decision rests on, read anew each time, from GitHub alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lockgate.evidence.evidence import Evidence
from lockgate.hashing import sha256
from lockgate.integrations.github.artifact import EVIDENCE_BYTES, read_evidence, read_exhibits, unzip
from lockgate.integrations.github.client import GitHub, is_own
from lockgate.integrations.github.comment_commands import (
    Statements,
    UnevaluatedCommit,
    ballot,
    closing_record,
    has_vote,
    matters,
    read_record,
    unverified,
)
from lockgate.integrations.github.contributors import brings_only_the_base, contributors, possible_updates
from lockgate.integrations.github.eligibility import WORKFLOW, BranchPolicy, obstacles
from lockgate.integrations.github.reviews import any_dismissed
from lockgate.integrations.github.schema import (
    Account,
    Artifact,
    ChangedFile,
    Comment,
    CommentEvent,
    Commit,
    EditsAndFiles,
    GitHubError,
    IssueEvent,
    PullRequest,
    Review,
    Statement,
    WorkflowRun,
)
from lockgate.signoff.decision import Ballot, SignoffDecision, decide
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote

EVIDENCE = "evidence.json"
RECORD = "record.jsonl"
_RECORD_BYTES = 8 * 2**20
_BATCH = 100  # comments in one GraphQL query, as GitHub limits it
_STRANGERS = 20  # commands of people without a vote that are kept, so that they can be told of
_UPDATES = 50  # merges of the base that are looked into, the newest; each takes two requests
MARKER = "<!-- gate:v1 "  # how each comment of ours begins


def artifact_name(workflow: str, number: int) -> str:
    """The artifact that holds the evidence of a pull request, or the closing record of a decision, as `workflow` names it."""
    return f"{workflow.rpartition('.')[0]}-{number:d}"


@dataclass(frozen=True)
class PullRequestState:
    """A pull request at one moment. run, evidence: of its newest commit, None where there is none (yet).

    workflow: file name of the one that leaves the evidence.
    comments: those that can matter, and ours. elsewhere: what is addressed to the gate beside the lines of files.
    edited: ids of comments that would approve or lift a rejection, and were edited though their times do not show it.
    updates: commits that bring the base and nothing else. pushers: commit → who started its first run.
    altered: reviews and what stands beside lines, by node, that somebody else than their author edited.
    """

    pull: PullRequest
    comments: tuple[Comment, ...]
    commits: tuple[Commit, ...]
    files: tuple[ChangedFile, ...]
    run: WorkflowRun | None
    evidence: Evidence | None
    recorded: tuple[Vote, ...] = ()
    edited: frozenset[int] = frozenset()
    workflow: str = WORKFLOW
    reviews: tuple[Review, ...] = ()
    elsewhere: tuple[Statement, ...] = ()
    dismissals: Mapping[int, IssueEvent] = field(default_factory=dict)
    updates: frozenset[str] = frozenset()
    pushers: Mapping[str, Account] = field(default_factory=dict)
    altered: frozenset[str] = frozenset()

    @property
    def statements(self) -> Statements:
        return Statements(self.comments, self.reviews, self.elsewhere, self.dismissals, self.altered)

    def ballot(self, policy: BranchPolicy, event: CommentEvent | None = None) -> Ballot:
        """The votes on the evidence, and what stands against it. Raises ValueError without evidence."""
        if self.evidence is None or self.run is None:
            raise ValueError("there is no evidence to vote on")
        return ballot(
            self.pull,
            self.statements,
            made=contributors(self.pull, self.commits, self.run, policy.signoff, self.updates, self.pushers),
            run=self.run,
            evidence=self.evidence,
            policy=policy.signoff,
            edited=self.edited,
            recorded=self.recorded,
            event=event,
            hold=next(obstacles(self.pull, self.files, self.run, self.evidence, policy), None),
        )

    def decision(self, policy: BranchPolicy, now: datetime, event: CommentEvent | None = None) -> SignoffDecision:
        """Whether the evidence is approved at this moment."""
        if self.evidence is None or self.run is None:
            return SignoffDecision(
                "pending",
                "no_evidence",
                f"there is no evidence of {self.pull.head.sha[:12]}, the newest commit of pull request {self.pull.number}",
                remedy="let the gate workflow run to its end",
            )
        return decide(policy.signoff, self.evidence, self.ballot(policy, event), now)

    def record(self, policy: BranchPolicy, event: CommentEvent | None = None) -> bytes:
        """What the next decision must know, even where comments change until then; empty where there is nothing."""
        subject = self.evidence or UnevaluatedCommit(sha256(self.pull.head.sha.encode()), policy.model)
        return closing_record(self.statements, event, subject, policy.signoff, self.recorded)


def read_state(
    hub: GitHub, number: int, workflow: str = WORKFLOW, *, policy: SignoffPolicy | None = None
) -> PullRequestState:
    """Read a pull request and the evidence that the workflow left of it. Raises GitHubError for any doubt.

    policy: whose words matter, so that of any number of comments only those are held; None to hold everybody's.
    """
    pull = hub.pull(number)
    comments = _kept_comments(hub, number, policy)
    commits = hub.commits(pull)
    run = hub.newest_run(workflow, pull.head.sha)
    artifacts = hub.artifacts(artifact_name(workflow, number))
    evidence = None if run is None else _evidence(hub, pull, run, artifacts)
    suspects = () if evidence is None else unverified(comments, evidence)
    edited, files, unreviewed = _edits_and_files(hub, pull, suspects)
    reviews, elsewhere = ((), ()) if unreviewed else _reviews(hub, number, policy)
    altered = _altered(hub, pull, [*reviews, *elsewhere])
    return PullRequestState(
        pull,
        comments,
        commits,
        hub.files(pull) if files is None else files,
        run,
        evidence,
        _recorded(hub, pull, artifacts),
        edited,
        workflow,
        reviews,
        tuple(comment for comment in elsewhere if comment.node_id in altered or matters(comment, policy)),
        hub.dismissals(number) if any_dismissed(reviews, policy) else {},
        frozenset(_updates(hub, pull, commits, policy)),
        hub.pushers(workflow, pull.head.ref) if len(commits) > 1 else {},
        altered,
    )


def _kept_comments(hub: GitHub, number: int, policy: SignoffPolicy | None) -> tuple[Comment, ...]:
    """The comments that can matter, ours, and the last of strangers' commands; all others are read and let go."""
    kept: list[Comment] = []
    strangers: deque[Comment] = deque(maxlen=_STRANGERS)
    for comment in hub.each_comment(number):
        kept_as = matters(comment, policy)
        if kept_as or is_own(comment, MARKER):
            kept.append(comment)
        elif kept_as is None:
            strangers.append(comment)
    return tuple(sorted([*kept, *strangers], key=lambda comment: comment.id))


def _reviews(
    hub: GitHub, number: int, policy: SignoffPolicy | None
) -> tuple[tuple[Review, ...], tuple[Statement, ...]]:
    """(those of people with a vote, what they say beside lines of files, which is always part of a review)."""
    reviews = list[Review]()
    reviewed = False
    for review in hub.each_review(number):
        reviewed = True
        if has_vote(review.user, policy):
            reviews.append(review)
    listed = hub.each_review_comment(number) if reviewed else ()
    return tuple(reviews), tuple(comment for comment in listed if has_vote(comment.user, policy))


def _altered(hub: GitHub, pull: PullRequest, statements: Sequence[Statement]) -> frozenset[str]:
    """Those, by node, that somebody else than their author edited, also within the second in which they were written."""
    return frozenset(
        words.node_id
        for batch, answer in _edit_answers(hub, pull, statements)
        for words, edits in zip(batch, answer.nodes, strict=True)
        if edits is not None and edits.by_another(words.user)
    )


def _updates(hub: GitHub, pull: PullRequest, commits: Sequence[Commit], policy: SignoffPolicy | None) -> Iterator[str]:
    """The commits that bring the base into the branch and nothing else. Those that hinder nobody are not looked into."""
    possible = possible_updates(commits)
    makers = {pull.user} | {
        account for commit in commits if commit not in possible for account in (commit.author, commit.committer)
    }
    hands = {maker.id for maker in makers if maker is not None}
    merges = [
        commit
        for commit in possible
        if (author := commit.author) is None
        or not author.is_person
        or (author.id not in hands and has_vote(author, policy))
    ]
    for commit in merges[:_UPDATES]:
        before, base = (parent.sha for parent in commit.parents)
        try:
            if brings_only_the_base(hub.files_between(before, base), hub.files_between(before, commit.sha)):
                yield commit.sha
        except GitHubError as error:
            if error.status not in (404, 422):
                raise
            # a commit that GitHub has no more proves nothing


def _edits_and_files(
    hub: GitHub, pull: PullRequest, comments: Sequence[Comment]
) -> tuple[frozenset[int], tuple[ChangedFile, ...] | None, bool]:
    """(ids of those comments that were or may have been edited, the files where the answers had them all, no reviews)."""
    edited, files, unreviewed = set[int](), None, False
    for batch, answer in _edit_answers(hub, pull, comments):
        files, unreviewed = answer.files, answer.unreviewed
        edited |= {
            comment.id for comment, edits in zip(batch, answer.nodes, strict=True) if edits is None or edits.edited
        }
    return frozenset(edited), files, unreviewed


def _edit_answers(
    hub: GitHub, pull: PullRequest, statements: Sequence[Statement]
) -> Iterator[tuple[Sequence[Statement], EditsAndFiles]]:
    """(some of the statements, what GitHub says of their edits); nothing from a server without GraphQL.

    There times and the event have to do.
    """
    for start in range(0, len(statements), _BATCH):
        batch = statements[start : start + _BATCH]
        answer = hub.edits_and_files(pull, batch)
        if answer is None:
            return
        yield batch, answer


def exhibits(hub: GitHub, state: PullRequestState) -> dict[str, bytes]:
    """file → bytes of the declared exhibits, from the artifact of the evidence. Raises Refused where one is missing."""
    artifact = None
    if state.run is not None:
        artifact = _artifact(state.pull, state.run, hub.artifacts(artifact_name(state.workflow, state.pull.number)))
    if artifact is None or state.evidence is None:
        raise GitHubError("the artifact with the evidence is gone", remedy="run the gate workflow again")
    return read_exhibits(hub.download(artifact), state.evidence)


def _evidence(hub: GitHub, pull: PullRequest, run: WorkflowRun, artifacts: Sequence[Artifact]) -> Evidence | None:
    artifact = _artifact(pull, run, artifacts)
    if artifact is None:
        return None
    contents = unzip(hub.download(artifact), {EVIDENCE: EVIDENCE_BYTES})
    if EVIDENCE not in contents:
        raise GitHubError(f"the artifact {artifact.name} of run {run.id} holds no {EVIDENCE}")
    return read_evidence(contents[EVIDENCE])


def _artifact(pull: PullRequest, run: WorkflowRun, artifacts: Sequence[Artifact]) -> Artifact | None:
    """The newest artifact of the run; one of an earlier attempt is refused later, by what its evidence says."""
    for artifact in artifacts:
        made = artifact.workflow_run
        if made is not None and made.id == run.id:
            if made.repository_id != pull.base.repo.id or made.head_sha != pull.head.sha:
                raise GitHubError(f"the artifact {artifact.name} is not of this repository or not of {pull.head.sha}")
            return artifact
    return None


def _recorded(hub: GitHub, pull: PullRequest, artifacts: Sequence[Artifact]) -> tuple[Vote, ...]:
    """The votes that earlier decisions recorded, which ran on the default branch, and not on that of a pull request."""
    here, branch = pull.base.repo.id, pull.base.repo.default_branch
    for artifact in artifacts:
        made = artifact.workflow_run
        if (
            made is None
            or artifact.expired
            or (made.repository_id, made.head_repository_id, made.head_branch) != (here, here, branch)
        ):
            continue
        contents = unzip(hub.download(artifact), {RECORD: _RECORD_BYTES})
        try:
            return read_record(contents.get(RECORD, b""))
        except ValueError as error:
            raise GitHubError(f"the record of earlier decisions cannot be read: {error}") from error
    return ()
