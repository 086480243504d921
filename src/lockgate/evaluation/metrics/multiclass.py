"""Metrics of a model that tells several classes apart: of one class against the rest, averaged over them, of all rows.

labels: (n,) int code of each row's class. scores: (n, classes) float, or (n,) codes of the classes that were decided.
weights: (n,) float or None. Values agree with scikit-learn's. A macro average is the mean over classes, and so are its
influence values; it has no value where a class has no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import DataError
from lockgate.evaluation.metrics import agreement, multiclass_arguments
from lockgate.evaluation.metrics.catalog import DECLARED, clipped
from lockgate.evaluation.metrics.declaration import Agreement, Measure, Metric, RowLoss, Share
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.metric_value import Bools, Cells, Floats, MetricValue, Undefined, mean_of, share_of
from lockgate.hashing import number
from lockgate.models.class_scores import predicted_class
from lockgate.stats.effective_size import carriers, effective_number

Array = NDArray[Any]
_SUMS_TO = 1e-3  # how far the probabilities of a row may be from 1 together: models round them


@dataclass(frozen=True, kw_only=True)
class Averaged(MetricValue):
    """A mean over classes.

    carrier: (n,) the class in whose part of the mean each row stands. classes: how many. values: of each class. still: those
    whose own value no row moves; None where a row stands in no other class's part, so that the influence values tell.
    """

    carrier: Array
    classes: int
    values: tuple[float, ...]
    still: tuple[int, ...] | None = None

    def unseen_variance(self, psi: Floats, weights: Floats | None, clusters: Array | None) -> float:
        """Variance that classes hide of which no row varies: as if of each two rows, or clusters, could go the other way."""
        total = 0.0
        for code in np.unique(self.carrier).tolist() if self.still is None else self.still:
            rows = self.carrier == code
            if self.still is not None or _is_still(psi[rows]):
                carried = np.where(rows, 1.0 if weights is None else weights, 0.0)
                units = effective_number(carriers(carried, clusters))
                total += agreement.hidden_variance(1 / self.classes, units)
        return total


def worst_class(candidate: MetricValue, champion: MetricValue, metric: Metric, *, up: bool) -> dict[str, Any]:
    """The class that makes a mean over classes worse the most, as a finding shows it; nothing of other metrics, or where none does.

    up: whether more is better.
    """
    if not isinstance(candidate, Averaged) or not isinstance(champion, Averaged):
        return {}
    pairs = list(zip(candidate.values, champion.values, strict=True))
    losses = [before - now if up else now - before for now, before in pairs]
    worst = int(np.argmax(losses))
    if not losses[worst] > 0:
        return {}
    now, before = pairs[worst]
    return {"worst_class": {"class": metric.classes[worst], "candidate": number(now), "champion": number(before)}}


def _is_still(psi: Floats) -> bool:
    return float(np.abs(psi).max(initial=0.0)) <= 1e-12


def metrics(lines: Iterable[Requirement], classes: Sequence[str]) -> dict[str, Metric]:
    """The metrics of lines, by their subject with its arguments. Raises DataError for a line that cannot be measured."""
    by_subject: dict[str, Metric] = {}
    for line in lines:
        if line.subject not in multiclass_arguments.SUBJECTS:
            raise DataError(f"{str(line)!r}: {line.subject} is not measured of several classes")
        if line.subject_text not in by_subject:
            subject = multiclass_arguments.SUBJECTS[line.subject]
            for message in (*subject.misfits(line), *multiclass_arguments.complaints(line, classes)):
                raise DataError(message)
            by_subject[line.subject_text] = _metric(line, tuple(classes))
    return by_subject


def _metric(line: Requirement, classes: tuple[str, ...]) -> Metric:
    args = multiclass_arguments.arguments(line)
    declared = clipped(DECLARED[line.subject], args.get("clip"))
    if declared.of_both:
        return replace(declared, classes=classes, argument=None)
    # An engine sums up binary rows; the argument that a binary metric takes is none of a metric of classes.
    metric = replace(declared, classes=classes, argument=None, sums=None)
    if "class" in args:
        code = classes.index(args["class"])
        return replace(metric, measure=_against_rest(declared, code, classes[code]), positive_class=code)
    # The error of all classes together is no DeLong's.
    whole = replace(metric, method="influence", minority=False, paired_share=False)
    if args.get("average") == "macro":
        return replace(whole, name=f"macro {line.subject}", measure=_macro(declared, classes), minority=True)
    if args.get("average") == "ovo":
        return replace(whole, name=f"ovo {line.subject}", measure=_each_pair(declared, classes), minority=True)
    if isinstance(declared.sums, Agreement):
        measure, each = _agreement(declared.sums, classes), declared.sums.each_class
        return replace(whole, name=f"multiclass {line.subject}", measure=measure, minority=each)
    if isinstance(declared.sums, RowLoss):
        measure = _mean_loss(declared.name, declared.sums)
        return replace(
            whole, name=f"multiclass {line.subject}", measure=measure, bounds=_bounds_of_classes(line, declared)
        )
    if "k" in args:
        hits = _among_top(int(args["k"]))
    elif line.subject == "accuracy" or args.get("average") == "micro":  # micro averages are the share that is right
        hits = _right
    else:
        raise NotImplementedError(f"{line.subject} of several classes has no measure here")
    return replace(whole, name=line.subject_text, measure=_share_of_rows(hits), paired_share=True)


def _bounds_of_classes(line: Requirement, declared: Metric) -> tuple[float, float]:
    """Of a loss summed over classes: the subject's own where it has both, else those of the loss of a row."""
    low, high = multiclass_arguments.SUBJECTS[line.subject].bounds
    return declared.bounds if low is None or high is None else (low, high)


def _against_rest(metric: Metric, code: int, name: str) -> Measure:
    """The binary metric of one class against the rest."""

    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> MetricValue:
        assert metric.measure is not None  # noqa: S101  # only top_k_accuracy has none, and it takes no class
        inside = labels == code
        if isinstance(metric.sums, Share):
            chosen = predicted_class(scores) == code
            cells = np.array(metric.sums.below)[inside.astype(np.intp), chosen.astype(np.intp)]
            reason = "undefined" if metric.sums.by_decision else "one_class"
            _check_rows(cells > 0, weights, metric.sums.among_class.format(name), code=reason)
            return metric.measure(inside, chosen.astype(np.float64), weights, 0.5)
        if metric.minority:
            _check_rows(inside, weights, f"rows of class {name}")
            _check_rows(~inside, weights, f"rows of other classes than {name}")
        return metric.measure(inside, _matrix(scores, metric.name)[:, code], weights, None)

    return measure


def _check_rows(rows: Bools, weights: Floats | None, kind: str, *, code: str = "one_class") -> None:
    if not (rows.any() if weights is None else weights[rows].sum() > 0):
        raise Undefined(code, f"there are no {kind}")


def _macro(metric: Metric, classes: tuple[str, ...]) -> Measure:
    """The mean over classes; each must have rows."""
    parts = [_against_rest(metric, code, name) for code, name in enumerate(classes)]

    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> MetricValue:
        for code, name in enumerate(classes):
            _check_rows(labels == code, weights, f"rows of class {name}")
        value, psi, chosen, still = 0.0, np.zeros(labels.size), predicted_class(scores), list[int]()
        by_decision, by_class, values = isinstance(metric.sums, Share), list[Cells](), list[float]()
        for code, part in enumerate(parts):
            of_class = part(labels, chosen if by_decision else scores, weights, None)
            value += of_class.value / len(classes)
            values.append(of_class.value)
            psi += of_class.psi / len(classes)
            still += [code] if _is_still(of_class.psi) else []
            share = float(np.average(labels == code, weights=weights))
            by_class += [of_class.cells or _ranked_cells(metric, of_class.value, share)]
        cells = _mean_cells(np.array(by_class), by_decision=by_decision)
        carrier = chosen if by_decision and metric.name == "precision" else labels
        return Averaged(
            value, psi, cells=cells, carrier=carrier, classes=len(classes), values=tuple(values),
            still=None if by_decision else tuple(still),
        )  # fmt: skip

    return measure


def _each_pair(metric: Metric, classes: tuple[str, ...]) -> Measure:
    """The mean over ordered pairs of classes: how well the scores of one rank its rows above those of the other.

    The value of a class is the mean over the pairs that it is in, and the mean of these is the whole.
    Source: Hand & Till 2001. Its influence is that of each pair on the rows of both classes.
    """
    pairs = 2 * len(classes) * (len(classes) - 1)  # each stands in the value of both of its classes

    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> MetricValue:
        matrix, measured = _matrix(scores, metric.name), metric.measure
        assert measured is not None  # noqa: S101  # of two classes it is there
        rows = [labels == code for code in range(len(classes))]
        for inside, name in zip(rows, classes, strict=True):
            _check_rows(inside, weights, f"rows of class {name}")
        psi, values = np.zeros(labels.size), np.zeros(len(classes))
        moves = np.zeros(len(classes))
        for own in range(len(classes)):
            for other in range(len(classes)):
                if own == other:
                    continue
                both = np.flatnonzero(rows[own] | rows[other])
                pair = measured(rows[own][both], matrix[both, own], None if weights is None else weights[both], None)
                psi[both] += pair.psi * (2 * labels.size / (pairs * both.size))
                for code in (own, other):
                    values[code] += pair.value * len(classes) / pairs
                    moves[code] += float(np.abs(pair.psi).max())
        shares = [float(np.average(inside, weights=weights)) for inside in rows]
        cells = [
            (-2 * value / part / len(classes), 2 * (1 - value) / part / len(classes))
            for value, part in zip(values.tolist(), shares, strict=True)
        ]
        return Averaged(
            float(values.mean()), psi, cells=tuple(cells), carrier=labels, classes=len(classes), values=tuple(values.tolist()),
            still=tuple(np.flatnonzero(moves <= 1e-12).tolist()),
        )  # fmt: skip

    return measure


def _ranked_cells(metric: Metric, value: float, share: float) -> Cells:
    """[is of the class](down, up), how far rows that are ranked last, or first, move its value. share: of its rows."""
    others = share if metric.crowded else 1 - share
    return tuple((-value / part, (1 - value) / part) for part in (others, share))


def _mean_cells(by_class: Floats, *, by_decision: bool) -> Cells:
    """[class of a row] how far it may move the mean. by_class: (classes, 2, 2), [class][is of it][decided for it, or (down, up)]."""
    others, inside = by_class[:, 0], by_class[:, 1]
    if not by_decision:  # a row may rank last in its own class and first in all others at once
        cells = inside + others.sum(axis=0) - others
    else:  # it is decided for one class
        apart = others[:, 1] - others[:, 0]
        cells = np.add.outer(inside[:, 0] - others[:, 0], apart)
        np.fill_diagonal(cells, inside[:, 1] - others[:, 0])
        cells += others[:, 0].sum()
        cells = np.stack([cells.min(axis=1), cells.max(axis=1)], axis=1)
    return tuple(map(tuple, (cells / len(by_class)).tolist()))


def _agreement(sums: Agreement, classes: tuple[str, ...]) -> Measure:
    kinds = tuple(f"rows of class {name}" for name in classes)

    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> MetricValue:
        return agreement.of_decisions(sums, kinds, labels, predicted_class(scores), weights)

    return measure


def _mean_loss(name: str, loss: RowLoss) -> Measure:
    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> MetricValue:
        probabilities = _probabilities(scores, name)
        mean = mean_of(loss.of_classes(labels, probabilities), weights)
        clip = loss.clip
        return (
            mean
            if clip is None
            else replace(mean, detail=clip.detail(int(clip.of_classes(labels, probabilities).sum())))
        )

    return measure


def _share_of_rows(hits: Callable[[Array, Array], Bools]) -> Measure:
    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> MetricValue:
        return share_of(hits(labels, scores), weights)

    return measure


def _right(labels: Array, scores: Array) -> Bools:
    right: Bools = predicted_class(scores) == labels
    return right


def _among_top(k: int) -> Callable[[Array, Array], Bools]:
    """Whether a row's class is among the k highest; of equal scores the later class is higher, as scikit-learn has it."""

    def hits(labels: Array, scores: Array) -> Bools:
        matrix = _matrix(scores, "top_k_accuracy")
        own = matrix[np.arange(labels.size), labels][:, None]
        later = np.arange(matrix.shape[1])[None, :] > labels[:, None]
        among: Bools = ((matrix > own) | ((matrix == own) & later)).sum(axis=1) < k
        return among

    return hits


def _matrix(scores: Array, name: str) -> Floats:
    if scores.ndim == 1:
        raise Undefined("labels_only", f"the answers are class labels, and {name} needs a score of each class")
    return scores


def _probabilities(scores: Array, name: str) -> Floats:
    matrix = _matrix(scores, name)
    if matrix.size and (matrix.min() < 0 or matrix.max() > 1):
        raise Undefined("not_probabilities", f"{name} needs probabilities, and some scores lie outside 0 to 1")
    if matrix.size and float(np.abs(matrix.sum(axis=1) - 1).max()) > _SUMS_TO:
        raise Undefined("not_probabilities", f"{name} needs probabilities, and those of some rows do not add up to 1")
    return matrix
