"""Hyperparameters by flavor, and seeds: which names must be there, and with the value that acted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from helpers.fakes import facts
from lockgate.evaluation.provenance.complete import Provenance
from lockgate.evaluation.provenance.fact import Fact
from lockgate.registries.ports import ModelVersion

# `XGBClassifier().get_params()` as MLflow logs it, and what `get_booster().save_config()` says of the same model.
XGBOOST = dict.fromkeys(["learning_rate", "max_depth", "n_estimators", "reg_lambda", "subsample"], "None")
CONFIG = {
    "learner": {
        "generic_param": {"seed": "0", "random_state": "0"},
        "gradient_booster": {
            "gbtree_model_param": {"num_trees": "100"},
            "tree_train_param": {"eta": "0.300000012", "lambda": "1", "max_depth": "6", "subsample": "1"},
        },
    }
}
TORCH = {"optimizer": "Adam", "lr": "0.001", "batch_size": "64", "epochs": "20"}


def fact(
    folder: Path,
    flavor: str,
    params: dict[str, Any] | None = None,
    *,
    subject: str = "hyperparameters",
    own: tuple[str, ...] = (),
    tags: dict[str, str] | None = None,
    **logged: Any,
) -> Fact:
    version = facts(
        ModelVersion("fraud", "7"),
        folder,
        flavors=("python_function", flavor),
        run={"id": "abc", "params": params or {}, "tags": tags or {}},
        **logged,
    )
    return Provenance(version, required=own).collect([subject], needed=())[subject]


def test_what_xgboost_left_open_is_not_the_value_that_acted(tmp_path: Path) -> None:
    """Its own wrapper says None for each; the booster's configuration has the numbers, however it is logged."""
    wrapper = fact(tmp_path, "xgboost", XGBOOST)
    effective = fact(tmp_path, "xgboost", XGBOOST, metadata={"hyperparameters": CONFIG})
    as_text = fact(tmp_path, "xgboost", {"xgboost_config": json.dumps(CONFIG)})

    assert (wrapper.count, wrapper.variant) == (0, "hyperparameters.xgboost")
    assert wrapper.faults[0].startswith("learning_rate is None, not the value that acted; max_depth is None")
    assert (effective.faults, as_text.faults) == ((), ())
    assert any(entry.endswith("eta=0.300000012") for entry in effective.entries)


def test_two_values_of_a_search_are_not_all_that_acted(tmp_path: Path) -> None:
    """Optuna's best trial holds what was searched, and no more."""
    trial = fact(
        tmp_path, "xgboost", {"learning_rate": "0.1", "max_depth": "4"}, tags={"optuna.study": "s", "optuna.trial": "3"}
    )

    assert trial.faults == (
        "n_estimators or num_boost_round is not there; reg_lambda or lambda is not there; subsample is not there",
    )
    assert trial.entries == ("learning_rate=0.1", "max_depth=4", "optuna.study=s", "optuna.trial=3")


@pytest.mark.parametrize("lacking", TORCH)
def test_of_torch_each_of_four_must_be_there(tmp_path: Path, lacking: str) -> None:
    """Counting would not tell which one is gone."""
    others = {name: value for name, value in TORCH.items() if name != lacking} | {"dropout": "0.1", "layers": "3"}

    assert fact(tmp_path, "pytorch", TORCH).count == 4
    assert fact(tmp_path, "pytorch", others).count == 0
    assert lacking in fact(tmp_path, "pytorch", others).faults[0]


def test_names_stand_at_the_end_of_a_path(tmp_path: Path) -> None:
    """Ray Tune logs `train_loop_config/lr`, Lightning `optimizer.lr`."""
    nested = {f"train_loop_config/{name}": value for name, value in TORCH.items()}

    assert fact(tmp_path, "pytorch", nested).count == 4


def sklearn_file(folder: Path, **parameters: str) -> None:
    """A skops file's description of a fitted pipeline."""

    def node(name: str, content: Any) -> dict[str, Any]:
        state = {"__class__": "dict", "__module__": "builtins", "content": content}
        return {"__class__": name, "__module__": "sklearn.made.up", "content": state}

    def value(text: str) -> dict[str, Any]:
        return {"__class__": "str", "__module__": "builtins", "content": text}

    fitted = {
        "coef_": node("Tree", {"inside": value("1")}),
        "n_features_in_": value("2"),
        "_sklearn_version": value("1.9.1"),
    }
    model = node("Classifier", {**{name: value(text) for name, text in parameters.items()}, **fitted})
    step = {"__class__": "tuple", "__module__": "builtins", "content": [value('"clf"'), model]}
    steps = {"__class__": "list", "__module__": "builtins", "content": [step]}
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(node("Pipeline", {"steps": steps, "memory": value("null")})))


def test_the_names_of_scikit_learn_are_read_from_the_stored_model(tmp_path: Path) -> None:
    """Of each step; what was fitted is no parameter. None is a value that acts there."""
    sklearn_file(tmp_path, C="1.0", class_weight="null")
    whole = {"steps": "[…]", "memory": "None", "clf__C": "1.0", "clf__class_weight": "None"}

    assert fact(tmp_path, "sklearn", whole).count == 4
    assert fact(tmp_path, "sklearn", {"C": "1.0"}).faults == (
        "steps is not there; class_weight is not there; memory is not there",
    )


@pytest.mark.parametrize("damage", [b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_cannot_be_read_leaves_the_class_to_be_said(tmp_path: Path, damage: bytes) -> None:
    """As of a pickle, which is not opened."""
    (tmp_path / "model.skops").write_bytes(damage)

    assert "it is not said which estimator it is" in fact(tmp_path, "sklearn", {"C": "1.0"}).faults[0]


def test_of_a_pickle_the_names_are_those_of_its_class(tmp_path: Path) -> None:
    """Read from the library's source: nothing is imported, and nothing loaded."""
    tags = {"estimator_class": "sklearn.linear_model._logistic.LogisticRegression"}
    some = fact(tmp_path, "sklearn", {"C": "1.0"}, tags=tags, requirements=())
    from sklearn.linear_model import LogisticRegression

    logged = {name: str(value) for name, value in LogisticRegression().get_params().items()}

    assert "class_weight is not there" in some.faults[0]
    assert (
        fact(tmp_path, "sklearn", logged, tags=tags, requirements=()).count == len(logged) - 1
    )  # random_state is a seed


def test_names_of_another_minor_version_are_not_demanded(tmp_path: Path) -> None:
    """A class may have had others then."""
    tags = {"estimator_class": "sklearn.linear_model._logistic.LogisticRegression"}

    assert fact(tmp_path, "sklearn", {"C": "1.0"}, tags=tags, requirements=("scikit-learn==0.1.2",)).count == 1


def test_a_pipeline_may_name_its_own(tmp_path: Path) -> None:
    """In the place of the flavor's."""
    own = ("learning_rate|lr", "rank")

    assert fact(tmp_path, "pytorch", {"lr": "0.1", "rank": "8"}, own=own).count == 2
    assert fact(tmp_path, "pytorch", TORCH, own=own).faults == ("rank is not there",)


def test_of_an_unknown_flavor_what_is_logged_counts_unless_it_is_something_else(tmp_path: Path) -> None:
    """A path, an owner and a seed are no hyperparameters."""
    others = {"data_path": "train.csv", "owner": "fraud-team", "seed": "7", "alpha": "None"}

    assert fact(tmp_path, "made_up", others).count == 0
    assert fact(tmp_path, "made_up", others).faults == ()
    assert fact(tmp_path, "made_up", others | {"depth": "3"}).count > 0


@pytest.mark.parametrize(
    ("params", "entries", "fault"),
    [
        ({"seed": "7"}, ("seed=7",), ""),
        ({"clf__random_state": "0", "other__random_state": "None"}, ("clf__random_state=0",), ""),
        ({"trainer/global_seed": "42"}, ("trainer/global_seed=42",), ""),
        ({"random_state": "None"}, ("random_state",), "random_state is None, so another one is drawn each time"),
        ({"seed": "RandomState(MT19937)"}, ("seed",), "so another one is drawn"),
        ({"learning_rate": "0.1"}, (), ""),
    ],
)
def test_a_seed_is_a_number(tmp_path: Path, params: dict[str, str], entries: tuple[str, ...], fault: str) -> None:
    """None draws another one each time."""
    seeds = fact(tmp_path, "sklearn", params, subject="seeds")

    assert seeds.entries == entries
    assert fault in "; ".join(seeds.faults)
    assert bool(seeds.faults) == bool(fault)


def test_the_seed_of_a_boosters_configuration_is_found(tmp_path: Path) -> None:
    """Also the one that defaulted."""
    seeds = fact(tmp_path, "xgboost", metadata={"hyperparameters": CONFIG}, subject="seeds")

    assert "learner.generic_param.seed=0" in seeds.entries


def test_what_may_be_secret_is_no_hyperparameter(tmp_path: Path) -> None:
    """Evidence is shown in pull requests, and a run may have logged its whole configuration."""
    config = TORCH | {
        "db_password": "hunter2",
        "warehouse": "postgresql://dana:hunter2@db/x",
        "hf_token": "hf_1",
        "tokenizer": "bpe",
    }
    logged = fact(tmp_path, "pytorch", config)

    assert logged.entries == ("optimizer=Adam", "lr=0.001", "batch_size=64", "epochs=20", "tokenizer=bpe")
