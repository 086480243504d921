"""Agreement of decisions with labels: balanced accuracy, Matthews' correlation, Cohen's kappa, of two classes or several.

Each is a smooth function of the confusion matrix, so that a row's influence is the function's derivative by the share of its
cell (the delta method). Values agree with scikit-learn's where it neither warns nor puts in a number. Light at import, as
`gate check` reads declarations.
Source: Matthews 1975, for several classes Gorodkin 2004; Cohen 1960; Brodersen et al. 2010.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lockgate.evaluation.metrics.declaration import Agreement
from lockgate.evaluation.uncertainty.metric_value import Array, Floats, MetricValue, Undefined, small_sample

OfShares: TypeAlias = "Callable[[Floats], tuple[float, Floats]]"
KINDS = "negative rows", "positive rows"


@dataclass(frozen=True, kw_only=True)
class Agreed(MetricValue):
    """A function of a confusion matrix. labels: (n,) code of each row's class. reach: of each class, how far its rows move the
    value if they all are decided otherwise."""

    labels: Array
    reach: tuple[float, ...]

    def unseen_variance(self, psi: Floats, weights: Floats | None, clusters: Array | None) -> float:
        """Variance that classes hide of which no row varies: as if of each two rows, or clusters, could go the other way."""
        import numpy as np

        from lockgate.stats.effective_size import carriers, effective_number

        weight, total = np.ones(psi.size) if weights is None else weights, 0.0
        for code, reach in enumerate(self.reach):
            carried = np.where(self.labels == code, weight, 0.0)
            if reach and _is_still(psi, carried):
                total += hidden_variance(reach, effective_number(carriers(carried, clusters)))
        return total


def hidden_variance(reach: float, units: float) -> float:
    """Of a class of so many units of which none varies: two standard errors of 2/n are beyond 3/n, which can go unseen at 95 %.

    reach: how far the class moves the value.
    """
    return (2 * reach / max(units, 2)) ** 2


def _is_still(psi: Floats, carried: Floats) -> bool:
    """Whether the influence of the rows that carry anything is their weight times one number."""
    import numpy as np

    inside = carried > 0
    each = psi[inside] / carried[inside]
    return bool(np.ptp(each) <= 1e-12 * max(1.0, float(np.abs(each).max())))


def of_two(
    agreement: Agreement, labels: Any, scores: Floats, weights: Floats | None, threshold: float | None
) -> MetricValue:
    """Of two classes, decided at a threshold."""
    import numpy as np

    if threshold is None:
        raise Undefined("no_threshold", "no threshold says which scores are positive")
    decided = np.asarray(scores >= threshold).astype(np.intp)
    return of_decisions(agreement, KINDS, labels.astype(np.intp), decided, weights)


def of_decisions(
    agreement: Agreement, kinds: tuple[str, ...], labels: Array, decided: Array, weights: Floats | None
) -> MetricValue:
    """Of any number of classes. labels, decided: (n,) int codes. kinds: what rows of each class are called."""
    import numpy as np

    rows, classes = labels.size, len(kinds)
    if rows == 0:
        raise Undefined("no_rows", "there are no rows")
    cell = labels.astype(np.intp) * classes + decided
    table = np.bincount(cell, weights, classes * classes).reshape(classes, classes)
    value, cells, reach = on_table(agreement, kinds, table)
    psi = cells.ravel()[cell] * small_sample(rows)
    if weights is not None:
        psi *= weights * (rows / table.sum())
    return Agreed(value, psi, cells=tuple(map(tuple, cells.tolist())), labels=labels, reach=reach)


def on_table(agreement: Agreement, kinds: tuple[str, ...], table: Array) -> tuple[float, Floats, tuple[float, ...]]:
    """(value, [label, decided] influence of a row of each cell, how far each class moves it). table: [label, decided] weight."""
    import numpy as np

    total = float(table.sum())
    if total <= 0:
        raise Undefined("no_weight", "all weights are zero")
    shares = table / total
    by_label = shares.sum(axis=1)
    empty = [kind for kind, share in zip(kinds, by_label.tolist(), strict=True) if not share > 0]
    if empty and (agreement.each_class or len(kinds) - len(empty) < 2):
        raise Undefined("one_class", f"there are no {empty[0]}")
    value, slope = agreement.of_shares(shares)
    cells: Floats = slope - float((shares * slope).sum())
    return value, cells, tuple((np.ptp(cells, axis=1) * by_label).tolist())


def balanced_accuracy(shares: Floats) -> tuple[float, Floats]:
    """The mean of the recalls of all classes. shares: [label, decided] of all rows, none of whose classes is empty."""
    import numpy as np

    classes, by_label = len(shares), shares.sum(axis=1)
    recall = np.diagonal(shares) / by_label
    slope: Floats = (np.eye(classes) - recall[:, None]) / (classes * by_label[:, None])
    return float(recall.mean()), slope


def mcc(shares: Floats) -> tuple[float, Floats]:
    """Matthews' correlation coefficient: covariance of label and decision over their standard deviations."""
    import numpy as np

    by_label, by_decision = shares.sum(axis=1), shares.sum(axis=0)
    of_labels, of_decisions = 1 - float(by_label @ by_label), 1 - float(by_decision @ by_decision)
    if np.count_nonzero(by_decision) < 2:
        raise Undefined("undefined", "every row is decided alike, which correlates with nothing")
    spread = float(np.sqrt(of_labels * of_decisions))
    value = (float(np.trace(shares)) - float(by_label @ by_decision)) / spread
    slope: Floats = (np.eye(len(shares)) - by_decision[:, None] - by_label[None, :]) / spread
    slope += value * (by_label[:, None] / of_labels + by_decision[None, :] / of_decisions)
    return value, slope


def kappa(shares: Floats) -> tuple[float, Floats]:
    """Cohen's kappa: of the agreement that chance leaves to be had, the part that is there."""
    import numpy as np

    by_label, by_decision = shares.sum(axis=1), shares.sum(axis=0)
    agreed, by_chance = float(np.trace(shares)), float(by_label @ by_decision)
    left = 1 - by_chance
    slope: Floats = np.eye(len(shares)) / left
    slope -= (by_decision[:, None] + by_label[None, :]) * ((1 - agreed) / left**2)
    return (agreed - by_chance) / left, slope
