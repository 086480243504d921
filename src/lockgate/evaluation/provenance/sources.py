"""Where people keep what a version must say of itself: names of parameters, tags and metadata, by subject.

A name is matched with `*` and `?`, against the whole name and against what stands behind its last `/` or `.`
(`train_loop_config/lr` of Ray Tune is `lr`); one that begins with `param:`, `tag:`, `version:`, `metadata:` or `model:`
only there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from lockgate import references
from lockgate.evaluation.provenance.subjects import PREFIXES, QUERYABLE
from lockgate.references import Kind, Reference
from lockgate.references.address import without_secrets
from lockgate.references.reference import LookUp, unasked
from lockgate.registries.ports import VersionFacts

_WORDS = {"param": "parameter", "tag": "tag of the run", "version": "tag of the version", "metadata": "metadata", "model": "logged model",
    "dataset": "tag of the dataset"}  # fmt: skip
_NOTHING = frozenset(["", "none", "null", "nan", "n/a"])
_MOST_DEPTH, _MOST_SIGNS = 8, 1 << 16

# The defaults: a pipeline's own names are asked before these.
NAMES: Mapping[str, tuple[str, ...]] = {
    "training_data": (
        "train*_data", "train*_dataset", "train*_data_uri", "train*_uri", "train*_path", "data", "dataset", "data_uri",
        "data_url", "data_path", "data_ref", "dataset_uri", "dataset_url", "dataset_path", "dataset_ref", "data_digest",
        "data_hash", "data_sha256", "data_md5", "dataset_digest", "dataset_hash", "dataset_sha256", "dataset_md5",
        "dvc_rev", "dvc_md5", "dvc_path", "delta_table", "wandb_artifact",
    ),
    "data_created": (
        "data_created_at", "dataset_created_at", "data_created", "dataset_created", "data_timestamp", "dataset_timestamp",
        "data_snapshot_at", "data_as_of",
    ),
    "data_code": (
        "data_code", "data_code_hash", "data_commit", "dataset_code", "dataset_commit", "processing_code",
        "processing_commit", "processing_code_hash", "preprocessing_commit", "etl_commit", "feature_code_commit",
    ),
    "trained_until": (
        "training_data_until", "train*_data_until", "train*_until", "train*_end", "train*_end_date", "train*_end_time",
        "data_until", "data_cutoff", "train*_cutoff", "train*_max_time",
    ),
    "features": ("metadata:features", "features", "feature_schema", "input_schema"),
    "code_commit": (
        "tag:mlflow.source.git.commit", "tag:mlflow.gitCommit", "tag:mlflow.databricks.gitRepoCommit", "git_commit", "git_sha", "git_hash", "commit", "commit_sha",
        "commit_hash", "code_commit", "code_version", "vcs_ref", "github_sha", "ci_commit_sha",
    ),
    "code_dirty": ("tag:mlflow.source.git.dirty", "git_dirty", "git.dirty"),
    "serving_requirements": ("metadata:serving", "serving", "serving_requirements"),
    "image": (
        "tag:mlflow.docker.image.uri", "docker_image", "image", "image_uri", "image_digest", "container_image",
        "training_image",
    ),
    "hyperparameters": (
        "metadata:hyperparameters", "hyperparameters", "metadata:xgboost_config", "xgboost_config",
    ),
    "hyperparameter_search": (
        "optuna.study*", "optuna.trial*", "optuna_study*", "optuna_trial*", "study_name", "trial_number", "trial_id",
        "trial_name", "sweep_id", "tag:mlflow.parentRunId",
    ),
    "estimator": ("estimator_class", "estimator_name"),
    "seeds": ("*seed", "*seed_*", "*random_state", "*random_states"),
    "slice_metrics": ("slice*/*", "slice*.*", "*by_slice*", "*_on_slice_*"),
    **{name: (name,) for name in QUERYABLE},
}  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A value, under its name, and in which kind of place: a key of `_WORDS`."""

    where: str
    name: str
    value: Any

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else json.dumps(self.value, default=str)

    @property
    def public(self) -> str:
        """The same without the secrets of addresses in it, as evidence and the tags of a version have it."""
        return without_secrets(self.text.strip())

    @property
    def is_nothing(self) -> bool:
        return self.value is None or self.text.strip().lower() in _NOTHING

    def __str__(self) -> str:
        return f"{_WORDS[self.where]} {self.name}"


@dataclass(frozen=True)
class Records:
    """All that is kept of a version beside its files. names: the pipeline's own, by subject.

    deep: whether the logged model is read too, which costs a call. look_up: whether what a reference names exists.
    """

    facts: VersionFacts
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    deep: bool = False
    look_up: LookUp = field(default=unasked, compare=False)

    def reference(self, text: str, *, kind: Kind = "data", dated: bool = False) -> Reference:
        """What a text names, and whether it exists where that was asked."""
        return self.look_up(references.parse(text, kind=kind, dated=dated))

    @cached_property
    def all(self) -> tuple[Kept, ...]:
        run = self.facts.run or {}
        logged = self.facts.logged_model() if self.deep else {}
        listed = [
            *(Kept("param", str(name), value) for name, value in run.get("params", {}).items()),
            *(Kept("tag", str(name), value) for name, value in run.get("tags", {}).items()),
            *(Kept("version", str(name), value) for name, value in self.facts.tags.items() if not name.startswith("lockgate.")),
            *(Kept("metadata", name, value) for name, value in _nested(self.facts.metadata)),
            *(Kept("model", name, value) for name, value in _nested(logged)),
        ]  # fmt: skip
        return tuple(listed)

    def under(self, subject: str) -> Iterator[Kept]:
        """What stands under the names of a subject, in their order; each once, nothing that is empty."""
        yielded: set[tuple[str, str]] = set()
        for pattern in (*self.names.get(subject, ()), *NAMES[subject]):
            where, colon, name = pattern.partition(":")
            where, name = (where, name) if colon and where in PREFIXES else ("", pattern)
            for kept in self.all:
                key = (kept.where, kept.name)
                if key not in yielded and where in ("", kept.where) and _matches(kept, name):
                    yielded.add(key)
                    if not kept.is_nothing:
                        yield kept

    def first(self, subject: str) -> Kept | None:
        return next(self.under(subject), None)


def _matches(kept: Kept, pattern: str) -> bool:
    name, wanted_name = kept.name.lower(), pattern.lower()
    if fnmatchcase(name, wanted_name):
        return True
    return not name.startswith("mlflow.") and fnmatchcase(last_part(name), wanted_name)


def last_part(name: str) -> str:
    """`lr` of `train_loop_config/lr`, `C` of `clf__C`."""
    return re.split(r"[/.]|__", name)[-1]


def _nested(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and values, those of mappings inside as `a.b` too."""
    for name, value in values.items():
        yield f"{prefix}{name}", value
        if isinstance(value, Mapping) and depth < _MOST_DEPTH:
            yield from _nested(value, f"{prefix}{name}.", depth + 1)


def mapping_of(value: Any) -> Mapping[str, Any] | None:
    """A mapping, as it is or as JSON; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{") and len(value) <= _MOST_SIGNS:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


def leaves(value: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The values in mappings inside of mappings, lists among them, each under its path."""
    if depth > _MOST_DEPTH:
        return
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, each in pairs:
        inside = isinstance(each, Mapping) or (
            isinstance(each, list) and any(isinstance(entry, Mapping) for entry in each)
        )
        if inside:
            yield from leaves(each, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", each
