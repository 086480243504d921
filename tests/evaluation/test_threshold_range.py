"""A threshold that decides every row alike is named, and decides nothing by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

ROWS: dict[str, Any] = {"label": [1, 0] * 100, "candidate": [0.3, 0.1] * 100, "champion": [0.9, 0.2] * 100}
BELOW = "all scores of the candidate (0.1 to 0.3) are below the threshold 0.5, so that no row is decided positive"


@pytest.mark.parametrize(
    ("rows", "lines", "sentence"),
    [
        (ROWS, ["accuracy >= 0.4"], BELOW),
        (ROWS, ["auc >= 0.4", "false_positive_rate(threshold=0.5) <= 0.5"], BELOW),
        (ROWS | {"candidate": [700, 650.5] * 100}, ["accuracy >= 0.4"],
         "all scores of the candidate (650.5 to 700) are at or above the threshold 0.5, so that every row is decided positive"),
        (ROWS | {"candidate": [0.5, 0.4] * 100, "champion": [0.01, 0.0] * 100}, ["accuracy >= 0.4"],
         "all scores of the champion (0 to 0.01) are below the threshold 0.5, so that no row is decided positive"),
    ],
)  # fmt: skip
def test_a_threshold_beside_all_scores_is_named(rows: Any, lines: list[str], sentence: str) -> None:
    """Each role's own; the verdict is that of the findings."""
    found = run_gate("metrics", table=rows, require=lines, threshold=0.5)

    assert found.verdict is Verdict.PASS
    assert found.reason.endswith(f"; {sentence}")
    assert len(found.context["threshold_outside"]) == 1


@pytest.mark.parametrize(
    ("rows", "lines", "threshold"),
    [
        (ROWS, ["auc >= 0.4"], 0.5),
        (ROWS, ["recall(threshold=0.3) >= 0"], 0.5),
        (ROWS | {"candidate": [1, 0] * 100}, ["accuracy >= 0.4"], 600),
        (ROWS | {"candidate": np.array([0.7, 0.2] * 100, np.float32)}, ["accuracy >= 0.4"], 0.7),
    ],
)
def test_a_threshold_among_the_scores_or_cutting_none_is_not(rows: Any, lines: list[str], threshold: float) -> None:
    """Of lines that rank, of class labels, and in the precision of the scores."""
    table = {name: column for name, column in rows.items() if name != "champion"}

    assert "threshold_outside" not in run_gate("metrics", table=table, require=lines, threshold=threshold).context


def test_requests_that_all_get_the_same_decision_say_so() -> None:
    """Two models that never decide otherwise flip nothing; requests without an answer are no scores."""
    rows = {"candidate": [0.3, np.nan] * 100, "champion": [0.2, 0.1] * 100}
    found = run_gate("shadow", table=rows, require=["flip_rate <= 0.1"], threshold=0.5)

    assert found.verdict is Verdict.PASS
    assert [entry["role"] for entry in found.context["threshold_outside"]] == ["candidate", "champion"]
