"""Jobs of a pull request: read its state anew, decide, keep the one comment current, and notify."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lockgate import git
from lockgate.cli.github.actions_runner import Runner, log
from lockgate.cli.notifications import notify_waiting
from lockgate.errors import LockgateError, UsageError
from lockgate.evidence.evaluations import Evaluation
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github.client import GitHub, own_comments
from lockgate.integrations.github.closing_words import closing_meaning
from lockgate.integrations.github.comment_commands import parse_command
from lockgate.integrations.github.comment_report import LIMIT, CommentContext, SignoffStatus, render
from lockgate.integrations.github.contributors import event_contributors
from lockgate.integrations.github.eligibility import WORKFLOW, BranchPolicy
from lockgate.integrations.github.pull_request_evaluations import counted_line, evaluations_so_far, hidden_line
from lockgate.integrations.github.pull_request_state import MARKER, RECORD, PullRequestState, read_state
from lockgate.integrations.github.schema import (
    WEB_FLOW,
    Comment,
    CommentEvent,
    GitHubError,
    PullEvent,
    PullRequest,
    parse,
)
from lockgate.models import environment
from lockgate.pipeline.loader import load, pipelines, project_root
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.read_paths import ReadPaths
from lockgate.runs.lookup import only_pipeline
from lockgate.runs.promotion_hooks import policy_gates
from lockgate.runs.run import now
from lockgate.signoff.decision import SignoffDecision, unreachable_reason
from lockgate.signoff.policy import SignoffPolicy
from lockgate.text import hide, markdown, secret_forms, utf16

# What somebody reads whose command has no known form.
_COMMANDS = (
    "I know `/gate approve sha256:…` with all 64 digits, alone in its line (and `accepting N undecided` behind it where "
    "the comment above says so), `/gate reject`, `/gate revoke` and `/gate status`."
)
_REVIEWS = ("pull_request_review", "pull_request_review_comment")


@dataclass(frozen=True)
class PullRequestJob:
    """A job on the repository of a pull request, started by an event of that pull request.

    pipeline: of the default branch, which alone is checked out here; None where it has none yet. workflow: file name of the
    one that runs its gates.
    """

    hub: GitHub
    number: int
    event: CommentEvent | None
    path: Path
    pipeline: Pipeline | None
    workflow: str

    @classmethod
    def open(cls, environ: Mapping[str, str], path: Path | None) -> PullRequestJob:
        """The current job. Raises UsageError where it is none of a pull request."""
        number, event = _parse_event(read_event(environ))
        if path is None:
            path = only_pipeline(project_root())
        hub = GitHub.of_job(environ)
        workflow = environ.get("GATE_WORKFLOW") or WORKFLOW
        if not re.fullmatch(r"[A-Za-z0-9._\-]+\.ya?ml", workflow):
            raise UsageError(f"{workflow!r} is no file of .github/workflows", remedy="write a name like gate.yml")
        return cls(hub, number, event, path, load(path, environ=None) if path.is_file() else None, workflow)

    @property
    def policy(self) -> BranchPolicy | None:
        """The policy of the default branch; None where it has no pipeline yet."""
        pipeline = self.pipeline
        if pipeline is None:
            return None
        signoff = pipeline.signoff or SignoffPolicy()
        gates = policy_gates(pipeline)
        return BranchPolicy(
            pipeline.model,
            pipeline.policy_digest,
            signoff,
            when=pipeline.promotion.when,
            gates=gates,
            workflow=self.workflow,
            code=code_not_run_again(pipeline),
        )

    def read_state(self) -> PullRequestState:
        policy = self.policy
        signoff = SignoffPolicy() if policy is None else policy.signoff
        return read_state(self.hub, self.number, self.workflow, policy=signoff)

    def concerns(self, state: PullRequestState) -> bool:
        """Whether the pull request has or needs evidence of this pipeline; another one of this repository answers else."""
        if state.evidence is not None or self.own_comment(state.pull, state.comments) is not None:
            return True
        path = os.path.relpath(self.path, project_root())
        reads = ReadPaths((path,)) if self.pipeline is None else ReadPaths.of_pipeline(self.pipeline)
        return _touches(state, reads)

    def decision(self, state: PullRequestState, now: datetime) -> SignoffDecision:
        policy = self.policy
        if policy is None:
            return SignoffDecision(
                "refused", "no_pipeline", "the default branch has no pipeline for this model yet",
                remedy="bring it there by a pull request of its own",
            )  # fmt: skip
        return state.decision(policy, now, self.event)

    def _comment(self, state: PullRequestState, decision: SignoffDecision, done: tuple[str, ...] | None) -> str:
        """The comment as it should be, also without evidence."""
        marker = self._marker(state.pull)
        elsewhere = self._digests_of_others(state)
        decision = replace(
            decision, ignored=tuple(entry for entry in decision.ignored if entry.vote.digest not in elsewhere)
        )
        evaluations = self.evaluations(state)
        hidden = hidden_line(evaluations)
        if state.evidence is None:
            reason, remedy = markdown(decision.reason), markdown(decision.remedy or "")
            return f"{marker}\n{hidden}### ⏳ Nothing to approve yet\n\n{reason}; {remedy}.\n"
        other = [ignored.vote.digest for ignored in reversed(decision.ignored) if ignored.code == "other_evidence"]
        context = CommentContext(
            marker,
            run_url=None if state.run is None else state.run.html_url,
            commit=state.pull.head.sha,
            replaced=tuple(dict.fromkeys(other)),
        )
        policy, signoff = self.policy, None
        if policy is not None:
            signoff = SignoffStatus(policy.signoff, state.ballot(policy, self.event), decision, done)
        counted = counted_line(state.evidence, evaluations)
        room = LIMIT - utf16(hidden) - utf16(counted)
        body = render(RunRecord(state.evidence), context=context, signoff=signoff, limit=room)
        return body.replace(f"{marker}\n", f"{marker}\n{hidden}", 1) + counted

    def evaluations(self, state: PullRequestState) -> tuple[Evaluation, ...]:
        """Of a holdout by this pull request's runs, as far as the one comment remembers them."""
        comment = self.own_comment(state.pull, state.comments)
        return evaluations_so_far("" if comment is None else comment.body, state.evidence)

    def notify_waiting(self, state: PullRequestState, decision: SignoffDecision) -> None:
        """Notify those whom the pipeline names, once for each evidence: until the one comment names it."""
        if self.pipeline is None or state.evidence is None or decision.state != "pending":
            return
        if state.evidence.is_of_champion:
            return
        comment = self.own_comment(state.pull, state.comments)
        if comment is None or state.evidence.digest not in comment.body:
            notify_waiting(self.pipeline, state.evidence, pull=state.pull.html_url)

    def own_comment(self, pull: PullRequest, comments: Sequence[Comment]) -> Comment | None:
        """The one comment of this pipeline, None before it is written."""
        return next(iter(own_comments(comments, self._marker(pull))), None)

    def _digests_of_others(self, state: PullRequestState) -> frozenset[str]:
        """The evidence of this repository's other pipelines, as their comments name it: approvals of that are not about ours."""
        marker = self._marker(state.pull)
        comments = own_comments(state.comments, f"{marker.rpartition('/')[0]}/")
        others = [comment.body for comment in comments if not comment.body.startswith(marker)]
        return frozenset(digest for body in others for digest in re.findall(r"sha256:[0-9a-f]{64}", body))

    def _marker(self, pull: PullRequest) -> str:
        name = quote(self.path.stem, safe="").replace("-", "%2D")
        return f"{MARKER}{pull.base.repo.id}/{self.number}/{name} -->"

    def keep_comment(
        self, state: PullRequestState, decision: SignoffDecision, runner: Runner, *, done: tuple[str, ...] | None = None
    ) -> None:
        """Write the one comment; where the token may not, as in a pull request from a fork, into the summary.

        done: lines of the promotion's outcome, None before it.
        """
        body = hide(self._comment(state, decision, done), secret_forms(environment.secrets(os.environ)))
        try:
            self.hub.keep_comment(self.number, body, marker=body.partition("\n")[0], comments=state.comments)
        except GitHubError as error:
            if error.status != 403:
                raise
            log("gate: the token may not comment here; the comment stands in the job's summary instead")
            runner.add_summary(body)

    def answer_unclear_words(self, state: PullRequestState) -> None:
        """Tell somebody of the policy that their words to the gate have no known form; others may write what they like."""
        event, policy = self.event, self.policy
        if event is None or event.action != "created" or event.comment.user is None or policy is None:
            return
        command = parse_command(event.comment.body)
        if policy.signoff.owner_of(event.comment.user.identity) is None or (
            command is not None and command.verb != "unknown"
        ):
            return
        if closing_meaning(event.comment.body) in ("unclear", "approving") and not self._another_answers(state):
            self.hub.add_comment(self.number, _COMMANDS)

    def _another_answers(self, state: PullRequestState) -> bool:
        """Whether an earlier pipeline of gates/ is concerned, too, and has the same owner; its job tells them then."""
        user = None if self.event is None else self.event.comment.user
        for path in takewhile(lambda path: path.name != self.path.name, pipelines(project_root())):
            with suppress(LockgateError):
                other = load(path, environ=None)
                owner = user and other.signoff and other.signoff.owner_of(user.identity)
                if owner and _touches(state, ReadPaths.of_pipeline(other)):
                    return True
        return False


def code_not_run_again(pipeline: Pipeline) -> tuple[str, ...]:
    """Files and folders whose bytes decide what gates find that `prove` does not run again; a candidate's number is none."""
    paths = (path for gate in pipeline.gates if not gate.repeatable for path in gate.own_code)
    return tuple(dict.fromkeys(path for path in paths if path != pipeline.version_file))


def _touches(state: PullRequestState, reads: ReadPaths) -> bool:
    """Whether a pull request changes any of those paths, as far as GitHub lists its files."""
    paths = [name for file in state.files for name in file.paths]
    return len(state.files) < state.pull.changed_files or any(map(reads.match, paths))


def decide(path: Path | None, record: Path | None, runner: Runner) -> dict[str, str]:
    """Decide about the pull request and keep its comment; returns the outputs of the step.

    record: the folder for what the next decision must know; None for the job that only keeps the comment.
    """
    job = PullRequestJob.open(os.environ, path)
    state = job.read_state()
    decision = job.decision(state, now())
    if record is None:
        decision = _unless_stopped(decision)
    else:
        _keep_record(job, state, record)
        if not job.concerns(state):
            log(f"pull request {job.number} changes nothing that {job.path.name} reads")
            return {"state": "pending", "reason-code": "not_concerned", "evidence-digest": ""}
        job.answer_unclear_words(state)
    job.notify_waiting(state, decision)
    job.keep_comment(state, decision, runner)
    log(f"{decision.state}: {decision.reason}")
    digest = "" if state.evidence is None else state.evidence.digest
    # A run that a review started has the pull request's own copy of the workflow, so nothing follows from it.
    reviewed = decision.state == "approved" and os.environ.get("GITHUB_EVENT_NAME", "") in _REVIEWS
    return {"state": "pending" if reviewed else decision.state, "reason-code": decision.code, "evidence-digest": digest}


def _unless_stopped(decision: SignoffDecision) -> SignoffDecision:
    """The decision, or a refusal where the job that proves the rollback failed: GATE_STOPPED has its code then."""
    code = os.environ.get("GATE_STOPPED", "")
    if not code or decision.state != "approved":
        return decision
    run = os.environ.get("GITHUB_RUN_ID") or "unknown"
    return SignoffDecision(
        "refused",
        code if re.fullmatch(r"[a-z_]{1,40}", code) else "error",
        f"it was approved, and the job that proves the rollback and re-runs gates stopped it ({code[:40]})",
        remedy=f"the summary of run {run} of this workflow says why; once that is fixed, comment /gate status",
    )


def _keep_record(job: PullRequestJob, state: PullRequestState, folder: Path) -> None:
    """Write what the next decision must know to the file that the job uploads."""
    folder.mkdir(parents=True, exist_ok=True)
    policy = job.policy
    recorded = b"".join(vote.bytes + b"\n" for vote in state.recorded)
    (folder / RECORD).write_bytes(recorded if policy is None else state.record(policy, job.event))


def require_possible_approval(environ: Mapping[str, str], path: Path | None) -> None:
    """Refuse to evaluate a pull request that nobody could ever approve. Raises UsageError, before any model runs."""
    if environ.get("GITHUB_EVENT_NAME") != "pull_request":
        return
    event = parse(PullEvent, read_event(environ), source="the event")
    pipeline = load(path or only_pipeline(project_root()), environ=None)
    if pipeline.mode == "observe":
        return
    updated = event.action == "synchronize" and git.merged_by(WEB_FLOW, project_root())
    obstacle = unreachable_reason(pipeline.signoff or SignoffPolicy(), event_contributors(event, updated=updated))
    if obstacle is not None:
        raise UsageError(
            f"nobody could ever approve this pull request: {obstacle}",
            remedy="add owners to signoff.groups on the default branch, or set separation_of_duties: false there",
        )


def read_event(environ: Mapping[str, str]) -> bytes:
    """The event that started the workflow. Raises UsageError."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        raise UsageError("GITHUB_EVENT_PATH is not set", remedy="call this in a workflow that GitHub started")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"GITHUB_EVENT_PATH cannot be read: {error}") from error


def _parse_event(content: bytes) -> tuple[int, CommentEvent | None]:
    """(number of the pull request, the event where it is of a comment)."""
    import json

    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    pull = document.get("pull_request") if isinstance(document, dict) else None
    if isinstance(pull, dict) and type(pull.get("number")) is int:
        return pull["number"], None
    if not isinstance(document, dict) or "comment" not in document:
        raise UsageError("the event is of no pull request", remedy="call this on pull_request or issue_comment")
    event = parse(CommentEvent, content, source="the event")
    if event.pull is None:
        raise UsageError("the comment is on an issue, not on a pull request")
    return event.number, event
