"""The ledger names what was tampered with, and always knows the next step."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.promoting import CI, NOW
from lockgate import hashing as digest
from lockgate.errors import Refused
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Done, Entry, Kind
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.standing import standing
from lockgate.promotion.ledger.steps import (
    Apply,
    Claim,
    Finish,
    InProgress,
    Lapsed,
    Overtaken,
    Settled,
    agrees,
    next_step,
)
from lockgate.signoff.identity import Identity

LEASE = timedelta(minutes=10)


def write(*moves: tuple[Kind, str | None], done: bool = True) -> dict[str, str]:
    """The stored keys after these moves, an hour apart; without done the last one is only claimed."""
    keys: dict[str, str] = {}
    for number, (kind, version) in enumerate(moves):
        chain = read_chain(keys)
        place = chain.standing
        source = version if kind == "archived" else place.staging if kind == "staged" else place.production
        entry = chain.draft(
            kind,
            source=source,
            target=None if kind == "archived" else version,
            actor=CI,
            evidence=digest.sha256(f"{kind} {version} {number}".encode()),
            at=NOW + timedelta(hours=number),
            lease=LEASE,
        )
        keys[f"epoch-{entry.epoch}"] = entry.bytes.decode()
        if done or number < len(moves) - 1:
            keys[f"done-{entry.epoch}"] = chain.mark(entry, actor=CI, at=entry.at).bytes.decode()
    return keys


def stand(*moves: tuple[Kind, str | None]):
    chain = read_chain(write(*moves))
    assert chain.bad is None
    return chain.standing


def test_an_entry_has_exactly_the_fields_of_the_contract() -> None:
    """The bytes are canonical JSON with from and to."""
    entry = Chain().draft(
        "promoted",
        source="6",
        target="7",
        actor=Identity("ssh", "SHA256:abc", "alice"),
        evidence="sha256:" + "0" * 64,
        votes=["sha256:" + "1" * 64],
        reason="approved by alice",
        at=NOW,
        lease=LEASE,
    )

    assert json.loads(entry.bytes) == {
        "schema": "lockgate/ledger/v1",
        "epoch": 1,
        "prev": None,
        "kind": "promoted",
        "from": "6",
        "to": "7",
        "actor": {"kind": "ssh", "id": "SHA256:abc", "name": "alice"},
        "evidence": "sha256:" + "0" * 64,
        "votes": ["sha256:" + "1" * 64],
        "reason": "approved by alice",
        "at": "2026-11-21T12:00:00.000Z",
        "lease": "10m",
    }
    assert entry.bytes == digest.canonical(json.loads(entry.bytes))
    assert Entry.read(entry.bytes.decode()) == entry


def test_each_entry_holds_the_hash_of_the_one_before() -> None:
    """The chain is by stored bytes."""
    first, second = read_chain(write(("adopted", "1"), ("promoted", "2"))).entries

    assert first.prev is None
    assert second.prev == digest.sha256(first.bytes)


def test_a_promotion_leaves_one_production_and_one_standby() -> None:
    """The older standby is archived at once."""
    place = stand(("adopted", "1"), ("staged", "2"), ("promoted", "2"), ("promoted", "3"))

    assert dict(place.states) == {"1": "archived", "2": "standby", "3": "production"}
    assert place.aliases == {"production": "3", "previous": "2"}


def test_a_rollback_withdraws_and_goes_one_further_back_each_time() -> None:
    """Twice leads to the version before the standby; then nothing is left."""
    moves: list[tuple[Kind, str | None]] = [("adopted", "1"), ("promoted", "2"), ("promoted", "3")]

    once = stand(*moves, ("rolled_back", "2"))
    twice = stand(*moves, ("rolled_back", "2"), ("rolled_back", "1"))

    assert (once.production, once.standby, once.state("3")) == ("2", "1", "withdrawn")
    assert (twice.production, twice.standby, twice.state("2")) == ("1", None, "withdrawn")
    assert twice.aliases == {"production": "1"}


def test_a_withdrawn_version_is_no_standby_of_a_later_promotion() -> None:
    """Rolled back from 2 to 1, then 3: a rollback from 3 goes to 1."""
    place = stand(("adopted", "1"), ("promoted", "2"), ("rolled_back", "1"), ("promoted", "3"))

    assert (place.production, place.standby, place.state("2")) == ("3", "1", "withdrawn")
    assert place.line == ("3", "1")
    assert len(place.dead) == 1


def test_the_standing_at_a_moment_is_that_of_the_entries_before_it() -> None:
    """What was Production that night."""
    chain = read_chain(write(("adopted", "1"), ("promoted", "2")))

    assert standing(chain.finished, NOW + timedelta(minutes=59)).production == "1"
    assert standing(chain.finished, NOW + timedelta(minutes=61)).production == "2"


def test_retention_counts_from_the_entry_that_archived() -> None:
    """Times come from the ledger."""
    place = stand(("adopted", "1"), ("promoted", "2"), ("promoted", "3"))

    assert place.retain_until("1", timedelta(days=30)) == NOW + timedelta(hours=2, days=30)
    assert place.retain_until("2", timedelta(days=30)) is None


@pytest.mark.parametrize(
    ("later", "holds"),
    [
        ([("staged", "2")], False),  # it was evaluated in Production, and passed
        ([("rolled_back", "1"), ("staged", "2"), ("rolled_back", "2")], True),  # it waited, perhaps undecided
        ([("rolled_back", "1"), ("staged", "2"), ("promoted", "2")], False),
    ],
)
def test_what_an_override_let_in_came_in_by_the_rules_once_it_passed(
    later: list[tuple[Kind, str]], holds: bool
) -> None:
    """To wait in Staging is no pass: an owner may yet accept what is undecided."""
    chain = read_chain(write(("adopted", "1"), ("override", "2"), *later))

    assert (chain.override is not None) is holds


versions = st.sampled_from(["1", "2", "3", "4"])
moves = st.lists(
    st.tuples(st.sampled_from(["staged", "promoted", "rolled_back", "override"]), versions), min_size=1, max_size=6
)


@given(moves)
def test_there_is_never_more_than_one_production(moves: list[tuple[Kind, str]]) -> None:
    """Whatever is recorded in whatever order, also that the aliases agree with the states."""
    place = standing(read_chain(write(*moves)).finished)

    assert [version for version, state in place.states.items() if state == "production"] == (
        [] if place.production is None else [place.production]
    )
    assert [version for version, state in place.states.items() if state == "standby"] == (
        [] if place.standby is None else [place.standby]
    )
    assert place.standby is None or place.standby != place.production
    assert len(set(place.line)) == len(place.line)


@given(moves, st.data())
def test_an_edited_entry_is_always_named(moves: list[tuple[Kind, str]], data: st.DataObject) -> None:
    """Any other value under any key, done or not, is found, and the entries before it are still read.

    All but who finished the very last entry, and when: nothing follows that yet, and only a copy elsewhere can tell.
    """
    keys = write(*moves)
    key = data.draw(st.sampled_from(sorted(keys)))
    document = json.loads(keys[key])
    unseen = {"actor", "at", "prev"} if key == f"done-{len(moves)}" else set()
    field = data.draw(st.sampled_from(sorted(set(document) - unseen)))
    document[field] = data.draw(st.sampled_from(["x", 99, None]).filter(lambda value: value != document[field]))
    keys[key] = digest.canonical(document).decode()

    chain = read_chain(keys)

    number = key.partition("-")[2]
    assert chain.bad is not None
    assert re.search(rf"\b(epoch|done)-{number}\b", chain.bad)
    with pytest.raises(Refused, match="does not hold together") as refused:
        chain.whole()
    assert refused.value.code == "ledger_broken"


@given(moves.filter(lambda moves: len(moves) > 1), st.data())
def test_a_dropped_or_swapped_entry_is_always_named(moves: list[tuple[Kind, str]], data: st.DataObject) -> None:
    """Anything missing but the very end, which only a copy elsewhere can tell."""
    keys = write(*moves)
    number = data.draw(st.integers(1, len(moves) - 1))
    without = {key: value for key, value in keys.items() if key != f"epoch-{number}"}
    undone = {key: value for key, value in keys.items() if key != f"done-{number}"}
    swapped = {
        **keys,
        f"epoch-{number}": keys[f"epoch-{number + 1}"],
        f"epoch-{number + 1}": keys[f"epoch-{number}"],
    }

    assert read_chain(without).bad == f"epoch-{number} is missing"
    assert read_chain(undone).bad == f"done-{number} is missing"
    assert str(read_chain(swapped).bad).startswith(f"epoch-{number} ")


def test_the_steps_of_a_promotion_in_order() -> None:
    """Claim, apply, look, done, nothing."""
    before = read_chain(write(("adopted", "1")))
    seen = {"production": "1"}
    wanted = before.draft("promoted", source="1", target="2", actor=CI, at=NOW, lease=LEASE)
    claimed = read_chain({**write(("adopted", "1")), "epoch-2": wanted.bytes.decode()})
    after = {"production": "2", "previous": "1"}
    mark = Done(2, wanted.sha256, CI, NOW)
    done = Chain(claimed.entries, {**claimed.done, 2: mark})

    assert next_step(before, seen, wanted, NOW) == Claim(wanted)
    assert next_step(claimed, seen, wanted, NOW) == Apply(wanted, after)
    assert next_step(claimed, after, wanted, NOW) == Finish(wanted)
    assert next_step(done, after, wanted, NOW) == Settled(wanted)


def test_what_others_claimed_is_left_alone_until_its_lease_ends() -> None:
    """Then the next command puts on record that it was given up, and rolls it forward."""
    chain = read_chain(write(("adopted", "1"), ("promoted", "2"), done=False))
    seen = {"production": "1"}
    claimed = NOW + timedelta(hours=1)

    assert isinstance(next_step(chain, seen, None, claimed + LEASE / 2), InProgress)
    assert isinstance(next_step(chain, seen, None, claimed + LEASE), Lapsed)
    mark = chain.mark(chain.entries[-1], actor=CI, at=claimed + LEASE, ending="failed", note="its lease was over")
    given_up = replace(chain, failed={2: mark})
    assert isinstance(next_step(given_up, seen, None, claimed + LEASE), Apply)
    ours = chain.entries[0]
    assert next_step(chain, seen, ours, claimed) == Settled(ours), "ours stands, whatever others are at since"
    assert isinstance(next_step(given_up, {"production": "2", "previous": "1"}, None, claimed + LEASE), Finish)


def test_who_was_overtaken_is_told() -> None:
    """What was verified on an older chain does not hold on a longer one."""
    wanted = read_chain(write(("adopted", "1"))).draft(
        "promoted", source="1", target="2", actor=CI, at=NOW, lease=LEASE
    )
    longer = read_chain(write(("adopted", "1"), ("promoted", "3")))

    assert next_step(longer, {}, wanted, NOW) == Overtaken(longer.entries[-1])


def test_staging_sets_no_other_alias() -> None:
    """An alias moved by hand is for people to look at, not for a run to repair silently."""
    chain = read_chain(write(("adopted", "1"), ("staged", "2"), done=False))

    step = next_step(chain, {"production": "9"}, chain.last, NOW)

    assert step == Apply(chain.entries[-1], {"staging": "2"})


def test_previous_may_equal_production_where_the_older_version_is_gone() -> None:
    """The registry cannot show what somebody deleted, and older ledgers' aliases pointed to Production then."""
    wanted = {"production": "2", "previous": "1"}

    assert agrees({"production": "2", "previous": "2"}, wanted)
    assert not agrees({"production": "2", "previous": "3"}, wanted)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"retain": "29d"}, "at least 30d"),
        ({"lease": "10ms"}, "under 1s"),
        ({"way_back": "no"}, "write prove"),
        ({"way_back": "waived: it is broken, until 2027-02-30"}, "is no day"),
        ({"lease": "90s", "switch": {"run": ["./switch.sh"], "timeout": "90s"}}, "make lease longer"),
        ({"switch": {}}, "neither run nor check"),
        ({"soak": "soon"}, "not a duration"),
        ({"speed": 1}, "Extra inputs"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(given: dict[str, object], said: str) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match=said):
        PromotionPolicy.model_validate(given)
