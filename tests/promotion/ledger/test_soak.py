"""Nothing is archived early, whoever does what and when; what was let go is kept as long as was promised."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from helpers.promoting import CI, NOW
from lockgate import hashing as digest
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Kind
from lockgate.promotion.ledger.policy import RETAIN_FLOOR
from lockgate.promotion.ledger.soak import soak_of
from lockgate.promotion.ledger.standing import standing

SOAK = timedelta(hours=48)
LEASE = timedelta(minutes=10)


class Record:
    """A ledger that is written by hand, each entry at a moment."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}

    @property
    def chain(self) -> Chain:
        return read_chain(self.keys).whole()

    def add(self, kind: Kind, version: str, at: datetime, *, done_after: timedelta = timedelta(0)) -> None:
        chain = self.chain
        place = chain.standing
        entry = chain.draft(
            kind,
            source=version if kind == "archived" else place.staging if kind == "staged" else place.production,
            target=None if kind == "archived" else version,
            actor=CI,
            evidence=digest.sha256(f"{version} {at}".encode()),
            at=at,
            lease=LEASE,
        )
        self.keys[f"epoch-{entry.epoch}"] = entry.bytes.decode()
        mark = self.chain.mark(entry, actor=CI, at=at + done_after)
        self.keys[f"done-{entry.epoch}"] = mark.bytes.decode()


def test_the_standby_stays_until_production_has_held_for_the_soak() -> None:
    """From the moment that its promotion was done; a rollback begins another soak, for the next standby."""
    record = Record()
    record.add("adopted", "1", NOW)
    assert soak_of(record.chain, SOAK) is None
    record.add("promoted", "2", NOW)
    record.add("promoted", "3", NOW + timedelta(hours=50))

    found = soak_of(record.chain, SOAK)
    record.add("rolled_back", "2", NOW + timedelta(hours=51))
    after = soak_of(record.chain, SOAK)

    assert found is not None
    assert after is not None
    assert (found.production, found.standby, found.ends) == ("3", "2", NOW + timedelta(hours=98))
    assert not found.is_over(NOW + timedelta(hours=98, microseconds=-1))
    assert found.is_over(NOW + timedelta(hours=98))
    assert (after.production, after.standby, after.ends) == ("2", "1", NOW + timedelta(hours=99))


def test_what_was_left_unfinished_for_days_has_served_for_none_of_them() -> None:
    """The soak counts from `done`, not from the claim."""
    record = Record()
    record.add("adopted", "1", NOW)
    record.add("promoted", "2", NOW, done_after=timedelta(days=5))

    found = soak_of(record.chain, SOAK)

    assert found is not None
    assert found.ends == NOW + timedelta(days=5) + SOAK


def test_staging_an_archived_version_does_not_end_its_retention() -> None:
    """Nor does it make a withdrawn one a place to go back to: once it no longer waits it is what it was."""
    record = Record()
    record.add("adopted", "1", NOW)
    record.add("promoted", "2", NOW)
    record.add("promoted", "3", NOW)
    record.add("rolled_back", "2", NOW)
    for version in ("3", "4"):
        record.add("staged", version, NOW + timedelta(days=1))
    withdrawn = record.chain.standing
    record.add("archived", "1", NOW + timedelta(days=2))
    for version in ("1", "4"):
        record.add("staged", version, NOW + timedelta(days=3))
    archived = record.chain.standing

    assert (withdrawn.state("3"), withdrawn.is_withdrawn("3")) == ("withdrawn", True)
    assert archived.state("1") == "archived"
    assert archived.retain_until("1", RETAIN_FLOOR) == NOW + timedelta(days=2) + RETAIN_FLOOR
    assert archived.retain_until("3", RETAIN_FLOOR) == NOW + RETAIN_FLOOR


def test_the_chain_and_not_a_clock_that_runs_ahead_says_what_came_last() -> None:
    """An entry that is dated an hour too late does not hide the one after it."""
    record = Record()
    record.add("adopted", "1", NOW)
    record.add("promoted", "2", NOW + timedelta(hours=1))
    record.add("promoted", "3", NOW + timedelta(minutes=10))

    entries = record.chain.finished

    assert standing(entries, NOW + timedelta(minutes=5)).production == "1"
    assert standing(entries, NOW + timedelta(minutes=20)).production == "3"
    assert standing(entries, NOW + timedelta(minutes=20)).standby == "2"


acts = st.lists(
    st.tuples(
        st.sampled_from(["promoted", "rolled_back", "staged", "archive"]),
        st.sampled_from(["1", "2", "3", "4"]),
        st.integers(0, 72),
        st.integers(0, 60),
    ),
    max_size=12,
)


@given(acts)
def test_whatever_happens_nothing_is_archived_early(acts: list[tuple[str, str, int, int]]) -> None:
    """Hours pass between calls, and each takes up to an hour. Never two Productions; no retention gets shorter."""
    record, now = Record(), NOW
    record.add("adopted", "1", now)
    kept: dict[str, datetime] = {}
    for kind, version, hours, minutes in acts:
        now += timedelta(hours=hours)
        before = record.chain.standing
        if kind == "archive":
            soak = soak_of(record.chain, SOAK)
            if soak is None or not soak.is_over(now):
                continue
            moves = [entry for entry in record.chain.finished if entry.kind in ("adopted", "promoted", "rolled_back")]
            assert all(now - record.chain.done[entry.epoch].at >= SOAK for entry in moves)
            record.add("archived", soak.standby, now)
        elif kind == "rolled_back":
            if before.standby is None:
                continue
            record.add("rolled_back", before.standby, now, done_after=timedelta(minutes=minutes))
        elif version != before.production:
            record.add(
                "promoted" if kind == "promoted" else "staged", version, now, done_after=timedelta(minutes=minutes)
            )
        now += timedelta(minutes=minutes)
        place = record.chain.standing
        assert [one for one, state in place.states.items() if state == "production"] == [place.production]
        assert place.standby != place.production
        assert place.aliases.get("previous") == place.standby
        for one, until in kept.items():
            found = place.retain_until(one, RETAIN_FLOOR)
            assert found is None or found >= until
            assert found is not None or place.state(one) in ("production", "standby")
        kept = {one: until for one in place.states if (until := place.retain_until(one, RETAIN_FLOOR)) is not None}
