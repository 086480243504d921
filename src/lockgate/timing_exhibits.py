"""The pictures of timed requests: how latencies are distributed, and when they were long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lockgate.evidence import Exhibit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lockgate.model import Drive

_SPREAD = 250
_TAIL = 80
_MOMENTS = 450
LEVEL = 0.9


def exhibits(
    title: str,
    drives: Mapping[tuple[int, str], Sequence[Drive]],
    limits: Mapping[int, Sequence[tuple[str, float, float]]],
) -> Iterator[Exhibit]:
    """Of every batch size one picture of the distribution and one over time.

    drives: (batch size, role) → blocks. limits: batch size → (line, milliseconds, the share that its percentile means).
    """
    for size in dict.fromkeys(size for size, _ in drives):
        blocks = {role: some for (own, role), some in drives.items() if own == size}
        shares = [point for role, some in blocks.items() for point in _distribution(role, some)]
        shares += [(line, limit, share, None, None) for line, limit, share in limits.get(size, ())]
        yield Exhibit(
            f"{title}/ecdf-batch-{size}", "ecdf", ("model", "latency_ms", "share", "low", "high"), tuple(shares)
        )
        moments = [point for role, some in blocks.items() for point in _timeline(role, some)]
        columns = ("model", "block", "second", "median_ms", "longest_ms", "failed")
        yield Exhibit(f"{title}/timeline-batch-{size}", "timeline", columns, tuple(moments))


def _distribution(role: str, drives: Sequence[Drive]) -> list[tuple[Any, ...]]:
    """(model, latency, share of requests up to it, and the 90 % interval of that share), the tail in full."""
    from scipy import special

    values = np.sort(np.concatenate([drive.latency_ms for drive in drives]))
    count = len(values)
    places = np.unique(
        np.concatenate([np.linspace(0, count - 1, min(_SPREAD, count)), count - 1 - np.arange(min(_TAIL, count))])
        .round()
        .astype(int)
    )
    upto = places + 1
    tail = (1 - LEVEL) / 2
    low = special.betaincinv(upto, count - upto + 1, tail)
    high = np.where(upto < count, special.betaincinv(upto + 1, np.maximum(count - upto, 1), 1 - tail), 1.0)
    return [
        (role, float(values[place]), float((place + 1) / count), float(low[index]), float(high[index]))
        for index, place in enumerate(places.tolist())
        if math.isfinite(values[place])
    ]


def _timeline(role: str, drives: Sequence[Drive]) -> list[tuple[Any, ...]]:
    """(model, block, second of the block, median and longest latency, failures) of requests that were due together."""
    pieces = max(1, _MOMENTS // max(1, len(drives)))
    found = []
    for block, drive in enumerate(drives):
        for part in np.array_split(np.arange(len(drive.intended_s)), min(pieces, len(drive.intended_s))):
            if part.size:
                found.append((role, block, float(drive.intended_s[part[0]]), *_piece(drive.latency_ms[part])))
    return found


def _piece(latencies: NDArray[np.float64]) -> tuple[float | None, float | None, int]:
    answered = latencies[np.isfinite(latencies)]
    failed = len(latencies) - len(answered)
    if not answered.size:
        return None, None, failed
    return float(np.median(answered)), float(answered.max()), failed
