"""Rows on which two models decide differently."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.metrics.flip_rate import flip_rate, flips
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.metric_value import Undefined

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


def scored(rows: list[tuple[float, float]]) -> Scored:
    table = {"candidate": [row[0] for row in rows], "champion": [row[1] for row in rows]}
    return Scored.from_table(
        pa.table(table), DatasetSpec.model_validate({"path": "t"}), task="binary", positive=1
    )  # fmt: skip


@given(SCORES, st.floats(0, 1), st.floats(0, 1))
def test_each_model_decides_at_its_own_threshold(rows: list[tuple[float, float]], ours: float, theirs: float) -> None:
    """A score at the threshold is positive."""
    found = flips(scored(rows), candidate=ours, champion=theirs).candidate
    expected = [(a >= ours) != (b >= theirs) for a, b in rows]

    assert found.tolist() == [float(one) for one in expected]
    assert flip_rate(None, found, None, None).value == pytest.approx(np.mean(expected))
    assert flip_rate(None, found, None, None).counts == (sum(expected), len(rows))


def test_a_request_that_one_did_not_answer_is_no_flip() -> None:
    """Nor a row of the rate; where none is left there is no rate."""
    nan = float("nan")

    assert flip_rate(None, np.array([1.0, nan, 0.0, nan]), None, None).counts == (1, 2)
    with pytest.raises(Undefined) as caught:
        flip_rate(None, np.array([nan, nan]), None, None)
    assert caught.value.code == "no_answers"


def test_weights_weigh_requests() -> None:
    """A share of weight; the counts are of requests."""
    measured = flip_rate(None, np.array([1.0, 0.0]), np.array([1.0, 3.0]), None)

    assert (measured.value, measured.counts) == (0.25, (1, 2))
