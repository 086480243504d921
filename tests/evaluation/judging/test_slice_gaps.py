"""How far apart slices are: every ordered pair is bounded, and what is too small, missing or tangled is said."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import (
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
)

from lockgate.data.slices.slice import Slice
from lockgate.data.slices.spec import SliceSpec, SmallSlices
from lockgate.errors import UsageError
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.judging.judge import judge, verdict_of
from lockgate.evaluation.judging.slice_gaps import clusters_span_slices, estimate_gap, slice_requirements
from lockgate.evaluation.metrics.catalog import METRICS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding, Verdict
from lockgate.stats.proportions import clopper_pearson
from lockgate.testing import run_gate

SIZES = {"EU": 3000, "US": 2400, "BR": 900}


def table(sizes: dict[str, int] | None = None, *, hurt: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """Scores that are equally good everywhere, but for `hurt` in Brazil."""
    draw = np.random.default_rng(seed)
    sizes = SIZES if sizes is None else sizes
    geo = draw.permutation(np.repeat(list(sizes), list(sizes.values())))
    label = (draw.random(geo.size) < 0.4).astype(int)
    score = np.clip(0.5 + 0.35 * (label - 0.5) + draw.normal(0, 0.2, geo.size) - hurt * (geo == "BR"), 0, 1)
    return {"label": label, "candidate": score, "geo": geo}


def asked(rows: dict[str, Any], *lines: Any, slices: Any = ("geo",), **more: Any) -> list[Finding]:
    return list(run_gate("metrics", table=rows, slices=list(slices), require=list(lines), **more).findings)


FAIRNESS = [
    "positive_rate gap over geo <= 0.5",
    "recall gap over geo <= 0.5",
    "false_positive_rate gap over geo <= 0.5",
]


@pytest.mark.parametrize("groups", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_gaps_are_fairlearns_differences(groups: int, weighted: bool) -> None:
    """Demographic parity, equal opportunity and equalised odds, of two groups and of more, with weights and without."""
    rows = table({f"g{place}": 900 - 100 * place for place in range(groups)}, seed=groups)
    draw = np.random.default_rng(groups)
    rows["candidate"] = np.clip(
        rows["candidate"] + 0.05 * draw.normal(size=groups)[np.unique(rows["geo"], return_inverse=True)[1]], 0, 1
    )
    rows["w"] = draw.choice([0.25, 1.0, 4.0], rows["geo"].size)
    decided = rows["candidate"] >= 0.5
    given: dict[str, Any] = {"y_true": rows["label"], "y_pred": decided, "sensitive_features": rows["geo"]}
    if weighted:
        given["sample_weight"] = rows["w"]
    parity, found, false = asked(rows, *FAIRNESS, weight="w" if weighted else None)

    assert parity.observed == pytest.approx(demographic_parity_difference(**given), abs=1e-12)
    assert found.observed == pytest.approx(equal_opportunity_difference(**given), abs=1e-12)
    assert max(found.observed or 0, false.observed or 0) == pytest.approx(equalized_odds_difference(**given), abs=1e-12)
    assert parity.detail["pairs_compared"] == groups * (groups - 1)


def test_a_fair_share_of_weights_is_not_a_fair_share_of_rows() -> None:
    """The same decisions, and another gap, since the rows of one group that are refused weigh more."""
    rows = table()
    refused = (rows["geo"] == "BR") & (rows["candidate"] < 0.5)
    rows["w"] = np.where(refused, 4.0, 1.0)
    (plain,), (heavy,) = (asked(rows, FAIRNESS[0], weight=weight) for weight in (None, "w"))

    assert plain.observed is not None
    assert heavy.observed is not None
    assert heavy.observed > plain.observed + 0.1
    assert heavy.detail["pair"][1] == "BR"


def test_a_gap_is_one_finding_that_names_the_pair() -> None:
    """With both values, the bound and the limit; recomputable from what it says."""
    (found,) = asked(table(hurt=0.1), "recall gap over geo <= 0.05")

    assert (found.id, found.subject, found.slice) == ("metrics/r1/overall", "recall gap over geo", {})
    assert (found.verdict, found.code) == (Verdict.FAIL, "beyond_limit")
    assert found.detail["pair"] == ["US", "BR"]
    assert found.reason.startswith(
        "recall gap over geo is 0.1702: 0.8263 on US, 0.6562 on BR; at 95 % confidence at least"
    )
    assert found.reason.endswith("; at most 0.05 is allowed")
    assert found.decided is not None
    assert verdict_of(found.decided, found.detail) is Verdict.FAIL
    assert found.decided.required == ("<=", 0.05)
    assert found.decided.low is not None
    assert found.decided.high is not None
    assert found.decided.low < (found.observed or 0) < found.decided.high
    assert len(found.detail["pairs"]) == 6
    assert set(found.detail["slices"]) == set(SIZES)


@pytest.mark.parametrize("line", ["recall", "auc", "brier", "positive_rate", "accuracy", "log_loss", "f1"])
def test_a_gap_passes_exactly_where_its_upper_end_is_below_the_limit(line: str) -> None:
    """The end that is shown is the one that decides, for shares, ranks and means alike."""
    (wide,) = asked(table(), f"{line} gap over geo <= 0.5")
    assert wide.decided is not None
    end = wide.decided.high or 0.0
    below, above = asked(table(), f"{line} gap over geo <= {end * 0.999}", f"{line} gap over geo <= {end * 1.001}")

    assert wide.verdict is Verdict.PASS
    assert (below.verdict, below.code) == (Verdict.INCONCLUSIVE, "not_shown")
    assert above.verdict is Verdict.PASS
    assert below.remedy is not None
    assert "would decide" in below.remedy


def test_few_rows_prove_no_small_gap() -> None:
    """Perfect recall of nine rows is no proof, though nothing varies there."""
    rows = table({"EU": 3000, "LU": 20})
    rows["candidate"] = rows["label"] * 0.8 + 0.1
    found = asked(rows, "recall gap over geo <= 0.1", "auc gap over geo <= 0.1")

    assert [one.observed for one in found] == [0.0, 0.0]
    assert {one.verdict for one in found} == {Verdict.INCONCLUSIVE}


def test_a_value_that_nothing_bounds_proves_no_gap() -> None:
    """Losses that never vary on a few rows."""
    estimates = [
        Estimate(
            name, (("geo", place),), 20, 8, (">=", 0.5), "value", "the same on every row", candidate=0.01,
            low=-np.inf, high=np.inf, n_eff=20.0, se=0.0,
        )
        for name, _ in slice_requirements("r1", parse("brier gap over geo <= 0.1"), slices=2)
        for place in ("EU", "LU")
    ]  # fmt: skip
    declared = Slice.from_spec(SliceSpec(column="geo"))
    found = estimate_gap(
        "r1", parse("brier gap over geo <= 0.1"), estimates, declared=declared, small=SmallSlices(), rows=40
    )
    (told,) = judge("metrics", [("r1", found.line)], [found.estimate], {})

    assert told.verdict is Verdict.INCONCLUSIVE
    assert "; without an upper confidence bound; at most 0.1 is allowed: not shown" in found.restate(told).reason


def test_one_slice_has_no_gap() -> None:
    """Nothing measured is never a pass."""
    (found,) = asked(table({"EU": 500}), "recall gap over geo <= 0.1")

    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "one_slice")
    assert found.reason == "recall gap over geo: only one slice has a value, and a gap needs two"


def test_a_slice_without_a_value_leaves_the_line_open() -> None:
    """Declared and without rows, or without positives; a gap between the others that is too large still fails."""
    slices = [{"column": "geo", "values": ["EU", "US", "BR", "LU"]}]
    missing, _ = asked(table(), "recall gap over geo <= 0.2", "auc >= 0.5", slices=slices)
    (failed,) = asked(table(hurt=0.3), "recall gap over geo <= 0.05", slices=slices)

    assert (missing.verdict, missing.code) == (Verdict.INCONCLUSIVE, "no_rows")
    assert missing.reason.endswith("at most 0.2 is allowed: recall on LU: there are no rows")
    assert failed.verdict is Verdict.FAIL


SMALL = {**SIZES, "LU": 60, "MT": 50, "CY": 55}


def test_small_slices_block_merge_or_are_watched_in_a_gap_as_elsewhere() -> None:
    """By counts alone, and in the open."""
    rows, line = table(SMALL), "accuracy gap over geo <= 0.2"
    (blocked,) = asked(rows, line, small_slices={"min_rows": 100, "below": "block"})
    (merged,) = asked(rows, line, small_slices={"min_rows": 100, "below": "merge"})
    (watched,) = asked(rows, line, small_slices={"min_rows": 100, "below": "watch"})

    assert (blocked.verdict, blocked.code) == (Verdict.INCONCLUSIVE, "too_small")
    assert "CY has 55 rows; 100 are required" in blocked.reason
    assert (merged.verdict, merged.code) == (Verdict.PASS, "met")
    assert merged.detail["members"] == ["CY", "LU", "MT"]
    assert set(merged.detail["slices"]) == {"BR", "EU", "US", "other"}
    assert (watched.verdict, watched.code) == (Verdict.PASS, "watched")
    assert "pairs with CY, LU, MT are only under the no-harm check" in watched.reason
    assert watched.decided is not None
    assert (watched.decided.claim, verdict_of(watched.decided, watched.detail)) == ("no_harm", Verdict.PASS)


def test_a_watched_slice_that_is_far_off_fails_the_line() -> None:
    """Watched is not exempt."""
    rows = table(SMALL)
    rows["candidate"] = np.where(rows["geo"] == "LU", 1 - rows["label"], rows["candidate"])
    (found,) = asked(rows, "accuracy gap over geo <= 0.2", small_slices={"min_rows": 100, "below": "watch"})

    assert found.verdict is Verdict.FAIL
    assert found.detail["pair"][1] == "LU"


def test_clusters_that_span_slices_make_the_bound_wider_and_are_named() -> None:
    """Their errors may go together in any way; within one slice they are only clusters."""
    rows = table()
    order = np.argsort(rows["geo"], kind="stable")
    rows = {name: column[order] for name, column in rows.items()} | {"inside": np.arange(6300) // 3}
    rows["across"] = np.random.default_rng(1).permutation(rows["inside"])
    line = "brier gap over geo <= 0.2"
    inside, across = (asked(rows, line, cluster=name)[0] for name in ("inside", "across"))

    assert inside.decided is not None
    assert across.decided is not None
    assert (across.decided.high or 0) > (inside.decided.high or 1)
    assert across.reason.endswith("clusters span these slices, so that their errors are taken to be correlated")
    assert across.detail["clusters_span_slices"] is True
    assert "clusters" not in inside.reason


def test_clusters_outside_the_judged_slices_do_not_span_them() -> None:
    """Rows of no slice are in no gap."""
    codes, clusters = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 2, 0, 2])

    assert clusters_span_slices(codes, clusters, {0: True, 1: True, 2: True})
    assert not clusters_span_slices(codes, clusters, {0: True, 1: True, 2: False})
    assert not clusters_span_slices(codes, clusters, {0: False, 1: False, 2: False})


def test_gaps_over_conditions_bins_and_crossings() -> None:
    """A condition is compared with its rest; a pair of a crossing is named by its values."""
    rows = table() | {"vip": np.arange(6300) % 2 == 0, "age": np.arange(6300) % 60}
    slices = [
        "geo", {"name": "vips", "where": {"vip": True}}, {"column": "age", "quantiles": 2},
        {"name": "market", "cross": ["geo", "vips"]},
    ]  # fmt: skip
    vips, age, market, vip_only = asked(
        rows, "recall gap over vips <= 0.2", "recall gap over age <= 0.2", "recall gap over market <= 0.3",
        "recall >= 0.5 on slice vips", slices=slices,
    )  # fmt: skip

    assert set(vips.detail["slices"]) == {"vips=true", "vips=false"}
    assert set(age.detail["slices"]) == {"(-inf,30)", "[30,inf)"}
    assert set(market.detail["slices"]) == {"EU & true", "US & true", "BR & true"}
    assert vip_only.slice == {"vips": "true"}


def test_a_point_gap_says_that_it_is_one() -> None:
    """Weaker claims are never silent."""
    (found,) = asked(table(), {"metric": "recall", "gap_over": "geo", "at_most": "5%", "claim": "point"})

    assert found.verdict is Verdict.PASS
    assert found.reason.endswith("at most 5% is allowed (a point comparison, without an error rate)")
    assert found.interval is None


def test_gap_lines_stand_beside_others() -> None:
    """In their order, whatever they are."""
    found = asked(
        table(),
        "auc >= 0.5 on each geo",
        "auc gap over geo <= 0.1",
        "recall gap over geo <= 0.2",
        "recall >= 0.5 on geo=EU",
    )

    assert [one.id.removeprefix("metrics/") for one in found] == [
        "r1/geo=BR", "r1/geo=EU", "r1/geo=US", "r2/overall", "r3/overall", "r4/geo=EU",
    ]  # fmt: skip
    assert {one.verdict for one in found} == {Verdict.PASS}


def test_a_gap_over_no_slice_is_refused() -> None:
    """With the slices that there are."""
    with pytest.raises(UsageError, match="the table has no slice 'region'; declared: geo"):
        run_gate("metrics", table=table(), slices=["geo"], require=["auc gap over region <= 0.1"])


@pytest.mark.parametrize(("rate", "positive"), [(0.5, 400), (0.9, 150), (0.97, 120)])
def test_a_gap_at_the_limit_rarely_passes(rate: float, positive: int) -> None:
    """At most 5 % of the time, and a gap of nothing is rarely called one: 400 tables of three slices."""
    draw = np.random.default_rng(7)
    line, declared = parse("recall gap over geo <= 0.1"), Slice.from_spec(SliceSpec(column="geo"))

    def verdict(rates: tuple[float, ...]) -> tuple[bool, bool]:
        counts = draw.binomial(positive, rates)
        estimates = [
            Estimate(
                name, (("geo", str(place)),), positive, positive, (">=", 0.5), "value", "clopper-pearson", candidate=k / positive,
                low=shown.low, high=shown.high, n_eff=float(positive), se=0.0,
            )
            for name, asked in slice_requirements("r1", line, slices=3)
            for place, k in enumerate(counts.tolist())
            for shown in [clopper_pearson(k, positive, confidence=2 * (asked.confidence or 0) - 1)]
        ]  # fmt: skip
        one = estimate_gap("r1", line, estimates, declared=declared, small=SmallSlices(), rows=3 * positive).estimate
        return (one.p_pass or 0.0) <= 0.05, (one.p_fail or 0.0) <= 0.05

    at_limit = [verdict((rate, rate, rate - 0.1)) for _ in range(400)]
    far = [verdict((rate, rate, rate - 0.35)) for _ in range(50)]

    assert sum(passed for passed, _ in at_limit) / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    assert sum(failed for _, failed in at_limit) / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    assert sum(failed for _, failed in far) >= 45


def test_rates_agree_with_their_definitions() -> None:
    """With weights and without; undefined where there is nothing to take a share of."""
    labels, scores = np.array([True, False, False, True]), np.array([0.9, 0.5, 0.2, 0.1])
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    positive, false = METRICS["positive_rate"].measure, METRICS["false_positive_rate"].measure

    assert positive(labels, scores, None, 0.5).counts == (2, 4)
    assert false(labels, scores, None, 0.5).counts == (1, 2)
    assert positive(labels, scores, weights, 0.5).value == pytest.approx(0.3)
    assert false(labels, scores, weights, 0.5).value == pytest.approx(0.4)
    with pytest.raises(ValueError, match="there are no negative rows"):
        false(np.array([True]), np.array([0.5]), None, 0.5)
    with pytest.raises(ValueError, match="no threshold"):
        positive(labels, scores, None, None)


def test_the_catalog_stays_light() -> None:
    """`gate check` reads it."""
    code = "import sys, lockgate.evaluation.metrics.catalog; print('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
