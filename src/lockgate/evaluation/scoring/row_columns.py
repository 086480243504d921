"""Check the columns of the data that are no features: id, label, weight, cluster, query, slices, known scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.dataset import Dataset
from lockgate.data.slices.slice import resolved
from lockgate.data.slices.spec import TIME
from lockgate.data.stored_columns import column_of
from lockgate.errors import DataError
from lockgate.evaluation.labelling.request_times import Times
from lockgate.evaluation.scoring.column import Column, wrong
from lockgate.evaluation.scoring.group_columns import Codes, QuantileLabels, SliceLabels
from lockgate.evaluation.scoring.id_column import Ids
from lockgate.evaluation.scoring.label_columns import Classes, Labels, Numbers, RecordedScores, Relevance, Scores
from lockgate.evaluation.scoring.repeated_rows import RepeatedRows
from lockgate.evaluation.shadow.answer_pairs import Agreement, Answered, AnswerForm
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.model import Task

_MOST = 1e150  # whose square is a number still


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
    may_fail: bool = False,
    timed: bool = False,
    forms: Collection[AnswerForm] = (),
) -> CheckedColumns:
    """All that the data itself says.

    scores: role → data column, or class → data column where there are several classes. readers: of roles whose scores are
    one column, which say what it holds; by default class labels will do. may_fail: rows may lack a score, as a request its
    answer. timed: with the time of each row. forms: in which answers that are texts are compared, besides as they are. Raises DataError, which counts the rows at fault
    and names the first by its number, and never quotes an id.
    """
    columns = _columns(
        dataset, task=task, positive=positive, salt=salt, scores=scores, classes=classes, readers=readers or {},
        may_fail=may_fail, forms=forms,
    )  # fmt: skip
    if timed and dataset.spec.time is not None:
        columns[TIME] = Times(dataset, dataset.spec.time)
    purposes = {name: column.purpose for column in reversed(columns.values()) for name in column.needs}
    dataset.need(purposes)
    if not dataset.columns:
        return CheckedColumns(dataset.count(), {}, None)
    rows, repeated = 0, RepeatedRows()
    for batch in map(dataset.typed, dataset.batches(*_read_with(dataset, purposes))):
        for column in columns.values():
            column.add(batch, rows)
        repeated.add(batch.select([name for name in batch.schema.names if column_of(name) != dataset.spec.id]))
        rows += batch.num_rows
    dataset.repeated, dataset.copies = repeated.count()
    _refuse_repeated(dataset, rows)
    sources = {name: (column.purpose, column_of(column.needs[0])) for name, column in columns.items()}
    labels = columns.get("label")
    done = {name: columns.pop(name).done() for name in list(columns)}  # each column's parts go as it is made
    if "query" in done:
        _refuse_split_queries(dataset, done, sources)
    _refuse_large_crossings(dataset, done)
    return CheckedColumns(rows, done, labels.values if isinstance(labels, Labels) else None)


def _read_with(dataset: Dataset, purposes: Mapping[str, str]) -> tuple[list[str], int]:
    """(the columns with a purpose and all others, once each; at most how many rows at a time: few where values may be long)."""
    others = set(dataset.columns) - set(map(column_of, purposes))
    names = [*purposes, *(name for name in dataset.columns if name in others)]
    kinds = [dataset.schema.field(column_of(name)).type for name in names]
    long = any(
        pa.types.is_nested(kind) or not (arrays.has_text(kind) or pa.types.is_dictionary(kind)) for kind in kinds
    )
    return names, min(65_536, max(1_024, (1 << 19) // len(names))) if long else 65_536


def _refuse_repeated(dataset: Dataset, rows: int) -> None:
    """Refuse more rows that repeat an earlier one than the data may have by `max_repeated`."""
    most, repeated = dataset.spec.max_repeated, dataset.repeated or 0
    if most is not None and repeated > most * rows:
        raise DataError(
            f"data {dataset.name!r}: {repeated:,} of {rows:,} rows repeat an earlier one, and at most {most:.4g} of them may",
            remedy="a row that counts twice looks like more evidence than there is: leave repeated rows out, or name their id",
        )


def _columns(
    dataset: Dataset,
    *,
    task: Task,
    positive: Any,
    salt: bytes,
    scores: Mapping[str, str | Mapping[str, str]],
    classes: Sequence[str],
    readers: Mapping[str, AnswerReader],
    may_fail: bool,
    forms: Collection[AnswerForm],
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
            columns["label"] = Numbers(
                dataset, spec.label, "label", most=_MOST, remedy="a regression needs a number a row"
            )
    if spec.weight is not None:
        columns["weight"] = Numbers(
            dataset, spec.weight, "weight", floor=0.0, most=_MOST, remedy="weights are numbers from 0 on"
        )
    if spec.cluster is not None:
        columns["cluster"] = Codes(
            dataset, spec.cluster, "cluster", remedy="give each row that belongs to no other a cluster of its own"
        )
    queries = None
    if spec.query is not None and task == "ranking":
        columns["query"] = queries = Codes(dataset, spec.query, "query", remedy="give every row the query it answers")
    for role, source in scores.items():
        if not isinstance(source, str):
            columns[role] = Scores(dataset, source, role, classes, may_lack=may_fail)
        elif task == "multiclass":
            columns[role] = Classes(dataset, source, f"{role}'s answer", classes, may_lack=may_fail)
        elif task == "binary":
            columns[role] = RecordedScores(
                dataset, source, role, labels=columns.get("label"), reader=readers.get(role), positive=positive,
                may_lack=may_fail,
            )  # fmt: skip
        elif task == "text":
            columns |= _answers(dataset, str(role), source, scores.get("candidate"), forms)
        else:
            remedy = "each row needs a finite score"
            columns[role] = Numbers(dataset, source, f"{role}'s score", remedy=remedy, may_lack=may_fail)
    for declared in dataset.slices:
        if declared.columns:
            quantiles = declared.kind == "quantiles"
            columns[declared.name] = (
                QuantileLabels(dataset, declared, queries)
                if quantiles
                else SliceLabels(dataset, declared, hidden=spec.hash, salt=salt)
            )
    return columns


def _answers(
    dataset: Dataset, role: str, column: str, candidate: str | Mapping[str, str] | None, forms: Collection[AnswerForm]
) -> dict[str, Column]:
    """The columns of recorded texts of a role, those of the champion beside the candidate's."""
    if role == "candidate" or not isinstance(candidate, str):
        return {role: Answered(column, role)}
    return {form.column: Agreement(dataset, candidate, column, form) for form in sorted({AnswerForm(), *forms})}


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
