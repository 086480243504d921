"""Latency from blocks of timed requests: ends, tests and floors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.percentiles import quantile_bounds, quantile_p_values
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, estimate_latency
from lockgate.evaluation.latency.request_limits import PERCENTILES, least_requests
from lockgate.evaluation.requirements.grammar import from_mapping, parse


def blocks(seed: int, *, count: int = 20, size: int = 100, drift: float = 0.0, times: float = 1.0) -> Any:
    """Log-normal latencies around 10 ms, each block off by a factor of its own."""
    draw = np.random.default_rng(seed)
    return tuple(times * 10 * np.exp(draw.normal(0, 0.3, size) + draw.normal(0, drift)) for _ in range(count))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 9999), subject=st.sampled_from([*PERCENTILES, "mean_ms"]), drift=st.sampled_from([0.0, 0.2]),
    place=st.floats(0.5, 3.0),
)  # fmt: skip
def test_the_upper_end_meets_a_limit_where_the_test_passes(seed: int, subject: str, drift: float, place: float) -> None:
    """For percentiles and the mean, blocks alike or not."""
    line = parse(f"{subject} <= {10 * place!r}")
    one = estimate_latency("r1", line, BlockLatencies(blocks(seed, drift=drift), None), seed=0)

    assert one.p_pass is not None
    met = one.high is not None and math.isfinite(one.high) and one.high <= one.required[1]
    assert (one.p_pass <= 0.05) == met
    assert one.low is None or one.value is None or one.low <= one.value


def test_blocks_that_are_alike_have_the_exact_interval() -> None:
    """Order statistics, where time plays no part; a drifting run is bounded less tightly."""
    alike, drifting = (BlockLatencies(blocks(3, size=200, drift=drift), None) for drift in (0.0, 0.3))
    line = parse("p50_ms <= 20")

    def reach(timed: BlockLatencies) -> float:
        one = estimate_latency("r1", line, timed, seed=0)
        exact = quantile_bounds(np.concatenate(timed.candidate), 0.5, confidence=0.9).high
        assert one.high is not None
        assert exact is not None
        assert one.high >= exact
        return one.high / exact

    assert reach(alike) < 1.02
    assert reach(drifting) > 1.02


def test_independent_requests_are_tested_exactly() -> None:
    """With blocks that agree, in which slow requests do not follow each other, p-values are those of the exact test."""
    spaced = np.sort(blocks(8, count=1, size=50)[0]).reshape(10, 5).T.ravel()
    timed = BlockLatencies((spaced,) * 20, None)
    one = estimate_latency("r1", parse("p90_ms <= 16"), timed, seed=0)

    assert one.detail["design_effect"] == "1.0"
    assert (one.p_pass, one.p_fail) == pytest.approx(quantile_p_values(np.concatenate(timed.candidate), 0.9, 16.0))


@pytest.mark.parametrize("subject", ["p50_ms", "p99_ms"])
def test_one_slow_request_does_not_undo_a_generous_limit(subject: str) -> None:
    """3,000 requests of which one is over the limit show that the p99 is under it."""
    timed = [np.full(150, 10.0) + np.arange(150) / 1000 for _ in range(20)]
    timed[7][3] = 500.0
    one = estimate_latency("r1", parse(f"{subject} <= 100"), BlockLatencies(timed, None), seed=0)

    assert one.p_pass is not None
    assert one.p_pass < 1e-6


def test_requests_that_resemble_their_neighbours_count_as_fewer() -> None:
    """Slow ones in a row say little more than one of them: the same values in another order are bounded more widely."""
    draw = np.random.default_rng(4)
    calm = [10 * np.exp(draw.normal(0, 0.1, 150)) for _ in range(20)]
    bursts = [np.sort(block) for block in calm]
    line = parse("p90_ms <= 12")
    alone, together = (estimate_latency("r1", line, BlockLatencies(one, None), seed=0) for one in (calm, bursts))

    assert float(together.detail["autocorrelation_time"]) > 5 > float(alone.detail["autocorrelation_time"])
    assert together.p_pass is not None
    assert alone.p_pass is not None
    assert together.p_pass > alone.p_pass
    assert together.n_eff is not None
    assert together.n_eff < 3000 / 5


@pytest.mark.parametrize("line", ["p50_ms <= 100", "mean_ms <= 100", "p50_ms <= champion * 3"])
def test_a_model_that_slows_down_is_not_decided(line: str) -> None:
    """From the first block to the last it loses a third: what it will be later was not measured."""
    steady = blocks(5, size=200)
    slowing = tuple(block * (1 + place / 60) for place, block in enumerate(steady))
    kept = estimate_latency("r1", parse(line), BlockLatencies(slowing, blocks(6, size=200)), seed=0)
    free = estimate_latency("r1", parse(line), BlockLatencies(steady, blocks(6, size=200)), seed=0)

    assert (
        kept.few_code,
        kept.too_few
        and kept.too_few.endswith("it rose all through the run, so that a longer one would give another number"),
    ) == (
        "not_steady",
        True,
    )
    assert free.too_few is None


def test_a_ratio_of_equal_blocks_is_one() -> None:
    """Without any spread between them, and yet no nearer to 1 than the order statistics of either model are to its value."""
    same = blocks(1)
    one = estimate_latency("r1", parse("p95_ms <= champion * 1.1"), BlockLatencies(same, same), seed=0)
    own = quantile_bounds(np.concatenate(same), 0.95, confidence=0.9)

    assert own.low is not None
    assert own.high is not None
    ends = own.low / own.value, own.value / own.high, own.high / own.value, own.value / own.low
    assert (one.value, one.low, one.high) == (1.0, min(ends), max(ends))
    assert one.candidate == one.champion == quantile_bounds(np.concatenate(same), 0.95).value


def test_the_same_seed_gives_the_same_numbers() -> None:
    """The halves are drawn from the seed."""
    line, timed = parse("p95_ms <= champion * 1.1"), BlockLatencies(blocks(1), blocks(2))

    assert estimate_latency("r1", line, timed, seed=4) == estimate_latency("r1", line, timed, seed=4)
    assert estimate_latency("r1", line, timed, seed=4) != estimate_latency("r1", line, timed, seed=5)


@pytest.mark.parametrize("timed", [(np.array([10.0]),), tuple(np.full(5, 10.0) for _ in range(20))])
def test_a_mean_without_spread_is_not_decided(timed: Any) -> None:
    """One block, or blocks that do not differ at all, do not say how far the mean may be off."""
    one = estimate_latency("r1", parse("mean_ms <= 20"), BlockLatencies(timed, None), seed=0)

    assert (one.value, one.p_pass, one.p_fail, one.high) == (10.0, 1.0, 1.0, None)
    assert one.too_few is not None


@pytest.mark.parametrize(
    ("line", "least"),
    [
        ("p95_ms <= 5", 59),
        ("p99_ms <= 5", 299),
        ("p999_ms <= 5", 2995),
        ("p50_ms <= 5", 5),
        ("mean_ms <= 5", None),
        ("errors <= 0", None),
    ],
)
def test_the_fewest_requests_of_a_line(line: str, least: int | None) -> None:
    """Wilks's numbers; at another confidence others, and none for a point."""
    assert least_requests(parse(line)) == least


def test_confidence_and_claim_move_the_fewest_requests() -> None:
    """99 % confidence of a p99 takes 459."""
    sure = {"metric": "p99_ms", "at_most": 5, "confidence": 0.99}

    assert least_requests(from_mapping(sure)) == 459
    assert least_requests(from_mapping({"metric": "p99_ms", "at_most": 5, "claim": "point"})) is None
