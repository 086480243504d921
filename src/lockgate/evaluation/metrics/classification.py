"""The metrics of a classifier, each declared with its subject, measure, sums and plan.

labels: (n,) bool, true is positive. scores: (n,) float, higher is more positive. weights: (n,) float or None. Values agree
with scikit-learn's; the influence values are derived here. `gate check` reads these declarations, so numpy is imported by
the functions that compute.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from lockgate.evaluation.metrics import agreement
from lockgate.evaluation.metrics.declaration import (
    UNIT,
    Agreement,
    ByCell,
    Clip,
    Counted,
    Metric,
    Plan,
    RowLoss,
    Share,
    on_demand,
)
from lockgate.evaluation.metrics.losses import (
    CLIP,
    below_clip,
    brier,
    class_below_clip,
    class_log_losses,
    class_squared_errors,
    log_loss,
    log_losses,
    squared_errors,
)
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.metric_value import Array, Floats, MetricValue, Undefined, ratio_of

Better = Literal["higher", "lower"] | None


def measure_share(
    share: Share, labels: Any, scores: Floats, weights: Floats | None, threshold: float | None
) -> MetricValue:
    """Σ above / Σ below; labels: None where the share does not look at them."""
    import numpy as np

    if threshold is None:
        raise Undefined("no_threshold", "no threshold says which scores are positive")
    shift = 2 * (scores >= threshold).view(np.uint8)
    if labels is not None:
        shift += 4 * labels.astype(np.uint8)
    # The four numbers of a table are below 4 and fit in a byte, two bits each: a shift is faster than an index by row.
    above, below = (
        (np.uint8(table[0][0] | table[0][1] << 2 | table[1][0] << 4 | table[1][1] << 6) >> shift) & np.uint8(3)
        for table in (share.above, share.below)
    )
    ratio = ratio_of(above, below, weights, among=share.among)
    hits = above > 0 if share.plain else None
    mean = float(below.mean()) if weights is None else float(np.average(below, weights=weights))
    return MetricValue(ratio.value, ratio.psi, hits, below > 0, cells=share.cells(ratio.value, mean))


def _class_weights(labels: Array, weights: Floats | None) -> tuple[Floats, float, float]:
    """(weight of each row, of all positive rows, of all negative rows). Raises Undefined where a class has none."""
    import numpy as np

    if labels.size == 0:
        raise Undefined("no_rows", "there are no rows")
    weight = np.ones(labels.size) if weights is None else weights
    positive, negative = float(weight[labels].sum()), float(weight[~labels].sum())
    if positive <= 0 or negative <= 0:
        raise Undefined("one_class", f"there are no {'positive' if positive <= 0 else 'negative'} rows")
    return weight, positive, negative


def ties(scores: Floats) -> tuple[Array, Array, Array]:
    """(order by score ascending, first index of each run of equal scores, run of each row in that order)."""
    import numpy as np

    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    new = np.empty(ordered.size, dtype=bool)
    new[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return order, np.flatnonzero(new), np.cumsum(new) - 1


def auc(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """Area under the ROC curve, ties counting half.

    The influence values are placements with the (m − 1) correction within each class, so that their variance is DeLong's.
    Source: Sun & Xu 2014; LeDell, Petersen & van der Laan 2015.
    """
    import numpy as np

    from lockgate.stats.influence import dot

    weight, positive, negative = _class_weights(labels, weights)
    order, starts, run = ties(scores)
    ordered_weight, ordered_label = weight[order], labels[order]
    positives = np.where(ordered_label, ordered_weight, 0.0)
    negatives = np.where(ordered_label, 0.0, ordered_weight)
    run_positive, run_negative = np.add.reduceat(positives, starts), np.add.reduceat(negatives, starts)
    # Half of the own run is taken off: a tie counts half.
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
    return MetricValue(area, psi)


def average_precision(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """Average precision by scikit-learn's step definition, equal scores taken together.

    psi_i = (1/π)[y_i (Prec(s_i) − AP + A1(s_i)) − A2(s_i)] with Prec = H/G at a threshold, G = P(S ≥ s),
    H = P(S ≥ s, Y = 1), A1(s) = E[Y' 1(S' ≤ s)/G(S')], A2(s) = E[Y' 1(S' ≤ s) H(S')/G(S')²].
    """
    import numpy as np

    from lockgate.stats.influence import dot

    weight, positive, _ = _class_weights(labels, weights)
    n, total = labels.size, float(weight.sum())
    order, starts, run = ties(scores)
    ordered_weight = weight[order]
    positives = np.where(labels[order], ordered_weight, 0.0)
    run_all, run_positive = np.add.reduceat(ordered_weight, starts), np.add.reduceat(positives, starts)
    at_least = np.cumsum(run_all[::-1])[::-1] / total
    true_at_least = np.cumsum(run_positive[::-1])[::-1] / total
    prevalence = positive / total
    # Rows of weight zero at the top leave nothing above a threshold: no precision there, and nothing to add.
    with np.errstate(divide="ignore", invalid="ignore"):
        precision_at = np.where(at_least > 0, true_at_least / at_least, 0.0)
        first = np.where(at_least > 0, run_positive / total / at_least, 0.0)
        second = np.where(at_least > 0, run_positive / total * precision_at / at_least, 0.0)
    value = dot(run_positive, precision_at) / positive
    a1, a2 = np.cumsum(first), np.cumsum(second)
    label = labels[order].astype(np.float64)
    raw = (label * (precision_at[run] - value + a1[run]) - a2[run]) / prevalence
    psi = np.empty(n)
    psi[order] = raw * ordered_weight * (n / total)
    return MetricValue(value, psi * np.sqrt(n / (n - 1) if n > 1 else 1.0))


def _of_classes(
    *args: str,
    averages: tuple[str, ...] = (),
    scores: bool = True,
    low: float = 0,
    high: float | None = 1,
    proportion: bool = False,
) -> dict[str, Any]:
    """The fields of a subject where there are several classes."""
    words = {"average": averages, "class": ()}
    return {
        "bounds": (low, high),
        "args": args,
        "tasks": ("multiclass",),
        "needs": ("label", "score") if scores else ("label",),
        "proportion": proportion,
        "words": {word: words[word] for word in args if word in words},
    }


def _subject(
    name: str,
    better: Better = "higher",
    *,
    low: float = 0,
    high: float | None = 1,
    argument: str | None = None,
    labels: bool = True,
    proportion: bool = False,
    instead: str | None = None,
    firmer: str | None = None,
    classes: dict[str, Any] | None = None,
) -> Subject:
    args = () if argument is None else (argument,)
    return Subject(
        name,
        better,
        bounds=(low, high),
        args=args,
        tasks=("binary",) if classes is None else ("binary", "multiclass"),
        needs=("label", "score", *args) if labels else ("score", *args),
        proportion=proportion,
        instead=instead,
        firmer=firmer,
        by_task={} if classes is None else {"multiclass": Subject(name, better, instead=instead, **classes)},
    )


def _share(
    name: str,
    share: Share,
    better: Better = "higher",
    *,
    counted: Counted | None = None,
    paired: bool = True,
    classes: dict[str, Any] | None = None,
) -> Metric:
    """The metric that decides at a threshold and divides two sums. paired: whether two models are compared by Tango's test."""
    labels = any(table[0] != table[1] for table in (share.above, share.below))
    subject = _subject(name, better, argument="threshold", labels=labels, proportion=share.plain, classes=classes)
    measure = partial(measure_share, share)
    return Metric(
        name, "logit", measure, subject=subject, paired_share=paired, bounds=UNIT, sums=share, plan=Plan(counted)
    )


def _agreement(name: str, function: agreement.OfShares, *, low: float = 0, each_class: bool = False) -> Metric:
    """The metric of a function of the confusion matrix, decided at a threshold where there are two classes."""
    several = _of_classes(scores=False, low=low)
    sums = Agreement(function, each_class)
    return Metric(
        name,
        "logit" if low == 0 else "fisher",
        partial(agreement.of_two, sums),
        subject=_subject(name, low=low, argument="threshold", classes=several),
        minority=True,
        bounds=(low, 1.0),
        sums=sums,
    )


def clipped_log_loss(least: float = CLIP) -> Metric:
    """The log loss with a clip. One with another is a metric of its own, by whose name its sums are kept."""
    ranges = {"clip": (0.0, 0.5)}
    subject = _subject(
        "log_loss", "lower", high=None, classes=_of_classes("class", "clip", high=None) | {"ranges": ranges}
    )
    clip = Clip(least, partial(below_clip, least), partial(class_below_clip, least))
    return Metric(
        "log_loss" if least == CLIP else f"log_loss(clip={least!r})",
        "skew",
        partial(log_loss, clip),
        subject=replace(subject, args=("clip",), ranges=ranges),
        argument=None,
        bounds=(0.0, -math.log(least)),
        sums=RowLoss(partial(log_losses, least), partial(class_log_losses, least), clip),
        clipped=clipped_log_loss,
    )


_DECIDED = _of_classes("average", "class", averages=("macro", "micro"), scores=False)
_RANKED = _of_classes("average", "class", averages=("macro",))
_EVERY_ROW: ByCell = ((1, 1), (1, 1))
_TRUE_POSITIVE: ByCell = ((0, 0), (0, 1))

AT_A_THRESHOLD = (
    _share(
        "accuracy",
        Share(above=((1, 0), (0, 1)), below=_EVERY_ROW, among="rows"),
        counted="rows",
        classes=_of_classes(scores=False, proportion=True),
    ),
    _share(
        "precision",
        Share(_TRUE_POSITIVE, ((0, 1), (0, 1)), "rows that the model calls positive", "rows that the model calls {}"),
        counted="positives",  # as many are called positive as are: the champion's decisions are not known beforehand
        paired=False,
        classes=_DECIDED,
    ),
    _share(
        "recall",
        Share(_TRUE_POSITIVE, ((0, 0), (1, 1)), "positive rows", "rows of class {}"),
        counted="positives",
        classes=_DECIDED,
    ),
    _share(
        "f1",  # 2 TP / (2 TP + FP + FN)
        Share(
            ((0, 0), (0, 2)),
            ((0, 1), (1, 2)),
            "positive rows, labelled or decided",
            "rows of class {}, labelled or decided",
        ),
        paired=False,
        classes=_DECIDED,
    ),
    # Fairness is asked as a gap of these two and of recall: demographic parity compares the share decided positive, equal
    # opportunity and equalised odds compare the true and false positive rates.
    _share("positive_rate", Share(((0, 1), (0, 1)), _EVERY_ROW, "rows"), None, counted="rows"),
    _share(
        "false_positive_rate", Share(((0, 1), (0, 0)), ((1, 1), (0, 0)), "negative rows"), "lower", counted="negatives"
    ),
    _agreement("balanced_accuracy", agreement.balanced_accuracy, each_class=True),
    _agreement("mcc", agreement.mcc, low=-1),
    _agreement("kappa", agreement.kappa, low=-1),
)
ON_SCORES = (
    Metric(
        "auc",
        "logit",
        auc,
        subject=_subject("auc", classes=_of_classes("average", "class", averages=("macro", "ovo"))),
        minority=True,
        bounds=UNIT,
        method="delong",
        sums="ranks",
        plan=Plan(champion=0.85, placements=True),
        curve="roc",
    ),
    Metric(
        "average_precision",
        "logit",
        average_precision,
        subject=_subject("average_precision", classes=_RANKED),
        minority=True,
        bounds=UNIT,
        crowded=True,
        sums="ranks",
        # Simulated at an average precision of 0.8 and scores that correlate 0.9, as planning assumes.
        plan=Plan(champion=0.80, pair_variance=0.04, effective=((0.1, 4.5), (1.0, 7.0))),
        curve="precision_recall",
    ),
    Metric(
        "recall_at_precision",
        "plain",
        on_demand("recall_at_precision", "recall_at_precision"),
        subject=_subject(
            "recall_at_precision",
            argument="precision",
            firmer="recall(threshold=…) beside precision(threshold=…) >= {:g}",
        ),
        argument="precision",
        decide=on_demand("recall_at_precision", "decide"),
    ),
    clipped_log_loss(),
    Metric(
        "brier",
        "skew",
        brier,
        subject=_subject("brier", "lower", classes=_of_classes("class", high=2)),
        bounds=UNIT,
        sums=RowLoss(squared_errors, class_squared_errors),
    ),
    Metric(
        "calibration_error",
        "plain",
        on_demand("calibration", "calibration_error"),
        subject=_subject("calibration_error", "lower", instead="brier", classes=_of_classes("class")),
        decide=on_demand("calibration", "decide"),
        sums="bins",
    ),
)
OF_CLASSES_ONLY = (
    Metric(
        "top_k_accuracy",
        "logit",
        subject=replace(
            _subject("top_k_accuracy", argument="k", proportion=True, classes=_of_classes("k", proportion=True)),
            tasks=("multiclass",),
            needs=("label", "score"),
        ),
        paired_share=True,
        bounds=UNIT,
        plan=Plan("rows"),
    ),
)
