"""How often a percentile exactly at its limit passed at most, by method, where one time in twenty is declared.

The worst of the laws that `make bench-latency` simulates, as docs/gates/latency.md reports them.
"""

from __future__ import annotations

from collections.abc import Mapping

MEASURED: Mapping[str, float] = {"order statistics": 0.06, "pooled ratio": 0.06}
