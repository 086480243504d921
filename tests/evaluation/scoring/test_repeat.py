"""Rows that are sent again: what cannot be repeated, what depends on its batch, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.errors import ModelFault
from lockgate.evaluation.judging.gate_summary import unrepeatable
from lockgate.evaluation.scoring.repeat import RepeatCheck


def asked(score: Any, *, rows: int = 3000, size: int = 700) -> tuple[RepeatCheck, list[float], list[int]]:
    """(the check, what was answered, rows of each batch that was sent)."""
    check, sent = RepeatCheck(), list[int]()

    def scores(batches: Iterator[pa.RecordBatch]) -> Iterator[Any]:
        for batch in batches:
            sent.append(batch.num_rows)
            yield score(np.array(batch.column("x").to_pylist()))

    data = [
        pa.RecordBatch.from_pydict({"x": [float(x) for x in range(start, min(start + size, rows))]})
        for start in range(0, rows, size)
    ]
    answers = np.concatenate([*check.around(scores)(iter(data)), np.zeros(0)])
    return check, answers.tolist(), sent


def test_one_row_of_a_hundred_is_sent_twice_more() -> None:
    """As one batch, spread over the data; the answers themselves are those of the first time."""
    check, answers, sent = asked(lambda x: x / 3000)

    assert answers == [x / 3000 for x in range(3000)]
    assert sent == [700, 700, 700, 700, 200, 30, 30]
    assert check.outcome(None) is None


@pytest.mark.parametrize(
    ("rows", "sample"), [(0, []), (1, [1, 1]), (15, [7, 7]), (500, [10, 10]), (200_000, [1000, 1000])]
)
def test_few_rows_give_a_small_sample(rows: int, sample: list[int]) -> None:
    """Ten at least where there are twice as many, a thousand at most."""
    _, _, sent = asked(lambda x: x, rows=rows, size=50_000)

    assert sent[len(range(0, rows, 50_000)) :] == sample


def test_chance_is_told_with_how_much_it_changes() -> None:
    """And how many decisions it flips."""
    draw = np.random.default_rng(0)
    check, _, _ = asked(lambda x: draw.random(x.size))
    outcome = check.outcome(lambda values: values >= 0.5)

    assert outcome is not None
    assert (outcome["differs"], outcome["rows"], outcome["differing"]) == ("again", 30, 30)
    assert 0 < outcome["flipped"] < 30
    assert "the candidate's answers cannot be repeated: 30 of 30 rows that were sent twice" in unrepeatable(
        "candidate", outcome
    )


def test_failures_that_do_not_repeat_are_told_beside_the_answers() -> None:
    """Alone, and behind answers that differ."""
    draw = np.random.default_rng(0)
    failed = "; the candidate failed once on requests that it answered when they were sent again"
    for score, alone in ((lambda x: x, True), (lambda x: draw.random(x.size), False)):
        check, _, _ = asked(score)
        check.note_failure()
        outcome = check.outcome(None) or {}

        assert (outcome["failed_once"], "differs" not in outcome) == (1, alone)
        assert f"; {unrepeatable('candidate', outcome)}".endswith(failed)


def test_an_answer_that_depends_on_its_batch_is_told() -> None:
    """Scores that are made relative to the other rows of a batch are repeated, and are others among others."""
    check, _, _ = asked(lambda x: x - x.mean())
    outcome = check.outcome(None)

    assert outcome is not None
    assert outcome["differs"] == "in other batches"
    assert "depend on the rows that are sent together" in unrepeatable("champion", outcome)


def test_what_floats_alone_may_change_is_left_alone() -> None:
    """Sums in another order differ in the last digits; a failed row that fails again does not differ."""
    draw = np.random.default_rng(0)
    check, _, _ = asked(lambda x: np.where(x % 7 == 0, np.nan, x * (1 + 1e-7 * draw.random(x.size))))

    assert check.outcome(None) is None


def test_several_columns_are_compared_each() -> None:
    """Row metrics under their names, scores of classes in a matrix."""
    draw = np.random.default_rng(0)
    check = RepeatCheck()
    batches = iter([pa.RecordBatch.from_pydict({"x": [1.0] * 40})])

    def score(given: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
        for batch in given:
            yield {"": np.ones((batch.num_rows, 3)), "iou": draw.random(batch.num_rows)}

    list(check.around(score)(batches))
    outcome = check.outcome(None)

    assert outcome is not None
    assert outcome["differing"] == 10


def test_a_model_that_fails_the_second_time_answered_otherwise() -> None:
    """It is told so; the answers that it gave stay. One that broke is a fault."""

    def failing(alive: bool) -> Any:
        calls = []

        def score(x: Any) -> Any:
            calls.append(x)
            if len(calls) > 1:
                raise ModelFault("too few rows", alive=alive)
            return x

        return score

    check, answers, _ = asked(failing(alive=True), rows=100)
    outcome = check.outcome(None)

    assert len(answers) == 100
    assert outcome is not None
    assert outcome["differing"] == 10
    assert unrepeatable("candidate", outcome).endswith("10 of 10 rows got another answer in another batch, or none")
    with pytest.raises(ModelFault):
        asked(failing(alive=False), rows=100)
