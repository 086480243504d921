"""The quantile loss is scikit-learn's, and the right quantile has the least of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss

from lockgate.evaluation.estimation.estimate import estimate
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.evaluation.metrics.regression import quantile_loss
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.uncertainty.metric_value import Undefined

number = st.floats(-100, 100).map(lambda value: round(value, 3))


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(number, number, st.sampled_from([0.25, 1.0, 3.0])), min_size=1, max_size=60),
    q=st.floats(0.01, 0.99),
    weighted=st.booleans(),
)
def test_the_loss_is_scikit_learns(rows: list[tuple[float, float, float]], q: float, weighted: bool) -> None:
    """With weights and equal values; influence values have mean zero."""
    labels, scores, weights = np.array(rows).T
    found = quantile_loss(labels, scores, weights if weighted else None, q)

    expected = mean_pinball_loss(labels, scores, alpha=q, sample_weight=weights if weighted else None)
    assert found.value == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert abs(float(found.psi.mean())) < 1e-10


def test_half_of_the_absolute_error_is_the_loss_of_a_median() -> None:
    """q = 0.5 is the mean absolute error, halved."""
    draw = np.random.default_rng(1)
    labels, scores = draw.normal(size=100), draw.normal(size=100)

    assert quantile_loss(labels, scores, None, 0.5).value == pytest.approx(mean_absolute_error(labels, scores) / 2)


def test_the_right_quantile_has_the_least_loss() -> None:
    """Of constant predictions for a standard normal label, 1.28 is best at 0.9."""
    labels = np.random.default_rng(2).normal(size=20_000)
    losses = {shift: quantile_loss(labels, np.full(labels.size, shift), None, 0.9).value for shift in (0, 1, 1.2816, 2)}

    assert min(losses, key=lambda shift: losses[shift]) == 1.2816


@pytest.mark.parametrize("q", [None, 0.0, 1.0, 90.0, float("nan")])
def test_a_loss_without_a_quantile_has_no_value(q: float | None) -> None:
    """No q is assumed, and 90 is not 0.9."""
    with pytest.raises(Undefined, match="write quantile_loss") as caught:
        quantile_loss(np.zeros(3), np.ones(3), None, q)

    assert caught.value.code == "no_quantile"


class Table:
    """Predictions of a 0.9 quantile: the candidate's are right, the champion's those of a median."""

    def __init__(self, n: int) -> None:
        draw = np.random.default_rng(3)
        middle = draw.normal(size=n)
        self.rows = n
        self.labels: Any = middle + draw.normal(size=n)
        self.candidate: Any = middle + 1.2816
        self.champion: Any = middle
        self.weights: Any = None
        self.clusters: Any = None
        self.slices: tuple[Any, ...] = ()

    def cut(self, _: str, threshold: float | None) -> float | None:
        return threshold

    def codes(self, name: str) -> Any:
        raise KeyError(name)


@pytest.mark.parametrize("line", ["quantile_loss(0.9) <= champion + 0.01", "quantile_loss(q=0.9) <= 0.2"])
def test_a_line_on_a_quantile_is_decided(line: str) -> None:
    """On the mean of its losses, with the correction for skewness; the right model passes."""
    none = {"candidate": None, "champion": None}
    (found,) = estimate(Table(2000), [("r1", parse(line))], METRICS, threshold=none)

    assert found.candidate == pytest.approx(0.175, abs=0.01)
    assert found.p_pass is not None
    assert found.p_pass < 1e-3
    assert "skew-corrected" in found.method
