"""Findings on expectations: the verdict of their own library, whatever numbers it comes with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.errors import GateBroken
from lockgate.evaluation.data_quality.check_results import CheckResult, read_results
from lockgate.evaluation.data_quality.quality_findings import QualityJudge
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.data_quality import DataQuality

GATE = DataQuality.model_validate({"gate": "data_quality", "data": "d", "pandera": "./s.yaml"})
BLANK: dict[str, Any] = {
    "type": "in_range", "column": "age", "words": "in_range(0, 9)", "rows": 10, "offenders": None, "first": (), "observed": None,
    "mostly": None, "success": True, "raised": None, "problem": None, "warns": False,
}  # fmt: skip


def findings(*checks: dict[str, Any]) -> list[Finding]:
    (line,) = GATE.numbered_requirements
    names = {row: f"row {row + 1}" for row in range(10)}
    judge = QualityJudge("quality", line, GATE.subjects, "./s.yaml", ("age", "amount"), names, ids=False)
    return list(judge.findings([CheckResult(**{**BLANK, **check}) for check in checks]))


def test_expectations_of_one_kind_on_one_column_are_numbered_in_their_order() -> None:
    """So that each has an id of its own, which stays where another column's expectations change."""
    checks = [{}, {"column": "amount"}, {}, {"column": None}, {"type": "dtype"}]

    assert [finding.id for finding in findings(*checks)] == [
        "quality/r1/column=age&expectation=in_range",
        "quality/r1/column=amount&expectation=in_range",
        "quality/r1/column=age&expectation=in_range&number=2",
        "quality/r1/expectation=in_range",
        "quality/r1/column=age&expectation=dtype",
    ]


@given(
    rows=st.integers(0, 50), offenders=st.none() | st.integers(0, 50), mostly=st.none() | st.floats(0, 1),
    success=st.booleans(), warns=st.booleans(),
)  # fmt: skip
def test_a_verdict_is_that_of_the_library_and_follows_from_the_numbers_beside_it(
    rows: int, offenders: int | None, mostly: float | None, success: bool, warns: bool
) -> None:
    """Whatever it counts; a pass needs a row that was looked at, and what only warns fails nothing."""
    check = {"rows": rows, "offenders": offenders, "mostly": mostly, "success": success, "warns": warns}
    (finding,) = findings(check)

    expected = Verdict.PASS if success or warns else Verdict.FAIL
    assert finding.verdict is (Verdict.INCONCLUSIVE if success and not rows else expected)
    assert verdict_of(finding.decided, finding.detail) is finding.verdict


@pytest.mark.parametrize("rows", [1, 7, 10, 20])
@pytest.mark.parametrize("mostly", [0.9, 0.95, 0.75, 1.0, 0.0, 1 / 3])
def test_the_limit_of_mostly_is_where_great_expectations_turns(rows: int, mostly: float) -> None:
    """By its own division: success is (rows - offenders) / rows >= mostly."""
    for offenders in range(rows + 1):
        success = (rows - offenders) / rows >= mostly
        (finding,) = findings({"rows": rows, "offenders": offenders, "mostly": mostly, "success": success})

        assert finding.observed == offenders
        assert finding.limit.text.endswith(f"(mostly {mostly:g})")
        assert (finding.limit.value is not None and offenders <= finding.limit.value) == success


def test_an_expectation_without_an_answer_is_no_pass() -> None:
    """What raised, and what could not be asked."""
    raised, lacking = findings(
        {"success": None, "raised": ("KeyError", "x")}, {"success": None, "problem": "there is no column 'age'"}
    )

    assert (raised.verdict, raised.code, raised.reason) == (
        Verdict.INCONCLUSIVE, "raised", "age: in_range(0, 9) raised KeyError",
    )  # fmt: skip
    assert (lacking.verdict, lacking.reason) == (
        Verdict.INCONCLUSIVE, "age: in_range(0, 9): there is no column 'age'",
    )  # fmt: skip


def test_a_column_that_is_not_there_is_compared_with_those_that_are() -> None:
    """The name may be misspelt on either side."""
    (finding,) = findings({"type": "column_in_dataframe", "column": "amuont", "words": "", "success": False})

    assert finding.remedy == ("give the data that column, or correct its name in ./s.yaml; did you mean 'amount'?")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"checks": [{}]}', '{"checks": NaN}', '{"other": 1}', '{"checks": [' * 5000]
)
def test_results_of_another_form_are_refused(tmp_path: Any, text: str) -> None:
    """Code of the project ran where they were written."""
    path = tmp_path / "result.json"
    path.write_text(text)

    with pytest.raises(GateBroken, match="the checks left results of another form"):
        read_results(path)
