"""Do both models put the same items first? Of each query, by what its first k have in common."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fakes import ask, case_of
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import PipelineError
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.overlaps import overlap_at
from lockgate.evidence.evidence import GateResult
from lockgate.gates.shadow import Shadow
from lockgate.pipeline import loader


def verdict(folder: Path, table: dict[str, Any], *lines: str, **spec: Any) -> GateResult:
    spec = {"path": "t", "query": "q", **spec}
    dataset = TableDataset(pa.table(table), DatasetSpec.model_validate(spec))
    scored = Scored.from_table(pa.table(table), dataset.spec, task="ranking", positive=1)
    case = replace(
        case_of(folder), task="ranking", datasets=("traffic",), dataset=lambda name: dataset, replayed=lambda name: scored,
        threshold=lambda role: None,
    )  # fmt: skip
    return ask(case, Shadow.model_validate({"gate": "shadow", "data": "traffic", "require": list(lines)}))


def lists(queries: int, items: int, *, moved: float, seed: int = 1) -> dict[str, Any]:
    """Queries of which the given share has another item first; nothing else differs, and the lists stand in no order."""
    draw = np.random.default_rng(seed)
    champion = np.argsort(draw.random((queries, items))).astype(float)
    candidate = champion.copy()
    changed = draw.random(queries) < moved
    candidate[changed, champion[changed].argmin(axis=1)] = items + 1.0
    columns = {"q": np.repeat(np.arange(queries), items), "candidate": candidate.ravel(), "champion": champion.ravel()}
    return columns | {"country": np.repeat(np.where(np.arange(queries) % 2, "AT", "BR"), items)}


def test_the_lists_of_two_models_are_compared_by_query(tmp_path: Path) -> None:
    """Of ten places one differs in a tenth of the queries: 0.99, known by the queries and not by their rows; by slice too."""
    overall, slice_at, slice_br = verdict(
        tmp_path, lists(800, 30, moved=0.1), "overlap_at(10) >= 0.98", "overlap_at(k=10) >= 0.98 on each slice",
        slices=["country"],
    ).findings  # fmt: skip

    assert (overall.verdict, overall.rows, overall.counted_in) == ("pass", 800, "queries")
    assert overall.observed == pytest.approx(0.99, abs=0.002)
    assert (slice_at.rows, slice_br.rows) == (400, 400)


def test_a_candidate_with_other_lists_fails_and_few_queries_are_undecided(tmp_path: Path) -> None:
    """One that gives every item one score is no copy, in whatever order the file has its rows."""
    draw, table = np.random.default_rng(2), lists(300, 20, moved=0)
    other = verdict(tmp_path, {**table, "candidate": draw.random(6000)}, "overlap_at(5) >= 0.9")
    constant = verdict(tmp_path, {**table, "candidate": np.zeros(6000)}, "overlap_at(5) >= 0.9")
    few = verdict(tmp_path, lists(8, 20, moved=0), "overlap_at(5) >= 0.98")

    assert [result.verdict for result in (other, constant, few)] == ["fail", "fail", "inconclusive"]
    assert constant.findings[0].observed == pytest.approx(0.25)


def test_short_and_unanswered_lists_are_left_out(tmp_path: Path) -> None:
    """Of k items or fewer every order has the same first k; where none is longer nothing is shown."""
    table = lists(100, 5, moved=0.5)
    (short,) = verdict(tmp_path, table, "overlap_at(5) >= 0.5").findings
    q, champion = np.array([0, 0, 0, 1, 1, 1]), np.array([3.0, 2, 1, 3, 2, 1])
    values, inside = overlap_at(q, np.array([3.0, np.nan, 1, 1, 2, 3]), champion, k=1)

    assert (short.verdict, short.code) == ("inconclusive", "undefined")
    assert "more items than k" in short.reason
    assert (values[1], inside.tolist()) == (0.0, [False, True])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6))
def test_ties_share_the_places_that_are_left(k: int, scores: list[tuple[int, int]]) -> None:
    """Each item counts by the share of orders of equal scores in which it is among the first k, of the model of which that is less."""
    ours, theirs = (np.array(side, float) for side in zip(*scores, strict=True))

    def parts(values: Any) -> Any:
        orders = [
            order for order in itertools.permutations(range(values.size)) if (np.diff(values[list(order)]) <= 0).all()
        ]
        return np.mean([[item in order[:k] for item in range(values.size)] for order in orders], axis=0)

    values, inside = overlap_at(np.zeros(ours.size, np.int32), ours, theirs, k=k)
    same, _ = overlap_at(np.zeros(ours.size, np.int32), ours, ours, k=k)

    assert inside.tolist() == [ours.size > k]
    if ours.size > k:
        assert values[0] == pytest.approx(np.minimum(parts(ours), parts(theirs)).sum() / k)
        assert same[0] == pytest.approx(1.0)


def test_the_order_of_rows_says_nothing() -> None:
    table = lists(40, 12, moved=0.4)
    order = np.random.default_rng(3).permutation(480)
    columns = [np.asarray(table[name]) for name in ("q", "candidate", "champion")]

    for before, after in zip(
        overlap_at(*columns, k=4), overlap_at(*(values[order] for values in columns), k=4), strict=True
    ):
        np.testing.assert_allclose(before, after)


PIPELINE = """\
model: search
task: {task}
registry: {{uri: "sqlite:///mlflow.db"}}
champion: {{alias: production, else: none}}
data:
  traffic: {{path: t.parquet{query}}}
gates:
  - {{gate: shadow, data: traffic, require: [{line}]}}
"""


@pytest.mark.parametrize(
    ("line", "task", "query", "words"),
    [
        ("overlap_at >= 0.9", "ranking", ", query: q", "overlap_at needs k, how many places count"),
        ("overlap_at(2.5) >= 0.9", "ranking", ", query: q", "k must be a whole number, and is 2.5"),
        ("overlap_at(0) >= 0.9", "ranking", ", query: q", "k must be above 0"),
        ("overlap_at(10) >= 0.9", "ranking", "", "overlap_at is judged by query"),
        ("overlap_at(10) >= 0.9", "regression", "", "overlap_at is for task ranking"),
    ],
)
def test_what_no_ranking_has_is_refused(line: str, task: str, query: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=words):
        loader.read(PIPELINE.format(line=f'"{line}"', task=task, query=query), name="p.yaml", root=tmp_path)
