"""G3: a mean of heavy-tailed losses beside the champion's, on independent rows and on clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lockgate.evidence.finding import Finding

from . import margins
from .asking import ask, drawing
from .bars import Bar, standard_error
from .margins import AtMargin, at_margin

MARGIN = 0.1
SIGMAS = (0.6, 1.2)
ROWS = (50, 200, 1_000, 5_000)
CLUSTERS = (20, 50, 200, 500)
PER_CLUSTER = 10
CORRELATION = 0.8

HEADER = f"""G3  mae <= champion + {MARGIN}, losses log-normal with mean 1. tail: what the candidate loses more is log-normal. pair: both
    models' losses are, with correlation {CORRELATION} of their logarithms. Clusters have {PER_CLUSTER} rows; ICC of the logarithms.
{margins.HEADER.format(naive="(naive) by the gate when it is not told of the clusters, ")}
                                                                              | contrast     |        |
 shape sigma  icc clusters    rows  sims  false failed power undecided small  |     z point  | oracle | naive"""


@dataclass(frozen=True)
class LossCell:
    """One point of the grid; clusters 0 for independent rows."""

    shape: Literal["tail", "pair"]
    sigma: float
    icc: float
    clusters: int
    rows: int
    sims: int
    equal_sims: int

    @property
    def name(self) -> str:
        how = f"{self.clusters} clusters, ICC {self.icc}, " if self.clusters else ""
        return f"{self.shape}, sigma {self.sigma}, {how}{self.rows:,} rows"

    def table(self, draw: np.random.Generator, *, worse: bool) -> dict[str, Any]:
        """Labels of zero, so that a score is its own loss."""
        champion_log, candidate_log = self._logs(draw), self._logs(draw)
        more = MARGIN if worse else 0.0
        if self.shape == "tail":
            champion = np.full(self.rows, 2.0)
            candidate = champion + _lognormal(candidate_log, self.sigma) - 1 + more
        else:
            mixed = CORRELATION * champion_log + math.sqrt(1 - CORRELATION**2) * candidate_log
            champion = _lognormal(champion_log, self.sigma)
            candidate = _lognormal(mixed, self.sigma) * (1 + more)
        table = {"label": np.zeros(self.rows), "candidate": candidate, "champion": champion}
        return table | ({"unit": np.arange(self.rows) // PER_CLUSTER} if self.clusters else {})

    def _logs(self, draw: np.random.Generator) -> np.ndarray:
        """(rows,) standard normal, equal within a cluster to the degree of the ICC."""
        own = draw.standard_normal(self.rows)
        if not self.clusters:
            return own
        return (
            math.sqrt(self.icc) * np.repeat(draw.standard_normal(self.clusters), PER_CLUSTER)
            + math.sqrt(1 - self.icc) * own
        )

    def run(self) -> LossRow:
        draws = {worse: drawing("losses", self.name, worse) for worse in (True, False)}
        tables = [self.table(draws[True], worse=True) for _ in range(self.sims)]
        cluster = "unit" if self.clusters else None
        found = [_finding(table, cluster) for table in tables]
        equal = [_finding(self.table(draws[False], worse=False), cluster) for _ in range(self.equal_sims)]
        naive = None
        if cluster is not None:
            naive = sum(_finding(table, None).verdict == "pass" for table in tables) / self.sims
        return LossRow(self, at_margin(found, equal, margin=MARGIN), naive)


def _finding(table: dict[str, Any], cluster: str | None) -> Finding:
    return ask(table, [f"mae <= champion + {MARGIN}"], task="regression", cluster=cluster)[0]


def _lognormal(logs: np.ndarray, sigma: float) -> np.ndarray:
    """With mean 1."""
    return np.exp(sigma * logs - sigma * sigma / 2)


@dataclass(frozen=True)
class LossRow:
    cell: LossCell
    found: AtMargin
    naive: float | None

    def __str__(self) -> str:
        cell = self.cell
        units = f"{cell.icc:>5g}{cell.clusters:>9,}" if cell.clusters else f"{'-':>5}{'-':>9}"
        naive = f"{self.naive:5.3f}" if self.naive is not None else "    -"
        return f" {cell.shape}  {cell.sigma:<5g}{units}{cell.rows:>8,}{self.found}  | {naive}"

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = 0.07 + 2 * standard_error(0.07, self.found.sims)
        return (Bar("G3 false promotion at the margin", self.found.false, "<=", limit, self.cell.name),)


def grid(sims: int) -> list[LossCell]:
    """All cells: independent rows, then clusters."""
    runs = max(2, sims // 2)
    equal = max(2, runs // 4)
    cells = []
    for shape in ("tail", "pair"):
        for sigma in SIGMAS:
            cells += [LossCell(shape, sigma, 0.0, 0, rows, runs, equal) for rows in ROWS]
            cells += [
                LossCell(shape, sigma, icc, clusters, clusters * PER_CLUSTER, runs, equal)
                for icc in (0.0, 0.3, 0.6)
                for clusters in CLUSTERS
            ]
    return cells
