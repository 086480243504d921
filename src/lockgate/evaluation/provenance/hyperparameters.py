"""Hyperparameters by flavor: the names that must be there, with the value that acted; and the seeds among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lockgate.evaluation.provenance import sklearn_names
from lockgate.evaluation.provenance.fact import Fact
from lockgate.evaluation.provenance.sources import NAMES, Kept, Records, last_part, leaves, mapping_of
from lockgate.text import clauses

# What each flavor cannot be trained again without; names that mean the same are joined by `|`.
RULES: Mapping[str, tuple[str, ...]] = {
    "xgboost": (
        "learning_rate|eta", "max_depth", "n_estimators|num_boost_round|num_trees", "reg_lambda|lambda", "subsample",
    ),
    "lightgbm": (
        "learning_rate|eta|shrinkage_rate", "num_leaves|max_leaves", "n_estimators|num_iterations|num_boost_round|num_trees",
        "reg_lambda|lambda_l2|lambda", "bagging_fraction|subsample|sub_row",
    ),
    "catboost": (
        "learning_rate|eta", "depth|max_depth", "iterations|n_estimators|num_trees|num_boost_round", "l2_leaf_reg|reg_lambda",
    ),
    "pytorch": (
        "optimizer|optimizer_name|optim|opt_name", "lr|learning_rate|base_lr", "batch_size|train_batch_size",
        "epochs|max_epochs|num_epochs|num_train_epochs|max_steps|steps",
    ),
    "keras": (
        "optimizer|optimizer_name|opt_name", "learning_rate|lr|opt_learning_rate", "batch_size",
        "epochs|max_epochs|num_epochs",
    ),
    "transformers": (
        "learning_rate|lr", "per_device_train_batch_size|train_batch_size|batch_size", "num_train_epochs|epochs|max_steps",
        "optim|optimizer",
    ),
}  # fmt: skip
_SAME_AS = {"tensorflow": "keras", "lightning": "pytorch", "sentence_transformers": "transformers"}
_SEED = re.compile(r"(?i)(?:^|[a-z_])(?:seed|random_state)s?(?:_[a-z]+)?$")
_NUMBER = re.compile(r"-?\d+(?:\.0+)?")
_SECRET = re.compile(r"(?i)passw|secret|token(?!izer)|credential|api_?key|access_?key|private_?key|connection")
_NO_PARAMETERS = re.compile(
    r"(?i)(?:path|uri|url|dir|file|version|owner|commit|sha\d*|hash|digest|user|name|host|tag)s?$"
)
_MOST, _MOST_SIGNS, _MOST_NAMED = 200, 60, 8


@dataclass(frozen=True)
class Parameters:
    """The parameters that are kept of a version. logged: (last part of the name, name, value), mappings taken apart."""

    records: Records

    def logged(self) -> Iterator[tuple[str, str, Kept]]:
        for kept in self.records.all:
            if kept.where == "param" or (kept.where == "model" and kept.name.startswith("params.")):
                yield last_part(kept.name), kept.name, kept
        for kept in self.records.under("hyperparameters"):
            mapping = mapping_of(kept.value)
            for path, value in () if mapping is None else leaves(mapping):
                yield last_part(path), path, Kept(kept.where, path, value)
            if mapping is None:
                yield last_part(kept.name), kept.name, kept

    def values(self) -> dict[str, list[Kept]]:
        """What is kept under each name, in lower case; sorted so that what acted comes before what was left open."""
        by_name: dict[str, list[Kept]] = {}
        for short, name, kept in self.logged():
            if not (
                _SECRET.search(name) or "://" in kept.text
            ):  # evidence is public, and an address may hold a password
                by_name.setdefault(short.lower(), []).append(kept)
        return {name: sorted(entries, key=lambda kept: kept.is_nothing) for name, entries in by_name.items()}


def hyperparameters(records: Records, required: Iterable[str] = ()) -> Fact:
    """Those that the flavor must have. required: the pipeline's own names, in the place of the flavor's."""
    subject, flavor = "hyperparameters", _flavor(records.facts.flavors)
    values = Parameters(records).values()
    entries = [f"{kept.name}={kept.text[:_MOST_SIGNS]}" for name in values for kept in values[name][:1]]
    entries = [entry for entry in entries if not _SEED.search(entry.partition("=")[0])]
    entries += [f"{kept.name}={kept.public[:_MOST_SIGNS]}" for kept in records.under("hyperparameter_search")]
    variant = f"{subject}.{flavor}" if flavor else ""
    own = tuple(required)
    open_values = flavor == "sklearn" and not own  # None acts there
    if own or flavor in RULES:
        names, unknown = own or RULES[flavor], None
    elif flavor == "sklearn":
        names, unknown = sklearn_names.required(records)
    else:
        names, unknown = (), None
        own_names = [name for name in values if not _is_other(name, values[name][0])]
        entries = entries if own_names else []
    faults = list(_lacking(names, values, allow_nothing=open_values))
    if unknown is not None and not faults:
        faults = [unknown]
    if not entries:
        return Fact(subject, variant=variant)
    return Fact(subject, tuple(entries[:_MOST]), (clauses(faults, _MOST_NAMED),) if faults else (), variant=variant)


def seeds(records: Records) -> Fact:
    """A number for whatever draws."""
    kept_seeds = {name: kept for short, name, kept in Parameters(records).logged() if _SEED.search(short)}
    for kept in records.under("seeds"):
        if not any(kept.name.endswith(name) for name in kept_seeds):
            kept_seeds[kept.name] = kept
    flavor = _flavor(records.facts.flavors)
    variant = f"seeds.{flavor}" if flavor else ""
    numbers = [f"{name}={kept.text}" for name, kept in kept_seeds.items() if _NUMBER.fullmatch(kept.text.strip())]
    if numbers or not kept_seeds:
        return Fact("seeds", tuple(numbers), variant=variant)
    drawn = [
        f"{name} is {kept.public[:_MOST_SIGNS]}, so another one is drawn each time" for name, kept in kept_seeds.items()
    ]
    return Fact("seeds", tuple(kept_seeds), (clauses(drawn, _MOST_NAMED),), variant=variant)


def _flavor(flavors: Iterable[str]) -> str:
    """The library that a version was trained with; empty where its files do not say."""
    names = [_SAME_AS.get(name, name) for name in flavors]
    return next((name for name in (*RULES, "sklearn") if name in names), "")


def _lacking(names: Iterable[str], values: Mapping[str, list[Kept]], *, allow_nothing: bool) -> Iterator[str]:
    for name in names:
        same = [part.lower() for part in name.split("|")]
        kept = [entry for part in same for entry in values.get(part, ())]
        words = " or ".join(name.split("|")[:2])
        if not kept:
            yield f"{words} is not there"
        elif not allow_nothing and all(entry.is_nothing for entry in kept):
            yield f"{kept[0].name} is {kept[0].text}, not the value that acted"


def _is_other(name: str, kept: Kept) -> bool:
    """Whether a parameter is rather about data, code or people than about training."""
    listed = (
        *NAMES["training_data"],
        *NAMES["code_commit"],
        *NAMES["data_created"],
        *NAMES["data_code"],
        *NAMES["image"],
    )
    return (
        name in listed or kept.is_nothing or _SEED.search(name) is not None or _NO_PARAMETERS.search(name) is not None
    )
