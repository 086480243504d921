"""Stalls that no request of a run met: how long they may be, and how rare, for a line still to hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lockgate.evaluation.judging.gate_summary import summary
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, estimate_latency
from lockgate.evaluation.latency.rate_estimates import RATES, estimate_rate, failed_pairs
from lockgate.evaluation.latency.request_limits import least_requests
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.latency import Latency
from lockgate.stats.latency_samples import times


def decided(line: str, candidate: np.ndarray, *, stall: int | None = None, fold: bool = False) -> Finding:
    """The finding of one line on these requests, beside a champion that takes 10 ms."""
    requirement = parse(line)
    ours, theirs = (np.array_split(values, 20) for values in (candidate, calm(len(candidate), seed=2)))
    pairs = [failed_pairs(np.isinf(one), np.isinf(other)) for one, other in zip(ours, theirs, strict=True)]
    timed = BlockLatencies(ours, theirs, pairs=pairs, stall=stall)
    if fold:
        folded = ([times(block).folded([0.99]) for block in blocks] for blocks in (ours, theirs))
        timed = replace(timed, **dict(zip(("candidate", "champion"), folded, strict=True)))
    estimating = estimate_rate if requirement.subject in RATES else estimate_latency
    estimates = [estimating("r1", requirement, timed, seed=0)]
    return judge("latency", [("r1", requirement)], estimates, Latency.subjects)[0]


def calm(requests: int, *, seed: int = 1) -> np.ndarray:
    return 10 * np.exp(np.random.default_rng(seed).normal(0, 0.1, requests))


BOUNDED = ["p99_ms <= 100", "p99_ms <= champion * 3", "error_rate <= 1%", "error_rate <= champion + 0.01"]


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("line", BOUNDED)
def test_a_stall_counts_as_one_request(line: str, *, fold: bool) -> None:
    """With stalls of 20, a share of 1 % needs 299 · 20 requests, of which none was slow; without them 299."""
    passed = decided(line, calm(2990), fold=fold)
    held, enough = (decided(line, calm(requests), stall=20, fold=fold) for requests in (2990, 5980))

    assert [finding.verdict for finding in (passed, held, enough)] == [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.PASS]
    assert least_requests(parse("p99_ms <= 100"), stall=20) == 5980
    assert passed.detail["longest_stall"] == held.detail["longest_stall"] == 10
    assert (enough.detail["stall"], enough.detail["longest_stall"]) == (20, 20)
    assert held.reason.endswith("; it is where no stall is longer than 10 requests, and load.stall is 20")
    assert str(held.remedy).startswith("about 6,000 requests of the same kind would decide")


@pytest.mark.parametrize("line", BOUNDED)
def test_a_line_that_passes_says_what_it_could_not_have_seen(line: str) -> None:
    """Rarer than the rule of three sees, and so long that it would be the missing percent: also in the gate's summary."""
    finding = decided(line, calm(3000))
    words = "a stall of more than 10 requests in a row that comes less often than once in 1,001 requests may not show in a run this short"

    assert finding.detail["rarest_stall"] == 1001
    assert math.exp(-3000 / 1001) == pytest.approx(0.05, rel=0.01)
    assert finding.reason.endswith(words)
    assert summary([finding]) == f"1 requirement met; {words}"


def test_a_mean_is_bounded_by_no_number_of_requests() -> None:
    """One stall may be as long as it likes; so the mean is approximate, and the sentence names no length."""
    finding = decided("mean_ms <= 20", calm(3000))

    assert finding.verdict is Verdict.PASS
    assert finding.reason.endswith(
        "; a stall that comes less often than once in 1,001 requests may not show in a run this short"
    )
    assert finding.decided is not None
    assert "approximate" in finding.decided.method


@pytest.mark.parametrize("line", ["p99_ms <= 100", "p99_ms <= champion * 3"])
def test_slow_requests_in_a_row_are_not_as_many_as_apart(line: str) -> None:
    """Two stalls of forty tell no more than two slow requests of 250; eighty apart show that there is not one in a hundred."""
    together, apart = calm(10_000), calm(10_000)
    together[[*range(1_000, 1_040), *range(7_000, 7_040)]] = apart[::125] = 200.0

    assert decided(line, together).verdict is Verdict.INCONCLUSIVE
    assert decided(line, apart).verdict is Verdict.PASS


def test_a_longer_stall_never_lets_more_pass() -> None:
    """The same requests, with stalls from one request to as many as there are."""
    slow = calm(12_000)
    slow[::1500] = 200.0
    for line in BOUNDED:
        p_values = [float(decided(line, slow, stall=stall).detail["p_pass"]) for stall in (None, 1, 5, 20, 100, 12_000)]
        assert p_values == sorted(p_values)
