"""Check of the schedule: requests were sent on time, and the model kept up with them.

Otherwise the times are those of the load generator or of a queue, and no verdict on a model rests on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lockgate.models.model import Drive
from lockgate.stats.latency import percentile
from lockgate.stats.latency_samples import Exact, Times, pooled, spanned

LAG_MS = 1.0  # of 99 % of the requests, at most
LAG_SHARE = 0.05  # or this share of the median latency, if that is more
DELIVERED = 0.98  # of the rate, at least
BUSY = 0.9  # share of the time above which a model that answers one request at a time is a queue
QUEUE = 2.5  # growth of the median within blocks, below which it may be the ordinary waiting of a busy server
FASTER = 1.2  # than it is answered, for a block to be proof of a queue
IN_A_ROW = 3  # blocks of proof after which no more are sent
LONGER_S = 10.0  # than a block was meant to take, after which one is enough
APART = 0.75  # of a block, between the middles of its first and its last quarter


@dataclass(frozen=True, eq=False)
class Pace:
    """How one block of requests, or several, kept their schedule.

    lag_ms: of every request; took_ms: from its intended time to its end, answered or not. meant_s: how long the blocks
    were meant to take; behind_s: how far their last requests lagged. alone: whether none was sent before the one before
    it had ended. busy_s: the sum of the times from sending to the answer. quarters: of the blocks of four requests or
    more, how long they were meant to take, and the medians of their first and last quarters.
    """

    lag_ms: Times
    took_ms: Times
    meant_s: float
    behind_s: float
    alone: bool
    busy_s: float
    quarters: tuple[float, float, float]

    @classmethod
    def from_drive(cls, drive: Drive) -> Pace:
        took = drive.done_s - drive.intended_s
        meant = float(drive.intended_s[-1])
        quarter = len(took) // 4
        first, last = (
            float(np.median(part)) if quarter else 0.0 for part in (took[:quarter], took[len(took) - quarter :])
        )
        return cls(
            Exact(drive.lag_s * 1000),
            Exact(took * 1000),
            meant,
            float(drive.lag_s[-1]),
            bool((drive.sent_s[1:] >= drive.done_s[:-1]).all()),
            float((drive.done_s - drive.sent_s).sum()),
            (meant if quarter else 0.0, first, last),
        )

    @classmethod
    def pooled(cls, paces: Sequence[Pace]) -> Pace:
        """Pool the paces of one block or more."""
        meant, first, last = (sum(parts) for parts in zip(*(pace.quarters for pace in paces), strict=True))
        return cls(
            pooled([pace.lag_ms for pace in paces]),
            pooled([pace.took_ms for pace in paces]),
            sum(pace.meant_s for pace in paces),
            sum(pace.behind_s for pace in paces),
            all(pace.alone for pace in paces),
            sum(pace.busy_s for pace in paces),
            (meant, first, last),
        )

    def folded(self) -> Pace:
        """Return the same with its values in bins."""
        return replace(self, lag_ms=self.lag_ms.folded(), took_ms=self.took_ms.folded())

    @property
    def lag_p99_ms(self) -> float:
        """The lag that 99 % of the requests do not exceed."""
        return spanned(percentile(0.99), self.lag_ms)[1]


def late(pace: Pace, *, role: str) -> str | None:
    """Return why the load generator did not keep its schedule; None where it did.

    pace: of all blocks of one model. Of its lag, 99 % must lie within 1 ms, or within 5 % of the median latency where that
    is more; and by the end of a block it must have sent at 98 % of the intended rate at least. Waiting for something else
    (the model in process, a connection) is no lag.
    """
    typical = spanned(percentile(0.5), pace.took_ms)[0]
    tail, allowed = pace.lag_p99_ms, max(LAG_MS, LAG_SHARE * typical)
    remedy = "lower load.rate, or run where less else runs"
    if tail > allowed:
        return (
            f"the load generator was late: it sent 1 % of the requests to the {role} {tail:.3g} ms after their time or "
            f"later, and {allowed:.3g} ms is allowed; {remedy}"
        )
    meant, taken = pace.meant_s, pace.meant_s + pace.behind_s
    if meant < DELIVERED * taken:
        return f"the load generator sent {meant / taken:.1%} of the intended rate to the {role}; {remedy}"
    return None


def saturated(pace: Pace, *, role: str, rate: float) -> str | None:
    """Return why an open loop measured a queue rather than the model; None where it did not."""
    able = borne(pace, rate=rate)
    return None if able is None else queue_words(role, able=able, rate=rate)


def borne(pace: Pace, *, rate: float) -> float | None:
    """Return about how many requests a second were answered where an open loop measured a queue; None where it did not.

    A model that answers a request at a time, busy above nine tenths of the time, is a queue. One that answers several is a
    queue where answers take longer in the last quarters of the blocks than in the first, so that it answers less than
    98 % of what arrives, and by 2.5 times what they took in the first, below which it may be the ordinary waiting of a
    busy server. Simulated, 20 blocks, one worker: named at 1.25 times what it bears and not at 0.85 in blocks of 150
    requests, named at 2 and not at 0.7 in blocks of 30. Medians, because one slow answer does not move them.
    """
    if pace.alone:
        able = 1 / max(pace.busy_s / len(pace.took_ms), 1e-9)
        return None if able >= rate / BUSY else able
    meant, first, last = pace.quarters
    # in `apart` seconds the wait grew by last - first, so that much more work came than was answered
    apart = APART * meant
    if last - first <= max((1 - DELIVERED) * apart, QUEUE * first):
        return None
    return rate / (1 + (last - first) / apart)


class QueueWatch:
    """Watches the blocks of an open loop for a queue that leaves nothing to wait for.

    It is proven by three blocks in a row, each of which came a fifth faster than it was answered, or by one that took ten
    seconds longer than it was meant to: a pause of the machine does neither.
    """

    def __init__(self) -> None:
        self._in_a_row = 0

    def proven(self, drive: Drive, *, rate: float) -> bool:
        """Whether the block that was answered last leaves no doubt."""
        able = borne(Pace.from_drive(drive), rate=rate)
        self._in_a_row = self._in_a_row + 1 if able is not None and rate >= FASTER * able else 0
        longer_s = float(drive.done_s.max() - drive.intended_s[-1])
        return self._in_a_row >= IN_A_ROW or (self._in_a_row > 0 and longer_s >= LONGER_S)


def queue_words(role: str, *, able: float, rate: float) -> str:
    """Say that a queue was measured, and which rate is none."""
    return (
        f"the {role} answers about {able:.3g} requests a second and {rate:g} were sent, so the queue was measured and "
        f"not the model; lower load.rate to {bearable(able)}"
    )


def above_words(role: str, *, able: float, rate: float, beforehand: int) -> str:
    """Say that a rate is above what a model bears, as a few requests beforehand have shown."""
    return (
        f"{rate:g}/s is above what the {role} serves (about {able:.3g}/s, by {beforehand} requests that were sent "
        "beforehand)"
    )


def bearable(able: float) -> str:
    """The rate to write for a model that answers so many requests a second: half of it, with two digits."""
    return f"{float(f'{able / 2:.2g}'):.9f}".rstrip("0").rstrip(".") + "/s"
