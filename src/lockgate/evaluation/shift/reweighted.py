"""Metrics of the reference, weighted as the traffic is mixed: post-stratification by the cells of slices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from lockgate.data.arrow_arrays import Array
from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.estimation.from_rows import SliceRows
from lockgate.evaluation.estimation.from_sums import SummedMetrics
from lockgate.evaluation.estimation.in_memory_sums import InMemoryEngine
from lockgate.evaluation.estimation.slice_totals import SliceTotals
from lockgate.evaluation.estimation.sum_request import OVERALL
from lockgate.evaluation.metrics import catalog, multiclass
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shift.comparison import Compared, Sample
from lockgate.hashing import number
from lockgate.stats.effective_size import carriers, effective_number

Lines = Sequence[tuple[str, Requirement]]


def reweighted_estimates(
    scored: Scored,
    lines: Lines,
    compared: Compared,
    strata: Sequence[str] | None,
    *,
    threshold: Mapping[str, float | None],
    min_share: float,
    min_rows: int,
) -> Iterator[Estimate]:
    """One of each line. strata: names of slices, all but crossings where None."""
    chosen = [declared.name for declared in scored.slices if not declared.parts] if strata is None else strata
    untold = [reason for name, reason in compared.unassigned.items() if name in chosen]
    if untold or not compared.traffic.rows:
        problem = ("uncovered", untold[0]) if untold else ("no_rows", "there are no rows of the traffic")
        yield from (_blank(name, line, scored.rows, problem) for name, line in lines)
        return
    mix = weighting(scored, compared.traffic, chosen, min_share=min_share, min_rows=min_rows)
    yield from Reweighted(scored, mix, threshold, min_share).estimates(lines)


@dataclass(frozen=True)
class Weighting:
    """What the rows of the reference weigh so that they are mixed as the traffic.

    strata: the slices whose cells are weighed. cells: (n,) the cell of each row. shares: of the traffic, by cell, of what is covered.
    weights: (n,), by their own weight too, mean about 1. uncovered: share of the traffic in cells of which the reference
    has too few rows. traffic: its effective rows.
    """

    strata: tuple[str, ...]
    cells: Array
    shares: Array
    weights: Array
    uncovered: float
    traffic: float

    def variance_of_mix(self, psi: Array) -> float:
        """What the shares of the traffic, known from a sample alone, add to the variance of a value.

        psi: (n,) influence of each row. A cell of share W draws the value by Σψ/n = W(μ − value), and W varies by W(1 − W)/traffic.
        """
        drawn = np.bincount(self.cells, psi, minlength=self.shares.size) / max(psi.size, 1)
        present = self.shares > 0
        return float((drawn[present] ** 2 / self.shares[present]).sum()) / self.traffic


def weighting(
    reference: Scored, traffic: Sample, strata: Sequence[str], *, min_share: float, min_rows: int
) -> Weighting:
    """By the cells of the slices together. min_share, min_rows: as of `coverage_estimates`, of cells.

    Source: Holt & Smith 1979, Post stratification, JRSS A 142:33–46.
    """
    ours, theirs = _cells(reference, traffic.groups, strata)
    count = int(max(ours.max(initial=-1), theirs.max(initial=-1))) + 1
    rows = np.bincount(ours, minlength=count)
    own = np.ones(reference.rows) if reference.weights is None else reference.weights
    mass, met = np.bincount(ours, own, minlength=count), np.bincount(theirs, traffic.weights, minlength=count)
    shares = met / max(float(met.sum()), 1e-300)
    thin = (shares > 0) & ((mass <= 0) | ((rows < min_rows) & (shares >= min_share)))
    covered = np.where(mass > 0, shares, 0.0)
    covered = covered / max(float(covered.sum()), 1e-300)
    factor = np.divide(covered, mass / max(float(mass.sum()), 1e-300), out=np.zeros(count), where=mass > 0)
    return Weighting(tuple(strata), ours, covered, own * factor[ours], float(shares[thin].sum()), max(traffic.all, 1.0))


def _cells(reference: Scored, traffic: Scored, strata: Sequence[str]) -> tuple[Array, Array]:
    """(the cell of each row of the reference, of the traffic), numbers from 0: a combination of labels, one of each slice."""
    sides = np.zeros(reference.rows, np.int64), np.zeros(traffic.rows, np.int64)
    for name in strata:
        coded = [scored.codes(name) for scored in (reference, traffic)]
        places = {label: place for place, label in enumerate(dict.fromkeys([*coded[0][0], *coded[1][0]]))}
        # Numbered anew after each slice, so that many of them do not leave the range of an integer.
        whole = np.concatenate(
            [
                cells * len(places) + np.array([places[label] for label in labels], np.int64)[codes]
                for cells, (labels, codes) in zip(sides, coded, strict=True)
            ]
        )
        numbered = np.unique(whole, return_inverse=True)[1]
        sides = numbered[: reference.rows], numbered[reference.rows :]
    return sides


@dataclass(frozen=True)
class Reweighted:
    """The reference with the weights of the traffic's mix. threshold: of each role's scores."""

    scored: Scored
    mix: Weighting
    threshold: Mapping[str, float | None]
    min_share: float

    def estimates(self, lines: Lines) -> Iterator[Estimate]:
        """One of each line, with the value that it has on the reference as it is."""
        metrics = _metrics(self.scored, [line for _, line in lines])
        if self.mix.uncovered >= self.min_share:
            reason = f"{100 * self.mix.uncovered:.3g} % of the traffic is in cells of {_listed(self.mix.strata)} that have too few rows"
            for name, line in lines:
                yield _blank(name, line, self.scored.rows, ("uncovered", reason))
            return
        plain = estimate(
            self.scored,
            [(name, replace(line, claim="point")) for name, line in lines],
            metrics,
            threshold=self.threshold,
        )
        weighed = estimate(self.view, lines, metrics, threshold=self.threshold)
        influences = SliceRows(
            self.view, None, OVERALL, self.threshold, metrics,
            SummedMetrics(InMemoryEngine(self.view, {}, threads=1), [], metrics, threshold=self.threshold, cut=self.scored.cut),
            SliceTotals(self.view, {}),
        )  # fmt: skip
        for (_, line), before, after in zip(lines, plain, weighed, strict=True):
            detail: dict[str, Any] = {"strata": list(self.mix.strata), "effective_rows": number(self.effective)}
            detail |= {} if before.value is None else {"unweighted": number(before.value)}
            detail |= {"uncovered_share": number(self.mix.uncovered)} if self.mix.uncovered else {}
            after = replace(after, detail={**after.detail, **detail})
            decided = after.p_pass is not None and after.problem is None
            yield _widened(after, self.mix.variance_of_mix(influences.influence(line))) if decided else after

    @cached_property
    def view(self) -> Scored:
        view = copy(self.scored)
        view.weights = self.mix.weights
        return view

    @cached_property
    def effective(self) -> float:
        """Rows of one weight that average out as much; clusters, where rows of one go together."""
        return effective_number(carriers(self.mix.weights, self.scored.clusters))


def _metrics(scored: Scored, lines: Sequence[Requirement]) -> dict[str, Metric]:
    return multiclass.metrics(lines, scored.classes) if scored.classes else catalog.of_lines(lines)


def _blank(name: str, line: Requirement, rows: int, problem: tuple[str, str]) -> Estimate:
    on: Any = "difference" if line.limit.relative else "value"
    return Estimate(name, (), rows, None, (line.op, line.limit.value), on, "none", problem=problem)


def _widened(measured: Estimate, variance: float) -> Estimate:
    """The estimate with this added to the variance of what it compares: its interval and p-values stretched as a normal's are."""
    if not measured.se or measured.value is None or not variance > 0:
        return measured
    growth, value = math.sqrt(1 + variance / measured.se**2), measured.value

    def stretched(end: float | None) -> float | None:
        return None if end is None else value + growth * (end - value)

    def milder(p: float | None) -> float | None:
        return None if p is None else float(special.ndtr(special.ndtri(p) / growth))

    low, high = stretched(measured.low), stretched(measured.high)
    return replace(
        measured, low=low, high=high, interval=(low, high) if measured.on == "value" else measured.interval, se=measured.se * growth,
        p_pass=milder(measured.p_pass), p_fail=milder(measured.p_fail), tested=None,
        n_eff=None if measured.n_eff is None else measured.n_eff / growth**2,
    )  # fmt: skip


def _listed(strata: Sequence[str]) -> str:
    return " and ".join(strata)
