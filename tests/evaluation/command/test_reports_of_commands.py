"""What a command reports is read within bounds, whatever is in its file."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import quoteattr

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lockgate.evaluation.command import json_findings
from lockgate.evaluation.command.json_findings import read_json
from lockgate.evaluation.command.junit import read_junit
from lockgate.evaluation.command.reported import MOST, Measured, NoFindings, Reported, each_once, findings
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import canonical

LINE = parse("failures <= 0")
BOMB = (
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><testsuites><testcase name="&b;"/></testsuites>'
)
KINDS = {"failure": "fail", "error": "error", "skipped": "inconclusive", None: "pass"}
WORST = ["pass", "inconclusive", "fail", "error"]


def made(outcomes: Any) -> list[Finding]:
    return list(findings("command", "r1", LINE, outcomes))


def suite(cases: list[tuple[str, str | None]], **counts: int) -> bytes:
    inside = "".join(
        f"<testcase name={quoteattr(name)}>{f'<{kind}/>' if kind else ''}</testcase>" for name, kind in cases
    )
    attributes = "".join(f' {name}="{count}"' for name, count in counts.items())
    return f"<testsuite name='s'{attributes}>{inside}</testsuite>".encode()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(BOMB)
@example(b"<testsuites>" * 60)
@example(b"<testsuite><testsuite/><failure/></testsuite>")
@example(b"<testsuite><testcase><system-out><failure/></system-out></testcase></testsuite>")
@example(b'<?xml version="1.0" encoding="nonsense"?><testsuites/>')
@example(b"[" * 100_000)
@example(b'{"a": 1, "a": 2}')
@example(b"[1e400]")
@example(b'[{"subject": "a", "value": 1, "limit": "<= 1e400"}]')
def test_whatever_a_file_holds_is_findings_or_a_sentence(data: bytes) -> None:
    """No other exception, and nothing that evidence could not hold."""
    for read in (read_junit, read_json):
        try:
            outcomes = each_once(read(data))
        except NoFindings as refusal:
            sentence = str(refusal)
        else:
            sentence = "holds findings"
            for finding in made(outcomes):
                canonical(finding.to_json())
        assert sentence[0].islower()
        assert "\n" not in sentence


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(list(KINDS)))))
def test_each_test_is_one_finding_by_its_worst_outcome_in_whichever_order(cases: list[tuple[str, str | None]]) -> None:
    """And a file says the same as the file turned round."""
    expected: dict[str, str] = {}
    for name, kind in cases:
        expected[f"s::{name}"] = max(KINDS[kind], expected.get(f"s::{name}", "pass"), key=WORST.index)
    for order in (cases, cases[::-1]):
        findings_by_name = [
            (each.slice["test"], str(each.verdict)) for each in made(each_once(read_junit(suite(order))))
        ]
        assert findings_by_name == sorted(expected.items())


def test_disabled_tests_and_suites_that_break_are_no_passes() -> None:
    """As GoogleTest writes the ones, and others the suite that could not be set up."""
    data = b"""<testsuites><testsuite name="Range"><testcase name="Off" status="notrun" result="suppressed"/></testsuite>
    <testsuite name="Server"><error message="no port"/></testsuite></testsuites>"""

    assert [(each.slice["test"], str(each.verdict)) for each in made(read_junit(data))] == [
        ("Range::Off", "inconclusive"),
        ("Server (the suite)", "error"),
    ]


@pytest.mark.parametrize(
    "data",
    [suite([(str(number), None) for number in range(MOST + 1)]),
     json.dumps([{"subject": str(number), "verdict": "pass"} for number in range(MOST + 1)]).encode()],
    ids=["junit", "json"],
)  # fmt: skip
def test_the_number_of_findings_is_bounded(data: bytes) -> None:
    """They all stand in the evidence."""
    with pytest.raises(NoFindings, match="2,0"):
        (read_junit if data.startswith(b"<") else read_json)(data)


def test_a_test_in_another_is_no_way_to_hide_its_failure() -> None:
    """No writer of JUnit XML nests them."""
    nested = b"<testsuite><testcase name='a'><failure/><testcase name='b'/></testcase></testsuite>"

    with pytest.raises(NoFindings, match="stands in another"):
        read_junit(nested)


ENTRIES: list[tuple[Any, bool]] = [
    ({"subject": "a", "value": 1, "limit": "<= 1"}, True),
    ({"subject": "a", "value": None, "limit": ">= 1.5e-3", "rows": 0, "slice": {"b": "c"}, "counted": True}, True),
    ({"subject": "a", "verdict": "inconclusive", "reason": "r", "remedy": "m"}, True),
    ({"subject": "a"}, False),
    ({"subject": "a", "limit": "<= 1", "verdict": "pass"}, False),
    ({"subject": "a", "value": 1, "verdict": "pass"}, False),
    ({"subject": "a", "value": "1", "limit": "<= 1"}, False),
    ({"subject": "a", "value": True, "limit": "<= 1"}, False),
    ({"subject": "a", "value": 1, "limit": "< 1"}, False),
    ({"subject": "", "verdict": "pass"}, False),
    ({"subject": "a", "verdict": "skipped"}, False),
    ({"subject": "a", "verdict": "pass", "color": "red"}, False),
    ({"subject": "a", "verdict": "pass", "rows": -1}, False),
]


@pytest.mark.parametrize(("entry", "valid"), ENTRIES)
def test_the_schema_that_is_printed_says_what_is_read(entry: Any, valid: bool) -> None:
    """`gate schema --findings`."""
    written = jsonschema.Draft202012Validator(json_findings.schema())
    written.check_schema(written.schema)

    assert written.is_valid([entry]) is valid
    if valid:
        assert len(made(read_json(json.dumps([entry]).encode()))) == 1
    else:
        with pytest.raises(NoFindings):
            read_json(json.dumps([entry]).encode())


def test_names_that_differ_only_far_behind_stay_apart() -> None:
    """A long one is cut in its id, by its beginning and its digest."""
    names = ["x" * 5000 + end for end in "ab"]
    ids = [each.id for each in made(read_junit(suite([(name, None) for name in names])))]

    assert len(set(ids)) == 2
    assert all(len(name) < 400 for name in ids)


@given(st.sampled_from([*KINDS, "measured"]), st.none() | st.just("run dbt deps"))
def test_whatever_is_no_pass_says_what_to_do(kind: str | None, remedy: str | None) -> None:
    """By what the command says itself, where it does."""
    outcome: Any = Measured(3.0, "<=", 0.0, counted=True) if kind == "measured" else KINDS[kind]
    (finding,) = made([Reported("finding", "nulls", outcome, rows=5, remedy=remedy)])

    assert finding.verdict is Verdict.PASS or finding.remedy
    assert remedy in (None, finding.remedy)
