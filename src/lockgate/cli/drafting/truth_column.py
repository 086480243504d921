"""Tell which column of data holds the truth where nobody says it: by its name, its values, and what the model is given."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockgate.data.class_labels import label_values, plain_number
from lockgate.errors import LockgateError

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset

_NAMES = ("label", "target", "y", "y_true", "truth", "ground_truth", "outcome", "labels", "class")
_LAST = frozenset(["label", "labels", "target", "truth", "outcome"])  # in `churn_label`, `isTarget`
_ANSWER = frozenset(
    [
        "pred",
        "predicted",
        "prediction",
        "score",
        "scores",
        "prob",
        "proba",
        "probability",
        "hat",
        "candidate",
        "champion",
    ]
)
_PREFIXES = frozenset(["is", "has", "had", "was", "were", "did", "does", "will"])
_EVENTS = frozenset(
    ["abandoned", "accepted", "approved", "attrition", "bad", "bought", "canceled", "cancelled", "chargeback", "churn",
     "churned", "click", "clicked", "converted", "conversion", "converts", "default", "defaulted", "delinquent",
     "deceased", "died", "disease", "event", "exited", "failed", "failure", "fraud", "fraudulent", "hired", "late",
     "malignant", "paid", "passed", "purchased", "readmitted", "recovered", "rejected", "relapsed", "renewed", "repaid",
     "responded", "response", "retained", "returned", "spam", "subscribed", "survived", "toxic", "won"]
)  # fmt: skip
_USUAL = frozenset(
    ["cost", "demand", "diagnosis", "digit", "grade", "income", "price", "quality",
     "rating", "revenue", "salary", "sales", "sentiment", "species"]
)  # fmt: skip
_CLEAR = 2  # the last rank of names that is clear by itself
_MOST_CLASSES = 50  # of a text that may be the truth, and of any label where nobody says what the task is
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TRUTH_VALUES = ({0, 1}, {-1, 1}, {"0", "1"}, {"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"})


@dataclass(frozen=True)
class Truth:
    """The column that holds the truth, None where nothing says which; maybe: those that it may be then.

    named: whether those are called as a truth may be, and not only hold two values.
    """

    column: str | None = None
    maybe: tuple[str, ...] = ()
    named: bool = False


def truth_column(
    table: pa.Table, *, not_among: Collection[str], classes: bool, inputs: Collection[str] | None
) -> Truth:
    """The truth of a table. not_among: columns that are something else. classes: whether it is of two classes.

    inputs: the names of what the model is given, none of which is the truth; None where nobody knows. Where names say
    nothing, it is the one column that the model is not given.
    """
    names = [name for name in table.column_names if name not in not_among and not _ANSWER & set(_words(name))]
    names = [name for name in names if name not in (inputs or ())]
    usual = next((name for word in _NAMES for name in names if name.casefold() == word), None)
    if usual is not None:
        return Truth(usual)
    twofold = {name: values for name in names if classes and (values := _classes(table.column(name))) is not None}
    left = [] if inputs is None else [name for name in names if _may_be_truth(table.column(name))]
    ranks = [
        [name for name in names if _words(name)[-1:] and _words(name)[-1] in _LAST],
        [name for name in twofold if _EVENTS & set(_words(name))],
        [name for name in twofold if _words(name)[:1] and _words(name)[0] in _PREFIXES],
        [name for name, values in twofold.items() if values in _TRUTH_VALUES],
        [name for name in left if _USUAL & set(_words(name))],
        left,
    ]
    rank = next((number for number, rank in enumerate(ranks) if rank), None)
    if rank is None:
        return Truth()
    if len(ranks[rank]) == 1 and (rank <= _CLEAR or inputs is not None):
        return Truth(ranks[rank][0])
    return Truth(maybe=tuple(ranks[rank]), named=inputs is not None or rank <= _CLEAR)


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name)]


def distinct(column: pa.ChunkedArray) -> pa.Array:
    """The values of a column, each once, in order of appearance; none of a type whose values Arrow cannot tell apart."""
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays

    try:
        return arrays.comparable(column).unique()
    except pa.ArrowNotImplementedError:  # of lists and the like
        return pa.nulls(0)


def two_values(column: pa.ChunkedArray) -> list[Any]:
    """The two values of a column; [] where it holds fewer or more."""
    values = distinct(column)
    if len(values) > 4:  # with null and NaN
        return []
    plain = [plain_number(value) for value in values.to_pylist() if value is not None and value == value]
    return plain if len(plain) == 2 else []


def _classes(column: pa.ChunkedArray) -> set[object] | None:
    """The two values of a column, texts in small letters; None where it holds fewer or more."""
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays

    kind = arrays.plain_type(column.type)
    if not (arrays.is_text(kind) or pa.types.is_boolean(kind) or arrays.is_number(kind)):
        return None
    return {value.strip().casefold() if isinstance(value, str) else value for value in two_values(column)} or None


def _may_be_truth(column: pa.ChunkedArray) -> bool:
    """Whether a column holds numbers, or few texts."""
    from lockgate.data import arrow_arrays as arrays

    return arrays.is_number(arrays.plain_type(column.type)) or 2 <= len(distinct(column)) <= _MOST_CLASSES


def guess_task(dataset: Dataset) -> str:
    """The task that fits the label's values: a few names or whole numbers are classes. binary where they cannot be read."""
    try:
        values = label_values(dataset, most=_MOST_CLASSES)
    except LockgateError:
        return "binary"
    if values is None or any(isinstance(value, float) and not value.is_integer() for value in values):
        return "regression"
    return "multiclass" if len(values) > 2 else "binary"
