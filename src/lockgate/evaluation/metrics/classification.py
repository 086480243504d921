"""Accuracy, precision, recall, F1, AUC, average precision, log loss and Brier score of a binary model.

labels: (n,) bool, true is positive. scores: (n,) float, higher is more positive. weights: (n,) float or None. Values agree
with scikit-learn's; the influence values are this module's own business.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.uncertainty.metric import Bools, Floats, Measured, Metric, Undefined, mean_of, ratio_of
from lockgate.stats.influence import dot


def _decided(scores: Floats, threshold: float | None) -> Bools:
    if threshold is None:
        raise Undefined("no_threshold", "no threshold says which scores are positive")
    decided: Bools = scores >= threshold
    return decided


def _share(hits: Bools, base: Bools, weights: Floats | None, what: str) -> Measured:
    found = ratio_of((hits & base).astype(np.float64), base.astype(np.float64), weights, what=what)
    return Measured(found.value, found.psi, hits if weights is None else None, base)


def accuracy(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """The share of rows decided as labelled."""
    decided = _decided(scores, threshold)
    return _share(decided == labels, np.ones(labels.size, dtype=bool), weights, SHARES_AMONG[accuracy])


def recall(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """The share of positive rows that are found."""
    return _share(_decided(scores, threshold), labels, weights, SHARES_AMONG[recall])


def precision(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """The share of rows decided positive that are."""
    return _share(labels, _decided(scores, threshold), weights, SHARES_AMONG[precision])


def f1(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """2 TP / (2 TP + FP + FN)."""
    decided = _decided(scores, threshold)
    true = (decided & labels).astype(np.float64)
    below = decided.astype(np.float64) + labels.astype(np.float64)
    found = ratio_of(2 * true, below, weights, what=SHARES_AMONG[f1])
    return Measured(found.value, found.psi, base=decided | labels)


def log_loss(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """Mean of −log p(label), with p clipped to the machine epsilon of a float64."""
    _probabilities(scores, "log_loss")
    return mean_of(log_losses(labels, scores), weights)


def log_losses(labels: Any, scores: Floats) -> Floats:
    """−log p(label) of each row; labels: of each row, or one for all."""
    tiny = np.finfo(np.float64).eps
    clipped = np.clip(scores, tiny, 1 - tiny)
    if labels.ndim:
        clipped = np.where(labels, clipped, 1 - clipped)
    elif not labels:
        np.subtract(1, clipped, out=clipped)
    np.log(clipped, out=clipped)
    return np.negative(clipped, out=clipped)


def brier(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """Mean of (p − label)²."""
    _probabilities(scores, "brier")
    return mean_of(squared_errors(labels, scores), weights)


def squared_errors(labels: Any, scores: Floats) -> Floats:
    """(p − label)² of each row; labels: of each row, or one for all."""
    errors: Floats = scores - labels.astype(np.float64)
    errors *= errors
    return errors


def _probabilities(scores: Floats, metric: str) -> None:
    if scores.size and (scores.min() < 0 or scores.max() > 1):
        raise Undefined("not_probabilities", f"{metric} needs probabilities, and some scores lie outside 0 to 1")


def _both_classes(labels: NDArray[Any], weights: Floats | None) -> tuple[Floats, float, float]:
    if labels.size == 0:
        raise Undefined("no_rows", "there are no rows")
    weight = np.ones(labels.size) if weights is None else weights
    positive, negative = float(weight[labels].sum()), float(weight[~labels].sum())
    if positive <= 0 or negative <= 0:
        raise Undefined("one_class", f"there are no {'positive' if positive <= 0 else 'negative'} rows")
    return weight, positive, negative


def _ties(scores: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """(order by score ascending, first index of each run of equal scores, run of each place in the order)."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    new = np.empty(ordered.size, dtype=bool)
    new[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return order, np.flatnonzero(new), np.cumsum(new) - 1


def auc(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """Area under the ROC curve, ties counting half.

    The influence values are placements with the (m − 1) correction within each class, so that their variance is DeLong's.
    Source: Sun & Xu 2014; LeDell, Petersen & van der Laan 2015.
    """
    weight, positive, negative = _both_classes(labels, weights)
    order, starts, run = _ties(scores)
    ordered_weight, ordered_label = weight[order], labels[order]
    positives = np.where(ordered_label, ordered_weight, 0.0)
    negatives = np.where(ordered_label, 0.0, ordered_weight)
    run_positive, run_negative = np.add.reduceat(positives, starts), np.add.reduceat(negatives, starts)
    below_negative = np.cumsum(run_negative) - 0.5 * run_negative
    below_positive = np.cumsum(run_positive) - 0.5 * run_positive
    placement = np.where(ordered_label, below_negative[run] / negative, 1 - below_positive[run] / positive)
    area = dot(positives, placement) / positive
    n = labels.size
    class_total = np.where(ordered_label, positive, negative)
    n_positive = int(np.count_nonzero(labels))
    rows = np.where(ordered_label, n_positive, n - n_positive)
    factor = np.sqrt(rows / np.maximum(rows - 1, 1))
    psi = np.empty(n)
    psi[order] = (n / class_total) * ordered_weight * (placement - area) * factor
    return Measured(area, psi)


def average_precision(
    labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None
) -> Measured:
    """Average precision by scikit-learn's step definition, equal scores taken together.

    psi_i = (1/π)[y_i (Prec(s_i) − AP + A1(s_i)) − A2(s_i)] with Prec = H/G at a threshold, G = P(S ≥ s),
    H = P(S ≥ s, Y = 1), A1(s) = E[Y' 1(S' ≤ s)/G(S')], A2(s) = E[Y' 1(S' ≤ s) H(S')/G(S')²].
    """
    weight, positive, _ = _both_classes(labels, weights)
    n, total = labels.size, float(weight.sum())
    order, starts, run = _ties(scores)
    ordered_weight = weight[order]
    positives = np.where(labels[order], ordered_weight, 0.0)
    run_all, run_positive = np.add.reduceat(ordered_weight, starts), np.add.reduceat(positives, starts)
    at_least = np.cumsum(run_all[::-1])[::-1] / total
    found = np.cumsum(run_positive[::-1])[::-1] / total
    prevalence = positive / total
    with np.errstate(divide="ignore", invalid="ignore"):
        precision_at = np.where(at_least > 0, found / at_least, 0.0)
        first = np.where(at_least > 0, run_positive / total / at_least, 0.0)
        second = np.where(at_least > 0, run_positive / total * precision_at / at_least, 0.0)
    value = dot(run_positive, precision_at) / positive
    a1, a2 = np.cumsum(first), np.cumsum(second)
    label = labels[order].astype(np.float64)
    raw = (label * (precision_at[run] - value + a1[run]) - a2[run]) / prevalence
    psi = np.empty(n)
    psi[order] = raw * ordered_weight * (n / total)
    return Measured(value, psi * np.sqrt(n / (n - 1) if n > 1 else 1.0))


# What a share is taken of, for where there is none.
SHARES_AMONG = {
    accuracy: "rows",
    recall: "positive rows",
    precision: "rows that the model calls positive",
    f1: "positive rows, labelled or decided",
}

METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, "logit", paired_share=True),
        Metric("precision", precision, "logit"),
        Metric("recall", recall, "logit", paired_share=True),
        Metric("f1", f1, "logit"),
        Metric("auc", auc, "logit", minority=True),
        Metric("average_precision", average_precision, "logit", minority=True),
        Metric("log_loss", log_loss, "skew"),
        Metric("brier", brier, "skew"),
    )
}
