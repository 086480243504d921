"""The window of `last`: which rows lie in it, what is said of them, and when nothing can be decided on them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.time_window import TimeWindow, microseconds, moments_of, time_window

NOW = datetime(2026, 11, 29, 12, 0, 0, 123_456, UTC)


def window(*values: Any, last: str = "7d", until: str | None = None) -> TimeWindow:
    more = {} if until is None else {"until": until}
    spec = DatasetSpec.model_validate({"path": "d", "last": last, "time": "t", **more})
    assert spec.last is not None
    moments, _, days, _ = moments_of(pa.array(values))
    return time_window([(moments, days)], last=spec.last, until=spec.until, now=NOW)


def hours(*ago: float) -> list[datetime]:
    return [NOW - timedelta(hours=each) for each in ago]


def test_it_says_how_many_rows_are_kept_and_how_old_they_are() -> None:
    """Rows that are ahead of the clock are counted, named and not used."""
    shown = window(*hours(1, 100, 168.1, -1, -2))

    assert (shown.kept, shown.rows, shown.ahead) == (2, 5, 2)
    assert shown.problem("traffic") is None
    assert shown.sentence("traffic") == (
        "last: 7d of traffic keeps 2 of 5 rows, 60 min to 4.17 days old; "
        "2 rows bear times ahead of this run's clock, up to 2026-11-29T14:00:00.123456Z, and are not used"
    )


def test_clocks_may_differ_a_little() -> None:
    """Five minutes, and a day where only the day is written, since it may be that of another zone."""
    assert window(*hours(-0.05, -0.1)).kept == 1
    assert window(date(2026, 11, 30), date(2026, 12, 1)).kept == 1
    assert window("2026-11-30", "2026-12-01").kept == 1


@pytest.mark.parametrize(
    ("ago", "problem"),
    [
        ([83.9, 400], None),
        ([84.1], "the rows of traffic are stale: last: 7d counts back from 2026-11-29T12:00:00.123000Z, the time of this run"),
        ([169], "traffic has no rows in its window: .* newest of its 1 row until then is 7.04 days older; bring newer rows, "
                "or a longer last, or write until: 2026-11-22T11:00:00.123456Z to judge these"),
        ([-30], "no rows in its window: .* none of its 1 row is older than that; 1 row bears a time ahead of this run's clock"),
    ],
)  # fmt: skip
def test_an_empty_or_stale_window_decides_nothing(ago: list[float], problem: str | None) -> None:
    """Stale is where the newest row is older than half of it."""
    shown = window(*hours(*ago)).problem("traffic")

    assert (shown is None) if problem is None else re.search(problem, shown or "")


def test_no_rows_are_an_empty_window() -> None:
    """And not a pass over nothing."""
    empty = time_window([], last=timedelta(days=7), until=None, now=NOW)

    assert "and the data has no rows" in (empty.problem("traffic") or "")


def test_until_is_a_moment_of_its_own() -> None:
    """The same rows whenever it runs; a day is its end; what came later is counted; the remedy that is named works."""
    rows = hours(1, 200, 210, 400)
    by_day, by_moment = window(*rows, until="2026-11-21"), window(*rows, until="2026-11-21T11:00:00+01:00")

    assert (by_day.kept, by_day.later, by_day.ahead) == (2, 1, 0)
    assert (by_moment.kept, by_moment.later) == (2, 1)
    assert by_moment.sentence("t") == (
        "last: 7d of t keeps 2 of 4 rows, 6 h to 16 h before 2026-11-21T10:00:00Z; 1 row later than until is not used"
    )
    assert window(*rows[1:], until="2026-11-21T03:59:59.999999Z").kept == 1
    assert window(*rows[1:], until="2026-11-21T04:00:00.123456Z").kept == 2


def test_an_until_ahead_of_the_run_keeps_no_rows_of_the_future() -> None:
    """They are named as that."""
    shown = window(*hours(1, -10), until="2026-12-02")

    assert (shown.kept, shown.ahead, shown.later) == (1, 1, 0)


def test_whole_milliseconds_of_the_clock_count() -> None:
    """Evidence records those, so that a re-run keeps the same rows."""
    recorded = NOW.replace(microsecond=123_000)

    assert window(NOW).end == time_window([], last=timedelta(days=7), until=None, now=recorded).end


@pytest.mark.parametrize("zone", ["Z", " UTC", "UTC", " Z", "+00", "+00:00", " +00:00", " +0000"])
@pytest.mark.parametrize("time", ["2026-11-29 10:00:00", "2026-11-29T10:00:00.123456"])
def test_utc_has_many_spellings(time: str, zone: str) -> None:
    """BigQuery, Postgres and pandas have each their own; a text that is no time stays none."""
    expected = datetime.fromisoformat(time).replace(tzinfo=UTC)
    assert moments_of(pa.array([time + zone]))[0][0] == microseconds(expected)
    with pytest.raises(ValueError, match="row 9 is no time"):
        moments_of(pa.array([time + zone, f"{time} CET"]), before=7)


def test_texts_with_and_without_a_zone_are_no_times_of_one_kind() -> None:
    """The sentence names the first row that differs."""
    with pytest.raises(ValueError, match="row 2 has none, those before it have one"):
        moments_of(pa.array(["2026-11-21T10:00:00Z", "2026-11-21T10:00:00"]))
    with pytest.raises(ValueError, match="row 3 has one, those before it have none"):
        moments_of(pa.array(["2026-11-21T10:00:00", None, "2026-11-21 10:00:00 UTC"]))
    with pytest.raises(ValueError, match="row 9 has none, those before it have one"):
        moments_of(pa.array([None, "2026-11-21T10:00:00"]), before=7, zoned=True)
    assert moments_of(pa.nulls(1, pa.string()), before=7, zoned=True).zoned is True
