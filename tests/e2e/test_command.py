"""A command of the project, from the pipeline to the evidence and the report, and in a run that is resumed."""

from __future__ import annotations

import json

import pytest

from helpers.checkout import HOLDOUT, Checkout, findings
from lockgate.hashing import sha256, sha256_file

SCRIPT = """
import json, os, sys
rows = os.path.getsize(os.environ["DATA_HOLDOUT"])
secrets = [name for name in os.environ if "TOKEN" in name]
print("looked at", len(secrets), "secrets as", sys.argv[1])
json.dump([{"subject": "bytes", "value": rows, "limit": ">= 1", "counted": True},
           {"subject": "secrets", "value": len(secrets), "limit": "<= 0", "counted": True}], open(sys.argv[2], "w"))
"""


def test_a_command_is_run_with_the_bytes_that_are_in_the_evidence_and_again_with_others(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that changed asks for a new run; labels and secrets are not handed over."""
    monkeypatch.setenv("WAREHOUSE_TOKEN", "hunter22")
    (checkout.folder / "gates").mkdir()
    script = checkout.folder / "gates" / "check.py"
    script.write_text(SCRIPT)
    gate = {"gate": "command", "name": "rows", "data": "holdout", "findings": "found.json",
            "run": ["python3", "gates/check.py", "$CANDIDATE_VERSION", "$OUT/found.json"]}  # fmt: skip
    checkout.write(gates=[gate], data={"holdout": HOLDOUT})
    answer = checkout.gate("run")
    assert answer.code == 0, answer.stderr
    [result] = checkout.evidence["gates"]

    assert [(name, each["verdict"]) for name, each in findings(checkout.evidence).items()] == [
        ("rows/r1/finding=bytes", "pass"),
        ("rows/r1/finding=secrets", "pass"),
    ]
    told = result["context"]["command"]
    assert told["origins"] == {"gates/check.py": sha256_file(script)}
    assert told["left_out"] == {"holdout": ["y"]}
    size = findings(checkout.evidence)["rows/r1/finding=bytes"]["observed"]
    written = [{"subject": "bytes", "value": int(float(size)), "limit": ">= 1", "counted": True},
               {"subject": "secrets", "value": 0, "limit": "<= 0", "counted": True}]  # fmt: skip
    assert told["findings"] == {"found.json": sha256(json.dumps(written).encode())}
    assert "Findings of the command" in (checkout.run / "report.html").read_text()

    script.write_text(SCRIPT + "\n")
    resumed = checkout.gate("run", "--resume")

    assert resumed.code == 2
    assert "functions changed since it began" in resumed.stderr
