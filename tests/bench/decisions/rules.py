"""Four ways to promote from the counts of paired answers, the gate's among them, and what an oracle would do.

Every rule reads `Counts` and says, run by run, whether it promotes. The peers' rules are reproduced from their code and
documentation; their programs are not run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.evaluation.uncertainty.significance import p_of_shares
from lockgate.stats.multiple_testing import holm

from .bars import ALPHA

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """(runs, slices) of rows that only the candidate, only the champion or both answer rightly, among `rows` a slice.

    differences: (slices,) the true ones, disc: the true share of rows on which the two disagree.
    """

    both: Ints
    only_candidate: Ints
    only_champion: Ints
    rows: int
    differences: Floats
    disc: float

    @property
    def difference(self) -> Floats:
        return (self.only_candidate - self.only_champion) / self.rows


@dataclass(frozen=True)
class Verdicts:
    """(runs,) whether a run passes, or fails; neither is inconclusive."""

    passed: Bools
    failed: Bools


def p_values(b: int, c: int, rows: int, *, margin: float) -> tuple[float, float]:
    """(p_pass, p_fail) of `accuracy >= champion - margin` from the counts, by the function that `estimate` asks."""
    return p_of_shares(b, c, rows, margin)


def gate(counts: Counts, *, margin: float) -> Verdicts:
    """The verdicts of the gate: all slices pass, else one of them fails after Holm, else inconclusive."""
    key = counts.only_candidate * (counts.rows + 1) + counts.only_champion
    pairs, where = np.unique(key, return_inverse=True)
    known = np.array([p_values(*divmod(int(pair), counts.rows + 1), counts.rows, margin=margin) for pair in pairs])
    p = known[where.reshape(key.shape)]
    failed = np.array([min(holm(run)) <= ALPHA for run in p[:, :, 1].tolist()])
    return Verdicts(np.all(p[:, :, 0] <= ALPHA, axis=1) & ~failed, failed)


def point(counts: Counts, *, margin: float) -> Bools:
    """The difference itself is held against the margin: MLflow's and TFMA's own verdict."""
    return np.all(counts.difference >= -margin, axis=1)


def tfma_like(counts: Counts, *, draw: np.random.Generator) -> Bools:
    """TFMA's interval (20 bootstrap replicates, t with 19 degrees of freedom), read by a person: none lies below zero."""
    d = counts.difference
    disagreeing = (counts.only_candidate + counts.only_champion) / counts.rows
    se = np.sqrt(np.maximum(disagreeing - d * d, 0) / counts.rows * draw.chisquare(19, size=d.shape) / 19)
    return np.all(d + special.stdtrit(19, 0.975) * se >= 0, axis=1)


def kayenta_like(counts: Counts) -> Bools:
    """Kayenta's judge: no slice's 98 % interval of the unpaired shift lies beyond a quarter of the shift itself."""
    candidate = (counts.both + counts.only_candidate) / counts.rows
    champion = (counts.both + counts.only_champion) / counts.rows
    se = np.sqrt((candidate * (1 - candidate) + champion * (1 - champion)) / counts.rows)
    shift = candidate - champion
    return np.all(shift + special.ndtri(0.99) * se >= -0.25 * np.abs(shift), axis=1)


def oracle(counts: Counts, *, margin: float) -> Bools:
    """The same promise as the gate's by somebody who knows the true variance of every slice."""
    sd = np.sqrt((counts.disc - counts.differences**2) / counts.rows)
    return np.all((counts.difference + margin) / sd >= special.ndtri(1 - ALPHA), axis=1)


def oracle_power(rows: int, disc: float, *, margin: float) -> float:
    """P(pass) of one slice on which the models are equal, for the oracle."""
    return float(special.ndtr(margin / np.sqrt(disc / rows) - special.ndtri(1 - ALPHA)))
