"""Counts by exposure, and amounts: the candidate's predictions are noisier than the champion's, and all too high by one factor."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special

from .law import Columns, Law

FREQUENCY, FACTOR = 0.1, 1.1
SHAPE = 2.0  # of gamma amounts
PER_UNIT = 10
APPROXIMATE = 0.08  # as docs/internals/decisions.md has it
# Noise of the logarithms: of the truth, of the champion's predictions, of the candidate's.
RISK, CHAMPION, CANDIDATE = 0.7, 0.3, 0.6
EXPOSURES = np.array([0.25, 0.5, 1.0])


def laws() -> Iterator[Law]:
    for rows in (300, 1_000, 5_000):
        yield _counts(rows, exposed=False)
    for rows in (1_000, 5_000):
        yield _counts(rows, exposed=True)
    yield _counts(5_000, exposed=False, clustered=True)
    for rows in (50, 200, 1_000):
        yield _amounts(rows)


def _scores(draw: np.random.Generator, shape: tuple[int, int], *, worse: bool) -> tuple[np.ndarray, ...]:
    """(true mean, candidate, champion), the champion's right in the mean."""
    noise, factor = (CANDIDATE, FACTOR) if worse else (CHAMPION, 1.0)
    truth, candidate, champion = (
        np.exp(sigma * draw.standard_normal(shape) - sigma * sigma / 2) for sigma in (RISK, noise, CHAMPION)
    )
    return FREQUENCY * truth, FREQUENCY * truth * candidate * factor, FREQUENCY * truth * champion


def _counts(rows: int, *, exposed: bool, clustered: bool = False) -> Law:
    def drawn(draw: np.random.Generator, runs: int, *, worse: bool) -> Columns:
        mean, candidate, champion = _scores(draw, (runs, rows), worse=worse)
        exposure = draw.choice(EXPOSURES, (runs, rows)) if exposed else np.ones((runs, rows))
        columns = {"weight": exposure} if exposed else {}
        if clustered:  # what rows of a unit have in common is in none of the predictions
            columns["unit"] = np.arange(rows) // PER_UNIT
            mean = mean * np.repeat(draw.gamma(4, 1 / 4, (runs, rows // PER_UNIT)), PER_UNIT, axis=1)
        label = draw.poisson(exposure * mean) / exposure
        return {"label": label, "candidate": candidate, "champion": champion, **columns}

    # E[s − y log s] of predictions s = y' · e^(σZ − σ²/2) · factor.
    more = 2 * FREQUENCY * (FACTOR - 1 - math.log(FACTOR) + (CANDIDATE**2 - CHAMPION**2) / 2)
    y_log_y, of_labels = _labels(EXPOSURES if exposed else np.ones(1))
    deviance = 2 * (y_log_y - _y_log_s() + FREQUENCY * (FACTOR - 1))
    own, best = (_concentration(noise) / of_labels for noise in (CANDIDATE, CHAMPION))
    ratio = 1 / FACTOR
    lines = [f"actual_expected >= {ratio!r}", f"actual_expected <= {ratio!r}"]
    lines += [f"actual_expected >= champion - {1 - ratio!r}", f"poisson_deviance <= champion + {more!r}"]
    if not clustered:
        lines += [f"poisson_deviance <= {deviance!r}", f"gini >= {own!r}", f"gini >= champion - {best - own!r}"]
    return Law(
        f"counts, {rows:,} rows{', by exposure' if exposed else ''}{', clusters' if clustered else ''}",
        rows,
        tuple(lines),
        lambda draw, runs: drawn(draw, runs, worse=True),
        lambda draw, runs: drawn(draw, runs, worse=False),
        task="regression",
        approximate=APPROXIMATE,
    )


def _labels(exposures: np.ndarray) -> tuple[float, float]:
    """(E[y log y], E[y (2R − 1)] / E[y]) of counts over exposures, by quadrature over what a row's own mean is."""
    points, masses = np.polynomial.hermite_e.hermegauss(60)
    mean = FREQUENCY * np.exp(RISK * points - RISK**2 / 2) * exposures[:, None, None]
    counts = np.arange(60)[:, None]
    chance = np.exp(special.xlogy(counts, mean) - mean - special.gammaln(counts + 1)) @ (masses / masses.sum())
    mass = (chance * exposures[:, None]).ravel() / exposures.sum()
    values, place = np.unique((counts[:, 0] / exposures[:, None]).ravel(), return_inverse=True)
    mass = np.bincount(place, mass)
    rank = 2 * np.cumsum(mass) - mass - 1
    return float(mass @ special.xlogy(values, values)), float(mass @ (values * rank)) / FREQUENCY


def _y_log_s() -> float:
    """E[y log s] of the candidate's predictions s."""
    return FREQUENCY * (math.log(FREQUENCY) + RISK**2 / 2 + math.log(FACTOR) - CANDIDATE**2 / 2)


def _concentration(noise: float) -> float:
    """E[y (2R(s) − 1)] / E[y] of predictions with this noise: seen by claims, the logarithm of s is normal and higher by RISK²."""
    return 2 * float(special.ndtr(RISK**2 / math.sqrt(2 * (RISK**2 + noise**2)))) - 1


def _amounts(rows: int) -> Law:
    """Gamma amounts around their mean, whose deviance is known."""

    def drawn(draw: np.random.Generator, runs: int, *, worse: bool) -> Columns:
        mean, candidate, champion = _scores(draw, (runs, rows), worse=worse)
        return {
            "label": mean * draw.gamma(SHAPE, 1 / SHAPE, (runs, rows)),
            "candidate": candidate,
            "champion": champion,
        }

    def deviance(factor: float, noise: float) -> float:
        """2 E[log(s/y) + y/s − 1] of predictions s."""
        return 2 * (
            math.log(factor)
            - noise**2 / 2
            + math.log(SHAPE)
            - float(special.digamma(SHAPE))
            + math.exp(noise**2) / factor
            - 1
        )

    own, best = deviance(FACTOR, CANDIDATE), deviance(1.0, CHAMPION)
    return Law(
        f"amounts, {rows:,} rows",
        rows,
        (f"gamma_deviance <= {own!r}", f"gamma_deviance <= champion + {own - best!r}"),
        lambda draw, runs: drawn(draw, runs, worse=True),
        lambda draw, runs: drawn(draw, runs, worse=False),
        task="regression",
        approximate=APPROXIMATE,
    )
