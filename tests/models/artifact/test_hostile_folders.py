"""Models that would run something when they are loaded, or are broken: none passes the gate, and nothing of them has run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from helpers.fakes import ask, case_of
from helpers.hostile_models import FOLDERS, RAN, code_of, executed, written
from lockgate.evidence.finding import Verdict
from lockgate.gates.artifact import Artifact


@pytest.mark.parametrize("name", FOLDERS)
def test_each_fails_as_what_it_is_and_nothing_has_run(tmp_path: Path, name: str) -> None:
    """A hundred ways, from a plain call of `exec` to an entry of a zip that leads out of its folder."""
    kind = written(name, tmp_path / "candidate")

    result = ask(case_of(tmp_path, alone=True), Artifact())
    findings = {finding.subject: finding for finding in result.findings}

    assert (result.verdict, findings[kind].verdict) == (Verdict.FAIL, Verdict.FAIL), result.reason
    assert (findings[kind].code, bool(findings[kind].remedy)) == (kind, True)
    assert not (tmp_path / RAN).exists()


def test_the_payload_is_one(tmp_path: Path) -> None:
    """What is written into these folders does run where it is loaded."""
    pickle.loads(executed(code_of(tmp_path)))

    assert (tmp_path / RAN).exists()
