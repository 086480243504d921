"""Consent of an owner to a rollback: signed on the spot, or brought along in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lockgate.cli.signing import sign_vote, signer_of, write_vote
from lockgate.errors import UsageError, Waiting
from lockgate.foreign.files import read_regular
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.operator import Clock
from lockgate.promotion.rollback_consent import RollbackPlan, consenting_votes, needs_consent
from lockgate.runs.run import now
from lockgate.signoff import ssh
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote, check_reason


@dataclass(frozen=True)
class OwnerConsent:
    """Get the votes that a rollback needs, once it knows what it would do.

    key, vote: files that an owner's consent is in. source: the policy's place, for messages.
    """

    policy: SignoffPolicy
    actor: Identity
    reason: str = ""
    key: Path | None = None
    vote: Path | None = None
    source: str = "the pipeline"
    clock: Clock = now

    def check_unfinished(self, entry: Entry) -> None:
        """An owner may, in person or with a key; what somebody signed before cannot be about what comes after."""
        if not needs_consent(self.policy, self.actor):
            return
        if self.key is not None:
            signer_of(self.policy, self.key, source=self.source)
            return
        raise Waiting(
            f"{entry.label} ({entry.kind.replace('_', ' ')} by {entry.actor}) is not done, and to leave it an owner must approve",
            code="owner_needed",
            remedy="an owner calls this with --key FILE; or let whoever began finish it first",
        )

    def __call__(self, plan: RollbackPlan) -> list[tuple[bytes, bytes]]:
        """The votes that allow it, with their signatures. Raises Waiting where nobody agrees."""
        signed = [self._signed(plan)] if self.key is not None else [] if self.vote is None else [_read(self.vote)]
        votes, objections = ssh.read_votes(signed, self.policy)
        counted = {
            vote.bytes
            for vote in consenting_votes(
                self.policy, plan, Ballot(votes, objections), actor=self.actor, now=self.clock()
            )
        }
        return [pair for pair in signed if pair[0] in counted]

    def sign_only(self, plan: RollbackPlan, path: Path) -> list[str]:
        """Write the owner's vote to a file, for somebody else to use; returns lines for people."""
        vote, signature = self._signed(plan)
        files = write_vote(path, vote, signature)
        return [
            f"signed {plan}, in {files}",
            f'for an hour, while nothing else moves: gate rollback {plan.model} --to {plan.target} --reason "…" '
            f"--vote {path}",
        ]

    def _signed(self, plan: RollbackPlan) -> tuple[bytes, bytes]:
        if self.key is None:
            raise UsageError("there is no key to sign with", remedy="add --key FILE")
        check_reason(self.reason)
        by = signer_of(self.policy, self.key, source=self.source)
        vote: Vote = Vote("rollback", plan.sha256, plan.model, None, self.reason, self.clock(), by)
        return vote.bytes, sign_vote(vote, self.key, self.policy)


def _read(path: Path) -> tuple[bytes, bytes]:
    try:
        vote, signature = (read_regular(each, most=Vote.most) for each in (path, path.with_name(path.name + ".sig")))
        Vote.read(vote)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} is no signed consent: {error}",
            remedy="an owner makes one with gate rollback … --key FILE --sign-only FILE",
        ) from error
    return vote, signature
