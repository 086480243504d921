"""`gate init` writes a pipeline that can be checked at once, and never over somebody's work."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from scipy import special

from bench.decisions.asking import ask
from helpers.promoting import ssh_key
from helpers.reference import FILES
from helpers.web import Request, reply, serving
from lockgate.cli.commands import check, schema
from lockgate.cli.commands.init import command
from lockgate.cli.drafting.owners import NO_KEY
from lockgate.cli.drafting.registered import REGISTER
from lockgate.data.formats import parquet
from lockgate.errors import PipelineError, UsageError
from lockgate.evidence.finding import Verdict
from lockgate.pipeline import loader, yaml_reader
from lockgate.pipeline.pipeline import Pipeline


@pytest.fixture(autouse=True)
def _project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's home, and a folder without a registry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def init(*args: str) -> Result:
    return CliRunner().invoke(command, args, catch_exceptions=False)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ranking"])
def test_what_is_written_passes_the_check(task: str) -> None:
    """And nothing can be promoted before somebody wrote who signs."""
    found = init("--model", "fraud", "--task", task, "--yes")
    written = loader.load(Path("gates/fraud.yaml"), environ={})

    assert found.stdout == (
        f"fraud is not looked at: no version of it is registered at sqlite:///mlflow.db; register one with {REGISTER}\n"
        "there is no data yet: put rows that the model was not trained on, and their truth, into data/holdout.parquet, or "
        "name them with --data\n"
        f"{NO_KEY}\n"
        "wrote gates/fraud.yaml\n"
        "wrote gates/schema.json, which editors read: gate schema > gates/schema.json renews it after an upgrade\n"
        "wrote models/fraud.version, which holds the version that is evaluated\n"
        "next: commit what was written, then gate run --stage\n"
    )
    assert (written.model, written.task, written.signoff) == ("fraud", task, None)
    assert Path("models/fraud.version").read_text() == "1\n"


def test_editors_read_a_schema_of_what_is_written() -> None:
    """Its first line names the file beside it, which accepts it and prints as `gate schema` does."""
    init("--model", "fraud", "--yes")
    path = Path("gates/fraud.yaml")
    named = path.parent / path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")

    assert named.read_text() == CliRunner().invoke(schema.command).stdout
    assert Draft202012Validator(json.loads(named.read_text())).is_valid(yaml_reader.load(path)[0].data)


@pytest.mark.parametrize("model", ["no", "007", "my model", "a'b\"c", "naïve", "{x}", "# x", "..", "${X"])
def test_any_name_is_written_as_the_name_that_it_is(model: str) -> None:
    """Or refused with nothing left behind."""
    try:
        init("--model", model, "--yes")
    except (PipelineError, UsageError):
        assert not list(Path("gates").glob("*"))
        return
    [path] = Path("gates").glob("*.yaml")

    assert loader.load(path, environ={}).model == model


@pytest.mark.parametrize("model", ["日本", "CON", "nul.v2", "-", ".."])
def test_a_model_that_no_file_can_be_called_after_is_refused(model: str) -> None:
    """No two of them share a file, and no file is one that a system cannot have."""
    with pytest.raises(UsageError, match="no file can be called after the model"):
        init(f"--model={model}", "--yes")

    assert not Path("gates").exists()


def test_data_and_label_can_be_said() -> None:
    """So that no edit is needed for the simplest case."""
    init("--model", "fraud", "--data", "rows: 1.csv", "--label", "is fraud", "--yes")
    holdout = loader.load(Path("gates/fraud.yaml"), environ={}).data["holdout"]

    assert (holdout.path, holdout.label) == ("rows: 1.csv", "is fraud")


def test_nothing_is_overwritten_without_force() -> None:
    """Neither the pipeline nor the version."""
    init("--model", "fraud", "--yes")
    Path("gates/fraud.yaml").write_text("mine")
    Path("models/fraud.version").write_text("7\n")
    with pytest.raises(
        UsageError, match=r"gates/fraud.yaml is there already; edit it, or replace all of it with --force"
    ):
        init("--model", "fraud", "--yes")
    assert Path("gates/fraud.yaml").read_text() == "mine"
    Path("gates/fraud.yaml").unlink()
    again = init("--model", "fraud", "--yes")
    assert "kept models/fraud.version" in again.output
    assert Path("models/fraud.version").read_text() == "7\n"

    init("--model", "fraud", "--yes", "--force")
    assert Path("models/fraud.version").read_text() == "1\n"


def test_a_name_that_mlflow_cannot_have_is_refused() -> None:
    """And no file is left."""
    with pytest.raises(PipelineError, match="cannot be the name of a registered model"):
        init("--model", "team/fraud", "--yes")

    assert not Path("gates/team_fraud.yaml").exists()
    assert not Path("models").exists()


def test_without_a_terminal_nothing_is_asked() -> None:
    """A job that waits for an answer would wait forever."""
    with pytest.raises(
        UsageError, match=r"no model is registered at sqlite:///mlflow.db, and MLFLOW_TRACKING_URI is not set"
    ):
        init()


def table(rows: int, positives: int) -> None:
    import pyarrow.parquet as pq

    columns = {"y": [int(place < positives) for place in range(rows)], "age": list(range(rows))}
    pq.write_table(pa.table(columns), "rows.parquet")


@pytest.mark.parametrize(
    ("rows", "positives", "lines", "said"),
    [
        (3000, 300, ["auc >= champion - 0.02", "average_precision >= champion - 0.066", "auc >= 0.6"], "smallest tolerances with which 3,000 rows, 300 of"),
        (100000, 5000, ["auc >= champion - 0.0045", "average_precision >= champion - 0.0093", "auc >= 0.6"], "with which 100,000 rows, 5,000 of"),
        (3000, 9, ["auc >= champion - 0.03", "average_precision >= champion - 0.05", "auc >= 0.6"], "3,000 rows, 9 of them positive, are too few"),
    ],
)  # fmt: skip
def test_the_tolerance_is_the_smallest_that_the_rows_decide(
    rows: int, positives: int, lines: list[str], said: str
) -> None:
    """Rounded up, and the comment beside it says for how many rows."""
    table(rows, positives)
    init("--model", "fraud", "--data", "rows.parquet", "--label", "y", "--yes")
    text = Path("gates/fraud.yaml").read_text()

    assert [str(line) for line in loader.load(Path("gates/fraud.yaml"), environ={}).gate("metrics").lines] == lines
    assert said in text


def test_codes_of_csv_are_texts_to_init() -> None:
    """Zeros in front, and twenty digits."""
    rows = "".join(f"{'01' if i % 3 else '02'},{'01001' if i % 2 else '1001'},{10**19 + i}\n" for i in range(300))
    Path("d.csv").write_text("y,zip,iccid\n" + rows)
    init("--model", "m", "--yes", "--data", "d.csv", "--label", "y")
    pipeline = loader.load(Path("gates/m.yaml"), environ={})
    data = pipeline.data["holdout"]

    assert pipeline.positive == "02"
    assert (data.id, [entry.column for entry in data.slices]) == ("iccid", ["zip"])


def test_a_first_version_has_a_line_of_its_own() -> None:
    """It has no champion to be compared with, and would be undecided for ever; data that nobody can read say nothing of it."""
    init("--model", "m", "--yes", "--data", "none.csv", "--label", "y")
    unread = loader.load(Path("gates/m.yaml"), environ={}).gate("metrics").lines
    table(3000, 300)
    init("--model", "m", "--yes", "--force", "--data", "rows.parquet", "--label", "y")
    lines = loader.load(Path("gates/m.yaml"), environ={}).gate("metrics").lines

    assert [str(line) for line in lines if not line.limit.relative] == ["auc >= 0.6"]
    assert [line for line in unread if not line.limit.relative] == []


def test_the_tolerance_of_a_regression_is_a_factor() -> None:
    """Of the champion's own error; a first version must be nearer than the mean."""
    table(1000, 500)
    init("--model", "price", "--task", "regression", "--data", "rows.parquet", "--label", "age", "--yes")
    lines = loader.load(Path("gates/price.yaml"), environ={}).gate("metrics").lines

    assert [str(line) for line in lines] == ["rmse <= champion * 1.033", "mae <= champion * 1.036", "rmse <= 290"]
    assert (
        "confidence bounds of an error that has no largest value are approximate"
        in Path("gates/price.yaml").read_text()
    )


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b", "c"], "multiclass"),
        ([0, 1, 2], "multiclass"),
        ([0.0, 1.0, 2.0, None], "multiclass"),
        ([f"c{place}" for place in range(50)], "multiclass"),
        (["no", "yes"], "binary"),
        ([0, 1], "binary"),
        ([0.5, 1.5, 2.0], "regression"),
        ([Decimal(0), Decimal(1)], "binary"),
        ([Decimal("1.00"), Decimal("2.00"), Decimal("3.00")], "multiclass"),
        ([Decimal(row) for row in range(51)], "regression"),
        (list(range(51)), "regression"),
        ([f"c{place}" for place in range(51)], "binary"),
    ],
)
def test_the_task_is_told_from_the_label(values: list[object], task: str) -> None:
    """From 3 to 50 names or whole numbers are classes; where nothing can be told it is binary, as without data."""
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"y": values * 20}), "rows.parquet")
    init("--model", "fraud", "--data", "rows.parquet", "--label", "y", "--yes")

    assert loader.load(Path("gates/fraud.yaml"), environ={}).task == task


def test_what_is_asked_of_several_classes_is_what_their_rows_decide() -> None:
    """The classes are written out, each has a line of its own, and the smallest of them says what a mean over classes can show."""
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"team": ["billing"] * 1500 + ["fraud"] * 300 + ["it's"] * 1200}), "rows.parquet")
    init("--model", "tickets", "--data", "rows.parquet", "--label", "team", "--yes")
    written = loader.load(Path("gates/tickets.yaml"), environ={})

    assert written.classes == ("billing", "fraud", "it's")
    assert [str(line) for line in written.gate("metrics").lines] == [
        "accuracy >= champion - 0.016",
        "recall(average=macro) >= champion - 0.021",
        "recall(average=macro) >= 0.34",
        "recall(class=fraud) >= champion - 0.054",
        "recall(class=it's) >= champion - 0.025",
        "recall(class=billing) >= champion - 0.022",
    ]
    assert (
        "3,000 rows, 300 of them fraud, let an equally good version pass, 9 times in 10"
        in Path("gates/tickets.yaml").read_text()
    )


def test_a_ranking_is_judged_by_a_column_of_queries() -> None:
    """Who names one has a ranking, and no other task. Its tolerances are for `gate plan` to tell."""
    table(1000, 500)
    init(
        "--model", "search", "--data", "rows.parquet", "--label", "age", "--query", "search: id", "--yes"
    )  # fmt: skip
    written = loader.load(Path("gates/search.yaml"), environ={})

    assert written.task == "ranking"
    assert written.data["holdout"].query == "search: id"
    assert [str(line) for line in written.gate("metrics").lines] == [
        "ndcg(10) >= champion - 0.01",
        "mrr >= champion - 0.02",
    ]
    assert "# a tolerance that your rows can decide: see `gate plan`" in Path("gates/search.yaml").read_text()
    with pytest.raises(UsageError, match="only a ranking is judged by query"):
        init("--model", "fraud", "--task", "binary", "--query", "q", "--yes")


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_equal_candidates_pass_on_the_census_what_is_written(task: str) -> None:
    """All lines together, in 85 % of draws and more: models that are alike but for as much noise as the plan assumes."""
    people = pd.read_csv(FILES / "adult_test.csv.gz")
    label = {"binary": "income_over_50k", "regression": "hours_per_week"}[task]
    rows = 4000
    people.head(rows).to_csv("rows.csv", index=False)
    init("--model", "income", "--task", task, "--data", "rows.csv", "--label", label, "--yes")
    pipeline = loader.load(Path("gates/income.yaml"), environ={})
    lines = [str(line) for line in pipeline.gate("metrics").lines if line.limit.relative]
    truth = people[label].to_numpy(float)
    known = people["education_num"] + people["age"].clip(upper=50) / 8 + 4 * (people["capital_gain"] > 5000)
    draw, passed = np.random.default_rng(3), 0
    if task == "binary":
        score = special.ndtri((known.rank() - 0.5) / len(known)).to_numpy()
        spread = np.sqrt(np.mean([score[truth == kind].var() for kind in (0, 1)]))
    else:
        score = np.polyval(np.polyfit(known, truth, 1), known)
        spread = (truth - score).std()
    noise = spread * np.sqrt(1 / (0.9 if task == "binary" else 0.9**0.5) - 1)  # losses are squares of errors
    for _ in range(60):
        drawn = draw.integers(0, len(people), rows)
        pair = {name: score[drawn] + draw.normal(0, noise, rows) for name in ("candidate", "champion")}
        if task == "binary":
            pair = {name: special.expit(one) for name, one in pair.items()}
        found = ask({"label": truth[drawn], **pair}, lines, task=task)
        passed += all(one.verdict is Verdict.PASS for one in found)

    assert passed / 60 >= 0.85


def rows(count: int = 400) -> dict[str, list[object]]:
    """Columns of many kinds, and a label that needs no explanation."""
    return {
        "txn_id": [f"t{row}" for row in range(count)],
        "customer_id": [f"c{row // 2}" for row in range(count)],
        "w": [1.0 + row % 3 for row in range(count)],
        "country": [["AT", "DE", "(other)"][row % 3] for row in range(count)],
        "comment": [f"text {row}" for row in range(count)],
        "amount": [row / 7 for row in range(count)],
        "p": [(row % 10) / 10 for row in range(count)],
        "p_old": [(row % 9) / 10 for row in range(count)],
        "label": [row % 2 for row in range(count)],
    }


def written(columns: Mapping[str, Any], *args: str, file: str = "data/holdout.parquet") -> tuple[Pipeline, str]:
    """The pipeline for data of those columns, and its text."""
    import pyarrow.parquet as pq

    Path(file).parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if file.endswith(".csv"):
        table.to_pandas().to_csv(file, index=False)
    else:
        pq.write_table(table, file)
    init("--model", "fraud", *args, "--yes", "--force")
    return loader.load(Path("gates/fraud.yaml"), environ={}), Path("gates/fraud.yaml").read_text()


def test_columns_are_what_they_are_called_like_and_look_like() -> None:
    """An id comes once, what comes again is a cluster; recorded scores are between 0 and 1; few texts are slices."""
    pipeline, text = written(rows())
    holdout = pipeline.data["holdout"]

    assert (holdout.label, holdout.id, holdout.cluster, holdout.weight) == ("label", "txn_id", "customer_id", "w")
    assert holdout.scores == {"candidate": "p", "champion": "p_old"}
    assert [entry.slice_name for entry in holdout.slices] == ["country"]
    assert (pipeline.positive, pipeline.threshold, pipeline.champion == "none") == (1, None, False)
    assert "high scores speak for" not in text


def test_what_only_looks_like_something_stays_a_feature() -> None:
    """A score in other numbers, an id that is missing somewhere, a weight below zero, texts that hardly come again."""
    columns = rows() | {
        "p": list(range(400)),
        "txn_id": ["t", None] * 200,
        "customer_id": [None, "c"] * 200,
        "w": [-1.0, 1.0] * 200,
        "country": [f"k{row % 40}" for row in range(400)],
    }
    holdout = written(columns)[0].data["holdout"]

    assert (holdout.id, holdout.cluster, holdout.weight, holdout.scores, holdout.slices) == (None, None, None, None, ())


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        ([0, 1], 1),
        ([0.0, 1.0], 1),
        ([Decimal("0.00"), Decimal("1.00")], 1),
        ([-1, 1], 1),
        ([False, True], True),
        (["no", "yes"], "yes"),
        (["fine", "fraud"], "fraud"),
    ],
)
def test_the_positive_one_of_two_is_written_where_values_say_it(values: list[object], positive: object) -> None:
    """By their usual meaning."""
    pipeline, _ = written(rows() | {"label": values * 200})

    assert (pipeline.task, pipeline.positive, type(pipeline.positive)) == ("binary", positive, type(positive))


@pytest.mark.parametrize(
    ("rarer", "other"), [("left", "right"), ("right", "left"), (2, 1), (1, 2), ("bad", "good"), (">50K", "<=50K")]
)
def test_the_rarer_of_two_is_positive_where_nothing_says_it(rarer: object, other: object) -> None:
    """And that it is a guess is said on the terminal and in the file; a person says another."""
    pd.DataFrame({"a": range(400), "label": [rarer, other, other, other] * 100}).to_csv("d.csv", index=False)
    guessed = init("--model", "m", "--yes", "--data", "d.csv").stdout
    named = init("--model", "n", "--yes", "--data", "d.csv", "--positive", str(other)).stdout

    assert f"high scores speak for {rarer}, the rarer of the two (--positive names the other)\n" in guessed
    assert "  # the rarer of the two; write the other" in Path("gates/m.yaml").read_text()
    assert loader.load(Path("gates/m.yaml"), environ={}).positive == rarer
    assert f"high scores speak for {other}\n" in named
    assert loader.load(Path("gates/n.yaml"), environ={}).positive == other
    with pytest.raises(UsageError, match=r"the label holds .* and .*, not maybe; name one of them with --positive"):
        init("--model", "o", "--yes", "--data", "d.csv", "--positive", "maybe")


def test_scores_of_the_candidate_alone_have_nothing_to_be_compared_with() -> None:
    """The line is then about the candidate itself."""
    columns = rows()
    del columns["p_old"]
    pipeline, _ = written(columns)

    assert pipeline.data["holdout"].scores == {"candidate": "p"}
    assert pipeline.champion == "none"
    assert [(gate.gate, [str(line) for line in gate.lines]) for gate in pipeline.gates] == [
        ("metrics", ["auc >= 0.7", "auc >= 0.7 on each slice"])
    ]


def test_the_only_data_there_are_are_taken_and_the_label_by_its_name() -> None:
    """In another format and under another name."""
    columns = rows()
    columns["target"] = columns.pop("label")
    pipeline, _ = written(columns, file="data/scored.csv")

    assert (pipeline.data["holdout"].path, pipeline.data["holdout"].label) == ("data/scored.csv", "target")


def test_rows_without_a_truth_are_traffic() -> None:
    """Both models answer it, and how often they differ, and which way, is what can be judged."""
    columns = {name: values for name, values in rows().items() if name in ("txn_id", "amount")}
    pipeline, _ = written(columns, file="data/requests.parquet")

    assert [gate.gate for gate in pipeline.gates] == ["signature", "metadata", "shadow"]
    assert [str(line) for line in pipeline.gates[-1].lines] == [
        "flip_rate <= 2%",
        "lost_rate <= 10%",
        "new_errors <= 0",
    ]
    assert (pipeline.data["holdout"].label, pipeline.data["holdout"].id, pipeline.threshold) == (None, "txn_id", 0.5)


def test_a_truth_of_another_name_is_taken_and_its_data_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is to be known of them."""
    scanned: list[str] = []
    scan = parquet.scan
    monkeypatch.setattr(parquet, "scan", lambda file: scanned.append(file.name) or scan(file))
    columns = rows()
    columns["is_fraud"] = columns.pop("label")
    pipeline, text = written(columns | {"is_new": [row % 2 for row in range(400)]})

    assert (pipeline.data["holdout"].label, pipeline.positive, scanned) == ("is_fraud", 1, ["data/holdout.parquet"])
    assert "200 of them positive" in text
    assert "      # - auc >= champion - 0.06 on each slice" in text


def test_which_column_is_the_truth_is_for_a_person_to_say_where_nothing_says_it() -> None:
    """What may be one is named, and nothing is written; so it is for a label that the data lack."""
    pd.DataFrame({"a": range(400), "is_new": [0, 1] * 200, "is_big": [0, 1] * 200}).to_csv("d.csv", index=False)
    for flags, problem in (
        ([], "is_new or is_big may hold the truth in d.csv; name the one that does with --label COLUMN"),
        (["--label", "prise"], "d.csv has no column 'prise'; it has a, is_new, is_big"),
        (["--task", "regression"], "no column of d.csv is called like a truth; it has a, is_new, is_big"),
    ):
        with pytest.raises(UsageError, match=problem):
            init("--model", "m", "--yes", "--data", "d.csv", *flags)
    assert not Path("gates").exists()


def test_data_without_anything_like_a_truth_are_said_to_be_such() -> None:
    """With what may be one by its values alone."""
    pd.DataFrame({"a": range(400), "member": [0, 1] * 200}).to_csv("d.csv", index=False)
    said = init("--model", "m", "--yes", "--data", "d.csv").stdout

    assert "no column of d.csv is called like a truth; --label NAME names it (member?)\n" in said
    assert [gate.gate for gate in loader.load(Path("gates/m.yaml"), environ={}).gates] == [
        "signature",
        "metadata",
        "shadow",
    ]


NAMES = ("id", "champion", "champion_group", "candidate:iou", "candidate:", "${x}", "$x", "", " ", " lead", "a: b", "- a",
         "#", '"', "\\", "{x}", "no", "null", "1e5", "<<", "each slice", "a\nb", "a\x85b", "\u2028", "\ufeff", "a\x00b", "x" * 2000)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"])), max_size=3))
def test_whatever_columns_are_called_the_pipeline_is_accepted(names: set[str]) -> None:
    """Each is a slice, under another name where its own is taken, but those that no pipeline can name."""
    names -= {"label"}
    pipeline, _ = written({"label": [0, 1] * 30} | {name: ["a", "b"] * 30 for name in names})
    slices = pipeline.data["holdout"].slices

    assert {entry.column for entry in slices} == {
        name for name in names if name.strip() and not any(sign in name for sign in ("${", "\0"))
    }


def test_what_no_pipeline_can_name_is_left_out_and_said() -> None:
    """But numbers of rows, which pandas writes without a name; a label that is named so is refused."""
    frame = pd.DataFrame({"": range(60), "label": [0, 1] * 30, "${x}": ["a", "b"] * 30})
    frame.to_csv("d.csv", index=False)
    said = init("--model", "m", "--yes", "--data", "d.csv").stdout

    assert "the column '${x}' is left out, which no pipeline can name: variables are read in paths, " in said
    assert said.count("is left out") == 1
    for option in ("--label", "--query"):
        with pytest.raises(
            UsageError, match=r"no pipeline can name the column '\$\{x\}': variables are read in .*; rename"
        ):
            init("--model", "n", "--yes", "--data", "d.csv", "--task", "ranking", option, "${x}")
    assert not Path("gates/n.yaml").exists()


@pytest.mark.parametrize("classes", [["a\nb", "c\u2028d", "# e"], ["${a}", "b", "c"]])
def test_any_classes_are_written_as_they_are(classes: list[object]) -> None:
    """Or, where no pipeline can name one, left to the label."""
    pipeline, _ = written({"label": classes * 30})

    assert pipeline.classes in (tuple(sorted(map(str, classes))), ())


@pytest.mark.parametrize("values", ["list", "date", "bytes", "float16"])
def test_lists_moments_and_bytes_are_no_truth(values: str) -> None:
    """Whatever they are called; numbers of 16 bits are one."""
    kinds = {"list": pa.list_(pa.int8()), "date": pa.date32(), "bytes": pa.large_binary(), "float16": pa.float16()}
    cells = {"list": [[0], [1]], "bytes": [b"no", b"yes"]}.get(values, [0, 1])
    pipeline, _ = written({"label": pa.array(cells * 30, kinds[values])})

    assert pipeline.data["holdout"].label == ("label" if values == "float16" else None)


def accounts(request: Request, _: socket.socket) -> bytes:
    """As GitHub answers to who has no token."""
    known = {"ana": ("User", 1071), "acme": ("Organization", 7)}
    login = request.path.rpartition("/")[2]
    if login not in known:
        return reply(404, {"message": "Not Found"})
    return reply(200, {"login": login, "type": known[login][0], "id": known[login][1], "node_id": "x"})


def test_owners_are_written_with_the_number_of_their_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the API says it; where nothing answers, the line waits with the command that prints it."""
    monkeypatch.setenv("PATH", str(tmp_path))  # without gh
    with serving(accounts) as web:
        monkeypatch.setenv("GITHUB_API_URL", web.url)
        init("--model", "fraud", "--owner", "@ana")
        for name, problem in (("acme", "of type Organization"), ("nobody", "has no account"), ("a b", "is no login")):
            with pytest.raises(UsageError, match=problem):
                init("--model", "x", "--owner", name)
    away = init("--model", "churn", "--owner", "bo")
    pipeline, line = loader.load(Path("gates/fraud.yaml"), environ=None), Path("gates/churn.yaml").read_text()

    assert pipeline.signoff is not None
    assert [(owner.github, owner.id) for owner in pipeline.signoff.groups["owners"]] == [("ana", 1071)]
    assert not Path("gates/x.yaml").exists()
    assert "#       - {github: bo, id: N}  # gh api users/bo --jq .id prints N\n" in line
    assert "bo cannot approve yet, as GitHub did not tell the id" in away.output
    assert loader.load(Path("gates/churn.yaml"), environ=None).signoff is None


def test_without_a_network_the_number_is_said_or_taken_from_another_pipeline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody is asked for a number that is there; what is none is refused."""
    monkeypatch.setenv("PATH", str(tmp_path))  # without gh
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    init("--model", "fraud", "--owner", "ana:1071")
    init("--model", "churn", "--owner", "@ana", "--owner", "bo:7")
    init("--model", "price", "--github")
    signoffs = [loader.load(Path(f"gates/{name}.yaml"), environ=None).signoff for name in ("fraud", "churn")]

    assert [[owner.id for owner in signoff.groups["owners"]] for signoff in signoffs if signoff] == [[1071], [1071, 7]]
    assert (
        "#       - {github: ana, id: 1071}  # as in another pipeline of gates/\n"
        in Path("gates/price.yaml").read_text()
    )
    for wrong in ("ana:", "ana:x", "ana:0", "a b:7"):
        with pytest.raises(UsageError, match=r"is no (account with its number|login of GitHub)"):
            init("--model", "x", "--owner", wrong)


def test_the_next_command_names_the_pipeline_where_there_are_several() -> None:
    """Without its path it would be refused."""
    alone, beside = init("--model", "fraud", "--yes"), init("--model", "churn", "--yes")

    assert alone.stdout.endswith("next: commit what was written, then gate run --stage\n")
    assert beside.stdout.endswith("next: commit what was written, then gate run gates/churn.yaml --stage\n")


def test_owners_of_a_pipeline_that_is_there_are_for_a_person_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to write is said where nobody signs yet, which a comment that shows how does not change."""
    init("--model", "fraud", "--yes")
    path = Path("gates/fraud.yaml")
    with serving(accounts) as web:
        monkeypatch.setenv("GITHUB_API_URL", web.url)
        monkeypatch.setenv("PATH", "")  # without gh
        with pytest.raises(UsageError, match="is there already, and says of nobody that they sign; write this") as none:
            init("--github", "--owner", "ana")
    with pytest.raises(UsageError, match=r"\nsignoff:\n.*\n.*\n      - {github: bo, id: N}  # gh api users/bo"):
        init("--github", "--owner", "bo")  # GitHub does not answer any more
    path.write_text(f"{path.read_text()}\n{str(none.value).partition(chr(10))[2]}\n")
    signoff = loader.load(path, environ=None).signoff
    with pytest.raises(UsageError, match="is there already, and says who signs; write --owner into it"):
        init("--github", "--owner", "bo")

    assert signoff is not None
    assert [(owner.github, owner.id) for owner in signoff.groups["owners"]] == [("ana", 1071)]
    assert not Path(".github").exists()


def test_the_number_is_taken_from_gh_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It knows the server, and has the token that a company's needs."""
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text('#!/bin/sh\n[ "$*" = "api users/ana" ] && echo \'{"login": "ana", "id": 5, "type": "User"}\'\n')
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gh.parent}:/usr/bin:/bin")
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    init("--model", "fraud", "--owner", "ana")

    assert "      - {github: ana, id: 5}\n    # authors: [" in Path("gates/fraud.yaml").read_text()


def test_that_comments_cannot_approve_is_told(tmp_path: Path) -> None:
    """Where nobody signs yet, and where owners have nothing but a key."""
    first = init("--model", "fraud", "--github")
    path = Path("gates/fraud.yaml")
    key = ssh_key(tmp_path, "olga").with_suffix(".pub").read_text().strip()
    path.write_text(
        f'{path.read_text()}\nsignoff: {{groups: {{owners: [{{key: "{key}"}}]}}, require: {{owners: 1}}}}\n'
    )
    again = init("--github", "--force")
    checked = CliRunner().invoke(check.command, [], standalone_mode=False)
    Path(".github/workflows/gate-approve.yml").rename("approve.yml")
    elsewhere = CliRunner().invoke(check.command, [], standalone_mode=False)
    path.write_text(path.read_text().replace("task: binary", "task: bin"))
    broken = init("--github", "--model", "fraud", "--force")

    assert "kept gates/fraud.yaml" in again.output
    assert "'bin' is not known as task; known: binary" in broken.output
    assert broken.output.count("to do: gates/fraud.yaml:") == 1, broken.output
    assert "to do: comments cannot approve gates/fraud.yaml: it names no owners yet" in first.output
    assert "to do: comments cannot approve gates/fraud.yaml: owners needs 1 and 0 can" in again.output
    assert "gh api users/LOGIN --jq .id" in again.output
    assert "gates/fraud.yaml: note: comments on GitHub cannot approve it: owners needs 1 and 0 can" in checked.stderr
    assert "comments on GitHub" not in elsewhere.stderr  # no workflow would read them
    assert (checked.exit_code, elsewhere.exit_code) == (0, 0)
