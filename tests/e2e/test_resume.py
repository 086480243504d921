"""A run that stopped goes on where it was, and only over what it began with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from helpers.checkout import (
    CHAMPION,
    GOOD,
    HOLDOUT,
    SCORED,
    Checkout,
    verdicts,
)
from helpers.waiting import GATES, kept


def stopped(checkout: Checkout, **policy: Any) -> Path:
    """A run that was interrupted in its second gate."""
    (checkout.folder / "stop").touch()
    checkout.write(**{"gates": GATES, "data": {"holdout": SCORED}, **policy})
    answer = checkout.gate("run")
    assert (answer.code, checkout.state["state"]) == (130, "interrupted"), answer.stderr
    (checkout.folder / "go").touch()
    return checkout.run


def sealed(run: Path) -> Path:
    """Where the run keeps what it may take up again."""
    return run.parent.parent / "sealed" / run.name


def begun(run: Path) -> dict[str, Any]:
    """What the run sealed when it began."""
    began: dict[str, Any] = json.loads(json.loads((sealed(run) / "run.json").read_bytes())["content"])
    return began


def test_an_interrupted_run_goes_on_where_it_was(waiting: Checkout) -> None:
    """With its id, its nonce and what it had measured; models are not asked twice."""
    run = stopped(waiting, data={"holdout": HOLDOUT})
    nonce, gates = begun(run)["nonce"], kept(run)
    scored = (run / "scored" / "holdout.parquet").stat()

    ended = waiting.gate("run", "--resume")

    assert ended.code == 0, ended.stderr
    assert (waiting.run, waiting.state["state"]) == (run, "finished")
    assert (waiting.evidence["run"]["id"], waiting.evidence["run"]["nonce"]) == (run.name, nonce)
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


def test_a_gate_that_broke_is_asked_again(waiting: Checkout) -> None:
    """When what broke it is over, the same run goes on; what had been measured stays."""
    (waiting.folder / "broken").touch()
    waiting.write(gates=GATES, data={"holdout": SCORED})
    broken = waiting.gate("run")
    run, nonce, before = waiting.run, begun(waiting.run)["nonce"], kept(waiting.run)
    (waiting.folder / "broken").unlink()
    (waiting.folder / "go").touch()

    resumed = waiting.gate("run", "--resume")

    assert (broken.code, resumed.code) == (4, 0), resumed.stderr
    assert "the gate './gates/wait.py:Wait' broke: OSError: the disk is full" in broken.stderr
    assert (waiting.run, waiting.evidence["run"]["nonce"]) == (run, nonce)
    assert before == {"metrics.json": kept(run)["metrics.json"]}
    assert verdicts(waiting.evidence) == {"metrics": "pass", "Wait": "pass"}


def test_results_that_a_model_could_have_written_are_not_taken_up(waiting: Checkout) -> None:
    """Outside of a box it can read every key: the gates are run again, with another nonce."""
    run = stopped(waiting, data={"holdout": SCORED}, isolation={"require": "off"})

    assert not sealed(run).exists()

    ended = waiting.gate("run", "--resume")

    assert ended.code == 0, ended.stderr
    assert f"nothing of run {run.name} can be taken up; its gates are run again" in ended.stdout + ended.stderr


def test_forged_results_and_evidence_are_not_taken_up(waiting: Checkout) -> None:
    """Whatever is put into the folder of a run without its key."""
    run = stopped(waiting, data={"holdout": SCORED})
    for path in [*sealed(run).glob("*.*")]:
        document = json.loads(path.read_bytes())
        document["content"] = document["content"].replace("fail", "pass") + " "
        path.write_text(json.dumps(document))
    (run / "state.json").write_text(json.dumps(waiting.state | {"state": "finished"}))
    (run / "evidence.json").write_text("{}")

    ended = waiting.gate("run", "--resume")

    assert ended.code == 0, ended.stderr
    assert "nothing of run" in ended.stdout + ended.stderr
