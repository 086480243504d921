"""What scikit-learn says, by the name that a metric has here; decisions are made at 0.5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import metrics as sk

ORACLES: dict[str, Callable[[Any, Any, Any], float]] = {
    "accuracy": lambda y, s, w: sk.accuracy_score(y, s >= 0.5, sample_weight=w),
    "precision": lambda y, s, w: sk.precision_score(y, s >= 0.5, sample_weight=w),
    "recall": lambda y, s, w: sk.recall_score(y, s >= 0.5, sample_weight=w),
    "positive_rate": lambda y, s, w: np.average(s >= 0.5, weights=w),
    "false_positive_rate": lambda y, s, w: 1 - sk.recall_score(~y, s < 0.5, sample_weight=w),
    "f1": lambda y, s, w: sk.f1_score(y, s >= 0.5, sample_weight=w),
    "balanced_accuracy": lambda y, s, w: sk.balanced_accuracy_score(y, s >= 0.5, sample_weight=w),
    "mcc": lambda y, s, w: sk.matthews_corrcoef(y, s >= 0.5, sample_weight=w),
    "kappa": lambda y, s, w: sk.cohen_kappa_score(y, s >= 0.5, sample_weight=w),
    "auc": lambda y, s, w: sk.roc_auc_score(y, s, sample_weight=w),
    "average_precision": lambda y, s, w: sk.average_precision_score(y, s, sample_weight=w),
    "log_loss": lambda y, s, w: log_loss(y, s, w),
    "brier": lambda y, s, w: sk.brier_score_loss(y, s, sample_weight=w, labels=[False, True]),
    "mae": lambda y, s, w: sk.mean_absolute_error(y, s, sample_weight=w),
    "rmse": lambda y, s, w: sk.root_mean_squared_error(y, s, sample_weight=w),
    "r2": lambda y, s, w: sk.r2_score(y, s, sample_weight=w),
    "poisson_deviance": lambda y, s, w: there(sk.mean_poisson_deviance, y, s, w),
    "gamma_deviance": lambda y, s, w: there(sk.mean_gamma_deviance, y, s, w),
    "actual_expected": lambda y, s, w: np.average(y, weights=w) / np.average(s, weights=w),
    "gini": lambda y, s, w: gini(y, s, w),
}


OF_BOTH_CLASSES = ("auc", "average_precision", "gini", "balanced_accuracy", "mcc", "kappa")


def log_loss(labels: Any, scores: Any, weights: Any, clip: float = 1e-6) -> float:
    """Of scikit-learn where no label has less than the clip."""
    own = np.where(labels, scores, 1 - scores)
    if (own < clip).any():
        return float(np.average(-np.log(np.maximum(own, clip)), weights=weights))
    return float(sk.log_loss(labels, scores, sample_weight=weights, labels=[False, True]))


def there(score: Callable[..., float], labels: Any, scores: Any, weights: Any) -> float:
    """Of the rows that weigh anything."""
    if weights is None:
        return score(labels, scores)
    rows = weights > 0
    return score(labels[rows], scores[rows], sample_weight=weights[rows])


def gini(labels: Any, scores: Any, weights: Any) -> float:
    """Of two classes 2 AUC − 1; of numbers by all pairs of rows, beside the best order."""
    if labels.dtype == bool:
        return float(2 * sk.roc_auc_score(labels, scores, sample_weight=weights) - 1)
    w = np.ones(labels.size) if weights is None else weights

    def pairs(order: Any) -> float:
        return float((np.outer(w * labels, w) * np.sign(order[:, None] - order[None, :])).sum())

    return pairs(scores) / pairs(labels)


def lacking(name: str, labels: Any, scores: Any, weights: Any) -> str | None:
    """Why a metric does not exist on these rows, as a code; None where it does. Rows of no weight are none."""
    if name == "r2" and labels.size < 2:
        return "too_small"
    both = name in OF_BOTH_CLASSES and labels.dtype == bool
    there = np.ones(labels.size, bool) if weights is None else weights > 0
    weight = 1.0 if weights is None else weights[there]
    labels, scores, said = labels[there], scores[there], scores[there] >= 0.5
    if not there.any():
        shares = ("accuracy", "positive_rate", "recall", "precision", "f1", "false_positive_rate", "actual_expected")
        ranks = ("auc", "average_precision", "gini")
        return "undefined" if name in shares else "one_class" if both and name in ranks else "no_weight"
    if name.endswith("_deviance"):
        outside = labels < 0 if name == "poisson_deviance" else labels <= 0
        return "label_outside" if outside.any() else "prediction_outside" if (scores <= 0).any() else None
    if name == "actual_expected":
        sums = [(values.sum(), np.abs(values).sum()) for values in (labels * weight, scores * weight)]
        return None if all(total > 1e-12 * size for total, size in sums) else "undefined"
    if both:
        alike = name == "mcc" and len(set(said.tolist())) < 2
        return "one_class" if len(set(labels.tolist())) < 2 else "undefined" if alike else None
    if name in ("r2", "gini"):
        return "constant_label" if np.ptp(labels) == 0 else None
    carrying = (
        {"recall": labels, "precision": said, "f1": labels | said, "false_positive_rate": ~labels}
        if labels.dtype == bool
        else {}
    )
    return None if carrying.get(name, there).any() else "undefined"
