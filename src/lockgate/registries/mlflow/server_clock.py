"""What time it is by a server: the `Date` of its answers, counted on by the steady clock of this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

_SET_BACK = 60.0  # seconds; what is less is the second that `Date` is cut to, or the way of a slow answer

_ahead: dict[str, float] = {}  # by host and port: seconds that the server's clock is ahead of `time.monotonic`


def note_date(url: str, date: str | None) -> None:
    """Take the header `Date` of an answer into account; one that is missing or no date changes nothing.

    Each is a little late, so the greatest of them is nearest to the truth, until the server's clock is set back.
    """
    moment = seconds_of_date(date)
    if moment is None:
        return
    ahead = moment - time.monotonic()
    server = _server(url)
    known = _ahead.get(server)
    late = known is not None and 0 < known - ahead < _SET_BACK
    if not late:
        _ahead[server] = ahead


def seconds_of_date(header: str | None) -> float | None:
    """The moment that a header of HTTP names, in seconds since 1970; None where it is missing or no date."""
    try:
        return parsedate_to_datetime(header or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def server_time(uri: str) -> datetime | None:
    """The time by the server at an address; None for a database, and before its first answer."""
    ahead = _ahead.get(_server(uri))
    return None if ahead is None else datetime.fromtimestamp(time.monotonic() + ahead, UTC)


def _server(url: str) -> str:
    """Host and port, without a user."""
    return urlsplit(url).netloc.rpartition("@")[2]
