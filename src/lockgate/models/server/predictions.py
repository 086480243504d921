"""Whether an answer holds one prediction a row: all of them where rows are scored, and those of a load behind its clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lockgate.models.json_rows import UnusableAnswer, missing_prediction, other_kind, refuse_error, reported_error
from lockgate.models.safe_text import RowText
from lockgate.models.server.answer_text import UnreadableAnswer, decompressed, read_document

NO_PREDICTION = "an answer with a status of 2xx is no prediction"
_EXCERPT_LENGTH = 120
_READ_LENGTH = 64 * 2**10

ReadPredictions = Callable[[Any, int], pa.RecordBatch]


@dataclass(frozen=True)
class LoadAnswer:
    """What a request under load was answered with: two headers, empty where there were none, and the body's bytes."""

    encoding: str
    content_type: str
    body: bytes


def read_predictions_of(document: Any, rows: int, *, read: ReadPredictions) -> pa.RecordBatch:
    """Return one prediction a row. read: a protocol's `answer`. Raises UnusableAnswer, also where an error stands beside them."""
    try:
        answer = read(document, rows)
    except UnusableAnswer as bad:
        error = reported_error(document)
        if error is None or bad.quoted:
            raise
        raise UnusableAnswer(f"{bad}, but the error: {error}", quoted=error) from bad
    refuse_error(document)
    return answer


def moved_column(answer: pa.RecordBatch, rows: pa.RecordBatch) -> str | None:
    """Name a column of the answer that holds the values sent under its name in another order.

    None where there is none, and where another one, of distinct values, stands in place.
    """
    moved = None
    for name in answer.schema.names:
        if rows.schema.names.count(name) == 1:
            own, sent = (list(map(str, batch.column(name).to_pylist())) for batch in (answer, rows))
            if own == sent and len(set(sent)) == len(sent):
                return None
            moved = str(name) if moved is None and own != sent and Counter(own) == Counter(sent) else moved
    return moved


def load_problem(
    answer: LoadAnswer, rows: int, *, read: ReadPredictions, verified: Mapping[str, str], quotable: RowText
) -> str | None:
    """Return why an answer with a status of 2xx is no prediction for so many rows; None where it is one.

    verified: the `value_kinds` of an answer that was read before the load. quotable: what may be quoted of the server's texts.
    """
    try:
        document = read_document(answer.body, encoding=answer.encoding, content_type=answer.content_type)
        predictions = read_predictions_of(document, rows, read=read)
    except UnreadableAnswer as bad:
        return f"it is {bad}{_excerpt(answer, quotable)}"
    except UnusableAnswer as bad:
        return without_rows(bad, quotable)
    return missing_prediction(predictions) or other_kind(predictions, verified)


def without_rows(bad: UnusableAnswer, quotable: RowText) -> str:
    """Return the text of what is wrong, of which the server's own words quote no rows."""
    return str(bad).replace(bad.quoted, quotable.body(bad.quoted)) if bad.quoted else str(bad)


def _excerpt(answer: LoadAnswer, quotable: RowText) -> str:
    """How a body begins, as the end of a sentence; nothing where it is compressed and cannot be read."""
    try:
        plain = decompressed(answer.body, encoding=answer.encoding)
    except UnreadableAnswer:
        return ""
    text = plain[:_READ_LENGTH].decode("utf-8", "replace").strip()
    readable = sum(character.isprintable() or character.isspace() for character in text[:_EXCERPT_LENGTH])
    if readable < 0.95 * len(text[:_EXCERPT_LENGTH]):
        return ""
    text = quotable.body(text)
    return f": {text[:_EXCERPT_LENGTH]}{' …' if len(text) > _EXCERPT_LENGTH else ''}" if text else ""
