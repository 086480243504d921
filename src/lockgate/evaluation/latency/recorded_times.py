"""Recorded times of one model's requests, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lockgate.evaluation.latency.request_limits import PERCENTILES
from lockgate.evaluation.latency.schedule_check import Pace
from lockgate.models.model import Drive
from lockgate.stats.latency_samples import Exact, Floats, Folded, Times, pooled

EXACT = 1_000_000  # requests of a model whose times are kept as they are: 8 MB for each column
STRETCHES = 100  # even: when so many are full, two neighbours become one
_MOMENTS = 450  # points of the chart over time, about

FOLDED = "counted in bins half a permille wide; claims hold for either edge"

Moment = tuple[int, float, float | None, float | None, int]


@dataclass(frozen=True, eq=False)
class Stretch:
    """A block of requests, or several consecutive ones. seconds: that they took."""

    times: Times
    pace: Pace
    seconds: float
    blocks: int = 1

    @classmethod
    def from_drive(cls, drive: Drive) -> Stretch:
        return cls(Exact(drive.latency_ms), Pace.from_drive(drive), float(drive.done_s.max() - drive.sent_s.min()))

    def folded(self) -> Stretch:
        """Return the same with its values in bins."""
        times = self.times.folded(PERCENTILES.values())
        return Stretch(times, self.pace.folded(), self.seconds, self.blocks)

    def __add__(self, other: Stretch) -> Stretch:
        return Stretch(
            pooled([self.times, other.times]),
            Pace.pooled([self.pace, other.pace]),
            self.seconds + other.seconds,
            self.blocks + other.blocks,
        )


class RecordedTimes:
    """The recorded blocks of one model at one batch size.

    Values are exact until `fold` is called. Then they are counted in bins, and neighbouring blocks become one stretch, so
    that there are never a hundred of them; all are of the same length but for the last. Models that got the same number
    of blocks, and are folded after the same ones, have stretches of the same blocks, which can be paired.
    """

    def __init__(self, *, blocks: int) -> None:
        """Start without blocks. blocks: about how many will come, for the number of points that each adds to a chart."""
        self.stretches: list[Stretch] = []
        self.requests = self.failed = self.blocks = 0
        self.longest_ms = 0.0
        self.first_error: str | None = None
        self.moments: list[Moment] = []
        self._pieces = max(1, _MOMENTS // max(1, blocks))
        self._each = 1

    def add(self, drive: Drive) -> None:
        """Record the next block, of one request or more."""
        self.requests += len(drive.sent_s)
        self.failed += int(drive.failed.sum())
        self.longest_ms = max(self.longest_ms, float(drive.latency_ms.max()))
        self.first_error = self.first_error or drive.first_error
        self.moments += _moments(self.blocks, drive, pieces=self._pieces)
        self.blocks += 1
        self.stretches.append(Stretch.from_drive(drive))

    def fold(self) -> None:
        """Count exact values in bins, and join neighbours; once called, call it after every block."""
        stretches, self.stretches = self.stretches, []
        for stretch in stretches:
            self._append(stretch.folded())

    def _append(self, stretch: Stretch) -> None:
        stretches = self.stretches
        if stretches and stretches[-1].blocks + stretch.blocks <= self._each:
            stretches[-1] += stretch
        else:
            stretches.append(stretch)
        if len(stretches) == STRETCHES and stretches[-1].blocks == self._each:
            self.stretches = [first + second for first, second in zip(stretches[::2], stretches[1::2], strict=True)]
            self._each *= 2

    @property
    def pace(self) -> Pace:
        return Pace.pooled([stretch.pace for stretch in self.stretches])

    @property
    def folded(self) -> bool:
        return any(isinstance(stretch.times, Folded) for stretch in self.stretches)


def _moments(block: int, drive: Drive, *, pieces: int) -> Iterator[Moment]:
    """(block, second of the block, median and longest latency, failures) of requests that were due together."""
    for part in np.array_split(np.arange(len(drive.intended_s)), min(pieces, len(drive.intended_s))):
        if part.size:
            yield (block, float(drive.intended_s[part[0]]), *_piece(drive.latency_ms[part]))


def _piece(latencies: Floats) -> tuple[float | None, float | None, int]:
    answered = latencies[np.isfinite(latencies)]
    failed = len(latencies) - len(answered)
    if not answered.size:
        return None, None, failed
    return float(np.median(answered)), float(answered.max()), failed
