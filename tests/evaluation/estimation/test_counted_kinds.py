"""Shares that follow from counts of rows by kind are those that the rows themselves say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.testing import run_gate

LINES = {
    "binary": [
        "flip_rate <= 20%", "lost_rate <= 30%", "gained_rate <= 10%", "positive_rate <= champion + 0.02", "null_rate <= 10%",
        "null_rate <= champion + 0.1",
    ],
    "regression": ["within(tolerance=0.1) >= 70%", "null_rate <= champion + 0.05"],
}  # fmt: skip


def answered(seed: int, *, few: int = 900) -> dict[str, Any]:
    """Both models' answers, some of them missing; a place without any, one where the champion says yes to nobody, one of a row."""
    draw = np.random.default_rng(seed)
    place = draw.choice(["a", "b", "c", "nobody", "no"], few)
    place[0] = "single"
    champion = draw.random(few)
    candidate = np.clip(champion + draw.normal(0, 0.1, few), 0, 1)
    champion[place == "no"] *= 0.4
    candidate[(draw.random(few) < 0.04) | (place == "nobody")] = np.nan
    champion[draw.random(few) < 0.03] = np.nan
    return {"candidate": candidate, "champion": champion, "place": place, "alike": np.full(few, 2.0)}


@pytest.mark.parametrize("task", LINES)
def test_counts_say_what_rows_say(task: str) -> None:
    """Overall and on each slice. Of weights that are all alike nothing is counted, and each row is looked at."""
    for seed in range(3):
        table = answered(seed)
        lines = [*LINES[task], *(f"{line} on each slice" for line in LINES[task])]
        counted, looked_at = (
            run_gate("shadow", table=table, slices=["place"], task=task, require=lines, weight=weight)
            for weight in (None, "alike")
        )

        assert counted.findings == looked_at.findings
        assert len(counted.findings) > 6 * len(LINES[task])
        assert {finding.verdict for finding in counted.findings} >= {"pass", "fail", "inconclusive"}
