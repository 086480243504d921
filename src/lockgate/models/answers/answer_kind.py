"""Decide what a column of answers to a binary task is, a score or a class label, from all of its rows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lockgate.data.class_labels import class_text
from lockgate.errors import DataError
from lockgate.models.model import ScoreReading, yaml_text

MOST_LABELS = 64  # distinct values beyond which nobody would call them labels of two classes
_FEW = 10
_USUAL_CODES = (-1, 0, 1, 2)
_SCORING_METHODS = ("predict_proba", "predict_log_proba", "decision_function", "score_samples")
PROBABILITIES = (
    'write output: {method: predict_proba} into the pipeline, or log the model with pyfunc_predict_fn="predict_proba"; '
    "a server must itself answer with scores, as numbers"
)


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """What is known of one column of answers over all rows.

    source: the column in words, for messages. name: of the column. values: `text`, `boolean`, `whole` (stored as whole
    numbers) or `float`. distinct: the distinct values in order of appearance, None where there are more than
    MOST_LABELS. integral: every number is a whole one. chosen: `column` where the pipeline names it, `class` where it is
    the column of that class, None for being the only one. classes, estimator, method: what the model says of itself, if anything.
    recorded: it lies in the data, which calls it a score.
    """

    source: str
    name: str
    values: Literal["text", "boolean", "whole", "float"]
    distinct: tuple[Any, ...] | None
    integral: bool
    chosen: Literal["column", "class"] | None = None
    classes: tuple[Any, ...] | None = None
    estimator: str | None = None
    method: str | None = None
    recorded: bool = False

    @property
    def from_scoring(self) -> bool:
        """Whether the model is known to answer with scores."""
        return self.method in _SCORING_METHODS or (self.estimator == "regressor" and self.method == "predict")

    @property
    def from_classifying(self) -> bool:
        """Whether the model is known to answer with one of its classes."""
        classifying = self.estimator in ("classifier", "outlier_detector") and self.method == "predict"
        return classifying and self.chosen is None and self.classes is not None and self.within(self.classes)

    def within(self, values: Sequence[Any]) -> bool:
        """Whether every answer is one of the values; 1, 1.0 and True are the same."""
        return self.distinct is not None and all(value in values for value in self.distinct)

    @property
    def contents(self) -> str:
        """What the column holds, in words."""
        kinds = {"text": "texts", "boolean": "true and false", "whole": "whole numbers"}
        return kinds.get(self.values) or f"nothing but {_listed(self.distinct).replace(', ', ' and ')}"


def decide(
    facts: ColumnFacts, reading: ScoreReading, labels: Sequence[Any] | None, *, are_labels: bool = False
) -> Callable[[Any], bool] | None:
    """None where the answers are scores; where they are labels, which of them is the positive one.

    labels: the values of the label column, None where they are unknown. are_labels: that is known already. Raises DataError where labels will not do, where
    their coding is not that of the label column, and where it is unclear what the answers are.
    """
    if facts.distinct == ():
        return None
    if not (are_labels or _are_labels(facts, reading, labels)):
        if reading.output.label is not None and facts.chosen is None:
            raise DataError(
                f"{facts.source} holds scores, and whether they are those of the class {reading.output.label!r}, which "
                "`output: {class: …}` names, is unclear",
                remedy=f"write output: {{column: {yaml_text(facts.name)}}}, which is then the score of the positive class",
            )
        _refuse_other_side(facts, reading)
        return None
    if reading.need_scores:
        raise _labels_only(facts)
    return _positive_of(facts, reading, labels)


def _are_labels(facts: ColumnFacts, reading: ScoreReading, labels: Sequence[Any] | None) -> bool:
    """Whether the answers are labels. Raises DataError where it is unclear and makes a difference."""
    codes = _known_codes(reading, labels)
    if facts.values in ("text", "boolean") or facts.from_classifying:
        return True
    if facts.from_scoring:
        return False
    if facts.chosen is not None or facts.recorded:
        return _chosen_are_labels(facts, reading, codes)
    if reading.output.label is not None and facts.integral and facts.distinct is not None:
        return True
    if facts.within(codes):
        return _coded_are_labels(facts, reading)
    if not facts.integral:
        return False
    own = facts.classes is not None and facts.within(facts.classes)
    if not own and not _may_be_codes(facts, reading, codes):
        return False
    if own and facts.estimator is not None:
        return True
    raise _unclear(facts, "whole numbers that may be scores, or labels in another coding than the label column has")


def _known_codes(reading: ScoreReading, labels: Sequence[Any] | None) -> list[Any]:
    """The values that labels of this task may have."""
    codes = [*(labels or ()), reading.positive]
    return [*codes, 0, 1] if len(set(codes)) < 2 or {0, 1} >= set(codes) else codes


def _chosen_are_labels(facts: ColumnFacts, reading: ScoreReading, codes: Sequence[Any]) -> bool:
    """Of a column that the pipeline names, or that is the positive class's: its floats are believed to be scores."""
    two = facts.within([0, 1]) or (facts.chosen != "class" and facts.within(codes))
    both = facts.distinct is not None and len(facts.distinct) == 2
    believed = facts.chosen == "column" or (facts.chosen == "class" and reading.output.label is not None)
    if two and facts.values == "whole":
        return True
    if facts.recorded and both and not (two or believed) and _may_be_codes(facts, reading, codes):
        raise _unclear(
            facts, "two whole numbers that may be scores, or labels in another coding than the label column has"
        )
    return two and both and reading.need_scores and not believed


def _coded_are_labels(facts: ColumnFacts, reading: ScoreReading) -> bool:
    """Of numbers that are all labels of the task: whether they are meant so."""
    distinct = facts.distinct or ()
    if facts.values == "whole" or len(distinct) > 1:
        return True
    if reading.need_scores or (
        reading.threshold is not None and (distinct[0] >= reading.threshold) != (distinct[0] == reading.positive)
    ):
        raise _unclear(facts, f"{distinct[0]!r} in every row, which may be a score or a label")
    return True


def _may_be_codes(facts: ColumnFacts, reading: ScoreReading, codes: Sequence[Any]) -> bool:
    """Whether whole numbers that are no labels of the task could be labels all the same, in another coding."""
    if not facts.integral or facts.distinct is None or len(facts.distinct) > _FEW:
        return False
    if reading.threshold is not None and reading.threshold > 1:  # no label is held against a threshold
        return False
    return any(value in codes or value in _USUAL_CODES for value in facts.distinct)


def _positive_of(facts: ColumnFacts, reading: ScoreReading, labels: Sequence[Any] | None) -> Callable[[Any], bool]:
    """Which labels of the model are the positive one. Raises DataError where its coding is not that of the label column."""
    if facts.chosen == "class":
        return lambda value: bool(value == 1)  # a column for each class, 1 in that of the row's class
    universe = tuple((facts.classes if facts.from_classifying else facts.distinct) or ())
    if reading.output.label is not None:
        return _named_label(facts, reading.output.label, universe)
    positive = reading.positive
    expected = [*(labels or ()), *([] if positive in (labels or ()) else [positive])]
    if _same_coding(universe, expected, positive):
        return lambda value: bool(value == positive)
    by_text = {_spelled(value): value for value in expected}
    if len(by_text) == len(expected) > 1 and all(_spelled(value) in by_text for value in universe):
        return lambda value: _spelled(value) == _spelled(positive)
    among = f"the label column {_listed(labels)}, and " if labels else ""
    raise DataError(
        f"{facts.source} holds class labels ({_listed(universe)}), {among}`positive` is {positive!r}: "
        + (
            "no answer could be positive"
            if positive not in universe
            else "whether the two codings mean the same is unclear"
        ),
        remedy=f"{_which_class(universe)}; or let the model answer with the labels of the label column",
    )


def _same_coding(universe: Sequence[Any], expected: Sequence[Any], positive: Any) -> bool:
    """Whether the model's labels are those of the label column, as far as these are expected."""
    text = isinstance(positive, str)
    if any(isinstance(value, str) != text for value in universe):
        return False
    if all(value in expected for value in universe):
        return True
    if positive not in universe:
        return len(universe) == 1 and len(expected) < 2 and (text or universe[0] in _USUAL_CODES)
    # Words mean what they say, and a model of more classes than the data has may know all of the data's.
    return text or len(expected) < 2 or all(value in universe for value in expected)


def _named_label(facts: ColumnFacts, label: Any, universe: Sequence[Any]) -> Callable[[Any], bool]:
    spelled = _spelled(label)
    if len(universe) > 1 and spelled not in {_spelled(value) for value in universe}:
        raise DataError(
            f"{facts.source} holds the class labels {_listed(universe)}, and none is {label!r}, which "
            "`output: {class: …}` names",
            remedy=_which_class(universe),
        )
    return lambda value: _spelled(value) == spelled


def _refuse_other_side(facts: ColumnFacts, reading: ScoreReading) -> None:
    """Refuse a score of the last of two classes where the positive one is the first."""
    classes = [_spelled(value) for value in facts.classes or ()]
    if (
        facts.chosen is None
        and facts.method == "decision_function"
        and len(classes) == 2
        and classes[0] == _spelled(reading.positive)
    ):
        raise DataError(
            f"{facts.source} is the decision function of the class {classes[1]}, the last of the model's classes, and "
            f"`positive` is {reading.positive!r}",
            remedy="write output: {method: predict_proba}, or the other class as positive",
        )


def _labels_only(facts: ColumnFacts) -> DataError:
    believed = facts.values == "float" or (facts.values == "whole" and facts.chosen is None and not facts.recorded)
    hint = f"; if these are scores, write output: {{column: {yaml_text(facts.name)}}}" if believed else ""
    return DataError(
        f"{facts.source} holds class labels ({facts.contents}), and scores are needed, "
        "which auc, average_precision, log_loss and brier are made of",
        remedy=("name a column of scores" if facts.recorded else PROBABILITIES) + hint,
    )


def _unclear(facts: ColumnFacts, problem: str) -> DataError:
    return DataError(
        f"{facts.source} holds {problem} ({_listed(facts.distinct or ())})",
        remedy=f"if these are scores, write output: {{column: {yaml_text(facts.name)}}}; if they are labels, "
        + _which_class(facts.distinct or ()),
    )


def _which_class(values: Sequence[Any]) -> str:
    """The remedy that lets the pipeline say which answer means the positive class: all are named, none is advised."""
    texts = [_written(value) for value in sorted(values, key=_order)]
    if len(texts) == 1:
        return f"write output: {{class: {texts[0]}}} if the answer {texts[0]} means `positive`"
    lines = " or ".join(f"output: {{class: {text}}}" for text in texts[:3]) or "output: {class: …}"
    more = ", …" if len(texts) > 3 else ""
    return f"write which of the answers {' and '.join(texts[:3])}{more} means `positive`: {lines}{more}"


def _spelled(value: Any) -> str:
    """A label as a text that other types spell alike: `1` for 1, 1.0 and "1"; `true` for true and "True"."""
    text = class_text(value).strip()
    return text.lower() if text in ("True", "False", "TRUE", "FALSE") else text


def _listed(values: Sequence[Any] | None) -> str:
    texts = [repr(value)[:40] for value in sorted(values or (), key=_order)]
    return ", ".join(texts[:5]) + (", …" if len(texts) > 5 else "")


def _order(value: Any) -> tuple[bool, float, str]:
    text = isinstance(value, str)
    return text, 0.0 if text else float(value), str(value)


def _written(value: Any) -> str:
    """A value as YAML."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else class_text(value)
