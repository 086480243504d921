"""`gate try`: from model files to a verdict, without a registry and without a pipeline."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from helpers.report_story import STOPPED
from lockgate.cli.main import gate
from lockgate.cli.trial.document import bare, redacted, text
from lockgate.cli.trial.question import Question, Subject
from lockgate.cli.trial.requirements import LabelCounts, no_worse
from lockgate.cli.trial.session import FinishedTrial
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import LockgateError
from lockgate.evaluation.requirements import grammar
from lockgate.evidence.run_folder import RunFolder
from lockgate.models.isolation.box import kernel
from lockgate.pipeline import loader

ROWS = 600


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATE_PYTHON", warm_python)


def judge(*args: str) -> dict[str, Any]:
    """The document of `gate try --json`, and in it under `seen` what people read."""
    result = CliRunner().invoke(gate, ["try", *args, "--json"], standalone_mode=False)
    document: dict[str, Any] = json.loads(result.stdout)
    assert isinstance(result.exception, LockgateError | None)
    return document | {"seen": result.stderr, "returned": result.return_value}


def lines(document: dict[str, Any]) -> dict[str, str]:
    """line → verdict, over all gates and slices the worst."""
    order = ("pass", "inconclusive", "fail", "error")
    verdicts: dict[str, str] = {}
    for result in document["evidence"]["gates"]:
        texts = {entry["id"]: entry["text"] for entry in result["requirements"]}
        for finding in result["findings"]:
            text = texts[finding["requirement"]]
            verdicts[text] = max(verdicts.get(text, "pass"), finding["verdict"], key=order.index)
    return verdicts


def customers(rows: int = ROWS) -> pd.DataFrame:
    """Who left, by age, spending and country; of the last few rows one may train, of the first one may judge."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "spent": rng.gamma(2.0, 50.0, rows).round(2),
            "country": np.tile(["DE", "FR"], rows // 2),
        }
    )
    score = 0.05 * (frame.age - 45) + 0.01 * (frame.spent - 100) + (frame.country == "FR")
    return frame.assign(left=np.where(score + rng.normal(0, 1, rows) > 0, "yes", "no"))


def classifier(rows: pd.DataFrame, *columns: str) -> Any:
    """Trained on a data frame, whose column of texts it encodes itself."""
    numbers = [name for name in columns if name != "country"]
    parts = make_column_transformer((OneHotEncoder(), ["country"]), (StandardScaler(), numbers))
    return make_pipeline(parts, LogisticRegression()).fit(rows[list(columns)], rows.left)


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows, a good model and one that was not shown the age."""
    folder, rows = tmp_path_factory.mktemp("models"), customers()
    rows[: ROWS // 2].to_csv(folder / "test.csv", index=False)
    joblib.dump(classifier(rows[ROWS // 2 :], "age", "spent", "country"), folder / "good.joblib")
    joblib.dump(classifier(rows[ROWS // 2 :], "spent", "country"), folder / "poor.joblib")
    return folder


def test_one_file_is_held_to_what_guessing_reaches_and_each_slice_is_looked_at(two_models: Path) -> None:
    """Label, task, positive class, probabilities and slices are found; nothing is published, and nothing can be promoted."""
    data = str(two_models / "test.csv")
    document = judge(str(two_models / "good.joblib"), "--data", data, "--label", "left")

    share = pd.read_csv(data).left.value_counts(normalize=True)["yes"]
    best_guess = f"average_precision >= {math.ceil(share * 1000 - 1e-9) / 1000:g}"

    assert lines(document) == {"auc >= 0.5": "pass", best_guess: "pass", "auc >= 0.5 on each slice": "pass"}
    assert (document["verdict"], document["returned"], document["opens"]) == ("pass", 0, "no")
    assert "country=FR" in document["seen"]
    assert "no line was named, so it is held to what guessing reaches" in document["seen"]
    assert document["next"] == [f"gate init --model NAME --data {data} --label left --task binary"]
    assert "first register the model with MLflow, and write the name it has there for NAME" in " ".join(
        document["seen"].split()
    )
    report = Path(document["run"]["files"]["md"])
    assert report.is_relative_to(Path.cwd() / ".gate" / "tries")
    assert "Compared with no champion. It was only to be looked at, so it can promote nothing." in report.read_text()
    assert not (Path.cwd() / ".gate" / "latest").exists()


def test_a_candidate_that_is_worse_than_the_champion_fails(two_models: Path) -> None:
    """Overall, with tolerances that the rows decide; slices with too few rows for one are watched for harm."""
    document = judge(
        *(str(two_models / name) for name in ("poor.joblib", "good.joblib")), "--data", str(two_models / "test.csv")
    )
    judged = lines(document)

    assert (document["verdict"], document["returned"]) == ("fail", 1)
    assert next(verdict for line, verdict in judged.items() if line.startswith("auc >= champion - ")) == "fail"
    assert any(line.startswith("auc >= champion - ") and " on each slice" in line for line in judged)
    claims = {f["decided"]["claim"] for g in document["evidence"]["gates"] for f in g["findings"] if f["slice"]}
    assert claims == {"no_harm"}
    assert "--no-slices for none" in " ".join(document["seen"].split())
    assert "against champion good.joblib version" in document["seen"]
    assert "left is taken for the truth" in document["seen"]


def test_slices_that_are_too_small_for_their_line_are_named_beside_the_tolerance_and_where_it_is_from(
    two_models: Path,
) -> None:
    """A pass of theirs is no proof, although somebody asked for one."""
    good = str(two_models / "good.joblib")
    document = judge(good, good, "--data", str(two_models / "test.csv"), "--slice", "country")
    seen = " ".join(document["seen"].split())

    assert re.search(
        r"too few rows for a proof on country=DE \(150 rows, \d+ positive\), country=FR \(150 rows, \d+ positive\)",
        seen,
    )
    assert "so it is held to the champion: auc >= champion - " in seen


def test_a_slice_is_small_by_its_positive_rows_where_they_are_rare_as_in_the_pipeline_of_gate_init() -> None:
    """Of an adult census: many rows of which few are positive prove less than few rows of which many are."""
    slices = [LabelCounts(rows, positives) for rows, positives in ((2_513, 44), (763, 348), (12_000, 3_000))]
    even = [LabelCounts(rows, 2 * rows // 3) for rows in (400, 9_000)]

    assert no_worse("binary", LabelCounts(15_276, 3_392), slices=slices, named=True).small == {"min_positives": 348}
    assert no_worse("binary", LabelCounts(9_400, 6_266), slices=even, named=True).small == {"min_rows": 9_000}
    assert no_worse("binary", LabelCounts(800, 533), slices=even[:1], named=True).small == {"min_rows": 401}


@pytest.mark.parametrize("choice", [{}, {"slices": ("country",)}, {"no_slices": True}])
def test_a_slice_is_held_to_the_full_claim_where_somebody_named_it(two_models: Path, choice: dict[str, Any]) -> None:
    """One that was found is tested for harm, so that too few rows do not block; or there are none."""
    question = Question("new", "old", str(two_models / "test.csv"), "left", **choice)
    subject = Subject(question, Dataset("data", DatasetSpec(path=question.data), Path.cwd()), {})
    line = no_worse("binary", subject.counts, slices=subject.slice_counts, named=bool(question.slices)).deciding[-1]

    if choice.get("no_slices"):
        assert subject.slices == []
        assert isinstance(line, str)
        assert "slice" not in line
    else:
        assert subject.slices == ["country"]
        assert grammar.read(line).claim == (None if choice else "no_harm")
        assert grammar.read(line).scope.kind == "each_slice"


def test_lines_of_ones_own_are_all_that_is_asked(two_models: Path) -> None:
    """On the slices that are named; one that cannot hold fails. The pipeline that is written says what was learned."""
    document = judge(
        str(two_models / "good.joblib"), "--data", str(two_models / "test.csv"), "--slice", "country",
        "--require", "accuracy >= 0.5 on each slice", "--require", "auc >= 0.99", "--write", "gates/churn.yaml",
    )  # fmt: skip
    written = loader.load(Path("gates/churn.yaml"), environ={})

    assert lines(document) == {"accuracy >= 0.5 on each slice": "pass", "auc >= 0.99": "fail"}
    assert document["returned"] == 1
    assert (written.model, written.task, written.positive) == ("churn", "binary", "yes")
    assert written.output is not None
    assert written.output.method == "predict_proba"
    assert [entry.column for entry in written.data["holdout"].slices] == ["country"]
    assert Path("models/churn.version").read_text() == "1\n"
    assert "write what --require names into gates/churn.yaml, too" in document["seen"]


def test_a_model_may_have_other_names_for_its_classes_than_the_data(two_models: Path) -> None:
    """Which is which, a person says; nothing is guessed."""
    rows = pd.read_csv(two_models / "test.csv")
    rows.assign(left=rows.left.map({"yes": "gone", "no": "stayed"})).to_csv("words.csv", index=False)
    call = (str(two_models / "good.joblib"), "--data", "words.csv", "--label", "left")

    unclear, clear = judge(*call), judge(*call, "--positive", "gone=yes")

    assert unclear["exit_code"] == 2
    assert "--positive stayed=no or --positive stayed=yes" in unclear["error"]["remedy"]
    assert lines(clear)["auc >= 0.5"] == "pass"


class Own:
    """Gives classes, and says nothing of itself."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.where(rows["age"] > 45, "yes", "no")


def _flowers() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    kinds = np.tile(["iris", "rose", "tulip"], 50)
    return pd.DataFrame({"height": rng.normal(0, 1, 150) + 4 * (kinds == "rose"), "width": rng.normal(0, 1, 150) + 4 * (kinds == "tulip"), "kind": kinds})  # fmt: skip


def _houses() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    size = rng.uniform(20, 200, 200)
    return pd.DataFrame({"size": size, "rooms": np.round(size / 25), "price": 3.0 * size + rng.normal(0, 20, 200)})


def _fitted(model: Any, rows: pd.DataFrame, label: str, *, names: bool = True) -> Any:
    inputs = rows.drop(columns=label)
    return model.fit(inputs if names else inputs.to_numpy(), rows[label])


@pytest.mark.parametrize(
    ("rows", "label", "make", "line"),
    [
        (_houses, "price", lambda rows: _fitted(LinearRegression(), rows, "price"), "r2 >= 0"),
        (_flowers, "kind", lambda rows: _fitted(LogisticRegression(), rows, "kind"), "recall(average=macro) >= 0.334"),
        (_flowers, "kind", lambda rows: _fitted(RidgeClassifier(), rows, "kind", names=False), "recall(average=macro) >= 0.334"),
        (customers, "left", lambda rows: Own(), "accuracy >= 0.654"),
    ],
)  # fmt: skip
def test_any_kind_of_model_comes_to_a_verdict(
    rows: Callable[[], pd.DataFrame], label: str, make: Callable[[pd.DataFrame], Any], line: str
) -> None:
    """A regression, several classes, one trained without names of columns, and one whose answers alone show that they are classes."""
    table = rows()
    table.to_parquet("rows.parquet")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    Path("model.pkl").write_bytes(cloudpickle.dumps(make(table)))

    document = judge("model.pkl", "--data", "rows.parquet", "--label", label)

    assert (document["verdict"], lines(document)[line]) == ("pass", "pass")


def test_of_many_columns_a_message_lists_the_first_and_the_last_and_says_how_many_more_there_are() -> None:
    pd.DataFrame([range(50)], columns=[f"x{number}" for number in range(50)]).to_csv("wide.csv", index=False)
    question = Question("model.joblib", None, "wide.csv", label="z")
    subject = Subject(question, Dataset("data", DatasetSpec(path=question.data), Path.cwd()), {})
    with pytest.raises(LockgateError, match=r"its columns are x0, .*, x19, x30, .*, x49 and 10 more$"):
        _ = subject.rows


@pytest.mark.parametrize("features", [(), ("--features", "image")])
def test_a_column_of_lists_is_the_array_that_a_model_was_fitted_on(features: tuple[str, ...]) -> None:
    """In its own shape, of which the model counts only one dimension as features."""
    rng = np.random.default_rng(5)
    images, dark = rng.normal(size=(200, 4, 3)), np.repeat([0, 1], 100)
    images[dark == 1] -= 0.5
    model = make_pipeline(FunctionTransformer(np.reshape, kw_args={"shape": (-1, 12)}), LogisticRegression())
    joblib.dump(model.fit(images, dark), "model.joblib")
    pd.DataFrame({"image": [image.tolist() for image in images], "dark": dark}).to_parquet("images.parquet")

    document = judge("model.joblib", "--data", "images.parquet", "--label", "dark", *features)

    assert (document["verdict"], lines(document)["auc >= 0.5"]) == ("pass", "pass")


def test_scores_are_cut_where_the_model_itself_decides_and_a_guessed_order_is_said(two_models: Path) -> None:
    """At 0 of a decision function, whose accuracy is that of its own predictions; beside probabilities there is no one cut."""
    rows = pd.read_csv(two_models / "test.csv")
    numbers, truth = rows[["age", "spent"]].to_numpy(), (rows.left == "yes").astype(int)
    for name, model in {"ridge": RidgeClassifier(), "logistic": LogisticRegression()}.items():
        joblib.dump(make_pipeline(StandardScaler(), model).fit(numbers, truth), f"{name}.joblib")
    rows.assign(left=truth).drop(columns="country").to_csv("numbers.csv", index=False)
    right = float((joblib.load("ridge.joblib").predict(numbers) == truth).mean())
    call = ("--data", "numbers.csv", "--label", "left", "--no-slices", "--require")

    own = judge("ridge.joblib", *call, "accuracy >= 0.5")
    mixed = judge("ridge.joblib", "logistic.joblib", *call, "accuracy >= champion - 0.1")

    (finding,) = [
        each for gate in own["evidence"]["gates"] for each in gate["findings"] if each["subject"] == "accuracy"
    ]
    assert float(finding["observed"]) == pytest.approx(right)
    assert "was given age, spent in the order of the data (--features a,b,c for another)" in own["seen"]
    assert mixed["exit_code"] == 2, mixed
    assert "cuts scores at a threshold" in mixed["error"]["message"]


def test_what_lets_somebody_into_the_data_is_neither_shown_nor_written(two_models: Path) -> None:
    """A pipeline that would be committed is refused; what is kept of a trial names the address alone."""
    data = "https://ana:secret@example.invalid/test.csv?sig=secret"
    question = Question("good.joblib", None, data)
    kept = text(redacted({"data": {"data": {"path": data}}}))
    refused = judge(str(two_models / "good.joblib"), "--data", data, "--write", "gates/churn.yaml")

    assert "secret" not in kept + question.shown_data + refused["seen"] + json.dumps(refused)
    assert refused["exit_code"] == 2


def test_a_folder_of_mlflow_is_compared_with_its_signature_too(two_models: Path) -> None:
    """And asked for its probabilities, which its predict does not give."""
    rows = pd.read_csv(two_models / "test.csv")
    inputs = rows.drop(columns="left")
    model = joblib.load(two_models / "good.joblib")
    mlflow.sklearn.save_model(
        model, "model", signature=mlflow.models.infer_signature(inputs, rows.left), pip_requirements=[]
    )

    document = judge(
        "model", str(two_models / "good.joblib"), "--data", str(two_models / "test.csv"), "--label", "left"
    )

    assert lines(document)["data_mismatches <= 0"] == "pass"
    assert document["verdict"] == "pass"


def test_cells_of_bytes_are_decoded_for_a_model_whose_signature_is_a_tensor() -> None:
    """The label is the column that the tensor leaves, and the pipeline that is written says how they are decoded."""
    draw = np.random.default_rng(5)
    values, kind = draw.normal(size=(200, 4)), np.repeat([0, 1], 100)
    values[kind == 1] -= 1
    cells = []
    for row in values:
        file = io.BytesIO()
        np.save(file, row)
        cells.append(file.getvalue())
    pd.DataFrame({"scan": cells, "finding": kind}).to_parquet("scans.parquet")
    model = LogisticRegression().fit(values, kind)
    signature = mlflow.models.infer_signature(values, model.predict(values))
    mlflow.sklearn.save_model(model, "model", signature=signature, pip_requirements=[])

    document = judge("model", "--data", "scans.parquet", "--write", "gates/scans.yaml")

    assert document["verdict"] == "pass"
    assert 'inputs: {"scan": {column: "scan", decode: npy}}' in Path("gates/scans.yaml").read_text()


ATTEMPTS = """
denied = []
for path, mode in {paths}:
    try:
        open(path, mode)
    except OSError:
        denied.append(mode)
raise RuntimeError(f"denied {{' and '.join(denied)}}")
"""


class Attempts:
    """What a pickle of somebody's runs as soon as it is read."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> Any:
        return exec, (self.code,)


@pytest.mark.skipif(not kernel().landlock, reason="this machine has no box")
def test_what_a_pickle_runs_when_it_is_read_stays_in_the_box(two_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can neither read the rows by which it is judged nor write beside them."""
    monkeypatch.setenv("GATE_PYTHON", sys.executable)  # the warm one is forked outside of the box
    rows, mark = two_models / "test.csv", two_models / "mark"
    joblib.dump(Attempts(ATTEMPTS.format(paths=[(str(rows), "r"), (str(mark), "w")])), "hostile.joblib")

    document = judge("hostile.joblib", "--data", str(rows), "--label", "left")

    assert document["exit_code"] == 4
    assert "RuntimeError: denied r and w" in document["error"]["message"]
    assert not mark.exists()


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["god.joblib", "--data", "test.csv"], "there is no model at god.joblib; did you mean 'good.joblib'?"),
        (["good.joblib", "--data", "tset.csv"], "there are no data at tset.csv; did you mean 'test.csv'?"),
        (["good.joblib", "--data", "test.csv", "--label", "lft"], "--label: test.csv has no column 'lft'; did you mean 'left'?"),
        (["good.joblib", "--data", "test.csv", "--label", "left", "--positive", "maybe"], "--positive: left holds no 'maybe'"),
        (["good.joblib", "--data", "test.csv", "--require", "auc > "], "--require: "),
        (["good.joblib", "--data", "test.csv", "--require", "aucc >= 0.8"], "metrics knows no 'aucc'"),
        (["good.joblib", "--data", "test.csv", "--write", "churn.yaml"], "--write: churn.yaml is no pipeline of this project"),
        (["models:/good", "--data", "test.csv"], "models:/good is no address of a model"),
        (["good.joblib", "--data", "test.csv", "--task", "ranking", "--query", "country"], "the column 'left' holds no numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_wrong_usage(
    two_models: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], problem: str
) -> None:
    """With the word that was probably meant; exit 2."""
    monkeypatch.chdir(two_models)
    document = judge(*args)

    assert document["error"]["message"].startswith(problem)
    assert document["exit_code"] == 2


def test_what_comes_next_is_the_pipeline_of_the_model_where_there_is_one(tmp_path: Path) -> None:
    """Of a registered version; a second pipeline is not asked for. Rows that it judges by are named as used and not counted."""
    question = Question("models:/fraud/7", None, "t.csv", "left", "binary")
    (tmp_path / "gates").mkdir()
    (tmp_path / "gates" / "fraud.yaml").write_text(text(bare("fraud", question, "t.csv")))
    subject = Subject(question, Dataset("data", DatasetSpec(path="t.csv"), tmp_path), {})
    there, elsewhere = (
        FinishedTrial(STOPPED, RunFolder(tmp_path), subject, root) for root in (tmp_path, tmp_path / "other")
    )

    assert there.commands == ["gate run gates/fraud.yaml --candidate 7"]
    assert elsewhere.commands == ["gate init --model fraud --data t.csv --label left --task binary"]
    assert there.uncounted.startswith(
        "these rows are data of gates/fraud.yaml, and this evaluation of them is counted nowhere"
    )
    assert elsewhere.uncounted == ""
