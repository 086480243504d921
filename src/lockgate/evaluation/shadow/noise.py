"""What a champion's own noise leaves of flips and differences: which subjects it is taken from, and its words. Light at import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.evaluation.judging.number_format import percent, short
from lockgate.evaluation.shadow.rates import FLIP_RATE, GAINED_RATE, LOST_RATE
from lockgate.evaluation.shadow.shifts import P99_ABS_DIFFERENCE, WITHIN
from lockgate.text import counted

# Noise adds to each of these. It cancels out of means, shares that a model decides positive, and whole distributions.
RAISED_BY_NOISE = (FLIP_RATE.name, LOST_RATE.name, GAINED_RATE.name, P99_ABS_DIFFERENCE.name, WITHIN.name)


def excess_words(detail: Mapping[str, Any]) -> str:
    """` (0.062 with noise, 0.061 of the champion against itself)`, from the detail of a finding; nothing of others."""
    if "noise" not in detail:
        return ""
    whole, noise = (short(float(detail[key])) for key in ("with_noise", "noise"))
    return f" ({whole} with noise, {noise} of the champion against itself)"


def noise_sentence(entry: Mapping[str, Any]) -> str:
    """What came of asking the champion twice about the same requests, for the summary of a gate."""
    requests, differing = int(entry["answered"]), int(entry["differing"])
    among = counted(requests, "request")
    if not requests:
        return "noise: unknown, as the champion did not answer any request twice"
    if not differing:
        return f"noise: none, the champion answers {among} alike when it is asked twice"
    if "flipped" in entry:
        rate = percent(float(f"{int(entry['flipped']) / requests:.3g}"))
        return f"noise: champion against itself flips {rate} of {among}"
    return (
        f"noise: champion against itself differs on {differing:,} of {among}, by up to {short(float(entry['largest']))}"
    )
