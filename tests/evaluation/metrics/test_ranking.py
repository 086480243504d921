"""What the order of each query's rows is worth, held to scikit-learn and to plain loops over all orders of equal scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, dcg_score, ndcg_score

from helpers.reference import cases
from lockgate.evaluation.metrics.ranking import Order, Queries
from lockgate.evaluation.metrics.ranking_subjects import BY_NAME, Cutoff
from lockgate.evaluation.uncertainty.metric_value import Undefined

Query = tuple[list[float], list[float]]


def asked(name: str, queries: Sequence[Query], at: Cutoff, *, shuffle: int | None = None) -> list[float]:
    """The number of each query, its rows standing where a shuffle puts them."""
    codes = np.repeat(np.arange(len(queries)), [len(labels) for labels, _ in queries])
    labels = np.array([label for labels, _ in queries for label in labels], float)
    scores = np.array([score for _, scores in queries for score in scores], float)
    rows = np.arange(codes.size) if shuffle is None else np.random.default_rng(shuffle).permutation(codes.size)
    found = BY_NAME[name].by_query(Order(Queries(codes[rows], labels[rows]), scores[rows]), at)
    return [float(value) for value in found]


def queries(most: int, *, fewest: int = 1) -> st.SearchStrategy[list[Query]]:
    """Some queries of graded labels and scores with many ties."""
    row = st.tuples(st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.5]), st.sampled_from([-1.5, 0.0, 0.25, 3.0, 1e6]))
    one = st.lists(row, min_size=fewest, max_size=most).map(lambda rows: ([a for a, _ in rows], [b for _, b in rows]))
    return st.lists(one, min_size=1, max_size=5)


CUTS = st.one_of(st.none(), st.integers(1, 8))


@given(queries(12, fewest=2), CUTS, st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_ndcg_and_dcg_are_scikit_learns(some: list[Query], k: int | None, shuffle: int) -> None:
    """Ties averaged, any cut, rows in any order, to 1e-12."""
    for name, theirs in (("ndcg", ndcg_score), ("dcg", dcg_score)):
        expected = [theirs([labels], [scores], k=k) for labels, scores in some]

        assert asked(name, some, Cutoff(k=k), shuffle=shuffle) == pytest.approx(expected, abs=1e-12, rel=1e-12)


@given(queries(10, fewest=2), CUTS)
@settings(max_examples=50, deadline=None)
def test_an_exponential_gain_is_ndcg_of_two_to_the_label(some: list[Query], k: int | None) -> None:
    """2^label − 1 in place of the label."""
    expected = [ndcg_score([[2**label - 1 for label in labels]], [scores], k=k) for labels, scores in some]

    assert asked("ndcg", some, Cutoff(k=k, gain="exponential")) == pytest.approx(expected, abs=1e-12)


def plainly(name: str, relevant: Sequence[bool], k: int | None) -> float:
    """The number of one query whose rows stand in this order."""
    first = relevant if k is None else relevant[:k]
    total = sum(relevant)
    if name == "mrr":
        return next((1 / rank for rank, hit in enumerate(first, 1) if hit), 0.0)
    if name == "map":
        found = sum(sum(relevant[: rank + 1]) / (rank + 1) for rank, hit in enumerate(first) if hit)
        return found / total if total else 0.0
    if name == "recall_at":
        return sum(first) / total if total else 0.0
    return sum(first) / (k or 1) if name == "precision_at" else float(any(first))


def over_all_orders(name: str, query: Query, *, relevant: Callable[[float], bool], k: int | None) -> float:
    """Mean over every order in which rows of equal scores could stand."""
    labels, scores = query
    orders = [
        order
        for order in permutations(range(len(labels)))
        if all(scores[one] >= scores[two] for one, two in pairwise(order))
    ]
    return math.fsum(plainly(name, [relevant(labels[row]) for row in order], k) for order in orders) / len(orders)


@pytest.mark.parametrize("name", ["mrr", "map", "recall_at", "precision_at", "hit_rate"])
@given(some=queries(5), k=st.integers(1, 6), relevant=st.sampled_from([None, 2.0]), whole=st.booleans())
@settings(max_examples=60, deadline=None)
def test_rows_of_one_score_stand_in_every_order(
    name: str, some: list[Query], k: int, relevant: float | None, whole: bool
) -> None:
    """The number of a query is its mean over all orders of equal scores, whatever counts as relevant."""
    cut = None if whole and name in ("mrr", "map") else k
    expected = [
        over_all_orders(name, one, relevant=lambda label: label > 0 if relevant is None else label >= relevant, k=cut)
        for one in some
    ]

    assert asked(name, some, Cutoff(k=cut, relevant=relevant), shuffle=3) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_average_precision_of_distinct_scores_is_scikit_learns(hits: list[bool], seed: int) -> None:
    """By ranks, where no scores are equal."""
    scores = np.random.default_rng(seed).permutation(len(hits)).astype(float)
    expected = average_precision_score(hits, scores) if any(hits) else 0.0

    assert asked("map", [([float(hit) for hit in hits], scores.tolist())], Cutoff()) == pytest.approx(
        [expected], abs=1e-12
    )


def test_a_long_tie_keeps_its_digits() -> None:
    """One relevant row among a thousand of one score stands at each rank alike."""
    labels = [1.0] + [0.0] * 999
    expected = math.fsum(1 / rank for rank in range(1, 1001)) / 1000

    assert asked("mrr", [(labels, [0.5] * 1000)], Cutoff()) == pytest.approx([expected], rel=1e-10)
    assert asked("hit_rate", [(labels, [0.5] * 1000)], Cutoff(k=10)) == pytest.approx([0.01], rel=1e-10)


def test_a_gain_beyond_all_numbers_has_no_value() -> None:
    """2 to the power of the label must be a number."""
    with pytest.raises(Undefined, match="too large a gain"):
        asked("ndcg", [([5000.0, 0.0], [1.0, 2.0])], Cutoff(gain="exponential"))


def test_the_published_ndcg_is_ours() -> None:
    """Within the tolerance that the answer came with."""
    for case in cases("ndcg"):
        found = asked("ndcg", [(case["inputs"]["rel"], case["inputs"]["scores"])], Cutoff(k=case["inputs"].get("k")))

        assert found == pytest.approx([case["expected"]["ndcg"]], abs=case["tolerance"])
