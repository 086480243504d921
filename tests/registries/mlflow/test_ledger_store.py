"""A key of the ledger is written once, whoever races; a deleted ledger is never begun again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from helpers.crowd import PROCESSES, begin_ledger
from helpers.promoting import Models
from lockgate.errors import Refused
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.ledger_store import MlflowLedger
from lockgate.registries.mlflow.registry import MlflowRegistry


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


def test_before_the_first_entry_there_is_nothing(models: Models) -> None:
    """Reading begins no ledger."""
    model = models.new()

    assert models.registry.ledger(model).keys() == {}
    assert models.mlflow.get_experiment_by_name(f"lockgate-ledger/{model}") is None


def test_the_first_value_of_a_key_stands(models: Models) -> None:
    """Everybody is told which one that is, and writing the same again is nothing new."""
    ledger = models.registry.ledger(models.new())

    assert ledger.put_if_absent("epoch-1", "a") == "a"
    assert ledger.put_if_absent("epoch-1", "b") == "a"
    assert ledger.put_if_absent("epoch-1", "a") == "a"
    assert ledger.keys() == {"epoch-1": "a"}


def test_threads_that_race_agree_on_one_winner(models: Models) -> None:
    """Each key has one value, and it is what every thread was told."""
    model = models.new()
    ledgers = [MlflowRegistry(models.uri).ledger(model) for _ in range(6)]
    told: list[tuple[str, str]] = []
    barrier = threading.Barrier(len(ledgers))

    def write(number: int) -> None:
        for key in ("epoch-1", "epoch-2", "epoch-3"):
            barrier.wait()
            told.append((key, ledgers[number].put_if_absent(key, f"by {number}")))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(ledgers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 18
    assert set(told) == set(models.registry.ledger(model).keys().items())


@pytest.mark.usefixtures("crowd")
def test_processes_that_begin_at_once_agree_on_one_ledger(models: Models) -> None:
    """The experiment that points to the ledger is made once."""
    model = models.new()
    ready, told = PROCESSES.Barrier(4), PROCESSES.Queue()
    racers = [
        PROCESSES.Process(target=begin_ledger, args=(models.uri, model, number, ready, told)) for number in range(4)
    ]
    for racer in racers:
        racer.start()
    heard = [told.get(timeout=120) for _ in racers]
    for racer in racers:
        racer.join()

    standing = models.registry.ledger(model).keys()["epoch-1"]
    assert sorted(number for number, _ in heard) == [0, 1, 2, 3]
    assert {value for _, value in heard} == {standing}


def test_a_ledger_that_was_begun_while_we_looked_is_joined(models: Models) -> None:
    """Somebody wrote the first entry between our look and our beginning: theirs is no deleted ledger."""
    model = models.new()
    late = MlflowLedger(MlflowClient(models.uri), model)
    assert late.keys() == {}
    models.registry.ledger(model).put_if_absent("epoch-1", "a")

    late._begin()

    assert late.put_if_absent("epoch-1", "b") == "a"


def test_what_does_not_fit_is_refused_not_cut(models: Models) -> None:
    """MLflow would cut it and say nothing."""
    ledger = models.registry.ledger(models.new())

    assert len(ledger.put_if_absent("epoch-1", "ä" * 5500)) == len(ledger.keys()["epoch-1"]) == 5500
    with pytest.raises(Refused) as refused:
        ledger.put_if_absent("epoch-2", "x" * 5501)
    assert refused.value.code == "entry_too_long"
    assert list(ledger.keys()) == ["epoch-1"]


@pytest.mark.parametrize("what", ["run", "experiment", "pointer renamed"])
def test_a_deleted_ledger_stops_and_is_never_begun_again(models: Models, what: str) -> None:
    """For those who knew it and for those who come anew; restoring it brings everything back."""
    model = models.new()
    known = models.registry.ledger(model)
    known.put_if_absent("epoch-1", "a")
    pointer = models.mlflow.get_experiment_by_name(f"lockgate-ledger/{model}")
    run_id = pointer.tags["ledger_run"]
    anew = MlflowRegistry(models.uri).ledger(model)

    if what == "run":
        models.mlflow.delete_run(run_id)
        for ledger in (known, anew):
            with pytest.raises(Refused, match="restore"):
                ledger.keys()
    elif what == "experiment":
        models.mlflow.delete_experiment(pointer.experiment_id)
        with pytest.raises(Refused, match="restore"):
            anew.keys()
    else:
        models.mlflow.rename_experiment(pointer.experiment_id, f"old-{model}")
    with pytest.raises(Refused) as refused:
        anew.put_if_absent("epoch-2", "b")
    assert refused.value.code == "ledger_deleted"

    if what == "run":
        models.mlflow.restore_run(run_id)
        assert known.keys() == {"epoch-1": "a"}


def test_ledgers_of_two_models_are_apart(models: Models, tmp_path: Path) -> None:
    """One entry is one model's."""
    first, second = models.new(), models.new()

    models.registry.ledger(first).put_if_absent("epoch-1", "a")

    assert models.registry.ledger(second).keys() == {}
