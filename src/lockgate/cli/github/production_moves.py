"""Steps that move a version without a pull request: rollback, and archiving from a schedule."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lockgate.cli.evidence_lookup import model_pipeline
from lockgate.cli.github.actions_runner import triggering_identity
from lockgate.cli.notifications import notify_moved
from lockgate.cli.owner_consent import OwnerConsent
from lockgate.errors import Refused
from lockgate.promotion.archive import archive as archive_previous
from lockgate.promotion.audit.verify import verify
from lockgate.promotion.rollback import rollback
from lockgate.runs.promotion_hooks import make_operator
from lockgate.runs.run import now
from lockgate.signoff.policy import SignoffPolicy


def roll_back(path: Path | None, model: str, *, reason: str, to: str | None) -> list[str]:
    """Make the previous version, or `to`, Production again; returns lines for people."""
    pipeline = model_pipeline(model, path)
    operator = make_operator(pipeline, environ=os.environ, actor=triggering_identity(os.environ))
    consent = OwnerConsent(pipeline.signoff or SignoffPolicy(), operator.actor, clock=operator.clock)
    outcome = rollback(operator, to=to, reason=reason, consent=consent)
    notify_moved(pipeline, outcome)
    return outcome.lines


def archive(path: Path | None, model: str) -> list[str]:
    """Archive the previous version where the soak is over, then verify the model; returns lines for people.

    Raises Refused where ledger, aliases and stored files do not agree.
    """
    pipeline = model_pipeline(model, path)
    operator = make_operator(pipeline, environ=os.environ, actor=triggering_identity(os.environ))
    outcome = archive_previous(operator)
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        verification = verify(
            operator.registry, operator.model, promotion=operator.promotion, now=now(), scratch=Path(scratch)
        )
    if verification.exit_code == 1:
        lines = "\n".join(verification.lines)
        raise Refused(lines, code="does_not_agree", remedy=f"look at gate verify {model}")
    return [*outcome.lines, *verification.lines]
