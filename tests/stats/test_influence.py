"""Standard errors and bounds from influence values, held against published answers and their own inverses."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from helpers.reference import case, people
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.stats.influence import bound, spread


def of_people(score: str, metric: str) -> Any:
    """A metric of one column of the people in the known answers."""
    return METRICS[metric].measure(
        np.array(people("income_over_50k"), dtype=bool), np.array(people(score), dtype=float), None, None
    )


@pytest.mark.parametrize("name", ["delong_var_education", "delong_var_hours"])
def test_the_variance_of_an_auc_is_delongs(name: str) -> None:
    """To twelve digits, as pROC has it."""
    known = case(name)
    error = spread(of_people(known["inputs"]["score"], "auc").psi)

    assert error.se**2 == pytest.approx(known["expected"]["var"], abs=known["tolerance"])


def test_the_wald_interval_of_an_auc_is_delongs() -> None:
    """Value and two-sided 95 % interval by the normal quantile."""
    known = case("delong_ci_hours")
    measured = of_people("hours_per_week", "auc")
    reach = float(special.ndtri(0.975)) * spread(measured.psi).se
    found = {"lo": measured.value - reach, "auc": measured.value, "hi": measured.value + reach}

    assert found == pytest.approx(known["expected"], abs=known["tolerance"])


@pytest.mark.parametrize("name", ["delong_paired_education_age", "delong_paired_education_hours"])
def test_two_aucs_on_the_same_rows_are_compared_as_delong_does(name: str) -> None:
    """z, its two-sided p-value and the interval of the difference."""
    known = case(name)
    first, second = (of_people(known["inputs"][key], "auc") for key in ("score1", "score2"))
    value, se = first.value - second.value, spread(first.psi - second.psi).se
    z, reach = value / se, float(special.ndtri(0.975)) * se
    found = {"z": z, "p": 2 * float(special.ndtr(-abs(z))), "ci_lo": value - reach, "ci_hi": value + reach}

    assert found == pytest.approx(known["expected"], abs=known["tolerance"])


def test_the_standard_error_of_an_average_precision_is_near_the_jackknifes() -> None:
    """The value to nine digits, the standard error within 5 %."""
    known = case("ap_jackknife_age")
    measured = of_people("age", "average_precision")

    assert measured.value == pytest.approx(known["expected"]["ap"], abs=known["tolerance"])
    assert spread(measured.psi).se == pytest.approx(known["expected"]["jack_se"], rel=0.05)


def test_auc_and_average_precision_of_the_textbook() -> None:
    """Four rows from scikit-learn's own pages."""
    known = case("auc_ap_sklearn")
    labels, scores = np.array(known["inputs"]["y"], dtype=bool), np.array(known["inputs"]["s"])
    found = {
        key: METRICS[name].measure(labels, scores, None, None).value
        for key, name in (("auc", "auc"), ("ap", "average_precision"))
    }

    assert found == pytest.approx(known["expected"], abs=known["tolerance"])


def test_a_paired_mean_is_the_paired_t_test() -> None:
    """Fifteen patients: mean difference, standard error, and the 90 % interval with n − 1 degrees of freedom."""
    known = case("tost_paired_clinic1")
    differences = np.array(known["inputs"]["x"]) - np.array(known["inputs"]["y"])
    n = differences.size
    error = spread((differences - differences.mean()) * math.sqrt(n / (n - 1)))
    reach = float(special.stdtrit(n - 1, 0.95)) * error.se
    mean = float(differences.mean())

    assert error.se == pytest.approx(known["expected"]["se"], abs=known["tolerance"])
    assert (mean - reach, mean + reach) == pytest.approx(
        (known["expected"]["ci90_lo"], known["expected"]["ci90_hi"]), abs=known["tolerance"]
    )


@settings(max_examples=300, deadline=None)
@given(
    value=st.floats(0.01, 0.99),
    se=st.floats(1e-4, 0.3),
    n_eff=st.floats(2, 500),
    skew=st.floats(-0.9, 0.9),
    null=st.floats(0.005, 0.995),
    confidence=st.sampled_from([0.9, 0.95, 0.99]),
    scale=st.sampled_from(["plain", "logit", "skew", "root"]),
)
def test_an_end_meets_a_number_where_the_test_passes_and_nowhere_else(
    value: float, se: float, n_eff: float, skew: float, null: float, confidence: float, scale: Any
) -> None:
    """The interval's two ends and the two one-sided tests are the same statements, on every scale."""
    from lockgate.stats.influence import Spread

    low, high, p_above, p_below = bound(
        value, Spread(se, n_eff, skew, 100), null=null, confidence=confidence, scale=scale
    )
    alpha = 1 - confidence

    assert low <= value + 1e-9
    assert value <= high + 1e-9
    if abs(low - null) > 1e-9:
        assert (p_above <= alpha) == (low >= null)
    if abs(high - null) > 1e-9:
        assert (p_below <= alpha) == (high <= null)


@given(n_eff=st.floats(2, 200), lean=st.floats(-1, 1), confidence=st.floats(0.8, 0.9999))
def test_an_end_is_of_the_size_of_the_error_or_there_is_none(n_eff: float, lean: float, confidence: float) -> None:
    """Hall's cubic is level at −3/skew: what would need more than that is bounded by nothing, not by 20 quintillions.

    No skewness of so many effective rows is beyond 1/√n_eff, so that from 5 on both ends stand at 95 %.
    """
    from lockgate.stats.influence import Spread

    error = Spread(1.0, n_eff, lean / math.sqrt(n_eff), 100)
    ends = bound(0.0, error, null=0.0, confidence=confidence, scale="skew")[:2]
    level = 3 * math.sqrt(n_eff) / max(abs(lean), 1e-9)

    # away from the level point a cube root grows less than what it is of: at worst as t itself, twice
    assert all(
        math.isinf(end) or abs(end) <= max(level, 2 * special.stdtrit(n_eff - 1, confidence)) + 1 for end in ends
    )
    assert confidence > 0.95 or n_eff < 5 or all(map(math.isfinite, ends))


def test_the_root_of_a_mean_is_bounded_by_the_bounds_of_the_mean() -> None:
    """RMSE by the mean squared error: the same p-values, and the roots of its ends."""
    from lockgate.stats.influence import Spread

    root = bound(2.0, Spread(0.25, 40, 0.1, 100), null=2.5, confidence=0.95, scale="root")
    mean = bound(4.0, Spread(1.0, 40, 0.1, 100), null=6.25, confidence=0.95, scale="skew")

    assert root == pytest.approx((math.sqrt(mean[0]), math.sqrt(mean[1]), *mean[2:]))


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=50), st.integers(2, 5))
def test_rows_said_twice_add_nothing_when_they_are_clustered(values: list[float], times: int) -> None:
    """Copies of a row in one cluster leave the standard error where the rows alone had it."""
    psi = np.array(values) - np.mean(values)
    n = psi.size
    alone = spread(psi * math.sqrt(n / (n - 1)))
    copied = spread(np.repeat(psi, times), clusters=np.repeat(np.arange(n), times))

    assert copied.se == pytest.approx(alone.se, rel=1e-9, abs=1e-12)
    assert copied.clusters == n


@pytest.mark.parametrize("clusters", [None, np.zeros(5, dtype=int)])
def test_rows_that_do_not_vary_have_no_spread(clusters: Any) -> None:
    """A standard error of zero says: use another test."""
    assert spread(np.zeros(5), clusters=clusters).se == 0.0


def test_one_cluster_says_nothing() -> None:
    """Its standard error is infinite."""
    assert spread(np.array([1.0, 0.5]), clusters=np.zeros(2, dtype=int)).se == math.inf


@pytest.mark.parametrize("scale", ["logit", "plain"])
def test_a_limit_outside_the_range_is_certain(scale: Literal["logit", "plain"]) -> None:
    """An AUC is above zero and below one, whatever was seen."""
    from lockgate.stats.influence import Spread

    error = Spread(0.01, 100.0, 0.0, 100)

    assert bound(0.9, error, null=0.0, confidence=0.95, scale=scale)[2] < 1e-9
    assert bound(0.9, error, null=1.0, confidence=0.95, scale=scale)[3] < 1e-9
