"""How many requests have a label, and what is left undecided by how few."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from helpers.report_evidence import PASSED
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evaluation.labelling.shares import Decision, LabelShares, Share
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.stats.proportions import binomial_at_most

N = 400
THRESHOLD = {"candidate": 0.5, "champion": 0.5}


def shares(
    judged: Any, *, due: Any = None, coverage: float = 0.8, slices: Any = ("geo",), **columns: Any
) -> LabelShares:
    """Of requests that both models decide positive in every second row."""
    scores = np.where(np.arange(N) % 2, 0.9, 0.1)
    table = pa.table({"candidate": scores, "champion": scores, "geo": ["AT", "AT", "BR", "BR"] * (N // 4), **columns})
    spec = DatasetSpec.model_validate({"path": "t", "slices": list(slices)})
    scored = Scored.from_table(table, spec, task="binary", positive=1)
    every = np.ones(N, bool) if due is None else due
    return LabelShares(scored, every, judged & every, coverage, THRESHOLD)


def test_shares_are_of_the_requests_that_are_due() -> None:
    """Overall, of each slice, and of each decision of both models."""
    rows = np.arange(N)
    made = shares(rows % 4 != 2, due=rows < 200)

    assert made.overall == Share(200, 150)
    assert made.slices == [((("geo", "AT"),), Share(100, 100)), ((("geo", "BR"),), Share(100, 50))]
    assert [(each.role, each.decision, each.share) for each in made.decisions] == [
        ("candidate", "negative", Share(100, 50)), ("champion", "negative", Share(100, 50)),
        ("candidate", "positive", Share(100, 100)), ("champion", "positive", Share(100, 100)),
    ]  # fmt: skip


@pytest.mark.parametrize("requests", [1, 3, 10, 40, 300])
@pytest.mark.parametrize("coverage", [0.3, 0.8])
def test_a_decision_is_held_by_chance_in_one_of_twenty_at_most(requests: int, coverage: float) -> None:
    """Where as many are labelled as should be; counted over all that can come of it."""
    held = [
        judged
        for judged in range(requests + 1)
        if Decision("champion", "x", Share(requests, judged), 1.0).lacks(coverage)
    ]

    assert binomial_at_most(max(held, default=-1), requests, coverage) <= 0.05 + 1e-9 if held else True
    if requests >= 40:
        assert held


def test_next_to_none_of_one_decision_is_selective_and_fewer_alone_is_not() -> None:
    """Half as many as of the other, beyond chance; how large the shares are makes no difference."""
    assert Decision("champion", "x", Share(1000, 20), 0.06).alone
    assert not Decision("champion", "x", Share(1000, 40), 0.06).alone
    assert not Decision("champion", "x", Share(3, 0), 0.9).alone
    assert Decision("champion", "x", Share(30, 0), 0.9).alone


def test_a_pass_and_a_fail_are_undecided_where_too_few_have_a_label() -> None:
    """The finding keeps its numbers; that of a slice with enough of them stands."""
    made = shares(np.arange(N) % 4 < 2)
    line = parse("auc >= 0.8")
    at, br, overall = (made.withhold(PASSED if name is None else _on(name), line) for name in ("AT", "BR", None))

    assert (at.verdict, br.verdict, overall.verdict) == ("pass", "inconclusive", "inconclusive")
    assert br.reason == "auc is 0.93. Not decided: 0 of 200 (0 %) geo=BR requests have a label, and coverage is 80 %"
    assert [verdict_of(each.decided, each.detail) for each in (br, overall)] == ["inconclusive", "inconclusive"]
    assert (br.observed, br.detail["labels"]) == (PASSED.observed, {"requests": 200, "judged": 0})


def test_a_gap_counts_by_the_slice_with_fewest_labels() -> None:
    """And a pool of small slices by all that are in it."""
    made = shares(np.arange(N) % 4 < 2)
    gap = made.withhold(PASSED, parse("recall gap over geo <= 0.1"))
    pool = made.withhold(_on("other", members=["AT", "BR"]), parse("auc >= 0.8 on each geo"))

    assert "0 of 200 (0 %) geo=BR requests" in gap.reason
    assert "200 of 400 (50 %) geo=other requests" in pool.reason


def test_a_gap_is_undecided_where_labels_of_any_slice_are_selective() -> None:
    """Also of one that has more labels than another."""
    rows = np.arange(N)
    chance = np.random.default_rng(0).random(N) < 0.4
    made = shares(np.where(rows % 4 < 2, rows % 2 == 0, chance), coverage=0.3)
    gap = made.withhold(PASSED, parse("recall gap over geo <= 0.1"))

    assert dict(made.slices)[("geo", "BR"),].rate < dict(made.slices)[("geo", "AT"),].rate
    assert gap.code == "selective_labels"
    assert "0 of 100 (0 %) geo=AT requests that the candidate decides positive" in gap.reason


def test_a_slice_without_any_label_is_named_where_no_finding_speaks_of_it() -> None:
    """A cell of a crossing too; not what a pool has, nor a slice that no line is on."""
    crossed = {"slices": ["geo", "web", {"cross": ["geo", "web"]}], "web": ["y", "n"] * (N // 2)}
    made = shares(np.arange(N) % 4 != 3, **crossed)
    lines = [
        ("r1", parse("auc >= 0.8 on each slice")),
        ("r2", parse("auc >= 0.8 on each geo")),
        ("r3", parse("auc >= 0.8")),
    ]

    assert [(name, key) for name, _, key in made.unmeasured(lines, [])] == [("r1", (("geo", "BR"), ("web", "n")))]


def _on(label: str, **detail: Any) -> Any:
    from dataclasses import replace

    return replace(PASSED, slice={"geo": label}, detail=detail)
