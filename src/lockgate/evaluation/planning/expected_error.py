"""What error is to be expected of a difference, and how small a one is shown then, before any candidate is asked?

The variance of a row is assumed: how often two models disagree, how alike their scores are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.rows_needed import alpha_and_power
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS, MIN_MINORITY
from lockgate.stats.auc_variance import placements
from lockgate.stats.power import margin_by_score, margin_by_t

CORRELATION = 0.9
DISAGREEMENT = 0.05
AUC, AVERAGE_PRECISION = 0.85, 0.80
_AP_VARIANCE = 0.04  # of the paired difference, a positive row, at AP 0.8 and scores that correlate 0.9: simulated
_AP_EFFECTIVE = {0.1: 4.5, 1.0: 7.0}  # share of positives up to → positive rows that make an effective one: simulated
_LOSS_KURTOSIS = {"rmse": 9.0, "mae": 6.0}  # of the difference of two normal errors, squared and absolute


@dataclass(frozen=True)
class ExpectedError:
    """What is known beforehand of a difference: its standard error, and how many rows will carry it.

    scatter: of the logarithm of those from sample to sample; 0 where they can be taken as given.
    """

    se: float
    n_eff: float
    scatter: float = 0.0

    def smallest(self, requirement: Requirement | None, slices: int) -> float:
        """The smallest tolerance with 90 % for all slices, the test's own floor included; infinite where none is."""
        asked = alpha_and_power(requirement, slices)
        room = math.log(max(self.n_eff, 1e-9) / MIN_EFFECTIVE_ROWS)
        above = NormalDist().cdf(room / self.scatter) if self.scatter else float(room >= 0)
        if above <= asked["power"]:
            return math.inf
        return margin_by_t(self.se, n_eff=self.n_eff, alpha=asked["alpha"], power=asked["power"] / above)


def rows_of_share(requirement: Requirement, one: Estimate) -> int | None:
    """Rows of which a share is taken; None for what is no share, such as a mean over classes."""
    subject, positives = requirement.subject, one.positives
    micro = positives is None and requirement.argument("average") == "micro"
    if micro or subject in ("accuracy", "top_k_accuracy", "positive_rate", "flip_rate"):
        return one.rows
    if positives is None:
        return None
    known = {"recall": positives, "precision": positives, "false_positive_rate": one.rows - positives}
    return known.get(subject)


def expected_ranking_error(
    subject: str, rows: int, positives: int | None, known: Estimate | None = None
) -> ExpectedError | None:
    """Of the difference of two AUCs or average precisions, scores alike as is assumed. known: the champion's own."""
    if positives is None or not 0 < positives < rows:
        return None
    if subject == "auc":
        area = AUC if known is None or known.candidate is None else min(max(known.candidate, 0.5), 0.999)
        pair = placements(area, correlation=CORRELATION)
        se, n_eff = pair.se(positives, rows - positives), pair.n_eff(positives, rows - positives)
        if known is not None and known.se and known.n_eff is not None:  # its own, clusters and weights included
            se, n_eff = known.se * math.sqrt(pair.variance / placements(area).variance), min(n_eff, known.n_eff)
        return ExpectedError(se, n_eff, 1.1 / math.sqrt(n_eff))
    if subject == "average_precision":
        row = next(row for share, row in _AP_EFFECTIVE.items() if positives <= share * rows)
        return ExpectedError(math.sqrt(_AP_VARIANCE / positives), 2.5 + positives / row, 0.5)
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
    """The smallest tolerance that so many rows decide on a line of its own, None where that is not known or there is none.

    slices: how many such lines, or slices, an equal candidate is to pass together.
    Of rmse and mae, as a share of the champion's value, for normal errors. classes: rows of each of several, for accuracy
    and for the macro average of recall.
    """
    if classes:
        return _of_classes(subject, classes, slices)
    relative = {"rmse": 0.5, "mae": math.pi / 2 - 1}.get(subject)
    if relative is not None:
        error: ExpectedError | None = ExpectedError(
            math.sqrt(2 * (1 - CORRELATION) * relative / max(rows, 1)), rows / _LOSS_KURTOSIS[subject], 0.3
        )
    elif positives is None or min(positives, rows - positives) < MIN_MINORITY:
        error = None
    else:
        error = expected_ranking_error(subject, rows, positives)
    smallest = math.inf if error is None else error.smallest(None, slices)
    return smallest if math.isfinite(smallest) else None
