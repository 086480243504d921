"""What a series of findings at the margin, and of equal models, comes to; shared by the benchmarks over whole tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from lockgate.evidence.finding import Finding, Verdict

from .bars import ALPHA

Z = float(special.ndtri(1 - ALPHA))

HEADER = """    false: P(pass) where the true difference is the margin. failed: P(fail) there. power, undecided: of equal models. small: share of
    runs, the models equal, that the test's own floor holds back. contrast: the rate of false promotion of the same estimates by z,
    {naive}and of the point. oracle: power of a test that knows the variance."""


class Drawn(Protocol):
    """One pair of models on one draw of rows, `worse` by the margin or equal."""

    def __call__(self, draw: np.random.Generator, *, worse: bool) -> Finding: ...


@dataclass(frozen=True)
class AtMargin:
    """Rates over `sims` runs at the margin, and over `equal_sims` with equal models."""

    sims: int
    equal_sims: int
    false: float
    failed: float
    power: float
    undecided: float
    small: float
    by_z: float
    by_point: float
    oracle: float

    def __str__(self) -> str:
        return (
            f"{self.sims:>6}  {self.false:5.3f} {self.failed:6.3f} {self.power:5.3f}    {self.undecided:5.3f} {self.small:5.3f}"
            f"  | {self.by_z:5.3f} {self.by_point:5.3f}  | {self.oracle:5.3f}"
        )


def at_margin(found: Sequence[Finding], equal: Sequence[Finding], *, margin: float) -> AtMargin:
    """Rates from findings at the margin and of equal models."""
    apart = np.array([_room(finding) for finding in equal])
    apart = apart[np.isfinite(apart)]
    sd = float(np.std(apart, ddof=1)) if apart.size > 1 else math.inf
    return AtMargin(
        sims=len(found),
        equal_sims=len(equal),
        false=_share(found, lambda one: one.verdict is Verdict.PASS),
        failed=_share(found, lambda one: one.verdict is Verdict.FAIL),
        power=_share(equal, lambda one: one.verdict is Verdict.PASS),
        undecided=_share(equal, lambda one: one.verdict is Verdict.INCONCLUSIVE),
        small=_share(equal, lambda one: one.detail.get("too_few") is not None),
        by_z=_share(found, passes_by_z),
        by_point=_share(found, lambda one: _room(one) >= 0),
        oracle=float(special.ndtr(margin / sd - Z)),
    )


def passes_by_z(finding: Finding) -> bool:
    """The same estimate and standard error against a normal quantile."""
    decided = finding.decided
    return decided is not None and decided.se is not None and decided.se > 0 and _room(finding) / decided.se >= Z


def _room(finding: Finding) -> float:
    """How far the estimate lies on the good side of what is required."""
    decided = finding.decided
    if decided is None or decided.estimate is None:
        return math.nan
    op, required = decided.required
    return decided.estimate - required if op == ">=" else required - decided.estimate


def _share(found: Sequence[Finding], says: Callable[[Finding], bool]) -> float:
    return sum(map(says, found)) / len(found)
