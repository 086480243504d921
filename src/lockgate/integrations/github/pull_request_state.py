"""What does a decision about a pull request rest on? Everything read anew, each time, from GitHub and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lockgate.evidence.evidence import Evidence
from lockgate.integrations.github import artifact as github_artifact
from lockgate.integrations.github import comments as github_comments
from lockgate.integrations.github import eligibility as github_pull
from lockgate.integrations.github.client import GitHub
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
from lockgate.signoff.decision import Ballot, Decision, decide
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote

WORKFLOW = ".github/workflows/gate.yml"
EVIDENCE = "evidence.json"
RECORD = "record.jsonl"
_RECORD_BYTES = 8 * 2**20
_AT_ONCE = 100  # comments of which GraphQL tells in one answer


def artifact_name(number: int) -> str:
    """Under this name the gate leaves the evidence of a pull request, and each decision what it must not forget."""
    return f"gate-{number:d}"


@dataclass(frozen=True)
class Asked:
    """What the default branch says: the policy, and of which pipeline. watched: what no pull request may touch."""

    model: str
    policy_digest: str
    signoff: SignoffPolicy
    when: Literal["approved", "merged"] = "approved"
    workflow: str = WORKFLOW
    watched: Sequence[str] = github_pull.WATCHED


@dataclass(frozen=True)
class Seen:
    """A pull request at one moment. run, evidence: of its newest commit, None where there is none (yet).

    edited: ids of comments that would open something and were edited, though their times do not show it.
    """

    pull: PullRequest
    comments: tuple[Comment, ...]
    commits: tuple[Commit, ...]
    files: tuple[ChangedFile, ...]
    run: WorkflowRun | None
    evidence: Evidence | None
    recorded: tuple[Vote, ...] = ()
    edited: frozenset[int] = frozenset()

    def ballot(self, asked: Asked, event: CommentEvent | None = None) -> Ballot:
        """The votes on the evidence, and what stands against it. Raises ValueError without evidence."""
        if self.evidence is None or self.run is None:
            raise ValueError("there is no evidence to vote on")
        return github_comments.ballot(
            self.pull,
            self.comments,
            commits=self.commits,
            runs=[self.run],
            evidence=self.evidence,
            policy=asked.signoff,
            edited=self.edited,
            recorded=self.recorded,
            event=event,
            obstacle=github_pull.obstacle(
                self.pull,
                self.files,
                self.run,
                evidence=self.evidence,
                workflow=asked.workflow,
                model=asked.model,
                policy_digest=asked.policy_digest,
                watched=asked.watched,
                when=asked.when,
            ),
        )

    def decision(self, asked: Asked, now: datetime, event: CommentEvent | None = None) -> Decision:
        """What follows from all of it."""
        if self.evidence is None or self.run is None:
            return Decision(
                "pending",
                "no_evidence",
                f"there is no evidence of {self.pull.head.sha[:12]}, the newest commit of pull request {self.pull.number}",
                remedy="let the gate workflow run to its end",
            )
        return decide(asked.signoff, self.evidence, self.ballot(asked, event), now)

    def record(self, asked: Asked, event: CommentEvent | None = None) -> bytes:
        """What the next decision must know, even where comments change until then; empty where there is nothing."""
        about = self.evidence or github_comments.Subject.of(self.pull, asked.model)
        return github_comments.record(self.comments, event, about, asked.signoff, self.recorded)


def look(hub: GitHub, number: int, *, workflow: str = WORKFLOW) -> Seen:
    """Read a pull request and its evidence. workflow: path of the one that makes it. Raises GitHubError for any doubt."""
    pull = hub.pull(number)
    comments = hub.comments(number)
    commits = hub.commits(pull)
    run = hub.newest_run(workflow, pull.head.sha)
    left = hub.artifacts(artifact_name(number))
    evidence = None if run is None else _evidence(hub, pull, run, left)
    edited, files = _closer(hub, pull, () if evidence is None else github_comments.doubtful(comments, evidence))
    return Seen(
        pull,
        comments,
        commits,
        hub.files(pull) if files is None else files,
        run,
        evidence,
        _recorded(hub, pull, left),
        edited,
    )


def _closer(
    hub: GitHub, pull: PullRequest, comments: Sequence[Comment]
) -> tuple[frozenset[int], tuple[ChangedFile, ...] | None]:
    """(ids of those comments that were edited, or of which that cannot be told; the files where they were told too)."""
    edited, files = set[int](), None
    for start in range(0, len(comments), _AT_ONCE):
        some = comments[start : start + _AT_ONCE]
        told = hub.closer(pull, some)
        if told is None:
            break  # a server without GraphQL: what the times and the event show has to do
        files = told.files
        edited |= {one.id for one, edits in zip(some, told.nodes, strict=True) if edits is None or edits.edited}
    return frozenset(edited), files


def exhibits(hub: GitHub, seen: Seen) -> dict[str, bytes]:
    """file → bytes of what the evidence declares, from the artifact that it came with. Raises Refused where some is gone."""
    artifact = (
        None if seen.run is None else _artifact(seen.pull, seen.run, hub.artifacts(artifact_name(seen.pull.number)))
    )
    if artifact is None or seen.evidence is None:
        raise GitHubError("there is no artifact with evidence any more", remedy="run the gate workflow again")
    return github_artifact.exhibits(hub.download(artifact), seen.evidence)


def _evidence(hub: GitHub, pull: PullRequest, run: WorkflowRun, left: Sequence[Artifact]) -> Evidence | None:
    artifact = _artifact(pull, run, left)
    if artifact is None:
        return None
    found = github_artifact.unzip(hub.download(artifact), {EVIDENCE: github_artifact.EVIDENCE_BYTES})
    if EVIDENCE not in found:
        raise GitHubError(f"the artifact {artifact.name} of run {run.id} holds no {EVIDENCE}")
    return github_artifact.evidence(found[EVIDENCE])


def _artifact(pull: PullRequest, run: WorkflowRun, left: Sequence[Artifact]) -> Artifact | None:
    """The newest of the run; what an earlier attempt left is told apart later, by what it says of itself."""
    for artifact in left:
        made = artifact.workflow_run
        if made is not None and made.id == run.id:
            if made.repository_id != pull.base.repo.id or made.head_sha != pull.head.sha:
                raise GitHubError(f"the artifact {artifact.name} is not of this repository or not of {pull.head.sha}")
            return artifact
    return None


def _recorded(hub: GitHub, pull: PullRequest, left: Sequence[Artifact]) -> tuple[Vote, ...]:
    """What earlier decisions kept. They run on the default branch; the runs of a pull request say its own branch."""
    here, branch = pull.base.repo.id, pull.base.repo.default_branch
    for artifact in left:
        made = artifact.workflow_run
        if (
            made is None
            or artifact.expired
            or (made.repository_id, made.head_repository_id, made.head_branch) != (here, here, branch)
        ):
            continue
        found = github_artifact.unzip(hub.download(artifact), {RECORD: _RECORD_BYTES})
        try:
            return github_comments.read_record(found.get(RECORD, b""))
        except ValueError as error:
            raise GitHubError(f"the record of earlier decisions cannot be read: {error}") from error
    return ()
