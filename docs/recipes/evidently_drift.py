"""Drift of every column between two files of rows, by Evidently, as findings of `gate: command` (docs/gates/command.md).

Runs in an environment of its own: `pip install "evidently>=0.7" "pandas<3.1" pyarrow`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import Report
from evidently.metrics import ValueDrift

# Only a test that was made and held passes: a warning, and what Evidently skipped, are nobody's pass.
VERDICTS = {"SUCCESS": "pass", "FAIL": "fail", "WARNING": "inconclusive", "SKIPPED": "inconclusive"}


def finding(test: dict[str, Any]) -> dict[str, Any]:
    return {
        "subject": "drift",
        "slice": {"column": str(test["metric_config"]["params"]["column"])},
        "verdict": VERDICTS.get(test["status"], "error"),
        "reason": test["description"],
    }


def absent(column: str) -> dict[str, Any]:
    reason = "the current rows have no such column"
    return {"subject": "drift", "slice": {"column": column}, "verdict": "inconclusive", "reason": reason}


def main(reference: str, current: str, out: str) -> None:
    before, after = pd.read_parquet(reference), pd.read_parquet(current)
    columns = [column for column in before.columns if column in after.columns]
    report = Report([ValueDrift(column=column) for column in columns], include_tests=True).run(after, before)
    tests = json.loads(report.json())["tests"]  # in .dict() a status is no text
    findings = [*map(finding, tests), *(absent(column) for column in before.columns if column not in columns)]
    Path(out).write_text(json.dumps(findings))


if __name__ == "__main__":
    main(*sys.argv[1:])
