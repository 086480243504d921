"""Recorded requests, of which some fail without taking others with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.errors import DataError, ModelFault
from lockgate.evaluation.scoring.replay import replay
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.model import Output, ScoreReading


class Picky:
    """Scores x; raises where a batch holds a negative x, answers NaN for zero, dies at 99."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.calls += 1
            values = batch.column("x").to_pylist()
            if 99.0 in values:
                raise ModelFault("the model was killed")
            if any(value < 0 for value in values):
                raise ModelFault("ValueError: negative", alive=True)
            yield pa.RecordBatch.from_pydict({"p": [float("nan") if value == 0 else value / 10 for value in values]})


def ask(model: Any, values: list[float], *, size: int = 5, failed_once: list[None] | None = None) -> list[float]:
    batches = [pa.RecordBatch.from_pydict({"x": values[start : start + size]}) for start in range(0, len(values), size)]
    reader = AnswerReader(ScoreReading(Output(), "binary", 1, need_scores=True), may_fail=True)
    once = [] if failed_once is None else failed_once
    parts = list(replay(model, reader, failed_once=lambda: once.append(None))(iter(batches)))
    return [float(score) for score in reader.finish(np.concatenate([*parts, np.zeros(0)]))]


@settings(deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 3.0, 7.0]), max_size=40), st.integers(1, 9))
def test_only_the_failing_requests_have_no_score(values: list[float], size: int) -> None:
    """Whatever they stand beside, each request's answer is its own."""
    expected = [value / 10 if value > 0 else np.nan for value in values]

    np.testing.assert_array_equal(ask(Picky(), values, size=size), expected)


@pytest.mark.parametrize(
    ("fails", "once", "unanswered"),
    [
        (lambda call, rows: call == 1, 1, 0),
        (lambda call, rows: call in (1, 2), 1, 0),
        (lambda call, rows: call in (1, 2, 3, 4), 0, 1),
        (lambda call, rows: rows > 4, 0, 0),
        (lambda call, rows: rows > 4 or call == 3, 1, 0),
        (lambda call, rows: rows > 4 or rows == 1, 0, 0),
    ],
)
def test_a_batch_that_fails_once_is_counted(fails: Callable[[int, int], bool], once: int, unanswered: int) -> None:
    """One that fails again without a request to blame is too large, or its rows fail together."""

    class Flaky(Picky):
        def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                if fails(self.calls + 1, batch.num_rows):
                    self.calls += 1
                    raise ModelFault("busy", alive=True)
                yield from super().predict([batch])

    noted: list[None] = []
    answers = ask(Flaky(), [float(value) for value in range(1, 9)], size=8, failed_once=noted)

    assert (len(noted), sum(map(np.isnan, answers))) == (once, unanswered)


def test_a_missing_score_costs_no_further_call() -> None:
    """NaN in an answer is known by its row."""
    model = Picky()
    ask(model, [3.0, 0.0, 7.0, 0.0], size=4)

    assert model.calls == 1


def test_of_several_classes_it_is_kept_which_one_was_decided() -> None:
    """From scores or from labels alike; a class that is none is a request without an answer."""

    class Shares:
        def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                x = batch.column("x").to_pylist()
                rows = [[value, 0.5, 0.4] for value in x]
                yield pa.RecordBatch.from_pydict(
                    {name: [row[place] for row in rows] for place, name in enumerate("bca")}
                )

    class Names:
        def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                known = {1.0: "b", 0.0: "c"}
                yield pa.RecordBatch.from_pydict({"p": [known.get(x, "?") for x in batch.column("x").to_pylist()]})

    batches = [pa.RecordBatch.from_pydict({"x": [1.0, 0.0, float("nan")]})]
    for model in (Shares(), Names()):
        asked: Any = model
        reading = ScoreReading(Output(), "multiclass", None, need_scores=False, classes=("a", "b", "c"))
        how = replay(asked, AnswerReader(reading, may_fail=True), failed_once=lambda: None)
        np.testing.assert_array_equal(np.concatenate(list(how(iter(batches)))), [1.0, 2.0, np.nan])


def test_a_process_that_broke_is_not_asked_on() -> None:
    """The fault itself comes out."""
    with pytest.raises(ModelFault, match="killed"):
        ask(Picky(), [3.0, 99.0])


def test_class_labels_where_scores_are_needed_are_refused() -> None:
    """A mistake of the pipeline, not a thousand failed requests."""

    class Labels:
        def predict(self, batches: Iterable[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield pa.RecordBatch.from_pydict({"p": [1] * batch.num_rows})

    with pytest.raises(DataError, match="class labels"):
        ask(Labels(), [3.0, 7.0])
