"""Does the candidate say where it comes from?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.fakes import ask, case_of
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.metadata import SUBJECTS, Metadata


def told(folder: Path, *, require: Any = None, **known: Any) -> GateResult:
    return ask(
        case_of(folder, candidate_facts=known), Metadata.model_validate({"gate": "metadata", "require": require})
    )


def test_a_version_that_says_all_passes(tmp_path: Path) -> None:
    """What was found, in a few words."""
    result = told(tmp_path)

    assert result.verdict is Verdict.PASS
    assert [one.reason for one in result.findings] == [
        "training data: train", "code commit: 0123abc", "logged metrics: auc", "source run: abc",
        "requirements: scikit-learn==1.5.0",
    ]  # fmt: skip


LACKING = {
    "training_data": {"datasets": ()},
    "code_commit": {"commit": None},
    "logged_metrics": {"metrics": {}},
    "source_run": {"run": None},
    "requirements": {"requirements": ()},
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_missing_comes_with_the_line_that_adds_it(tmp_path: Path, subject: str) -> None:
    """Each on its own; the others hold."""
    result = told(tmp_path, **LACKING[subject])
    bad = [one for one in result.findings if one.verdict is not Verdict.PASS]

    assert [(one.subject, one.verdict, one.code, one.observed) for one in bad] == [
        (subject, Verdict.FAIL, "missing", 0.0)
    ]
    assert bad[0].reason == f"fraud version 7 has no {subject.replace('_', ' ')}"
    assert bad[0].remedy == f"add it where the model is logged: how to add {subject}"


def test_a_registry_that_knows_no_line_of_code_leaves_the_sentence_without(tmp_path: Path) -> None:
    """Every registry has its own; the gate has none."""
    (finding,) = told(tmp_path, require=["logged_metrics >= 1"], metrics={}, remedies={}).findings

    assert finding.remedy == "add it where the model is logged"


def test_more_than_one_may_be_asked(tmp_path: Path) -> None:
    """Some, and not enough of them."""
    found = told(tmp_path, require=["logged_metrics >= 2"]).findings[0]

    assert (found.verdict, found.observed) == (Verdict.FAIL, 1.0)
    assert found.reason == "logged_metrics is 1; at least 2 is required"
