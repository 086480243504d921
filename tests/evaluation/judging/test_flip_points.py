"""What would change a verdict does so by the real judge: just on one side it passes, or fails, and just on the other it does not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.evaluation.judging.flip_points import Crossing, FlipPoints, fail_level, flip_points
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.stored_estimate import stored_estimate
from lockgate.evaluation.judging.stored_test import StoredTest
from lockgate.evaluation.requirements.grammar import parse, read
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.stats.multiple_testing import holm
from lockgate.testing import run_gate
from recordings import shelf

BOTH = {"candidate": "p_new", "champion": "p_old"}
LINES: list[Any] = [
    "auc >= champion - 0.05", "auc >= 0.82", {"metric": "auc", "at_least": "champion + 0.1", "claim": "superior"},
    "average_precision >= 0.95", "accuracy >= 0.78",
    "accuracy >= champion - 0.02", {"metric": "accuracy", "at_least": "champion + 0.1", "claim": "superior"},
    "recall >= champion - 0.1", "f1 >= champion - 0.05",
    "false_positive_rate <= champion + 0.01", "log_loss <= 0.4", "brier <= champion + 0.02",
    {"metric": "auc", "at_least": "champion", "claim": "no_harm"},
]  # fmt: skip


@pytest.fixture(scope="module")
def judged() -> dict[str, tuple[Finding, Requirement]]:
    """Each line as evidence has it: passes, fails and what was left undecided."""
    result = run_gate("metrics", table=shelf.payments(), label="y", scores=BOTH, require=LINES)
    findings = GateResult.from_json(result.to_json()).findings
    return {finding.requirement: (finding, read(line)) for finding, line in zip(findings, LINES, strict=True)}


def verdict(
    judged: dict[str, tuple[Finding, Requirement]],
    name: str,
    *,
    value: float | None = None,
    required: float | None = None,
) -> Verdict:
    """By the judge, with all findings of the gate, of which one has another value or another limit."""
    estimates = []
    for finding, line in judged.values():
        estimate = stored_estimate(finding.requirement, finding, line, line, None).estimate
        if finding.requirement == name:
            test = StoredTest.from_finding(finding, line)
            assert test is not None
            null = estimate.required[1] if required is None else required
            again = test.compare(value=value, null=null, confidence=0.95)
            p_values = test.p_values(value=value, null=null, confidence=0.95)
            estimate = replace(
                estimate, value=again.value, low=again.low, high=again.high, required=(line.op, null),
                p_pass=p_values[0], p_fail=p_values[1],
            )  # fmt: skip
        estimates.append(estimate)
    lines = [(finding.requirement, line) for finding, line in judged.values()]
    return {finding.requirement: finding.verdict for finding in judge("metrics", lines, estimates, {})}[name]


def test_the_findings_are_of_all_three_verdicts(judged: dict[str, tuple[Finding, Requirement]]) -> None:
    """Else the tests below would show little."""
    assert {finding.verdict for finding, _ in judged.values()} == {Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("name", [f"r{number}" for number in range(1, len(LINES) + 1)])
def test_a_value_on_either_side_of_a_flip_point_is_judged_otherwise(
    judged: dict[str, tuple[Finding, Requirement]], name: str
) -> None:
    """Of a share, one row is the difference."""
    finding, line = judged[name]
    points = flip_points(finding, line, [other for other, _ in judged.values()])
    assert points.value is not None
    better = 1 if line.op == ">=" else -1
    for at, there, way in (
        (points.value.passes, Verdict.PASS, better),
        (points.value.fails, Verdict.FAIL, -better),
    ):
        assert at is not None
        step = 1 / points.shares if points.shares else max(abs(at), 1e-3) * 1e-6
        inside = at if points.shares else at + way * step

        assert verdict(judged, name, value=inside) is there
        assert verdict(judged, name, value=at - way * step) is not there


@pytest.mark.parametrize("name", [f"r{number}" for number in range(1, len(LINES) + 1)])
def test_a_limit_on_either_side_of_a_flip_point_is_judged_otherwise(
    judged: dict[str, tuple[Finding, Requirement]], name: str
) -> None:
    """With the value as it was measured."""
    finding, line = judged[name]
    points = flip_points(finding, line, [other for other, _ in judged.values()])
    assert points.limit is not None
    looser = -1 if line.op == ">=" else 1
    for at, there, way in ((points.limit.passes, Verdict.PASS, looser), (points.limit.fails, Verdict.FAIL, -looser)):
        assert at is not None
        step = max(abs(at), 1e-3) * 1e-6

        assert verdict(judged, name, required=at + way * step) is there
        assert verdict(judged, name, required=at - way * step) is not there


def test_nothing_is_said_where_no_value_would_do() -> None:
    """Of sixteen rows fewer than ten are of one class: nothing is decided, whatever the models answer."""
    line = "auc >= champion - 0.5"
    result = run_gate("metrics", table=shelf.payments().head(16), label="y", scores=BOTH, require=[line])

    assert flip_points(result.findings[0], parse(line), result.findings) == FlipPoints(obstacle="too_few")


def test_what_is_counted_passes_at_its_limit() -> None:
    """And fails one beyond it."""
    rows = shelf.payments()
    lost = rows.assign(p_new=rows["p_new"].where(rows["id"] % 100 != 3))
    result = run_gate("shadow", table=lost, label="y", scores=BOTH, require=["errors <= 2"])

    points = flip_points(result.findings[0], parse("errors <= 2"), result.findings)

    assert result.findings[0].verdict is Verdict.FAIL
    assert points == FlipPoints(value=Crossing(2.0, 3.0), shares=1)


def test_a_percentile_passes_while_so_many_requests_are_slower() -> None:
    """By the count with which its own test would still have passed."""
    detail = {"p_pass": "0.5", "p_fail": "0.6", "p_fail_holm": "0.6", "design_effect": "1.0"}
    stored = {
        "id": "latency/r1/overall", "requirement": "r1", "subject": "p99_ms", "slice": {}, "observed": "21.0",
        "interval": ["19.0", "25.0"], "champion": None, "limit": {"op": "<=", "value": "20.0", "text": "20"},
        "decided": {
            "on": "value", "claim": "at_limit", "estimate": "21.0", "low": "19.0", "high": "25.0", "required": ["<=", "20.0"],
            "confidence": "0.95", "se": None, "n_eff": "1000.0", "method": "order statistics, fewer by how much requests resemble each other",
        },
        "rows": 1000, "positives": None, "rows_needed": None, "verdict": "inconclusive", "code": "not_shown", "reason": "",
        "remedy": None, "detail": detail,
    }  # fmt: skip
    finding = Finding.from_json(stored)

    points = flip_points(finding, parse("p99_ms <= 20"), [finding])

    assert points.limit == Crossing(25.0, None)
    assert points.most_over == 4  # P(X <= 4) of 1,000 at 1 % is 2.9 %, and of 5 it is 6.7 %
    assert points.over == 9  # the largest count with a p-value of at most a half


@given(st.lists(st.floats(0, 1), max_size=6), st.floats(0, 1))
def test_the_level_of_a_failure_is_holms(others: list[float], p: float) -> None:
    """At most alpha after the correction where the p-value is at most the level, and only there."""
    level = fail_level(others, 0.05)
    adjusted = holm([p, *others])[0]

    assert (p <= level) == (adjusted <= 0.05) or math.isclose(p, level, rel_tol=1e-9)


@pytest.mark.parametrize("line", ["auc >= 0.6", "auc >= champion - 0.3"])
def test_no_limit_lies_beyond_what_the_metric_can_reach(line: str) -> None:
    """On a small slice any limit passes that nothing speaks against: at most the one that only a perfect model meets."""
    watched = run_gate(
        "metrics", table=shelf.payments(), label="y", scores=BOTH, require=[f"{line} on each shop"],
        slices=["shop"], small_slices={"min_rows": 1000, "below": "watch"},
    ).findings  # fmt: skip
    reached = dict[float, bool]()
    for finding in watched:
        if (limit := flip_points(finding, parse(line), watched).limit) is not None and limit.passes is not None:
            champion = float(finding.champion or 0.0) if "champion" in line else 0.0
            reached[round(limit.passes + champion, 9)] = limit.every

    assert max(reached) == 1.0
    assert all(every == (number == 1.0) for number, every in reached.items())


@pytest.mark.parametrize("subject", ["auc gap over country", "recall_at_precision(0.5)"])
def test_of_a_factor_the_end_of_an_interval_is_no_limit(subject: str) -> None:
    """The interval is of a difference, which no factor is; a margin lies on its scale."""
    sign, limits = (
        ("<=", ("champion * 2", "champion + 0.5")) if "gap" in subject else (">=", ("champion * 0.5", "champion - 0.5"))
    )
    lines = [f"{subject} {sign} {limit}" for limit in limits]
    result = run_gate("metrics", table=shelf.payments(), label="y", scores=BOTH, slices=["country"], require=lines)
    factor, margin = (
        flip_points(finding, parse(line), result.findings).limit
        for finding, line in zip(result.findings, lines, strict=True)
    )

    assert factor is None
    assert margin is not None
    assert margin.passes is not None
