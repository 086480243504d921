"""Calibration is shown as people know it and decided without the bias of that number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lockgate.evaluation.metrics.calibration import (
    Binned,
    binned,
    calibration_error,
    debiased,
    decide,
    equal_mass,
)
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.evaluation.uncertainty.comparison import Comparison
from lockgate.evaluation.uncertainty.metric_value import Undefined
from lockgate.testing import run_gate

Floats = NDArray[np.float64]


def held(
    labels: Any, scores: Floats, limit: float, *, clusters: Any = None, weights: Any = None, confidence: float = 0.95
) -> Comparison:
    return decide(calibration_error(labels, scores, weights, None), None, 1.0, clusters, limit, confidence)


def model(n: int, draw: np.random.Generator, *, shift: float = 0.0) -> tuple[NDArray[np.bool_], Floats]:
    """Labels and probabilities that are too low by `shift` everywhere."""
    scores = draw.beta(2, 5, n)
    return draw.random(n) < np.minimum(scores + shift, 1), scores


def passes(n: int, *, shift: float, limit: float, runs: int, seed: int) -> float:
    """The share of runs in which the error is shown to be within the limit."""
    draw = np.random.default_rng(seed)
    return sum(held(*model(n, draw, shift=shift), limit).p_below <= 0.05 for _ in range(runs)) / runs


def test_the_plug_in_errors_are_the_published_ones() -> None:
    """Two bins of equal width. Source: torchmetrics, docstring of BinaryCalibrationError, norms l1, l2 and max."""
    scores = np.array([0.25, 0.25, 0.55, 0.75, 0.75])
    found = binned(np.array([False, False, True, True, True]), scores, None, (scores >= 0.5).astype(np.intp))

    assert np.dot(found.share, np.abs(found.gap)) == pytest.approx(0.29, abs=6e-5)
    assert found.root_mean_square_gap == pytest.approx(0.2918, abs=6e-5)
    assert np.abs(found.gap).max() == pytest.approx(0.3167, abs=6e-5)


def test_a_perfect_model_passes_where_the_plug_in_would_refuse_it() -> None:
    """At 2,000 rows, 0.05 is shown 98 % of the time; at 200 rows the plug-in of a perfect model is above it on average."""
    assert passes(2000, shift=0.0, limit=0.05, runs=300, seed=1) >= 0.98 - 3 * math.sqrt(0.98 * 0.02 / 300)
    draw = np.random.default_rng(2)
    shown = [calibration_error(*model(200, draw), None, None).value for _ in range(100)]
    assert np.mean(shown) > 0.05


@pytest.mark.parametrize(("n", "limit"), [(200, 0.05), (500, 0.05), (2000, 0.05), (2000, 0.02), (10_000, 0.02)])
def test_a_model_that_is_off_by_the_limit_passes_rarely(n: int, limit: float) -> None:
    """At most 0.10, the known excess of this bound over its nominal 0.05; therefore it is called approximate."""
    runs = 300
    assert passes(n, shift=limit, limit=limit, runs=runs, seed=n) <= 0.10 + 3 * math.sqrt(0.09 / runs)
    assert "approximate" in held(*model(n, np.random.default_rng(1)), limit).method


def test_a_model_that_is_far_off_is_shown_to_be() -> None:
    """The other claim: the error lies above the limit."""
    found = held(*model(2000, np.random.default_rng(3), shift=0.15), 0.05)

    assert found.p_above < 1e-6
    assert found.low > 0.05


def test_the_bias_is_taken_off() -> None:
    """Over many perfect models the debiased squared error is nothing on average, where the plug-in's square is not."""
    draw = np.random.default_rng(4)
    found = [calibration_error(*model(300, draw), None, None) for _ in range(400)]
    squared = np.array([debiased(one, None)[0] for one in found])
    plain = np.array([one.value**2 for one in found])

    assert abs(squared.mean()) < 3 * squared.std() / math.sqrt(squared.size)
    assert plain.mean() > 10 * plain.std() / math.sqrt(plain.size)


@st.composite
def rows(draw: st.DrawFn) -> tuple[NDArray[np.bool_], Floats, Floats | None]:
    n = draw(st.integers(1, 80))
    labels = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    score = draw(st.sampled_from([st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1), st.just(0.3)]))
    scores = np.array(draw(st.lists(score, min_size=n, max_size=n)), dtype=float)
    weights = draw(st.none() | st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=n, max_size=n).map(np.array))
    return labels, scores, weights


@settings(max_examples=80, deadline=None)
@given(case=rows(), limit=st.floats(0.0, 0.5), confidence=st.floats(0.6, 0.99), seed=st.integers(0, 5))
def test_the_bound_meets_the_limit_exactly_where_the_test_passes(
    case: tuple[NDArray[np.bool_], Floats, Floats | None], limit: float, confidence: float, seed: int
) -> None:
    """With ties, weights, constant labels and scores; and the order of the rows says nothing."""
    labels, scores, weights = case
    found = held(labels, scores, limit, weights=weights, confidence=confidence)
    order = np.random.default_rng(seed).permutation(labels.size)
    again = calibration_error(labels[order], scores[order], None if weights is None else weights[order], None)

    assert 0 <= found.low <= found.value <= found.high
    assert found.se is not None
    assert found.se >= 0
    if abs(found.high - limit) > 1e-6:
        assert (found.p_below <= 1 - confidence) == (found.high <= limit)
    assert again.value == pytest.approx(calibration_error(labels, scores, weights, None).value, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(case=rows())
def test_a_weight_of_two_is_a_row_that_is_there_twice(case: tuple[NDArray[np.bool_], Floats, Floats | None]) -> None:
    """Of the number that is shown; and a row that weighs nothing is not there."""
    labels, scores, weights = case
    times = np.ones(labels.size, np.intp) if weights is None else weights.astype(np.intp)
    twice = calibration_error(np.repeat(labels, times), np.repeat(scores, times), None, None)
    none = calibration_error(
        np.append(labels, True), np.append(scores, 0.123), np.append(times.astype(float), 0.0), None
    )

    assert twice.value == pytest.approx(calibration_error(labels, scores, weights, None).value, abs=1e-9)
    assert none.value == pytest.approx(twice.value, abs=1e-9)


def test_the_bins_hold_equal_mass_and_equal_scores_share_one() -> None:
    """Without ties, as many rows in each; a score that half of the rows have is one bin."""
    scores = np.random.default_rng(5).permutation(np.arange(1000) / 1000)
    assert np.bincount(equal_mass(scores, None)).tolist() == [100] * 10

    tied = np.where(np.arange(1000) < 500, 0.5, scores)
    assert len(set(equal_mass(tied, None)[:500].tolist())) == 1


def test_copies_of_a_row_in_one_cluster_add_nothing() -> None:
    """Ten copies of each row, known to be copies, bound the error as the rows do; else their noise looks like error."""
    labels, scores = model(1000, np.random.default_rng(6))
    own = held(labels, scores, 0.05)
    copied = held(np.repeat(labels, 10), np.repeat(scores, 10), 0.05, clusters=np.repeat(np.arange(1000), 10))

    assert copied.high == pytest.approx(own.high, rel=0.02)
    assert copied.method.endswith(", by cluster")
    assert held(np.repeat(labels, 10), np.repeat(scores, 10), 0.05).value > copied.value


def test_clusters_that_err_together_pass_no_more_often() -> None:
    """Users whose labels lean to one side in all bins: a model off by the limit passes as rarely as with lone rows."""
    draw, hits, runs = np.random.default_rng(7), 0, 200
    for _ in range(runs):
        users = np.repeat(np.arange(150), 10)
        scores = draw.uniform(0.3, 0.6, 1500)
        lean = np.repeat(draw.choice([-0.2, 0.2], 150), 10)
        labels = draw.random(1500) < scores + 0.08 + lean
        hits += held(labels, scores, 0.08, clusters=users).p_below <= 0.05

    assert hits / runs <= 0.10 + 3 * math.sqrt(0.09 / runs)


@pytest.mark.parametrize("n", [100, 400, 3000])
def test_sure_and_right_everywhere_is_bounded_by_what_went_unseen(n: int) -> None:
    """Labels that never vary hide a variance: zero errors among n rows still leave room for about 3 / n."""
    one = held(np.zeros(n, bool), np.zeros(n), 0.05)
    two = held(np.arange(n) % 2 == 0, (np.arange(n) % 2 == 0) * 1.0, 0.05)

    assert one.value == two.value == 0.0
    assert one.high == pytest.approx(3 / n, rel=0.05)
    assert two.high > one.high


@pytest.mark.parametrize(("n", "users", "code"), [(49, None, "49 rows"), (50, None, None), (500, 9, "9 clusters")])
def test_too_few_rows_decide_nothing(n: int, users: int | None, code: str | None) -> None:
    """Fifty rows fill ten bins."""
    labels, scores = model(n, np.random.default_rng(8))
    found = held(labels, scores, 0.9, clusters=None if users is None else np.arange(n) % users)

    assert (found.too_few or "").startswith(code or "")
    assert (found.too_few is None) == (code is None)


@pytest.mark.parametrize(
    ("scores", "weights", "code"),
    [([], None, "no_rows"), ([1.2], None, "not_probabilities"), ([0.5], [0.0], "no_weight")],
)
def test_an_error_that_does_not_exist_has_no_value(scores: list[float], weights: list[float] | None, code: str) -> None:
    """With a stable code."""
    with pytest.raises(Undefined) as caught:
        calibration_error(
            np.ones(len(scores), bool), np.array(scores), None if weights is None else np.array(weights), None
        )

    assert caught.value.code == code


def test_the_metric_decides_by_itself() -> None:
    """Its influence values are zero: nothing may be read from them."""
    metric = METRICS["calibration_error"]
    found = metric.measure(np.array([True, False] * 50), np.linspace(0.01, 0.99, 100), None, None)

    assert metric.decide(found, None, 1.0, None, 0.2, 0.95) == decide(found, None, 1.0, None, 0.2, 0.95)
    assert isinstance(found, Binned)
    assert not found.psi.any()


def test_a_gate_shows_the_plug_in_and_decides_the_bound() -> None:
    """Overall and by slice; the upper end of what was decided meets the limit exactly where it passes."""
    labels, scores = model(4000, np.random.default_rng(9))
    rows = {"label": labels.astype(int), "candidate": scores, "geo": np.where(np.arange(4000) % 4 == 0, "BR", "US")}
    rows["candidate"][::4] = np.clip(rows["candidate"][::4] - 0.15, 0, 1)
    found = run_gate(
        "metrics", table=rows, slices=["geo"],
        require=["calibration_error <= 0.08", "calibration_error <= 0.05 on each geo", "calibration_error <= 0.01"],
    ).findings  # fmt: skip

    assert [(one.slice, one.verdict.value) for one in found] == [
        ({}, "pass"), ({"geo": "BR"}, "fail"), ({"geo": "US"}, "pass"), ({}, "fail"),
    ]  # fmt: skip
    for one in found:
        inside = rows["geo"] == one.slice["geo"] if one.slice else np.ones(4000, bool)
        assert one.decided is not None
        assert one.decided.high is not None
        plug_in = calibration_error(labels[inside], rows["candidate"][inside], None, None).value
        assert one.observed == pytest.approx(plug_in, rel=1e-12)
        assert (one.verdict.value == "pass") == (one.decided.high <= one.decided.required[1])
        assert one.decided.estimate < one.observed


def test_too_few_rows_say_how_many_would_decide() -> None:
    """The spread shrinks with the root of the rows; a perfect model would then pass."""
    labels, scores = model(300, np.random.default_rng(10))
    (found,) = run_gate(
        "metrics", table={"label": labels.astype(int), "candidate": scores}, require=["calibration_error <= 0.05"]
    ).findings

    assert found.verdict.value == "inconclusive"
    assert found.rows_needed is not None
    assert 300 < found.rows_needed < 10_000
