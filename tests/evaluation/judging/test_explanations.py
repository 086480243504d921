"""What a person who is about to be blocked reads: whole sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.report_evidence import finding
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.explanations import cause
from lockgate.evaluation.judging.gate_summary import summary, worst_first
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.number_format import loosened, rounded, rounded_up, short
from lockgate.evaluation.metrics import catalog
from lockgate.evaluation.requirements.grammar import from_mapping, parse
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import number
from lockgate.testing import run_gate

SUBJECTS = {
    "p99_ms": Subject("p99_ms", "lower", unit="ms"),
    "errors": Subject("errors", "lower", counted=True, unit="requests"),
}
WORSE = Estimate(
    "r1", (("geo", "BR"),), 4210, 388, (">=", -0.01), "difference", "delong paired, t", candidate=0.771, champion=0.802,
    interval=(0.75, 0.79), value=-0.031, low=-0.044, high=-0.018, limit=0.792, p_pass=0.999, p_fail=0.001, se=0.0079,
    n_eff=400.0, variance=0.26, pooled_variance=0.26,
)  # fmt: skip
OWN = replace(
    WORSE, slice=(), required=(">=", 0.8), on="value", value=0.771, low=0.75, high=0.79, limit=0.8, champion=None,
)  # fmt: skip
RATIO = replace(
    WORSE, slice=(), required=("<=", 1.1), on="ratio", candidate=13.2, champion=10.0, value=1.32, low=1.2, high=1.45, limit=11.0,
)  # fmt: skip

SENTENCES: list[tuple[Any, Any, str]] = [
    (
        "auc >= champion - 0.01 on each geo", WORSE,
        "auc on geo=BR is 0.771, 0.031 below the champion's 0.802 (90 % interval 0.018–0.044); at most 0.01 below is allowed",
    ),
    (
        "auc >= champion * 0.95 on each geo", replace(WORSE, value=0.0091, low=-0.002, high=0.02, required=(">=", 0.0)),
        "auc on geo=BR is 0.771, 0.0091 above 0.95 × the champion's 0.802 (90 % interval 0.002 below to 0.02 above); "
        "at least champion * 0.95 is required",
    ),
    ("auc >= 0.8", OWN, "auc is 0.771; at 95 % confidence at most 0.79; at least 0.8 is required"),
    (
        "auc >= 0.7", replace(OWN, required=(">=", 0.7), p_pass=0.001, p_fail=0.99),
        "auc is 0.771; at 95 % confidence at least 0.75; at least 0.7 is required",
    ),
    (
        "auc >= 0.77", replace(OWN, required=(">=", 0.77), p_pass=0.4, p_fail=0.6),
        "auc is 0.771; at 95 % confidence at least 0.75: 0.77 not shown",
    ),
    (
        "auc >= 0.8", replace(OWN, p_fail=0.04),
        "auc is 0.771; at 95 % confidence at most 0.79; at least 0.8 is required",
    ),
    (
        "log_loss <= champion + 0.01 on each geo",
        replace(WORSE, required=("<=", 0.01), candidate=0.33, champion=0.3, value=0.03, low=0.018, high=0.044),
        "log_loss on geo=BR is 0.33, 0.03 above the champion's 0.3 (90 % interval 0.018–0.044); at most 0.01 above is allowed",
    ),
    (
        "log_loss <= champion + 0.01 on each geo",
        replace(WORSE, required=("<=", 0.01), candidate=0.33, champion=0.3, value=0.03, low=-0.002, high=None, p_pass=0.6, p_fail=0.2),
        "log_loss on geo=BR is 0.33, 0.03 above the champion's 0.3 (90 % interval 0.002 below or higher); at most 0.01 above is allowed: not shown",
    ),
    (
        "p99_ms <= champion * 1.1", RATIO,
        "p99_ms is 13.2 ms, 1.32 times the champion's 10 ms (90 % interval 1.2–1.45); at most 1.1 times is allowed",
    ),
    (
        {"metric": "auc", "at_least": "champion + 0.01", "on": "each geo", "claim": "superior"}, replace(WORSE, required=(">=", 0.01)),
        "auc on geo=BR is 0.771, 0.031 below the champion's 0.802 (90 % interval 0.018–0.044); "
        "a gain of 0.01 over the champion is required",
    ),
    (
        {"metric": "auc", "at_least": "champion", "claim": "superior"},
        replace(WORSE, slice=(), required=(">=", 0.0), value=0.01, low=-0.001, high=0.02, p_pass=0.06, p_fail=0.94),
        "auc is 0.771, 0.01 above the champion's 0.802 (90 % interval 0.001 below to 0.02 above); "
        "a gain over the champion is required: not shown",
    ),
    (
        {"metric": "auc", "at_least": "champion - 0.01", "on": "each geo", "claim": "no_harm"},
        replace(WORSE, value=-0.005, low=-0.018, high=0.008, p_pass=0.3, p_fail=0.7),
        "auc on geo=BR is 0.771, 0.005 below the champion's 0.802 (90 % interval 0.018 below to 0.008 above); at most 0.01 below is "
        "allowed: no such loss was seen, and nothing says how large a loss would go unseen",
    ),
    ("errors <= 0", counted("r1", parse("errors <= 0"), value=3, units=3000), "errors is 3 requests among 3,000; at most 0 requests is allowed"),
    ("errors <= 0", counted("r1", parse("errors <= 0"), value=0, units=0), "errors: nothing was there to be counted"),
    (
        {"metric": "auc", "at_least": 0.8, "claim": "point"},
        replace(OWN, p_pass=None, p_fail=None, low=None, high=None, se=None, n_eff=None, method="point"),
        "auc is 0.771; at least 0.8 is required (a point comparison, without an error rate)",
    ),
    (
        "auc >= 0.8 on each geo",
        Estimate("r1", (("geo", "LU"),), 41, 0, (">=", 0.8), "value", "none", problem=("one_class", "there are no positive rows")),
        "auc on geo=LU: there are no positive rows (41 rows)",
    ),
]  # fmt: skip


def judged(line: Any, estimate: Estimate) -> Finding:
    asked = parse(line) if isinstance(line, str) else from_mapping(line)
    return judge("metrics", [("r1", asked)], [estimate], SUBJECTS)[0]


@pytest.mark.parametrize(("line", "estimate", "said"), SENTENCES, ids=[said[:50] for _, _, said in SENTENCES])
def test_the_sentence_has_number_interval_limit_and_place(line: Any, estimate: Estimate, said: str) -> None:
    """Read aloud, it says what was seen and what was asked."""
    assert judged(line, estimate).reason == said


REMEDIES: list[tuple[Any, Any, str | None]] = [
    ("auc >= champion - 0.01 on each geo", WORSE, None),
    (
        "auc >= champion - 0.01 on each geo", replace(WORSE, value=0.0, p_pass=0.1, p_fail=0.9),
        "about 19,000 more rows, or a tolerance of 0.024, would decide",
    ),
    (
        "auc >= 0.8", replace(OWN, high=0.81, p_pass=0.9, p_fail=0.1),
        "the value itself is beyond the limit, so that more rows would rather show a fail than a pass; look at what changed; gate explain has the numbers",
    ),
    (
        "auc >= 0.76", replace(OWN, required=(">=", 0.76), low=0.7463, p_pass=0.2, p_fail=0.8),
        "about 19,000 fresh rows, or a limit of 0.74, would decide",
    ),
    (
        "auc >= 0.7705", replace(OWN, required=(">=", 0.7705), low=0.7463, p_pass=0.2, p_fail=0.8),
        "its value is at the limit, which hardly any number of rows decides; a limit of 0.74 would be met",
    ),
    (
        "auc >= 0.771", replace(OWN, required=(">=", 0.771), low=0.7463, p_pass=0.2, p_fail=0.8),
        "its value is at the limit, which hardly any number of rows decides; a limit of 0.74 would be met",
    ),
    (
        "auc >= champion - 0.04 on each geo", replace(WORSE, value=-0.03, low=-0.05, required=(">=", -0.04), p_pass=0.2, p_fail=0.8),
        "there are enough rows for a candidate as good as the champion to pass; look at what changed; gate explain has the numbers",
    ),
    (
        "auc >= champion - 0.01 on each geo", replace(WORSE, low=-0.07, high=0.004, p_fail=0.2), "about 19,000 more rows would decide",
    ),
    (
        "auc >= 0.8", replace(OWN, high=0.798, p_pass=0.9, p_fail=0.06),
        "more rows would most likely prove the fail; look at what changed; gate explain has the numbers",
    ),
    (
        "p99_ms <= 380", replace(OWN, required=("<=", 380.0), value=74.0, high=None, p_pass=0.2, p_fail=0.8, variance=None, pooled_variance=None),
        "more rows would decide",
    ),
    (
        "p99_ms <= champion * 1.1", replace(RATIO, p_fail=1.0, p_pass=1.0, too_few="this runner is too noisy", few_code="too_noisy"),
        "measure on a machine that does nothing else, with more requests",
    ),
    (
        "p99_ms <= 15", replace(OWN, required=("<=", 15.0), value=12.1, high=16.31, p_pass=0.2, p_fail=0.8, variance=None, pooled_variance=None),
        "more rows, or a limit of 17 ms, would decide",
    ),
    (
        {"metric": "auc", "at_least": "champion * 0.99", "on": "each geo"}, replace(WORSE, value=0.0, p_pass=0.1, p_fail=0.9),
        "about 31,000 more rows, or champion * 0.971, would decide",
    ),
    (
        "auc >= 0.8 on each geo",
        Estimate("r1", (("geo", "LU"),), 0, None, (">=", 0.8), "value", "none", problem=("no_rows", "there are no rows")),
        "add rows of this slice to the data, or take the value out of the declared ones",
    ),
    ("errors <= 0", counted("r1", parse("errors <= 0"), value=0, units=0), None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "estimate", "said"), REMEDIES)
def test_the_remedy_says_what_would_help(line: Any, estimate: Estimate, said: str | None) -> None:
    """Only where something undecided could be decided."""
    assert judged(line, estimate).remedy == said


def test_a_gate_begins_with_its_worst_finding() -> None:
    """And how many more there are; a pass says how many hold, and on what weaker claims."""
    fail = judged("auc >= champion - 0.01 on each geo", WORSE)
    good = replace(fail, verdict=Verdict.PASS, code="met")

    assert summary([good, fail, fail]) == f"{fail.reason}; and 1 more"
    assert summary([good]) == "1 requirement met"
    assert summary([good, good], not_asked=1) == (
        "all 2 requirements met; 1 requirement not compared: there is no champion yet"
    )
    assert summary([good, replace(good, code="no_loss_seen", detail={"smallest_loss_seen": "0.04"})]) == (
        "1 proven, 1 without a loss seen; a loss under 0.04 would go unseen"
    )
    assert summary([], not_asked=2) == ("nothing was measured; 2 requirements not compared: there is no champion yet")


def test_a_gate_says_what_else_is_open_and_what_is_only_watched() -> None:
    """How many are undecided, how many of them for want of rows, and which slices were merged into one."""
    fail = judged("auc >= champion - 0.01 on each geo", WORSE)
    open_ = replace(fail, verdict=Verdict.INCONCLUSIVE, code="not_shown", reason="is open", detail={"p_fail": "0.2"})
    small = replace(open_, code="too_small", reason="is small")
    watched = replace(fail, verdict=Verdict.PASS, code="watched", detail={"smallest_loss_seen": "0.04"})
    unknown = replace(watched, detail={"smallest_loss_seen": None})
    blind = replace(watched, detail={"smallest_loss_seen": None, "no_power": True})
    pool = replace(watched, code="met", slice={"geo": "other"}, detail={"members": ["LU", "MT"]})

    assert summary([fail, open_, small, small]) == f"{fail.reason}; 3 undecided, 2 of them with too few rows to judge"
    assert summary([small, open_, small]) == "is open; and 2 more, 2 of them with too few rows to judge"
    assert summary([small, small]) == "is small; and 1 more, all with too few rows to judge"
    assert summary([watched, open_]) == "is open; 1 under the no-harm check; a loss under 0.04 would go unseen"
    assert summary([watched, unknown]) == (
        "0 proven, 2 under the no-harm check; a loss under 0.04 would go unseen; on 1 of them nothing says how large a loss would go unseen"
    )
    assert summary([watched, blind]) == (
        "0 proven, 2 under the no-harm check; a loss under 0.04 would go unseen; on 1 of them no loss could be seen"
    )
    assert summary([pool]) == "1 requirement met; geo=other pools 2 small slices"


def test_of_counts_that_fail_alike_the_largest_comes_first() -> None:
    """689 rows that a schema refuses stand before 1."""
    line = parse("errors <= 0")
    many, one = (judged("errors <= 0", counted("r1", line, value=value, units=2000)) for value in (689.0, 1.0))

    assert worst_first([one, many]) == [many, one]


def test_the_worst_comes_first() -> None:
    """A failure, then what lies beyond the limit, what is open, and what has too few rows; the surest harm first."""
    fail = judged("auc >= champion - 0.01 on each geo", WORSE)

    def open_(code: str, p_fail: str | None) -> Finding:
        return replace(fail, verdict=Verdict.INCONCLUSIVE, code=code, detail={"p_fail": p_fail})

    ordered = [
        replace(fail, detail={"p_fail": "0.0001"}), fail, open_("beyond_unadjusted", "0.04"), open_("not_shown", "0.1"),
        open_("not_shown", "0.9"), open_("too_small", "0.01"), replace(open_("one_class", None), rows=9),
        replace(open_("one_class", None), rows=8),
    ]  # fmt: skip

    assert worst_first([*reversed(ordered), replace(fail, verdict=Verdict.PASS)]) == ordered


@given(st.floats(-1e300, 1e300))  # beyond, rounding up leaves the floats
def test_a_number_for_the_eye_is_near_the_number(value: float) -> None:
    """Four figures, fewer for what is very small."""
    assert float(short(value).replace(",", "")) == pytest.approx(value, rel=0.06 if abs(value) < 1e-4 else 6e-4)


@given(st.integers(1, 10**12))
def test_a_count_for_the_eye_is_rounded_up_by_a_tenth_at_most(count: int) -> None:
    """What is asked for is enough."""
    shown = int(rounded(count).replace(",", ""))

    assert count <= shown <= max(count * 1.1, count + 1)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_limit_that_is_offered_would_be_met(bound: float, value: float) -> None:
    """It lies beyond the bound, seen from the value, and not further than the value is."""
    offered = loosened(bound, value)
    slack = 1e-9 * max(1.0, abs(bound), abs(value))

    assert min(abs(offered - bound), abs(value - bound) + slack) == abs(offered - bound)
    assert (offered - bound) * (value - bound) <= slack


@given(st.floats(1e-12, 1e6))
def test_a_tolerance_that_is_offered_is_enough(tolerance: float) -> None:
    """Rounded up to two figures."""
    shown = rounded_up(tolerance)

    assert tolerance * (1 - 1e-9) <= shown <= tolerance * 1.1 * (1 + 1e-9)


def test_what_is_worse_than_allowed_on_its_own_is_looked_at_first() -> None:
    """More rows would prove the loss, and not decide for the candidate."""
    line = parse("auc >= champion - 0.01 on each geo")
    lost = replace(WORSE, p_fail=0.02)
    others = [replace(WORSE, slice=(("geo", str(n)),), value=0.0, low=-0.005, high=0.005, p_fail=0.9) for n in range(9)]
    found = judge("metrics", [("r1", line)], [lost, *others], SUBJECTS)[0]

    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "beyond_unadjusted")
    assert (
        found.remedy == "more rows would most likely prove the fail; look at what changed; gate explain has the numbers"
    )


def test_what_would_help_a_slice_without_a_value_can_be_done_without_a_pipeline_too() -> None:
    """A trial has none, and so nothing in which a finding is waived."""
    found = judged("auc >= 0.8 on each geo", Estimate("r1", (("geo", "LU"),), 41, 0, (">=", 0.8), "value", "none", problem=("one_class", "")))  # fmt: skip

    assert found.remedy == "add rows of this slice in which the metric is defined, judge without it, or waive the finding in a pipeline"  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": "no_rows", "rows": 0}, "there are no rows"),
        ({"code": "no_rows", "rows": 0, "detail": {"counted_in": "queries"}}, "there are no queries"),
        ({"code": "one_class", "rows": 9, "positives": 0}, "there are no positive rows"),
        ({"code": "one_class", "rows": 9, "positives": 9}, "there are no negative rows"),
        ({"code": "one_class", "rows": 9, "positives": None}, "there are no rows of one of the classes"),
        ({"code": "undefined", "rows": 9, "observed": 0.5}, "of the champion: the metric is undefined on these rows"),
        ({"code": "gain_too_large", "rows": 9}, "gain too large"),
    ],
)
def test_why_a_value_is_missing_follows_from_fields(fields: dict[str, Any], words: str) -> None:
    """However its own sentence is worded."""
    blank = finding(observed=None, decided=None, detail={}, reason="in words of any kind")

    assert cause(replace(blank, **fields)) == words


def test_of_a_mean_over_classes_the_sentence_names_the_class_that_lost_most() -> None:
    """Where it does not pass; nothing of a class where none got worse."""
    label = ["a"] * 60 + ["b"] * 60 + ["c"] * 60
    worse = ["a"] * 60 + ["b"] * 54 + ["c"] * 6 + ["c"] * 20 + ["b"] * 40
    failed, same, passed = (
        run_gate(
            "metrics", table=pa.table({"label": label, "new": new, "old": old}), require=[line], task="multiclass",
            scores={"candidate": "new", "champion": "old"}, label="label", classes=("a", "b", "c"),
        ).findings[0]
        for new, old, line in (
            (worse, label, "recall(average=macro) >= champion - 0.05"),
            (label, worse, "recall(average=macro) >= 0.99"),
            (worse, label, "recall(average=macro) >= champion - 0.9"),
        )
    )  # fmt: skip

    assert failed.verdict is Verdict.FAIL
    assert failed.reason.endswith(
        "at most 0.05 below is allowed. Class c lost most: its recall is 0.3333, the champion's 1"
    )
    assert failed.detail["worst_class"] == {"class": "c", "candidate": number(1 / 3), "champion": number(1.0)}
    assert "worst_class" not in same.detail
    assert "Class" not in passed.reason


@pytest.mark.parametrize(
    ("line", "figure"),
    [
        ("recall(class=9) >= 0.8", '"Recall by class" in report.html'),
        ("recall(average=macro) >= 0.8", '"Recall by class" in report.html'),
        ("recall >= 0.8", '"Fixes and breaks" in report.html'),
        ("auc >= 0.8", "gate explain has the numbers"),
    ],
)
def test_what_to_look_at_is_the_figure_that_shows_it(line: str, figure: str) -> None:
    """By class where the line is about classes, by decision where a threshold decides."""
    below = replace(OWN, high=0.81, p_pass=0.9, p_fail=0.1)

    [found] = judge("metrics", [("r1", parse(line))], [below], catalog.SUBJECTS)
    assert str(found.remedy).endswith(figure)
