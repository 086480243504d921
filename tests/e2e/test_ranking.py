"""Real rankers from a registry, judged by query from data to evidence, every number held against scikit-learn's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest
from sklearn.metrics import ndcg_score

from helpers import blank
from helpers.checkout import Checkout, findings
from helpers.shelf import alone, once
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evidence.evidence import Evidence

CHAMPION, GOOD, CLASSIFIER = 1, 2, 3
QUERIES, DOCS = 600, 10
DATA: dict[str, Any] = {
    "path": "data/judged.parquet", "id": "row", "label": "relevance", "query": "search", "cluster": "user",
    "slices": ["market", {"name": "long", "where": {"words": {"ge": 4}}}],
}  # fmt: skip
LINES = [
    "ndcg(5) >= champion - 0.02 on each slice",
    "ndcg(5) >= 0.3",
    "mrr >= champion - 0.05",
    "hit_rate(1) >= 50%",
]
STOP = '''
"""May we go on?"""

from pathlib import Path

from lockgate.evaluation.estimation.estimate import counted
from lockgate.gates.gate import Gate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.subject import Subject


class Stop(Gate):
    """Is interrupted while there is a file `stop`."""

    subjects = {"stops": Subject("stops", "lower", counted=True, bounds=(0, None))}
    default_require = ("stops <= 0",)

    def check(self, case):
        if Path("stop").exists():
            raise KeyboardInterrupt
        asked = self.requirements_for(case)
        yield from judge(self.title, asked, [counted(name, line, value=0, units=1) for name, line in asked], self.subjects)
'''


def results() -> pd.DataFrame:
    """Results of searches in any order: three features of which a model may know two or all."""
    draw = np.random.default_rng(5)
    search = np.repeat(np.arange(QUERIES), DOCS)
    features = draw.normal(size=(search.size, 3))
    wanted = features @ [1.0, 1.0, 0.7] + draw.normal(0, 0.7, search.size)
    rows = pd.DataFrame(features, columns=["x1", "x2", "x3"])
    rows["relevance"] = np.digitize(wanted, [1.5, 2.5, 3.5])
    rows["search"] = [f"search {number}" for number in search]
    rows["user"] = [f"user {number // 2}" for number in search]
    rows["market"] = np.array(["BR", "US"])[search % 2]
    rows["words"] = search % 7
    rows["row"] = np.arange(search.size)
    return rows.sample(frac=1, random_state=1).reset_index(drop=True)


def train(folder: Path) -> None:
    """A ranker that knows two features, one that knows all, and a classifier that says how sure it is."""
    import mlflow
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    rows = results()
    (folder / "data").mkdir()
    uri = blank.copied(folder / "mlflow.db")
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    experiment = mlflow.create_experiment("training", artifact_location=(folder / "artifacts").as_uri())
    inputs = rows[["x1", "x2", "x3"]]
    two = make_pipeline(FunctionTransformer(lambda table: table[["x1", "x2"]]), Ridge())
    for model, label, method in (
        (two, rows["relevance"], "predict"),
        (Ridge(), rows["relevance"], "predict"),
        (LogisticRegression(), rows["relevance"] > 0, "predict_proba"),
    ):
        model.fit(inputs, label)
        with mlflow.start_run(experiment_id=experiment):
            mlflow.sklearn.log_model(
                model, name="model", registered_model_name="search", pyfunc_predict_fn=method,
                signature=mlflow.models.infer_signature(inputs, getattr(model, method)(inputs)),
                pip_requirements=["mlflow", "scikit-learn", "pandas"], serialization_format="cloudpickle",
            )  # fmt: skip
    for version in (CHAMPION, GOOD):
        rows[f"said_{version}"] = mlflow.pyfunc.load_model(f"models:/search/{version}").predict(inputs)
    rows.to_parquet(folder / "data" / "judged.parquet", index=False)


@pytest.fixture
def desk(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> Checkout:
    shelf = once(tmp_path_factory, "rankers", train)
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return Checkout(tmp_path, base=shelf / "mlflow.db", data=shelf / "data", python=python)


def write(desk: Checkout, **more: Any) -> None:
    desk.write(
        "search",
        **{
            "model": "search", "task": "ranking", "threshold": None, "signoff": None,
            "candidate": {"version": GOOD}, "champion": {"version": CHAMPION}, "data": {"judged": DATA},
            "gates": [{"gate": "metrics", "data": "judged", "require": LINES}], **more,
        },
    )  # fmt: skip


def ndcg(rows: pd.DataFrame, version: int) -> float:
    """scikit-learn's, query by query."""
    return float(
        np.mean(
            [
                ndcg_score([one["relevance"]], [one[f"said_{version}"]], k=5)
                for _, one in rows.groupby("search")
                if one["relevance"].any()
            ]
        )
    )


def test_a_better_ranker_passes_with_scikit_learns_numbers(desk: Checkout) -> None:
    """Asked from the registry; slices are of queries; every verdict follows from what is written beside it."""
    write(desk)
    ended = desk.gate("run")
    rows, stored = pd.read_parquet(desk.folder / "data" / "judged.parquet"), (desk.run / "evidence.json").read_bytes()
    found = findings(desk.evidence)

    assert ended.code == 0, ended.stderr
    for name, inside in (("BR", rows["market"] == "BR"), ("US", rows["market"] == "US")):
        one = found[f"metrics/r1/market={name}"]
        assert float(one["observed"]) == pytest.approx(ndcg(rows[inside], GOOD), abs=1e-12)
        assert float(one["champion"]) == pytest.approx(ndcg(rows[inside], CHAMPION), abs=1e-12)
        assert (one["rows"], one["positives"], one["detail"]["counted_in"]) == (QUERIES // 2, None, "queries")
        assert one["decided"]["method"] == "influence paired, t, skew-corrected, by cluster"
    empty = sum(not one["relevance"].any() for _, one in rows.groupby("search"))
    assert found["metrics/r2/overall"]["detail"]["queries_left_out"] == empty
    assert found["metrics/r1/long=true"]["rows"] == sum(number % 7 >= 4 for number in range(QUERIES))
    assert "sha256:" + hashlib.sha256(stored).hexdigest() == desk.digest
    report = (desk.run / "report.md").read_text()
    assert "| queries |" in report
    assert "| 300 |" in report
    for finding in Evidence.read(stored).gates[0].findings:
        assert verdict_of(finding.decided, finding.detail) is finding.verdict


def test_the_scored_table_says_which_rows_are_of_one_query(desk: Checkout) -> None:
    """By number, in order of appearance, so that nobody's search is stored."""
    write(desk)
    desk.gate("run")
    rows = pd.read_parquet(desk.folder / "data" / "judged.parquet")
    table = parquet.read_table(desk.run / "scored" / "judged.parquet")

    assert table.column_names == ["id", "label", "cluster", "query", "candidate", "champion", "market", "long"]
    assert table["query"].to_pylist() == pd.factorize(rows["search"])[0].tolist()
    assert table["label"].to_pylist() == rows["relevance"].tolist()


def test_scores_from_elsewhere_need_no_model(desk: Checkout) -> None:
    """The same numbers as those of the models that are asked."""
    write(desk)
    desk.gate("run")
    asked = findings(desk.evidence)
    write(desk, data={"judged": {**DATA, "scores": {"candidate": "said_2", "champion": "said_1"}}})
    ended = desk.gate("run")

    assert ended.code == 0, ended.stderr
    assert findings(desk.evidence) == asked


def test_an_interrupted_run_goes_on_with_the_same_queries(desk: Checkout) -> None:
    """What is asked after the interruption reads the table that was scored before it."""
    (desk.folder / "gates").mkdir()
    (desk.folder / "gates" / "stop.py").write_text(STOP)
    (desk.folder / "stop").touch()
    first = {"gate": "metrics", "data": "judged", "require": LINES}
    write(desk, gates=[first, {"gate": "./gates/stop.py:Stop"}, {**first, "name": "again"}])
    interrupted = desk.gate("run")
    before = (desk.run / "scored" / "judged.parquet").stat()
    (desk.folder / "stop").unlink()
    ended = desk.gate("run", "--resume")
    said = {name: [(one["observed"], one["decided"]) for one in each] for name, each in by_gate(desk.evidence).items()}

    assert (interrupted.code, ended.code) == (130, 0), ended.stderr
    assert (desk.run / "scored" / "judged.parquet").stat() == before
    assert said["again"] == said["metrics"]


def by_gate(evidence: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {gate["name"]: gate["findings"] for gate in evidence["gates"]}


def test_a_classifier_ranks_by_the_column_that_is_named(desk: Checkout) -> None:
    """One column of its probabilities; without a name for it nothing can be told."""
    lines = {"gate": "metrics", "data": "judged", "require": ["ndcg(5) >= 0.3"]}
    write(desk, candidate={"version": CLASSIFIER}, champion="none", gates=[lines])
    unnamed = desk.gate("run")
    write(desk, candidate={"version": CLASSIFIER}, champion="none", gates=[lines], output={"column": "1"})
    named = desk.gate("run")

    assert unnamed.code == 4
    assert "which is the score is unclear" in unnamed.stderr
    assert named.code == 0, named.stderr


def test_a_plan_counts_queries(desk: Checkout) -> None:
    """Beforehand from counts, and with the champion's own numbers; of gaps too."""
    asked = [*LINES, "ndcg(5) gap over market <= 0.1"]
    write(desk, gates=[{"gate": "metrics", "data": "judged", "require": asked}])
    counted, scored = (desk.gate("plan", "--json", *more) for more in ((), ("--score",)))
    lines = [
        {one["id"]: one["outlook"] for one in json.loads(each.stdout)["gates"][0]["lines"]}
        for each in (counted, scored)
    ]

    assert (counted.code, scored.code) == (0, 0), scored.stderr
    assert {one["rows"] for one in lines[0]["r3"]} == {QUERIES}
    assert {one["status"] for one in lines[0]["r3"]} == {"unknown"}
    assert "600 queries decide a tolerance of" in lines[1]["r3"][0]["words"]
    assert lines[1]["r5"]
    assert " rows" not in " ".join(one["words"] for line in lines[1].values() for one in line)


def test_a_query_in_two_markets_is_refused_before_any_model_is_asked(desk: Checkout) -> None:
    """With the column and two of its rows."""
    rows = pd.read_parquet(desk.folder / "data" / "judged.parquet")
    rows.loc[rows.index[-1], "market"] = "LU"
    rows.to_parquet(desk.folder / "data" / "judged.parquet", index=False)
    write(desk)
    ended = desk.gate("run")

    assert ended.code == 4
    assert (
        "column of slice 'market' (column 'market' of data/judged.parquet) differs within a query: row" in ended.stderr
    )
