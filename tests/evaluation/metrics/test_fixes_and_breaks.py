"""Rows that the candidate fixes, and rows that it breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import UsageError
from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.metrics import multiclass
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

RATES = "broken_rate <= 2%", "fixed_rate >= 1%"


def estimates(rows: dict[str, Any], *lines: str, cuts: dict[str, float | None], **columns: Any) -> list[Estimate]:
    spec = DatasetSpec.model_validate({"path": "t", "label": "label", **columns})
    scored = Scored.from_table(pa.table(rows), spec, task="binary", positive=1)
    return list(estimate(scored, [(line, parse(line)) for line in lines], METRICS, threshold=cuts))


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(0, 1), st.integers(1, 3)), min_size=1, max_size=30),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
)
def test_both_models_decide_at_their_own_threshold(
    rows: list[tuple[bool, float, float, int]], ours: float, theirs: float, weighed: bool
) -> None:
    """By row and from sums; and what is fixed beyond what is broken is what accuracy gains, by weight too."""
    labels, candidate, champion, weights = (np.array(column) for column in zip(*rows, strict=True))
    table = {"label": labels.astype(int), "candidate": candidate, "champion": champion, "weight": weights.astype(float)}
    right, before = (candidate >= ours) == labels, (champion >= theirs) == labels
    weight = {"weight": "weight"} if weighed else {}

    broken, fixed, gain = estimates(
        table, *RATES, "accuracy >= champion - 0.1", cuts={"candidate": ours, "champion": theirs}, **weight
    )

    shares = [np.average(hits, weights=weights if weighed else None) for hits in (before & ~right, right & ~before)]
    assert [broken.value, fixed.value] == pytest.approx(shares)
    assert (fixed.value or 0.0) - (broken.value or 0.0) == pytest.approx(gain.value)
    assert (
        broken.detail
        == fixed.detail
        == {"only_candidate": (right & ~before).sum(), "only_champion": (before & ~right).sum()}
    )


def outcomes(n: int, *, broken: int, fixed: int) -> dict[str, Any]:
    """Rows of two slices, of which so many are broken, then so many fixed; every seventh row both models miss."""
    number = np.arange(n)
    label = number % 3 == 0
    champion = np.where(number % 7 == 6, ~label, label)
    candidate = champion.copy()
    agree = np.flatnonzero(champion == label)
    candidate[agree[:broken]] ^= True
    champion[agree[broken : broken + fixed]] ^= True
    return {
        "label": label.astype(int), "candidate": candidate * 0.8 + 0.1, "champion": champion * 0.8 + 0.1,
        "geo": np.where(number % 2, "BR", "US"), "user": number // 4, "weight": 1.0 + number % 3,
    }  # fmt: skip


def test_the_bounds_are_exact() -> None:
    """Those of a binomial share, on both sides."""
    broken, fixed = run_gate("metrics", table=outcomes(500, broken=4, fixed=20), require=list(RATES)).findings

    for finding, hits in ((broken, 4), (fixed, 20)):
        exact = binomtest(hits, 500).proportion_ci(0.9, "exact")
        assert finding.interval == pytest.approx((exact.low, exact.high), abs=1e-9)
        assert finding.decided is not None
        assert finding.decided.method == "clopper-pearson"
        assert finding.champion is None


def test_a_candidate_that_breaks_rows_is_stopped_by_name() -> None:
    """However many it fixes; overall and on the slice where it does, with the rows behind it."""
    rows = outcomes(3000, broken=0, fixed=300)
    there = np.flatnonzero(
        (rows["geo"] == "BR") & ((rows["candidate"] >= 0.5) == rows["label"]) & (rows["champion"] == rows["candidate"])
    )
    rows["candidate"][there[:120]] = 1 - rows["candidate"][there[:120]]
    result = run_gate(
        "metrics", table=rows, slices=["geo"],
        require=["accuracy >= champion - 0.01", "broken_rate <= 2%", "broken_rate <= 4% on each geo", "fixed_rate >= 5%"],
    )  # fmt: skip

    assert {(finding.subject, *finding.slice.values()): finding.verdict for finding in result.findings} == {
        ("accuracy",): Verdict.PASS,
        ("broken_rate",): Verdict.FAIL,
        ("broken_rate", "BR"): Verdict.FAIL,
        ("broken_rate", "US"): Verdict.PASS,
        ("fixed_rate",): Verdict.PASS,
    }
    assert [finding.reason for finding in result.findings if finding.verdict is Verdict.FAIL] == [
        "broken_rate is 0.04 (120 rows broken, 300 fixed); at 95 % confidence at least 0.03428; at most 2% is allowed",
        "broken_rate on geo=BR is 0.08 (120 rows broken, 150 fixed); at 95 % confidence at least 0.06876; at most 4% is allowed",
    ]


@pytest.mark.parametrize(
    "columns", [{"cluster": "user"}, {"weight": "weight"}, {"cluster": "user", "weight": "weight"}]
)
def test_rows_that_go_together_or_weigh_unlike_show_less(columns: dict[str, str]) -> None:
    """As they do of accuracy: whoever counts each row shows more than there is to see."""
    rows = outcomes(2000, broken=40, fixed=60)
    ends = [
        [finding.interval for finding in run_gate("metrics", table=rows, require=list(RATES), **each).findings]
        for each in ({}, columns)
    ]

    for plain, other in zip(*ends, strict=True):
        assert plain is not None
        assert other is not None
        assert (other[1] or 1) - (other[0] or 0) > (plain[1] or 1) - (plain[0] or 0)


def test_of_several_classes_a_row_that_both_miss_is_neither() -> None:
    """Also where they take it for different classes."""
    labels = np.array(["a", "b", "c", "c", "b", "a"])
    candidate, champion = np.array(["a", "a", "c", "b", "b", "c"]), np.array(["a", "b", "b", "a", "b", "a"])
    found = run_gate(
        "metrics", table={"label": labels, "candidate": candidate, "champion": champion},
        task="multiclass", require=list(RATES),
    ).findings  # fmt: skip

    assert [finding.observed for finding in found] == pytest.approx([2 / 6, 1 / 6])
    assert found[0].detail["only_champion"] == 2


def test_a_row_of_several_classes_has_no_threshold() -> None:
    """The line names none, and its metric takes none."""
    metric = multiclass.metrics([parse(RATES[0])], ("a", "b", "c"))["broken_rate"]

    assert (metric.argument, metric.classes) == (None, ("a", "b", "c"))


@pytest.mark.parametrize(("candidate", "value"), [(0.5, 1.0), (0.95, 2 / 3)])
def test_a_line_may_name_the_threshold_of_both(candidate: float, value: float) -> None:
    """As a line on accuracy does; what the pipeline says of each role is not looked at then."""
    table = {"label": [1, 1, 0], "candidate": [0.1, candidate, 0.95], "champion": [0.95, 0.9, 0.1]}
    (found,) = estimates(table, "broken_rate(threshold=0.9) <= 2%", cuts={"candidate": 0.1, "champion": None})

    assert found.value == pytest.approx(value)


@pytest.mark.parametrize("weight", [None, "weight"])
def test_a_limit_beside_the_champion_is_refused(weight: str | None) -> None:
    """It would be met by any candidate: the champion has no such rate of its own."""
    rows = outcomes(300, broken=40, fixed=1)

    with pytest.raises(UsageError, match=r"broken_rate compares with the champion already; write a number"):
        run_gate("metrics", table=rows, require=["broken_rate <= champion + 0.01"], weight=weight)
    columns = {} if weight is None else {"weight": weight}
    with pytest.raises(ValueError, match="no model alone has a broken_rate"):
        estimates(rows, "broken_rate <= champion + 0.01", cuts={"candidate": 0.5, "champion": 0.5}, **columns)


def test_without_a_champion_nothing_is_measured() -> None:
    """Who calls leaves such lines out, and a gate does."""
    rows = {name: column for name, column in outcomes(30, broken=1, fixed=1).items() if name != "champion"}

    assert run_gate("metrics", table=rows, require=list(RATES)).findings == ()
    with pytest.raises(ValueError, match="broken_rate needs the answers of two models"):
        estimates(rows, RATES[0], cuts={"candidate": 0.5})
