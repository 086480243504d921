"""Metrics of a model that tells several classes apart: of one class against the rest, averaged over them, of all rows.

labels: (n,) int place of each row's class. scores: (n, classes) float, or (n,) places of the classes that were decided.
weights: (n,) float or None. Values agree with scikit-learn's. A macro average is the mean over classes, and so are its
influence values; it has no value where a class has no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import DataError
from lockgate.evaluation.metrics import calibration, classification
from lockgate.evaluation.metrics import multiclass_subjects as averages
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.custom_rule import OwnMetric
from lockgate.evaluation.uncertainty.metric import Bools, Floats, Measured, Undefined, mean_of, ratio_of
from lockgate.models.class_scores import predicted_class

Array = NDArray[Any]
Binary = Callable[[Array, Floats, Floats | None, float | None], Measured]
_OF_LABELS: Mapping[str, Binary] = {
    "precision": classification.precision,
    "recall": classification.recall,
    "f1": classification.f1,
}
_OF_SCORES: Mapping[str, Binary] = {
    "auc": classification.auc,
    "average_precision": classification.average_precision,
    "log_loss": classification.log_loss,
    "brier": classification.brier,
    "calibration_error": calibration.calibration_error,
}
_RANKED = ("auc", "average_precision")
_LOSSES = ("log_loss", "brier")
_SUMS_TO = 1e-3


@dataclass(frozen=True)
class ClassMetric(OwnMetric):
    """A metric of several classes.

    of: the place of the one that counts as positive; None where none does, and rows of all of them are the minority that
    must be large enough.
    """

    of: int | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Averaged(Measured):
    """A mean over classes.

    carrier: (n,) the class in whose part of the mean each row stands. classes: how many. still: those whose own value no
    row moves; None where a row stands in no other class's part, so that the influence values tell.
    """

    carrier: Array
    classes: int
    still: tuple[int, ...] | None = None

    def unseen(self, psi: Floats, clusters: Array | None) -> float:
        """Variance that classes hide of which no row varies: as if of each two rows, or clusters, could go the other way.

        Two standard errors of 2/n are beyond 3/n, the share that can go unseen in n rows at 95 %.
        """
        total = 0.0
        for each in np.unique(self.carrier).tolist() if self.still is None else self.still:
            rows = self.carrier == each
            if self.still is not None or _is_still(psi[rows]):
                units = int(rows.sum()) if clusters is None else int(np.unique(clusters[rows]).size)
                total += (2 / (max(units, 2) * self.classes)) ** 2
        return total


def _is_still(psi: Floats) -> bool:
    return float(np.abs(psi).max(initial=0.0)) <= 1e-12


def metrics(lines: Iterable[Requirement], classes: Sequence[str]) -> dict[str, ClassMetric]:
    """The metrics that lines ask for, by their subject with its arguments. Raises DataError for what cannot be asked."""
    found = {}
    for line in lines:
        if line.subject not in averages.SUBJECTS:
            raise DataError(f"{str(line)!r}: {line.subject} is not measured of several classes")
        if line.subject_text not in found:
            for what in (*averages.SUBJECTS[line.subject].misfits(line), *averages.complaints(line, classes)):
                raise DataError(what)
            found[line.subject_text] = _metric(line, tuple(classes))
    return found


def _metric(line: Requirement, classes: tuple[str, ...]) -> ClassMetric:
    name, given = line.subject, averages.said(line)
    known: dict[str, Any] = {"classes": classes, "argument": None}
    if "class" in given:
        of = classes.index(given["class"])
        return ClassMetric(
            name,
            _of_class(name, of, classes),
            "skew" if name in _LOSSES else "plain" if name == "calibration_error" else "logit",
            minority=name in _RANKED,
            paired_share=name == "recall",
            decide=calibration.decide if name == "calibration_error" else None,
            of=of,
            **known,
        )
    if given.get("average") == "macro":
        return ClassMetric(f"macro {name}", _macro(name, classes), "logit", minority=True, **known)
    if name in _LOSSES:
        return ClassMetric(f"multiclass {name}", _loss(name), "skew", **known)
    hits = _top(int(given["k"])) if name == "top_k_accuracy" else _right
    return ClassMetric(line.subject_text, _share(hits), "logit", paired_share=True, **known)


def _of_class(name: str, of: int, classes: tuple[str, ...]) -> Any:
    """The binary metric of one class against the rest."""

    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> Measured:
        return _against_rest(name, of, classes[of], labels, scores, weights)

    return measure


def _against_rest(name: str, of: int, called: str, labels: Array, scores: Array, weights: Floats | None) -> Measured:
    inside = labels == of
    if name in ("recall", *_RANKED):
        _there_are(inside, weights, f"rows of class {called}")
    if name in _RANKED:
        _there_are(~inside, weights, f"rows of other classes than {called}")
    if name in _OF_LABELS:
        chosen = predicted_class(scores) == of
        if name == "precision":
            _there_are(chosen, weights, f"rows that the model calls {called}", code="undefined")
        if name == "f1":
            _there_are(chosen | inside, weights, f"rows of class {called}, labelled or decided", code="undefined")
        return _OF_LABELS[name](inside, chosen.astype(np.float64), weights, 0.5)
    return _OF_SCORES[name](inside, _matrix(scores, name)[:, of], weights, None)


def _there_are(rows: Bools, weights: Floats | None, what: str, *, code: str = "one_class") -> None:
    if not (rows.any() if weights is None else weights[rows].sum() > 0):
        raise Undefined(code, f"there are no {what}")


def _macro(name: str, classes: tuple[str, ...]) -> Any:
    """The mean over classes; each must have rows."""

    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> Measured:
        for of, called in enumerate(classes):
            _there_are(labels == of, weights, f"rows of class {called}")
        value, psi, chosen, still = 0.0, np.zeros(labels.size), predicted_class(scores), list[int]()
        given = scores if name in _OF_SCORES else chosen
        for of, called in enumerate(classes):
            one = _against_rest(name, of, called, labels, given, weights)
            value += one.value / len(classes)
            psi += one.psi / len(classes)
            still += [of] if _is_still(one.psi) else []
        if name in _OF_SCORES:
            return Averaged(value, psi, carrier=labels, classes=len(classes), still=tuple(still))
        carrier = chosen if name == "precision" else labels
        return Averaged(value, psi, carrier=carrier, classes=len(classes))

    return measure


def _loss(name: str) -> Any:
    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> Measured:
        return mean_of(row_losses(name, labels, _probabilities(scores, name)), weights)

    return measure


def row_losses(name: str, labels: Array, probabilities: Floats) -> Floats:
    """(n,) −log p of the row's class, clipped as scikit-learn does, or the sum over classes of squared errors."""
    own = probabilities[np.arange(labels.size), labels]
    if name == "log_loss":
        return classification.log_losses(np.asarray(1), own)
    errors: Floats = (probabilities**2).sum(axis=1) - own**2 + (1 - own) ** 2
    return errors


def _share(hits: Callable[[Array, Array], Bools]) -> Any:
    def measure(labels: Array, scores: Array, weights: Floats | None, _: float | None) -> Measured:
        right = hits(labels, scores)
        every = np.ones(labels.size, dtype=bool)
        found = ratio_of(right.astype(np.float64), every.astype(np.float64), weights, what="rows")
        return Measured(found.value, found.psi, right if weights is None else None, every)

    return measure


def _right(labels: Array, scores: Array) -> Bools:
    right: Bools = predicted_class(scores) == labels
    return right


def _top(k: int) -> Callable[[Array, Array], Bools]:
    """Whether a row's class is among the k highest; of equal scores the later class is higher, as scikit-learn has it."""

    def hits(labels: Array, scores: Array) -> Bools:
        given = _matrix(scores, "top_k_accuracy")
        own = given[np.arange(labels.size), labels][:, None]
        later = np.arange(given.shape[1])[None, :] > labels[:, None]
        among: Bools = ((given > own) | ((given == own) & later)).sum(axis=1) < k
        return among

    return hits


def _matrix(scores: Array, name: str) -> Floats:
    if scores.ndim == 1:
        raise Undefined("labels_only", f"the answers are class labels, and {name} needs a score of each class")
    return scores


def _probabilities(scores: Array, name: str) -> Floats:
    given = _matrix(scores, name)
    if given.size and (given.min() < 0 or given.max() > 1):
        raise Undefined("not_probabilities", f"{name} needs probabilities, and some scores lie outside 0 to 1")
    if given.size and float(np.abs(given.sum(axis=1) - 1).max()) > _SUMS_TO:
        raise Undefined("not_probabilities", f"{name} needs probabilities, and those of some rows do not add up to 1")
    return given
