"""Evidence against what its gates say when they are asked again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helpers.promoting import evidence
from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, FindingLimit, Verdict
from lockgate.promotion.rollback_proof import RerunResult
from lockgate.registries.mlflow.spec import MlflowSpec
from lockgate.runs.rerun import EvidenceScope, differences


def finding(name: str = "metrics/r1", observed: float | None = 0.8, verdict: Verdict = Verdict.PASS) -> Finding:
    limit = FindingLimit(">=", 0.7, "0.7")
    return Finding(
        name, "r1", "auc", {}, observed, None, None, limit, None, 100, 50, None, verdict, "met", "it was not measured"
    )  # fmt: skip


def result(*findings: Finding, verdict: Verdict = Verdict.PASS, counts: bool = True) -> GateResult:
    return GateResult("metrics", "metrics", counts, verdict, "why", findings=findings)


def test_the_same_is_no_difference() -> None:
    """Nor is what another processor rounds otherwise."""
    rounded = finding(observed=0.8 * (1 + 3e-7))

    assert list(differences(result(finding()), result(finding()))) == []
    assert list(differences(result(finding()), result(rounded))) == []
    assert list(differences(result(finding(observed=None)), result(finding(observed=None)))) == []
    assert list(differences(result(finding(observed=0.0)), result(finding(observed=0.0)))) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (finding(observed=0.80001), "metrics/r1 is pass (0.8) in the evidence, and pass (0.80001) in the re-run"),
        (finding(verdict=Verdict.FAIL), "metrics/r1 is pass (0.8) in the evidence, and fail (0.8) in the re-run"),
        (finding(observed=None), "metrics/r1 is pass (0.8) in the evidence, and pass (no value) in the re-run, because it was not measured"),
        (finding(observed=0.0), "metrics/r1 is pass (0.8) in the evidence, and pass (0.0) in the re-run"),
    ],
)  # fmt: skip
def test_another_value_or_verdict_is_told_with_both(now: Finding, said: str) -> None:
    """Whichever of the two it is; the one for which no value was found says why."""
    assert list(differences(result(finding()), result(now))) == [said]


def test_a_finding_that_only_one_side_has_is_a_difference() -> None:
    """A slice that was left out of forged evidence, or put into it."""
    both = result(finding(), finding("metrics/r1[country=BR]", 0.2, Verdict.FAIL))

    assert list(differences(result(finding()), both)) == [
        "metrics/r1[country=BR] is not there in the evidence, and fail (0.2) in the re-run"
    ]
    assert list(differences(both, result(finding()))) == [
        "metrics/r1[country=BR] is fail (0.2) in the evidence, and not there in the re-run"
    ]


def test_the_gates_own_verdict_must_follow_too() -> None:
    """Equal findings under another verdict, or one that is said not to count."""
    failed = result(finding(), verdict=Verdict.FAIL)

    assert list(differences(result(finding()), failed)) == [
        "metrics is pass in the evidence, and fail in the re-run: why"
    ]
    assert list(differences(replace(failed, counts=False), failed)) == [
        "metrics is fail that does not count in the evidence, and fail in the re-run: why"
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"data": [1]},
        {"data": None},
        {"data": [{"name": "holdout"}]},
        {"model": {"name": "fraud", "candidate": {"version": "x"}, "champion": None}},
        {"model": {"name": "fraud", "candidate": {"version": "1"}, "champion": []}},
        {"run": {"id": "7", "started_at": 5}},
    ],
)
def test_evidence_of_another_shape_is_refused(more: dict[str, Any]) -> None:
    """Strangers may have written it; it is no accident of ours."""
    with pytest.raises(Refused, match="another shape") as caught:
        EvidenceScope.from_evidence(
            Evidence.from_document({**evidence().document, **more}), MlflowSpec(uri="sqlite:///mlflow.db")
        )

    assert caught.value.code == "evidence_mismatch"


def test_no_gate_is_passed_over_in_silence() -> None:
    """Neither in the lines that people are told nor in the ledger."""
    said = RerunResult(("signature", "metadata"), {"latency": "it measures time"})

    assert said.lines == [
        "re-run, with the same result: signature, metadata",
        "not re-run: latency (it measures time)",
    ]
    assert str(said) == "re-run: signature, metadata; not re-run: latency"
    assert said.gates == {"signature", "metadata", "latency"}
    assert RerunResult().lines == []
