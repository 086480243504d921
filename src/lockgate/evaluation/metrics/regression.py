"""The metrics of a model that predicts a number: errors, R², deviances, and the quantile (pinball) loss.

labels, scores: (n,) float. weights: (n,) float or None. Light at import, as `gate check` reads the declarations.
"""

from __future__ import annotations

import math
from typing import Literal

from lockgate.evaluation.metrics.classification import auc, ties
from lockgate.evaluation.metrics.declaration import Metric, Plan
from lockgate.evaluation.metrics.losses import check_probabilities
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.metric_value import (
    Array,
    Floats,
    MetricValue,
    Undefined,
    mean_of,
    ratio_of,
    small_sample,
)


def mae(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """Mean of |error|."""
    return mean_of(abs(scores - labels), weights)


def rmse(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """Root of the mean squared error; influence by the chain rule."""
    squared = mean_of((scores - labels) ** 2, weights)
    root = math.sqrt(squared.value)
    return MetricValue(root, squared.psi / (2 * root) if root > 0 else squared.psi)


def r2(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """1 − squared error over the variance of the labels on these rows."""
    import numpy as np

    if labels.size < 2:
        raise Undefined("too_small", "R² needs two rows")
    errors = mean_of((scores - labels) ** 2, weights)
    middle = mean_of(labels.astype(np.float64), weights).value
    variance = mean_of((labels - middle) ** 2, weights)
    # Equal labels need not equal their mean, to the last digit.
    if variance.value <= 0 or np.ptp(labels if weights is None else labels[weights > 0]) == 0:
        raise Undefined("constant_label", "the label does not vary on these rows")
    share = errors.value / variance.value
    return MetricValue(1 - share, -(errors.psi - share * variance.psi) / variance.value)


def poisson_deviance(labels: Array, scores: Floats, weights: Floats | None, _: float | None) -> MetricValue:
    """Mean of 2 (y log(y/μ) − y + μ); of counts and of frequencies, whose weight is the exposure.

    Source: McCullagh & Nelder 1989, section 2.3, also for gamma.
    """
    from scipy import special

    y, mu = _positive("poisson_deviance", labels, scores, weights, zero_labels=True)
    return mean_of(_numbers("poisson_deviance", 2 * special.kl_div(y, mu), mu), weights)


def gamma_deviance(labels: Array, scores: Floats, weights: Floats | None, _: float | None) -> MetricValue:
    """Mean of 2 (log(μ/y) + y/μ − 1); of amounts above zero, such as the claims of a policy, whose weight is their number."""
    import numpy as np

    y, mu = _positive("gamma_deviance", labels, scores, weights, zero_labels=False)
    with np.errstate(over="ignore", divide="ignore"):
        losses = 2 * (np.log(mu) - np.log(y) + y / mu - 1)
    return mean_of(_numbers("gamma_deviance", losses, mu), weights)


def actual_expected(labels: Array, scores: Floats, weights: Floats | None, _: float | None) -> MetricValue:
    """What came over what was predicted, Σ y / Σ μ: above 1 where the model predicts too little."""
    import numpy as np

    if labels.dtype == bool:
        check_probabilities(scores, "actual_expected")
    y = labels.astype(np.float64)
    carried = weights if weights is not None and weights.any() else None
    for kind, values in (("labels", y), ("predictions", scores)):
        # Beside their size, so that what rounding leaves of a sum of nothing is no sum.
        if y.size and not np.average(values, weights=carried) > 1e-12 * np.average(abs(values), weights=carried):
            raise Undefined("undefined", f"the {kind} do not add up to more than 0, so that there is no ratio of them")
    return ratio_of(y, scores, weights, among="rows of any weight")


def gini(labels: Array, scores: Floats, weights: Floats | None, _: float | None) -> MetricValue:
    """Gini of the order of predictions, over that of the labels' own order: 1 where they agree, 0 by chance, −1 turned around.

    The Gini of an order is 2 Cov(y, R) / E[y], R the share of weight below a row, half of its own score's included; of two
    classes the quotient is 2 AUC − 1. psi of E[y (2R − 1)] is y_i (2R_i − 1) + 2 E[y' 1(s' > s_i)] − E[y] − 2 E[y (2R − 1)].
    Source: Frees, Meyers & Cummings 2011; Schechtman & Yitzhaki 1987 for the covariance.
    """
    import numpy as np

    if labels.dtype == bool:
        area = auc(labels, scores, weights, None)
        return MetricValue(2 * area.value - 1, 2 * area.psi)
    n = labels.size
    weight = np.ones(n) if weights is None else weights
    if n == 0 or not weight.any():
        raise Undefined("no_rows" if n == 0 else "no_weight", "there are no rows" if n == 0 else "all weights are zero")
    if np.ptp(labels[weight > 0]) == 0:
        raise Undefined("constant_label", "the label does not vary on these rows")
    centred = labels - float(np.average(labels, weights=weight))
    (best, psi_best), (own, psi_own) = (_concentration(centred, order, weight) for order in (labels, scores))
    value = own / best
    psi = (psi_own - value * psi_best) / best * weight * (n / float(weight.sum())) * small_sample(n)
    # Of mass that is as uneven as it likes to be, an unseen row may hold any part.
    return MetricValue(value, psi, cells=((-math.inf, math.inf),))


def _concentration(centred: Floats, scores: Floats, weight: Floats) -> tuple[float, Floats]:
    """(E[y (2R − 1)], (n,) its influence for one of weight) of labels whose mean is 0."""
    import numpy as np

    from lockgate.stats.influence import dot

    order, starts, run = ties(scores)
    mass, total = (centred * weight)[order], float(weight.sum())
    run_weight, run_mass = np.add.reduceat(weight[order], starts), np.add.reduceat(mass, starts)
    rank = (2 * np.cumsum(run_weight) - run_weight)[run] / total - 1
    value = dot(mass, rank) / total
    psi = np.empty(centred.size)
    psi[order] = centred[order] * rank + (run_mass - 2 * np.cumsum(run_mass))[run] / total - 2 * value
    return value, psi


def _positive(
    name: str, labels: Array, scores: Floats, weights: Floats | None, *, zero_labels: bool
) -> tuple[Floats, Floats]:
    """Labels and predictions of which the deviance exists; 1 both in rows that weigh nothing. Raises Undefined of others."""
    import numpy as np

    weightless = np.zeros(labels.size, bool) if weights is None else weights <= 0
    y, mu = np.where(weightless, 1.0, labels), np.where(weightless, 1.0, scores)
    outside, least = (y < 0, "from 0 on") if zero_labels else (y <= 0, "above 0")
    for code, kind, rows, range_text, values in (
        ("label_outside", "label", outside, least, y),
        ("prediction_outside", "prediction", mu <= 0, "above 0", mu),
    ):
        if count := int(np.count_nonzero(rows)):
            have = "rows have" if count > 1 else "row has"
            raise Undefined(
                code, f"{name} needs {kind}s {range_text}; {count:,} {have} others, the least is {values.min():g}"
            )
    return y, mu


def _numbers(name: str, losses: Floats, mu: Floats) -> Floats:
    """The losses of rows. Raises Undefined where a prediction is so near to 0 that its loss is larger than any number."""
    import numpy as np

    large = ~np.isfinite(losses)
    if count := int(np.count_nonzero(large)):
        are = "rows have" if count > 1 else "row has"
        least = f"the least is {mu[large].min():g}"
        raise Undefined(
            "prediction_outside", f"{name} is larger than any number; {count:,} {are} predictions next to 0, {least}"
        )
    return losses


def quantile_loss(labels: Array, scores: Floats, weights: Floats | None, q: float | None) -> MetricValue:
    """Mean of q · (label − score) where the label lies above, (1 − q) · (score − label) where it lies below."""
    import numpy as np

    if q is None or not 0 < q < 1:
        correction = "" if q is None else f", not {q:g}"
        raise Undefined("no_quantile", f"quantile_loss needs q between 0 and 1{correction}; write quantile_loss(q=0.9)")
    above = labels - scores
    return mean_of(np.maximum(q * above, (q - 1) * above), weights)


def _subject(
    name: str,
    better: Literal["higher", "lower"] | None,
    bounds: tuple[float | None, float | None] = (0, None),
    args: tuple[str, ...] = (),
    tasks: tuple[str, ...] = ("regression",),
) -> Subject:
    needs = ("label", "score", *args)
    return Subject(name, better, bounds=bounds, args=args, tasks=tasks, needs=needs, proportion=False)


# Of normal errors: Var(e²)/(4σ⁴) of rmse by the delta method, Var|e|/E|e|² of mae; the kurtosis of the difference of two
# squared, or absolute, ones.
ON_PREDICTIONS = (
    Metric("rmse", "root", rmse, subject=_subject("rmse", "lower"), plan=Plan(relative_variance=0.5, kurtosis=9.0)),
    Metric(
        "mae", "skew", mae, subject=_subject("mae", "lower"), plan=Plan(relative_variance=math.pi / 2 - 1, kurtosis=6.0)
    ),
    Metric("r2", "plain", r2, subject=_subject("r2", "higher", (None, 1))),
    Metric("poisson_deviance", "skew", poisson_deviance, subject=_subject("poisson_deviance", "lower"), minority=True),
    Metric("gamma_deviance", "skew", gamma_deviance, subject=_subject("gamma_deviance", "lower")),
)
ON_EITHER = (
    Metric(
        "actual_expected",
        "skew",
        actual_expected,
        subject=_subject("actual_expected", None, tasks=("binary", "regression")),
        minority=True,
    ),
    Metric(
        "gini",
        "fisher",
        gini,
        subject=_subject("gini", "higher", (-1, 1), tasks=("binary", "regression")),
        minority=True,
        bounds=(-1.0, 1.0),
    ),
)
ON_QUANTILES = (
    Metric(
        "quantile_loss", "skew", quantile_loss, subject=_subject("quantile_loss", "lower", args=("q",)), argument="q"
    ),
)
