"""How far two models' numbers are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from lockgate.evaluation.shadow.distances import shift
from lockgate.evaluation.uncertainty.metric_value import MetricValue, Undefined
from lockgate.evidence.finding import Finding, Verdict
from lockgate.testing import run_gate

NAN = float("nan")
NUMBERS = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=30)


def of(subject: str, candidate: Any, champion: Any, *, weights: Any = None, **more: Any) -> MetricValue:
    metric = shift(subject, np.array(candidate, float), np.array(champion, float), **more)
    assert metric.measure_rows is not None
    return metric.measure_rows("candidate", np.arange(len(candidate)), None if weights is None else np.array(weights))


@given(NUMBERS)
def test_each_is_what_its_words_say(pairs: list[tuple[float, float]]) -> None:
    """Computed by numpy and scipy; an answer that is missing is in none of them."""
    candidate, champion = np.array([*pairs, (NAN, 3.0)]).T
    ours, theirs = np.array(pairs).T
    size = np.abs(ours - theirs)

    assert of("score_shift", candidate, champion).value == pytest.approx(abs((ours - theirs).mean()), abs=1e-9)
    assert of("within", candidate, champion, tolerance=5).value == pytest.approx((size <= 5).mean())
    assert of("p99_abs_difference", candidate, champion).value == np.quantile(size, 0.99, method="inverted_cdf")
    if theirs.std() > 1e-6:
        expected = wasserstein_distance(ours, theirs) / theirs.std()
        assert of("wasserstein", candidate, champion).value == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(NUMBERS, st.lists(st.integers(1, 4), min_size=30, max_size=30))
def test_a_weight_is_so_many_requests(pairs: list[tuple[float, float]], times: list[int]) -> None:
    """Of each of them."""
    (candidate, champion), weights = np.array(pairs).T, np.array(times[: len(pairs)])
    for subject in ("score_shift", "within", "p99_abs_difference", "wasserstein"):
        if subject == "wasserstein" and champion.std() < 1e-6:
            continue
        weighed = of(subject, candidate, champion, weights=weights.astype(float), tolerance=5)
        repeated = of(subject, candidate.repeat(weights), champion.repeat(weights), tolerance=5)
        assert weighed.value == pytest.approx(repeated.value, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("subject", ["score_shift", "wasserstein"])
def test_influence_values_are_those_of_the_jackknife(subject: str) -> None:
    """What a request moves, as leaving it out does."""
    draw = np.random.default_rng(2)
    champion = draw.normal(0, 3, 400)
    candidate = champion * 1.2 + 1 + draw.normal(0, 0.3, 400)
    whole = of(subject, candidate, champion)
    kept = [np.arange(400) != row for row in range(0, 400, 7)]
    jackknife = [399 * (whole.value - of(subject, candidate[rest], champion[rest]).value) for rest in kept]

    assert np.corrcoef(whole.psi[::7], jackknife)[0, 1] > 0.999
    assert whole.psi[::7] == pytest.approx(jackknife, abs=0.1)


def test_nothing_answered_and_a_constant_champion_are_no_distance() -> None:
    """Each says why."""
    with pytest.raises(Undefined, match="no request was answered by both") as caught:
        of("score_shift", [NAN, 1.0], [1.0, NAN])
    assert caught.value.code == "no_answers"
    with pytest.raises(Undefined, match="answers every request alike"):
        of("wasserstein", [1.0, 2.0], [3.0, 3.0])


LINES = ["score_shift <= 5", "p99_abs_difference <= 20", "within(tolerance=10) >= 95%", "wasserstein <= 0.1"]


def amounts(n: int = 4_000, *, added: float = 0.0, seed: int = 3) -> dict[str, Any]:
    """Two models that predict amounts, of which the candidate's are so much larger."""
    draw = np.random.default_rng(seed)
    champion = draw.gamma(2.0, 100.0, n)
    return {
        "champion": champion, "candidate": champion + draw.normal(0, 3, n) + added,
        "region": draw.choice(["north", "south"], n), "user": np.arange(n) // 4, "w": draw.choice([1.0, 3.0], n),
    }  # fmt: skip


def judged(rows: dict[str, Any], *lines: str, **more: Any) -> tuple[Finding, ...]:
    return run_gate("shadow", table=rows, task="regression", require=list(lines or LINES), **more).findings


def test_a_candidate_that_adds_fifty_units_fails() -> None:
    """By the mean, by the largest differences, by the share that is near, and by the distribution; one that does not passes."""
    assert {finding.verdict for finding in judged(amounts())} == {Verdict.PASS}
    found = judged(amounts(added=50))
    assert {finding.verdict for finding in found} == {Verdict.FAIL}
    assert found[0].reason.startswith("score_shift is 50.02 (the candidate answers higher); at 95 % confidence")


def test_a_shift_downwards_is_a_shift() -> None:
    """Whichever way; the finding says which."""
    (finding,) = judged(amounts(added=-50), LINES[0])

    assert (finding.verdict, finding.detail["shift"][:4]) == (Verdict.FAIL, "-49.")
    assert finding.observed == pytest.approx(50, abs=0.2)
    assert "(the candidate answers lower)" in finding.reason


@pytest.mark.parametrize("columns", [{}, {"cluster": "user"}, {"weight": "w"}, {"cluster": "user", "weight": "w"}])
def test_a_shift_of_one_slice_is_found_there(columns: dict[str, str]) -> None:
    """By user and by weight as well; the other slice passes."""
    rows = amounts(8_000)
    rows["candidate"] = np.where(rows["region"] == "north", rows["candidate"] + 50, rows["candidate"])
    found = judged(rows, *(f"{line} on each region" for line in LINES), slices=["region"], **columns)

    assert {(finding.slice["region"], finding.verdict) for finding in found} == {
        ("north", Verdict.FAIL), ("south", Verdict.PASS),
    }  # fmt: skip


def test_a_percentile_is_bounded_by_order_statistics() -> None:
    """Exact: 299 requests are the fewest of which the largest bounds the 99th percentile."""
    size = np.arange(1.0, 300.0)
    rows = {"champion": np.zeros(299), "candidate": size}
    (met,) = judged(rows, "p99_abs_difference <= 299")
    (few,) = judged({name: column[:298] for name, column in rows.items()}, "p99_abs_difference <= 299")

    assert (met.verdict, met.observed, met.interval) == (Verdict.PASS, 297.0, (293.0, 299.0))
    assert (few.verdict, few.interval) == (Verdict.INCONCLUSIVE, (292.0, None))


def test_weights_and_users_of_one_size_leave_a_percentile_as_it_is() -> None:
    """Nearly: where they are no news, the bound is that of plain requests."""
    rows = amounts(3_000)
    rows["candidate"][:60] += 300
    plain, weighed = judged(rows, LINES[1])[0], judged(rows | {"w": np.full(3_000, 2.0)}, LINES[1], weight="w")[0]
    alone = judged(rows | {"user": np.arange(3_000)}, LINES[1], cluster="user")[0]

    assert weighed.interval == plain.interval
    assert plain.interval is not None
    assert alone.interval == pytest.approx(plain.interval, rel=0.2)


def test_probabilities_shift_by_no_more_than_one() -> None:
    """So that the bound is that of a bounded mean, and no approximation."""
    draw = np.random.default_rng(8)
    champion = draw.random(2_000)
    rows = {"champion": champion, "candidate": np.clip(champion + 0.002, 0, 1)}
    (finding,) = run_gate("shadow", table=rows, task="binary", require=["score_shift <= 0.01"]).findings

    assert finding.verdict is Verdict.PASS
    assert finding.decided is not None
    assert "approximate" not in finding.decided.method


def test_equal_answers_are_no_distance() -> None:
    """And pass every line, also the one of distributions."""
    rows = amounts()
    rows["candidate"] = rows["champion"]

    assert {(finding.observed, finding.verdict) for finding in judged(rows)} == {
        (0.0, Verdict.PASS), (1.0, Verdict.PASS),
    }  # fmt: skip
