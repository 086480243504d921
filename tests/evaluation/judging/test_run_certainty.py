"""How sure a run is, a short list: the chance of a wrong pass with its number, and all that it does not cover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lockgate.evaluation.estimation.estimate import counted
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.measured_rates import measured_rate
from lockgate.evaluation.judging.run_certainty import certainty, unchecked_data
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict

LINE = "auc >= 0.7"
PASSED = Finding(
    "metrics/r1/overall", "r1", "auc", {}, 0.771, (0.75, 0.79), None, FindingLimit(">=", 0.7, "0.7"),
    Decided("value", "at_limit", 0.771, 0.75, 0.79, (">=", 0.7), 0.95, 0.0079, 400.0, "delong paired, t"),
    4210, 388, None, Verdict.PASS, "met", "auc is 0.771",
)  # fmt: skip
COUNT = judge(
    "metrics", [("r1", parse("errors <= 0"))], [counted("r1", parse("errors <= 0"), value=0, units=3000)],
    {"errors": Subject("errors", "lower", counted=True, unit="requests")},
)[0]  # fmt: skip
WRONG_PASS = (
    "Data are a sample, so luck can help: if the candidate truly broke a line (a requirement) that was judged here, a run would "
    "still pass with at most this chance, however many lines there are."
)
ORIGIN = (
    "Each line is tested so that it should pass wrongly in at most 5 % of runs; {} % is the most that simulations measured, "
    "for the kinds of data in docs/internals/decisions.md."
)


def run_of(*gates: GateResult, **more: Any) -> Evidence:
    return Evidence({"run": {}, "waivers": [], "gates": [gate.to_json() for gate in gates], **more}, b"")


def gate_of(*findings: Finding, name: str = "metrics", counts: bool = True) -> GateResult:
    return GateResult(
        name, "metrics", counts, Verdict.PASS, "", (RequirementLine("r1", LINE, "gates/fraud.yaml", 9),), findings
    )


def with_claim(claim: Any, **more: Any) -> Finding:
    assert PASSED.decided is not None
    return replace(PASSED, decided=replace(PASSED.decided, claim=claim, **more))


@pytest.mark.parametrize(
    ("method", "rate"),
    [
        ("delong, t, logit", 0.07),
        ("delong paired, t", 0.078),
        ("influence paired, t, skew-corrected, by cluster", 0.076),
    ],
)
def test_the_chance_of_a_wrong_pass_is_the_most_that_was_measured(method: str, rate: float) -> None:
    """Of the method that decided, however it is transformed; of several lines the worst, however many there are."""
    other = with_claim("at_limit", method="identical on every row, exact")

    assert measured_rate(method) == rate
    assert certainty(run_of(gate_of(with_claim("at_limit", method=method), other, other))) == [
        (f"Chance of a wrong pass: at most {100 * rate:g} %", WRONG_PASS),
        ("Where that number is from", ORIGIN.format(f"{100 * rate:g}")),
    ]


def test_other_levels_go_by_what_they_declare() -> None:
    """Nobody measured how often a line passes wrongly that is tested at 10 %, or a reuse budget's 1 %."""
    items = certainty(run_of(gate_of(PASSED, with_claim("not_worse", confidence=0.9), PASSED)))

    assert items == [
        ("Chance of a wrong pass: at most 10 %", WRONG_PASS),
        (
            "Where that number is from",
            "Some lines are tested at another level than 5 %, and are taken to keep it: measured was 5 % alone (at most 7.8 %, "
            "for the kinds of data in docs/internals/decisions.md).",
        ),
    ]


def test_latencies_have_rates_of_their_own_and_use_no_holdout_up() -> None:
    """They are measured anew in each run; the chance over evaluations of the same rows is that of the lines on rows."""
    timed = with_claim("at_limit", method="order statistics, fewer by how much requests resemble each other")
    gate = replace(gate_of(timed, name="latency"), kind="latency")
    [chance, origin, evaluation] = certainty(run_of(gate_of(PASSED), gate, run={"looks": {"holdout": 2}}))

    assert certainty(run_of(gate))[0][0] == "Chance of a wrong pass: at most 6 %"
    assert chance[0] == "Chance of a wrong pass: at most 7.8 %"
    assert origin[1].endswith("docs/internals/decisions.md and docs/gates/latency.md.")
    assert evaluation == (
        "Evaluation no. 2 of holdout, or a later one",
        "Every evaluation of the same rows gives luck another chance; over the 2 evaluations that are counted it is at most "
        "15.6 %. Counted is each published run, also of the same models, and of unpublished ones in this checkout each pair of "
        "models once.",
    )


def test_the_chance_is_said_of_those_gates_alone_that_have_one() -> None:
    """A rate of latencies says nothing of metrics that are all judged by approximate methods."""
    timed = with_claim("at_limit", method="order statistics, fewer by how much requests resemble each other")
    latency = replace(gate_of(timed, name="latency"), kind="latency")
    approximate = gate_of(with_claim("at_limit", method="bootstrap, approximate"))

    assert certainty(run_of(approximate, latency))[0][0] == (
        "Chance of a wrong pass of latency: at most 6 %; of metrics unknown"
    )


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (
            with_claim("point", confidence=None),
            "Measured numbers were compared as they are, without allowing for chance.",
        ),
        (with_claim("no_harm"), "By its claim, only a loss that shows would have failed."),
        (
            replace(with_claim("no_harm"), code="watched"),
            "Too few rows to prove anything: only a loss that shows would have failed.",
        ),
        (with_claim("at_limit", method="bootstrap, approximate"), "Judged by an approximate method."),
        (
            with_claim("at_limit", method="largest of 3 pairs, mover, t"),
            "Nobody measured how often its method passes wrongly.",
        ),
    ],
)
def test_what_is_not_covered_is_named_with_why(finding: Finding, reason: str) -> None:
    """By its line, once for all its slices; and alone it leaves no chance at all."""
    assert certainty(run_of(gate_of(PASSED, finding)))[2:] == [("Not covered", f"metrics: {LINE}. {reason}")]
    assert certainty(run_of(gate_of(finding, finding))) == [
        ("Chance of a wrong pass: unknown", "No line that counts here was tested with a chance that is known."),
        ("Not covered", f"metrics: {LINE} (2 slices). {reason}"),
    ]


def test_a_line_on_latency_keeps_its_rate_for_stalls_that_could_be_seen() -> None:
    """Of longer ones nothing is promised, and that is named."""
    line = replace(PASSED, detail={"rarest_stall": 1001, "longest_stall": 10})

    assert certainty(run_of(gate_of(line)))[2:] == [
        ("Not covered", f"metrics: {LINE}. A rare stall of more than 10 requests in a row may not have shown.")
    ]


def test_warnings_and_waivers_are_named() -> None:
    """A waiver that expired is none."""
    other = replace(PASSED, id="metrics/r2/overall", requirement="r2")
    waivers = [
        {"finding": "metrics/r2/overall", "expired": False}, {"finding": "latency", "expired": False},
        {"finding": "metrics/r1/overall", "expired": True},
    ]  # fmt: skip
    run = run_of(
        gate_of(PASSED, other), gate_of(PASSED, name="calm", counts=False),
        gate_of(name="latency", counts=False), waivers=waivers,
    )  # fmt: skip

    assert certainty(run)[2:] == [
        ("Not covered", "metrics/r2/overall; latency. Waived, so that it stops nothing."),
        ("Not covered", "calm. Its verdict blocks nothing."),
    ]


def test_facts_that_were_counted_are_named_beside_estimates_and_alone_need_no_word() -> None:
    """They are facts of the run."""
    assert certainty(run_of(gate_of(PASSED, COUNT)))[-1][0] == "Facts"
    assert certainty(run_of(gate_of(COUNT))) == []
    assert certainty(run_of()) == []


def test_that_nobody_looked_for_rows_of_the_training_data_is_said() -> None:
    """A model that has seen its holdout looks better than it is, and no chance of ours covers that."""
    scored = [{"data": "holdout", "rows": 9}, {"data": "traffic-replayed", "rows": 9}]
    run = {"looks": {"holdout": 1, "traffic": 1}}
    unaware = run_of(gate_of(PASSED), run=run, scored=scored, data=[{"name": "holdout"}, {"name": "traffic"}])
    seen = {"rows": 2, "of": 9, "repeated": 0, "in": [{"path": "train.csv"}], "not_checked": []}

    assert unchecked_data(unaware) == ["holdout"]
    assert certainty(unaware)[-1] == (
        "Not checked",
        "Whether the candidate was trained on rows of holdout was not checked; write where its training data lie: "
        "data.holdout.not_in.",
    )
    aware = run_of(gate_of(PASSED), run=run, scored=scored, data=[{"name": "holdout", "seen": seen}])
    assert unchecked_data(aware) == []
    assert certainty(aware)[-1][1].startswith("2 of 9 rows of holdout are in train.csv, and left out of every verdict")
