"""Steps behind an approval: prove the rollback with read-only rights, then promote the version, running no model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lockgate.cli.github.actions_runner import Runner, step_actor
from lockgate.cli.github.pull_request import PullRequestJob
from lockgate.cli.notifications import notify_moved
from lockgate.cli.prove_rollback import make_proof, proof_lines
from lockgate.errors import LockgateError, Refused, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import RunFolder
from lockgate.foreign.files import read_regular
from lockgate.integrations.github.eligibility import BranchPolicy
from lockgate.integrations.github.pull_request_state import PullRequestState, exhibits
from lockgate.pipeline.loader import load, project_root
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.preconditions import PromotionRequest, RollbackCheck
from lockgate.promotion.promote import promote
from lockgate.promotion.rollback_proof import RollbackProof
from lockgate.registries.ports import ModelVersion
from lockgate.reports import keep_reports
from lockgate.runs.lookup import open_registry
from lockgate.runs.promotion_hooks import make_operator, make_terms
from lockgate.runs.run import now
from lockgate.signoff.decision import Ballot, SignoffDecision
from lockgate.signoff.identity import Identity

PROOF = "proof.json"


@dataclass(frozen=True)
class ApprovedPullRequest:
    """A pull request whose evidence is approved at this moment, decided anew and not taken from an earlier job."""

    job: PullRequestJob
    state: PullRequestState
    evidence: Evidence
    policy: BranchPolicy

    @classmethod
    def require(cls, job: PullRequestJob, state: PullRequestState, digest: str) -> ApprovedPullRequest:
        """Raises Refused where it is not approved, or has other evidence than that of the digest."""
        decision, policy = job.decision(state, now()), job.policy
        if state.evidence is None or policy is None or decision.state != "approved":
            raise Refused(decision.reason, code=decision.code, remedy=decision.remedy)
        if state.evidence.digest != digest:
            raise Refused(
                f"{digest} was approved, and the evidence of pull request {job.number} is {state.evidence.digest}",
                code="digest_mismatch",
                remedy="ask for sign-off on the newest evidence",
            )
        return cls(job, state, state.evidence, policy)

    @property
    def ballot(self) -> Ballot:
        return self.state.ballot(self.policy, self.job.event)

    @property
    def votes(self) -> list[tuple[bytes, bytes]]:
        """The bytes of every vote, to be kept for longer than CI keeps artifacts. A comment has no signature."""
        return [(vote.bytes, b"") for vote in self.ballot.votes]


def prove_rollback(path: Path | None, digest: str, folder: Path) -> list[str]:
    """Prove that the outgoing version still answers, and run the repeatable gates again; returns lines for people.

    folder: where the proof is written. Raises Refused where the version does not answer, or a gate contradicts the evidence.
    """
    job = PullRequestJob.open(os.environ, path)
    actor = step_actor(project_root())
    approved = ApprovedPullRequest.require(job, job.read_state(), digest)
    pipeline = load(job.path, environ=os.environ, run_code=True)
    proof = make_proof(pipeline, open_registry(pipeline), approved.evidence, by=actor, repeat=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROOF).write_bytes(proof.bytes)
    return proof_lines(pipeline, proof)


def promote_approved(path: Path | None, digest: str, folder: Path, runner: Runner) -> Sequence[str]:
    """Promote the approved version on the proof in the folder, and comment the outcome; returns lines for people."""
    job = PullRequestJob.open(os.environ, path)
    actor = step_actor(project_root())
    state = job.read_state()
    try:
        with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
            approved = ApprovedPullRequest.require(job, state, digest)
            outcome = _promote(approved, folder, actor, Path(scratch))
    except LockgateError as error:
        code = error.code if isinstance(error, Refused) else "not_promoted"
        job.keep_comment(state, SignoffDecision("refused", code, error.message, remedy=error.remedy), runner)
        raise
    job.keep_comment(state, job.decision(state, now()), runner, done=tuple(outcome.lines))
    if job.pipeline is not None:
        notify_moved(job.pipeline, outcome, evidence=state.evidence, pull=state.pull.html_url)
    return outcome.lines


def _promote(approved: ApprovedPullRequest, folder: Path, actor: Identity, scratch: Path) -> Outcome:
    """Promote on the proof in the folder. Runs no model."""
    pipeline = load(approved.job.path, environ=os.environ)
    try:
        proof = RollbackProof.read(read_regular(folder / PROOF))
    except (OSError, ValueError) as error:
        raise UsageError(f"there is no rollback proof: {error}", remedy="run the job that makes it") from error
    proof.require_gates([gate.title for gate in pipeline.gates])
    run_folder = _run_folder(approved, scratch / "run")
    return promote(
        make_operator(pipeline, environ=os.environ, actor=actor),
        PromotionRequest(
            approved.evidence, approved.ballot, run_folder, approved.votes, approved.job.evaluations(approved.state)
        ),
        terms=make_terms(pipeline),
        rollback_check=RollbackCheck(scratch, run=_cannot_prove, proof=proof),
    )


def _cannot_prove(outgoing: ModelVersion) -> None:
    raise Refused("this job runs no model, and so proves no rollback", code="no_proof", remedy="give it a proof")


def _run_folder(approved: ApprovedPullRequest, path: Path) -> Path:
    """A run folder with evidence, exhibits and reports. Nothing is unpacked to a path that strangers chose.

    Raises Refused where an exhibit is missing: what is published must be complete, because CI's own artifacts expire.
    """
    files = exhibits(approved.job.hub, approved.state)
    path.mkdir()
    folder = RunFolder(path)
    folder.keep_evidence(approved.evidence)
    for name, content in files.items():
        folder.write(name, content)
    keep_reports(approved.evidence, folder)
    return path
