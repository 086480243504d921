"""Lines that are decided while requests are asked, whenever somebody looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import UsageError
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.early import asking_order, early_metrics
from lockgate.evaluation.shadow.stopping import all_decided
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.shadow import Shadow
from lockgate.stats.sequential import largest_log_wealth, log_wealth, normal_log_wealth, normal_mixture_bound
from lockgate.testing import run_gate

LINES = ["flip_rate <= 2%", "flip_rate <= 6% on each geo", "lost_rate <= 5%", "positive_rate <= champion + 0.03",
         "score_shift <= 0.03", "null_rate <= 1%"]  # fmt: skip


def requests(flips: float, n: int = 30_000) -> dict[str, Any]:
    draw = np.random.default_rng(1)
    champion = draw.random(n)
    candidate = np.where(draw.random(n) < flips, 1 - champion, champion)
    geo, user = draw.choice(["BR", "US"], n, p=[0.9, 0.1]), draw.integers(0, n // 4, n)
    return {"champion": champion, "candidate": candidate, "geo": geo, "user": user, "w": draw.lognormal(0, 0.3, n)}


def judged(table: dict[str, Any], lines: list[str] = LINES, **more: Any) -> GateResult:
    return run_gate("shadow", table=table, require=lines, **{"slices": ["geo"], "stop": "early", **more})


@pytest.mark.parametrize("more", [{}, {"cluster": "user"}, {"weight": "w"}])
def test_clear_answers_leave_most_requests(more: dict[str, Any]) -> None:
    """A candidate like the champion passes, one far from it fails; both by fewer requests than there are."""
    for flips, verdict in ((0.002, Verdict.PASS), (0.2, Verdict.FAIL)):
        result = judged(requests(flips), LINES[:3] if more else LINES, **more)
        entry = result.context["stopping"]

        assert result.verdict is verdict
        assert entry["requests"] == 30_000
        assert entry["left"] > 10_000
        asked = 30_000 - entry["left"]
        assert (
            f"stopped after {asked:,} of 30,000 requests, when each line was decided; {entry['left']:,} left"
            in result.reason
        )
        assert result.findings[0].rows == asked
        for finding in result.findings:
            assert finding.decided is not None
            assert finding.decided.method == "wagers" + (", by cluster" if "cluster" in more else "")
            assert finding.decided.low is not None
            assert finding.decided.high is not None
            assert finding.decided.low <= finding.decided.estimate <= finding.decided.high


def test_a_value_at_its_limit_asks_about_everything() -> None:
    """And says so."""
    result = judged(requests(0.02, 6_000), ["flip_rate <= 2%"])

    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.context["stopping"] == {"requests": 6_000, "left": 0}
    assert result.reason.endswith("all 6,000 requests were asked")


def test_what_was_decided_stays_decided() -> None:
    """A rate that was shown to be small early, and rises: the interval ends at the limit that was shown."""
    answers = np.concatenate([np.zeros(2_000), np.ones(100)])
    table = pa.table({"champion": np.zeros(2_100) + 0.1, "candidate": 0.1 + 0.8 * answers})
    spec = DatasetSpec.model_validate({"path": "t", "scores": {"candidate": "candidate", "champion": "champion"}})
    scored = Scored.from_table(table, spec, task="binary", positive=1)
    scored.traffic = asking_order(scored, 0).traffic.to_json()
    half = {"candidate": 0.5, "champion": 0.5}
    (metric,) = early_metrics(scored, [parse("flip_rate <= 1%")], task="binary", threshold=half, bounds=True).values()
    assert metric.measure_rows is not None
    assert metric.decide is not None
    test = metric.decide(metric.measure_rows("candidate", np.arange(2_100), None), None, 1.0, None, 0.01, 0.95)

    assert test.value == 100 / 2_100
    assert test.p_below <= 0.05
    assert test.high == 0.01


def test_users_are_asked_whole_and_in_random_order() -> None:
    """No user is cut at a look; what a user weighs at most is known before, also within a slice."""
    table = requests(0.1, 8_000)
    spec = {
        "path": "t",
        "cluster": "user",
        "slices": ["geo"],
        "scores": {"candidate": "candidate", "champion": "champion"},
    }
    scored = Scored.from_table(pa.table(table), DatasetSpec.model_validate(spec), task="binary", positive=1)
    order = asking_order(scored, 5)
    users = table["user"][order.rows]

    assert sorted(order.rows.tolist()) == list(range(8_000))
    assert (np.diff(order.rows) < 0).any()
    assert order.looks[-1] == 8_000
    assert order.looks[0] >= 1_000
    for look in order.looks[:-1]:
        assert users[look - 1] != users[look]
    sizes = np.bincount(table["user"])
    of_us = np.bincount(table["user"][table["geo"] == "US"])
    assert (order.traffic.units, order.traffic.largest) == (np.count_nonzero(sizes), sizes.max())
    assert order.traffic.in_slices["geo"]["US"] == of_us.max()
    assert order.rows.tolist() == asking_order(scored, 5).rows.tolist()


def test_numbers_without_bounds_are_decided_asymptotically() -> None:
    """And say that they are approximate; a shift beyond the margin fails, whichever way."""
    draw = np.random.default_rng(2)
    champion = draw.normal(0, 10, 20_000)
    for moved, verdict in ((0.1, Verdict.PASS), (-2.0, Verdict.FAIL)):
        table = {"champion": champion, "candidate": champion + moved + draw.normal(0, 3, 20_000)}
        result = judged(table, ["score_shift <= 1"], task="regression", threshold=None, slices=[])
        assert result.verdict is verdict
        assert result.context["stopping"]["left"] > 10_000
        assert result.findings[0].decided is not None
        assert result.findings[0].decided.method == "asymptotic confidence sequence, approximate"


def test_wealth_is_not_expected_to_grow_and_its_bound_is_the_mixture() -> None:
    """Of fair coins each step leaves the mean as it is; the normal mixture reaches 1/alpha where its bound is."""
    coins = np.array([[first, second] for first in (-1.0, 1.0) for second in (-1.0, 1.0)])

    assert np.mean([np.exp(log_wealth(pair, np.ones(2))) for pair in coins]) == pytest.approx(1)
    assert largest_log_wealth(np.ones(40)) == pytest.approx(log_wealth(np.ones(1), np.array([40.0])))
    assert largest_log_wealth(np.concatenate([np.ones(32), -np.ones(40)])) == pytest.approx(
        log_wealth(np.ones(1), np.array([32.0]))
    )
    assert largest_log_wealth(np.zeros(0)) == 0
    edge = normal_mixture_bound(100, alpha=0.05, v_opt=100, two_sided=False)
    wealth = normal_log_wealth(np.array([edge]), np.array([100.0]), alpha=0.05, v_opt=100)
    assert wealth[0] == pytest.approx(np.log(20), abs=1e-9)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["errors <= 0"], "'errors <= 0': errors are counted over all requests; write 'null_rate <= 0.1%'"),
        (["p99_abs_difference <= 1"], "p99_abs_difference is not decided while requests are asked"),
        (["flip_rate gap over geo <= 0.02"], "gaps between slices are not decided while requests are asked"),
        (
            [{"metric": "positive_rate", "at_most": "champion + 0.01", "claim": "no_harm"}],
            "the claim no_harm is met before anything is asked",
        ),
    ],
)
def test_what_needs_all_requests_is_refused(lines: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        judged(requests(0.1, 100), lines)


def test_a_stop_needs_somebody_to_ask() -> None:
    """Where both models' answers are recorded there is nothing to stop; beside a sample of fixed size there is none either."""
    view: Any = type("View", (), {"task": "binary", "data": {"t": DatasetSpec(path="t", scores={"candidate": "p"})}})()
    gate = Shadow.model_validate(
        {"gate": "shadow", "data": "t", "stop": "early", "a_a": 500, "require": ["flip_rate <= 2%"]}
    )
    messages = [message for _, message in gate.complaints(view)]

    assert "data.t.scores has the candidate's answers, so that nobody is asked; leave stop out" in messages
    assert any("leave one of them out" in message for message in messages)


def test_a_slice_that_is_small_so_far_is_not_decided() -> None:
    """Under the no-harm check it would pass with less than it will have to show."""
    small = {"min_rows": 2_000, "below": "watch"}
    result = judged(requests(0.002, 20_000), ["flip_rate <= 2% on each geo"], small_slices=small)

    assert result.verdict is Verdict.PASS
    assert result.context["stopping"]["left"] < 5_000
    assert all_decided(result.findings) or result.context["stopping"]["left"] == 0
