"""Check the columns of the data that are no features: id, label, weight, cluster, query, slices, known scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.dataset import Dataset
from lockgate.data.slices.slice import resolved
from lockgate.data.stored_columns import column_of
from lockgate.errors import DataError
from lockgate.evaluation.scoring.column import Column, wrong
from lockgate.evaluation.scoring.group_columns import Codes, QuantileLabels, SliceLabels
from lockgate.evaluation.scoring.id_column import Ids
from lockgate.evaluation.scoring.label_columns import Classes, Labels, Numbers, RecordedScores, Relevance, Scores
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.model import Task


class CheckedColumns(NamedTuple):
    """rows: their number. columns: column of the scored table → its values. label_values: the distinct labels of two."""

    rows: int
    columns: dict[str, pa.Array | pa.ChunkedArray]
    label_values: tuple[Any, ...] | None


def checked_rows(
    dataset: Dataset,
    *,
    task: Task,
    positive: Any,
    salt: bytes,
    scores: Mapping[str, str | Mapping[str, str]],
    classes: Sequence[str] = (),
    readers: Mapping[str, AnswerReader] | None = None,
) -> CheckedColumns:
    """All that the data itself says.

    scores: role → data column, or class → data column where there are several classes. readers: of roles whose scores are
    one column, which say what it holds; by default class labels will do. Raises DataError, which counts the rows at fault
    and names the first by its number, and never quotes an id.
    """
    columns = _columns(
        dataset, task=task, positive=positive, salt=salt, scores=scores, classes=classes, readers=readers or {}
    )
    purposes = {name: column.purpose for column in reversed(columns.values()) for name in column.needs}
    dataset.need(purposes)
    if not purposes:
        return CheckedColumns(dataset.count(), {}, None)
    rows = 0
    for batch in dataset.batches(list(purposes)):
        for column in columns.values():
            column.add(batch, rows)
        rows += batch.num_rows
    sources = {name: (column.purpose, column_of(column.needs[0])) for name, column in columns.items()}
    labels = columns.get("label")
    done = {name: columns.pop(name).done() for name in list(columns)}  # each column's parts go as it is made
    if "query" in done:
        _refuse_split_queries(dataset, done, sources)
    _refuse_large_crossings(dataset, done)
    return CheckedColumns(rows, done, labels.values if isinstance(labels, Labels) else None)


def _columns(
    dataset: Dataset,
    *,
    task: Task,
    positive: Any,
    salt: bytes,
    scores: Mapping[str, str | Mapping[str, str]],
    classes: Sequence[str],
    readers: Mapping[str, AnswerReader],
) -> dict[str, Column]:
    """The columns of the scored table that are made of the data's own."""
    spec = dataset.spec
    columns: dict[str, Column] = {}
    if spec.id is not None:
        columns["id"] = Ids(dataset, spec.id, salt=salt, keep=spec.keep_ids)
    if spec.label is not None:
        if task == "multiclass":
            columns["label"] = Classes(dataset, spec.label, "label", classes)
        elif task == "binary":
            columns["label"] = Labels(dataset, spec.label, positive=positive)
        elif task == "ranking":
            columns["label"] = Relevance(dataset, spec.label)
        else:
            columns["label"] = Numbers(dataset, spec.label, "label", remedy="a regression needs a number a row")
    if spec.weight is not None:
        columns["weight"] = Numbers(dataset, spec.weight, "weight", floor=0.0, remedy="weights are numbers from 0 on")
    if spec.cluster is not None:
        columns["cluster"] = Codes(
            dataset, spec.cluster, "cluster", remedy="give each row that belongs to no other a cluster of its own"
        )
    queries = None
    if spec.query is not None and task == "ranking":
        columns["query"] = queries = Codes(dataset, spec.query, "query", remedy="give every row the query it answers")
    for role, source in scores.items():
        if not isinstance(source, str):
            columns[role] = Scores(dataset, source, role, classes)
        elif task == "multiclass":
            columns[role] = Classes(dataset, source, f"{role}'s answer", classes)
        elif task == "binary":
            columns[role] = RecordedScores(
                dataset, source, role, labels=columns.get("label"), reader=readers.get(role), positive=positive
            )
        else:
            columns[role] = Numbers(dataset, source, f"{role}'s score", remedy="each row needs a finite score")
    for declared in dataset.slices:
        if declared.columns:
            quantiles = declared.kind == "quantiles"
            columns[declared.name] = (
                QuantileLabels(dataset, declared, queries) if quantiles else SliceLabels(dataset, declared)
            )
    return columns


def _refuse_split_queries(
    dataset: Dataset, columns: Mapping[str, pa.Array | pa.ChunkedArray], sources: Mapping[str, tuple[str, str]]
) -> None:
    """Refuse a query whose rows differ in weight, cluster or slice: it is judged as a whole."""
    queries = arrays.to_numpy(columns["query"])
    first = arrays.firsts(queries)[queries] if queries.size else queries
    for name, (purpose, column) in sources.items():
        if name in ("id", "label", "query", "candidate", "champion"):
            continue
        stored = columns[name]
        values = arrays.to_numpy(stored.indices if pa.types.is_dictionary(stored.type) else stored)
        split = values != values[first]
        if split.any():
            row = int(split.argmax())
            earlier, later = dataset.row(int(first[row]) + 1), dataset.row(row + 1)
            raise wrong(
                dataset, purpose, column, f"differs within a query: {earlier} and {later} are of one query",
                remedy="a query is judged as a whole: name a column that says something of the query, not of its rows",
            )  # fmt: skip


def _refuse_large_crossings(dataset: Dataset, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> None:
    for declared in resolved(dataset.slices):
        if not declared.parts:
            continue
        coded = []
        for part in declared.parts:
            column = columns[part.name]
            coded.append((tuple(column.dictionary.to_pylist()), arrays.to_numpy(column.indices)))
        labels, _ = declared.combine(coded)
        count, most = len(labels) - (declared.rest in labels), declared.most or 0
        if count > most:
            names = " and ".join(part.name for part in declared.parts)
            raise DataError(
                f"data {dataset.name!r}: slice {declared.name!r}: crossing {names} gives {count:,} slices, and at most "
                f"{most:,} are judged",
                remedy="cross slices of fewer values, or write a larger max: each is judged alone",
            )
