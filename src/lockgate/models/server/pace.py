"""Pace of requests: so many rows a second to one server, and no burst after a pause."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_POLL_S = 0.1


class Pace:
    """Waits before each request until the rows that went before it have had their time.

    rows_per_s: at most. cancelled: called while waiting, which ends then; the request that follows says so.
    """

    def __init__(
        self,
        rows_per_s: float,
        *,
        cancelled: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rows_per_s, self._cancelled, self._clock, self._sleep = rows_per_s, cancelled, clock, sleep
        self._due = -math.inf

    @property
    def most_rows(self) -> int:
        """Rows of one request at most, so that none holds more than a second's worth."""
        return max(1, math.floor(self._rows_per_s))

    def wait(self, rows: int) -> None:
        """Wait until a request of so many rows may be sent."""
        while (pause := self._due - self._clock()) > 0 and not self._cancelled():
            self._sleep(min(pause, _POLL_S))
        self._due = max(self._due, self._clock()) + rows / self._rows_per_s
