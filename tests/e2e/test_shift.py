"""The census beside traffic of older people: the columns that moved are named, and metrics weighted as it is mixed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.census import CHAMPION, GOOD, LABEL, NUMBERS, TEXTS, answers, census
from helpers.checkout import Checkout, findings
from helpers.shelf import alone

LINES = ["distance <= 0.1 on each feature", "accuracy >= 0.8", "accuracy >= champion - 0.02", "uncovered_slices <= 0"]
FEATURE = "shift/r1/feature="


def older(rows: pd.DataFrame) -> pd.DataFrame:
    """Requests of whom people above fifty come three times as often, and nobody is from Mexico."""
    here = rows[rows["native_country"] != "Mexico"]
    return here.sample(6_000, weights=np.where(here["age"] > 50, 3.0, 1.0), random_state=3)


def test_older_traffic_is_flagged_by_its_columns_and_metrics_follow_its_mix(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str, warm_gate: str
) -> None:
    """Through a run, by the signature's inputs; then the same evidence is explained, and judged by another margin."""
    alone(monkeypatch)
    made = Checkout(tmp_path, base=trained / "mlflow.db", data=trained / "data", python=warm_python, gate=warm_gate)
    rows = census("test")
    traffic = older(census("train"))
    (tmp_path / "logs").mkdir()
    traffic.assign(request=np.arange(len(traffic)))[["request", *NUMBERS, *TEXTS]].to_json(
        tmp_path / "logs" / "requests.jsonl", orient="records", lines=True
    )
    slices = ["sex", {"name": "age_band", "column": "age", "bins": [30, 50]}]
    data = {
        "holdout": {"path": "data/holdout.parquet", "label": LABEL, "id": "person", "slices": slices},
        "traffic": {"path": "logs/requests.jsonl", "id": "request"},
    }
    shift = {"gate": "shift", "data": "holdout", "traffic": "traffic", "require": LINES}
    common = {"candidate": {"version": GOOD}, "champion": {"version": CHAMPION}, "signoff": None}
    made.write("income", model="income", data=data, gates=[shift], **common)
    assert made.call("check", "gates/income.yaml").code == 0
    assert "distance <= 0.1" in made.call("plan", "gates/income.yaml").stdout
    assert made.call("run", "gates/income.yaml").code == 1
    by_id = findings(made.evidence)

    features = {name.removeprefix(FEATURE): each for name, each in by_id.items() if name.startswith(FEATURE)}
    assert set(features) == {*NUMBERS, *TEXTS}
    assert {name for name, each in features.items() if each["verdict"] == "fail"} == {"age"}
    (gate,) = made.evidence["gates"]
    assert gate["reason"].startswith("distance on feature=age is 0.1")

    right = {
        version: (answers(trained, "income", rows[NUMBERS + TEXTS], version)[:, 1] >= 0.5) == rows[LABEL]
        for version in (GOOD, CHAMPION)
    }
    ours, theirs = ([each["sex"], pd.cut(each["age"], [0, 29.5, 49.5, 200])] for each in (rows, traffic))
    shares = traffic.groupby(theirs, observed=True).size() / len(traffic)
    by_hand = {
        version: float((hit.groupby(ours, observed=True).mean() * shares).sum()) for version, hit in right.items()
    }
    own, beside = by_id["shift/r2/overall"], by_id["shift/r3/overall"]
    assert float(own["observed"]) == pytest.approx(by_hand[GOOD], abs=1e-6)
    assert float(beside["champion"]) == pytest.approx(by_hand[CHAMPION], abs=1e-6)
    assert "holdout weighted by sex and age_band as traffic is mixed" in own["reason"]
    assert by_id["shift/r4/overall"]["verdict"] == "pass"

    explained = made.call("explain", f"{FEATURE}age")
    assert "the bound of the largest difference of two shares" in explained.stdout
    made.write(
        "wider",
        model="income",
        data=data,
        gates=[{**shift, "require": ["distance <= 0.3 on each feature", *LINES[1:]]}],
        **common,
    )
    again = json.loads(made.call("reevaluate", "--pipeline", "gates/wider.yaml", "--json").stdout)
    assert (again["no_longer_blocked"], again["counts"]["unknown"]) == (1, 0)
