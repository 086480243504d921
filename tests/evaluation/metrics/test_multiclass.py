"""Metrics of several classes are scikit-learn's, and their influence values say how far they may be off."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError
from lockgate.evaluation.estimation.estimate import estimate
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.multiclass import DECLARED, Averaged, metrics
from lockgate.evaluation.metrics.multiclass_arguments import SUBJECTS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.metric_value import MetricValue, Undefined
from lockgate.stats.influence import spread

Floats = NDArray[np.float64]
Case = tuple[NDArray[Any], Floats, Floats | None]
CLASSES = ("a", "b", "c", "d")
PLACES = list(range(len(CLASSES)))


def best(scores: Floats) -> NDArray[Any]:
    return scores.argmax(axis=1)


def averaged(score: Callable[..., float], average: str) -> Callable[[Any, Any, Any], float]:
    return lambda y, s, w: score(y, best(s), labels=PLACES, average=average, sample_weight=w)


def of_class(score: Callable[..., float], *, ranked: bool = False) -> Callable[[Any, Any, Any], float]:
    return lambda y, s, w: score(y == 1, s[:, 1] if ranked else best(s) == 1, sample_weight=w)


def each_class(score: Callable[..., float]) -> Callable[[Any, Any, Any], float]:
    return lambda y, s, w: float(np.mean([score(y == place, s[:, place], sample_weight=w) for place in PLACES]))


def hand_till(y: Any, s: Any, w: Any) -> float:
    """scikit-learn's where it takes what it is given, else by its own AUC of each pair, which it has no weights for."""
    if w is None:
        return float(sk.roc_auc_score(y, s, multi_class="ovo", average="macro", labels=PLACES))
    of_pairs = []
    for own, other in permutations(PLACES, 2):
        rows = np.isin(y, [own, other])
        of_pairs.append(sk.roc_auc_score(y[rows] == own, s[rows, own], sample_weight=w[rows]))
    return float(np.mean(of_pairs))


ORACLES: dict[str, Callable[[Any, Any, Any], float]] = {
    "accuracy": lambda y, s, w: sk.accuracy_score(y, best(s), sample_weight=w),
    "precision(macro)": averaged(sk.precision_score, "macro"),
    "precision(micro)": averaged(sk.precision_score, "micro"),
    "precision(class=b)": of_class(sk.precision_score),
    "recall(average=macro)": averaged(sk.recall_score, "macro"),
    "recall(average=micro)": averaged(sk.recall_score, "micro"),
    "recall(class=b)": of_class(sk.recall_score),
    "f1(average=macro)": averaged(sk.f1_score, "macro"),
    "f1(average=micro)": averaged(sk.f1_score, "micro"),
    "f1(class=b)": of_class(sk.f1_score),
    "auc(average=macro)": lambda y, s, w: sk.roc_auc_score(
        y, s, multi_class="ovr", average="macro", labels=PLACES, sample_weight=w
    ),
    "auc(average=ovo)": lambda y, s, w: hand_till(y, s, w),
    "auc(class=b)": of_class(sk.roc_auc_score, ranked=True),
    "average_precision(average=macro)": each_class(sk.average_precision_score),
    "average_precision(class=b)": of_class(sk.average_precision_score, ranked=True),
    "log_loss": lambda y, s, w: sk.log_loss(y, s, labels=PLACES, sample_weight=w),
    "brier": lambda y, s, w: sk.brier_score_loss(y, s, labels=PLACES, sample_weight=w),
    "log_loss(class=b)": lambda y, s, w: sk.log_loss(y == 1, s[:, 1], labels=[False, True], sample_weight=w),
    "brier(class=b)": lambda y, s, w: sk.brier_score_loss(y == 1, s[:, 1], labels=[False, True], sample_weight=w),
    "balanced_accuracy": lambda y, s, w: sk.balanced_accuracy_score(y, best(s), sample_weight=w),
    "mcc": lambda y, s, w: sk.matthews_corrcoef(y, best(s), sample_weight=w),
    "kappa": lambda y, s, w: sk.cohen_kappa_score(y, best(s), labels=PLACES, sample_weight=w),
    "top_k_accuracy(1)": lambda y, s, w: sk.top_k_accuracy_score(y, s, k=1, labels=PLACES, sample_weight=w),
    "top_k_accuracy(k=3)": lambda y, s, w: sk.top_k_accuracy_score(y, s, k=3, labels=PLACES, sample_weight=w),
}


def metric(asked: str) -> Metric:
    [found] = metrics([parse(f"{asked} >= 0.5")], CLASSES).values()
    return found


def measure(asked: str, labels: NDArray[Any], scores: Any, weights: Floats | None = None) -> MetricValue:
    return metric(asked).measure(labels, scores, weights, None)


@st.composite
def several(draw: st.DrawFn) -> Case:
    """Four classes, some of which may have no rows; probabilities with many ties, all equal or free; weights or none."""
    n = draw(st.integers(1, 50))
    labels = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), dtype=np.int32)
    entry = draw(st.sampled_from([st.integers(1, 3), st.integers(1, 1000), st.just(1)]))
    raw = np.array(draw(st.lists(st.lists(entry, min_size=4, max_size=4), min_size=n, max_size=n)), dtype=float)
    weights = draw(st.none() | st.lists(st.sampled_from([0.25, 1.0, 3.0]), min_size=n, max_size=n).map(np.array))
    return labels, raw / raw.sum(axis=1, keepdims=True), weights


def defined(asked: str, labels: NDArray[Any], scores: Floats) -> bool:
    """Where scikit-learn neither warns nor puts in a number."""
    chosen = best(scores)
    if "macro" in asked or "ovo" in asked:
        every = set(labels.tolist()) == set(PLACES)
        return every and (not asked.startswith("precision") or set(chosen.tolist()) == set(PLACES))
    if asked in ("balanced_accuracy", "mcc", "kappa"):
        there = len(set(labels.tolist()))
        if asked == "balanced_accuracy":
            return there == len(PLACES)
        return there > 1 and (asked == "kappa" or len(set(chosen.tolist())) > 1)
    if "class=b" not in asked or asked.startswith(("log_loss", "brier")):
        return True
    inside, said = bool((labels == 1).any()), bool((chosen == 1).any())
    ranked = inside and bool((labels != 1).any())
    return {"recall": inside, "precision": said, "f1": inside or said}.get(asked.partition("(")[0], ranked)


def test_every_metric_of_several_classes_has_an_oracle() -> None:
    """Calibration aside, which is the binary one on the scores of a class, and what is of two models."""
    others = {"calibration_error", "broken_rate", "fixed_rate"}
    assert {asked.partition("(")[0] for asked in ORACLES} | others == set(SUBJECTS)


@settings(max_examples=80, deadline=None)
@given(case=several())
def test_a_metric_is_scikit_learns(case: Case) -> None:
    """With ties, weights, constant scores and classes without rows; where scikit-learn has no value, there is none."""
    labels, scores, weights = case
    for asked, oracle in ORACLES.items():  # all of one case, which takes longer to draw than to measure
        if not defined(asked, labels, scores):
            with pytest.raises(Undefined, match=r"there are no rows|every row is decided alike"):
                measure(asked, labels, scores, weights)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            known = oracle(labels, scores, weights)
        assert measure(asked, labels, scores, weights).value == pytest.approx(known, rel=1e-12, abs=1e-12), asked


def test_a_metric_that_nothing_here_computes_is_not_taken_for_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever declares one for several classes learns that its measure is missing."""
    monkeypatch.setitem(SUBJECTS, "gwet", replace(SUBJECTS["accuracy"], name="gwet"))  # type: ignore[index]
    monkeypatch.setitem(DECLARED, "gwet", replace(DECLARED["accuracy"], name="gwet"))

    with pytest.raises(NotImplementedError, match="gwet of several classes has no measure"):
        metrics([parse("gwet >= 0.4")], ["a", "b", "c"])


@settings(max_examples=30, deadline=None)
@given(case=several())
def test_plain_labels_do_for_metrics_of_labels(case: Case) -> None:
    """The same value and the same influence as from scores that are highest there."""
    labels, scores, weights = case
    for asked in ("accuracy", "recall(macro)", "precision(class=b)", "f1(average=macro)"):
        if defined(asked, labels, scores):
            one, other = measure(asked, labels, scores, weights), measure(asked, labels, best(scores), weights)
            assert one.value == other.value, asked
            assert np.array_equal(one.psi, other.psi), asked


@pytest.mark.parametrize("asked", ["auc(macro)", "log_loss", "brier(class=b)", "top_k_accuracy(2)"])
def test_plain_labels_do_not_do_for_metrics_of_scores(asked: str) -> None:
    """The reason is said, not a number made up."""
    with pytest.raises(Undefined, match=r"the answers are class labels, and .* needs a score of each class"):
        measure(asked, np.array([0, 1, 2, 3] * 3), np.array([0, 1, 2, 3] * 3))


@pytest.mark.parametrize("scores", [[[0.9, 0.9, 0.1, 0.1]] * 8, [[1.5, -0.5, 0, 0]] * 8])
def test_what_are_no_probabilities_is_not_taken_for_them(scores: Any) -> None:
    """Margins, or scores of independent classifiers."""
    with pytest.raises(Undefined) as caught:
        measure("log_loss", np.array([0, 1, 2, 3] * 2), np.array(scores))

    assert caught.value.code == "not_probabilities"


def drawn(seed: int, rows: int, *, loss: float = 0.0) -> tuple[NDArray[Any], Floats]:
    """Labels of four classes, the last one rare, and probabilities that know something of them."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1]).astype(np.int32)
    raw = np.exp(draw.normal(size=(rows, 4)) + (1.5 - loss) * (labels[:, None] == np.arange(4)))
    return labels, raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("asked", ORACLES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_influence_values_give_the_jackknifes_error(asked: str, weighted: bool) -> None:
    """On one data set of 200 rows, within 6 %: leaving out each row once."""
    labels, scores = drawn(11, 200)
    weights = np.random.default_rng(2).choice([0.5, 1.0, 2.0], 200) if weighted else None
    whole = measure(asked, labels, scores, weights)
    keep = ~np.eye(200, dtype=bool)
    left_out = np.array(
        [measure(asked, labels[rows], scores[rows], None if weights is None else weights[rows]).value for rows in keep]
    )
    known = float(np.sqrt((199 / 200) * ((left_out - left_out.mean()) ** 2).sum()))

    assert whole.psi.mean() == pytest.approx(0, abs=1e-10)
    assert spread(whole.psi).se == pytest.approx(known, rel=0.06)


def test_a_class_that_hides_its_variance_is_not_taken_for_certain() -> None:
    """Of 12 rows that were all found, two could go the other way; a class that varies adds nothing."""
    labels = np.repeat([0, 1, 2, 3], [100, 100, 100, 12])
    chosen = labels.copy()
    chosen[[0, 1, 2, 100, 101, 200]] = 3
    found = measure("recall(macro)", labels, chosen)
    assert isinstance(found, Averaged)

    assert found.unseen_variance(found.psi, None, None) == pytest.approx((2 / (12 * 4)) ** 2)
    assert found.unseen_variance(found.psi, None, np.repeat(np.arange(104), 3)) == pytest.approx((2 / (4 * 4)) ** 2)


def test_a_class_that_is_ranked_without_a_fault_hides_its_variance_too() -> None:
    """Its own value does not move, whatever the other classes' do."""
    labels, scores = drawn(5, 400)
    scores[:, 3] = np.where(labels == 3, 2.0, 0.0) + scores[:, 3] / 10
    found = measure("auc(macro)", labels, scores)
    assert isinstance(found, Averaged)

    assert found.still == (3,)
    assert found.unseen_variance(found.psi, None, None) == pytest.approx((2 / (int((labels == 3).sum()) * 4)) ** 2)


def test_a_class_that_is_told_from_each_other_hides_its_variance() -> None:
    """Of pairs too: its own value does not move, whatever the other classes' do; and each class has its part of the mean."""
    labels, scores = drawn(5, 400)
    scores = np.where(labels[:, None] == 3, scores / 100, scores)
    scores[:, 3] = np.where(labels == 3, 2.0, 0.0)
    found = measure("auc(average=ovo)", labels, scores)
    assert isinstance(found, Averaged)

    assert found.still == (3,)
    assert found.values[3] == pytest.approx(1.0)
    assert np.mean(found.values) == pytest.approx(found.value)
    assert found.unseen_variance(found.psi, None, None) > 0


def test_a_rare_class_lets_no_more_models_pass_than_declared() -> None:
    """15 rows of which a model at the limit finds nine in ten: one time in five it finds them all. 300 samples."""
    line = parse(f"recall(macro) >= {(0.95 + 0.95 + 0.9) / 3!r}")
    labels, passing = np.repeat([0, 1, 2], [500, 500, 15]), 0
    for seed in range(300):
        hit = np.random.default_rng(seed).random(1015) < np.array([0.95, 0.95, 0.9])[labels]
        table = pa.table({"label": labels, "candidate": np.where(hit, labels, (labels + 1) % 3)})
        spec = DatasetSpec(path="table", label="label")
        scored = Scored.from_table(table, spec, task="multiclass", positive=None)
        [one] = estimate(scored, [("r1", line)], metrics([line], scored.classes), threshold={}, threads=1)
        assert one.p_pass is not None
        passing += one.p_pass <= 0.05

    assert passing / 300 <= 0.05 + 4 * (0.05 * 0.95 / 300) ** 0.5


def test_a_class_that_is_none_is_refused_with_those_that_are() -> None:
    """And the one that was meant."""
    with pytest.raises(DataError, match="no class is called 'e'; known: a, b, c, d"):
        metric("recall(class=e)")


def told(seed: int, rows: int, loss: float) -> Scored:
    """Two models whose recalls of three classes are 0.9, 0.8 and 0.7, the candidate's less `loss`; mostly the same hits."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(3, rows, p=[0.5, 0.3, 0.2])
    luck = draw.random(rows)
    own = np.where(draw.random(rows) < 0.8, luck, draw.random(rows))
    recall = np.array([0.9, 0.8, 0.7])[labels]
    chosen = {"champion": luck < recall, "candidate": own < recall - loss}
    table = {role: np.where(hit, labels, (labels + 1) % 3) for role, hit in chosen.items()} | {"label": labels}
    return Scored.from_table(
        pa.table(table), DatasetSpec(path="table", label="label"), task="multiclass", positive=None
    )


def test_the_interval_of_a_macro_average_holds_the_truth_as_often_as_it_says() -> None:
    """Of one model and of two on the same 300 rows, of 600 samples each: 90 % intervals, within four standard errors."""
    line, own = parse("recall(macro) >= champion - 0.05"), parse("recall(macro) >= 0.5")
    asked, holding, passing = [("r1", line), ("r2", own)], np.zeros(2), 0
    for seed in range(600):
        scored = told(seed, 300, 0.05)
        paired, alone = estimate(scored, asked, metrics([line, own], scored.classes), threshold={}, threads=1)
        for place, (one, truth) in enumerate(((paired, -0.05), (alone, 0.75))):
            assert one.low is not None
            assert one.high is not None
            holding[place] += one.low <= truth <= one.high
        assert paired.p_pass is not None
        passing += paired.p_pass <= 0.05
    error = (0.9 * 0.1 / 600) ** 0.5

    assert np.abs(holding / 600 - 0.9) == pytest.approx(0, abs=4 * error)
    assert passing / 600 <= 0.05 + 4 * (0.05 * 0.95 / 600) ** 0.5


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("recall(threshold=0.5)", "recall takes average, class, not 'threshold'"),
        ("recall(average=weighted)", "average must be macro or micro, and is 'weighted'"),
        ("auc(average=micro)", "average must be macro or ovo, and is 'micro'"),
        ("accuracy(3)", "accuracy takes no arguments, not 3"),
        ("rmse", "rmse is not measured of several classes"),
        ("recall", "recall of several classes needs average or class"),
        ("top_k_accuracy(k=4)", "among the first 4 of 4 classes is every row"),
    ],
)
def test_what_cannot_be_asked_is_refused_where_no_pipeline_was_checked(asked: str, said: str) -> None:
    """Never taken for something else."""
    with pytest.raises(DataError) as caught:
        metric(asked)

    assert said in str(caught.value)
