"""What does a job do about a pull request: it looks at it anew, decides, keeps the one comment right, and tells."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lockgate.errors import UsageError

if TYPE_CHECKING:
    from lockgate.cli.github.actions_runner import Runner
    from lockgate.integrations.github.client import GitHub
    from lockgate.integrations.github.pull_request_state import BranchPolicy, PullRequestState
    from lockgate.integrations.github.schema import CommentEvent
    from lockgate.pipeline.model import Pipeline
    from lockgate.signoff.decision import SignoffDecision

_KNOWN = (
    "I know `/gate approve sha256:…` with all 64 digits, alone in its line (and `accepting N undecided` behind it where "
    "the comment above says so), `/gate reject`, `/gate revoke` and `/gate status`."
)


@dataclass(frozen=True)
class Desk:
    """The repository that this job belongs to, and the pull request that its event is about.

    pipeline: of the default branch, which alone is checked out here; None where it has none yet.
    """

    hub: GitHub
    number: int
    event: CommentEvent | None
    path: Path
    pipeline: Pipeline | None

    @classmethod
    def open(cls, environ: Mapping[str, str], path: Path | None) -> Desk:
        """Raises UsageError where this is no job of a pull request."""
        from lockgate.cli.evidence_lookup import project_root
        from lockgate.integrations.github.client import API, GitHub
        from lockgate.pipeline.loader import load
        from lockgate.runs.lookup import only_pipeline

        told = _event(environ)
        number, event = _about(told)
        here = project_root()
        if path is None:
            path = only_pipeline(here)
        hub = GitHub(
            environ.get("GITHUB_REPOSITORY", ""),
            environ.get("GATE_TOKEN", ""),
            api=environ.get("GITHUB_API_URL") or API,
        )
        return cls(hub, number, event, path, load(path, environ=None) if path.is_file() else None)

    @property
    def asked(self) -> BranchPolicy | None:
        """What the default branch says."""
        from lockgate.integrations.github.pull_request_state import BranchPolicy
        from lockgate.signoff.policy import SignoffPolicy

        of = self.pipeline
        if of is None:
            return None
        return BranchPolicy(of.model, of.policy_digest, of.signoff or SignoffPolicy(), when=of.promotion.when)

    def look(self) -> PullRequestState:
        from lockgate.integrations.github.pull_request_state import read_state

        return read_state(self.hub, self.number)

    def decision(self, seen: PullRequestState, now: datetime) -> SignoffDecision:
        from lockgate.signoff.decision import SignoffDecision

        asked = self.asked
        if asked is None:
            return SignoffDecision(
                "refused", "no_pipeline", "the default branch has no pipeline for this model yet",
                remedy="bring it there by a pull request of its own",
            )  # fmt: skip
        return seen.decision(asked, now, self.event)

    def comment(self, seen: PullRequestState, decision: SignoffDecision, *, done: tuple[str, ...] | None = None) -> str:
        """The comment as it should stand, also where there is no evidence to tell of."""
        from lockgate.evidence.run_record import RunRecord
        from lockgate.integrations.github import comment_report

        marker = self._marker(seen)
        if seen.evidence is None:
            return f"{marker}\n{_nothing(seen, decision)}"
        older = dict.fromkeys(one.vote.digest for one in reversed(decision.ignored) if one.code == "other_evidence")
        context = comment_report.CommentContext(
            marker,
            run_url=None if seen.run is None else seen.run.html_url,
            commit=seen.pull.head.sha,
            replaced=tuple(older),
        )
        policy, signoff = self.asked, None
        if policy is not None:
            signoff = comment_report.SignoffStatus(policy.signoff, seen.ballot(policy, self.event), decision, done)
        return comment_report.render(RunRecord(seen.evidence), context=context, signoff=signoff)

    def ask_for_sign_off(self, seen: PullRequestState, decision: SignoffDecision) -> None:
        """Notify those whom the pipeline names, once for each evidence: until the one comment speaks of it."""
        from lockgate.cli.notifications import notify_waiting
        from lockgate.integrations.github.client import own_comment

        if self.pipeline is None or seen.evidence is None or decision.state != "pending":
            return
        said = own_comment(seen.comments, self._marker(seen))
        if said is None or seen.evidence.digest not in said.body:
            notify_waiting(self.pipeline, seen.evidence, pull=seen.pull.html_url)

    def _marker(self, seen: PullRequestState) -> str:
        name = quote(self.path.stem, safe="").replace("-", "%2D")
        return f"<!-- gate:v1 {seen.pull.base.repo.id}/{self.number}/{name} -->"

    def stick(self, seen: PullRequestState, body: str, runner: Runner) -> None:
        """Write the one comment; where the token may not, as in a pull request from a fork, into the summary."""
        from lockgate.cli.github.actions_runner import say
        from lockgate.integrations.github.schema import GitHubError
        from lockgate.models import environment
        from lockgate.text import hide, secret_forms

        body = hide(body, secret_forms(environment.secrets(os.environ)))
        try:
            self.hub.keep_comment(self.number, body, marker=body.partition("\n")[0], comments=seen.comments)
        except GitHubError as error:
            if error.status != 403:
                raise
            say("gate: the token may not comment here; the job's summary has what the comment would have")
            runner.show(body)

    def answer(self) -> None:
        """Tell somebody of the policy that their command is none; others may write what they like."""
        from lockgate.integrations.github.comments import parse_command

        event = self.event
        if event is None or event.action != "created" or event.comment.user is None or self.asked is None:
            return
        said = parse_command(event.comment.body)
        if said is not None and said.verb == "unknown" and self.asked.signoff.owner_of(event.comment.user.identity):
            self.hub.add_comment(self.number, _KNOWN)


def within_reach(environ: Mapping[str, str], path: Path | None) -> None:
    """Refuse to evaluate a pull request that nobody could ever approve. Raises UsageError, before any model is asked."""
    from lockgate.cli.evidence_lookup import project_root
    from lockgate.integrations.github.comments import contributors
    from lockgate.integrations.github.schema import PullEvent, parse
    from lockgate.pipeline.loader import load
    from lockgate.runs.lookup import only_pipeline
    from lockgate.signoff.decision import unreachable_reason
    from lockgate.signoff.policy import SignoffPolicy

    if environ.get("GITHUB_EVENT_NAME") != "pull_request":
        return
    event = parse(PullEvent, _event(environ), source="the event")
    of = load(path or only_pipeline(project_root()), environ=None)
    why = None if of.mode == "observe" else unreachable_reason(of.signoff or SignoffPolicy(), contributors(event))
    if why is not None:
        raise UsageError(
            f"nobody could ever approve this pull request: {why}",
            remedy="add owners to signoff.groups on the default branch, or set separation_of_duties: false there",
        )


def keep_record(seen: PullRequestState, asked: BranchPolicy | None, event: CommentEvent | None, folder: Path) -> None:
    """What the next decision must not forget, as the file that the job uploads."""
    from lockgate.integrations.github.pull_request_state import RECORD

    folder.mkdir(parents=True, exist_ok=True)
    kept = b"".join(vote.bytes + b"\n" for vote in seen.recorded) if asked is None else seen.record(asked, event)
    (folder / RECORD).write_bytes(kept)


def _nothing(seen: PullRequestState, decision: SignoffDecision) -> str:
    from lockgate.text import markdown

    return f"### ⏳ Nothing to approve yet\n\n{markdown(decision.reason)}; {markdown(decision.remedy or '')}.\n"


def _event(environ: Mapping[str, str]) -> bytes:
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        raise UsageError("GITHUB_EVENT_PATH is not set", remedy="call this in a workflow that GitHub started")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"GITHUB_EVENT_PATH cannot be read: {error}") from error


def _about(told: bytes) -> tuple[int, CommentEvent | None]:
    """The pull request of an event, and the event where it is about a comment."""
    import json

    from lockgate.integrations.github.schema import CommentEvent, parse

    try:
        document: Any = json.loads(told)
    except (ValueError, RecursionError):
        document = None
    pull = document.get("pull_request") if isinstance(document, dict) else None
    if isinstance(pull, dict) and type(pull.get("number")) is int:
        return pull["number"], None
    if not isinstance(document, dict) or "comment" not in document:
        raise UsageError("the event is of no pull request", remedy="call this on pull_request or issue_comment")
    event = parse(CommentEvent, told, source="the event")
    if event.issue.pull_request is None:
        raise UsageError("the comment is below an issue, not a pull request")
    return event.issue.number, event
