"""Expected standard error of a difference before a run, and the smallest tolerance that it can decide.

The variance of a row is assumed: how often two models disagree, how strongly their scores correlate.
tests/bench/decisions/foretold.py simulates what these assumptions promise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.rows_needed import alpha_and_power
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.metrics.declaration import Agreement, Metric, Share
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.evaluation.uncertainty.comparison import MIN_MINORITY
from lockgate.evaluation.uncertainty.metric_value import Rare, Summary
from lockgate.evaluation.uncertainty.power import Passing, Tested, passing_of_equal, samples_of_moves
from lockgate.stats.auc_variance import placements
from lockgate.stats.influence import Spread
from lockgate.stats.power import chance_by_score, margin_by_score

# Of two versions of one model: assumed, and said in every plan.
CORRELATION = 0.9
DISAGREEMENT = 0.05


@dataclass(frozen=True)
class ExpectedError:
    """Standard error of a difference, and the effective rows that will carry it.

    units: as of a summary, the rows of the smaller class where a metric needs both. scatter: standard deviation of the
    logarithm of n_eff from sample to sample (simulated); 0 where it is fixed. step: how far a row moves a share on which the
    models disagree, of which n_eff then counts the rows; None for what is no share. rare: as of a summary.
    """

    se: float
    n_eff: float
    units: float
    scatter: float = 0.0
    step: float | None = None
    rare: tuple[Rare, Rare] | None = None

    def passing(self, metric: Metric, requirement: Requirement | None) -> Passing:
        """How often equal models pass, by the test that will judge them."""
        error = Spread(self.se, self.n_eff, 0.0, math.ceil(self.units))
        line = requirement or Requirement(metric.name, ">=", RequirementLimit(relative=True, number=0.0, sign="-"))
        fewest = (math.floor(self.units), "rows") if metric.minority else None
        tested = Tested(
            metric, line, Summary(0.0, error, 1.0, self.units, rare=self.rare), math.ceil(self.units), fewest
        )
        alpha = alpha_and_power(requirement, 1)["alpha"]
        if self.step is not None:
            return Passing.from_samples(tested, samples_of_moves(self.n_eff, self.step, error), alpha=alpha)
        return passing_of_equal(tested, scatter=self.scatter, alpha=alpha)

    def smallest(self, metric: Metric, requirement: Requirement | None, slices: int) -> float:
        """The smallest tolerance with 90 % power for all slices; infinite where the test too often decides nothing."""
        return self.passing(metric, requirement).tolerance(alpha_and_power(requirement, slices)["power"])


@dataclass(frozen=True)
class PassingShares:
    """How often equal models pass by Tango's test, which disagree on a share of so many rows."""

    rows: int
    disagreement: float
    alpha: float

    def chance(self, tolerance: float) -> float:
        """That they pass at this tolerance."""
        return chance_by_score(self.rows, self.disagreement, margin=tolerance, alpha=self.alpha)

    def tolerance(self, power: float) -> float:
        """The smallest with this power."""
        return margin_by_score(self.rows, self.disagreement, alpha=self.alpha, power=power)


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
    subject: str, rows: int, positives: int | None, champion: Estimate | None = None, *, value: float | None = None
) -> ExpectedError | None:
    """Expected error of the difference of two AUCs or average precisions.

    champion: its own estimate on these rows, where there is one. value: else the one that an earlier run measured.
    """
    if positives is None or not 0 < positives < rows:
        return None
    plan, units = declared(subject).plan, min(positives, rows - positives)
    if plan.placements and plan.champion is not None:
        measured = value if champion is None else champion.candidate
        area = plan.champion if measured is None else min(max(measured, 0.5), 0.999)
        pair = placements(area, correlation=CORRELATION)
        se, n_eff = pair.se(positives, rows - positives), pair.n_eff(positives, rows - positives)
        if champion is not None and champion.se and champion.n_eff is not None:
            # Its own, clusters and weights included.
            se, n_eff = champion.se * math.sqrt(pair.variance / placements(area).variance), min(n_eff, champion.n_eff)
        return ExpectedError(se, n_eff, units, 1.1 / math.sqrt(n_eff))
    if plan.pair_variance is not None:
        rows_an_effective = next(count for share, count in plan.effective if positives <= share * rows)
        return ExpectedError(math.sqrt(plan.pair_variance / positives), 2.5 + positives / rows_an_effective, units, 0.5)
    return None


def expected_error_beside(
    champion: Estimate, line: Requirement, *, rows: int, disagreement: float
) -> ExpectedError | None:
    """Expected error of the difference from a champion that was measured; None where its own error was not.

    disagreement: the share of rows on which the models are assumed to decide differently.
    """
    if not champion.se or champion.n_eff is None:
        return None
    metric, tested = declared(line.subject), champion.tested
    units = rows if tested is None else tested.summary.units
    by_class = isinstance(metric.sums, Agreement) or line.argument("average") == "macro"
    rare = tested.summary.rare if by_class and tested is not None else None
    if rare is not None:  # what the candidate may lose of a class, and the champion may win of it
        apart = Rare(min(side.units for side in rare), sum(side.reach for side in rare))
        rare = (apart, apart)
    value, variance = champion.candidate, 2 * (1 - CORRELATION)  # Var(a − b) = 2 (1 − ρ) Var(a) of alike ones
    if value is None or not isinstance(metric.sums, Share | Agreement):
        return ExpectedError(math.sqrt(variance) * champion.se, champion.n_eff, units, rare=rare)
    # A decision is right or wrong, of variance p (1 − p); a pair differs by 1 on the share of rows on which it disagrees, of
    # which each model has half wrong. A correlation of two even classes is 2p − 1.
    low, high = metric.bounds
    wrong = min(max((high - value) / (high - low), disagreement / 2), 0.5)
    single = wrong * (1 - wrong)
    carriers = champion.n_eff * (1 - 3 * single) * disagreement / single
    return ExpectedError(math.sqrt(disagreement / single) * champion.se, carriers, units, rare=rare)


def _of_classes(subject: str, classes: Sequence[int], slices: int) -> float | None:
    rows = sum(classes)
    if subject == "accuracy":
        return smallest_tolerance_of_share(rows, slices) if rows else None
    if subject != "recall" or min(classes) < MIN_MINORITY:
        return None
    # A row on which the models differ moves the mean by 1 / (classes · rows of its class).
    second, fourth = (
        sum(DISAGREEMENT * count * (1 / (len(classes) * count)) ** power for count in classes) for power in (2, 4)
    )
    # What none of a class shows moves the mean by as much as if all classes were that small.
    error = ExpectedError(math.sqrt(second), second**2 / fourth, len(classes) * min(classes))
    smallest = error.smallest(declared(subject), None, slices)
    return smallest if math.isfinite(smallest) else None


def smallest_tolerance_of_share(rows: int, slices: int = 1) -> float:
    """The smallest tolerance that so many rows, of all or of a class, decide of the share of them that is right."""
    return margin_by_score(rows, DISAGREEMENT, **alpha_and_power(None, slices))


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
        error: ExpectedError | None = ExpectedError(se, rows / plan.kurtosis, rows, 0.3)
    elif positives is None or min(positives, rows - positives) < MIN_MINORITY:
        error = None
    else:
        error = expected_ranking_error(subject, rows, positives)
    smallest = math.inf if error is None else error.smallest(declared(subject), None, slices)
    return smallest if math.isfinite(smallest) else None
