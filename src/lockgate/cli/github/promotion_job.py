"""What do the jobs behind an approval do: prove the way back with what may only read, then move the version, running no model."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.errors import LockgateError, Refused, UsageError

if TYPE_CHECKING:
    from lockgate.cli.github.actions_runner import Runner
    from lockgate.cli.github.pull_request import Desk
    from lockgate.evidence.evidence import Evidence
    from lockgate.integrations.github.pull_request_state import BranchPolicy, PullRequestState
    from lockgate.promotion.outcome import Outcome
    from lockgate.registries.ports import ModelVersion
    from lockgate.signoff.decision import Ballot, SignoffDecision
    from lockgate.signoff.identity import Identity

PROOF = "proof.json"


@dataclass(frozen=True)
class Approved:
    """A pull request whose evidence is approved at this moment: what an earlier job said of it is read anew."""

    desk: Desk
    seen: PullRequestState
    evidence: Evidence
    asked: BranchPolicy
    decision: SignoffDecision

    @classmethod
    def of(cls, desk: Desk, seen: PullRequestState, digest: str) -> Approved:
        """Raises Refused where it is not, or not that evidence."""
        from lockgate.runs.run import now

        decision, asked = desk.decision(seen, now()), desk.asked
        if seen.evidence is None or asked is None or decision.state != "approved":
            raise Refused(decision.reason, code=decision.code, remedy=decision.remedy)
        if seen.evidence.digest != digest:
            raise Refused(
                f"{digest} was approved, and the evidence of pull request {desk.number} is {seen.evidence.digest}",
                code="digest_mismatch",
                remedy="ask for sign-off on the newest evidence",
            )
        return cls(desk, seen, seen.evidence, asked, decision)

    @property
    def ballot(self) -> Ballot:
        return self.seen.ballot(self.asked, self.desk.event)

    @property
    def votes(self) -> list[tuple[bytes, bytes]]:
        """The bytes of every vote, to be kept where CI's own artifacts end. A comment has no signature."""
        return [(vote.bytes, b"") for vote in self.ballot.votes]


def prove(approved: Approved, folder: Path, by: Identity) -> list[str]:
    """Ask the version that would be the way back, and the gates that say the same each time; says what was found.

    Leaves the proof in the folder. Raises Refused where the way back does not answer, or a gate contradicts the evidence.
    """
    from lockgate.cli.prove_rollback import make_proof, proof_lines
    from lockgate.pipeline.loader import load
    from lockgate.runs.lookup import open_registry

    of = load(approved.desk.path, environ=os.environ)
    made = make_proof(of, open_registry(of), approved.evidence, by=by, repeat=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROOF).write_bytes(made.bytes)
    return proof_lines(of, made)


def promote(approved: Approved, folder: Path, actor: Identity, scratch: Path) -> Outcome:
    """Move the version on the proof that lies in the folder. Runs no model."""
    from lockgate.pipeline.loader import load
    from lockgate.promotion import promote as promotion
    from lockgate.promotion.preconditions import RollbackCheck
    from lockgate.promotion.rollback_proof import RollbackProof
    from lockgate.runs.promotion_hooks import make_operator, make_terms

    of = load(approved.desk.path, environ=os.environ)
    try:
        proof = RollbackProof.read((folder / PROOF).read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"there is no rollback proof: {error}", remedy="run the job that proves it") from error
    proof.require_gates([gate.title for gate in of.gates])
    return promotion.promote(
        make_operator(of, environ=os.environ, actor=actor),
        promotion.PromotionRequest(
            approved.evidence, approved.ballot, _run_folder(approved, scratch / "run"), approved.votes
        ),
        terms=make_terms(of),
        rollback_check=RollbackCheck(scratch, run=_not_here, proof=proof),
    )


def telling(desk: Desk, seen: PullRequestState, runner: Runner, work: Callable[[], Outcome]) -> Outcome:
    """Do it, and let the comment say what became of it."""
    from lockgate.runs.run import now
    from lockgate.signoff.decision import SignoffDecision

    try:
        outcome = work()
    except LockgateError as error:
        code = error.code if isinstance(error, Refused) else "not_promoted"
        desk.stick(
            seen, desk.comment(seen, SignoffDecision("refused", code, error.message, remedy=error.remedy)), runner
        )
        raise
    done = tuple(outcome.lines)
    desk.stick(seen, desk.comment(seen, desk.decision(seen, now()), done=done), runner)
    return outcome


def _not_here(outgoing: ModelVersion) -> None:
    raise Refused("this job runs no model, and so proves no rollback", code="no_proof", remedy="give it a proof")


def _run_folder(approved: Approved, path: Path) -> Path:
    """Evidence, exhibits and reports, as a run leaves them. Nothing of it is unpacked to where strangers chose.

    Raises Refused where an exhibit is missing: what is published must be whole, because CI's own artifacts end.
    """
    from lockgate.evidence.run_folder import RunFolder
    from lockgate.evidence.run_record import RunRecord
    from lockgate.integrations.github.pull_request_state import exhibits
    from lockgate.reports import FORMATS

    found = exhibits(approved.desk.hub, approved.seen)
    path.mkdir()
    folder = RunFolder(path)
    folder.keep_evidence(approved.evidence)
    for name, data in found.items():
        folder.write(name, data)
    record = RunRecord(approved.evidence, lambda: path)
    for report in FORMATS.values():
        folder.write(report.file, report.render(record).encode())
    return path
