"""What a terminal shows of a run, as wide as it is and in the signs that it has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from helpers import report_evidence
from helpers.report_story import (
    ASKING,
    BR,
    CONTEXT,
    DE,
    METADATA,
    METRICS,
    NG,
    PASSING,
    PT,
    SIGNATURE,
    STOPPED,
    US,
    told,
)
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, FindingLimit, Verdict
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github.comment_report import render
from lockgate.reports import FORMATS
from lockgate.reports.terminal import run_page
from lockgate.reports.terminal_layout import Medium, assembled, columns, next_calls, wrapped

EVIDENCE = (STOPPED, ASKING, PASSING, report_evidence.WHOLE, report_evidence.EVIL)


def page(evidence: Evidence, width: int = 80, encoding: str = "utf-8", *, folds: bool = True) -> str:
    return run_page(evidence, Medium(width, encoding, folds)).plain


def test_a_stopped_candidate_is_shown_on_one_page() -> None:
    """The table, the three worst findings, the slices of the worst line, and the verdict last."""
    assert page(STOPPED) == STOPPED_AT_80


def test_a_pass_shows_its_numbers() -> None:
    """Of each line the slice nearest to the limit of those that were judged, with both values and the limit."""
    row = next(line for line in page(PASSING, 140).splitlines() if line.startswith("metrics"))

    line = "metrics pass average_precision >= champion - 0.03 on geography=DE, nearest of 2 judged"
    assert " ".join(row.split()) == f"{line} 0.855 0.851 >= 0.821"


@pytest.mark.parametrize(("op", "words"), [(">=", "geography=US, lowest of 2"), ("<=", "geography=DE, highest of 2")])
def test_of_passes_of_a_number_the_value_nearest_to_it_is_named_by_what_it_is(op: Any, words: str) -> None:
    """However wide the interval of another slice is."""
    limit = 0.5 if op == ">=" else 0.9
    findings = tuple(
        replace(each, observed=value, limit=FindingLimit(op, limit, str(limit)), decided=replace(
            each.decided, on="value", claim="at_limit", required=(op, limit), estimate=value, low=low, high=1.0  # type: ignore[type-var]
        ))
        for each, value, low in ((US, 0.8, 0.7), (DE, 0.85, 0.51))
    )  # fmt: skip

    assert f"on {words}  " in page(told(replace(METRICS, verdict=Verdict.PASS, findings=findings)), 120)


def test_a_line_that_names_a_number_shows_the_champions_value_too() -> None:
    """Where another line measured it on the same slice: a value within the limit may yet be worse than Production."""
    decided = replace(BR.decided, on="value", claim="at_limit")  # type: ignore[type-var]
    absolute = [
        replace(each, id=each.id.replace("r1", "r2"), requirement="r2", champion=None, decided=decided, limit=FindingLimit(">=", 0.5, "0.5"))
        for each in (BR, NG)
    ]  # fmt: skip
    evidence = told(replace(METRICS, findings=(BR, PT, *absolute)))

    row = next(line for line in page(evidence, 120).splitlines() if ">= 0.5 " in line and "BR" in line)
    assert row.split()[-4:] == ["0.771", "0.8222", ">=", "0.5"]
    assert "| ❌ | geography=BR | 0.771 | 0.8222 | <sub>" in FORMATS["md"].render(RunRecord(evidence))


def test_beside_a_failure_what_is_undecided_is_counted_alone() -> None:
    """Its sentence and its remedy are not what helps; where nothing failed, it is what stands in the way."""
    likely = replace(PT, id="metrics/r1/likely", code="beyond_unadjusted", reason="recall is 0.7: probably a fail")
    failed = page(told(replace(METRICS, findings=(BR, PT, likely))))
    undecided = page(told(replace(METRICS, verdict=Verdict.INCONCLUSIVE, findings=(PT,))))

    assert PT.reason not in failed.replace("\n    ", " ")
    assert "metrics: recall is 0.7: probably a fail" in failed
    assert "  … and 1 undecided, in the report\n" in failed
    assert str(PT.remedy)[:30] in undecided


def test_rows_that_the_candidate_was_trained_on_are_named_first_beside_failures_too() -> None:
    """A failure on the rows that are left is not what to mend first."""
    reason = "500 of 1,000 rows of holdout are in train.csv"
    seen = replace(
        PT, code="seen_rows", detail={**PT.detail, "seen_rows": {"reason": reason}}, reason=f"It is. {reason}"
    )
    lines = page(told(replace(METRICS, findings=(seen, BR)))).splitlines()
    first = lines[lines.index("What stands in the way") + 1]

    assert first.startswith("  metrics: It is. 500 of 1,000 rows of holdout are in train.csv")


def test_a_difference_from_a_factor_of_the_champion_is_called_that_everywhere() -> None:
    """What is drawn is 0 where the line allows no more, and no distance of the two values that stand beside it."""
    limit = FindingLimit("<=", 43.6, "champion * 1.1")
    gate = replace(METRICS, findings=tuple(replace(finding, limit=limit) for finding in (BR, NG, PT)))
    evidence, context = told(gate), CONTEXT

    assert "● candidate minus 1.1 × champion, ─ its 90 % interval" in page(evidence, 120)
    assert "● candidate minus 1.1 × champion with its 90 % interval" in FORMATS["html"].render(RunRecord(evidence))
    assert '<th scope="col" class="n">minus 1.1 × champion</th>' in FORMATS["html"].render(RunRecord(evidence))
    assert "| champion | minus 1.1 × champion |" in render(RunRecord(evidence), context=context, signoff=None)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int, encoding: str) -> None:
    """And every sign of it can be written there, whatever a model or a pipeline wrote."""
    for evidence in EVIDENCE:
        text = page(evidence, width, encoding)

        assert max(map(cell_len, text.splitlines())) <= width
        assert text.encode(encoding)


def test_where_blocks_cannot_be_written_bars_are_drawn_in_ascii() -> None:
    """The same bars in the same columns."""
    drawn = next(line for line in page(STOPPED).splitlines() if line.startswith("  geography=BR"))
    in_ascii = next(line for line in page(STOPPED, encoding="ascii").splitlines() if line.startswith("  geography=BR"))

    assert in_ascii == drawn.translate(str.maketrans("·─│●○", ".-|*o"))


def test_a_log_breaks_no_sentence() -> None:
    """What is searched for there stands on one line."""
    assert f"  metrics: {BR.reason}" in page(STOPPED, 100, folds=False).splitlines()


def test_without_a_champion_there_is_no_column_for_it() -> None:
    """And a line that compares with it is named as not compared."""
    alone = replace(BR, slice={}, champion=None, requirement="r2", id="metrics/r2/overall")
    gate = replace(METRICS, findings=(alone,), reason="")
    head, *rows = page(told(gate)).splitlines()[:4]

    assert head.split() == ["gate", "verdict", "line", "that", "decided", "candidate", "limit"]
    assert any("not compared" in row for row in rows)


def test_what_a_gate_says_of_its_data_stands_below_the_table() -> None:
    """Not how it was judged, nor how often the data was evaluated: that is in the report."""
    noted = replace(
        SIGNATURE, findings=(count("missing"),),
        reason="1 requirement met; evaluation no. 2 of the 5 allowed on holdout; 5 of 90 rows of holdout repeat an earlier one",
    )  # fmt: skip

    assert "signature: 5 of 90 rows of holdout repeat an earlier one" in page(told(noted)).splitlines()


def test_counts_that_are_met_share_a_row() -> None:
    """As long as their limit is the same; by name, in words."""
    gate = replace(SIGNATURE, findings=(count("missing"), count("breaking_changes"), count("errors")))

    assert page(told(gate)).splitlines()[1] == "signature  pass     missing, breaking changes, errors: none"


def test_a_gate_that_does_not_count_says_so() -> None:
    """And does not stop the run."""
    text = page(told(METADATA, replace(SIGNATURE, findings=(count("missing"),))))

    assert "the version has no description (does not count)" in text
    assert text.splitlines()[-1] == "PASS  fraud version 7 passes the only gate that counts"


def test_a_gate_that_broke_shows_the_last_words_of_the_model() -> None:
    """Below the reason and what would help."""
    broken = GateResult(
        "shadow", "shadow", True, Verdict.ERROR, "candidate was killed",
        context={"broken": {"remedy": "give it more memory", "stderr": "loading\n\x1b[31mKilled\x1b[0m\n"}},
    )  # fmt: skip

    assert page(told(broken)).splitlines()[-6:] == [
        "  shadow: candidate was killed",
        "    → give it more memory",
        "    | loading",
        "    | Killed",
        "",
        "ERROR  fraud version 7 does not pass: shadow broke",
    ]


def test_words_are_cut_where_they_join_and_lines_hang() -> None:
    """Wide signs count as two columns, and no line begins what a CI runner takes for a command."""
    assert wrapped("on native_country=Guatemala, the worst", 18) == ["on native_country=", "Guatemala, the", "worst"]
    assert wrapped("数据很好", 4) == ["数据", "很好"]
    assert wrapped("abc ::error::x", 11) == ["abc", "\\::error::x"]
    assert columns([("a b", 3, ""), ("c", 3, "")], right_from=1) == [[("a b  ", ""), ("  c", "")]]


def count(subject: str) -> Finding:
    """A count of none where none is allowed."""
    decided = replace(report_evidence.PASSED.decided or BR.decided, on="count", confidence=None)  # type: ignore[type-var]
    return report_evidence.finding(
        id=f"signature/{subject}/overall", requirement=subject, subject=subject, slice={}, observed=0.0, champion=None,
        verdict=Verdict.PASS, decided=decided, limit=replace(BR.limit, op="<=", value=0.0, text="0"), remedy=None,
    )  # fmt: skip


STOPPED_AT_80 = """\
gate       verdict       line that decided        candidate  champion      limit
signature  pass          all 3 requirements met
metrics    fail          average_precision >=         0.771    0.8222  >= 0.7922
                           champion - 0.03 on
                           geography=BR, worst
                           of 8
latency    fail          p99_ms <= champion *          48.9      31.2   <= 34.32
                           1.10
metadata   inconclusive  the version has no description (does not count)

What stands in the way
  metrics: average_precision on geography=BR is 0.771, 0.0512 below the
    champion's 0.8222
  metrics: average_precision on geography=NG is 0.69, 0.105 below the champion's
    0.795
  latency: p99_ms is 48.9 ms, 1.567 times the champion's 31.2 ms (90 % interval
    1.44–1.69); at most 1.1 times is allowed
  … and 1 undecided, in the report

average_precision >= champion - 0.03 on each slice
  ● candidate minus champion, ─ its 90 % interval, │ limit: left of it fails;
  watched: too small to judge, no loss was proven
                                 candidate   champion
  geography=BR  ·····─○········      0.771     0.8222  fail
  geography=NG  ···─●─│········       0.69      0.795  fail
  geography=PT  ······│●─······      0.801       0.82  inconclusive
  geography=DE  ······│●─······      0.855      0.851  pass
  geography=US  ······│─●······      0.861     0.8523  pass
  geography=LU  ·─────│●──────·        0.8       0.81  watched
  … and 2 more, all pass, in the report

FAIL  fraud version 7 does not pass: metrics and latency failed"""


def test_what_a_command_does_stands_indented_below_it() -> None:
    """However wide the terminal is; the command itself is never broken."""
    calls = [
        ("gate plan gates/fraud.yaml --candidate version=3", "says what the rows of the data can decide"),
        ("gate run", "runs"),
    ]

    assert assembled(next_calls(calls, Medium(40))).plain.splitlines() == [
        "Next        gate plan gates/fraud.yaml --candidate version=3",
        "              says what the rows of the",
        "              data can decide",
        "            gate run",
        "              runs",
    ]
