"""The lines of the shipped pipelines stop a candidate that never says yes, and one that adds fifty units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

GATES = Path(__file__).parents[3] / "gates"


def lines(name: str) -> list[str]:
    gates = yaml.safe_load((GATES / f"{name}.yaml").read_text())["gates"]
    return next(list(gate["require"]) for gate in gates if gate["gate"] == "shadow")


def judged(name: str, task: str, champion: Any, candidate: Any) -> set[str]:
    """The subjects of the lines that fail."""
    result = run_gate("shadow", table={"champion": champion, "candidate": candidate}, task=task, require=lines(name))
    return {finding.subject for finding in result.findings if finding.verdict is Verdict.FAIL}


@pytest.mark.parametrize(("keeps", "failed"), [(1.0, set()), (0.8, set()), (0.0, {"lost_rate"})])
def test_a_fraud_model_that_stops_nobody_fails(keeps: float, failed: set[str]) -> None:
    """One that keeps most of what the champion stops does not."""
    draw = np.random.default_rng(2)
    champion = np.where(draw.random(3_000) < 0.02, 0.9, 0.1)
    candidate = np.where(draw.random(3_000) < keeps, champion, 0.1)

    assert judged("fraud", "binary", champion, candidate) == failed


@pytest.mark.parametrize(("added", "failed"), [(0.5, set()), (50.0, {"score_shift", "within(tolerance=15)"})])
def test_a_delivery_time_that_is_fifty_minutes_longer_fails(added: float, failed: set[str]) -> None:
    """Half a minute is not."""
    draw = np.random.default_rng(2)
    champion = draw.normal(35, 9, 3_000)

    assert judged("regression", "regression", champion, champion + added + draw.normal(0, 3, 3_000)) == failed
