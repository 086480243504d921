"""Shares and means that follow from sums by slice are those that the rows themselves say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockgate.testing import run_gate

LINES = {
    "binary": [
        "flip_rate <= 20%", "lost_rate <= 30%", "gained_rate <= 10%", "positive_rate <= champion + 0.02", "null_rate <= 10%",
        "null_rate <= champion + 0.1", "score_shift <= 0.02",
    ],
    "regression": ["within(tolerance=0.1) >= 70%", "score_shift <= 0.02", "null_rate <= champion + 0.05"],
}  # fmt: skip


def answered(few: int = 900) -> dict[str, Any]:
    """Both models' answers, some of them missing; a place without any, one where the champion says yes to nobody, one of a row."""
    draw = np.random.default_rng(7)
    place = draw.choice(["a", "b", "c", "nobody", "no"], few)
    place[0] = "single"
    champion = draw.random(few)
    candidate = np.clip(champion + draw.normal(0, 0.1, few), 0, 1)
    champion[place == "no"] *= 0.4
    candidate[(draw.random(few) < 0.04) | (place == "nobody")] = np.nan
    champion[draw.random(few) < 0.03] = np.nan
    return {"candidate": candidate, "champion": champion, "place": place, "alike": np.full(few, 2.0)}


def numbers(detail: Any) -> list[float]:
    """Those that a finding shows, in order; `number` writes them as text."""
    if isinstance(detail, dict):
        return [each for key in sorted(detail) for each in numbers(detail[key])]
    if isinstance(detail, list | tuple):
        return [number for each in detail for number in numbers(each)]
    try:
        return [float(detail)]
    except (TypeError, ValueError):
        return []


@pytest.mark.parametrize("task", LINES)
def test_sums_say_what_rows_say(task: str) -> None:
    """Overall and on each slice. Of weights, even alike ones, nothing is summed up, and each row is looked at."""
    table = answered()
    lines = [*LINES[task], *(f"{line} on each slice" for line in LINES[task])]
    summed, looked_at = (
        run_gate("shadow", table=table, slices=["place"], task=task, require=lines, weight=weight)
        for weight in (None, "alike")
    )

    assert len(summed.findings) > 6 * len(LINES[task])
    assert {finding.verdict for finding in summed.findings} >= {"pass", "fail", "inconclusive"}
    for ours, theirs in zip(summed.findings, looked_at.findings, strict=True):
        assert (ours.id, ours.verdict, ours.code, ours.reason) == (
            theirs.id,
            theirs.verdict,
            theirs.code,
            theirs.reason,
        )
        assert numbers(ours.detail) == pytest.approx(numbers(theirs.detail), rel=1e-9, abs=1e-12)
