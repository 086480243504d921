"""Durations, sizes, rates and shares as people write them: `48h`, `512MB`, `200/s`, `5%`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]+)", re.ASCII)
_RATE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*/\s*(?P<unit>s|m|min|h)", re.ASCII)


def duration(text: str) -> timedelta:
    """`90s`, `30m`, `48h`, `7d`, `1h30m` as a timedelta. Raises ValueError for anything else."""
    rest = text.strip()
    total = 0.0
    if not rest:
        raise ValueError("a duration is empty; write one like 90s, 30m, 48h or 7d")
    while rest:
        match = _AMOUNT.match(rest)
        if match is None or match["unit"] not in _SECONDS:
            raise ValueError(f"{text!r} is not a duration; write one like 90s, 30m, 48h or 7d")
        total += float(match["number"]) * _SECONDS[match["unit"]]
        rest = rest[match.end() :].strip()
    try:
        return timedelta(seconds=total)
    except OverflowError:
        raise ValueError(f"{text!r} is too long to be a duration") from None


def duration_text(value: timedelta) -> str:
    """The shortest way to write a duration: `48h`, `7d`, `90s`; `duration` reads it back."""
    seconds = value.total_seconds()
    for unit in ("d", "h", "m", "s"):
        amount = seconds / _SECONDS[unit]
        if amount >= 1 and amount == int(amount) and not (unit == "d" and amount < 3):
            return f"{int(amount)}{unit}"
    return f"{_decimal(seconds)}s" if seconds >= 1 or seconds == 0 else f"{_decimal(seconds * 1000)}ms"


def rough_time(seconds: float) -> str:
    """A time as people say it: `12 s`, `5 min`, `2.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _decimal(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def size(text: str) -> int:
    """`512MB` (10^6) or `2GiB` (2^30) as bytes. Raises ValueError for anything else."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or match["unit"] not in _BYTES:
        raise ValueError(f"{text!r} is not a size; write one like 512MB or 2GiB")
    return round(float(match["number"]) * _BYTES[match["unit"]])


def rate(text: str) -> float:
    """`200/s` or `30/m` as events a second. Raises ValueError for anything else, and for zero."""
    match = _RATE.fullmatch(text.strip())
    if match is None or float(match["number"]) <= 0:
        raise ValueError(f"{text!r} is not a rate; write one like 200/s")
    return float(match["number"]) / _SECONDS[match["unit"]]


def share(text: str) -> float:
    """`5%` or `0.05` as a part of one. Raises ValueError for anything else, and outside of 0 to 1."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text, re.ASCII)
    part = float("nan") if match is None else float(match[1]) / (100 if match[2] else 1)
    if not 0 <= part <= 1:
        raise ValueError(f"{text!r} is not a share; write one like 1% or 0.01")
    return part


def utc_text(moment: datetime) -> str:
    """A moment as every record of ours writes it: `2026-11-21T03:42:18.123Z`. Raises ValueError without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be recorded")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def minute_text(moment: datetime) -> str:
    """A moment for the eye: `2026-11-21 03:42 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def utc(text: str) -> datetime:
    """The moment that such a text names; any ISO 8601 text with a zone is read. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    if not 1 < moment.year < 9000:  # so that a zone, a lease or a term can be added without leaving the calendar
        raise ValueError(f"{text!r} is no moment of our calendar")
    return moment.astimezone(UTC)
