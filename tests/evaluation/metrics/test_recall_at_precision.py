"""Recall at a precision is scikit-learn's; its interval is of resamples, the same for both models, and says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from lockgate.evaluation.metrics.recall_at_precision import (
    MIN_POSITIVES,
    SEED,
    ChosenThreshold,
    decide,
    recall_at_precision,
)
from lockgate.evaluation.uncertainty.bootstrap import RESAMPLES, resampled
from lockgate.evaluation.uncertainty.metric_value import Undefined
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate


def best(labels: Any, scores: Any, weights: Any, least: float) -> float:
    """By scikit-learn's curve."""
    precision, recall, _ = precision_recall_curve(labels, scores, sample_weight=weights)
    return float(recall[precision >= least].max())


def rows(n: int, *, seed: int = 1, shift: float = 2.0) -> tuple[Any, Any, Any]:
    """(labels, scores of a candidate, of a champion that is nearly the same), a fifth of rows positive."""
    draw = np.random.default_rng(seed)
    labels = draw.random(n) < 0.2
    champion = draw.normal(shift * labels, 1.0)
    return labels, champion + draw.normal(0, 0.1, n), champion


@settings(max_examples=200, deadline=None)
@given(
    given_rows=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9]) | st.floats(0, 1), st.sampled_from([0.5, 1.0, 3.0])),
        min_size=1, max_size=80,
    ).filter(lambda each: any(label for label, _, _ in each)),
    least=st.floats(0.01, 1.0),
    weighted=st.booleans(),
)  # fmt: skip
def test_the_value_is_scikit_learns(given_rows: list[tuple[bool, float, float]], least: float, weighted: bool) -> None:
    """With ties, weights, a constant score and no negative rows."""
    labels, scores, weights = (np.array(column) for column in zip(*given_rows, strict=True))
    weights = weights if weighted else None

    found = recall_at_precision(labels, scores, weights, least)

    assert found.value == pytest.approx(best(labels, scores, weights, least), rel=1e-12, abs=1e-12)


def test_each_resample_has_the_value_of_its_own_rows() -> None:
    """A row that is drawn twice counts twice, with its weight and its ties."""
    labels, scores, _ = rows(300)
    scores = scores.round(1)
    weights = np.random.default_rng(5).choice([0.5, 2.0], 300)
    found = recall_at_precision(labels, scores, weights, 0.7)
    assert isinstance(found, ChosenThreshold)

    drawn = list(resampled(300, None, RESAMPLES, SEED))[:20]
    expected = [best(labels[at], scores[at], weights[at], 0.7) for at in drawn]

    assert found.resampled(None)[:20] == pytest.approx(expected, abs=1e-12)


def test_the_bounds_are_percentiles_of_what_resamples_say() -> None:
    """The 25th of 500 from either end bounds one model at confidence 0.95; p-values agree with the bounds."""
    labels, candidate, champion = rows(2000)
    own = recall_at_precision(labels, candidate, None, 0.8)
    other = recall_at_precision(labels, champion, None, 0.8)
    assert isinstance(own, ChosenThreshold)
    assert isinstance(other, ChosenThreshold)

    ordered = np.sort(own.resampled(None))
    found = decide(own, None, 1.0, None, 0.0, 0.95)
    assert (found.low, found.high) == (ordered[24], ordered[-25])
    for limit in (found.low - 1e-9, found.low + 1e-9, found.high - 1e-9, found.high + 1e-9):
        held = decide(own, None, 1.0, None, limit, 0.95)
        assert (held.p_above <= 0.05) == (limit < found.low)
        assert (held.p_below <= 0.05) == (limit > found.high)

    paired = np.sort(own.resampled(None) - 0.9 * other.resampled(None))
    beside = decide(own, other, 0.9, None, 0.0, 0.95)
    assert beside.value == own.value - 0.9 * other.value
    assert (beside.low, beside.high) == (paired[24], paired[-25])
    assert beside.se == pytest.approx(paired.std(ddof=1))


def test_clusters_are_drawn_whole() -> None:
    """Four rows of one user, all alike, are one user: the interval is that of users."""
    labels, scores, _ = rows(1000)
    users = np.repeat(np.arange(1000), 4)
    alone = decide(recall_at_precision(labels, scores, None, 0.8), None, 1.0, None, 0.5, 0.95)
    together = recall_at_precision(labels.repeat(4), scores.repeat(4), None, 0.8)
    found = decide(together, None, 1.0, users, 0.5, 0.95)

    assert found.method == "bootstrap of 500, percentiles, approximate, by cluster"
    assert found.value == alone.value
    assert found.n_eff == alone.n_eff == np.count_nonzero(labels)
    assert found.se == pytest.approx(alone.se, rel=0.15)
    few = decide(together, None, 1.0, np.arange(4000) % 5, 0.5, 0.95)
    assert few.too_few == "5 clusters with positive rows; resampling needs 10"


def test_few_positive_rows_decide_nothing() -> None:
    """A threshold chosen on them would flatter the model."""
    labels, scores, _ = rows(4000)
    at = np.concatenate([np.flatnonzero(labels)[: MIN_POSITIVES - 1], np.flatnonzero(~labels)])
    found = decide(recall_at_precision(labels[at], scores[at], None, 0.8), None, 1.0, None, 0.0, 0.95)

    assert found.too_few == "39 positive rows; a threshold chosen on fewer than 40 flatters the model"


def test_more_confidence_than_resamples_can_show_shows_nothing() -> None:
    """One of 501 is the least that 500 resamples can tell apart."""
    labels, scores, _ = rows(2000)
    own = recall_at_precision(labels, scores, None, 0.8)

    assert decide(own, None, 1.0, None, 0.0, 0.998).too_few is None
    found = decide(own, None, 1.0, None, 0.0, 0.999)
    assert found.too_few == "500 resamples; they show nothing at confidence 0.999"
    assert (found.low, found.high, found.p_above) == (-np.inf, np.inf, 1.0)


@pytest.mark.parametrize("precision", [None, 0.0, 1.5, float("nan")])
def test_it_needs_a_precision(precision: float | None) -> None:
    """None is assumed."""
    with pytest.raises(Undefined, match="write recall_at_precision") as caught:
        recall_at_precision(np.ones(3, bool), np.ones(3), None, precision)

    assert caught.value.code == "no_precision"


@pytest.mark.parametrize(("size", "code"), [(0, "no_rows"), (5, "one_class")])
def test_without_positive_rows_there_is_no_recall(size: int, code: str) -> None:
    """Nor without rows."""
    with pytest.raises(Undefined) as caught:
        recall_at_precision(np.zeros(size, bool), np.zeros(size), None, 0.9)

    assert caught.value.code == code


def test_a_gate_asks_for_it_and_calls_it_approximate() -> None:
    """Absolute, beside the champion and on slices; an undecided finding names the lines that have exact bounds."""
    labels, candidate, champion = rows(3000)
    table = {"label": labels, "candidate": candidate, "champion": champion, "geo": np.arange(3000) % 2}
    found = run_gate(
        "metrics", table=table, slices=["geo"],
        require=[
            "recall_at_precision(0.8) >= 0.2",
            "recall_at_precision(0.8) >= champion - 0.2 on each geo",
            {"metric": "recall_at_precision(0.8)", "at_least": "champion + 0.5", "claim": "superior"},
            "recall_at_precision(precision=0.8) >= champion - 0.0001",
        ],
    )  # fmt: skip

    assert [one.verdict for one in found.findings] == [
        Verdict.PASS, Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE,
    ]  # fmt: skip
    assert {one.decided.method for one in found.findings if one.decided} == {
        "bootstrap of 500, percentiles, approximate"
    }
    assert found.findings[0].observed == best(labels, candidate, None, 0.8)
    assert (found.findings[4].remedy or "").endswith(
        "recall(threshold=…) beside precision(threshold=…) >= 0.8 has exact bounds"
    )
