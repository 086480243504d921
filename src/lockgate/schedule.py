"""Did the requests of a load go when they should, and could whoever answered them keep up?

Where not, the times are those of the load generator or of a queue, and no verdict on a model is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockgate.model import Drive

LAG_MS = 1.0
LAG_SHARE = 0.05
DELIVERED = 0.98
BUSY = 0.9
QUEUE = 2.5
APART = 0.75  # of a block, between the middles of its first and its last quarter


def lag_ms(drives: Sequence[Drive]) -> float:
    """The lag that 99 % of the requests in all blocks do not exceed, in milliseconds."""
    return float(np.quantile(np.concatenate([drive.lag_s for drive in drives]), 0.99)) * 1000


def late(drives: Sequence[Drive], *, role: str) -> str | None:
    """Why the load generator did not keep its schedule; None where it did.

    drives: all blocks of one model, each of one request or more. Of its lag, 99 % must lie within 1 ms, or within 5 % of
    the median latency where that is more; and at the end of a block it must be so far that it sent at 98 % of the asked
    rate at least. Whatever waited for something else (the model in process, a connection) is no lag.
    """
    times = np.concatenate([(drive.done_s - drive.intended_s) for drive in drives]) * 1000
    tail, allowed = lag_ms(drives), max(LAG_MS, LAG_SHARE * float(np.median(times)))
    remedy = "lower load.rate, or run where less else runs"
    if tail > allowed:
        return (
            f"the load generator was late: it sent 1 % of the requests to the {role} {tail:.3g} ms after their time or "
            f"later, and {allowed:.3g} ms is allowed; {remedy}"
        )
    asked, took = _length(drives), _length(drives) + sum(float(drive.lag_s[-1]) for drive in drives)
    if asked < DELIVERED * took:
        return f"the load generator sent {asked / took:.1%} of the rate that was asked to the {role}; {remedy}"
    return None


def saturated(drives: Sequence[Drive], *, role: str, rate: float) -> str | None:
    """Why an open loop measured a queue rather than who answered; None where it did not.

    One that answers a request at a time, busy above nine tenths of the time, is a queue. One that answers several is a
    queue where answers take longer in the last quarters of the blocks than in the first, so that it answers less than
    98 % of what arrives, and by 2.5 times what they took in the first, below which it may be the ordinary waiting of a
    busy server. Simulated, 20 blocks, one worker: named at 1.25 times what it bears and not at 0.85 in blocks of 150
    requests, named at 2 and not at 0.7 in blocks of 30. Medians, because one slow answer does not move them.
    """
    if all((drive.sent_s[1:] >= drive.done_s[:-1]).all() for drive in drives):
        busy = float(np.mean(np.concatenate([drive.done_s - drive.sent_s for drive in drives])))
        able = 1 / max(busy, 1e-9)
        if able >= rate / BUSY:
            return None
    else:
        whole = [drive for drive in drives if len(drive.sent_s) >= 4]
        first = sum(_typical(drive, slice(None, len(drive.sent_s) // 4)) for drive in whole)
        last = sum(_typical(drive, slice(-(len(drive.sent_s) // 4), None)) for drive in whole)
        apart = APART * _length(whole)
        if last - first <= max((1 - DELIVERED) * apart, QUEUE * first):
            return None
        able = rate / (1 + (last - first) / apart)
    return (
        f"the {role} answers about {able:.3g} requests a second and {rate:g} were sent, so the queue was measured and "
        f"not the model; lower load.rate to {able / 2:.2g}/s"
    )


def _length(drives: Sequence[Drive]) -> float:
    """How long the blocks were meant to take, in seconds."""
    return sum(float(drive.intended_s[-1]) for drive in drives)


def _typical(drive: Drive, part: slice) -> float:
    """How many seconds the answers to a part of the requests took, by the median."""
    return float(np.median((drive.done_s - drive.intended_s)[part]))
