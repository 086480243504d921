"""Agreement of decisions with labels: two classes are two of several, and a class without variance is not taken for certain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.evaluation.estimation.estimate import estimate
from lockgate.evaluation.metrics import agreement
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.evaluation.metrics.multiclass import metrics
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.uncertainty.metric_value import MetricValue
from lockgate.stats.influence import Spread, bound

NAMES = ("balanced_accuracy", "mcc", "kappa")


def measured(name: str, labels: Any, decided: Any, weights: Any = None) -> MetricValue:
    measure = METRICS[name].measure
    assert measure is not None
    return measure(np.asarray(labels, bool), np.asarray(decided, float), weights, 0.5)


@pytest.mark.parametrize("name", NAMES)
def test_two_classes_are_two_of_several(name: str) -> None:
    """The same value and influence whether they are decided at a threshold or by the highest score."""
    draw = np.random.default_rng(1)
    labels, decided, weights = draw.random(80) < 0.3, draw.random(80) < 0.4, draw.uniform(1, 3, 80)
    [several] = metrics([parse(f"{name} >= 0.5")], ["no", "yes"]).values()
    assert several.measure is not None
    of_several = several.measure(labels.astype(int), decided.astype(int), weights, None)
    of_two = measured(name, labels, decided, weights)

    assert of_several.value == of_two.value
    assert np.array_equal(of_several.psi, of_two.psi)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_of_which_no_row_varies_hides_its_variance(name: str) -> None:
    """Of 12 positives that were all found, two could go the other way; the negatives vary, and add nothing."""
    labels = np.arange(212) < 12
    decided = labels | (np.arange(212) % 10 == 0)
    of_all = measured(name, labels, decided)
    lost = measured(name, labels, decided & ~np.isin(np.arange(212), [3, 4])).value
    hidden = of_all.unseen_variance(of_all.psi, None, None)

    # What two lost rows do, by the derivative there.
    assert np.sqrt(hidden) == pytest.approx(of_all.value - lost, rel=0.2)
    assert of_all.unseen_variance(of_all.psi, None, np.arange(212) // 3) > hidden


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_no_weight_are_none(name: str) -> None:
    """They move neither the value nor its error, whatever they are."""
    draw = np.random.default_rng(2)
    labels, decided = draw.random(60) < 0.4, draw.random(60) < 0.4
    weights = np.where(np.arange(60) < 40, draw.uniform(1, 2, 60), 0.0)
    whole, inside = measured(name, labels, decided, weights), measured(name, labels[:40], decided[:40], weights[:40])

    assert whole.value == pytest.approx(inside.value, abs=1e-14)
    assert not whole.psi[40:].any()


def test_bounds_on_fishers_scale_stay_within_minus_one_and_one() -> None:
    """And are those of the logit of (1 + v)/2, of which atanh v is half."""
    error = Spread(0.05, 40.0, 0.0, 100)
    low, high, above, below = bound(0.97, error, null=0.9, confidence=0.95, scale="fisher")
    halved = bound(0.985, Spread(0.025, 40.0, 0.0, 100), null=0.95, confidence=0.95, scale="logit")

    assert -1 < low < 0.97 < high < 1
    assert (low, high, above, below) == pytest.approx((2 * halved[0] - 1, 2 * halved[1] - 1, *halved[2:]))


def table(rows: int, *, classes: int, seed: int = 3) -> Any:
    """A champion that is right on nine rows of ten, and a candidate as good that differs on a few."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, rows)
    champion = np.where(draw.random(rows) < 0.9, labels, draw.integers(0, classes, rows))
    candidate = np.where(draw.random(rows) < 0.95, champion, labels)

    class Table:
        weights = clusters = None
        slices = ()

        def cut(self, _: str, threshold: float | None) -> float | None:
            return threshold

    made: Any = Table()
    made.rows, made.labels = rows, labels.astype(bool) if classes == 2 else labels
    made.candidate, made.champion = candidate.astype(float), champion.astype(float)
    if classes > 2:
        made.candidate, made.champion = candidate, champion
    return made


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", ["0.5", "champion - 0.05"])
def test_a_line_is_decided(name: str, classes: int, limit: str) -> None:
    """A model that is good passes, alone and beside the champion, by the influence of its rows."""
    line, names = parse(f"{name} >= {limit}"), [f"c{code}" for code in range(classes)]
    by_name = METRICS if classes == 2 else metrics([line], names)
    rows, threshold = table(2_000, classes=classes), {"candidate": 0.5, "champion": 0.5}
    [found] = estimate(rows, [("r1", line)], by_name, threshold=threshold)

    assert found.p_pass is not None
    assert found.p_pass < 0.01
    assert found.method.startswith("influence")
    assert ("Fisher's z" in found.method) == (name != "balanced_accuracy" and limit == "0.5")


def test_a_class_without_rows_matters_where_classes_count_alike() -> None:
    """Balanced accuracy has no value then; the others are of the classes that are there."""
    labels, decided = np.array([0, 1] * 20), np.array([0, 1, 0, 0] * 10)
    kinds = ("rows of class a", "rows of class b", "rows of class c")
    for name, each in zip(NAMES, (True, False, False), strict=True):
        sums: Any = METRICS[name].sums
        assert sums.each_class is each
        if each:
            with pytest.raises(ValueError, match="there are no rows of class c"):
                agreement.of_decisions(sums, kinds, labels, decided, None)
        else:
            assert np.isfinite(agreement.of_decisions(sums, kinds, labels, decided, None).value)
