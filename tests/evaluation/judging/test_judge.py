"""From estimates to verdicts: claims, Holm, small slices, rows needed; and every verdict again from its JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.decisions.exact import slice_rates
from helpers.reference import case
from lockgate import hashing as digest
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.judge import judge, owner_may_accept, verdict_of
from lockgate.evaluation.requirements.grammar import from_mapping, parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.finding import Decided, Finding, Verdict
from lockgate.testing import run_gate

WATCH = SmallSlices(min_rows=100, min_positives=0, below="watch")
BLOCK = SmallSlices(min_rows=100, min_positives=0, below="block")
BASE = Estimate(
    requirement="r1", slice=(("geo", "BR"),), rows=1000, positives=400, required=(">=", -0.03), on="difference",
    method="delong paired, t", candidate=0.9, champion=0.9, interval=(0.88, 0.92), value=0.0, low=-0.01, high=0.01,
    limit=0.87, p_pass=0.001, p_fail=0.999, se=0.006, n_eff=800.0, variance=0.036, pooled_variance=0.036,
)  # fmt: skip
LINE = "auc >= champion - 0.03 on each geo"
Z95, Z90 = 1.6448536269514722, 1.2815515655446004


def one(estimate: Estimate, line: str | Requirement = LINE, *, small: SmallSlices | None = None) -> Finding:
    requirement = parse(line) if isinstance(line, str) else line
    return judge("metrics", [("r1", requirement)], [estimate], {}, small=small)[0]


def test_a_whole_finding() -> None:
    """Every field of the contract, as it lies in the evidence."""
    found = one(replace(BASE, low=-0.04, high=0.04, p_pass=0.1, p_fail=0.9, se=0.024, variance=0.576))

    assert found.to_json() == {
        "id": "metrics/r1/geo=BR",
        "requirement": "r1",
        "subject": "auc",
        "slice": {"geo": "BR"},
        "observed": "0.9",
        "interval": ["0.88", "0.92"],
        "champion": "0.9",
        "limit": {"op": ">=", "value": "0.87", "text": "champion - 0.03"},
        "decided": {
            "on": "difference", "claim": "not_worse", "estimate": "0.0", "low": "-0.04", "high": "0.04",
            "required": [">=", "-0.03"], "confidence": "0.95", "se": "0.024", "n_eff": "800.0",
            "method": "delong paired, t",
        },
        "rows": 1000,
        "positives": 400,
        "rows_needed": 5483,
        "verdict": "inconclusive",
        "code": "not_shown",
        "reason": "auc on geo=BR is 0.9, equal to the champion's 0.9 (90 % interval 0.04 below to 0.04 above); "
        "at most 0.03 below is allowed: not shown",
        "remedy": "about 4,500 more rows, or a tolerance of 0.071, would decide",
        "detail": {
            "p_pass": "0.1", "p_fail": "0.9", "p_fail_holm": "0.9", "smallest_tolerance": found.detail["smallest_tolerance"],
            "outlook": "1,000 rows are too few here: a candidate as good as the champion passes a tolerance of 0.071, and none that is smaller, on them 9 times in 10",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("p_pass", "p_fail", "verdict", "code"),
    [
        (0.05, 0.95, Verdict.PASS, "met"),
        (0.0501, 0.95, Verdict.INCONCLUSIVE, "not_shown"),
        (0.95, 0.05, Verdict.FAIL, "worse_than_margin"),
        (0.95, 0.0501, Verdict.INCONCLUSIVE, "not_shown"),
        (None, None, Verdict.INCONCLUSIVE, "not_shown"),
    ],
)
def test_pass_and_fail_are_claims_of_their_own(p_pass: Any, p_fail: Any, verdict: Verdict, code: str) -> None:
    """What neither is shown nor refuted is inconclusive."""
    found = one(replace(BASE, p_pass=p_pass, p_fail=p_fail))

    assert (found.verdict, found.code) == (verdict, code)


def test_fail_is_corrected_over_all_findings_of_the_gate() -> None:
    """One of ten at p = 0.01 is no proof; at 0.005 it is. What lies beyond the limit on its own says so, and is not askable."""
    others = [replace(BASE, slice=(("geo", str(number)),)) for number in range(9)]

    def judged(p_fail: float) -> Finding:
        estimates = [replace(BASE, p_pass=0.99, p_fail=p_fail), *others]
        return judge("metrics", [("r1", parse(LINE))], estimates, {})[0]

    assert judged(0.005).verdict is Verdict.FAIL
    assert (judged(0.01).verdict, judged(0.01).code) == (Verdict.INCONCLUSIVE, "beyond_unadjusted")
    assert judged(0.01).reason.endswith(
        ": probably a fail, undecided only because all comparisons of this gate are judged together"
    )
    assert not owner_may_accept(judged(0.01))
    assert owner_may_accept(judged(0.2))


def test_a_floor_lets_nothing_pass_and_nothing_fail() -> None:
    """Below what a test needs, its p-values decide nothing, and it takes no part in Holm."""
    few = replace(BASE, too_few="4 positive rows; the test needs 10")
    family = judge(
        "metrics", [("r1", parse(LINE))], [replace(few, p_fail=1e-9, p_pass=1.0), replace(BASE, p_fail=0.05)], {}
    )

    assert one(few).code == "too_small"
    assert [found.verdict for found in family] == [Verdict.INCONCLUSIVE, Verdict.FAIL]


class TestSmallSlices:
    """Chosen by rows and positives alone; watch weakens the claim in the open, block leaves it undecided."""

    SMALL = replace(BASE, rows=99, positives=40)

    def test_a_watched_slice_passes_on_no_harm(self) -> None:
        """Nothing is shown about it but that no loss was seen; how large one may be is not guessed where no test was kept."""
        found = one(replace(self.SMALL, p_pass=0.4, p_fail=0.6), small=WATCH)

        assert found.decided is not None
        assert (found.verdict, found.code, found.decided.claim) == (Verdict.PASS, "watched", "no_harm")
        assert found.detail["watched"] == "99 rows; 100 are required"
        assert found.detail["smallest_loss_seen"] is None
        assert found.reason.endswith(
            "checked for harm alone (99 rows; 100 are required); nothing says how large a loss would go unseen"
        )

    def test_a_watched_slice_with_a_significant_loss_fails(self) -> None:
        """Beyond the margin, after Holm."""
        assert one(replace(self.SMALL, p_pass=1.0, p_fail=0.01), small=WATCH).verdict is Verdict.FAIL

    def test_a_watched_slice_with_a_loss_short_of_proof_is_inconclusive(self) -> None:
        """Significant alone, not among the gate's findings."""
        others = [replace(BASE, slice=(("geo", str(number)),)) for number in range(9)]
        lost = replace(self.SMALL, p_pass=1.0, p_fail=0.02)
        found = judge("metrics", [("r1", parse(LINE))], [lost, *others], {}, small=WATCH)[0]

        assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "beyond_unadjusted")

    def test_a_blocked_slice_is_inconclusive_though_its_test_would_pass(self) -> None:
        """With the rows that are asked for."""
        found = one(self.SMALL, small=BLOCK)

        assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "too_small")
        assert found.reason == (
            "auc on geo=BR is 0.9, equal to the champion's 0.9 (90 % interval 0.01 below to 0.01 above): "
            "99 rows; 100 are required; at most 0.03 below is allowed"
        )

    def test_watched_slices_take_no_part_in_the_power_of_the_others(self) -> None:
        """They need not be proven; where they are blocked, the line passes only with them."""
        large = replace(BASE, p_pass=0.2, low=-0.05, high=0.05, variance=0.5, pooled_variance=0.5)
        tiny = [replace(self.SMALL, slice=(("geo", f"s{number}"),), p_pass=0.4, p_fail=0.6) for number in range(38)]

        def needed(others: list[Estimate], small: SmallSlices) -> int | None:
            return judge("metrics", [("r1", parse(LINE))], [large, *others], {}, small=small)[0].rows_needed

        alone = needed([], WATCH)
        assert alone is not None
        assert needed(tiny, WATCH) == alone
        assert (needed(tiny, BLOCK) or 0) > alone

    def test_the_rows_needed_are_those_that_the_policy_asks_for(self) -> None:
        """Though fewer would do for the power: 31 of 99 rows are positive, and 40 positive rows are asked for."""
        policy = SmallSlices(min_rows=100, min_positives=40, below="block")
        alike = replace(BASE, rows=99, variance=0.0001, pooled_variance=0.0001)

        assert one(replace(alike, positives=40), small=policy).rows_needed == 100
        assert one(replace(alike, positives=31), small=policy).rows_needed == 128
        assert one(replace(alike, positives=40), small=policy).remedy == "about 1 more row would decide"

    @pytest.mark.parametrize(
        ("few", "needed"),
        [
            ({"minority": 2, "too_few": "2 positive rows; the test needs 10"}, 495),
            ({"n_eff": 1.98, "too_few": "2.0 rows carry the variance; the test needs 5"}, 250),
            ({"n_eff": 9.0, "method": "identical on every row, exact"}, 1082),
        ],
    )
    def test_the_rows_needed_reach_the_floor_of_the_test(self, few: dict[str, Any], needed: int) -> None:
        """In the slice's own proportion of classes; of equal answers, as many as would have shown one that differs."""
        alike = replace(BASE, rows=99, positives=40, variance=None, pooled_variance=0.0001)

        assert one(replace(alike, **few), small=BLOCK).rows_needed == needed

    def test_a_slice_without_a_value_has_no_outlook(self) -> None:
        """Nothing is promised of rows of one class."""
        none = replace(
            BASE, value=None, candidate=None, positives=0, problem=("one_class", "there are no positive rows")
        )

        assert "outlook" not in one(none, small=BLOCK).detail

    def test_a_blocked_slice_still_fails(self) -> None:
        """A loss that is proven is proven."""
        assert one(replace(self.SMALL, p_pass=1.0, p_fail=0.01), small=BLOCK).verdict is Verdict.FAIL

    @pytest.mark.parametrize("small", [WATCH, BLOCK, None])
    def test_no_rows_are_inconclusive_under_every_policy(self, small: SmallSlices | None) -> None:
        """An empty slice is never watched."""
        empty = Estimate(
            "r1",
            (("geo", "BR"),),
            0,
            None,
            (">=", -0.03),
            "difference",
            "none",
            problem=("no_rows", "there are no rows"),
        )
        found = one(empty, small=small)

        assert (found.verdict, found.code, found.decided, found.rows_needed) == (
            Verdict.INCONCLUSIVE, "no_rows", None, None,
        )  # fmt: skip

    def test_positives_make_a_slice_small_too(self) -> None:
        """Many rows of which few are positive."""
        policy = SmallSlices(min_rows=0, min_positives=500, below="watch")

        assert one(BASE, small=policy).detail["watched"] == "400 positive rows; 500 are required"

    def test_a_class_below_the_floor_of_the_test_is_watched(self) -> None:
        """Nine positives: the policy's watch covers what no test can decide."""
        few = replace(BASE, positives=9, minority=9, too_few="9 positive rows; the test needs 10")

        assert one(few, small=WATCH).code == "watched"

    def test_scores_never_make_a_slice_small(self) -> None:
        """A large slice on which few rows carry the variance is not handed the weaker claim."""
        few = replace(BASE, n_eff=3.0, minority=400, too_few="3.0 rows carry the variance; the test needs 5")
        found = one(few, small=WATCH)

        assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "too_small")

    def test_the_whole_is_never_watched(self) -> None:
        """Fewer rows than the line's own min_rows block all rows, whatever slices do."""
        whole = replace(BASE, slice=())
        strict = from_mapping({"metric": "auc", "at_least": "champion - 0.03", "min_rows": 2000})

        assert one(whole, "auc >= champion - 0.03", small=SmallSlices(min_rows=2000, below="watch")).code == "met"
        assert one(whole, strict, small=WATCH).code == "too_small"

    @pytest.mark.parametrize(("count", "verdict"), [(0, Verdict.INCONCLUSIVE), (1, Verdict.FAIL)])
    def test_a_count_among_too_few_units_does_not_pass(self, count: int, verdict: Verdict) -> None:
        """`min_rows` holds for counts: no errors among 50 requests show little; one error is one too many."""
        line = from_mapping({"metric": "errors", "at_most": 0, "min_rows": 100})

        assert one(counted("r1", line, value=count, units=50), line).verdict is verdict

    def test_a_point_among_too_few_rows_decides_nothing(self) -> None:
        """`min_rows` and block hold for points: a comparison without an error rate is no excuse for three rows."""
        line = from_mapping({"metric": "auc", "at_least": 0.5, "claim": "point", "min_rows": 100})
        point = Estimate("r1", (), 3, 1, (">=", 0.5), "value", "point", candidate=0.9, value=0.9, limit=0.5)

        assert one(point, line).verdict is Verdict.INCONCLUSIVE
        assert one(replace(point, rows=100), line).verdict is Verdict.PASS


def said(claim: str, limit: str = "champion - 0.03", **more: Any) -> Requirement:
    return from_mapping({"metric": "auc", "at_least": limit, "on": "each geo", "claim": claim, **more})


class TestClaims:
    """What a line claims is what its verdict says: a gain, no loss, or a comparison of points."""

    GAIN = replace(BASE, required=(">=", 0.01), value=0.02, low=0.011, high=0.03, p_pass=0.02, p_fail=0.98)

    @pytest.mark.parametrize(
        ("p_pass", "p_fail", "verdict"),
        [(0.05, 0.95, Verdict.PASS), (0.06, 0.94, Verdict.INCONCLUSIVE), (0.97, 0.03, Verdict.FAIL)],
    )
    def test_a_gain_is_shown_by_its_lower_bound(self, p_pass: float, p_fail: float, verdict: Verdict) -> None:
        """And refuted like any other claim."""
        found = one(replace(self.GAIN, p_pass=p_pass, p_fail=p_fail), said("superior", "champion + 0.01"))

        assert (found.verdict, found.decided and found.decided.claim) == (verdict, "superior")

    def test_the_rows_for_a_gain_follow_the_gain_that_is_seen(self) -> None:
        """Equal models never show one; a tolerance would not be a gain."""
        seen = replace(self.GAIN, p_pass=0.1, p_fail=0.9, variance=0.3)
        line = said("superior", "champion + 0.01")

        assert one(seen, line).rows_needed == math.ceil(0.3 * ((Z95 + Z90) / 0.01) ** 2) + 2  # by t, not by z
        assert one(replace(seen, value=0.005), line).rows_needed is None
        assert "smallest_tolerance" not in one(seen, line).detail

    def test_no_harm_passes_where_no_loss_is_significant(self) -> None:
        """Which is no proof that there is none."""
        found = one(replace(BASE, p_pass=0.4, p_fail=0.6), said("no_harm"))

        assert (found.verdict, found.code) == (Verdict.PASS, "no_loss_seen")
        assert "watched" not in found.detail

    def test_no_harm_fails_on_a_loss_after_holm(self) -> None:
        """One that is significant alone leaves it inconclusive, and cannot be asked through."""
        others = [replace(BASE, slice=(("geo", str(number)),)) for number in range(9)]

        def judged(p_fail: float) -> Finding:
            lost = replace(BASE, p_pass=1.0, p_fail=p_fail)
            return judge("metrics", [("r1", said("no_harm"))], [lost, *others], {})[0]

        assert judged(0.005).verdict is Verdict.FAIL
        assert (judged(0.02).verdict, judged(0.02).code) == (Verdict.INCONCLUSIVE, "beyond_unadjusted")
        assert not owner_may_accept(judged(0.02))

    @pytest.mark.parametrize(
        "unseen",
        [
            replace(BASE, p_pass=None, p_fail=None),
            replace(BASE, value=None, p_pass=None, p_fail=None, rows=0, problem=("no_rows", "there are no rows")),
            replace(
                BASE, p_pass=1.0, p_fail=1.0, method="none", too_few="1.0 rows carry the variance; the test needs 5"
            ),
        ],
    )
    def test_where_nothing_could_be_seen_no_harm_is_inconclusive(self, unseen: Estimate) -> None:
        """Nothing measured is never a pass, of the weaker claim either."""
        assert one(unseen, said("no_harm")).verdict is Verdict.INCONCLUSIVE

    def test_no_harm_keeps_to_the_rows_that_are_asked_for(self) -> None:
        """`min_rows` and block hold for it; only the policy's watch makes a small slice pass."""
        small = replace(BASE, rows=99, p_pass=0.4, p_fail=0.6)

        assert one(small, said("no_harm", min_rows=100)).code == "too_small"
        assert one(small, said("no_harm"), small=BLOCK).code == "too_small"
        assert one(small, said("no_harm"), small=WATCH).code == "watched"

    def test_the_tolerance_that_would_be_decided_is_that_of_the_plan(self) -> None:
        """Two models that differ on 5 % of rows: facts' table, one slice and twenty."""
        for slices, published in ((1, 0.021), (20, 0.030)):
            undecided = [
                replace(BASE, slice=(("geo", str(place)),), p_pass=0.2, p_fail=0.8, variance=0.05)
                for place in range(slices)
            ]
            found = judge("metrics", [("r1", parse("auc >= champion - 0.01 on each geo"))], undecided, {})[0]

            assert float(found.detail["smallest_tolerance"]) == pytest.approx(published, abs=0.0005)


class TestRowsNeeded:
    """So many that all slices of the line would be decided with 90 % power."""

    @staticmethod
    def needed(slices: int) -> int | None:
        undecided = [
            replace(BASE, slice=(("geo", str(place)),), rows=500, p_pass=0.2, p_fail=0.8, variance=0.1)
            for place in range(slices)
        ]
        return judge("metrics", [("r1", parse(LINE))], undecided, {})[0].rows_needed

    def test_they_are_those_of_the_published_table(self) -> None:
        """Ten percent disagreement, a margin of 0.03: 952 rows for one slice, 1,963 for each of twenty; by t a little more."""
        known = case("power_ni_paired")

        for slices, rows in known["expected"].items():
            assert 0 <= (self.needed(int(slices)) or 0) - rows <= 0.003 * rows

    def test_no_number_of_rows_helps_beyond_the_limit(self) -> None:
        """An absolute line whose value is on the wrong side."""
        worse = replace(
            BASE, on="value", required=(">=", 0.95), value=0.9, low=0.88, high=0.96, p_pass=0.9, p_fail=0.1, limit=0.95
        )
        found = one(worse, "auc >= 0.95")

        assert found.rows_needed is None
        assert str(found.remedy).startswith(
            "the value itself is beyond the limit, so that more rows would rather show a fail"
        )

    def test_a_small_slice_borrows_the_variance_of_the_whole(self) -> None:
        """Below thirty effective rows its own is no guide."""
        few = replace(BASE, rows=20, n_eff=10.0, variance=0.0001, pooled_variance=0.1, p_pass=0.2, p_fail=0.8)

        assert one(few).rows_needed == 955

    def test_paired_shares_need_what_their_own_test_needs(self) -> None:
        """Its variance is larger under the loss to be excluded: 987 rows, not 952, and 0.9 by enumeration."""
        undecided = replace(BASE, rows=500, p_pass=0.2, p_fail=0.8, variance=0.1, method="tango score", n_eff=500.0)

        assert one(undecided).rows_needed == 987
        half = replace(undecided, n_eff=250.0, variance=0.2)  # a recall: as many carry it in half of the rows
        assert one(half).rows_needed == 2 * 987
        assert slice_rates(987, 0.1, 0.0, margin=0.03)[0] == pytest.approx(0.9, abs=0.015)


class TestRecomputing:
    """A stranger recomputes every verdict from `decided` and `detail` as they lie in the JSON."""

    P = st.none() | st.floats(0, 1)

    @settings(max_examples=300, deadline=None)
    @given(
        p_pass=P, p_fail=P, rows=st.integers(0, 300), few=st.none() | st.just("4 rows; the test needs 5"),
        small=st.sampled_from([None, WATCH, BLOCK]), claim=st.sampled_from([None, "point", "no_harm", "superior"]),
        value=st.none() | st.floats(-1, 1), others=st.lists(st.floats(0, 1), max_size=4),
        confidence=st.sampled_from([None, 0.9, 0.99]), kind=st.sampled_from(["estimated", "counted"]),
    )  # fmt: skip
    def test_every_verdict_is_what_its_json_gives(
        self, p_pass: Any, p_fail: Any, rows: int, few: Any, small: Any, claim: Any, value: Any, others: list[float],
        confidence: Any, kind: str,
    ) -> None:  # fmt: skip
        """And nothing measured is never a pass."""
        asked: dict[str, Any] = {"metric": "auc", "at_least": "champion - 0.03", "on": "each geo"}
        line = from_mapping(asked | {"claim": claim, "confidence": confidence})
        problem = ("no_rows", "there are no rows") if value is None or rows == 0 else None
        estimate = replace(
            BASE,
            rows=rows,
            p_pass=p_pass,
            p_fail=p_fail,
            too_few=few,
            value=None if problem else value,
            problem=problem,
        )
        if kind == "counted":
            estimate = counted("r1", line, value=rows % 3, units=rows, champion=1.0)
        family = [estimate, *(replace(BASE, slice=(("geo", str(p)),), p_fail=p) for p in others)]
        for found in judge("metrics", [("r1", line)], family, {}, small=small):
            stored = json.loads(digest.canonical(found.to_json()))
            decided = None if stored["decided"] is None else Decided.from_json(stored["decided"])

            assert verdict_of(decided, stored["detail"]).value == stored["verdict"]
            assert five_lines(stored["decided"], stored["detail"]) == stored["verdict"]
            assert Finding.from_json(stored) == found
            assert found.verdict is not Verdict.PASS or (found.rows > 0 and found.decided is not None)
            assert found.reason


def five_lines(decided: dict[str, Any] | None, detail: dict[str, Any]) -> str:
    """docs/evidence.md, written down once more."""
    if decided is None or decided["estimate"] is None:
        return "inconclusive"
    few, p_pass, p_fail, p_holm = (detail.get(key) for key in ("too_few", "p_pass", "p_fail", "p_fail_holm"))
    op, required = decided["required"]
    if decided["confidence"] is None:
        estimate = float(decided["estimate"])
        met = estimate >= float(required) if op == ">=" else estimate <= float(required)
        if few and (met or decided["claim"] == "point"):
            return "inconclusive"
        return "pass" if met else "fail"
    alpha = 1 - float(decided["confidence"])
    if p_holm is not None and float(p_holm) <= alpha:
        return "fail"
    if decided["claim"] == "no_harm":
        unseen = p_fail is not None and float(p_fail) > alpha
        return "pass" if unseen and (not few or detail.get("watched")) else "inconclusive"
    return "pass" if not few and p_pass is not None and float(p_pass) <= alpha else "inconclusive"


def test_nothing_decided_is_inconclusive() -> None:
    """No numbers, no verdict."""
    assert verdict_of(None, {}) is Verdict.INCONCLUSIVE


def table(draw: np.random.Generator, n: int, *, worse: float, slices: int = 1) -> dict[str, Any]:
    """A champion right 80 % of the time, and a candidate that disagrees on 10 % of rows and is `worse` by so much."""
    label = draw.random(n) < 0.5
    champion = draw.random(n) < 0.8
    lose, win = (0.1 + worse) / 2, (0.1 - worse) / 2
    candidate = np.where(champion, draw.random(n) >= lose / 0.8, draw.random(n) < win / 0.2)
    return {
        "label": label.astype(int),
        "candidate": np.where(candidate, label, ~label).astype(float),
        "champion": np.where(champion, label, ~label).astype(float),
        "part": draw.integers(0, slices, n).astype(str),
    }


def scored(draw: np.random.Generator, n: int, *, worse: float) -> dict[str, Any]:
    """Two binormal scores of one latent trait whose AUCs differ by about `worse`, 20 % positives."""
    from scipy import special

    label = draw.random(n) < 0.2
    shared = draw.normal(size=n)

    def score(auc: float) -> Any:
        return 2**0.5 * special.ndtri(auc) * label + 0.9**0.5 * shared + 0.1**0.5 * draw.normal(size=n)

    return {"label": label.astype(int), "champion": score(0.85), "candidate": score(0.85 - worse)}


def decide(make: Any, line: str, *, worse: float, n: int, runs: int) -> dict[Verdict, float]:
    """The share of each verdict of a metric among runs with a known truth."""
    from lockgate.evaluation.estimation.estimate import estimate
    from lockgate.evaluation.metrics.catalog import METRICS

    class Rows:
        def __init__(self, columns: dict[str, Any]) -> None:
            self.labels = columns["label"] == 1
            self.candidate, self.champion = columns["candidate"], columns["champion"]
            self.rows = len(self.labels)
            self.weights = self.clusters = None
            self.slices = ()

        def cut(self, _: str, threshold: float | None) -> float | None:
            return threshold

    counts = dict.fromkeys(Verdict, 0.0)
    asked = [("r1", parse(line))]
    for run in range(runs):
        rows: Any = Rows(make(np.random.default_rng(run), n, worse=worse))
        found = estimate(rows, asked, METRICS, threshold={"candidate": 0.5, "champion": 0.5})
        counts[judge("metrics", asked, found, {})[0].verdict] += 1 / runs
    return counts


def test_an_interval_beyond_the_limit_is_never_asked_through() -> None:
    """Nine rows lost of 500, none won: the score interval ends beyond -0.01, the skew-corrected p-value stays above 0.05."""
    label = np.ones(500, dtype=int)
    lost = {"label": label, "champion": label * 0.9, "candidate": np.where(np.arange(500) < 9, 0.1, 0.9)}
    [found] = run_gate("metrics", table=lost, require=["accuracy >= champion - 0.01"]).findings
    assert found.decided is not None
    assert found.decided.high is not None
    assert found.decided.high < -0.01
    assert float(found.detail["p_fail"]) > 0.05
    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "beyond_unadjusted")
    assert (
        ": probably a fail: the interval lies beyond the limit, but the stricter test that decides is not sure"
        in found.reason
    )
    assert not owner_may_accept(found)


def test_a_line_the_other_way_around_is_corrected_alike() -> None:
    """What `<=` calls a violation is the mirror of what `>=` does, p-values to the last digit."""
    label = np.ones(500, dtype=int)
    lost = {"label": label, "champion": label * 0.9, "candidate": np.where(np.arange(500) < 12, 0.1, 0.9)}
    mirrored = {"label": 1 - label, "champion": 1 - lost["champion"], "candidate": 1 - lost["candidate"]}
    [one] = run_gate("metrics", table=lost, require=["accuracy >= champion - 0.01"]).findings
    [other] = run_gate("metrics", table=mirrored, require=["false_positive_rate <= champion + 0.01"]).findings

    assert [one.detail[key] for key in ("p_pass", "p_fail")] == [other.detail[key] for key in ("p_pass", "p_fail")]
    assert one.verdict is other.verdict is Verdict.FAIL


SIMULATED = [(table, "accuracy >= champion - 0.03", 1000), (scored, "auc >= champion - 0.03", 1500)]


@pytest.mark.parametrize(("make", "line", "n"), SIMULATED)
def test_a_candidate_worse_by_the_margin_passes_one_time_in_twenty(make: Any, line: str, n: int) -> None:
    """At the least favourable point: at most 5 % pass, and at most 5 % fail, within three standard errors of 400 runs."""
    found = decide(make, line, worse=0.03, n=n, runs=400)
    most = 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5

    assert 0 < found[Verdict.PASS] <= most
    assert 0 < found[Verdict.FAIL] <= most


@pytest.mark.parametrize(("make", "line", "n"), SIMULATED)
def test_equal_models_pass_and_twice_the_margin_fails(make: Any, line: str, n: int) -> None:
    """With rows enough nearly always, and the other verdict never."""
    equal = decide(make, line, worse=0.0, n=4 * n, runs=100)
    bad = decide(make, line, worse=0.06, n=4 * n, runs=100)

    assert (equal[Verdict.PASS] >= 0.95, equal[Verdict.FAIL]) == (True, 0.0)
    assert (bad[Verdict.FAIL] >= 0.95, bad[Verdict.PASS]) == (True, 0.0)


def test_a_run_with_one_bad_slice_passes_one_time_in_twenty() -> None:
    """Ten slices, one of them worse by the margin, the others better: no correction is needed for a pass."""
    passed = 0
    for run in range(40):
        draw = np.random.default_rng(run)
        parts = [
            table(draw, 400, worse=0.03 if part == 0 else -0.09) | {"part": [str(part)] * 400} for part in range(10)
        ]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        asked = run_gate("metrics", table=whole, slices=["part"], require=["accuracy >= champion - 0.03 on each slice"])
        passed += asked.verdict is Verdict.PASS

    assert passed <= 7
