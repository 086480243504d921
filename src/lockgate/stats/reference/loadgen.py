"""Rules of load generators on tail latency: the requests that MLPerf requires, and what HdrHistogram fills in."""

from __future__ import annotations

import math

from scipy import special

from lockgate.stats.validation import check_count, check_open_share, check_positive


def loadgen_min_under_limit(over_limit: int, *, percentile: float, confidence: float) -> int:
    """LoadGen's h: the fewest requests within the limit with which `over_limit` requests over it still pass.

    percentile: a share such as 0.99. confidence: one-sided, 0.99 in MLPerf. The run then has h + over_limit requests:
    h is the least with P(Binomial(h + over_limit, 1 − percentile) <= over_limit) <= 1 − confidence.
    Raises ValueError unless over_limit >= 0 is whole and both shares lie between 0 and 1.
    Source: mlcommons/inference, loadgen/early_stopping.cc, with a tolerance of zero.
    """
    check_count("over_limit", over_limit)
    check_open_share("percentile", percentile)
    check_open_share("confidence", confidence)
    risk = (1 - confidence) * (1 + 1e-12)

    def passes(within: int) -> bool:
        return float(special.betainc(within, over_limit + 1, percentile)) <= risk

    low, high = 0, 1  # none within the limit never passes
    while not passes(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def mlperf_queries(percentile: float, *, confidence: float = 0.99, margin: float | None = None) -> int:
    """Queries with which a share of `percentile` is known to within ± margin, by the normal approximation.

    margin: (1 − percentile)/20 unless given. Rounded to the nearest whole query, as in MLPerf's table.
    Raises ValueError where a share does not lie between 0 and 1.
    Source: MLPerf inference rules, queries and statistical confidence.
    """
    check_open_share("percentile", percentile)
    check_open_share("confidence", confidence)
    reach = (1 - percentile) / 20 if margin is None else margin
    check_open_share("margin", reach)
    z = float(special.ndtri((1 + confidence) / 2))
    return max(1, math.floor(z * z * percentile * (1 - percentile) / (reach * reach) + 0.5))


def backfilled(value: float, *, interval: float) -> tuple[float, ...]:
    """The latencies that one slow answer stands for when a closed loop meant to ask every `interval`.

    value, then value − interval, and so on down to interval. A fallback: it says nothing about the queue behind a stall,
    which only requests sent on time measure. Raises ValueError for a value below zero and an interval not above it.
    Source: HdrHistogram, recordValueWithExpectedInterval.
    """
    check_positive("interval", interval)
    if not 0 <= value < math.inf:
        raise ValueError(f"a latency is a time of zero or more; it is {value}")
    missing = max(0, math.floor(value / interval + 1e-9) - 1)
    return (value, *(value - interval * step for step in range(1, missing + 1)))
