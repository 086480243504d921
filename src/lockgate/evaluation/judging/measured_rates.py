"""How often a candidate that lies exactly at a limit passed at most, by method, where one time in twenty is declared.

The worst of the laws that `make bench-decisions` simulates (docs/internals/decisions.md), which fails where one is exceeded.
"""

from __future__ import annotations

from collections.abc import Mapping

MEASURED: Mapping[str, float] = {
    "clopper-pearson": 0.06,
    "tango score": 0.06,
    "order statistics of differences": 0.06,
    "identical on every row": 0.05,
    "the same on every row": 0.05,
    "delong": 0.07,
    "delong paired": 0.078,
    "influence": 0.07,
    "influence paired": 0.076,
    "largest gap beside the champion": 0.07,
}


def family(method: str) -> str:
    """The name of a method without its transformations: `delong paired` of `delong paired, t, by cluster`."""
    return method.split(",", 1)[0]


def measured_rate(method: str) -> float | None:
    """Of the method of a finding at confidence 0.95; None where no law was tried."""
    return MEASURED.get(family(method))
