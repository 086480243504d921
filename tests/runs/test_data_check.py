"""Data are held against the pipeline before anything else: all that is wrong at once, each at its line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner, Result

from lockgate.cli.commands.check import command
from lockgate.data.dataset import Dataset
from lockgate.errors import DataMisfits
from lockgate.pipeline.loader import load
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.data_check import require_data

HEAD = """\
model: fraud
task: binary
registry: {uri: "sqlite:///nowhere.db"}
"""
GATES = "gates: [{gate: metrics, data: holdout, require: [auc >= 0.8]}]\n"
ROWS = {"is_fraud": [0, 1], "amount": [1.5, 2.5], "country": ["AT", "DE"], "weight": [1.0, 2.0], "p": [0.1, 0.9]}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "gates").mkdir()
    (tmp_path / ".gitignore").write_text("/pulled/\n")
    parquet.write_table(pa.table(ROWS), tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text("is_fraud,amount,country\n0,1,AT\n1,2,DE\n")
    monkeypatch.chdir(tmp_path)


def pipeline(data: str, gates: str = GATES) -> Pipeline:
    Path("gates/a.yaml").write_text(f"{HEAD}data:\n  holdout: {data}\n{gates}")
    return load(Path("gates/a.yaml"), environ={})


def check(*args: str) -> Result:
    return CliRunner().invoke(command, ["--data", *args])


def required(read: Pipeline) -> list[str]:
    """What a run refuses to begin with."""
    try:
        require_data(read, read.gates, lambda name: Dataset(name, read.data[name], read.root), remote_ones=False)
    except DataMisfits as refusal:
        return list(refusal.complaints)
    return []


NAMED = """{path: rows.parquet, label: isfraud, id: txn, cluster: usr, weight: wieght, time: at,
    scores: {candidate: q, champion: p},
    slices: [county, {column: amuont, name: band, bins: [0, 10]}, {name: rich, where: {ammount: {gt: 5}}}]}"""


def test_every_column_that_is_not_there_is_named_at_its_place() -> None:
    """With what was probably meant; check also names a time that nothing is counted back from."""
    read = pipeline(NAMED)
    checked = check()

    lines = [line for line in checked.stderr.splitlines() if " note: " not in line]
    places = [line.split(": ")[0] for line in lines]
    assert checked.exit_code == 4
    assert places == [
        f"gates/a.yaml:{at}" for at in ("5:40", "5:53", "5:67", "5:80", "5:94", "6:25", "7:14", "7:31", "7:97")
    ]
    assert lines[0] == (
        "gates/a.yaml:5:40: data 'holdout': rows.parquet has no column 'isfraud', the label; its columns are is_fraud, "
        "amount, country, weight, p; did you mean 'is_fraud'?"
    )
    assert "no column 'amuont', the column of slice 'band'" in lines[7]
    assert "did you mean 'amount'?" in lines[8]
    assert required(read) == [line for line in lines if "the time" not in line]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("{path: rows.prquet, label: y}", "rows.prquet does not exist; did you mean 'rows.parquet'?"),
        ("{path: gates, label: y}", "holds a file of no known format: gates/a.yaml"),
        ("{path: void.csv, label: y}", "void.csv is empty"),
        ("{path: nothing/*.csv, label: y}", "nothing/*.csv matches no file"),
        ("{path: rows.csv, label: amuont}", "has no column 'amuont', the label"),
        ("{path: rows.jsonl, label: late}", ""),
        ("{path: rows.jsonl, label: never}", "has no column 'never', the label"),
        ("{path: rows.csv.gz, label: y}", "rows.csv.gz: "),
        ("{path: rows.csv, label: is_fraud, digest: 'sha256:" + "0" * 64 + "'}", "has the digest"),
    ],
)  # fmt: skip
def test_what_cannot_serve_is_refused_by_check_and_by_a_run(data: str, problem: str) -> None:
    """In the same words; a column that comes late in JSON lines is there all the same."""
    Path("void.csv").touch()
    Path("rows.csv.gz").write_text("no gzip")
    lines = [json.dumps({"n": number}) for number in range(9000)]
    Path("rows.jsonl").write_text("\n".join([*lines, json.dumps({"n": 1, "late": 1})]))
    read = pipeline(data)
    checked = check()

    refused = required(read) if "digest" not in data else [checked.stderr.splitlines()[-1]]
    if not problem:
        assert (checked.exit_code, refused) == (0, [])
        return
    assert checked.exit_code == 4
    assert [problem in line for line in refused] == [True]
    assert refused[0] in checked.stderr


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("pulled/rows.csv", "pulled/rows.csv does not exist"),
        ("pulled/*.csv", "pulled/*.csv matches no file"),
        ("kept.csv", "kept.csv is not here: DVC keeps it; bring the data: dvc pull kept.csv.dvc"),
        ("lfs.csv", "lfs.csv is a pointer of Git LFS instead of data; bring the data: git lfs pull --include lfs.csv"),
        ("http://127.0.0.1:9/rows.csv", "http://127.0.0.1:9/rows.csv cannot be read"),
        ("${ROWS_OF_TODAY}/rows.csv", "its path names a variable that is not set here; set it"),
        ("short.csv", "short.csv has no rows"),
    ],
)
def test_data_that_are_pulled_later_are_a_note(path: str, note: str) -> None:
    """The pipeline is right, and whoever calls check may not have them."""
    Path("kept.csv.dvc").write_text("outs: [{path: kept.csv}]\n")
    Path("lfs.csv").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    Path("short.csv").write_text("is_fraud\n")
    Path("gates/a.yaml").write_text(f'{HEAD}data: {{holdout: {{path: "{path}", label: is_fraud}}}}\n{GATES}')
    checked = check("--json")

    [entry] = json.loads(checked.stdout)["pipelines"]
    assert checked.exit_code == 0, checked.stderr
    assert (entry["ok"], entry["complaints"], entry["data"]) == (True, [], {"holdout": "absent"})
    assert [note in line and line.startswith("gates/a.yaml:4:24: note: ") for line in entry["notes"]] == [False, True]


def test_a_run_asks_for_what_its_gates_read_and_no_more() -> None:
    """A load needs no label; a gate that is waived, or not chosen, needs no file."""
    both = "{path: rows.parquet, label: gone}\n  traffic: {path: absent.csv}"
    latency = "{gate: latency, data: holdout, load: {rate: 10/s, requests: 100}, require: [errors <= 0]}"
    read = pipeline(both, f"gates: [{latency}, {{gate: shadow, data: traffic, require: [errors <= 0]}}]\n")

    assert [line.split(": ")[1:3] for line in required(read)] == [
        [
            "data 'traffic'",
            "absent.csv does not exist; correct the path; relative ones start at the root of the repository",
        ]
    ]
    assert check().exit_code == 4


def test_inputs_name_columns_of_the_data() -> None:
    """Of any of them."""
    pipeline("{path: rows.parquet, label: is_fraud}", f"inputs: {{age: aeg, sum: amount}}\n{GATES}")
    checked = check()

    assert checked.exit_code == 4
    assert "gates/a.yaml:6:15: inputs: no data have a column 'aeg', which is to feed 'age'" in checked.stderr


def test_json_holds_what_data_were_looked_at() -> None:
    """One entry a pipeline, as without --data, and how each data set stands."""
    pipeline("{path: rows.csv, label: is_fraud, slices: [country]}")
    good = check("--json")
    pipeline("{path: rows.csv, label: fraud}")
    bad = check("--json")

    first, second = (json.loads(answer.stdout)["pipelines"][0] for answer in (good, bad))
    assert (good.exit_code, first["ok"], first["data"]) == (0, True, {"holdout": "fits"})
    assert (bad.exit_code, second["ok"], second["data"]) == (4, False, {"holdout": "misfit"})
    assert second["policy"].startswith("sha256:")
    assert len(second["complaints"]) == 1


def test_a_wrong_pipeline_is_worse_than_wrong_data() -> None:
    """Exit 2 before 4."""
    pipeline("{path: absent.csv, label: y}")
    Path("gates/b.yaml").write_text("[")

    assert check().exit_code == 2


def test_check_alone_opens_no_data() -> None:
    """Not even where the file is missing."""
    pipeline("{path: absent.csv, label: y}")
    code = (
        "import sys\nfrom lockgate.cli.main import run\ncode = run(['check'])\n"
        "print(code, sorted({'numpy', 'pyarrow', 'pandas', 'mlflow'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines()[-1] == "0 []"
