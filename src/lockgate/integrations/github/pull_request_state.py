"""The state of a pull request that a decision rests on, read anew each time, from GitHub alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lockgate.evidence.evidence import Evidence
from lockgate.hashing import sha256
from lockgate.integrations.github.artifact import EVIDENCE_BYTES, read_evidence, read_exhibits, unzip
from lockgate.integrations.github.client import GitHub
from lockgate.integrations.github.comment_commands import (
    UnevaluatedCommit,
    ballot,
    closing_record,
    read_record,
    unverified,
)
from lockgate.integrations.github.eligibility import WORKFLOW, BranchPolicy, obstacles
from lockgate.integrations.github.schema import (
    Artifact,
    ChangedFile,
    Comment,
    CommentEvent,
    Commit,
    GitHubError,
    PullRequest,
    WorkflowRun,
)
from lockgate.signoff.decision import Ballot, SignoffDecision, decide
from lockgate.signoff.vote import Vote

EVIDENCE = "evidence.json"
RECORD = "record.jsonl"
_RECORD_BYTES = 8 * 2**20
_BATCH = 100  # comments in one GraphQL query, as GitHub limits it


def artifact_name(workflow: str, number: int) -> str:
    """The artifact that holds the evidence of a pull request, or the closing record of a decision, as `workflow` names it."""
    return f"{workflow.rpartition('.')[0]}-{number:d}"


@dataclass(frozen=True)
class PullRequestState:
    """A pull request at one moment. run, evidence: of its newest commit, None where there is none (yet).

    workflow: file name of the one that leaves the evidence.

    edited: ids of comments that would approve or lift a rejection, and were edited though their times do not show it.
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

    def ballot(self, policy: BranchPolicy, event: CommentEvent | None = None) -> Ballot:
        """The votes on the evidence, and what stands against it. Raises ValueError without evidence."""
        if self.evidence is None or self.run is None:
            raise ValueError("there is no evidence to vote on")
        return ballot(
            self.pull,
            self.comments,
            commits=self.commits,
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
        return closing_record(self.comments, event, subject, policy.signoff, self.recorded)


def read_state(hub: GitHub, number: int, workflow: str = WORKFLOW) -> PullRequestState:
    """Read a pull request and the evidence that the workflow left of it. Raises GitHubError for any doubt."""
    pull = hub.pull(number)
    comments = hub.comments(number)
    commits = hub.commits(pull)
    run = hub.newest_run(workflow, pull.head.sha)
    artifacts = hub.artifacts(artifact_name(workflow, number))
    evidence = None if run is None else _evidence(hub, pull, run, artifacts)
    edited, files = _edits_and_files(hub, pull, () if evidence is None else unverified(comments, evidence))
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
    )


def _edits_and_files(
    hub: GitHub, pull: PullRequest, comments: Sequence[Comment]
) -> tuple[frozenset[int], tuple[ChangedFile, ...] | None]:
    """(ids of those comments that were or may have been edited, the files where the answers had them all)."""
    edited, files = set[int](), None
    for start in range(0, len(comments), _BATCH):
        batch = comments[start : start + _BATCH]
        answer = hub.edits_and_files(pull, batch)
        if answer is None:
            break  # a server without GraphQL: times and the event have to do
        files = answer.files
        edited |= {
            comment.id for comment, edits in zip(batch, answer.nodes, strict=True) if edits is None or edits.edited
        }
    return frozenset(edited), files


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
