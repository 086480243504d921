"""Name the classes of a label column, and compare them with those that a model scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lockgate.data.slices.names import value_text
from lockgate.errors import DataError, guess

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset

MOST = 1000


def plain_number(value: Any) -> Any:
    """A value of a column as a pipeline writes it: an int or a float for a decimal, any other as it is."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def class_text(value: Any) -> str:
    """A class as a text: `fraud`, `3` for 3, 3.0 and a decimal 3.00, `true`."""
    value = plain_number(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else value_text(value)


def in_order(values: Iterable[Any]) -> tuple[str, ...]:
    """Distinct classes as scikit-learn orders them: numbers by size, texts by letter."""
    by_text = {class_text(value): value for value in values}
    numbers = all(isinstance(value, int | float) for value in by_text.values())
    return tuple(sorted(by_text, key=lambda text: (by_text[text] if numbers else 0, text)))


def label_values(dataset: Dataset, *, most: int) -> dict[Any, None] | None:
    """The distinct values of the label column, in order of appearance; None for numbers of which there are more than `most`.

    Raises DataError where it is no label of classes.
    """
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays

    column = dataset.spec.label
    if column is None:
        raise DataError(
            f"data {dataset.name!r} names no label, and the classes are not known without it",
            remedy="name its label column, or write classes: [a, b, c] into the pipeline",
        )
    dataset.need({column: "label"})
    distinct: dict[Any, None] = {}
    for batch in map(dataset.typed, dataset.batches([column])):
        values = batch.column(0)
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if not arrays.is_class(kind):
            raise DataError(
                f"data {dataset.name!r}: the label (column {column!r}) holds {arrays.type_text(kind)}",
                remedy="a class is a text, a whole number, or true or false",
            )
        distinct |= dict.fromkeys(map(plain_number, arrays.distinct(values)))
        if len(distinct) > most:
            if any(isinstance(value, int | float) for value in distinct):
                return None
            raise _too_many(dataset, most)
    return distinct


def label_classes(dataset: Dataset) -> tuple[str, ...]:
    """The classes that the label column holds, in order. Raises DataError where it is no label of several classes."""
    distinct = label_values(dataset, most=MOST)
    if distinct is None:
        raise _too_many(dataset, MOST)
    if len(distinct) < 2:
        listed = ", ".join(in_order(distinct)) or "nothing"
        raise DataError(
            f"data {dataset.name!r}: the label (column {dataset.spec.label!r}) holds one class alone ({listed})",
            remedy="write classes: [a, b, c] into the pipeline, all that the models know",
        )
    return in_order(distinct)


def _too_many(dataset: Dataset, most: int) -> DataError:
    return DataError(
        f"data {dataset.name!r}: the label (column {dataset.spec.label!r}) holds more than {most:,} classes",
        remedy="write task: regression for a number, or name the column that holds the class",
    )


def mismatch(scored: Sequence[str], classes: Sequence[str], *, who: str) -> DataError | None:
    """Why classes that somebody scores are not those that there are; None where they are. Their order is free."""
    unscored = [name for name in classes if name not in scored]
    unknown = [name for name in scored if name not in classes]
    if not unscored and not unknown:
        return None
    if unscored:
        message = f"{who} scores no class {unscored[0]!r}; it scores {', '.join(scored[:20])}"
    else:
        message = f"{who} scores the class {unknown[0]!r}, which is none; known: {', '.join(classes[:20])}"
        message += guess(unknown[0], classes)
    return DataError(
        message,
        remedy="write classes: [a, b, c] into the pipeline, all that the models know, in the order of their answer "
        "where its columns have no names",
    )
