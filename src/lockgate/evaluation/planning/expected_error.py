"""Expected standard error of a difference before a run, and the smallest tolerance that it can decide.

The variance of a row is assumed: how often two models disagree, how strongly their scores correlate.
tests/bench/decisions/foretold.py simulates what these assumptions promise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.rows_needed import alpha_and_power
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS, MIN_MINORITY
from lockgate.stats.auc_variance import placements
from lockgate.stats.power import margin_by_score, margin_by_t

# Of two versions of one model: assumed, and said in every plan.
CORRELATION = 0.9
DISAGREEMENT = 0.05


@dataclass(frozen=True)
class ExpectedError:
    """Standard error of a difference, and the effective rows that will carry it.

    scatter: standard deviation of the logarithm of those rows from sample to sample (simulated); 0 where they are fixed.
    """

    se: float
    n_eff: float
    scatter: float = 0.0

    def smallest(self, requirement: Requirement | None, slices: int) -> float:
        """The smallest tolerance with 90 % power for all slices, the test's own floor included; infinite where none is."""
        # Power is needed twice: enough effective rows for the test to decide at all, and then a detectable margin.
        aim = alpha_and_power(requirement, slices)
        room = math.log(max(self.n_eff, 1e-9) / MIN_EFFECTIVE_ROWS)
        above = NormalDist().cdf(room / self.scatter) if self.scatter else float(room >= 0)
        if above <= aim["power"]:
            return math.inf
        return margin_by_t(self.se, n_eff=self.n_eff, alpha=aim["alpha"], power=aim["power"] / above)


def rows_of_share(requirement: Requirement, estimate: Estimate) -> int | None:
    """Rows of which a share is taken; None for what is no share, such as a mean over classes."""
    positives, counted = estimate.positives, declared(requirement.subject).plan.counted
    micro = positives is None and requirement.argument("average") == "micro"
    if micro or counted == "rows":
        return estimate.rows
    if positives is None or counted is None:
        return None
    return positives if counted == "positives" else estimate.rows - positives


def expected_ranking_error(
    subject: str, rows: int, positives: int | None, champion: Estimate | None = None
) -> ExpectedError | None:
    """Expected error of the difference of two AUCs or average precisions. champion: its own estimate, where measured."""
    if positives is None or not 0 < positives < rows:
        return None
    plan = declared(subject).plan
    if plan.placements and plan.champion is not None:
        measured = None if champion is None else champion.candidate
        area = plan.champion if measured is None else min(max(measured, 0.5), 0.999)
        pair = placements(area, correlation=CORRELATION)
        se, n_eff = pair.se(positives, rows - positives), pair.n_eff(positives, rows - positives)
        if champion is not None and champion.se and champion.n_eff is not None:
            # Its own, clusters and weights included.
            se, n_eff = champion.se * math.sqrt(pair.variance / placements(area).variance), min(n_eff, champion.n_eff)
        return ExpectedError(se, n_eff, 1.1 / math.sqrt(n_eff))
    if plan.pair_variance is not None:
        rows_an_effective = next(count for share, count in plan.effective if positives <= share * rows)
        return ExpectedError(math.sqrt(plan.pair_variance / positives), 2.5 + positives / rows_an_effective, 0.5)
    return None


def _of_classes(subject: str, classes: Sequence[int], slices: int) -> float | None:
    rows = sum(classes)
    if subject == "accuracy":
        return margin_by_score(rows, DISAGREEMENT, **alpha_and_power(None, slices)) if rows else None
    if subject != "recall" or min(classes) < MIN_MINORITY:
        return None
    # A row on which the models differ moves the mean by 1 / (classes · rows of its class).
    second, fourth = (
        sum(DISAGREEMENT * count * (1 / (len(classes) * count)) ** power for count in classes) for power in (2, 4)
    )
    smallest = ExpectedError(math.sqrt(second), second**2 / fourth).smallest(None, slices)
    return smallest if math.isfinite(smallest) else None


def smallest_decidable_tolerance(
    subject: str, *, rows: int, positives: int | None, classes: Sequence[int] = (), slices: int = 1
) -> float | None:
    """The smallest tolerance that so many rows decide; None where that is not known or there is none.

    slices: how many slices, or such requirements, an equal candidate is to pass together. Of rmse and mae it is a share of
    the champion's value. classes: rows of each of several, for accuracy and for the macro average of recall.
    """
    if classes:
        return _of_classes(subject, classes, slices)
    plan = declared(subject).plan
    if plan.relative_variance is not None and plan.kurtosis is not None:
        se = math.sqrt(2 * (1 - CORRELATION) * plan.relative_variance / max(rows, 1))
        error: ExpectedError | None = ExpectedError(se, rows / plan.kurtosis, 0.3)
    elif positives is None or min(positives, rows - positives) < MIN_MINORITY:
        error = None
    else:
        error = expected_ranking_error(subject, rows, positives)
    smallest = math.inf if error is None else error.smallest(None, slices)
    return smallest if math.isfinite(smallest) else None
