"""Run dbt, and write its run_results.json as findings of `gate: command` (docs/gates/command.md); ends as dbt does.

`python dbt_findings.py OUT.json TARGET_FOLDER dbt build --target-path TARGET_FOLDER …`
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# Only what was done and held passes. A test with `severity: warn` that found rows is left to a person.
VERDICTS = {
    "success": "pass",
    "pass": "pass",
    "fail": "fail",
    "warn": "inconclusive",
    "skipped": "inconclusive",
    "no-op": "inconclusive",
}


def finding(result: dict[str, Any]) -> dict[str, Any]:
    verdict = VERDICTS.get(result["status"], "error")
    return {"subject": result["unique_id"], "verdict": verdict, "reason": result.get("message") or result["status"]}


def main(out: str, target: str, *command: str) -> int:
    code = subprocess.run(command, check=False).returncode
    results = Path(target) / "run_results.json"
    if results.is_file():  # which dbt writes last; without it there is nothing to say
        document = json.loads(results.read_text())
        Path(out).write_text(json.dumps([finding(result) for result in document["results"]]))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
