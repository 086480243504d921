"""Quantile losses, deviances, actual over expected and Gini: what they are of, and what decides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_gamma_deviance, mean_pinball_loss

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


def judged(line: str, labels: Any, candidate: Any, champion: Any = None, **more: Any) -> Any:
    """The estimate of one line on arrays."""
    rows: Any = Table(len(labels))
    rows.labels, rows.candidate, rows.champion = labels, candidate, champion
    for name, column in more.items():
        setattr(rows, name, column)
    [found] = estimate(rows, [("r1", parse(line))], METRICS, threshold={"candidate": None, "champion": None})
    return found


def claims(rows: int, *, frequency: float = 0.3) -> tuple[Any, Any]:
    """(number of claims, what is expected of each row)."""
    draw = np.random.default_rng(4)
    expected = frequency * draw.lognormal(-0.25, 0.7, rows)
    return draw.poisson(expected).astype(float), expected


@pytest.mark.parametrize(
    ("name", "labels", "scores", "said"),
    [
        ("poisson_deviance", [0, -1, -2], [1, 1, 1], "needs labels from 0 on; 2 rows have others, the least is -2"),
        ("poisson_deviance", [0, 1, 2], [1, 0, 1], "needs predictions above 0; 1 row has others, the least is 0"),
        ("gamma_deviance", [0, 1, 2], [1, 1, 1], "needs labels above 0; 1 row has others, the least is 0"),
    ],
)
def test_rows_of_which_a_deviance_does_not_exist_are_counted(name: str, labels: Any, scores: Any, said: str) -> None:
    """Whose they are, how many, and how far off."""
    measure = METRICS[name].measure
    assert measure is not None
    with pytest.raises(Undefined, match=said):
        measure(np.array(labels, float), np.array(scores, float), None, None)


def test_a_deviance_without_a_value_says_what_to_do() -> None:
    """It decides nothing, and stands beside the lines that do."""
    labels, expected = claims(200)
    found = judged("gamma_deviance <= 1", labels, expected)

    assert found.problem is not None
    assert found.problem[0] == "label_outside"
    assert found.p_pass is None


def test_policies_without_a_claim_may_be_in_the_data_of_amounts() -> None:
    """Weighted by the number of claims they weigh nothing, whatever their amount is."""
    labels, expected = claims(400)
    amounts = np.where(labels > 0, labels * 10.0, 0.0)
    found = judged("gamma_deviance <= 5", amounts, expected * 10 + 5, weights=labels)
    there = labels > 0

    assert found.candidate == pytest.approx(
        mean_gamma_deviance(amounts[there], expected[there] * 10 + 5, sample_weight=labels[there])
    )


@pytest.mark.parametrize(
    "line", ["actual_expected <= 1.5", "actual_expected >= 0.5", "gini >= -0.9", "poisson_deviance <= 5"]
)
def test_few_claims_decide_nothing(line: str) -> None:
    """However many rows there are: nine claims say as much as nine rows."""
    labels, expected = np.zeros(5_000), np.full(5_000, 9 / 5_000)
    labels[::600] = 1.0
    few = judged(line, labels, expected + np.arange(5_000) / 1e9)

    assert few.too_few == "9 rows with a label above 0; the test needs 10"


@pytest.mark.parametrize(
    "line", ["poisson_deviance <= 5", "poisson_deviance <= champion + 0.1", "actual_expected <= 5"]
)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_slice_of_equal_labels_decides_nothing(line: str, label: float) -> None:
    """As one in which nobody had a claim."""
    expected = 0.5 + np.arange(300) / 1_000
    found = judged(line, np.full(300, label), expected, champion=expected * 1.1)

    assert found.problem or found.too_few == f"0 rows with a label above {label:g}; the test needs 10"


@pytest.mark.parametrize("line", ["poisson_deviance <= 5", "gamma_deviance <= 5"])
def test_a_loss_larger_than_any_number_is_told_with_its_prediction(line: str) -> None:
    """A prediction next to 0 is above 0, and its loss is no number: the line is undecided, not broken."""
    labels = np.linspace(1, 2, 300)
    found = judged(line, labels, np.where(labels == 1, 5e-324, labels))

    assert found.problem is not None
    assert found.problem[0] == "prediction_outside"
    assert "larger than any number; 1 row has predictions next to 0" in found.problem[1]


def test_actual_over_expected_is_held_on_both_sides() -> None:
    """A model that is right on average passes both lines, one that predicts a third too little neither."""
    labels, expected = claims(20_000)
    lines = ("actual_expected >= 0.9", "actual_expected <= 1.1")

    assert [judged(line, labels, expected).p_pass < 0.05 for line in lines] == [True, True]
    low = [judged(line, labels, expected * 0.75) for line in lines]
    assert [found.p_pass < 0.05 for found in low] == [True, False]
    assert low[1].p_fail < 1e-3
    assert low[1].candidate == pytest.approx(labels.sum() / expected.sum() / 0.75)
    assert low[1].method.endswith("approximate")


def test_actual_over_expected_of_two_classes_is_of_probabilities() -> None:
    """Scores that are none are refused."""
    labels = np.arange(100) % 4 == 0

    assert judged("actual_expected <= 2", labels, np.full(100, 0.2)).candidate == pytest.approx(1.25)
    assert judged("actual_expected <= 2", labels, np.full(100, 20.0)).problem[0] == "not_probabilities"


@pytest.mark.parametrize("limit", ["{}", "champion - {}"])
def test_gini_of_two_classes_is_decided_as_their_auc_is(limit: str) -> None:
    """2 AUC − 1 against a limit of that is the same claim with the same p-value, whatever carries it."""
    draw = np.random.default_rng(5)
    labels = draw.random(400) < 0.3
    champion = labels + draw.normal(0, 1, 400)
    candidate = champion + draw.normal(0, 0.3, 400)
    numbers = ("0.4", "0.7") if limit == "{}" else ("0.1", "0.05")
    for more in ({}, {"weights": draw.uniform(1, 3, 400)}, {"clusters": np.arange(400) // 4}):
        own, area = (
            judged(f"{name} >= {limit.format(number)}", labels, candidate, champion, **more)
            for name, number in zip(("gini", "auc"), numbers, strict=True)
        )
        assert own.p_pass == pytest.approx(area.p_pass, rel=1e-9)
        assert own.p_fail == pytest.approx(area.p_fail, rel=1e-9)
        assert (own.low + 1) / 2 == pytest.approx(area.low) if limit == "{}" else own.low / 2 == pytest.approx(area.low)
        assert "approximate" not in own.method


def test_gini_of_numbers_is_one_in_the_best_order() -> None:
    """Any increasing function of the labels has it; noise has less; turned around it is the opposite. No bound of it is exact."""
    labels, expected = claims(3_000)
    found = judged("gini >= 0.1", labels, expected)

    assert judged("gini >= 0.1", labels, labels**3).candidate == pytest.approx(1.0)
    assert judged("gini >= 0.1", labels, -expected).candidate == pytest.approx(-found.candidate)
    assert 0.1 < found.candidate < 0.9
    assert found.p_pass < 0.05
    assert found.method == "influence, t, Fisher's z, approximate"
