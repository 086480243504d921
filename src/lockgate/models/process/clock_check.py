"""Compare the times that a model's process reports with those that passed on this side of the line.

The host's clock stands beside the model, which can change it. Two things can be seen from here: how long a block took as a
whole, and how long single requests took that are sent between blocks. A model that knows which requests these are, and that
is slow only in others, is not seen; nor is a difference of a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

_SPAN_S, _SPAN_SHARE = (
    1.0,
    0.25,
)  # of all blocks together: a busy machine stops both sides, a false clock is further off
_SINGLE_S, _SINGLE_FACTOR = 0.005, 2.0  # a request that comes alone, after a pause, is slower than one of a stream
# A busy machine delays some requests and a false clock shows in all: where the median of a few is late, the quickest quarter of
# many decides.
_SINGLES, _SINGLES_IN_DOUBT, _QUICK = 5, 25, 0.25


@dataclass
class ClockCheck:
    """What was reported, and what passed here, in seconds. One model, all its blocks."""

    reported_s: float = 0.0
    passed_s: float = 0.0
    singles_s: list[tuple[float, float]] = field(default_factory=list)

    @property
    def needs_single(self) -> bool:
        """Whether a request is still to be sent alone, in a later block or at once."""
        return len(self.singles_s) < _SINGLES or self.in_doubt

    @property
    def in_doubt(self) -> bool:
        """Whether those that were sent alone were late, and are too few to tell a busy machine from a false clock."""
        return _SINGLES <= len(self.singles_s) < _SINGLES_IN_DOUBT and median(self._excess_s()) > 0

    def _excess_s(self) -> list[float]:
        return sorted(passed - _SINGLE_FACTOR * reported - _SINGLE_S for reported, passed in self.singles_s)

    def next_single(self, requests: int) -> int:
        """The number of the block's request that is sent again alone; each time another one, where there are several."""
        return len(self.singles_s) * max(1, requests // _SINGLES) % requests

    def add_block(self, *, reported_s: float, passed_s: float) -> None:
        """Take the length of a block, as reported and as it was here."""
        self.reported_s += reported_s
        self.passed_s += passed_s

    def add_single(self, *, reported_s: float, passed_s: float) -> None:
        """Take a request: what was reported of it in its block, and how long it took here when it was sent alone."""
        self.singles_s.append((reported_s, passed_s))

    def problem(self) -> str | None:
        """A sentence where the reported times cannot be those that passed."""
        if abs(self.passed_s - self.reported_s) > _SPAN_S + _SPAN_SHARE * self.passed_s:
            return f"its blocks took {self.passed_s:.2f} s here, and it reported {self.reported_s:.2f} s"
        excess = self._excess_s()
        if len(excess) < _SINGLES_IN_DOUBT or excess[int(_QUICK * len(excess))] <= 0:
            return None
        reported, passed = (median(each) for each in zip(*self.singles_s, strict=True))
        return f"requests that took {1000 * passed:.1f} ms here were reported to take {1000 * reported:.1f} ms"
