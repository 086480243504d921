"""Cast a signed vote, for `gate approve`, `gate reject`, `gate override` and an owner's word in `gate rollback`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lockgate.cli import evidence_lookup as found
from lockgate.errors import LockgateError, Refused, RegistryError, UsageError

if TYPE_CHECKING:
    from lockgate.evidence.evidence import Evidence
    from lockgate.signoff.identity import Identity
    from lockgate.signoff.policy import SignoffPolicy
    from lockgate.signoff.vote import Vote


def cast(
    verb: Literal["approve", "reject", "override"],
    digest: str,
    *,
    key: Path,
    reason: str,
    accepting: int | None = None,
    out: Path | None = None,
    pipeline: Path | None = None,
) -> list[str]:
    """Sign a vote and store it beside the evidence, or in `out`; returns what people are told. Raises Refused."""
    from lockgate.runs.run import now
    from lockgate.signoff.policy import SignoffPolicy
    from lockgate.signoff.vote import Vote

    about = found.evidence(digest, pipeline)
    policy = about.pipeline.signoff or SignoffPolicy()
    owner = signer(policy, key, where=str(about.pipeline.path))
    if verb == "approve":
        _can_be_approved(policy, about.evidence, accepting)
    if verb == "override":
        _can_be_overridden(policy, about, reason)
    vote = Vote(
        verb=verb,
        digest=about.evidence.digest,
        model=about.evidence.model,
        accepting=accepting,
        reason=reason,
        at=now(),
        by=owner,
    )
    signature = sign(vote, key, policy)
    word = {"approve": "approves", "reject": "rejects", "override": "would go over everything with"}[verb]
    head = f"{owner.name} {word} {about.evidence.digest}"
    if out is not None:
        return [f"{head}, in {write(out, vote.bytes, signature)}"]
    return [head, *_store(about, vote.bytes, signature)]


def signer(policy: SignoffPolicy, key: Path, *, where: str) -> Identity:
    """Whose key this is. Raises Refused where it is none of the policy's. where: what holds the policy, to name it."""
    from lockgate.signoff import ssh
    from lockgate.signoff.identity import Identity

    found = ssh.identity(key)
    owner = policy.owner_of(found)
    if owner is None:
        raise Refused(
            f"the key {found.id} is in no group of signoff in {where}",
            code="not_an_owner",
            remedy="sign with a key of signoff.groups, or have yours added there and evaluate again",
        )
    return Identity("ssh", found.id, owner.name)


def sign(vote: Vote, key: Path, policy: SignoffPolicy) -> bytes:
    """The signature of a vote, verified as it will be later. Raises LockgateError where it would not hold."""
    from lockgate.signoff import ssh

    signature = ssh.sign(vote.bytes, key)
    objection = ssh.verify(vote.bytes, signature, identity=vote.by, keys=policy.keys)
    if objection is not None:
        raise LockgateError(
            f"the vote was signed, but {objection}", remedy=f"check that {key} and its .pub belong together"
        )
    return signature


def write(path: Path, vote: bytes, signature: bytes) -> str:
    """Write a vote, and its signature beside it; says where."""
    path.write_bytes(vote)
    path.with_name(path.name + ".sig").write_bytes(signature)
    return f"{path} and {path.name}.sig"


def _can_be_approved(policy: SignoffPolicy, evidence: Evidence, accepting: int | None) -> None:
    from lockgate.runs.run import now
    from lockgate.signoff.decision import why_closed

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


def _can_be_overridden(policy: SignoffPolicy, about: found.Found, reason: str) -> None:
    if policy.override is None:
        raise Refused(
            f"{about.pipeline.path} has no signoff.override, so no vote goes over what stands in the way",
            code="no_override",
            remedy="do what the refusal of gate promote says",
        )
    if not reason.strip():
        raise UsageError("a reason is needed, for whoever reads this in a year", remedy='add --reason "…"')


def _store(about: found.Found, vote: bytes, signature: bytes) -> list[str]:
    """Beside the evidence here, and in the registry where it is published; one of the two must work."""
    from lockgate.signoff import ssh
    from lockgate.signoff.vote import Vote

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
