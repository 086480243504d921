"""The short version of `make bench-latency`: few cells, fixed seeds, bounds of four standard errors and more."""

from __future__ import annotations

import pytest

from bench.latency.limits import LimitCell
from bench.latency.ratios import LIMIT, RatioCell
from bench.latency.stalls import StallCell


@pytest.mark.parametrize("law", ["log-normal 0.3", "2 % slow mode"])
def test_a_percentile_at_its_limit_seldom_passes_and_seldom_fails(law: str) -> None:
    """Each at most one time in twenty; 400 runs."""
    found = LimitCell(law, "p99_ms", 1_000, 400).run()

    assert found.passed <= 0.10
    assert found.failed <= 0.10
    assert found.passed + found.failed > 0


def test_requests_in_bursts_are_not_taken_for_independent_ones() -> None:
    """The exact test passes every fifth time at the truth; the gate does not."""
    found = LimitCell("bursts", "p95_ms", 3_000, 200).run()

    assert found.naive_passed >= 0.20
    assert found.passed <= 0.12


def test_a_candidate_slower_by_the_limit_seldom_passes_on_a_runner_that_drifts() -> None:
    """Comparing two numbers passes it every second time."""
    found = RatioCell("log-normal 0.1", "p50_ms", True, 200).run()

    assert found.rate(LIMIT, "pass") <= 0.12
    assert found.rate(LIMIT, "point") >= 0.35
    assert found.rate(1.0, "pass") >= 0.75
    assert found.rate(1.0, "fail") == 0.0


def test_an_open_loop_tells_the_truth_of_a_server_that_stalls() -> None:
    """And one waiting caller hardly ever sees the stall."""
    times = StallCell("poisson").run().times[0.99]

    assert times[1] == pytest.approx(times[0], rel=0.05)
    assert times[2] < times[0] / 20
