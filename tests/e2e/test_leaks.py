"""On the census: a column that knows the label, a champion that is inverted, and one that answers otherwise than it did, each stopped by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers import blank
from helpers.census import LABEL, census
from helpers.checkout import Checkout
from helpers.shelf import alone
from lockgate import run_gate
from lockgate.evidence.finding import Verdict

KNOWN = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week", "sex"]
FEW = ["age", "sex"]
CHAMPION, LEAKY = 1, 2
LINE = "gain_from_one_column <= 80%"


def with_hint(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A column that says the label of three rows in ten, and of the others what a guess would."""
    draw = np.random.default_rng(seed)
    guess = draw.random(len(rows)) < rows[LABEL].mean()
    return rows.assign(hint=np.where(draw.random(len(rows)) < 0.3, rows[LABEL], guess).astype(float))


def trained(rows: pd.DataFrame, columns: list[str], label: Any = None) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from threadpoolctl import threadpool_limits

    coded = make_column_transformer((OrdinalEncoder(), ["sex"]), remainder="passthrough")
    model = make_pipeline(coded, HistGradientBoostingClassifier(max_iter=40, random_state=0))
    with threadpool_limits(1):  # workers share the machine
        return model.fit(rows[columns], rows[LABEL] if label is None else label)


@pytest.fixture(scope="module")
def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    return with_hint(census("train"), 1), with_hint(census("test"), 2)


@pytest.fixture(scope="module")
def checkout(
    rows: tuple[pd.DataFrame, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory, warm_python: str, warm_gate: str
) -> Iterator[Checkout]:
    """A registry with a champion, and a candidate that is given the hint besides."""
    import mlflow

    train, test = rows
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "data").mkdir()
    test.to_parquet(folder / "data" / "holdout.parquet", index=False)
    mlflow.set_tracking_uri(blank.copied(folder / "mlflow.db"))
    mlflow.set_registry_uri(mlflow.get_tracking_uri())
    experiment = mlflow.create_experiment("training", artifact_location=(folder / "artifacts").as_uri())
    for columns in (KNOWN, [*KNOWN, "hint"]):
        model = trained(train, columns)
        example = train[columns].head(3)
        with mlflow.start_run(experiment_id=experiment):
            mlflow.sklearn.log_model(
                model, name="model", registered_model_name="income", pyfunc_predict_fn="predict_proba",
                signature=mlflow.models.infer_signature(example, model.predict_proba(example)),
                pip_requirements=["scikit-learn"], serialization_format="cloudpickle",
            )  # fmt: skip
    with pytest.MonkeyPatch.context() as monkeypatch:
        alone(monkeypatch)
        work = tmp_path_factory.mktemp("checkout")
        yield Checkout(work, base=folder / "mlflow.db", data=folder / "data", python=warm_python, gate=warm_gate)


def pipeline(checkout: Checkout, gates: list[dict[str, Any]], **more: Any) -> None:
    holdout = {"path": "data/holdout.parquet", "label": LABEL}
    checkout.write("income", model="income", data={"holdout": holdout}, gates=gates, **{"signoff": None, **more})


def test_an_advantage_that_comes_from_one_column_is_said_and_a_line_stops_it(checkout: Checkout) -> None:
    """The metric passes, and names the column besides; alone the hint has a power that no threshold on it would stop."""
    plain = {"gate": "metrics", "data": "holdout", "require": ["auc >= champion - 0.01"]}
    held = {"gate": "metrics", "name": "leaks", "data": "holdout", "require": [LINE]}
    pipeline(checkout, [plain, held], candidate={"version": LEAKY}, champion={"version": CHAMPION})

    answer = checkout.call("run", "gates/income.yaml", "--stage")
    assert answer.code == 1, answer.stderr
    metrics, leaks = checkout.evidence["gates"]
    (finding,) = leaks["findings"]
    gain = {
        name: float(value)
        for name, value in finding["detail"]["column_gain"].items()
        if name not in ("column", "metric")
    }
    assert (metrics["verdict"], leaks["verdict"]) == ("pass", "fail"), answer.stderr
    assert gain["without"] < gain["champion"] < gain["candidate"]
    said = "the whole advantage of 0.0"
    assert said in metrics["reason"]
    assert said in finding["reason"]
    assert "comes from column hint: with the values of other rows in hint its auc is 0.8" in finding["reason"]
    assert metrics["context"]["own_columns"]["named"] == ["hint"]
    assert said in answer.stderr


def test_a_champion_that_answers_otherwise_than_it_did_is_no_baseline(checkout: Checkout) -> None:
    """The version that was evaluated above is Production now, and its pipeline reads another class of its answers."""
    lines = {"gate": "metrics", "data": "holdout", "require": ["accuracy >= champion - 0.5"]}
    pipeline(checkout, [lines], candidate={"version": CHAMPION}, champion={"version": LEAKY})
    assert checkout.call("run", "gates/income.yaml").code == 0
    pipeline(checkout, [lines], candidate={"version": CHAMPION}, champion={"version": LEAKY}, positive=0)

    answer = checkout.call("run", "gates/income.yaml")
    (gate,) = checkout.evidence["gates"]
    assert (answer.code, gate["verdict"]) == (4, "error"), answer.stderr
    assert "answers the rows of holdout otherwise than it did when it was evaluated, on 20" in gate["reason"]
    assert gate["context"]["broken"]["code"] == "champion_changed"


def test_an_inverted_champion_is_no_baseline(rows: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Any candidate passes beside it, and so none does."""
    train, test = rows
    scores = {
        "candidate": trained(train, FEW).predict_proba(test[FEW])[:, 1],
        "champion": trained(train, KNOWN, 1 - train[LABEL]).predict_proba(test[KNOWN])[:, 1],
    }
    table = {"label": test[LABEL].to_numpy(), **scores}

    result = run_gate("metrics", table=table, require=["auc >= champion - 0.01"])
    assert result.verdict is Verdict.ERROR
    assert result.reason.startswith("the champion is no baseline: its auc is 0.1")
    assert run_gate("metrics", table=table, require=["auc >= 0.55"]).verdict is Verdict.PASS
