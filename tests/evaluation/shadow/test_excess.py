"""What a candidate changes beyond the noise of the champion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.errors import UsageError
from lockgate.evaluation.shadow.excess import excess_p99, excess_rate, excess_within
from lockgate.evaluation.shadow.noise import noise_sentence
from lockgate.evaluation.shadow.rates import decided_kinds
from lockgate.evaluation.shadow.self_comparison import sampled_requests
from lockgate.evaluation.uncertainty.metric_value import Undefined
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.shadow import Shadow
from lockgate.testing import run_gate

NAN = float("nan")
ANSWERS = st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, NAN])] * 4), min_size=1, max_size=40)
TWICE = ("first", "second")
LINES = [
    "flip_rate <= 2%", "flip_rate <= 6% on each geo", "lost_rate <= 6%", "gained_rate <= 6%",
    "within(tolerance=0.1) >= 95%", "p99_abs_difference <= 0.05", "score_shift <= 0.02", "errors <= 0",
]  # fmt: skip


def requests(n: int = 8_000, *, moved: float = 0.0, noise: float = 0.15) -> dict[str, Any]:
    """Requests of which each answer of either model has a noise of its own; the candidate's are moved besides."""
    draw = np.random.default_rng(3)
    logit = draw.normal(0, 1.5, n)

    def ask(more: float = 0.0) -> Any:
        return 1 / (1 + np.exp(-logit - more - draw.normal(0, noise, n) if noise else -logit - more))

    answers = {"champion": ask(), "candidate": ask(moved), "first": ask(), "second": ask()}
    return {**answers, "geo": draw.choice(["BR", "US"], n), "user": np.arange(n) // 4, "w": draw.lognormal(size=n)}


def judged(table: dict[str, Any], lines: list[str] = LINES, **more: Any) -> GateResult:
    return run_gate(
        "shadow", table=table, require=lines, **{"slices": ["geo"], "a_a": 4_000, "champion_twice": TWICE, **more}
    )


@pytest.mark.parametrize("more", [{}, {"cluster": "user"}, {"weight": "w"}])
def test_the_same_noisy_model_twice_passes_and_its_noise_is_named(more: dict[str, Any]) -> None:
    """Of independent requests, by user, and by weight; without a_a it fails, and nothing says that it is noise."""
    table = requests()
    # By weight as few requests as these bound no percentile.
    lines = [line for line in LINES if "weight" not in more or not line.startswith("p99")]
    alone, beside = judged(table, lines, a_a=None, **more), judged(table, lines, **more)

    assert (alone.verdict, beside.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert beside.reason.endswith("requirements met; noise: champion against itself flips 4.03 % of 4,000 requests")
    assert beside.context["noise"] == {
        "requests": 4_000,
        "answered": 4_000,
        "differing": 4_000,
        "flipped": 161,
        "largest": beside.context["noise"]["largest"],
        "a_a": 4_000,
    }
    flips, shift = beside.findings[0], beside.findings[-2]
    assert (flips.rows, shift.rows) == (4_000, 8_000)
    assert flips.decided is not None
    assert flips.decided.method == {"cluster": "influence paired, t, by cluster"}.get(
        next(iter(more), ""), "tango score" + (", effective rows" if "weight" in more else "")
    )


def test_a_candidate_that_changes_more_than_noise_fails() -> None:
    """By what it changes besides; the sentence has both numbers."""
    flips, *_ = judged(requests(moved=0.6), ["flip_rate <= 2%"]).findings

    assert flips.verdict is Verdict.FAIL
    assert flips.reason == (
        "flip_rate is 0.1072 (0.1475 with noise, 0.04025 of the champion against itself); at 95 % confidence at least 0.09772; "
        "at most 2% is allowed"
    )


def test_without_noise_the_lines_say_what_they_say_alone() -> None:
    """A champion that repeats itself takes nothing away."""
    table = requests(moved=0.3, noise=0.0)
    alone, beside = (judged(table, ["flip_rate <= 2%", "lost_rate <= 6%"], a_a=rows) for rows in (None, 8_000))

    assert [finding.observed for finding in beside.findings] == [finding.observed for finding in alone.findings]
    assert "noise: none, the champion answers 8,000 requests alike when it is asked twice" in beside.reason


@given(ANSWERS)
def test_the_excess_is_the_difference_of_two_rates_on_the_same_requests(rows: list[tuple[float, ...]]) -> None:
    """Those that all four answers are there of."""
    candidate, champion, first, second = np.array(rows).T
    kinds, own = decided_kinds(candidate, champion, 1), decided_kinds(second, first, 1)
    whole = np.array([row for row in rows if not np.isnan(row).any()]).reshape(-1, 4)
    measure = excess_rate("flip_rate", kinds, own).measure_rows
    assert measure is not None
    if not whole.size:
        with pytest.raises(Undefined, match="twice more by the champion"):
            measure("candidate", np.arange(len(rows)), None)
        return
    found = measure("candidate", np.arange(len(rows)), None)
    by_hand = (whole[:, 0] != whole[:, 1]).mean() - (whole[:, 2] != whole[:, 3]).mean()

    assert found.value == pytest.approx(by_hand)
    assert found.psi.mean() == pytest.approx(0, abs=1e-9)


def test_a_missing_answer_takes_a_request_out_of_both_sides() -> None:
    """Of numbers as well."""
    draw = np.random.default_rng(0)
    sizes, own = draw.random(400), draw.random(400) * 0.5
    own[:10], sizes[390:] = NAN, NAN
    for metric in (excess_within(sizes, own, tolerance=0.4), excess_p99(sizes, own)):
        assert metric.measure_rows is not None
        found = metric.measure_rows("candidate", np.arange(400), None)
        assert found.detail["asked_twice"] == 380


def test_a_percentile_needs_enough_requests_on_both_sides() -> None:
    """Each is bounded by order statistics at half the risk: 367 requests bound none, 368 do."""
    for rows, high in ((367, float("inf")), (368, 0.0)):
        metric = excess_p99(np.full(rows, 0.25), np.full(rows, 0.25))
        assert metric.measure_rows is not None
        assert metric.decide is not None
        found = metric.measure_rows("candidate", np.arange(rows), None)
        comparison = metric.decide(found, None, 1.0, None, 0.1, 0.95)
        assert comparison.high == (high if high else 0.0)
        assert (comparison.p_below <= 0.05) == (not high)


@given(st.integers(1, 500), st.integers(1, 600))
def test_the_sample_is_spread_and_belongs_to_the_policy(total: int, wanted: int) -> None:
    """One request by chance of each of equal parts; all where as many are wanted."""
    rows = sampled_requests(total, wanted, 7)

    assert rows.size == min(total, wanted)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < total
    assert (rows == sampled_requests(total, wanted, 7)).all()


def test_several_classes_are_compared_by_the_one_that_is_decided() -> None:
    """The champion's two further answers are classes too."""
    draw = np.random.default_rng(2)
    classes = np.array(["a", "b", "c"])
    decided = draw.integers(0, 3, 4_000)
    table = {
        name: classes[np.where(draw.random(4_000) < 0.03, draw.integers(0, 3, 4_000), decided)]
        for name in ("candidate", "champion", *TWICE)
    }
    result = judged(
        table, ["flip_rate <= 2%", "lost_rate(class=b) <= 6%"], classes=["a", "b", "c"], task="multiclass", slices=[]
    )

    assert result.verdict is Verdict.PASS
    assert "noise: champion against itself flips 3 % of 4,000 requests" in result.reason


def test_numbers_say_by_how_much_the_champion_differs_from_itself() -> None:
    """A regression flips nothing."""
    table = {name: column * 100 for name, column in requests().items() if name not in ("geo", "user", "w")}
    result = judged(table, ["within(tolerance=10) >= 95%"], task="regression", slices=[], threshold=None)

    assert result.verdict is Verdict.PASS
    assert "noise: champion against itself differs on 4,000 of 4,000 requests, by up to 18.99" in result.reason


def test_noise_of_nothing_is_unknown() -> None:
    assert noise_sentence({"answered": 0, "differing": 0}).startswith("noise: unknown")


def test_asking_twice_for_nothing_is_refused() -> None:
    """Means, and shares of one model, have no part in noise."""
    with pytest.raises(UsageError, match="no line is on what noise adds to: flip_rate, lost_rate, gained_rate"):
        judged(requests(200), ["score_shift <= 0.1"])


def test_more_requests_come_from_a_a() -> None:
    """Where too few are undecided, the remedy says which number is too small."""
    flips, *_ = judged(requests(), ["flip_rate <= 0.5%"], a_a=500).findings

    assert flips.verdict is Verdict.INCONCLUSIVE
    assert str(flips.remedy).endswith("; a_a says about how many the champion is asked twice")


def test_stored_findings_say_nothing_of_another_noise() -> None:
    """Judged again with as many requests as before; neither without, nor with more, nor where none were asked."""
    beside, alone = (judged(requests(), ["flip_rate <= 2%"], a_a=rows) for rows in (4_000, None))
    lines = {"gate": "shadow", "data": "table", "require": ["flip_rate <= 3%"]}
    same, other, without = (Shadow.model_validate({**lines, "a_a": rows}) for rows in (4_000, 500, None))

    assert same.measured_otherwise(beside) is None
    assert without.measured_otherwise(alone) is None
    assert other.measured_otherwise(beside) == "the run asked with a_a: 4,000, and the policy has a_a: 500"
    assert without.measured_otherwise(beside) == "the run asked with a_a: 4,000, and the policy has no a_a"
    assert same.measured_otherwise(alone) == "the run asked with no a_a, and the policy has a_a: 4,000"


def test_no_plan_foretells_what_noise_decides() -> None:
    """How much the champion contradicts itself is known once it was asked; means are planned as before."""
    gate = Shadow.model_validate(
        {"gate": "shadow", "data": "t", "a_a": 500, "require": ["flip_rate <= 3%", "null_rate <= 1%"]}
    )

    assert [gate.known_after_a_run(line) for line in gate.lines] == [True, False]
