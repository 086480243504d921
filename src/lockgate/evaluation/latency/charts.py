"""Charts of timed requests: the distribution of latencies, and the latencies over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from lockgate.evaluation.latency.recorded_times import RecordedTimes
from lockgate.evidence.exhibit import Exhibit
from lockgate.stats.latency_samples import pooled

_SPREAD = 250  # points of a distribution, evenly by rank
_TAIL = 80  # the slowest requests, each a point of its own: that is where requirements on p99 are decided
LEVEL = 0.9


def exhibits(
    title: str,
    measured: Mapping[tuple[int, str], RecordedTimes],
    limits: Mapping[int, Sequence[tuple[str, float, float]]],
) -> Iterator[Exhibit]:
    """Yield, for every batch size, one chart of the distribution and one over time.

    measured: by (batch size, role). limits: batch size → (line, milliseconds, the share that its percentile means).
    """
    for size in dict.fromkeys(size for size, _ in measured):
        models = {role: recorded for (own, role), recorded in measured.items() if own == size}
        shares = [point for role, recorded in models.items() for point in _distribution(role, recorded)]
        shares += [(line, limit, share, None, None) for line, limit, share in limits.get(size, ())]
        yield Exhibit(
            f"{title}/ecdf-batch-{size}", "ecdf", ("model", "latency_ms", "share", "low", "high"), tuple(shares)
        )
        moments = [(role, *moment) for role, recorded in models.items() for moment in recorded.moments]
        columns = ("model", "block", "second", "median_ms", "longest_ms", "failed")
        yield Exhibit(f"{title}/timeline-batch-{size}", "timeline", columns, tuple(moments))


def _distribution(role: str, measured: RecordedTimes) -> list[tuple[Any, ...]]:
    """(model, latency, share of requests up to it, and the 90 % interval of that share), the slowest requests in full."""
    whole = pooled([stretch.times for stretch in measured.stretches])
    _, values, counts = whole.ranked()
    count = len(whole)
    ranks = np.unique(
        np.concatenate([np.linspace(0, count - 1, min(_SPREAD, count)), count - 1 - np.arange(min(_TAIL, count))])
        .round()
        .astype(np.int64)
    )
    positions = np.unique(np.searchsorted(counts, ranks + 1))
    upto = counts[positions]
    tail = (1 - LEVEL) / 2
    # Clopper-Pearson: quantiles of the beta distribution of a share, as of `upto` successes in `count`
    low = special.betaincinv(upto, count - upto + 1, tail)
    high = np.where(upto < count, special.betaincinv(upto + 1, np.maximum(count - upto, 1), 1 - tail), 1.0)
    return [
        (role, float(values[position]), float(upto[index] / count), float(low[index]), float(high[index]))
        for index, position in enumerate(positions.tolist())
        if math.isfinite(values[position])
    ]
