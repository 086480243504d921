"""A shadow gate at its fullest: one model recorded, records left out, many slices, moved inputs, and a blocker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.report_evidence import METRICS, evidence
from helpers.report_pictures import REPLAY
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_folder import RunFolder

ENTRY = {
    "data": "traffic", "requests": 5000, "answered": {"candidate": 5000, "champion": 4988},
    "thresholds": {"candidate": "0.42", "champion": "0.5"}, "first": "2026-11-21T03:42:18.5Z", "last": "2026-11-28T03:40:00Z",
}  # fmt: skip
RECORDING = {"records": 5120, "unused": {"damaged": 3, "truncated": 9, "late": 4, "unanswered": 12}, "sampled": ["0.1"]}
RECORDED = {
    "champion": {
        "columns": ["score"], "state": "confirmed",
        "spot_check": {"rows": 300, "of": 5000, "differing": 0, "at_most": "0.00994"},
    }
}  # fmt: skip
SHADOW = replace(METRICS, name="shadow", kind="shadow", context={"replayed": ENTRY})
SHIFT = GateResult("shift", "shift", True, Verdict.FAIL, "moved", context={"rows": {"holdout": 100, "traffic": 5000}})


def replay(folder: Path, *exhibits: Exhibit, shadow: GateResult = SHADOW, **more: Any) -> Evidence:
    """Its evidence, and those exhibits in a folder; all of them where none is named."""
    kept = RunFolder(folder)
    return evidence(
        *(shadow, SHIFT),
        data=[{"name": "traffic", "path": "t", "digest": "sha256:t", "rows": 5000, "recording": RECORDING}],
        scored=[{"data": "traffic-replayed", "sha256": "sha256:s", "rows": 5000, "recorded": RECORDED}],
        exhibits=[kept.keep_exhibit(exhibit) for exhibit in exhibits or REPLAY],
        **more,
    )
