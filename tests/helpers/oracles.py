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
    "auc": lambda y, s, w: sk.roc_auc_score(y, s, sample_weight=w),
    "average_precision": lambda y, s, w: sk.average_precision_score(y, s, sample_weight=w),
    "log_loss": lambda y, s, w: log_loss(y, s, w),
    "brier": lambda y, s, w: sk.brier_score_loss(y, s, sample_weight=w, labels=[False, True]),
    "mae": lambda y, s, w: sk.mean_absolute_error(y, s, sample_weight=w),
    "rmse": lambda y, s, w: sk.root_mean_squared_error(y, s, sample_weight=w),
    "r2": lambda y, s, w: sk.r2_score(y, s, sample_weight=w),
}


def log_loss(labels: Any, scores: Any, weights: Any, clip: float = 1e-6) -> float:
    """Of scikit-learn where no label has less than the clip."""
    own = np.where(labels, scores, 1 - scores)
    if (own < clip).any():
        return float(np.average(-np.log(np.maximum(own, clip)), weights=weights))
    return float(sk.log_loss(labels, scores, sample_weight=weights, labels=[False, True]))


def lacking(name: str, labels: Any, scores: Any, weights: Any) -> str | None:
    """Why a metric does not exist on these rows, as a code; None where it does. Rows of no weight are none."""
    if name == "r2" and labels.size < 2:
        return "too_small"
    there = np.ones(labels.size, bool) if weights is None else weights > 0
    labels, said = labels[there], scores[there] >= 0.5
    if not there.any():
        shares = ("accuracy", "positive_rate", "recall", "precision", "f1", "false_positive_rate")
        ranks = ("auc", "average_precision")
        return "undefined" if name in shares else "one_class" if name in ranks else "no_weight"
    if name in ("auc", "average_precision"):
        return None if 0 < labels.sum() < labels.size else "one_class"
    if name == "r2":
        return "constant_label" if np.ptp(labels) == 0 else None
    carrying = (
        {"recall": labels, "precision": said, "f1": labels | said, "false_positive_rate": ~labels}
        if labels.dtype == bool
        else {}
    )
    return None if carrying.get(name, there).any() else "undefined"
