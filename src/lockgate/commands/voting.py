"""Cast a signed vote, for `gate approve` and `gate reject`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lockgate.commands import found
from lockgate.errors import LockgateError, Refused, RegistryError

if TYPE_CHECKING:
    from lockgate.evidence import Evidence
    from lockgate.signoff import SignoffPolicy


def cast(
    verb: Literal["approve", "reject"],
    digest: str,
    *,
    key: Path,
    reason: str,
    accepting: int | None = None,
    out: Path | None = None,
    pipeline: Path | None = None,
) -> list[str]:
    """Sign a vote and store it beside the evidence, or in `out`; returns what people are told. Raises Refused."""
    from lockgate.channels import ssh
    from lockgate.registry import Identity
    from lockgate.run import now
    from lockgate.signoff import SignoffPolicy, Vote

    about = found.evidence(digest, pipeline)
    policy = about.pipeline.signoff or SignoffPolicy()
    signer = ssh.identity(key)
    owner = policy.owner_of(signer)
    if owner is None:
        raise Refused(
            f"the key {signer.id} is in no group of signoff in {about.pipeline.path}",
            code="not_an_owner",
            remedy="sign with a key of signoff.groups, or have yours added there and evaluate again",
        )
    if verb == "approve":
        _can_be_approved(policy, about.evidence, accepting)
    vote = Vote(
        verb=verb,
        digest=about.evidence.digest,
        model=about.evidence.model,
        accepting=accepting,
        reason=reason,
        at=now(),
        by=Identity("ssh", signer.id, owner.name),
    )
    signature = ssh.sign(vote.bytes, key)
    objection = ssh.verify(vote.bytes, signature, identity=vote.by, keys=policy.keys)
    if objection is not None:
        raise LockgateError(
            f"the vote was signed, but {objection}", remedy=f"check that {key} and its .pub belong together"
        )
    head = f"{owner.name} {'approves' if verb == 'approve' else 'rejects'} {about.evidence.digest}"
    if out is not None:
        out.write_bytes(vote.bytes)
        out.with_name(out.name + ".sig").write_bytes(signature)
        return [f"{head}, in {out} and {out.name}.sig"]
    return [head, *_store(about, vote.bytes, signature)]


def _can_be_approved(policy: SignoffPolicy, evidence: Evidence, accepting: int | None) -> None:
    from lockgate.run import now
    from lockgate.signoff import why_closed

    closed = why_closed(policy, evidence, now())
    if closed is not None:
        raise Refused(closed.reason, code=closed.code, remedy=closed.remedy)
    asked = len(evidence.asks) if evidence.opens == "by_owner" else 0
    if (accepting or 0) != asked:
        undecided = "".join(f"\n  {one}" for one in evidence.asks) if asked else ""
        raise Refused(
            f"the evidence has {asked} undecided findings to accept, not {accepting or 0}{undecided}",
            code="accepting",
            remedy=f"add --accepting {asked} if you do" if asked else "leave --accepting away",
        )


def _store(about: found.Found, vote: bytes, signature: bytes) -> list[str]:
    """Beside the evidence here, and in the registry where it is published; one of the two must work."""
    from lockgate.channels import ssh
    from lockgate.signoff import Vote

    if about.votes is not None:
        ssh.store_vote(about.votes, Vote.read(vote), signature)
    try:
        store = about.registry.evidence(about.evidence.model)
        if store.published(about.evidence.digest):
            store.add_vote(about.evidence.digest, vote, signature)
            return ["stored beside the evidence in the registry"]
    except RegistryError as error:
        if about.votes is None:
            raise
        return [f"stored in {about.votes}, but not in the registry: {error}"]
    return [f"stored in {about.votes}; the evidence is not published yet, and gate promote here takes both along"]
