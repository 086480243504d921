"""Sign an approval, a rejection, an override or a consent to a rollback, and store it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from lockgate.cli.drafting.owners import local_keys
from lockgate.cli.evidence_lookup import EvidenceLookup, authored, look_up_evidence, read_ballot
from lockgate.cli.output import show_lines
from lockgate.data.slices.names import id_words
from lockgate.errors import LockgateError, Refused, RegistryError, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.hashing import short_digest
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.operator import RegistryState, read_state
from lockgate.promotion.preconditions import check_promotable
from lockgate.runs.promotion_hooks import make_terms
from lockgate.runs.run import now
from lockgate.signoff import ssh
from lockgate.signoff.decision import decide, refuse_evidence, unknown_authors
from lockgate.signoff.identity import Identity
from lockgate.signoff.outlook import comment_way
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote, check_reason
from lockgate.text import counted


def cast(
    verb: Literal["approve", "reject", "override"],
    digest: str | None,
    *,
    key: Path | None,
    reason: str,
    accepting: int | None = None,
    out: Path | None = None,
    pipeline: Path | None = None,
) -> None:
    """Sign a vote, store it beside the evidence, or in `out`, and say so, and what comes next.

    digest: None for that of what is staged. key: None for the one of this machine that is an owner's. Raises Refused also where `gate promote` would whatever else is signed.
    """
    reason = check_reason(reason.strip())
    lookup = look_up_evidence(digest, pipeline)
    evidence = lookup.evidence
    policy = lookup.pipeline.signoff or SignoffPolicy()
    if verb == "approve":
        _require_open(policy, evidence)
    if verb != "reject":
        _require_promotable(lookup, verb)
    named = key is not None
    key = _own_key(lookup.pipeline) if key is None else key
    owner = signer_of(policy, key, source=str(lookup.pipeline.path))
    if verb == "approve":
        _require_accepting(evidence, accepting)
    if verb == "override":
        _require_overridable(policy, lookup, reason)
    if verb != "reject":
        _check_counting(policy, lookup, owner, verb)
    vote = Vote(
        verb=verb,
        digest=evidence.digest,
        model=evidence.model,
        accepting=accepting,
        reason=reason,
        at=now(),
        by=owner,
    )
    signature = sign_vote(vote, key, policy)
    phrase = {"approve": "approves", "reject": "rejects", "override": "would go over everything with"}[verb]
    head = f"{owner.name} {phrase} {evidence.digest}{'' if named else f', by the key {key}'}"
    if out is not None:
        show_lines([f"{head}, in {write_vote(out, vote.bytes, signature)}"])
        return
    show_lines([head, *_store(lookup, vote.bytes, signature)])
    with suppress(LockgateError):  # it is signed, and gate promote says what these would
        show_lines(_next_steps(lookup, verb), err=True)


def _next_steps(lookup: EvidenceLookup, verb: str) -> list[str]:
    """What a vote that is stored leads to, for people."""
    evidence, model = lookup.evidence, lookup.pipeline.production_model
    standing = read_state(lookup.registry, model).standing
    if standing.production is not None and standing.evidence.get(standing.production) == evidence.digest:
        back = f": gate rollback {model} takes it back" if verb == "reject" else ""
        return [f"version {standing.production} of {model} is Production on this evidence already{back}"]
    if verb != "approve":
        return []
    ballot, _, _ = read_ballot(lookup)
    decision = decide(lookup.pipeline.signoff or SignoffPolicy(), evidence, ballot, now())
    ready = decision.state == "approved"
    return [f"next     {f'gate promote {short_digest(evidence.digest)}' if ready else decision.reason}"]


def _own_key(pipeline: Pipeline) -> Path:
    """The key of this machine that is an owner's. Raises UsageError where none is, or those of several owners are."""
    policy, keys = pipeline.signoff or SignoffPolicy(), dict[str, Path]()
    for local in local_keys(Path.home(), Path.cwd()):
        key = Path(local.path).expanduser()
        owner = policy.owner_of(ssh.identity(key))
        if owner is not None:
            keys.setdefault(owner.name, key)
    if len(keys) > 1:
        raise UsageError(
            f"keys of several owners are here: {', '.join(keys)}",
            remedy=f"name the one that signs: --key {min(keys.values())}",
        )
    for key in keys.values():
        return key
    if (way := comment_way(policy, pipeline.version_file)) is not None:
        raise UsageError(way[0], remedy=way[1])
    raise UsageError(
        f"neither git's signing key nor one of ~/.ssh is in a group of signoff in {pipeline.path}",
        remedy="name yours with --key FILE, or have its .pub line added there and evaluate again",
    )


def signer_of(policy: SignoffPolicy, key: Path, *, source: str) -> Identity:
    """The owner whose key this is. Raises Refused where it is none of the policy's. source: the policy's place, for messages."""
    identity = ssh.identity(key)
    owner = policy.owner_of(identity)
    if owner is None:
        raise Refused(
            f"the key {identity.id} is in no group of signoff in {source}",
            code="not_an_owner",
            remedy="sign with a key of signoff.groups, or have yours added there and evaluate again",
        )
    return Identity("ssh", identity.id, owner.name)


def sign_vote(vote: Vote, key: Path, policy: SignoffPolicy) -> bytes:
    """The signature of a vote, verified as it will be later. Raises LockgateError where it would not hold."""
    signature = ssh.sign(vote.bytes, key)
    objection = ssh.verify(vote.bytes, signature, identity=vote.by, keys=policy.keys)
    if objection is not None:
        raise LockgateError(f"it was signed, but {objection}", remedy=f"check that {key} and its .pub belong together")
    return signature


def write_vote(path: Path, vote: bytes, signature: bytes) -> str:
    """Write a vote, and its signature beside it; says where."""
    path.write_bytes(vote)
    path.with_name(path.name + ".sig").write_bytes(signature)
    return f"{path} and {path.name}.sig"


def _require_open(policy: SignoffPolicy, evidence: Evidence) -> None:
    closed = refuse_evidence(policy, evidence, now())
    if closed is not None:
        raise Refused(closed.reason, code=closed.code, remedy=closed.remedy)
    if policy.nobody_signs:
        raise Refused(
            "the policy requires no approval, so there is nothing to sign",
            code="nobody_signs",
            remedy=f"gate promote {evidence.digest}",
        )


def _require_accepting(evidence: Evidence, accepting: int | None) -> None:
    count = len(evidence.asks) if evidence.opens == "by_owner" else 0
    if (accepting or 0) != count:
        undecided = "".join(f"\n  {id_words(finding)}" for finding in evidence.asks) if count else ""
        raise Refused(
            f"the evidence has {counted(count, 'undecided finding')} to accept, not {accepting or 0}{undecided}",
            code="accepting",
            remedy=f"add --accepting {count} if you do" if count else "leave --accepting away",
        )


def _check_counting(
    policy: SignoffPolicy, lookup: EvidenceLookup, owner: Identity, verb: Literal["approve", "override"]
) -> None:
    """Raises Refused where no promotion would ever count the vote, or nobody knows whether it would."""
    ballot = authored(lookup)
    person = next(person for person in policy.people() if person.is_(owner))
    quorum = policy.require if verb == "approve" else policy.override or {}
    needed = [group for group, count in quorum.items() if count]
    if not person.groups & set(needed):
        raise Refused(
            f"{owner.name} is in {', '.join(sorted(person.groups))}, and {verb} takes somebody of {' and '.join(needed)}",
            code="not_your_group",
            remedy=f"ask somebody of {' or '.join(needed)} to sign",
        )
    if policy.separation_of_duties and ballot.made_by(person):
        raise Refused(
            f"{owner.name} had a hand in what was evaluated: {', '.join(filter(person.wrote, ballot.authors))} wrote its commit",
            code="own_work",
            remedy="ask another owner to sign",
        )
    unknown = unknown_authors(policy, ballot) if verb == "approve" else None
    if unknown is not None:
        raise Refused(unknown[0], code="authors_unknown", remedy=unknown[1])


def _require_promotable(lookup: EvidenceLookup, verb: Literal["approve", "override"]) -> None:
    """Raises Refused as `gate promote` would; what the registry has on record is left to that where it cannot be read here."""
    registry, model = lookup.registry, lookup.pipeline.production_model
    try:
        raise_unpromotable(lookup, lambda: read_state(registry, model), override=verb == "override")
    except RegistryError:
        if lookup.votes_folder is None:
            raise


def raise_unpromotable(lookup: EvidenceLookup, state: Callable[[], RegistryState], *, override: bool = False) -> None:
    """Raises Refused where no signature lets the evidence promote anything. state: as for `check_promotable`."""
    pipeline = lookup.pipeline
    try:
        check_promotable(
            lookup.registry,
            pipeline.production_model,
            lookup.evidence,
            state,
            terms=make_terms(pipeline),
            override=override,
        )
    except Refused as refused:
        if refused.code == "policy_changed":
            refused.remedy = f"bring {pipeline.path.name} here to what was evaluated (git pull), or {refused.remedy}"
        raise


def _require_overridable(policy: SignoffPolicy, lookup: EvidenceLookup, reason: str) -> None:
    if policy.override is None:
        raise Refused(
            f"{lookup.pipeline.path} has no signoff.override, so nothing goes over what blocks promotion",
            code="no_override",
            remedy="do what the refusal of gate promote says",
        )
    if not reason.strip():
        raise UsageError("a reason is needed, for whoever reads this in a year", remedy='add --reason "…"')


def _store(lookup: EvidenceLookup, vote: bytes, signature: bytes) -> list[str]:
    """Beside the evidence here, and in the registry where it is published; one of the two must work."""
    if lookup.votes_folder is not None:
        ssh.store_vote(lookup.votes_folder, Vote.read(vote), signature)
    try:
        store = lookup.registry.evidence(lookup.evidence.model)
        if store.published(lookup.evidence.digest):
            store.add_vote(lookup.evidence.digest, vote, signature)
            return ["stored beside the evidence in the registry"]
    except RegistryError as error:
        if lookup.votes_folder is None:
            raise
        return [f"stored in {lookup.votes_folder}, but not in the registry: {error}"]
    return [
        f"stored in {lookup.votes_folder}; the evidence is not published yet, and gate promote here takes both along"
    ]
