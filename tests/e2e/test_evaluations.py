"""A person's runs, published ones and those of a job: how often the holdout was evaluated is counted, or unknown."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from helpers.checkout import BAD, KILLED, METRICS, SCORED, Checkout

REGION = {**METRICS, "data": "region", "require": ["auc >= 0.7"]}


def evaluated(checkout: Checkout, *words: object) -> dict[str, Any]:
    """What the evidence of a run says of how often its rows were evaluated."""
    assert checkout.gate("run", *words).code in (0, 1)
    run = checkout.evidence["run"]
    return {name: (number, run["evaluations"][name]["counted"]) for name, number in run["looks"].items()}


def test_every_evaluation_of_the_same_bytes_counts(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other candidates, under a second name and of a copy; published or not; and jobs that leave no record say so."""
    checkout.write(data={"holdout": SCORED})
    assert evaluated(checkout, "--candidate", f"version={BAD}") == {"holdout": (1, 1)}
    assert evaluated(checkout) == {"holdout": (2, 2)}
    assert evaluated(checkout) == {"holdout": (2, 2)}
    assert "Evaluation no. 2 of holdout, or a later one (these models again)." in (checkout.gate("report").stdout)
    planned = json.loads(checkout.gate("plan", "--json", "--candidate", f"version={KILLED}").stdout)
    assert planned["looks"] == {"holdout": 3}

    shutil.copyfile(checkout.folder / "data" / "holdout.parquet", checkout.folder / "data" / "copy.parquet")
    checkout.write(data={"region": {**SCORED, "path": "data/copy.parquet"}}, gates=[REGION])
    assert evaluated(checkout, "--candidate", f"version={KILLED}", "--stage") == {"region": (3, 3)}

    shutil.rmtree(checkout.folder / ".gate")  # what is published remains
    checkout.write(data={"holdout": SCORED})
    assert evaluated(checkout) == {"holdout": (2, 2)}

    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    assert evaluated(checkout, "--candidate", f"version={BAD}") == {"holdout": (None, 3)}
    assert evaluated(checkout, "--candidate", f"version={BAD}", "--stage") == {"holdout": (3, 3)}
