"""The evidence as documents: whole outputs, and nothing that a hostile name can break."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.junit_schema import complaints
from helpers.report_evidence import EVIL, HOSTILE, METRICS, WHOLE, evidence, finding
from helpers.report_story import STOPPED
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.reports import FORMATS
from lockgate.reports.interval_bars import LEGEND
from lockgate.reports.run_facts import basis, cells
from lockgate.text import markdown as text

WAIVER = {"finding": "metrics/r1/geo=BR", "owner": "ann", "reason": "known", "until": "2026-12-01", "expired": False}
MARKDOWN = f"""\
# 💥 error: fraud version 7

Compared with version 6. It blocks promotion until what broke is mended and the gates run again.

| gate | verdict | |
|---|---|---|
| metrics | ❌ fail | auc on geo=BR is 0.8712; and 1 more |
| shadow | 💥 error | the model was killed |
| metadata | ❔ inconclusive (does not count) | nothing was measured |

## metrics

* **fail** auc on geo=BR is 0.8712, 0.0511 below the champion's 0.9223. _look at these rows._
* **inconclusive** auc on geo=XX: there are no rows.

<details><summary>All findings</summary>

**auc &gt;= champion - 0.03**

| | | value | champion | difference | ◂ worse | rows |
|:-:|---|--:|--:|:-:|---|--:|
| ❌ | geo=BR | 0.8712 | 0.9223 | -0.0511<br><sub>-0.0642&nbsp;to&nbsp;-0.038</sub> | `·────────●───────····│·` | 4,210 |
| ❔ | geo=XX | – | – |  |  | 0 |
| ✅ | overall | 0.93 | 0.9223 | -0.0511<br><sub>-0.0642&nbsp;to&nbsp;-0.038</sub> | `·────────●───────····│·` | 50,000 |
| ✅ | geo=LU (no-harm check) | 0.8712 | 0.9223 | -0.0511<br><sub>-0.0642&nbsp;to&nbsp;-0.038</sub> | `·────────●───────····│·` | 90 |

{LEGEND}.

</details>

## shadow

* **error** the model was killed. _more memory._

      line 1
      Killed

## Waived

* latency: moving house (ann, until 2026-12-01)

## How sure is this?

* **Chance of a wrong pass: at most 7.8 %.** Data are a sample, so luck can help: if the candidate truly broke a \
line (a requirement) that was judged here, a run would still pass with at most this chance, however many lines there \
are.
* **Where that number is from.** Each line is tested so that it should pass wrongly in at most 5 % of runs; 7.8 % is \
the most that simulations measured, for the kinds of data in docs/internals/decisions.md.
* **Not covered.** metrics: auc &gt;= champion - 0.03. Too few rows to prove anything: only a loss that shows would \
have failed.
* **Not covered.** metadata. Its verdict blocks nothing.

## Evidence and data

* evidence `{WHOLE.digest}`
* run `20261121-041530-9f3c21ab`
* candidate version 7 `sha256:c`
* champion version 6 `sha256:h`
* data holdout: 50,000 rows `sha256:d`
* policy `sha256:p`
"""

JUNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="fraud 7">
  <testsuite name="metrics" tests="4" failures="1" errors="1" skipped="0">
    <testcase classname="metrics" name="metrics/r1/overall" />
    <testcase classname="metrics" name="metrics/r1/geo=BR">
      <failure message="fail: auc on geo=BR is 0.8712, 0.0511 below the champion's 0.9223" type="worse_than_margin">\
auc on geo=BR is 0.8712, 0.0511 below the champion's 0.9223
look at these rows</failure>
    </testcase>
    <testcase classname="metrics" name="metrics/r1/geo=LU">
      <system-out>auc on geo=LU: watched</system-out>
    </testcase>
    <testcase classname="metrics" name="metrics/r1/geo=XX">
      <error message="inconclusive: auc on geo=XX: there are no rows" type="no_rows">auc on geo=XX: there are no rows</error>
    </testcase>
  </testsuite>
  <testsuite name="shadow" tests="1" failures="0" errors="1" skipped="0">
    <testcase classname="shadow" name="shadow">
      <error message="error: the model was killed" type="error">the model was killed</error>
    </testcase>
  </testsuite>
  <testsuite name="metadata" tests="1" failures="0" errors="0" skipped="1">
    <testcase classname="metadata" name="metadata">
      <skipped message="inconclusive: nothing was measured" type="inconclusive">nothing was measured</skipped>
    </testcase>
  </testsuite>
</testsuites>
"""


def test_the_whole_markdown() -> None:
    """Verdict, gates, what stands in the way, every finding, and what it stands on."""
    assert FORMATS["md"].render(RunRecord(WHOLE)).splitlines() == MARKDOWN.splitlines()


def test_the_whole_junit() -> None:
    """fail is a failure, error and inconclusive are errors, what does not count is skipped; what is only watched says so."""
    assert FORMATS["junit"].render(RunRecord(WHOLE)).splitlines() == JUNIT.splitlines()


def test_the_whole_json() -> None:
    """The evidence as it stands, with its digest and counts."""
    said = json.loads(FORMATS["json"].render(RunRecord(WHOLE)))

    assert said == {
        "digest": WHOLE.digest,
        "findings": {"pass": 2, "inconclusive": 1, "fail": 1, "error": 0},
        "evidence": WHOLE.document,
    }


@pytest.mark.parametrize(
    ("opens", "asks", "said"),
    [
        ("yes", [], "It can be promoted to Production once its owners approve this evidence."),
        ("by_owner", ["a", "b"], "Owners may approve it with `accepting 2 undecided`."),
        ("no", [], "It blocks promotion, and no approval changes that: a better candidate does."),
    ],
)
def test_what_it_opens_is_said_first(opens: str, asks: list[str], said: str) -> None:
    """In the third line."""
    shown = FORMATS["md"].render(RunRecord(evidence(METRICS, opens=opens, asks=asks))).splitlines()

    assert shown[2] == f"Compared with version 6. {said}"


@pytest.mark.parametrize("kind", ["data_quality", "shift"])
def test_what_fails_by_its_data_is_mended_by_no_candidate(kind: str) -> None:
    """Unless a gate about the candidate fails besides, such as a metric that is weighted as the traffic is mixed."""
    far = GateResult(
        kind, kind, True, Verdict.FAIL, "distance is 0.33", findings=(finding(subject="distance", detail={}),)
    )
    weighted = replace(far, kind="shift", findings=(finding(detail={"strata": ["geo"]}),))
    words = "no approval changes that: the data are not as they must be, whatever the candidate."

    of_data, of_both, of_metric = (
        FORMATS["md"].render(RunRecord(evidence(*gates))) for gates in ((far,), (far, METRICS), (weighted,))
    )

    assert words in of_data
    assert all("a better candidate does" in shown and words not in shown for shown in (of_both, of_metric))


def test_a_hostile_name_is_shown_and_does_nothing_in_markdown() -> None:
    """No tag, no mention, no link, no cell of its own, no new line, no control sign, wherever it stands."""
    shown = FORMATS["md"].render(RunRecord(EVIL))
    tags = set(re.findall(r"<[^>]*>", shown.replace(f"{LEGEND}.", "")))
    table = [line for line in shown.splitlines() if line.startswith("| ") and "script" in line]
    unsigned = shown.replace("\n", "")

    assert tags <= {"<details>", "<summary>", "</summary>", "</details>", "<br>", "<sub>", "</sub>"} | {
        "<script>",
        "</script>",
    }
    assert not [line for line in shown.splitlines() if "<script>" in line and not line.startswith("      ")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in table] == [4, 8]
    assert "@team" not in "".join(line for line in shown.splitlines() if not line.startswith("      "))
    assert all(sign.isprintable() or sign == "\u200b" for sign in unsigned)


def test_a_hostile_name_is_one_test_in_junit() -> None:
    """The document is well formed, and holds each text but for signs that XML cannot hold, or that turn its direction."""
    root = Xml.fromstring(FORMATS["junit"].render(RunRecord(EVIL)))
    kept = re.sub("[\x1b\x00\u202e]", "\ufffd", HOSTILE)

    assert [case.get("name") for case in root.iter("testcase")] == [f"metrics/r1/{kept}", kept]
    assert {problem.tag for case in root.iter("testcase") for problem in case} == {"failure", "error"}


@pytest.mark.parametrize("about", [WHOLE, EVIL, STOPPED], ids=["whole", "hostile", "stopped"])
def test_junit_is_what_jenkins_reads(about: Evidence, tmp_path: Path) -> None:
    """By the schema that its xUnit plugin publishes, whatever names are in it, and also where something is waived."""
    waived = evidence(*about.gates, waivers=[WAIVER], model={**WHOLE.document["model"], "name": about.model})

    assert complaints(FORMATS["junit"].render(RunRecord(about)), tmp_path) == []
    assert complaints(FORMATS["junit"].render(RunRecord(waived)), tmp_path) == []
    assert complaints("<testsuites><testcase/></testsuites>", tmp_path) != []


def test_a_hostile_name_survives_json() -> None:
    """Byte for byte."""
    assert json.loads(FORMATS["json"].render(RunRecord(EVIL)))["evidence"] == EVIL.document


@given(st.text())
def test_any_text_is_one_line_without_markup(value: str) -> None:
    """Every special sign is escaped, and what cannot be seen is replaced."""
    shown = text(value)

    assert len(shown.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|~]", shown)
    assert "<" not in shown
    assert not re.search(r"@[^\u200b]", shown)
    assert "://" not in shown


def test_what_is_waived_looks_waived_in_each_format() -> None:
    """It blocks nothing in the text, is marked in the table, and skipped in JUnit."""
    record = RunRecord(evidence(METRICS, waivers=[WAIVER]))
    shown, root = FORMATS["md"].render(record), Xml.fromstring(FORMATS["junit"].render(record))
    (case,) = [case for case in root.iter("testcase") if case.get("name") == "metrics/r1/geo=BR"]
    (suite,) = root

    assert "* **fail**" not in shown
    assert "| ❌ waived | geo=BR | 0.8712 |" in shown
    assert [(problem.tag, problem.get("type")) for problem in case] == [("skipped", "worse_than_margin")]
    assert str(case[0].get("message")).startswith("waived: fail: auc on geo=BR")
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")


def test_a_waived_gate_looks_waived() -> None:
    """Where it was left out."""
    skipped = GateResult("latency", "latency", False, Verdict.INCONCLUSIVE, "skipped: waived by ann until 2026-12-01")
    record = RunRecord(evidence(METRICS, skipped))

    assert "| latency | ❔ inconclusive, waived |" in FORMATS["md"].render(record)
    assert 'message="waived: inconclusive: skipped' in FORMATS["junit"].render(record)
    assert "inconclusive, waived</span>" in FORMATS["html"].render(record)


def test_people_read_a_slice_as_it_was_declared_and_programs_its_id() -> None:
    """A bin has brackets and a comma in every text, and is encoded in the names of tests alone."""
    name = "metrics/r1/amount_band=%5B50%2C200%29"
    result = finding(id=name, slice={"amount_band": "[50,200)"})
    record = RunRecord(
        evidence(replace(METRICS, findings=(result,)), waivers=[{**WAIVER, "finding": name, "expired": True}])
    )

    for format_ in ("md", "html"):
        shown = html.unescape(FORMATS[format_].render(record)).replace("\\", "")
        assert "amount_band=[50,200)" in shown
        assert "%5B" not in shown.replace(f"the waiver of {name}", "")  # which is to be mended as it is written
    assert f'name="{name}"' in FORMATS["junit"].render(record)


def test_a_context_of_a_gates_own_breaks_no_report() -> None:
    """`broken` is our word for a breakdown; a gate that uses it says what it likes."""
    own = replace(METRICS, context={"broken": True}, verdict=Verdict.FAIL)

    assert "# ❌ fail" in FORMATS["md"].render(RunRecord(evidence(own)))


def test_each_format_has_its_file() -> None:
    """As a run folder keeps it, and as it is published."""
    assert {name: report.file for name, report in FORMATS.items()} == {
        "md": "report.md",
        "html": "report.html",
        "junit": "report.xml",
        "json": "report.json",
    }


def test_rows_are_those_that_a_line_rests_on() -> None:
    """Of the recall of a class that class, of other metrics of it also all; of a recall the positive rows."""
    rows = {
        subject: cells(finding(subject=subject, rows=897, positives=78)).rows
        for subject in ("recall(class=9)", "f1(class=9)", "recall", "false_positive_rate", "precision", "auc", "recall gap over geo", "|")
    }  # fmt: skip

    assert rows == {
        "recall(class=9)": "78 of class 9", "f1(class=9)": "897, 78 of class 9", "recall": "78 positive",
        "false_positive_rate": "819 negative", "precision": "897", "auc": "897", "recall gap over geo": "897", "|": "897",
    }  # fmt: skip


def test_the_version_of_data_stands_beside_them() -> None:
    """As what keeps them names it, and no longer than fits into a line."""
    entry = {"name": "holdout", "path": "d", "digest": "sha256:d", "rows": 50000}
    for version, words in [(3, "version 3"), ("3sL4", "version 3sL4"), ("x" * 1024, f"version {'x' * 39}…")]:
        assert ("data", f"holdout: 50,000 rows, {words}", "sha256:d") in basis(
            evidence(data=[{**entry, "version": version}])
        )
