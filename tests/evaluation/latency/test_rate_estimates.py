"""Requests answered in a second, and the share of them that failed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.evaluation.latency.percentile_estimates import BlockLatencies
from lockgate.evaluation.latency.rate_estimates import estimate_rate, failed_pairs
from lockgate.evaluation.latency.request_limits import least_requests
from lockgate.evaluation.requirements.grammar import from_mapping, parse
from lockgate.stats.proportions import clopper_pearson


def answers(failing: list[int], *, size: int = 150, blocks: int = 20) -> tuple[np.ndarray, ...]:
    """Requests of 10 ms, of which those with these numbers failed."""
    times = np.full(size * blocks, 10.0)
    times[failing] = math.inf
    return tuple(np.split(times, blocks))


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 19), max_size=20))
def test_a_share_of_errors_is_bounded_as_clopper_and_pearson_bound_it(blocks: set[int]) -> None:
    """At most one failure a block: nothing comes together, so that (nearly) every request counts."""
    one = estimate_rate(
        "r1", parse("error_rate <= 1%"), BlockLatencies(answers([150 * block for block in blocks]), None), seed=0
    )
    exact = clopper_pearson(len(blocks), 3000, confidence=0.9)

    assert (one.low, one.high) == (pytest.approx(exact.low, rel=0.01), pytest.approx(exact.high, rel=0.01))
    assert one.p_pass is not None
    assert (one.p_pass <= 0.05) == (exact.high <= 0.01)
    assert one.detail["failed"] == len(blocks)


def test_failures_that_come_together_count_as_fewer() -> None:
    """Thirty in one block say less than thirty spread over all."""
    line = parse("error_rate <= 2%")
    together = estimate_rate("r1", line, BlockLatencies(answers(list(range(30))), None), seed=0)
    spread = estimate_rate("r1", line, BlockLatencies(answers([100 * i for i in range(30)]), None), seed=0)

    assert together.value == spread.value == 0.01
    assert together.p_pass is not None
    assert spread.p_pass is not None
    assert spread.p_pass < 0.001 < 0.05 < together.p_pass


@pytest.mark.parametrize(
    ("candidate", "champion", "passes", "fails"),
    [([], [], True, False), ([1], [1], True, False), (list(range(0, 3000, 30)), [], False, True), ([], list(range(0, 3000, 33)), True, False)],
)  # fmt: skip
def test_errors_beside_the_champions_are_compared_by_pairs(
    candidate: list[int], champion: list[int], passes: bool, fails: bool
) -> None:
    """The same request to both: only those count that one of them answered."""
    ours, theirs = answers(candidate), answers(champion)
    pairs = [failed_pairs(np.isinf(one), np.isinf(other)) for one, other in zip(ours, theirs, strict=True)]
    timed = BlockLatencies(ours, theirs, pairs=pairs)
    one = estimate_rate("r1", parse("error_rate <= champion + 0.01"), timed, seed=0)

    assert one.value == pytest.approx((len(candidate) - len(champion)) / 3000)
    assert one.on == "difference"
    assert one.p_pass is not None
    assert one.p_fail is not None
    assert (one.p_pass <= 0.05, one.p_fail <= 0.05) == (passes, fails)
    assert one.low is not None
    assert one.high is not None
    assert one.low <= one.value <= one.high


def throughput(line: str, *, slower: float = 1.0, seed: int = 1) -> Any:
    draw = np.random.default_rng(seed)
    took, beside = (draw.normal(1.5, 0.05, 20) for _ in range(2))
    timed = BlockLatencies(answers([]), answers([]), seconds=tuple(slower * took), champion_s=tuple(beside))
    return estimate_rate("r1", parse(line), timed, seed=0)


def test_throughput_is_answers_over_seconds() -> None:
    """About 100 a second; at least 95 is shown, at least 105 refuted; failed requests answer nothing."""
    shown, refuted = throughput("throughput_rps >= 95"), throughput("throughput_rps >= 105")

    assert shown.value == pytest.approx(100, rel=0.03)
    assert shown.p_pass <= 0.05 < shown.p_fail
    assert refuted.p_fail <= 0.05 < refuted.p_pass
    assert shown.interval[0] < 100 < shown.interval[1]
    failing = BlockLatencies(answers(list(range(1500))), None, seconds=(1.5,) * 20)
    assert estimate_rate("r1", parse("throughput_rps >= 1"), failing, seed=0).value == pytest.approx(50)


@pytest.mark.parametrize(("slower", "passes", "fails"), [(1.0, True, False), (1.1, False, False), (1.3, False, True)])
def test_throughput_beside_the_champions_is_a_ratio(slower: float, passes: bool, fails: bool) -> None:
    """A tenth less is allowed: an equal model passes, one slower by just that is undecided, one by a third fails."""
    one = throughput("throughput_rps >= champion * 0.91", slower=slower)

    assert (one.p_pass <= 0.05, one.p_fail <= 0.05) == (passes, fails)
    assert one.value == pytest.approx(1 / slower, rel=0.03)
    assert one.on == "ratio"
    assert one.too_few is None


def test_points_are_compared_without_bounds() -> None:
    """Where the line says so."""
    for text in ("error_rate <= 1%", "throughput_rps >= 10", "error_rate <= champion + 0.01"):
        line = from_mapping({**_mapping(text), "claim": "point"})
        one = estimate_rate("r1", line, BlockLatencies(answers([]), answers([]), (1.0,) * 20, (1.0,) * 20), seed=0)
        assert (one.low, one.high, one.p_pass, one.method) == (None, None, None, "point")


def _mapping(text: str) -> dict[str, Any]:
    from lockgate.evaluation.requirements.grammar import to_mapping

    return to_mapping(parse(text))


def test_a_small_share_needs_many_requests_even_if_none_fails() -> None:
    """One in a thousand: 2,995."""
    assert least_requests(parse("error_rate <= 0.1%")) == 2995
    assert least_requests(parse("error_rate <= champion + 0.001")) is None
    few = estimate_rate("r1", parse("error_rate <= 50%"), BlockLatencies((np.full(4, 1.0),), None), seed=0)
    assert few.p_pass == pytest.approx(0.5**4)
