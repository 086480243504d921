"""What `gate init` writes of models that it asked: real ones, in one registry, that answer classes, amounts and images."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from helpers import blank
from lockgate.cli.commands import run
from lockgate.cli.commands.init import command
from lockgate.cli.drafting.answers import sampled_words
from lockgate.errors import UsageError
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline

ROWS = 600


def people() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    frame = pd.DataFrame({"age": draw.normal(size=ROWS), "weight": draw.uniform(1, 2, ROWS)})
    noisy = frame["age"] + draw.normal(0, 0.5, ROWS)
    frame["sex"] = np.where(draw.uniform(size=ROWS) < 0.5, "f", "m")
    frame["income"] = np.where(noisy > 0.7, ">50K", "<=50K")
    frame["quality"] = np.clip(np.round(6 + noisy), 3, 9).astype(int)
    return frame


def saved_array(values: np.ndarray[Any, Any]) -> bytes:
    """What numpy.save writes."""
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as people have it: MLflow's database, models beside it, and a file of rows for each."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import LinearSVC

    folder, frame = tmp_path_factory.mktemp("project"), people()
    uri = blank.copied(folder / "mlflow.db")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    named, images = frame[["age", "weight"]], frame[["age", "weight"]].to_numpy()
    models: dict[str, tuple[Any, Any, Any]] = {
        "income": (LogisticRegression(), named, frame["income"]),
        "machine": (LinearSVC(), named, frame["income"]),
        "quality": (Ridge(), named, frame["quality"]),
        "images": (LogisticRegression(), images, frame["quality"]),
    }
    for name, (model, inputs, truth) in models.items():
        model.fit(inputs, truth)
        signature = infer_signature(inputs, model.predict(inputs))
        path = folder / "models" / f"logged-{name}"
        mlflow.sklearn.save_model(
            model,
            path,
            signature=signature,
            input_example=None if name == "images" else inputs[:2],
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
        client.create_registered_model(name)
        client.create_model_version(name, source=str(path))
    _with_training_data(client, folder, frame)
    frame.drop(columns="quality").to_csv(folder / "people.csv", index=False)
    frame.drop(columns="income").rename(columns={"quality": "points"}).to_csv(folder / "wines.csv", index=False)
    pd.DataFrame({"pixels": images.tolist(), "digit": frame["quality"]}).to_parquet(folder / "images.parquet")
    saved = [saved_array(row) for row in images]
    pd.DataFrame({"scan": saved, "kind": frame["quality"]}).to_parquet(folder / "scans.parquet")
    return folder


def _with_training_data(client: Any, folder: Path, frame: pd.DataFrame) -> None:
    """`loans`, which is given a sex, and whose run logged what it was trained on: 40 rows of the holdout among others."""
    import mlflow
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = ["age", "weight", "sex"]
    train = pd.concat([frame.head(40), frame.tail(ROWS - 40).assign(age=lambda rows: rows["age"] + 0.01)])
    train.drop(columns="quality").to_csv(folder / "loans-train.csv", index=False)
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough"), LogisticRegression()
    )
    model.fit(train[columns], train["income"])
    path = folder / "models" / "logged-loans"
    mlflow.sklearn.save_model(
        model, path, signature=mlflow.models.infer_signature(train[columns], model.predict(train[columns])),
        input_example=train[columns].head(2), pyfunc_predict_fn="predict_proba", pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )  # fmt: skip
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    with mlflow.start_run() as logged:
        dataset = mlflow.data.from_pandas(train, source=str(folder / "loans-train.csv"))
        mlflow.log_input(dataset, context="training")
    client.create_registered_model("loans")
    client.create_model_version("loans", source=str(path), run_id=logged.info.run_id)


@pytest.fixture(autouse=True)
def _inside(project: Path, warm_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GATE_PYTHON", warm_python)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def written(model: str, data: str) -> tuple[Pipeline, str]:
    """The pipeline that is written where nothing is said but the two, and what is printed."""
    told = CliRunner().invoke(command, ["--model", model, "--data", data, "--force"], catch_exceptions=False).stdout
    return loader.load(Path(f"gates/{model}.yaml"), environ={}), told


def lines(pipeline: Pipeline, gate: str = "metrics") -> list[str]:
    return [str(line).rpartition(" ")[0] for line in pipeline.gate(gate).lines]


def limit(pipeline: Pipeline, place: int) -> float:
    return float(str(pipeline.gate("metrics").lines[place]).partition("= ")[2].split()[0])


def test_a_classifier_that_answers_classes_is_asked_for_probabilities() -> None:
    """A feature that is called weight weighs nothing; the limits are below what the version reaches, overall and by slice."""
    pipeline, told = written("income", "people.csv")
    holdout = pipeline.data["holdout"]

    assert (pipeline.task, pipeline.positive, holdout.label, holdout.weight) == ("binary", ">50K", "income", None)
    assert pipeline.output is not None
    assert pipeline.output.method == "predict_proba"
    assert [entry.column for entry in holdout.slices] == ["sex"]
    assert lines(pipeline) == [
        "auc >= champion -", "average_precision >= champion -", "auc >=", "auc >= 0.85 on each", "auc >= champion - 0.06 on each",
    ]  # fmt: skip
    assert 0.8 < limit(pipeline, 3) <= limit(pipeline, 2) < 0.92
    assert lines(pipeline, "latency") == ["errors <=", "p95_ms <="]
    assert not any(line.if_inconclusive for line in pipeline.gate("latency").lines), (
        "as nobody signs who could accept it"
    )
    assert "it answers with classes; the pipeline asks for its probabilities, output: {method: predict_proba}\n" in told
    assert Path("models/income.version").read_text() == "1\n"
    assert "soak" not in Path("gates/income.yaml").read_text()


def test_a_classifier_without_probabilities_is_judged_by_its_decisions() -> None:
    """No line is written that it could not answer."""
    pipeline, _ = written("machine", "people.csv")

    assert pipeline.output is None
    assert lines(pipeline)[:3] == ["accuracy >= champion -", "recall >= champion -", "accuracy >="]


def test_amounts_are_no_classes_though_few_whole_numbers_are_their_truth() -> None:
    """A model that answers numbers between them is a regression; of two that it is not given, the truth is that of numbers."""
    pipeline, told = written("quality", "wines.csv")

    assert (pipeline.task, pipeline.data["holdout"].label) == ("regression", "points")
    assert lines(pipeline) == [
        "rmse <= champion *", "mae <= champion *", "rmse <=", "mae <= 0.54 on each", "mae <= champion * 1.1 on each",
    ]  # fmt: skip
    assert 0.4 < limit(pipeline, 2) < 0.8
    assert "wines.csv: points is the truth\n" in told


def test_a_version_that_is_no_better_than_guessing_is_not_said_to_pass() -> None:
    """As where another column was taken for the truth: the limit written is what guessing reaches."""
    rows = pd.read_csv("wines.csv")
    rows.assign(points=rows["points"].sample(frac=1, random_state=1).to_numpy()).to_csv("mixed.csv", index=False)
    pipeline, told = written("quality", "mixed.csv")

    assert "so that it does not pass the pipeline: see whether points is the truth\n" in told
    assert "allows a little worse" not in told
    assert limit(pipeline, 2) == pytest.approx(rows["points"].std(), abs=0.02)


def test_a_tensor_is_fed_by_the_column_that_fits_it() -> None:
    """The other one is the truth, whatever it is called."""
    pipeline, told = written("images", "images.parquet")

    assert (pipeline.task, pipeline.data["holdout"].label, pipeline.output) == ("multiclass", "digit", None)
    assert lines(pipeline)[2] == "accuracy >="
    assert lines(pipeline, "signature") == ["data_mismatches <=", "breaking_changes <="]
    assert "it was logged without input example, and the pipeline does not ask for one" in told


def test_a_tensor_whose_cells_must_be_decoded_is_asked_as_it_is_written() -> None:
    """The line is in the pipeline, and the limit is one that the version reaches."""
    pipeline, told = written("images", "scans.parquet")

    assert 'inputs: {"scan": {column: "scan", decode: npy}}\n' in Path("gates/images.yaml").read_text()
    assert pipeline.data["holdout"].label == "kind"
    assert lines(pipeline)[2] == "accuracy >="
    assert "; the pipeline allows a little worse\n" in told


@pytest.mark.parametrize(
    ("model", "data"),
    [("income", "people.csv"), ("machine", "people.csv"), ("quality", "wines.csv"), ("images", "images.parquet")],
)
def test_the_first_run_of_what_is_written_passes(model: str, data: str) -> None:
    """With nothing edited: there is no champion, and the version meets the lines that it is asked by itself."""
    pipeline = f"gates/{model}.yaml"
    if not Path(pipeline).exists() or data not in Path(pipeline).read_text():  # of a test before, on these data
        written(model, data)
    names = [gate.title for gate in loader.load(Path(pipeline), environ={}).gates if gate.gate != "latency"]
    only = [f"--only={name}" for name in names]
    ended = CliRunner().invoke(run.command, [pipeline, *only, "--json"], standalone_mode=False)
    gates = {gate["name"]: (gate["verdict"], gate["counts"]) for gate in json.loads(ended.stdout)["evidence"]["gates"]}

    assert gates.pop("provenance") == ("fail", False), ended.output
    assert gates == dict.fromkeys({*names} - {"provenance"}, ("pass", True)), ended.output


def test_training_data_that_the_run_logged_are_held_apart_and_a_behaviour_gate_is_hinted_at() -> None:
    """Where the rows of both can be read; the hint is a gate once its signs are taken away."""
    pipeline, _ = written("loans", "people.csv")
    text = Path("gates/loans.yaml").read_text()
    hint = text.partition("  # - gate: behaviour\n")[2].splitlines()[:2]
    uncommented = text.replace("positive:", "threshold: 0.5\npositive:", 1).replace(
        "  # - gate: behaviour", "  - gate: behaviour"
    )
    for line in hint:
        uncommented = uncommented.replace(line, line.replace("# ", "", 1))

    assert [entry.training for entry in pipeline.data["holdout"].not_in] == [True]
    assert (
        "count for nothing: 40 of these 600 are in those of version 1, and above 1 % (max_seen) nothing passes" in text
    )
    behaviour = loader.read(uncommented, name="loans.yaml", root=Path.cwd()).gate("behaviour")
    assert [str(line) for line in behaviour.lines] == ["changed_rate(swap=sex) <= 1%"]
    assert "gate: behaviour" not in Path("gates/loans.yaml").read_text().replace("# - gate: behaviour", "")


def test_models_are_listed_where_none_is_named() -> None:
    """With their newest versions, and nobody waits for an answer."""
    with pytest.raises(UsageError, match=r"there are 5 models: .*income \(version 1\).*; name one with --model NAME"):
        CliRunner().invoke(command, [], catch_exceptions=False)


def test_a_model_that_does_not_answer_is_written_down_all_the_same() -> None:
    """And what hinders it is said before any run."""
    people().drop(columns=["age", "quality"]).to_csv("narrow.csv", index=False)
    pipeline, told = written("income", "narrow.csv")

    assert "it could not be asked, and gate run will not do better: " in told
    assert "input age is not in the data" in told
    assert told.endswith("next: mend that and write the pipeline anew with gate init --force\n")
    assert pipeline.output is None


class Person:
    """Answers what is asked by Enter, or by what it was given; remembers the questions."""

    def __init__(self, **answers: str) -> None:
        self.answers, self.questions = answers, list[tuple[str, str | None]]()

    def __call__(self, question: str, default: str | None, choices: Sequence[str] = ()) -> str:
        self.questions.append((question, default))
        return self.answers.get(question.split()[0].lower(), default) or ""


def test_only_what_nothing_shows_is_asked_and_enter_is_an_answer() -> None:
    """Of the census: which of two labels is meant; of columns without a sign: which holds the truth."""
    from lockgate.cli.drafting.registered import RegistryAddress, newest
    from lockgate.cli.drafting.rows import RowFlags, draft_rows

    address = RegistryAddress.near(Path.cwd())
    registry = address.open()
    assert registry is not None
    model, one, other = newest(registry, "income"), Person(), Person(which="<=50K")
    flags = RowFlags("people.csv", None, None, None, None)
    pressed = draft_rows("income", flags, address.root, address.text, model, ask=one)
    chosen = draft_rows("income", flags, address.root, address.text, model, ask=other)

    assert one.questions == [("Which label do high scores speak for?", ">50K")]
    assert (pressed.label, pressed.positive, chosen.positive) == ("income", ">50K", "<=50K")
    assert not pressed.guessed


def test_a_version_that_was_not_sent_all_rows_has_the_reason_beside_what_it_reaches() -> None:
    """For the time that they take, else since so many are enough; nothing of one that answered them all."""
    assert sampled_words(12_506, 16_281, 12_506) == "as many as it answers in about 15 s"
    assert sampled_words(50_000, 90_000, 50_000) == "as many as are asked at most"
    assert sampled_words(900, 900, 50_000) == ""
