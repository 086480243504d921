"""A ledger whose times run backwards names the entry, the machines that wrote, and by how much; within a skew nothing is told."""

from __future__ import annotations

from datetime import timedelta

from helpers.promoting import NOW
from lockgate.promotion.ledger.backward_times import backward_times
from promotion.ledger.test_soak import Record


def at(*minutes: float) -> list[str]:
    """What is told about versions that were adopted and promoted at these minutes."""
    record = Record()
    for number, moment in enumerate(minutes, start=1):
        record.add("promoted" if number > 1 else "adopted", str(number), NOW + timedelta(minutes=moment))
    found = list(backward_times("fraud", record.chain))
    assert {each.code for each in found} <= {"clock_backwards"}
    return [each.where for each in found]


def test_a_clock_that_was_ahead_is_named_once() -> None:
    """What follows is measured from there."""
    assert at(0, 11, 12) == []
    assert at(0, 12, 1, 2, 3) == ["epoch-3 of fraud"]
    assert at(0, 60 * 24 * 365, 1, 2, 3) == ["epoch-3 of fraud"]


def test_clocks_may_differ_by_ten_minutes() -> None:
    """Small steps back add up."""
    assert at(0, 10, 0) == []
    assert at(20, 14, 8, 2) == ["epoch-3 of fraud"]


def test_it_says_by_how_much_and_who_wrote() -> None:
    """The end of an entry counts like its beginning."""
    record = Record()
    record.add("adopted", "1", NOW, done_after=timedelta(minutes=12))
    record.add("promoted", "2", NOW + timedelta(seconds=30))

    (found,) = backward_times("fraud", record.chain)

    assert found.message == (
        "its time runs backwards: ci (unverified) wrote it at 2026-11-21T12:00:30.000Z, 12 minutes before done-1, after which it "
        "was written, by ci (unverified) at 2026-11-21T12:12:00.000Z"
    )
