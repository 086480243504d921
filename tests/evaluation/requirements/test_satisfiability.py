"""What no data could ever satisfy is refused with the line that was meant."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.evaluation.requirements.grammar import from_mapping, parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.satisfiability import refusals
from lockgate.evaluation.requirements.subject import Subject

SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("recall", "higher", bounds=(0, 1), needs=("label",)),
        Subject("auc", "higher", bounds=(0, 1), needs=("label",), proportion=False),
        Subject("log_loss", "lower", bounds=(0, None)),
        Subject("r2", "higher", bounds=(None, 1)),
        Subject("p99_ms", "lower", unit="ms", bounds=(0, None)),
        Subject("error_rate", "lower", bounds=(0, 1), rewrite="errors <= 0"),
        Subject("errors", "lower", counted=True, bounds=(0, None)),
        Subject("flip_rate", "lower", bounds=(0, 1), needs=("champion", "no champion")),
        Subject("positives", None, bounds=(0, 1)),
    )
}


def refused(line: str | dict[str, object], *, champion: bool = True, confidence: float = 0.95) -> list[str]:
    requirement = parse(line) if isinstance(line, str) else from_mapping(line)
    return refusals(requirement, SUBJECTS[requirement.subject], champion=champion, confidence=confidence)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "error_rate <= 0",
            "'error_rate <= 0': no number of rows shows that a rate is exactly 0; "
            "write 'errors <= 0', counted on this run, or 'error_rate <= 0.1%' (from 2,995 requests on)",
        ),
        (
            "recall >= 1 on each slice",
            "'recall >= 1 on each slice': no number of rows shows that a rate is exactly 1; "
            "write 'recall >= 99.9% on each slice' (from 2,995 rows on)",
        ),
        (
            "recall gap over geo >= 0.05",
            "'recall gap over geo >= 0.05' asks for a gap; slices are to be close: write 'recall gap over geo <= 0.05'",
        ),
        (
            "recall gap over geo <= 0",
            "'recall gap over geo <= 0': no number of rows shows that slices are exactly equal; leave some room, "
            "'recall gap over geo <= 0.05'",
        ),
        (
            "recall gap over geo <= 0%",
            "'recall gap over geo <= 0%': no number of rows shows that slices are exactly equal; leave some room, "
            "'recall gap over geo <= 5%'",
        ),
        (
            "recall gap over geo <= champion",
            "'recall gap over geo <= champion' leaves no margin: a candidate equal to the champion would pass 5 % of the time; "
            "write a tolerance, 'recall gap over geo <= champion + 0.01', "
            "or {metric: recall, gap_over: geo, at_most: champion, claim: superior} where a gain is required",
        ),
        (
            "r2 gap over geo <= champion - 0.1",
            "'r2 gap over geo <= champion - 0.1' asks for a gain over the champion, which is a claim of its own; "
            "write {metric: r2, gap_over: geo, at_most: champion - 0.1, claim: superior}, "
            "or a tolerance, 'r2 gap over geo <= champion + 0.01'",
        ),
        (
            "recall gap over geo >= champion - 0.02",
            "'recall gap over geo >= champion - 0.02' asks for a gap; slices are to be close: "
            "write 'recall gap over geo <= champion + 0.02'",
        ),
        (
            "flip_rate gap over geo <= champion + 0.02",
            "'flip_rate gap over geo <= champion + 0.02': flip_rate compares with the champion already; write a number",
        ),
        ("auc >= 1", "'auc >= 1': no number of rows shows that auc is exactly 1; leave some room"),
        ("auc >= 90", "'auc >= 90' can never be met: auc lies between 0 and 1"),
        ("r2 >= 2", "'r2 >= 2' can never be met: r2 lies between anything and 1"),
        (
            "auc >= champion",
            "'auc >= champion' leaves no margin: a candidate equal to the champion would pass 5 % of the time; "
            "write a tolerance, 'auc >= champion - 0.01', "
            "or {metric: auc, at_least: champion, claim: superior} where a gain is required",
        ),
        (
            "p99_ms <= champion * 1",
            "'p99_ms <= champion * 1' leaves no margin: a candidate equal to the champion would pass 5 % of the time; "
            "write a tolerance, 'p99_ms <= champion + 0.01', "
            "or {metric: p99_ms, at_most: champion * 1, claim: superior} where a gain is required",
        ),
        (
            "auc >= champion + 0.01",
            "'auc >= champion + 0.01' asks for a gain over the champion, which is a claim of its own; "
            "write {metric: auc, at_least: champion + 0.01, claim: superior}, or a tolerance, 'auc >= champion - 0.01'",
        ),
        (
            "r2 >= champion * 0.9",
            "'r2 >= champion * 0.9': r2 can be negative, where a factor turns around; "
            "write a margin, 'r2 >= champion - 0.01'",
        ),
        (
            "auc <= champion + 0.01",
            "'auc <= champion + 0.01' asks for a worse model: auc is better when higher; "
            "write 'auc >= champion - 0.01'",
        ),
        ("p99_ms >= 5", "'p99_ms >= 5' asks for a worse model: p99_ms is better when lower; write 'p99_ms <= 5'"),
        ("p99_ms <= champion * 0", "'p99_ms <= champion * 0': the factor must be above zero"),
        (
            "flip_rate <= champion + 0.1",
            "'flip_rate <= champion + 0.1': flip_rate compares with the champion already; write a number",
        ),
    ],
)
def test_what_cannot_be_satisfied_is_rewritten(line: str, message: str) -> None:
    """One sentence, with the line to write instead."""
    assert refused(line) == [message]


@pytest.mark.parametrize(
    "line",
    [
        "errors <= 0",
        "errors <= champion",
        "recall >= 0.6",
        "recall >= 99.9%",
        "auc >= champion - 0.01 on each slice",
        "log_loss <= champion * 1.05",
        "r2 >= -3",
        "positives <= 0.3",
        "positives >= 0.1",
        {"metric": "auc", "at_least": "champion", "claim": "point"},
        {"metric": "recall", "at_least": 1, "claim": "point"},
        {"metric": "auc", "at_least": "champion", "claim": "superior"},
        {"metric": "p99_ms", "at_most": "champion * 0.9", "claim": "superior"},
        {"metric": "auc", "at_least": "champion", "claim": "no_harm"},
    ],
)
def test_what_data_can_satisfy_is_left_alone(line: str | dict[str, object]) -> None:
    """Counts are decided exactly, and a point claims no error rate."""
    assert refused(line) == []


def test_without_a_champion_nothing_is_relative() -> None:
    """The remedy is a number, or a champion."""
    assert refused("auc >= champion - 0.01", champion=False) == [
        "'auc >= champion - 0.01' compares with a champion, and there is none here; "
        "write a number, or give the pipeline champion: {alias: production, else: none}"
    ]


def test_a_claim_that_its_limit_denies_is_refused() -> None:
    """A gain is no tolerance, and no harm is no gain."""
    assert refused({"metric": "auc", "at_least": "champion * 0.9", "claim": "superior"}) == [
        "'auc >= champion * 0.9': claim superior asks for a gain, and this line allows a loss; "
        "write {metric: auc, at_least: champion, claim: superior}, or leave claim out"
    ]
    assert refused({"metric": "auc", "at_least": "champion + 0.1", "claim": "no_harm"}) == [
        "'auc >= champion + 0.1' asks for a gain over the champion, which is a claim of its own; "
        "write {metric: auc, at_least: champion + 0.1, claim: superior}, or a tolerance, 'auc >= champion - 0.01'"
    ]


def test_the_confidence_of_a_line_counts_more_than_that_of_the_gate() -> None:
    """Rows needed and the chance to pass follow it."""
    assert "from 2,302 rows on" in refused("recall >= 1", confidence=0.9)[0]
    assert "10 % of the time" in refused({"metric": "auc", "at_least": "champion", "confidence": 0.9})[0]


@given(st.floats(0.51, 0.9999))
def test_the_rows_of_the_rewrite_would_do(confidence: float) -> None:
    """With that many units and no failure the exact bound meets 0.1 %, with one fewer it does not."""
    text = refused("error_rate <= 0", confidence=confidence)[0]
    units = int(text.partition("from ")[2].partition(" ")[0].replace(",", ""))

    assert 1 - (1 - confidence) ** (1 / units) <= 0.001 * (1 + 1e-9)
    assert units == 1 or 1 - (1 - confidence) ** (1 / (units - 1)) > 0.001 * (1 - 1e-9)
    assert math.isfinite(units)


@given(st.sampled_from(sorted(SUBJECTS)), st.sampled_from([">=", "<="]), st.floats(-2, 2), st.booleans())
def test_every_rewrite_is_accepted(name: str, op: str, limit: float, relative: bool) -> None:
    """A line in quotes that a refusal suggests can be read, and is not refused again for the same reason."""
    line = f"{name} {op} champion {'-' if limit < 0 else '+'} {abs(limit)}" if relative else f"{name} {op} {limit}"
    requirement: Requirement = parse(line)
    for text in refused(line):
        suggested = text.partition("; write ")[2]
        for again in suggested.split("'")[1::2]:
            assert parse(again) != requirement
