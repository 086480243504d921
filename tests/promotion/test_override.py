"""A promotion may go over what stands in its way, by a quorum of its own, recorded loudly."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import moving
from helpers.promoting import CI, NOW, PROMOTION, Bench, Clock, Models, evidence, run_folder, signed, ssh_key
from lockgate import hashing as digest
from lockgate.errors import ModelFault, Refused, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.promotion import publish as published
from lockgate.promotion.audit.status import status
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.outcome import Outcome
from lockgate.signoff import ssh
from lockgate.signoff.decision import Ballot, Objection, SignoffDecision
from lockgate.signoff.identity import Identity
from lockgate.signoff.override import OVERRIDABLE, decide_override
from lockgate.signoff.policy import Owner, SignoffPolicy
from lockgate.signoff.vote import Vote

REASON = "the model in Production answers nothing"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: ssh_key(folder, name) for name in ("alice", "bob", "mallory")}


class Night(Bench):
    """Version 2 was evaluated, and two of its two owners are needed to override."""

    def __init__(self, models: Models, keys: dict[str, Path], folder: Path) -> None:
        super().__init__(models, Clock(NOW + timedelta(minutes=1)), folder)
        self.keys = keys

    @property
    def policy(self) -> SignoffPolicy:
        owners = tuple(Owner(key=ssh.public_key(self.keys[name])) for name in ("alice", "bob"))
        return SignoffPolicy(groups={"owners": owners}, require={"owners": 1}, override={"owners": 2})

    def override(
        self, about: Evidence | None = None, *, by: tuple[str, ...] = ("alice", "bob"), **more: Any
    ) -> Outcome:
        about = about or self.evidence
        votes = [
            signed(about, self.keys[name], at=self.clock(), verb="override", reason=f"{REASON}, says {name}")
            for name in by
        ]
        read, objections = ssh.read_votes(votes, self.policy)
        ballot = Ballot((*read, *more.pop("besides", ())), objections, ("dev@example.org",))
        return self.promote(about, signoff=self.policy, ballot=ballot, votes=votes, **{"override": True} | more)

    @property
    def last(self) -> Entry:
        entry = read_chain(self.snapshot[0]).whole().last
        assert entry is not None
        return entry


@pytest.fixture
def night(models: Models, keys: dict[str, Path]) -> Night:
    return models.prepared(lambda folder: Night(models, keys, folder))


def _failed(night: Night) -> dict[str, Any]:
    return {"about": evidence(night.model, night.second, champion=night.first, verdict="fail", opens="no")}


def _old(night: Night) -> dict[str, Any]:
    night.clock.forward(days=8)
    return {}


def _evaluated_again(night: Night) -> dict[str, Any]:
    newer = evidence(
        night.model,
        night.second,
        champion=night.first,
        verdict="fail",
        opens="no",
        finished=NOW + timedelta(seconds=30),
    )
    published.publish(
        night.models.registry, newer, run_folder(newer, night.folder / "newer"), now=published.finished_at(newer)
    )
    return {}


def _another_champion(night: Night) -> dict[str, Any]:
    third = night.models.register(night.model)
    other = Bench.promote(night, evidence(night.model, third, champion=night.first))
    assert other.standing.production == "3"
    return {}


def _no_way_back(night: Night) -> dict[str, Any]:
    def broken(version: Any) -> None:
        raise ModelFault("its wheel is gone")

    return {"prove": broken}


@pytest.mark.parametrize(
    ("what", "codes"),
    [
        (lambda night: {}, {"authors_unknown"}),
        (_failed, {"not_open"}),
        (_old, {"evidence_expired"}),
        (_evaluated_again, {"authors_unknown", "not_newest"}),
        (_another_champion, {"authors_unknown", "champion_moved"}),
        (_no_way_back, {"authors_unknown", "way_back"}),
    ],
    ids=["nobody approved", "failed", "old", "evaluated again", "champion moved", "no way back"],
)
def test_a_quorum_goes_over_what_is_old_missing_or_bad(night: Night, what: Any, codes: set[str]) -> None:
    """Refused without --override; with it the entry names who, why, and each thing that it went over."""
    more = what(night)
    about = more.pop("about", None)
    with pytest.raises((Refused, Waiting)) as refused:
        night.override(about, override=False, **more)
    assert refused.value.code in codes

    outcome = night.override(about, **more)

    entry = night.last
    assert (entry.kind, entry.target, night.snapshot[1]["production"]) == ("override", "2", "2")
    assert entry.evidence == (about or night.evidence).digest
    assert len(entry.votes) == 2
    assert f"alice@example.org: {REASON}, says alice; bob@example.org: {REASON}, says bob" in entry.reason
    assert {code for code in OVERRIDABLE if f"overridden {code}: " in entry.reason} == codes
    assert "by override" in outcome.lines[0]
    assert any(line.startswith("overridden") for line in outcome.lines)
    stored = night.models.registry.evidence(night.model).votes(entry.evidence or "")
    assert {digest.sha256(vote) for vote, _ in stored} == set(entry.votes)


def test_where_nothing_stands_in_the_way_it_is_an_ordinary_promotion(night: Night) -> None:
    """Nobody is told of an override that was none."""
    made = {"signoff": night.policy.model_copy(update={"separation_of_duties": False})}
    votes = [signed(night.evidence, night.keys["alice"], at=night.clock())]
    read, objections = ssh.read_votes(votes, night.policy)

    outcome = night.promote(ballot=Ballot(read, objections), votes=votes, override=True, **made)

    assert outcome.entry.kind == "promoted"


def _other_files(night: Night) -> dict[str, Any]:
    (night.models.files(night.second) / "weights.txt").write_text("others")
    return {}


def _by_hand(night: Night) -> dict[str, Any]:
    night.models.registry.set_alias(night.model, "production", "2")
    night.models.register(night.model)
    return {"about": evidence(night.model, night.models.register(night.model), champion=night.first)}


def _withdrawn(night: Night) -> dict[str, Any]:
    Bench.promote(night)
    moving.rollback(
        night.models.registry, night.model, reason="stalls", promotion=PROMOTION, actor=CI, clock=night.clock
    )
    return {}


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (_other_files, "model_changed"),
        (lambda night: {"policy_digest": "sha256:" + "b" * 64}, "policy_changed"),
        (_by_hand, "moved_by_hand"),
        (_withdrawn, "withdrawn"),
    ],
)
def test_nothing_goes_over_what_leaves_in_doubt_what_is_moved(night: Night, what: Any, code: str) -> None:
    """Other files, other rules, an alias moved by hand and a withdrawn version are refused to every quorum."""
    more = what(night)
    before = night.snapshot

    with pytest.raises(Refused) as refused:
        night.override(more.pop("about", None), **more)

    assert refused.value.code == code
    assert refused.value.remedy
    assert night.snapshot == before


def test_half_a_quorum_waits_and_says_for_whom(night: Night) -> None:
    """And moves nothing."""
    before = night.snapshot

    with pytest.raises(Waiting) as waits:
        night.override(by=("alice",))

    assert (waits.value.code, night.snapshot) == ("override_missing", before)
    assert "1 override of owners missing" in waits.value.message
    assert "gate override sha256:" in str(waits.value.remedy)


def test_a_strangers_vote_and_a_policy_without_override_open_nothing(night: Night) -> None:
    """The quorum is of people whom the policy names."""
    with pytest.raises(Waiting) as waits:
        night.override(by=("alice", "mallory"))
    assert "is in no group of the policy" in waits.value.message or "not in the policy" in waits.value.message

    with pytest.raises(Refused) as refused:
        night.promote(
            signoff=night.policy.model_copy(update={"override": None}),
            ballot=Ballot((), {}, ("dev@example.org",)),
            override=True,
        )
    assert refused.value.code == "no_override"


def test_one_rejection_closes_this_way_too(night: Night) -> None:
    """People who say no are asked, not gone over; whoever rejected lifts it by overriding later."""
    no = Vote.read(signed(night.evidence, night.keys["bob"], at=night.clock(), verb="reject")[0])
    later = Vote.read(
        signed(night.evidence, night.keys["bob"], at=night.clock.now + timedelta(minutes=5), verb="reject")[0]
    )

    with pytest.raises(Refused) as refused:
        night.override(besides=(later,))
    assert refused.value.code == "rejected"

    assert night.override(besides=(no,)).entry.kind == "override"


def test_status_is_red_until_the_version_passes_or_is_replaced(night: Night) -> None:
    """A failed run since does not help; a pass that was published after the override does."""
    registry = night.models.registry

    def red() -> bool:
        found = status(registry, night.model, promotion=PROMOTION, now=night.clock())
        assert (found.overridden is not None) == any("promoted by override" in one for one in found.problems)
        assert (found.to_json()["overridden"] or {}).get("kind", "override") == "override"
        return found.overridden is not None

    night.override(_failed(night)["about"])
    assert red()
    for verdict, opens, expected in (("fail", "no", True), ("pass", "no", True), ("pass", "yes", False)):
        made = evidence(
            night.model, night.second, champion=night.second, verdict=verdict, opens=opens, finished=night.clock()
        )
        folder = run_folder(made, night.folder / made.run_id)
        with nullcontext() if opens == "yes" else pytest.raises(Refused):
            moving.record_staging(registry, made, folder=folder, promotion=PROMOTION, actor=CI, clock=night.clock)
        assert red() is expected, (verdict, opens)
    shown = status(registry, night.model, promotion=PROMOTION, now=night.clock())
    assert (shown.standing.production, shown.standing.staging) == ("2", None)
    assert "staging" not in registry.aliases(night.model)


def test_what_a_channel_found_in_the_way_is_not_gone_over(night: Night) -> None:
    """Also where it stands behind a verdict that is: a commit that the policy wants merged, for example."""
    about = _failed(night)["about"]
    votes = [
        Vote.read(signed(about, night.keys[name], at=NOW, verb="override", reason=REASON)[0]) for name in night.keys
    ]
    waits = SignoffDecision("pending", "not_merged", "it is not merged", "merge it")

    decision = decide_override(night.policy, about, Ballot(tuple(votes), {}, ("dev@example.org",), hold=waits), NOW)

    assert (decision.state, decision.code) == ("pending", "not_merged")
    assert decide_override(night.policy, about, Ballot(tuple(votes), {}, ("dev@example.org",)), NOW).state == "approved"


def test_another_version_ends_an_override(night: Night) -> None:
    """Also by a rollback; coming back by one does not make it what passed."""
    registry = night.models.registry

    def back(**more: Any) -> tuple[str, ...]:
        moving.rollback(
            registry, night.model, reason="stalls", promotion=PROMOTION, actor=CI, clock=night.clock, **more
        )
        return status(registry, night.model, promotion=PROMOTION, now=night.clock()).problems

    night.override(_failed(night)["about"])

    assert back() == ()
    (again,) = back(to="2", withdrawn_ok=True)
    assert "promoted by override" in again


def test_the_entry_stays_within_what_mlflow_keeps(night: Night) -> None:
    """However much people and facts have to say: MLflow cuts at 6,000 characters, silently."""
    long = "why " * 2_000
    votes = [
        signed(night.evidence, night.keys[name], at=night.clock(), verb="override", reason=long) for name in night.keys
    ]
    read, objections = ssh.read_votes(votes, night.policy)

    night.promote(
        signoff=night.policy,
        ballot=Ballot(read, objections, ("d" * 9_000 + "@example.org",)),
        votes=votes,
        override=True,
    )

    assert len(night.last.bytes) < 5_000
    assert json.loads(night.last.bytes)["reason"].count("…") == 3


ALICE, BOB, CAROL = (Identity("github", str(number), name) for number, name in enumerate(("alice", "bob", "carol"), 1))
OWNERS = tuple(Owner(github=one.name, id=int(one.id), key=None) for one in (ALICE, BOB))
MADE = evidence()
cast = st.builds(
    lambda verb, by, hours, on, reason: Vote(verb, on, MADE.model, None, reason, NOW + timedelta(hours=hours), by),
    st.sampled_from(["approve", "reject", "revoke", "override", "override", "override"]),
    st.sampled_from([ALICE, BOB, CAROL]),
    st.integers(-30, 3),
    st.sampled_from([MADE.digest, MADE.digest, "sha256:" + "0" * 64]),
    st.sampled_from(["it burns", "it burns", " "]),
)


@given(st.lists(cast, max_size=8), st.sampled_from([(), ("alice",), ("bob",)]), st.data())
def test_nothing_is_overridden_without_a_quorum_of_its_own(
    votes: list[Vote], makers: tuple[str, ...], data: st.DataObject
) -> None:
    """Recomputed from the votes in the plainest way: distinct people, the last word of each, a reason, a day, no veto."""
    policy = SignoffPolicy.model_construct(
        groups={"owners": OWNERS}, require={"owners": 1}, override={"owners": 2}, separation_of_duties=True
    )
    refused = {one.sha256 for one in votes if data.draw(st.booleans())}
    accounts = tuple(one for one in (ALICE, BOB) if one.name in makers)

    decision = decide_override(
        policy, MADE, Ballot(tuple(votes), dict.fromkeys(refused, Objection("no", "no")), (), accounts), NOW
    )

    heard = [one for one in votes if one.sha256 not in refused and one.digest == MADE.digest and one.by in (ALICE, BOB)]
    strength = ["approve", "override", "revoke", "reject"]
    words = {}
    for one in sorted(heard, key=lambda one: (one.at, strength.index(one.verb), one.sha256)):
        if one.verb != "approve":
            words[one.by.id] = one
    good = {
        number
        for number, one in words.items()
        if one.verb == "override"
        and one.reason.strip()
        and one.by.name not in makers
        and NOW - timedelta(hours=24) < one.at <= NOW + timedelta(minutes=10)
    }
    _holds(decision, good, heard, strength)


def _holds(decision: SignoffDecision, good: set[str], heard: list[Vote], strength: list[str]) -> None:
    last = {
        one.by.id: one.verb for one in sorted(heard, key=lambda one: (one.at, strength.index(one.verb), one.sha256))
    }
    if "reject" in last.values():
        assert decision.state == "rejected"
    else:
        assert (decision.state == "approved") == (len(good) == 2)
        assert len(decision.counted) == len(good)
