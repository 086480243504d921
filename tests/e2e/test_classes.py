"""Real scikit-learn models of several classes, logged to MLflow: a candidate that lost one class on one slice is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers import blank
from helpers.checkout import Checkout, findings
from helpers.shelf import alone, once

MODEL = "tickets"
TEAMS = ("billing", "fraud", "other")
FEATURES = ["f0", "f1", "f2", "brazil"]
ROWS = 3_000
LINES = [
    "accuracy >= champion - 0.05",
    "recall(average=macro) >= champion - 0.05",
    "recall(class=fraud) >= champion - 0.10 on each slice",
    "auc(average=macro) >= 0.80",
    "log_loss <= champion + 0.10",
    "top_k_accuracy(2) >= 0.85",
]
HOLDOUT = {"path": "data/holdout.parquet", "label": "team", "id": "id", "slices": ["country"]}


def rows(seed: int) -> dict[str, Any]:
    """Three features of which each knows one team."""
    draw = np.random.default_rng(seed)
    team = draw.choice(TEAMS, ROWS, p=[0.4, 0.3, 0.3])
    brazil = draw.random(ROWS) < 0.3
    known = draw.normal(size=(ROWS, 3)) + 2.2 * (team[:, None] == np.array(TEAMS))
    table: dict[str, Any] = {f"f{place}": known[:, place] for place in range(3)}
    return table | {"brazil": brazil.astype(float), "country": np.where(brazil, "BR", "US"), "team": team}


def fill(folder: Path) -> None:
    """Version 1 is the champion, 2 as good, 3 never says fraud in Brazil; 4 answers with the team alone."""
    import mlflow
    import pandas as pd
    from mlflow import MlflowClient
    from sklearn.linear_model import LogisticRegression

    uri = blank.copied(folder / "mlflow.db")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(MODEL)
    frames = [pd.DataFrame(rows(seed)) for seed in (1, 2)]
    blind = frames[0][~((frames[0]["brazil"] == 1) & (frames[0]["team"] == "fraud"))]
    blind = blind.assign(f1=blind["f1"] * (1 - blind["brazil"]))
    for number, frame in enumerate((frames[0], frames[1], blind, frames[1]), start=1):
        model = LogisticRegression(max_iter=1_000).fit(frame[FEATURES], frame["team"])
        if number == 3:
            model.coef_[TEAMS.index("fraud"), FEATURES.index("brazil")] = -4.0
        mlflow.sklearn.save_model(
            model, folder / "models" / str(number), input_example=frame[FEATURES].head(3),
            pyfunc_predict_fn="predict" if number == 4 else "predict_proba", pip_requirements=["mlflow", "scikit-learn"],
            serialization_format="cloudpickle",
        )  # fmt: skip
        client.create_model_version(MODEL, source=str(folder / "models" / str(number)))
    client.set_registered_model_alias(MODEL, "production", "1")
    (folder / "data").mkdir()
    pq.write_table(pa.table(rows(3) | {"id": np.arange(ROWS)}), folder / "data" / "holdout.parquet")


@pytest.fixture
def desk(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> Checkout:
    shelf = once(tmp_path_factory, "tickets", fill)
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    found = Checkout(tmp_path, base=shelf / "mlflow.db", data=shelf / "data", python=python)
    found.write(MODEL, **policy())
    return found


def policy(*lines: str, candidate: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "model": MODEL,
        "task": "multiclass",
        "threshold": None,
        "candidate": {"version": candidate},
        "data": {"holdout": HOLDOUT},
        "gates": [{"gate": "metrics", "data": "holdout", "require": list(lines or LINES)}],
        "signoff": None,
        **more,
    }


def test_a_candidate_as_good_as_the_champion_passes(desk: Checkout) -> None:
    """Columns have the names of the model's own classes; values are scikit-learn's."""
    from sklearn import metrics

    answer = desk.gate("run")
    found = findings(desk.evidence)
    scored = pq.read_table(desk.run / "scored" / "holdout.parquet")
    shares, labels = np.array(scored.column("candidate").to_pylist()), np.array(scored.column("label").to_pylist())

    assert answer.code == 0, answer.stderr
    assert scored.schema.field("candidate").type == pa.list_(pa.float64(), 3)
    assert np.array(TEAMS)[labels].tolist() == rows(3)["team"].tolist()
    assert float(found["metrics/r2/overall"]["observed"]) == pytest.approx(
        metrics.recall_score(labels, shares.argmax(axis=1), average="macro"), abs=1e-12
    )
    assert float(found["metrics/r4/overall"]["observed"]) == pytest.approx(
        metrics.roc_auc_score(labels, shares, multi_class="ovr"), abs=1e-12
    )
    assert float(found["metrics/r5/overall"]["observed"]) == pytest.approx(metrics.log_loss(labels, shares), abs=1e-12)


def test_a_candidate_that_lost_a_class_on_a_slice_is_stopped_there(desk: Checkout) -> None:
    """By the line of that class; the sentence says which, and where."""
    answer = desk.gate("run", "--candidate", "version=3")
    lost = findings(desk.evidence)["metrics/r3/country=BR"]

    assert answer.code == 1
    assert lost["verdict"] == "fail"
    assert lost["reason"].startswith("recall of class fraud on country=BR is 0.")
    assert findings(desk.evidence)["metrics/r3/country=US"]["verdict"] == "pass"


def test_a_model_that_answers_with_the_class_is_asked_what_it_can_tell(desk: Checkout) -> None:
    """Metrics of labels, beside a champion that gives probabilities; those of scores are an error with the remedy."""
    refused = desk.gate("run", "--candidate", "version=4")
    said = desk.evidence["gates"][0]["reason"]
    desk.write(MODEL, **policy("accuracy >= champion - 0.05", "recall(class=fraud) >= 0.5", candidate=4))
    asked = desk.gate("run")

    assert refused.code == 4
    assert "holds class labels, and a score of each class is needed" in said
    assert asked.code == 0, asked.stderr


def test_the_plan_tells_what_can_be_decided_of_each_class(desk: Checkout) -> None:
    """From counts of that class; what counts do not tell, the champion does when it is asked to score."""
    counted, scored = desk.gate("plan"), desk.gate("plan", "--score")

    assert counted.code == scored.code == 0, scored.stderr
    assert "enough rows in all 2 slices; the tightest is country=BR (900): " in counted.stdout
    macro = "recall(average=macro) >= champion - 0.05\n    "
    assert f"{macro}cannot be foretold: row counts alone do not tell how much it varies" in counted.stdout
    assert f"{macro}enough rows (3,000): " in scored.stdout
    assert "the champion itself: pass: macro auc is 0." in scored.stdout


def test_scores_that_lie_in_the_data_need_no_model(desk: Checkout) -> None:
    """By class; the evidence is that of the models themselves."""
    desk.gate("run")
    before = findings(desk.evidence)
    kept = pq.read_table(desk.run / "scored" / "holdout.parquet")
    known = rows(3)
    table = {name: known[name] for name in ("team", "country")}
    for role in ("candidate", "champion"):
        shares = np.array(kept.column(role).to_pylist())
        table |= {f"{role}_{team}": shares[:, place] for place, team in enumerate(TEAMS)}
    pq.write_table(pa.table(table), desk.folder / "data" / "scored.parquet")
    scores = {role: {team: f"{role}_{team}" for team in TEAMS} for role in ("candidate", "champion")}
    data = {
        "path": "data/scored.parquet",
        "label": "team",
        "slices": ["country"],
        "scores": scores,
        "recorded": "trusted",
    }
    desk.write(MODEL, **policy(data={"holdout": data}))
    answer = desk.gate("run")

    assert answer.code == 0, answer.stderr
    assert {name: one["decided"] for name, one in findings(desk.evidence).items()} == {
        name: one["decided"] for name, one in before.items()
    }
