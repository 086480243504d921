"""The window of `last` and `until`: when rows were recorded, which of them lie in it, and how old those are.

Moments are microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from lockgate.text import counted
from lockgate.units import duration_text

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array

SKEW = timedelta(minutes=5)  # by which the clock that wrote a row may be ahead of ours
_DAY = timedelta(days=1)  # likewise where only the day was written, in whatever zone
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
TO_ITS_END = _DAY // _MICROSECOND - 1  # from the beginning of a day
_SPACED_ZONE = r"^(\d{4}-\d\d-\d\d.\d\d:.*\d) +([+-]\d\d:?(?:\d\d)?)$"
_UTC_BY_NAME = r"^(\d{4}-\d\d-\d\d.\d\d:.*\d) *(?:UTC|Z)$"  # as BigQuery writes it
_SCALES = ((10**17, 1, 1000), (10**14, 1, 1), (10**11, 1000, 1))  # from that number on, × and ÷ to microseconds


@dataclass(frozen=True)
class TimeWindow:
    """The span that `last` keeps, and what lies in it.

    end: the moment it is counted back from: that of the run, or `until` where `declared`. newest: the last moment that
    may be inside, `end` or a little more, because clocks differ. future: the last moment that is not ahead of the run.
    rows: of the data. kept: inside, both ends included, the first and last of them at `first` and `last_kept`. ahead:
    beyond `future`, up to `farthest`. later: beyond `newest`, and not ahead of the run. before: the newest one that is
    older than the window.
    """

    last: timedelta
    end: int
    newest: int
    future: int
    declared: bool
    rows: int = 0
    kept: int = 0
    ahead: int = 0
    later: int = 0
    first: int | None = None
    last_kept: int | None = None
    farthest: int | None = None
    before: int | None = None

    @property
    def oldest(self) -> int:
        """The first moment that may be inside."""
        return self.end - self.last // _MICROSECOND

    def contains(self, moments: Array) -> Array:
        """(n,) bool."""
        return (moments >= self.oldest) & (moments <= self.newest)

    def counting(self, moments: Array) -> TimeWindow:
        """The window with these rows, (n,) moments, counted too."""
        inside, ahead = moments[self.contains(moments)], moments[moments > self.future]
        before = moments[moments < self.oldest]
        return replace(
            self,
            rows=self.rows + len(moments),
            kept=self.kept + len(inside),
            ahead=self.ahead + len(ahead),
            later=self.later + len(moments) - len(inside) - len(before) - len(ahead),
            first=_extreme(min, self.first, inside),
            last_kept=_extreme(max, self.last_kept, inside),
            farthest=_extreme(max, self.farthest, ahead),
            before=_extreme(max, self.before, before),
        )

    @property
    def stale(self) -> bool:
        """Whether all that it keeps is older than half of it, as where a log has ended."""
        return self.last_kept is not None and self.end - self.last_kept > self.last / _MICROSECOND / 2

    def to_json(self) -> dict[str, Any]:
        """For the evidence: from, until, how many rows of how many, and the times of the first and the last of them."""
        return {
            "last": duration_text(self.last),
            "from": moment_text(self.oldest),
            "until": moment_text(self.end),
            "rows": self.kept,
            "of": self.rows,
            "ahead_of_the_run": self.ahead,
            "later_than_until": self.later,
            "oldest": None if self.first is None else moment_text(self.first),
            "newest": None if self.last_kept is None else moment_text(self.last_kept),
        }

    def sentence(self, name: str) -> str:
        """`last: 7d of traffic keeps 500 of 501 rows, 3 h to 2.1 days old; 1 row is …`."""
        text = f"last: {duration_text(self.last)} of {name} keeps {self.kept:,} of {counted(self.rows, 'row')}"
        if self.first is not None and self.last_kept is not None:
            ages = list(dict.fromkeys(age_text(self.end - moment) for moment in (self.last_kept, self.first)))
            text += f", {' to '.join(ages)} {f'before {moment_text(self.end)}' if self.declared else 'old'}"
        return "; ".join([text, *self._left_out()])

    def problem(self, name: str) -> str | None:
        """Why nothing can be decided on what it keeps, and what to do; None where something can."""
        if self.kept and not self.stale:
            return None
        span = f"last: {duration_text(self.last)} counts back from {moment_text(self.end)}"
        span += "" if self.declared else ", the time of this run"
        recent = self.last_kept if self.kept else self.before
        if recent is None:
            newest = (
                f"none of its {counted(self.rows, 'row')} is older than that" if self.rows else "the data has no rows"
            )
        else:
            newest = f"the newest of its {counted(self.rows, 'row')} until then is {age_text(self.end - recent)} older"
        state = f"the rows of {name} are stale" if self.kept else f"{name} has no rows in its window"
        rule = ", more than half of that" if self.kept else ""
        remedy = "bring newer rows, or a longer last"
        remedy += "" if recent is None or self.declared else f", or write until: {moment_text(recent)} to judge these"
        return "; ".join([f"{state}: {span}, and {newest}{rule}", *self._left_out(), remedy])

    def _left_out(self) -> list[str]:
        clauses = []
        if self.ahead and self.farthest is not None:
            clauses.append(
                f"{counted(self.ahead, 'row')} {'bears a time' if self.ahead == 1 else 'bear times'} ahead of this run's clock, "
                f"up to {moment_text(self.farthest)}, and {'is' if self.ahead == 1 else 'are'} not used"
            )
        if self.later:
            clauses.append(
                f"{counted(self.later, 'row')} later than until {'is' if self.later == 1 else 'are'} not used"
            )
        return clauses


def time_window(
    parts: Iterable[tuple[Array, bool]], *, last: timedelta, until: datetime | None, now: datetime
) -> TimeWindow:
    """The window over parts of data: (n,) moments, and whether they are days rather than moments, as in the first part.

    now: of the run, of which whole milliseconds count, because evidence records those.
    """
    clock = microseconds(now) // 1000 * 1000
    end = clock if until is None else microseconds(until)
    window: TimeWindow | None = None
    for moments, days in chain(parts, [(None, False)]):
        if window is None:
            future = clock + (_DAY if days else SKEW) // _MICROSECOND
            newest = future if until is None else min(end, future)
            window = TimeWindow(last, end, newest, future, declared=until is not None)
        if moments is not None:
            window = window.counting(moments)
    assert window is not None  # noqa: S101  # the chain has an end
    return window


HOW_TO_WRITE = "write times as 2026-11-21T10:00:00Z, as timestamps, or as seconds, milliseconds, microseconds or nanoseconds since 1970"


class Moments(NamedTuple):
    """Times of some rows. values: (n,) moments, by UTC where no zone is written; missing: (n,) bool. days: whether they are
    days. zoned: whether texts or timestamps have a time zone; None where there are none."""

    values: Any
    missing: Any
    days: bool
    zoned: bool | None = None


def moments_of(column: pa.Array, *, before: int = 0, zoned: bool | None = None) -> Moments:
    """When rows were recorded. before: rows before these, whose texts have a zone, or none, as `zoned` says.

    Numbers are seconds, from 10^11 on milliseconds (seconds reach that in the year 5138), from 10^14 on microseconds, from
    10^17 on nanoseconds. Raises ValueError.
    """
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    days = pa.types.is_date(column.type)
    missing = arrays.is_missing(column)
    written = not pa.types.is_string(column.type) or not missing.all()
    if pa.types.is_string(column.type):
        column, days = _parsed(column, before, zoned)
    if pa.types.is_timestamp(column.type) and written:
        zoned = column.type.tz is not None
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        return Moments(_from_numbers(column, missing), missing, days=False, zoned=zoned)
    if not (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type) or pa.types.is_null(column.type)):
        raise ValueError(f"its type is {column.type}")
    values = arrays.to_numpy(column.cast(pa.timestamp("us"), safe=False))
    return Moments(values, missing, days, zoned)


class RecordedTimes(NamedTuple):
    """moments: (n,) of the rows that have one, a day at its beginning. missing: rows without. days: whether they are days.
    zoned: whether they have a time zone; None of days and numbers."""

    moments: Any
    missing: int
    days: bool
    zoned: bool | None

    @property
    def newest(self) -> int | None:
        """The last moment, a day at its end; None without any."""
        if not self.moments.size:
            return None
        return int(self.moments.max()) + (TO_ITS_END if self.days else 0)


def recorded_times(columns: Iterable[pa.Array]) -> RecordedTimes:
    """When rows were recorded, of a column in parts. Raises ValueError for what is no time."""
    import numpy as np

    parts, missing, before, days = [np.zeros(0, np.int64)], 0, 0, False
    zoned: bool | None = None
    for column in columns:
        times = moments_of(column, before=before, zoned=zoned)
        zoned = times.zoned
        parts.append(times.values[~times.missing])
        missing, before, days = missing + int(times.missing.sum()), before + len(column), days or times.days
    return RecordedTimes(np.concatenate(parts), missing, days, None if days else zoned)


def recorded_between(columns: Iterable[pa.Array]) -> tuple[int, int] | None:
    """The first and the last moment of a column in parts, days at their beginnings; None without any. Raises ValueError for what
    is no time."""
    first = last = zoned = None
    before = 0
    for column in columns:
        times = moments_of(column, before=before, zoned=zoned)
        there, zoned, before = times.values[~times.missing], times.zoned, before + len(column)
        first, last = _extreme(min, first, there), _extreme(max, last, there)
    return None if first is None or last is None else (first, last)


def microseconds(moment: datetime) -> int:
    """A moment with a zone in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_text(moment: int) -> str:
    """`2026-11-21T03:42:18Z`, as `until` takes it."""
    try:
        return (_EPOCH + timedelta(microseconds=moment)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return "a moment beyond the year 9999" if moment > 0 else "a moment before the year 1"


def age_text(length: int) -> str:
    """Microseconds as `12 min`, `3.5 h`, `2.1 days`."""
    seconds = max(0, length) / 1e6
    for unit, name in ((86400.0, "days"), (3600.0, "h")):
        if seconds >= 2 * unit:
            amount = seconds / unit
            return f"{amount:,.0f} {name}" if amount >= 100 else f"{amount:.3g} {name}"
    return f"{seconds / 60:.0f} min"


def _from_numbers(column: pa.Array, missing: Array) -> Array:
    import numpy as np
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays

    if pa.types.is_integer(column.type):
        numbers = arrays.to_numpy(column.cast(pa.int64()).fill_null(0))
        dates = numbers[~missing]
        if len(dates) and ((dates >= 19_000_101) & (dates <= 21_001_231)).all():
            raise ValueError(f"it holds dates written as numbers, such as {dates[0]}")
        size = np.abs(numbers)
        moments = numbers * np.where(size < 10**11, 1_000_000, 1)
        for least, times, parts in _SCALES:
            moments = np.where(size >= least, numbers * times // parts, moments)
            size = np.where(size >= least, 0, size)
        return moments
    seconds = np.where(missing, 0.0, arrays.to_floats(column))
    for _ in _SCALES:
        seconds = np.where(np.abs(seconds) >= 1e11, seconds / 1000, seconds)
    if not (np.abs(seconds) < 1e11).all():
        raise ValueError("it holds numbers too large for one")
    return np.round(seconds * 1e6).astype(np.int64)


def _parsed(column: pa.Array, before: int, zoned: bool | None) -> tuple[pa.Array, bool]:
    """(timestamps, or numbers where all texts are some; whether all are days)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(column) and pc.all(pc.match_substring_regex(column, r"^\d+(\.\d+)?$")).as_py():
        whole = not pc.any(pc.match_substring(column, ".")).as_py()
        return column.cast(pa.int64() if whole else pa.float64()), False
    plain = pc.replace_substring_regex(column, _SPACED_ZONE, r"\1\2")
    plain = pc.replace_substring_regex(plain, _UTC_BY_NAME, r"\1Z")
    zones = ["UTC"] * (zoned is not False) + [None] * (not zoned)
    for kind in (pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in zones):
        try:
            return plain.cast(kind), bool(len(column)) and (pc.max(pc.utf8_length(column)).as_py() or 11) <= 10
        except pa.ArrowInvalid:
            continue
    raise ValueError(_unreadable(plain, before, zoned))


def _unreadable(column: pa.Array, before: int, zoned: bool | None) -> str:
    """What is wrong with the first of these texts that cannot be read along with those before it."""
    import pyarrow as pa

    for row in range(len(column)):
        readable = [
            zone for zone in (True, False) if _reads(column.slice(row, 1), pa.timestamp("ns", "UTC" if zone else None))
        ]
        if not readable:
            return f"row {before + row + 1:,} is no time"
        if column[row].is_valid and zoned is None:
            zoned = readable[0]
        if column[row].is_valid and zoned not in readable:
            has, lacks = ("has none", "have one") if zoned else ("has one", "have none")
            return f"some rows have a time zone and some have none: row {before + row + 1:,} {has}, those before it {lacks}"
    return "they are of different forms"


def _reads(texts: pa.Array, kind: pa.DataType) -> bool:
    import pyarrow as pa

    try:
        texts.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _extreme(choose: Any, before: int | None, moments: Array) -> int | None:
    if not len(moments):
        return before
    here = int(moments.max() if choose is max else moments.min())
    return here if before is None else choose(before, here)
