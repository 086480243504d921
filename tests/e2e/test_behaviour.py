"""The census with altered rows: what a candidate does with them is stopped by name, and counted as MLflow alone counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.census import CHAMPION, GOOD, LABEL, NUMBERS, TEXTS, answers, census
from helpers.checkout import Checkout, findings
from helpers.shelf import alone

LINES = [
    "changed_rate(swap=sex) <= 1%",
    "changed_rate(swap=sex) <= champion + 0.005",
    "fall_rate(raise=education_num, tolerance=0.02) <= 0.2%",
    "changed_rate(noise=1%) <= 1%",
    "changed_rate(drop=age) <= 1%",
    "errors(drop=age) <= 0",
    "changed_rate(swap=sex) <= 4% on each race",
]


def test_altered_rows_are_answered_and_counted(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str, warm_gate: str
) -> None:
    """Swapped, raised and without a value, as MLflow alone answers the same rows; two refusals of columns come first."""
    alone(monkeypatch)
    made = Checkout(tmp_path, base=trained / "mlflow.db", data=trained / "data", python=warm_python, gate=warm_gate)
    holdout = {"path": "data/holdout.parquet", "label": LABEL, "id": "person", "slices": ["race"]}
    contract = {"education_num": {"type": "float", "range": [1, 16]}}
    gates = [
        {"gate": "signature"},
        {"gate": "behaviour", "data": "holdout", "require": LINES},
        {"gate": "behaviour", "name": "misspelt", "data": "holdout", "require": ["changed_rate(swap=sx) <= 1%"]},
        {"gate": "behaviour", "name": "ungiven", "data": "holdout", "require": ["changed_rate(swap=person) <= 1%"]},
    ]
    common = {"candidate": {"version": GOOD}, "champion": {"version": CHAMPION}, "signoff": None}
    made.write("income", model="income", data={"holdout": holdout}, gates=gates, features=contract, **common)
    assert made.call("run", "gates/income.yaml").code == 4  # two of the gates broke
    by_id = findings(made.evidence)
    rows = census("test")[NUMBERS + TEXTS]
    before = {version: answers(trained, "income", rows, version)[:, 1] for version in (GOOD, CHAMPION)}
    swapped = rows.assign(sex=rows["sex"].map({"Male": "Female", "Female": "Male"}))
    raised = rows[rows["education_num"] < 16].assign(education_num=rows["education_num"] + 1)
    after = {version: answers(trained, "income", swapped, version)[:, 1] for version in (GOOD, CHAMPION)}
    changed = {version: float(((before[version] >= 0.5) != (after[version] >= 0.5)).mean()) for version in after}
    fell = before[GOOD][rows["education_num"] < 16] - answers(trained, "income", raised, GOOD)[:, 1] > 0.02

    swap, beside, fall, noise, drop, errors = (by_id[f"behaviour/r{number}/overall"] for number in range(1, 7))
    assert float(swap["observed"]) == pytest.approx(changed[GOOD])
    assert float(beside["champion"]) == pytest.approx(changed[CHAMPION])
    assert float(fall["observed"]) == pytest.approx(float(fell.mean()))
    assert [each["verdict"] for each in (swap, beside, fall, noise, drop, errors)] == [
        "fail", "pass", "fail", "pass", "fail", "pass",
    ]  # fmt: skip
    assert fall["detail"]["left_out"] == int((rows["education_num"] == 16).sum())
    assert "the model goes by sex itself" in swap["remedy"]
    broken = {result["name"]: result["reason"] for result in made.evidence["gates"] if result["verdict"] == "error"}
    assert "has no column 'sx', the column that swap=sx alters" in broken["misspelt"]
    assert "swap=person alters a column that the candidate is not given" in broken["ungiven"]
