"""Scores that order rows the other way round are told from scores that know nothing, in every task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from lockgate import run_gate
from lockgate.evaluation.score_direction import _query_ranks, _rank_correlation
from lockgate.evidence.finding import Verdict

Rows = dict[str, Any]
CLASSES = ("a", "b", "c")
NO_BASELINE = "the champion is no baseline: its {} is"


def two_classes(rows: int = 2000) -> tuple[Rows, list[str], Rows]:
    draw = np.random.default_rng(0)
    label = np.arange(rows) % 2
    scores = {role: 1 / (1 + np.exp(-draw.normal(2.0 * label - 1, 1.0))) for role in ("candidate", "champion")}
    return {"label": label, **scores}, ["auc >= champion - 0.05"], {"champion": 1 - scores["champion"]}


def numbers() -> tuple[Rows, list[str], Rows]:
    draw = np.random.default_rng(1)
    label = draw.gamma(1.5, 100.0, 1500)
    scores = {role: label * draw.lognormal(0, 0.5, 1500) for role in ("candidate", "champion")}
    return {"label": label, **scores}, ["mae <= champion + 20"], {"champion": label.max() - scores["champion"]}


def several_classes() -> tuple[Rows, list[str], Rows]:
    """The champion's probabilities stand under the name of the class before."""
    draw = np.random.default_rng(2)
    label = np.arange(1500) % 3
    columns: Rows = {"label": np.array(CLASSES)[label]}
    for role in ("candidate", "champion"):
        raw = np.exp(draw.normal(0, 1, (1500, 3)) + 2 * (label[:, None] == np.arange(3)))
        columns |= {
            f"{role}_{name}": values for name, values in zip(CLASSES, (raw / raw.sum(axis=1)[:, None]).T, strict=True)
        }
    turned = {f"champion_{name}": columns[f"champion_{CLASSES[code - 2]}"] for code, name in enumerate(CLASSES)}
    return columns, ["accuracy >= champion - 0.05"], turned


def ranked() -> tuple[Rows, list[str], Rows]:
    draw = np.random.default_rng(3)
    grade = draw.integers(0, 4, 3000)
    scores = {role: grade + draw.normal(0, 1.0, 3000) for role in ("candidate", "champion")}
    rows = {"query": np.arange(3000) // 10, "label": grade, **scores}
    return rows, ["ndcg(10) >= champion - 0.05"], {"champion": -scores["champion"]}


def gate(rows: Rows, lines: list[str], task: str) -> Any:
    more: Rows = {"query": "query"} if task == "ranking" else {}
    if task == "multiclass":
        more["scores"] = {role: {name: f"{role}_{name}" for name in CLASSES} for role in ("candidate", "champion")}
    return run_gate("metrics", table=rows, require=lines, task=task, **more)


@pytest.mark.parametrize(
    ("make", "task", "measure"),
    [
        (two_classes, "binary", "auc"),
        (several_classes, "multiclass", "auc(average=macro)"),
        (numbers, "regression", "rank correlation"),
        (ranked, "ranking", "rank correlation"),
    ],
)
def test_a_champion_that_orders_rows_the_other_way_round_is_no_baseline(make: Any, task: str, measure: str) -> None:
    """Beside a good one the candidate passes; beside this one nothing is judged, but against numbers it is."""
    rows, lines, turned = make()

    assert gate(rows, lines, task).verdict is Verdict.PASS
    result = gate(rows | turned, lines, task)
    assert result.verdict is Verdict.ERROR
    assert result.reason.startswith(NO_BASELINE.format(measure))
    assert result.context["broken"]["code"] == "champion_below_chance"
    absolute = {"binary": "auc >= 0.7", "multiclass": "accuracy >= 0.5", "regression": "mae <= 200"}
    assert task not in absolute or gate(rows | turned, [absolute[task]], task).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("make", "task"),
    [(two_classes, "binary"), (several_classes, "multiclass"), (numbers, "regression"), (ranked, "ranking")],
)
def test_a_champion_that_knows_nothing_is_compared_with(make: Any, task: str) -> None:
    """Chance is no reason to stop: the bound of 99.9 % would have to lie below it."""
    rows, lines, _ = make()
    draw = np.random.default_rng(9)
    for _ in range(10):
        order = draw.permutation(len(rows["label"]))
        shuffled = {name: values[order] for name, values in rows.items() if name.startswith("champion")}
        result = gate(rows | shuffled, lines, task)
        assert result.verdict is not Verdict.ERROR, result.reason


@pytest.mark.parametrize("classes", [2, 3])
def test_a_champion_that_answers_with_the_wrong_class_is_no_baseline(classes: int) -> None:
    """Of class labels too: where they are shifted by one class, not where they are drawn."""
    draw = np.random.default_rng(4)
    label = np.arange(1200) % classes
    known = draw.random(1200) < 0.6
    answer = np.where(known, label, draw.integers(0, classes, 1200))
    task = "binary" if classes == 2 else "multiclass"
    verdicts = {}
    for name, champion in {"good": answer, "drawn": draw.permutation(label), "wrong": (answer + 1) % classes}.items():
        rows = {"label": label, "candidate": answer, "champion": champion}
        for line in ("accuracy >= champion - 0.05", "accuracy >= 0.5"):
            result = run_gate("metrics", table=rows, require=[line], task=task)
            verdicts[name, "champion" in line] = result.verdict
            if name == "wrong" and "champion" in line:
                assert result.reason.startswith("the champion is no baseline: its auc")
                assert " of its class labels is 0." in result.reason

    assert verdicts.pop(("wrong", True)) is Verdict.ERROR
    assert set(verdicts.values()) == {Verdict.PASS}


def test_ranks_are_those_of_scipy() -> None:
    """Spearman's correlation with ties, its error by the jackknife, and mid-ranks within queries."""
    draw = np.random.default_rng(4)
    first = draw.integers(0, 9, 400).astype(float)
    second = first + draw.normal(0, 4, 400).round()
    measured = _rank_correlation(second, first, None)
    assert measured is not None
    keep = ~np.eye(400, dtype=bool)
    left_out = np.array([stats.spearmanr(first[mask], second[mask]).statistic for mask in keep])
    jackknife = float(np.sqrt(399 / 400 * ((left_out - left_out.mean()) ** 2).sum()))

    assert measured.value == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert float(np.sqrt((measured.psi**2).sum()) / 400) == pytest.approx(jackknife, rel=0.1)
    queries = draw.integers(0, 20, 400)
    ranks = _query_ranks(second, queries)
    for query in range(20):
        inside = queries == query
        expected = stats.rankdata(second[inside])
        assert ranks[inside] == pytest.approx(expected - expected.mean())
