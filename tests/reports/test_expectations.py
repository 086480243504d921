"""What reports show of expectations on data: a table of them, and no scale for counts that share none."""

from __future__ import annotations

from typing import Any

from lockgate.evaluation.data_quality.check_results import CheckResult
from lockgate.evaluation.data_quality.quality_findings import QualityJudge
from lockgate.evidence.evidence import GateResult, RequirementLine
from lockgate.evidence.finding import Verdict
from lockgate.gates.data_quality import DataQuality
from lockgate.reports.finding_tables import finding_table
from lockgate.reports.html.figures import Table
from lockgate.reports.html.sections import SECTIONS
from lockgate.reports.run_facts import slice_groups


def gate_result() -> GateResult:
    """Two expectations on a column, of which one is met, and one on the whole table."""
    gate = DataQuality.model_validate({"gate": "data_quality", "data": "d", "pandera": "./s.yaml"})
    blank: dict[str, Any] = {
        "rows": 50,
        "first": (),
        "observed": None,
        "mostly": None,
        "raised": None,
        "problem": None,
        "warns": False,
    }
    checks = [
        {
            "type": "in_range",
            "column": "age",
            "words": "in_range(0, 9)",
            "offenders": 2,
            "success": False,
            "first": (3,),
        },
        {"type": "dtype", "column": "age", "words": "float64", "offenders": None, "success": True},
        {"type": "scores", "column": None, "words": "", "offenders": None, "success": False},
    ]
    (line,) = gate.numbered_requirements
    judge = QualityJudge("data_quality", line, gate.subjects, "./s.yaml", ("age",), {3: "ab" * 32}, ids=True)
    findings = tuple(judge.findings([CheckResult(**{**blank, **check}) for check in checks]))
    lines = (RequirementLine("r1", "offenders <= 0", 0, None),)
    return GateResult("data_quality", "data_quality", True, Verdict.FAIL, "", lines, findings)


def test_the_page_has_a_table_of_expectations_by_column() -> None:
    """Numbers, what may offend, and the beginning of each id."""
    (table,) = SECTIONS["data_quality"](gate_result())

    assert isinstance(table, Table)
    assert table.rows == (
        ("age", "in_range(0, 9)", "✗ fail", "2", "50", "<= 0", "abababababab"),
        ("age", "dtype float64", "✓ pass", "0", "50", "<= 0", "–"),
        ("all rows", "scores", "✗ fail", "1", "1 check", "<= 0", "–"),
    )


def test_counts_of_different_things_are_drawn_on_no_scale() -> None:
    """They are exact, so that they have no interval, and are compared with limits of their own."""
    lines = finding_table(gate_result().findings)

    assert lines[2] == "| ❌ | column=age &amp; expectation=in\\_range | 2 | &lt;= 0 | 50 rows |"
    assert slice_groups(gate_result()) == []
