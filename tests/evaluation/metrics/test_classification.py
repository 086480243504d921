"""Every metric is scikit-learn's, and its influence values say how far it may be off."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.oracles import ORACLES, lacking
from lockgate.evaluation.metrics.catalog import DECLARED, METRICS, SUBJECTS, clipped
from lockgate.evaluation.metrics.ranking_subjects import BY_NAME
from lockgate.evaluation.uncertainty.metric_value import Undefined

Floats = NDArray[np.float64]
Case = tuple[NDArray[Any], Floats, Floats | None]

BINARY = [name for name, subject in SUBJECTS.items() if "binary" in subject.tasks and name in ORACLES]
REGRESSION = [name for name, subject in SUBJECTS.items() if "regression" in subject.tasks and name in ORACLES]
REL = {"actual_expected": 1e-7}  # of sums that may nearly cancel


@st.composite
def binary(draw: st.DrawFn) -> Case:
    """Labels of one class or two, scores with many ties or none, weights or none."""
    n = draw(st.integers(1, 60))
    labels = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    score = draw(st.sampled_from([st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1), st.just(0.3)]))
    scores = np.array(draw(st.lists(score, min_size=n, max_size=n)), dtype=float)
    weights = draw(st.none() | st.lists(st.sampled_from([0.25, 1.0, 3.0]), min_size=n, max_size=n).map(np.array))
    return labels, scores, weights


@st.composite
def regression(draw: st.DrawFn) -> Case:
    n = draw(st.integers(2, 60))
    number = st.floats(-100, 100).map(lambda value: round(value, 3))
    labels = np.array(draw(st.lists(number, min_size=n, max_size=n)))
    scores = np.array(draw(st.lists(number, min_size=n, max_size=n)))
    weights = draw(st.none() | st.lists(st.sampled_from([0.25, 1.0, 3.0]), min_size=n, max_size=n).map(np.array))
    return labels, scores, weights


def test_the_catalog_names_what_is_computed() -> None:
    """A subject without a metric, or a metric without a subject, would be found too late."""
    several = {name for name, subject in SUBJECTS.items() if subject.tasks == ("multiclass",)}
    assert set(SUBJECTS) == {*METRICS, *BY_NAME, *several}
    assert set(ORACLES) < set(METRICS)


@settings(max_examples=100, deadline=None)
@given(case=binary())
def test_a_binary_metric_is_scikit_learns(case: Case) -> None:
    """With ties, weights and constant scores; where scikit-learn warns and puts in a number, there is none."""
    labels, scores, weights = case
    for name in BINARY:  # all of one case, which takes longer to draw than to measure
        if code := lacking(name, labels, scores, weights):
            with pytest.raises(Undefined) as caught:
                METRICS[name].measure(labels, scores, weights, 0.5)
            assert caught.value.code == code, name
            continue
        value = METRICS[name].measure(labels, scores, weights, 0.5).value
        assert value == pytest.approx(ORACLES[name](labels, scores, weights), abs=1e-12), name


@settings(max_examples=100, deadline=None)
@given(case=regression())
def test_a_regression_metric_is_scikit_learns(case: Case) -> None:
    """Relative to its size where it is large, since R² has no lower end."""
    labels, scores, weights = case
    assume(len(set(labels.tolist())) > 1)
    positive = np.abs(scores) + 0.001  # of which a deviance exists, unlike of most
    for name in REGRESSION:
        for actual, predictions in ((labels, scores), (labels, positive), (np.abs(labels) + 0.5, positive)):
            if code := lacking(name, actual, predictions, weights):
                with pytest.raises(Undefined) as caught:
                    METRICS[name].measure(actual, predictions, weights, None)
                assert caught.value.code == code, name
                continue
            value = METRICS[name].measure(actual, predictions, weights, None).value
            expected = ORACLES[name](actual, predictions, weights)
            assert value == pytest.approx(expected, rel=REL.get(name, 1e-10), abs=1e-12), name


@pytest.mark.parametrize(
    ("names", "cases"), [(BINARY, binary()), (REGRESSION, regression())], ids=["binary", "regression"]
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_influence_of_all_rows_sums_to_nothing(
    names: list[str], cases: st.SearchStrategy[Case], data: st.DataObject
) -> None:
    """Influence values have mean zero, with weights and ties too."""
    labels, scores, weights = data.draw(cases)
    for name in names:
        try:
            measured = METRICS[name].measure(labels, scores, weights, 0.5)
        except Undefined:
            continue
        size = max(1.0, float(np.abs(measured.psi).max()))
        assert measured.psi.shape == labels.shape, name
        assert abs(float(measured.psi.mean())) < 1e-12 * size * len(labels), name


@pytest.mark.parametrize(
    ("name", "numbers"), [*((name, False) for name in BINARY), *((name, True) for name in REGRESSION)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_standard_error_is_the_jackknifes(name: str, numbers: bool, weighted: bool) -> None:
    """Leaving out each row in turn moves the value as much as the influence values say, within 3 %."""
    draw = np.random.default_rng(7)
    n = 300
    labels: Any = draw.random(n) < 0.4
    scores = np.clip(0.3 * labels + draw.normal(0.35, 0.2, n), 0.01, 0.99).round(2)
    if numbers:
        labels = np.abs(labels * 3.0 + draw.normal(0, 1, n)) + 0.1
    weights = draw.choice([0.5, 1.0, 2.0], n) if weighted else None
    measure = METRICS[name].measure
    left = np.array(
        [
            measure(labels[keep], scores[keep], None if weights is None else weights[keep], 0.5).value
            for keep in (np.arange(n) != row for row in range(n))
        ]
    )
    jackknife = np.sqrt((n - 1) / n * np.sum((left - left.mean()) ** 2))
    psi = measure(labels, scores, weights, 0.5).psi

    assert np.sqrt(np.sum(psi**2)) / n == pytest.approx(jackknife, rel=0.03)


@pytest.mark.parametrize(
    ("name", "labels", "scores", "code"),
    [
        ("auc", [True, True], [0.1, 0.9], "one_class"),
        ("average_precision", [False, False], [0.1, 0.9], "one_class"),
        ("recall", [False, False], [0.1, 0.9], "undefined"),
        ("precision", [True, False], [0.1, 0.2], "undefined"),
        ("f1", [False, False], [0.1, 0.2], "undefined"),
        ("balanced_accuracy", [True, True], [0.1, 0.9], "one_class"),
        ("kappa", [False, False], [0.1, 0.9], "one_class"),
        ("mcc", [False, True], [0.1, 0.2], "undefined"),
        ("mcc", [], [], "no_rows"),
        ("log_loss", [True, False], [1.1, 0.2], "not_probabilities"),
        ("brier", [True, False], [0.1, -0.2], "not_probabilities"),
        ("r2", [2.0, 2.0], [0.1, 0.2], "constant_label"),
        ("r2", [1.312] * 10, [0.0] * 10, "constant_label"),  # whose mean is another number
        ("r2", [2.0], [0.1], "too_small"),
        ("mae", [], [], "no_rows"),
        ("poisson_deviance", [0.0, -1.0], [0.1, 0.2], "label_outside"),
        ("poisson_deviance", [0.0, 1.0], [0.0, 0.2], "prediction_outside"),
        ("gamma_deviance", [0.0, 1.0], [0.1, 0.2], "label_outside"),
        ("gamma_deviance", [2.0, 1.0], [0.1, -0.2], "prediction_outside"),
        ("actual_expected", [0.0, 0.0], [0.1, 0.2], "undefined"),
        ("actual_expected", [1.0, 2.0], [0.2, -0.2], "undefined"),
        ("gini", [2.0, 2.0], [0.1, 0.2], "constant_label"),
        ("auc", [], [], "no_rows"),
        ("accuracy", [], [], "no_rows"),
    ],
)
def test_a_metric_that_does_not_exist_has_no_value(name: str, labels: list[Any], scores: list[Any], code: str) -> None:
    """Where scikit-learn warns and answers 0, nothing is answered, with a stable code."""
    kind = float if name in REGRESSION else bool
    with pytest.raises(Undefined) as caught:
        METRICS[name].measure(np.array(labels, dtype=kind), np.array(scores, dtype=float), None, 0.5)

    assert caught.value.code == code


def test_a_metric_of_decisions_needs_a_threshold() -> None:
    """No threshold is assumed."""
    with pytest.raises(Undefined, match="no threshold"):
        METRICS["accuracy"].measure(np.array([True]), np.array([0.7]), None, None)


def test_a_score_at_the_threshold_is_positive() -> None:
    """Scores ≥ threshold are positive."""
    assert METRICS["recall"].measure(np.array([True]), np.array([0.5]), None, 0.5).value == 1.0


def test_weights_of_zero_are_no_rows() -> None:
    """Rows that weigh nothing measure nothing."""
    with pytest.raises(Undefined) as caught:
        METRICS["log_loss"].measure(np.array([True, False]), np.array([0.5, 0.5]), np.zeros(2), None)

    assert caught.value.code == "no_weight"


@pytest.mark.parametrize(("clip", "least"), [(None, 1e-6), (0.01, 0.01)])
def test_a_log_loss_is_bounded_by_its_clip(clip: float | None, least: float) -> None:
    """A row whose own class has less than the clip counts as if it had the clip; right rows keep their loss."""
    metric = clipped(METRICS["log_loss"], clip)
    assert metric.measure is not None
    found = metric.measure(np.array([True, True, False, True]), np.array([0.0, 1.0, 0.0, 0.5]), None, None)

    assert found.value == pytest.approx((math.log(2) - math.log(least)) / 4, abs=1e-15)
    assert found.detail == {"clip": str(least), "clipped": 1}
    assert metric.bounds == (0.0, -math.log(least))
    assert not metric.approximate


def test_means_without_a_largest_loss_are_called_approximate() -> None:
    """No bound of such a mean is valid for all data, so that none is in the promise of a run."""
    assert {name for name, metric in DECLARED.items() if metric.approximate} == {
        "rmse", "mae", "r2", "quantile_loss", "dcg", "poisson_deviance", "gamma_deviance", "actual_expected",
    }  # fmt: skip
