"""What breaks while a run is on: servers, people's patience, models, data. Each is said, and nothing is left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from helpers.checkout import (
    CHAMPION,
    CLASSES,
    GOOD,
    HANGING,
    HOLDOUT,
    KILLED,
    METRICS,
    NEEDY,
    SCORED,
    SEGFAULT,
    Checkout,
    verdicts,
)
from helpers.servers import MlflowServer

PATIENCE_S = 120

# A gate of the pipeline's own: it says that it was reached, and goes on when it may.
WAIT = '''
"""May we go on?"""

import time
from pathlib import Path

from lockgate.evaluation.estimation.estimate import counted
from lockgate.gates.gate import Gate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.subject import Subject


class Wait(Gate):
    """Waits for the file `go`."""

    subjects = {"waits": Subject("waits", "lower", counted=True, bounds=(0, None))}
    default_require = ("waits <= 1",)

    def check(self, case):
        Path("waiting").touch()
        if Path("broken").exists():
            raise OSError("the disk is full")
        while not Path("go").exists():
            if Path("stop").exists():
                raise KeyboardInterrupt
            time.sleep(0.05)
        asked = self.requirements_for(case)
        found = [counted(name, line, value=1, units=1) for name, line in asked]
        yield from judge(self.title, asked, found, self.subjects)
'''
GATES = [METRICS, {"gate": "./gates/wait.py:Wait"}]


def until(true: Callable[[], object], running: subprocess.Popen[Any], log: Path | None = None) -> None:
    """Wait for something that a running process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        ended = running.poll() is not None
        assert not ended, log.read_text() if log else "".join(map(str, running.communicate()))
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def python() -> str:
    """Processes of models are the subject here."""
    return sys.executable


@pytest.fixture
def server(checkout: Checkout) -> Iterator[MlflowServer]:
    """A server over the checkout's database."""
    made = MlflowServer(checkout.folder, checkout.uri)
    try:
        made.start()
        made.wait()
        yield made
    finally:
        made.kill()


@pytest.fixture
def waiting(checkout: Checkout) -> Checkout:
    """A checkout whose last gate waits."""
    (checkout.folder / "gates").mkdir()
    (checkout.folder / "gates" / "wait.py").write_text(WAIT)
    return checkout


def kept(run: Path) -> dict[str, bytes]:
    """What the finished gates said, as it lies on disk."""
    return {path.name: path.read_bytes() for path in sorted((run / "gates").glob("*.json"))}


def test_a_registry_that_dies_costs_seconds_and_nothing_measured(waiting: Checkout, server: MlflowServer) -> None:
    """Exit 4, the evidence is on disk; when the registry is back, the same run is staged."""
    waiting.write(gates=GATES, registry={"kind": "mlflow", "uri": server.uri})
    running = waiting.start("run", "--stage")
    until((waiting.folder / "waiting").exists, running)
    server.kill()
    (waiting.folder / "go").touch()
    _, said = running.communicate(timeout=30)
    run, state, evidence = waiting.run, waiting.state, (waiting.run / "evidence.json").read_bytes()
    assert running.returncode == 4, said
    assert f"the registry at {server.uri} gave no answer" in said
    assert "check that it is up and reachable" in said
    assert waiting.digest in said
    assert waiting.processes == []

    server.start()
    server.wait()
    resumed = waiting.call("run", "--resume", "--stage")
    status = waiting.call("status", "fraud")

    assert resumed.code == 0, resumed.stderr
    assert (waiting.run, waiting.state["nonce"]) == (run, state["nonce"])
    assert (waiting.run / "evidence.json").read_bytes() == evidence
    assert "fraud version 2 is Staging (revision 1, epoch 1, " in resumed.stderr
    assert "Staging     version 2" in status.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_and_says_so(checkout: Checkout, number: signal.Signals) -> None:
    """While a model is asked; the signal reaches our process alone, as from a terminal that only knows the leader."""
    checkout.write(candidate={"version": HANGING})
    checkout.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    running = checkout.start("run")
    until(lambda: list(checkout.folder.glob(".gate/tmp/*/candidate-work/asked")), running)
    assert any("host.py" in line for line in checkout.processes)

    running.send_signal(number)
    out, said = running.communicate(timeout=30)

    assert running.returncode == 130, said
    assert said.endswith("gate: interrupted\n")
    assert (out, "Traceback" in said) == ("", False)
    assert checkout.processes == []
    assert checkout.state["state"] == "interrupted"
    assert list((checkout.folder / ".gate" / "tmp").iterdir()) == []
    status, report = checkout.gate("status", "fraud"), checkout.gate("report")
    assert status.code == 0
    assert "Production  version 1" in status.stdout
    assert report.code == 2
    assert "has no evidence: it was interrupted" in report.stderr


def test_models_do_not_outlive_a_killed_run(checkout: Checkout) -> None:
    """Even where nobody could clean up."""
    checkout.write(candidate={"version": HANGING})
    running = checkout.start("run")
    until(lambda: list(checkout.folder.glob(".gate/tmp/*/candidate-work/asked")), running)

    running.kill()
    running.communicate()

    deadline = time.monotonic() + 30
    while checkout.processes:
        assert time.monotonic() < deadline, checkout.processes
        time.sleep(0.05)


def stopped(checkout: Checkout, **policy: Any) -> Path:
    """A run that was interrupted in its second gate."""
    (checkout.folder / "stop").touch()
    checkout.write(**{"gates": GATES, "data": {"holdout": SCORED}, **policy})
    answer = checkout.gate("run")
    assert (answer.code, checkout.state["state"]) == (130, "interrupted"), answer.stderr
    (checkout.folder / "go").touch()
    return checkout.run


def test_an_interrupted_run_goes_on_where_it_was(waiting: Checkout) -> None:
    """With its id, its nonce and what it had measured; models are not asked twice."""
    run = stopped(waiting, data={"holdout": HOLDOUT})
    state, gates = waiting.state, kept(run)
    scored = (run / "scored" / "holdout.parquet").stat()

    ended = waiting.gate("run", "--resume")

    assert ended.code == 0, ended.stderr
    assert (waiting.run, waiting.state["state"]) == (run, "finished")
    assert (waiting.evidence["run"]["id"], waiting.evidence["run"]["nonce"]) == (run.name, state["nonce"])
    assert gates == {"metrics.json": kept(run)["metrics.json"]}
    assert (run / "scored" / "holdout.parquet").stat() == scored
    assert [one["data"] for one in waiting.evidence["scored"]] == ["holdout"]


def test_a_resumed_run_says_what_it_would_have_said_at_once(waiting: Checkout) -> None:
    """Its evidence differs from that of an uninterrupted run only under `run`."""
    stopped(waiting, data={"holdout": HOLDOUT})
    waiting.gate("run", "--resume")
    resumed = waiting.evidence
    waiting.gate("run")
    whole = waiting.evidence

    assert resumed.pop("run") != whole.pop("run")
    assert resumed == whole


def edit_policy(checkout: Checkout, files: Path) -> None:
    checkout.write(gates=GATES, data={"holdout": {**SCORED, "slices": ["region"]}}, candidate={"version": 9})


def edit_data(checkout: Checkout, files: Path) -> None:
    path = checkout.folder / "data" / "holdout.parquet"
    parquet.write_table(parquet.read_table(path).slice(1), path)


def edit_model(checkout: Checkout, files: Path) -> None:
    (files / "python_model.pkl").write_bytes(b"something else")


def move_champion(checkout: Checkout, files: Path) -> None:
    assert checkout.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs").code == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [(edit_policy, "policy"), (edit_data, "data"), (edit_model, "candidate"), (move_champion, "champion")],
)
def test_a_run_does_not_go_on_over_something_else(
    waiting: Checkout, shelf: Path, tmp_path: Path, change: Callable[[Checkout, Path], None], named: str
) -> None:
    """Policy, data, model bytes and champion must be what they were when it began."""
    from mlflow import MlflowClient

    files = shutil.copytree(shelf / "models" / str(GOOD), tmp_path / "files")
    client = MlflowClient(tracking_uri=waiting.uri, registry_uri=waiting.uri)
    made = client.create_model_version("fraud", source=str(files))
    run = stopped(waiting, candidate={"version": int(made.version)})
    before = kept(run)
    change(waiting, files)

    answer = waiting.gate("run", "--resume")

    assert answer.code == 2
    assert f"cannot go on: {named} changed since it began" in answer.stderr
    assert not (run / "evidence.json").exists()
    assert kept(run) == before


def test_a_run_goes_on_only_as_it_was_called(waiting: Checkout) -> None:
    """What was begun to be held against the candidate is not finished as a mere look."""
    run = stopped(waiting, data={"holdout": SCORED})

    answer = waiting.gate("run", "--resume", "--observe")

    assert answer.code == 2
    assert f"run {run.name} was called as `gate run` and goes on only like that" in answer.stderr


def test_there_must_be_a_run_to_go_on_with(waiting: Checkout) -> None:
    """Of this pipeline."""
    waiting.write(data={"holdout": SCORED})

    answer = waiting.gate("run", "--resume")

    assert answer.code == 2
    assert "there is no run of this pipeline to go on with" in answer.stderr


@pytest.mark.parametrize(
    ("version", "what", "last", "remedy"),
    [
        (SEGFAULT, "candidate crashed while predicting 4,000 rows (segmentation fault, SIGSEGV)",
         "the matrix library says goodbye", "a native library broke"),
        (KILLED, "candidate was killed by SIGKILL while predicting 4,000 rows",
         "eating all the memory", "give the job more memory"),
        (NEEDY, "candidate needs the module 'surely_absent'",
         "ModuleNotFoundError: No module named 'surely_absent'", "-m pip install surely_absent`"),
    ],
)  # fmt: skip
def test_a_model_that_breaks_is_an_error_of_its_gate(
    checkout: Checkout, version: int, what: str, last: str, remedy: str
) -> None:
    """With its last lines and what to do; the other gates still report."""
    known = {**METRICS, "name": "known", "data": "known"}
    checkout.write(
        candidate={"version": version}, data={"holdout": HOLDOUT, "known": SCORED}, gates=[METRICS, known]
    )  # fmt: skip

    ended = checkout.gate("run")

    gate = checkout.evidence["gates"][0]
    assert ended.code == 4, ended.stderr
    assert verdicts(checkout.evidence) == {"metrics": "error", "known": "pass"}
    assert gate["reason"].startswith(what)
    assert last in gate["context"]["broken"]["stderr"]
    assert remedy in gate["context"]["broken"]["remedy"]
    for part in (what, last, remedy):
        assert part in ended.stderr
    assert checkout.evidence["opens"] == "no"
    assert checkout.processes == []


def test_class_labels_are_no_scores(checkout: Checkout) -> None:
    """A model that says 0 or 1 cannot be ranked; its accuracy can be told."""
    checkout.write(candidate={"version": CLASSES}, gates=[{**METRICS, "require": ["auc >= 0.7"]}])
    ranked = checkout.gate("run")
    broken = checkout.evidence["gates"][0]
    checkout.write(candidate={"version": CLASSES}, gates=[{**METRICS, "require": ["accuracy >= 0.7"]}])

    decided = checkout.gate("run")

    assert (ranked.code, decided.code) == (4, 0), decided.stderr
    assert "holds class labels (whole numbers), and scores are needed" in broken["reason"]
    assert 'log the model with pyfunc_predict_fn="predict_proba"' in broken["context"]["broken"]["remedy"]


def changed(**columns: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        for name, values in columns.items():
            place = table.schema.get_field_index(name)
            made = values(table.column(name).to_numpy().copy())
            table = table.set_column(place, name, pa.array(made, from_pandas=True))
        return table

    return change


def put(row: int, value: Any) -> Callable[[Any], Any]:
    def place(values: Any) -> Any:
        values = values.astype(float) if value != value else values
        values[row] = value
        return values

    return place


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        (lambda table: None,
         "data 'holdout': data/holdout.parquet does not exist", "correct the path"),
        (lambda table: table.drop_columns(["country"]),
         "data 'holdout': data/holdout.parquet has no column 'country', the column of slice 'country'; its columns are ", ""),
        (changed(y=put(6, np.nan)),
         "data 'holdout': the label (column 'y' of data/holdout.parquet) is missing in 1 row: row 7", "leave rows without a label out, or fill it in"),
        (changed(id=put(6, 3)),
         "data 'holdout': the id (column 'id' of data/holdout.parquet) is not unique: 1 row repeats the id of an earlier one", "leave repeated rows out"),
        (changed(y=put(6, 7)),
         "data 'holdout': the label (column 'y' of data/holdout.parquet) holds more than two values (0, 1, 7, …)",
         "name a column of two values"),
        (changed(y=lambda values: np.where(values == 1, "fraud", "fine").astype(object)),
         "data 'holdout': the label (column 'y' of data/holdout.parquet) holds 'fine', 'fraud', none of which is `positive: 1`", 'positive: "fraud"'),
    ],
    ids=["no file", "no column", "no label", "an id twice", "a third label", "another label"],
)  # fmt: skip
def test_data_that_does_not_fit_is_an_error_of_its_gate(
    checkout: Checkout, change: Callable[[pa.Table], pa.Table | None], what: str, remedy: str
) -> None:
    """It says what is wrong, where, and what to do."""
    path = checkout.folder / "data" / "holdout.parquet"
    broken = change(parquet.read_table(path))
    path.unlink()
    if broken is not None:
        parquet.write_table(broken, path)
    checkout.write(data={"holdout": SCORED})

    ended = checkout.gate("run")

    gate = checkout.evidence["gates"][0]
    assert ended.code == 4
    assert gate["reason"].startswith(what)
    assert remedy in (gate["context"]["broken"]["remedy"] or "")
    assert gate["reason"] in ended.stderr
    assert checkout.evidence["opens"] == "no"


def test_data_without_rows_shows_nothing(checkout: Checkout) -> None:
    """It is inconclusive, never a pass."""
    path = checkout.folder / "data" / "holdout.parquet"
    parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    checkout.write(data={"holdout": SCORED})

    ended = checkout.gate("run")

    assert (ended.code, checkout.evidence["verdict"], checkout.evidence["opens"]) == (3, "inconclusive", "no")
    assert "auc: there are no rows" in ended.stderr


def test_a_gate_that_broke_is_asked_again(waiting: Checkout) -> None:
    """When what broke it is over, the same run goes on; what had been measured stays."""
    (waiting.folder / "broken").touch()
    waiting.write(gates=GATES, data={"holdout": SCORED})
    broken = waiting.gate("run")
    run, nonce, before = waiting.run, waiting.state["nonce"], kept(waiting.run)
    (waiting.folder / "broken").unlink()
    (waiting.folder / "go").touch()

    resumed = waiting.gate("run", "--resume")

    assert (broken.code, resumed.code) == (4, 0), resumed.stderr
    assert "the gate './gates/wait.py:Wait' broke: OSError: the disk is full" in broken.stderr
    assert (waiting.run, waiting.evidence["run"]["nonce"]) == (run, nonce)
    assert before == {"metrics.json": kept(run)["metrics.json"]}
    assert verdicts(waiting.evidence) == {"metrics": "pass", "Wait": "pass"}


def test_an_interrupted_load_leaves_the_blocks_that_were_measured(checkout: Checkout) -> None:
    """Two hours were asked; it ends at once, and what was measured until then is on disk, complete."""
    load = {"closed": {"concurrency": 1}, "duration": "2h"}
    checkout.write(gates=[{"gate": "latency", "load": load, "require": ["p50_ms <= 1000"]}])
    checkout.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    running = checkout.start("run")
    until(lambda: list(checkout.folder.glob(".gate/**/latency.partial.parquet")), running)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)

    assert (running.returncode, "Traceback" in said) == (130, False), said
    assert checkout.processes == []
    [kept] = checkout.folder.glob(".gate/**/latency.partial.parquet")
    assert parquet.read_table(kept).column_names[:3] == ["model", "batch", "block"]
    assert not list(checkout.folder.glob(".gate/**/latency.parquet"))
