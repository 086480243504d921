"""Durations, sizes and rates are read as people write them, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("30min", 1800), ("48h", 172_800), ("7d", 604_800), ("2w", 1_209_600), ("1h30m", 5400),
     ("1.5h", 5400), ("250ms", 0.25), (" 1 h 30 m ", 5400), ("0s", 0)],
)  # fmt: skip
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    """They add up."""
    assert units.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "7", "-1h", "1x", "1 month", "h", "1h 30", "99999999999999w", "١h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(ValueError, match="duration"):
        units.duration(text)


@given(st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_a_duration_is_read_back_as_it_was_written(value: timedelta) -> None:
    """To the microsecond."""
    assert units.duration(units.duration_text(value)) == value


@pytest.mark.parametrize(
    ("hours", "text"), [(48, "48h"), (168, "7d"), (1.5, "90m"), (0, "0s"), (0.001, "3.6s"), (36, "36h"), (72, "3d")]
)
def test_a_duration_is_written_shortly(hours: float, text: str) -> None:
    """In the largest unit that fits; two days stay hours."""
    assert units.duration_text(timedelta(hours=hours)) == text


@pytest.mark.parametrize(("text", "size"), [("512MB", 512 * 10**6), ("2GiB", 2 * 2**30), ("1.5 KB", 1500), ("7B", 7)])
def test_a_size_is_a_number_of_bytes(text: str, size: int) -> None:
    """MB is 10^6, MiB is 2^20."""
    assert units.size(text) == size


@pytest.mark.parametrize("text", ["512", "512mb", "MB", "-1MB", "1 MB 2 KB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Units are written as they are."""
    with pytest.raises(ValueError, match="size"):
        units.size(text)


@pytest.mark.parametrize(("text", "rate"), [("200/s", 200), ("30/m", 0.5), ("36 / h", 0.01)])
def test_a_rate_is_events_a_second(text: str, rate: float) -> None:
    """Whatever it was written by."""
    assert units.rate(text) == rate


@pytest.mark.parametrize("text", ["200", "0/s", "s", "200/d", "-1/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """Zero events are no load."""
    with pytest.raises(ValueError, match="rate"):
        units.rate(text)
