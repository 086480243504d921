"""Ask for a decision about the emulated pull request, as a job does: everything read anew."""

from __future__ import annotations

import json
from typing import Any

from helpers.hub.emulator import NUMBER, World, user
from helpers.hub.served import directly
from helpers.promoting import POLICY
from lockgate.integrations.github.eligibility import BranchPolicy
from lockgate.integrations.github.pull_request_state import PullRequestState, read_state
from lockgate.integrations.github.schema import CommentEvent, parse
from lockgate.signoff.decision import SignoffDecision
from lockgate.signoff.policy import SignoffPolicy

OWNERS = ("ana", "bo")


def signoff(*owners: str, require: int = 1, **more: Any) -> SignoffPolicy:
    groups = {"owners": [{"github": name, "id": user(name)["id"]} for name in owners or OWNERS]}
    return SignoffPolicy.model_validate({"groups": groups, "require": {"owners": require}} | more)


def asked(policy: SignoffPolicy | None = None, **more: Any) -> BranchPolicy:
    return BranchPolicy(**{"model": "fraud", "policy_digest": POLICY, "signoff": policy or signoff()} | more)


def event_of(told: dict[str, Any] | None) -> CommentEvent | None:
    return None if told is None else parse(CommentEvent, json.dumps(told).encode(), source="the event")


def seen(world: World, policy: SignoffPolicy | None = None) -> PullRequestState:
    return read_state(directly(world), NUMBER, policy=policy)


def decided(world: World, event: dict[str, Any] | None = None, **more: Any) -> SignoffDecision:
    """The decision, and what it must not forget is kept as the job keeps it."""
    policy, told = asked(**more), event_of(event)
    looked = seen(world, policy.signoff)
    decision = looked.decision(policy, world.now, told)
    kept = looked.record(policy, told)
    if kept:
        world.keep(kept)
    return decision


def said(decision: SignoffDecision) -> tuple[str, str]:
    return decision.state, decision.code


def ignored(decision: SignoffDecision) -> set[tuple[str, str]]:
    """(who, why) of each vote that does not count."""
    return {(one.vote.by.name, one.code) for one in decision.ignored}
