"""A model that answers from a process of its own: its answers, its types, its load, and what it sees of us."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import lockgate.models.process
from helpers.model_processes import environ, save
from lockgate.errors import ModelFault, UsageError
from lockgate.hashing import folder_digest
from lockgate.models.environment import is_secret, job_python, model_environment, secrets
from lockgate.models.model import LoadPlan
from lockgate.models.process.model import ProcessModel

Do = Callable[..., pa.RecordBatch]


def one(model: ProcessModel, batch: pa.RecordBatch, *, method: str | None = None) -> dict[str, list[Any]]:
    """The only answer to the only batch, as lists."""
    (answer,) = model.predict([batch], method=method)
    values: dict[str, list[Any]] = answer.to_pydict()
    return values


@pytest.mark.parametrize(
    ("what", "columns"),
    [
        ("answer", {"prediction": [0.0, 1.0, 2.0]}),
        ("series", {"prediction": [0.0, 1.0, 2.0]}),
        ("list", {"prediction": ["yes", "yes", "yes"]}),
        ("matrix", {"0": [0.0, 1.0, 2.0], "1": [0.0, -1.0, -2.0]}),
        ("frame", {"label": ["a", "a", "a"], "score": [0.0, 1.0, 2.0]}),
        ("dicts", {"p": [0.5, 0.5, 0.5]}),
    ],
)
def test_whatever_shape_a_model_answers_in_becomes_columns(
    calm: ProcessModel, do: Do, what: str, columns: dict[str, list[Any]]
) -> None:
    """Frames keep their columns, a vector is `prediction`, a matrix is counted from 0."""
    assert one(calm, do(what, rows=3)) == columns


def test_what_is_not_a_number_arrives_as_it_was(calm: ProcessModel, do: Do) -> None:
    """A NaN is neither null nor zero on the way; whoever needs a score decides what it means."""
    (answer,) = calm.predict([do("not a number", rows=3)])

    assert answer.column("prediction").null_count == 0
    assert [str(value) for value in answer.column("prediction").to_pylist()] == ["nan", "inf", "-inf"]


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("one row less", "the model returned 2 rows for 3"),
        ("scalar", "the model returned a float, which is not one answer a row"),
        ("cube", "the model returned a ndarray of shape (3, 2, 2), which is not one answer a row"),
        ("same name twice", "the model returned two columns of one name: p, p"),
        ("mixed", "the model's column 'prediction' holds values of no one type"),
    ],
)
def test_an_answer_that_is_not_one_a_row_is_a_fault(calm: ProcessModel, do: Do, what: str, sentence: str) -> None:
    """The sentence says what came back; the model may be asked again."""
    with pytest.raises(ModelFault) as fault:
        one(calm, do(what, rows=3))

    assert fault.value.message.startswith(f"candidate gave no usable answer while predicting 3 rows: {sentence}")
    assert fault.value.stderr == ""
    assert one(calm, do("answer")) == {"prediction": [0.0]}


def test_batches_are_answered_one_by_one_and_in_order(calm: ProcessModel, do: Do) -> None:
    """One answer for each batch, with its rows."""
    answers = list(calm.predict(do("answer", rows=rows) for rows in (3, 1, 5)))

    assert [answer.num_rows for answer in answers] == [3, 1, 5]
    assert list(calm.predict([])) == []


def test_a_large_batch_travels_in_pieces_and_comes_back_whole(
    trickster: Callable[..., ProcessModel], do: Do, warm_python: str
) -> None:
    """Pieces of a thousand bytes, three and a half thousand rows, and still one answer of as many."""
    model = trickster(python=warm_python, batch_bytes=1000)
    rows = 3500

    answers = list(model.predict([do("answer", rows=rows), do("calls")]))

    assert [answer.num_rows for answer in answers] == [rows, 1]
    assert answers[0].column("prediction").to_pylist()[:2] == [0.0, 1.0]
    assert answers[1].column("prediction").to_pylist()[0] > 30


def test_answers_that_nobody_waited_for_are_passed_over(calm: ProcessModel, do: Do) -> None:
    """A caller that stops in the middle leaves a line that still works."""
    answers = calm.predict(do("answer", rows=rows) for rows in (2, 3, 4))
    assert next(answers).num_rows == 2
    del answers

    assert one(calm, do("list")) == {"prediction": ["yes"]}


def test_frames_larger_than_any_pipe_cannot_stand_against_each_other(calm: ProcessModel, do: Do) -> None:
    """Both sides have megabytes to say at once: neither waits for the other to listen first."""
    batch = do("answer", rows=700_000)

    assert [answer.num_rows for answer in calm.predict([batch] * 3)] == [700_000] * 3


def test_a_model_that_pyfunc_hides_has_no_other_method(calm: ProcessModel, do: Do) -> None:
    """`method` is called on the model below pyfunc; where there is none to be had, the fault says so."""
    sentence = "candidate cannot predict: its flavor does not give the model below pyfunc, so 'predict_proba' cannot"
    with pytest.raises(ModelFault, match=sentence):
        one(calm, do("answer"), method="predict_proba")


def test_a_classifier_gives_the_probabilities_that_it_gives_here(tmp_path: Path, warm_python: str) -> None:
    """predict_proba through the process equals predict_proba in this one, bit for bit."""
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(0)
    rows = pd.DataFrame(draw.normal(size=(200, 3)), columns=["a", "b", "c"])
    labels = (rows["a"] > 0).astype(int)
    classifier = LogisticRegression().fit(rows, labels)
    signature = infer_signature(rows, classifier.predict(rows))
    mlflow.sklearn.save_model(classifier, tmp_path / "m", signature=signature, pip_requirements=["scikit-learn"])
    batch = pa.RecordBatch.from_pandas(rows.assign(label=labels))

    with ProcessModel(tmp_path / "m", python=warm_python, environ=os.environ) as model:
        proba = one(model, batch, method="predict_proba")
        label = one(model, batch)
        with pytest.raises(ModelFault, match="the model is a LogisticRegression and has no method 'decide'"):
            one(model, batch, method="decide")

    expected = classifier.predict_proba(rows)
    assert proba == {"0": expected[:, 0].tolist(), "1": expected[:, 1].tolist()}
    assert label == {"prediction": classifier.predict(rows).tolist()}


def test_columns_take_the_types_of_the_signature(typed: ProcessModel) -> None:
    """Integers for a double, a float for a long that holds it, a dictionary for strings: all exact, all accepted."""
    batch = pa.RecordBatch.from_pydict(
        {
            "unused": [1],
            "a_double": pa.array([2**53]),
            "a_float": pa.array([0.5]),
            "a_long": pa.array([3.0]),
            "a_integer": pa.array([7], pa.int64()),
            "a_string": pa.array(["x"]).dictionary_encode(),
            "a_boolean": [True],
            "a_datetime": pa.array([datetime(2026, 1, 2)]).cast(pa.timestamp("ms", "UTC")),
            "a_binary": [b"b"],
        }
    )
    said = {name: values[0] for name, values in one(typed, batch).items()}

    assert said.pop("a_string").split()[1:] == ["x"]
    assert said == {
        "a_double": "float64 9007199254740992.0",
        "a_float": "float32 0.5",
        "a_long": "int64 3",
        "a_integer": "int32 7",
        "a_boolean": "bool True",
        "a_datetime": "datetime64[ns] 2026-01-02 00:00:00",
        "a_binary": "object b'b'",
    }


def test_missing_values_of_a_double_are_not_numbers_and_optional_columns_may_be_absent(typed: ProcessModel) -> None:
    """An integer column with a gap is a double with a NaN."""
    assert one(typed, pa.RecordBatch.from_pydict({"a_double": [1, None]}))["a_double"] == ["float64 1.0 nan"] * 2
    assert one(typed, pa.RecordBatch.from_pydict({"a_double": [Decimal("1.5")]})) == {"a_double": ["float64 1.5"]}
    assert one(typed, pa.RecordBatch.from_pydict({"a_double": [None]})) == {"a_double": ["float64 nan"]}


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        (
            "a_long",
            pa.array([3.7]),
            "column 'a_long' cannot become long, as the signature says: a value would change, first in row 1",
        ),
        (
            "a_integer",
            pa.array([2**31]),
            "column 'a_integer' cannot become integer, as the signature says: a value would change, ",
        ),
        (
            "a_double",
            pa.array([2**53 + 1]),
            "column 'a_double' cannot become double, as the signature says: a value would change, ",
        ),
        ("a_float", pa.array([1e300]), "column 'a_float' has values too large for float, as the signature says"),
        ("a_double", pa.array(["1.5"]), "column 'a_double' holds string, and the signature says double"),
        ("a_string", pa.array([5]), "column 'a_string' holds int64, and the signature says string"),
        ("a_boolean", pa.array([1]), "column 'a_boolean' holds int64, and the signature says boolean"),
        ("a_long", pa.array([1, None]), "column 'a_long' has 1 missing values, and the signature says long"),
    ],
)
def test_no_value_changes_silently(typed: ProcessModel, column: str, values: pa.Array, sentence: str) -> None:
    """What the signature's type cannot hold is a fault that names the column, never a coercion."""
    columns = {"a_double": pa.array([1.0] * len(values)), column: values}
    with pytest.raises(ModelFault) as fault:
        one(typed, pa.RecordBatch.from_pydict(columns))

    assert fault.value.message.startswith(f"candidate cannot predict: {sentence}")
    assert fault.value.stderr == ""


def test_a_required_column_that_the_data_lacks_is_named(typed: ProcessModel) -> None:
    """By its name, before the model is asked."""
    with pytest.raises(ModelFault, match="cannot predict: the signature requires 'a_double', which the data lacks"):
        one(typed, pa.RecordBatch.from_pydict({"a_long": [1]}))


def test_loading_tells_what_it_took_and_under_what(calm: ProcessModel) -> None:
    """Seconds, python and libraries; loading again starts nothing."""
    facts = calm.load()

    assert facts.load_seconds > 0
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert {"mlflow", "pandas", "pyarrow", "numpy"} <= set(facts.versions)
    assert calm.load() is facts


def test_the_files_of_a_model_that_brings_code_stay_as_they_are(tmp_path: Path, warm_python: str) -> None:
    """Python would lay what it compiled beside the code, and a copy of the version would then be another."""
    folder = save("trickster.py", tmp_path / "model")
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    before = folder_digest(folder)
    model = ProcessModel(folder, python=warm_python, environ=environ(), scratch=tmp_path)
    model.load()
    model.close()

    assert folder_digest(folder) == before


def test_how_many_threads_libraries_were_told_to_use_is_told(trickster: Callable[..., ProcessModel]) -> None:
    """As the model's own process sees it; other variables stay where they are."""
    told = {
        name: value for name, value in os.environ.items() if not name.endswith("_THREADS") and name != "OMP_WAIT_POLICY"
    }
    model = trickster(environ={**told, "OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "API_TOKEN": "t"})

    assert model.load().threads == {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"}


def test_usage_is_that_of_the_models_process(calm: ProcessModel, do: Do) -> None:
    """Peak memory and processor time, and how long the first answer took."""
    one(calm, do("answer"))
    usage = calm.usage()

    assert usage.rss_bytes is not None
    assert 50e6 < usage.rss_bytes < 5e9
    assert usage.cpu_seconds is not None
    assert usage.cpu_seconds > 0
    assert usage.first_prediction_ms is not None


def test_an_open_loop_counts_from_the_time_at_which_a_request_was_meant_to_go(calm: ProcessModel, do: Do) -> None:
    """One stall of 50 ms at 200 requests a second makes ten requests wait, and all ten show it."""
    plan = LoadPlan(requests=30, rate=200.0, arrivals="constant")
    drive = calm.drive(plan, do(*["answer"] * 5, "stall", *["answer"] * 24))

    assert drive.intended_s.tolist() == [i / 200 for i in range(30)]
    ended = drive.done_s[5]
    assert ended - drive.sent_s[5] >= 0.05
    for i in range(6, 15):
        assert drive.sent_s[i] >= ended
        assert drive.latency_ms[i] >= (ended - drive.intended_s[i]) * 1000 > 0


def test_a_closed_loop_counts_service_time_alone(calm: ProcessModel, do: Do) -> None:
    """A request is meant to go when the one before it was answered."""
    drive = calm.drive(LoadPlan(requests=10), do("stall", "answer"))

    assert (drive.intended_s == drive.sent_s).all()
    assert all(sent >= done for sent, done in zip(drive.sent_s[1:], drive.done_s, strict=False))
    assert all(latency >= 50 for latency in drive.latency_ms[::2])


def test_a_closed_loop_may_keep_several_requests_under_way(calm: ProcessModel, do: Do) -> None:
    """Four workers, each with one request at a time: stalls of 50 ms lie beside each other."""
    before = one(calm, do("calls"))["prediction"][0]
    drive = calm.drive(LoadPlan(requests=12, concurrency=4), do("stall"))
    after = one(calm, do("calls"))["prediction"][0]

    assert after - before == 14  # 12, the question itself, and the request that checks the clock
    assert drive.sent_s.tolist() == sorted(drive.sent_s)
    under_way = [int(((drive.sent_s <= sent) & (drive.done_s > sent)).sum()) for sent in drive.sent_s]
    assert max(under_way) == 4
    assert (drive.intended_s == drive.sent_s).all()
    assert (drive.lag_s == 0).all()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_duration_ends_a_closed_loop(calm: ProcessModel, do: Do, concurrency: int) -> None:
    """Nothing is begun later; at 50 ms each, three requests fit for every worker."""
    drive = calm.drive(LoadPlan(requests=1000, duration_s=0.11, concurrency=concurrency), do("stall"))

    assert concurrency <= len(drive.sent_s) <= 3 * concurrency
    assert drive.sent_s.max() <= 0.12


def test_lag_is_the_clocks_and_not_the_models(calm: ProcessModel, do: Do) -> None:
    """Requests that wait behind a stall went as soon as they could."""
    drive = calm.drive(LoadPlan(requests=10, rate=500.0, arrivals="constant"), do("stall", *["answer"] * 9))

    free = np.maximum(drive.intended_s[1:], drive.done_s[:-1])
    assert (drive.sent_s[1:] - drive.intended_s[1:]).max() > 0.03
    assert drive.lag_s[1:] == pytest.approx(drive.sent_s[1:] - free)


def test_poisson_arrivals_are_those_of_their_seed(calm: ProcessModel, do: Do) -> None:
    """The same seed gives the same times, another one others; nothing is sent before its time."""
    plans = [LoadPlan(requests=20, rate=1000.0, seed=seed) for seed in (1, 1, 2)]
    drives = [calm.drive(plan, do("answer")) for plan in plans]

    times = [drive.intended_s.tolist() for drive in drives]
    assert times[0] == times[1] != times[2]
    assert list(drives[0].intended_s) == sorted(drives[0].intended_s)
    assert all(sent > due - 1e-9 for sent, due in zip(drives[0].sent_s, drives[0].intended_s, strict=True))


def test_warming_up_is_not_recorded(calm: ProcessModel, do: Do) -> None:
    """Seven requests before three leave three entries, and eleven calls with the one that counts them."""
    before = one(calm, do("calls"))["prediction"][0]
    drive = calm.drive(LoadPlan(requests=3, rows=2, warmup=7), do("answer", rows=4))
    after = one(calm, do("calls"))["prediction"][0]

    assert len(drive.sent_s) == 3
    assert after - before == 11


def test_a_request_that_fails_is_counted_and_the_block_goes_on(calm: ProcessModel, do: Do) -> None:
    """Infinitely slow, with the first error kept; wrong rows fail too."""
    drive = calm.drive(LoadPlan(requests=4), do("answer", "raise", "answer", "scalar"))
    short = calm.drive(LoadPlan(requests=1, rows=2), do("one row less", rows=2))

    assert drive.failed.tolist() == [False, True, False, False]
    assert [latency == float("inf") for latency in drive.latency_ms] == [False, True, False, False]
    assert drive.first_error == "ValueError: no such merchant"
    assert (short.failed.tolist(), short.first_error) == ([True], "BadAnswer: the model returned 1 rows for 2")


def test_a_load_without_rows_is_refused(calm: ProcessModel) -> None:
    """There is nothing to send."""
    with pytest.raises(ModelFault, match="cannot be driven with a batch without rows"):
        calm.drive(LoadPlan(requests=1), pa.RecordBatch.from_pydict({"do": pa.array([], pa.string())}))


def test_a_model_sees_no_secret_of_the_job(calm: ProcessModel, do: Do) -> None:
    """Registry, tokens and passwords stay here; what it needs to run goes along."""
    seen = json.loads(one(calm, do("environ"))["prediction"][0])

    assert not {"MLFLOW_TRACKING_URI", "DEPLOY_TOKEN", "PGPASSWORD", "PIP_INDEX"} & set(seen)
    assert seen["PATH"] == os.environ["PATH"]


def test_a_model_works_in_the_scratch_folder_and_imports_nothing_of_ours(
    trickster: Callable[..., ProcessModel], do: Do, tmp_path: Path
) -> None:
    """The folder of the host is not on its path, so that `import process` finds the model's own; nothing is left there."""
    model = trickster()
    cwd, *path = json.loads(one(model, do("modules"))["prediction"][0])

    assert Path(cwd) == tmp_path
    assert not any(entry.endswith("targets") for entry in path)
    assert list(tmp_path.iterdir()) == []


def test_the_host_is_written_for_old_interpreters_and_knows_nothing_of_lockgate() -> None:
    """One file in the grammar of Python 3.8 that could be copied to wherever a model lives."""
    source = Path(lockgate.models.__file__).with_name("model_host.py").read_text()
    tree = ast.parse(source, feature_version=(3, 8))

    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {
        "PIL",  # only where a pipeline decodes images
        *("catboost", "joblib", "lightgbm", "skops", "xgboost"),  # only for a model in a file of theirs
        "mlflow",
        "numpy",
        "pandas",
        "pyarrow",
    }


def test_this_process_never_imports_the_models_libraries() -> None:
    """The module is light, and answering needs pyarrow only."""
    code = (
        "import sys, lockgate.models.process.model; print({'mlflow', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("MLFLOW_TRACKING_URI", "x", True),
        ("AWS_SECRET_ACCESS_KEY", "x", True),
        ("GITHUB_TOKEN", "x", True),
        ("GITHUB_ENV", "/a/file", True),
        ("npm_token", "x", True),
        ("SLACK_WEBHOOK_URL", "x", True),
        ("DB_PASSWORD", "x", True),
        ("CI_JOB_JWT", "x", True),
        ("OPENAI_API_KEY", "x", True),
        ("HTTPS_PROXY", "http://me:secret@proxy:3128", True),
        ("HTTPS_PROXY", "http://proxy:3128", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("OMP_NUM_THREADS", "1", False),
        ("PWD", "/", False),
        ("PATH", "/bin:/usr/bin", False),
        ("KEYBOARD", "x", False),
    ],
)
def test_the_rule_of_what_is_a_secret(name: str, value: str, secret: bool) -> None:
    """By name, or by a password in a URL."""
    assert is_secret(name, value) is secret


@pytest.mark.parametrize(
    ("names", "secret"),
    [
        ("apiKey API_KEY api-key MYAPIKEY DBPASS DB_PASS GITHUBTOKEN authToken my.secret PGPASSWORD AZURE_CREDENTIAL accessKeyId REDIS_PWD", True),
        ("MONKEY KEYBOARD_LAYOUT TOKENIZERS_PARALLELISM PWD OLDPWD PATH COMPASS BYPASS PATTERN AUTHOR TURKEY KEYRING HOME OMP_NUM_THREADS", False),
    ],
)  # fmt: skip
def test_a_secret_is_one_in_any_spelling(names: str, secret: bool) -> None:
    """And words that merely hold the letters are none, nor are small numbers and switches."""
    assert {name for name in names.split() if is_secret(name, "abcdefgh") is not secret} == set()
    assert not is_secret("MAX_TOKENS", "512")
    assert secrets({"MAX_TOKENS": "512", "DB": "pg://u:hunter22@h/d", "apiKey": "k1234567"}) == ("k1234567", "hunter22")


def test_what_a_model_needs_can_be_kept_by_name(tmp_path: Path) -> None:
    """An exception is named; relative entries of PYTHONPATH still lead to the same place."""
    seen = model_environment({"API_KEY": "k", "OTHER_KEY": "o", "PYTHONPATH": f"src{os.pathsep}/lib"}, keep=["API_KEY"])

    assert seen["API_KEY"] == "k"
    assert "OTHER_KEY" not in seen
    assert seen["PYTHONPATH"] == f"{Path.cwd() / 'src'}{os.pathsep}/lib"


def test_the_jobs_python_is_that_of_its_environment(tmp_path: Path) -> None:
    """VIRTUAL_ENV, else python, else python3 on PATH; without any, an error with the remedy."""
    for name in ("venv/bin/python", "both/python", "both/python3", "three/python3"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o755)

    assert job_python({"VIRTUAL_ENV": str(tmp_path / "venv"), "PATH": str(tmp_path / "both")}) == str(
        tmp_path / "venv/bin/python"
    )
    assert job_python({"VIRTUAL_ENV": str(tmp_path / "gone"), "PATH": str(tmp_path / "both")}) == str(
        tmp_path / "both/python"
    )
    assert job_python({"PATH": str(tmp_path / "three")}) == str(tmp_path / "three/python3")
    with pytest.raises(UsageError, match=r"environment: \{python: PATH\}"):
        job_python({"PATH": str(tmp_path)})


def test_gate_called_by_its_path_finds_the_python_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is activated and the python on PATH has no mlflow; one that has it is the job's own, as before."""
    for folder, code in (("bare", 1), ("job", 0), ("venv", 0)):
        python = tmp_path / folder / "python"
        python.parent.mkdir()
        python.write_text(f"#!/bin/sh\n: > {python.parent}/asked\nexit {code}\n")
        python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/python"))
    bare, job = ({"PATH": str(tmp_path / folder)} for folder in ("bare", "job"))
    assert job_python(bare) == str(tmp_path / "bare/python")

    monkeypatch.setattr(sys, "argv", [str(tmp_path / "job/../venv/gate"), "run"])

    assert job_python(bare) == job_python({"PATH": ""}) == str(tmp_path / "venv/python")
    assert job_python(job) == str(tmp_path / "job/python")
    assert job_python({"PATH": str(tmp_path / "venv")}) == str(tmp_path / "venv/python")
    assert [name for name in ("bare", "job", "venv") if (tmp_path / name / "asked").exists()] == ["bare", "job"]
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "job/gate"), "run"])
    assert job_python(bare) == str(tmp_path / "bare/python")


def test_a_python_without_mlflow_is_refused_with_the_command_that_adds_it(tmp_path: Path) -> None:
    """The fault names the module and that python."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = str(bare / "bin" / "python")
    (tmp_path / "MLmodel").write_text("flavors: {}\n")

    with pytest.raises(ModelFault) as fault, ProcessModel(tmp_path, python=python, environ={}) as model:
        model.load()
    assert fault.value.message == f"candidate needs the module 'mlflow', which {python} does not have (while loading)"
