"""Rates of requests by what both models decide of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.shadow.rates import RATES, decided_kinds, rate
from lockgate.evaluation.uncertainty.metric_value import MetricValue, Undefined
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

NAN = float("nan")
DECISIONS = st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, NAN])] * 2), min_size=1, max_size=40)


def measured(metric: Metric, rows: int, *, role: str = "candidate", weights: Any = None) -> MetricValue:
    assert metric.measure_rows is not None
    return metric.measure_rows(role, np.arange(rows), weights)


def of(subject: str, pairs: list[tuple[float, float]], *, code: int = 1, **more: Any) -> MetricValue:
    candidate, champion = np.array(pairs, float).T
    return measured(rate(subject, decided_kinds(candidate, champion, code)), len(pairs), **more)


@given(DECISIONS, st.sampled_from([0, 1, 2]))
def test_each_rate_is_the_share_that_its_words_say(pairs: list[tuple[float, float]], code: int) -> None:
    """Counted by hand, of any class; a request that one did not answer is in none of them."""
    both = [(ours, theirs) for ours, theirs in pairs if ours == ours and theirs == theirs]
    by_hand = {
        "flip_rate": [ours != theirs for ours, theirs in both],
        "lost_rate": [ours != code for ours, theirs in both if theirs == code],
        "gained_rate": [ours == code for ours, theirs in both if theirs != code],
        "positive_rate": [ours == code for ours, _ in both],
    }
    for name, hits in by_hand.items():
        if hits:
            found = of(name, pairs, code=code)
            assert found.counts == (sum(hits), len(hits))
            assert found.value == pytest.approx(np.mean(hits))
            assert found.psi.mean() == pytest.approx(0, abs=1e-9)
        else:
            with pytest.raises(Undefined) as caught:
                of(name, pairs, code=code)
            assert caught.value.code == ("undefined" if both else "no_answers")


def test_models_in_each_others_place_gain_what_they_lost() -> None:
    """What the candidate lost of one class, it gained of all others together."""
    draw = np.random.default_rng(3)
    pairs = list(zip(draw.integers(0, 3, 200) * 1.0, draw.integers(0, 3, 200) * 1.0, strict=True))
    lost, gained = of("lost_rate", pairs).counts, of("gained_rate", [pair[::-1] for pair in pairs]).counts

    assert lost is not None
    assert gained is not None
    assert lost[0] == gained[0]


def test_weights_weigh_requests() -> None:
    """A share of weight; the counts are of requests."""
    found = of("lost_rate", [(0.0, 1.0), (1.0, 1.0), (0.0, 0.0)], weights=np.array([1.0, 3.0, 50.0]))

    assert (found.value, found.counts) == (0.25, (1, 2))


def test_what_the_champion_never_decides_cannot_be_lost() -> None:
    """The message says of which class."""
    kinds = decided_kinds(np.array([1.0, 0.0]), np.array([0.0, 0.0]), 1)
    with pytest.raises(Undefined, match="there are no requests that the champion decides as fraud"):
        measured(rate("lost_rate", kinds, name="fraud"), 2)


def traffic(n: int = 20_000, *, positive: float = 0.014, keeps: float = 0.0, seed: int = 4) -> dict[str, Any]:
    """Requests of which the champion flags a few, and the candidate as many of these as it keeps, and no others."""
    draw = np.random.default_rng(seed)
    flagged = np.arange(n) < round(n * positive)
    kept = flagged & (draw.random(n) < keeps)
    order = draw.permutation(n)
    return {
        "champion": np.where(flagged, 0.9, 0.1)[order], "candidate": np.where(kept, 0.9, 0.1)[order],
        "country": draw.choice(["BR", "US", "FR"], n), "user": draw.integers(0, n // 4, n),
    }  # fmt: skip


LINES = ["flip_rate <= 2%", "lost_rate <= 10%", "gained_rate <= 1%", "positive_rate <= champion + 0.005"]


def verdicts(result: GateResult) -> dict[str, Verdict]:
    return {finding.subject: finding.verdict for finding in result.findings}


def test_a_candidate_that_never_says_yes_fails_whatever_the_flip_rate_says() -> None:
    """At a positive rate of 1.4 % no more can flip."""
    result = run_gate("shadow", table=traffic(), require=LINES)

    assert verdicts(result) == {
        "flip_rate": Verdict.PASS, "lost_rate": Verdict.FAIL, "gained_rate": Verdict.PASS, "positive_rate": Verdict.PASS,
    }  # fmt: skip
    assert result.verdict is Verdict.FAIL
    assert result.findings[1].reason == (
        "lost_rate is 1 (280 of 280 requests); at 95 % confidence at least 0.9894; at most 10% is allowed"
    )


def test_a_run_says_that_a_limit_on_flips_cannot_see_it() -> None:
    """Unless a line is on the direction; of a champion that nearly always says yes, on the other one."""
    rows = traffic(keeps=1.0)
    alone, beside = (run_gate("shadow", table=rows, require=lines).reason for lines in (LINES[:1], LINES))
    turned = {name: 1 - rows[name] for name in ("candidate", "champion")}
    words = (
        "'flip_rate <= 2%' is met by a candidate that never says yes: the champion decides 1.4 % of requests positive"
    )

    assert alone == f"1 requirement met; {words}; write lost_rate <= 10% beside it"
    assert words not in beside
    assert (
        "never says no: the champion decides 1.4 % of requests negative; write gained_rate"
        in run_gate("shadow", table=turned, require=LINES[:1]).reason
    )


@pytest.mark.parametrize("lines", [["flip_rate <= 1%"], ["flip_rate gap over country <= 0.05"]])
def test_a_limit_that_it_would_break_is_none_that_cannot_see_it(lines: list[str]) -> None:
    """A narrower one, and one between slices."""
    assert "never says" not in run_gate("shadow", table=traffic(keeps=1.0), slices=["country"], require=lines).reason


def test_a_candidate_that_flags_wholly_other_people_fails() -> None:
    """As many as before, none of them the same: all are lost, and few flip."""
    rows = traffic(positive=0.008)
    quiet = np.flatnonzero(rows["champion"] < 0.5)[:160]
    rows["candidate"][quiet] = 0.9
    found = verdicts(run_gate("shadow", table=rows, require=[*LINES[:2], *LINES[3:]]))

    assert found == {"flip_rate": Verdict.PASS, "lost_rate": Verdict.FAIL, "positive_rate": Verdict.PASS}


def test_the_bounds_are_exact() -> None:
    """Those of a binomial share of the champion's positives."""
    (finding,) = run_gate("shadow", table=traffic(keeps=0.95), require=["lost_rate <= 10%"]).findings
    exact = binomtest(finding.detail["hits"], finding.detail["among"]).proportion_ci(0.9, "exact")

    assert finding.detail["among"] == 280
    assert finding.interval == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert (finding.champion, finding.rows, finding.positives) == (None, 20_000, None)


def test_both_positive_rates_are_compared_on_the_same_requests() -> None:
    """By Tango's test, with the requests that one did not answer left out of both."""
    rows = traffic(keeps=0.5)
    rows["candidate"][rows["champion"] > 0.5] = np.where(
        np.arange(280) < 100, NAN, rows["candidate"][rows["champion"] > 0.5]
    )
    (finding,) = run_gate("shadow", table=rows, require=["positive_rate <= champion + 0.005"]).findings

    assert finding.champion == pytest.approx(180 / 19_900)
    assert finding.decided is not None
    assert finding.decided.method == "tango score"


@pytest.mark.parametrize("columns", [{"cluster": "user"}, {"weight": "weight"}])
def test_losses_are_looked_at_by_slice_by_weight_and_by_user(columns: dict[str, str]) -> None:
    """A slice whose positives are lost fails, and the others pass."""
    rows = traffic(40_000, positive=0.2, keeps=1.0) | {"weight": np.random.default_rng(1).choice([0.5, 2.0], 40_000)}
    rows["candidate"] = np.where(rows["country"] == "BR", 0.1, rows["candidate"])
    found = run_gate("shadow", table=rows, slices=["country"], require=["lost_rate <= 5% on each country"], **columns)

    assert {finding.slice["country"]: finding.verdict for finding in found.findings} == {
        "BR": Verdict.FAIL, "FR": Verdict.PASS, "US": Verdict.PASS,
    }  # fmt: skip


def test_a_slice_whose_champion_flags_nobody_is_inconclusive() -> None:
    """Nothing measured is never a pass."""
    rows = traffic(keeps=1.0)
    rows["champion"] = np.where(rows["country"] == "FR", 0.1, rows["champion"])
    found = run_gate("shadow", table=rows, slices=["country"], require=["lost_rate <= 10% on each country"])

    assert {finding.slice["country"]: finding.code for finding in found.findings if finding.code != "met"} == {
        "FR": "undefined"
    }


def test_each_class_has_its_own_rates() -> None:
    """Of three classes the middle one is lost, and another one gains it."""
    champion = np.resize(["a", "b", "c"], 3_000)
    found = run_gate(
        "shadow", table={"candidate": np.where(champion == "b", "c", champion), "champion": champion},
        task="multiclass", classes=["a", "b", "c"],
        require=["lost_rate(class=a) <= 1%", "lost_rate(class=b) <= 1%", "gained_rate(class=c) <= 60%",
                 "positive_rate(class=b) >= champion - 0.05"],
    )  # fmt: skip

    assert [finding.verdict for finding in found.findings] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS, Verdict.FAIL]
    assert found.findings[1].reason.startswith("lost_rate of class b is 1 (1,000 of 1,000 requests); ")


def test_requests_without_an_answer_have_a_rate_of_their_own() -> None:
    """Exact, beside the champion's by Tango's test, by slice, and without a champion."""
    rows = traffic(4_000, keeps=1.0)
    rows["candidate"][:40] = NAN
    rows["champion"][20:50] = NAN
    lines = ["null_rate <= 2%", "null_rate <= champion + 0.01", "null_rate <= 0.5% on each country"]
    own, beside, *slices = run_gate("shadow", table=rows, slices=["country"], require=lines).findings
    alone = run_gate("shadow", table={"candidate": rows["candidate"]}, task="regression", require=lines[:1]).findings[0]

    assert (own.observed, beside.champion, own.verdict, beside.verdict) == (0.01, 0.0075, Verdict.PASS, Verdict.PASS)
    assert own.interval == alone.interval
    assert len(slices) == 3
    assert beside.decided is not None
    assert beside.decided.method == "tango score"


def test_a_class_that_the_champion_never_answers_is_new() -> None:
    """Counted, and named."""
    champion = np.resize(["a", "b"], 100)
    candidate = np.where(np.arange(100) < 7, "c", champion)
    found = run_gate(
        "shadow", table={"candidate": candidate, "champion": champion}, task="multiclass", classes=["a", "b", "c"],
        require=["new_values <= 0", "null_rate <= 5%"],
    ).findings  # fmt: skip

    assert (found[0].observed, found[0].verdict, found[0].detail["new_values"]) == (7.0, Verdict.FAIL, ["c"])
    assert found[1].verdict is Verdict.PASS


def test_every_rate_is_declared_with_its_subject() -> None:
    """For plans, `gate kinds`, and the page of the gate."""
    assert all(metric.subject is not None and metric.subject.name == name for name, metric in RATES.items())
