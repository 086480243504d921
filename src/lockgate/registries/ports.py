"""Ports and values that every model registry implements and hands out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class ModelVersion:
    """One version in a registry. `digest` is of its files as stored (`hashing.folder_digest`), None until read.

    in_production: whether the registry shows it as Production by other means than an alias, as MLflow's stages do.
    """

    name: str
    version: str
    digest: str | None = None
    run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: str | None = None
    in_production: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


def version_order(version: str) -> list[Any]:
    """Sort key of versions: numbers inside them count as numbers, so that `v2` is before `v10` and `2` before `10`."""
    parts = re.split(r"([0-9]+)", version)  # every second one is a number
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


@dataclass(frozen=True)
class VersionFacts:
    """What the registry and the model's own files say about a version, read without loading the model.

    signature: {"inputs": [column…], "outputs": [column…], "params": […]} with columns as the registry's JSON has them
    (`name`, `type`, `required`), None where there is none. input_example: path of the file inside `files`, or None.
    metadata: what whoever logged the model wrote into it. remedies: how whoever logs a model adds what gates miss, by the
    subject of their finding (`training_data`, …, and `missing` for signature and input example), or by it and the flavor
    (`hyperparameters.xgboost`). history(metric): how many values the run has of one that it logged. logged_model(): `params`
    and `tags` of what the version was made from, where the registry keeps such beside the run. Each is read once.
    """

    version: ModelVersion
    files: Path
    signature: Mapping[str, Any] | None
    input_example: Path | None
    requirements: tuple[str, ...]
    flavors: tuple[str, ...]
    python_version: str | None
    run: Mapping[str, Any] | None
    commit: str | None
    metrics: Mapping[str, float]
    datasets: tuple[Mapping[str, str], ...]
    tags: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    remedies: Mapping[str, str] = field(default_factory=dict)
    history: Callable[[str], int] = field(default=lambda metric: 1, compare=False)
    logged_model: Callable[[], Mapping[str, Any]] = field(default=dict, compare=False)


@dataclass(frozen=True)
class Stages:
    """Stages that mirror the aliases, of all versions, and the stage that the registry has for each state.

    names: for the states none, staging, production, standby, archived and withdrawn. All are empty where nothing mirrors.
    tags: version → its tags, where they came with the same read.
    """

    by_version: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)


class ModelSource(Protocol):
    """Where the models of a run come from: a registry, or files. Raises NotFound, Denied or Unavailable."""

    def version(self, name: str, version: str) -> ModelVersion:
        """One version, by its number. Raises NotFound."""

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """The version that an alias points to, None where nothing has it. Raises NotFound for an unknown model."""

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """All versions, newest first. Raises NotFound for an unknown model."""

    def commit_of(self, version: ModelVersion) -> str | None:
        """The git commit that the version's run was made from, as far as it is recorded."""

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """Download the version's files below `folder` and return the folder that holds them."""

    def facts(self, version: ModelVersion, files: Path) -> VersionFacts:
        """Facts of a fetched version, nothing of the model being loaded."""

    def ledger(self, name: str) -> LedgerStore: ...


class Registry(ModelSource, Protocol):
    """A model registry. Reads raise as those of a source do; writes also UnknownOutcome, never retried."""

    def time(self) -> datetime | None:
        """What time it is by the registry, as its last answer had it; None where it says none, or has not answered yet."""

    def models(self) -> Sequence[str]:
        """The names of all registered models, the one that changed last first."""

    def aliases(self, name: str) -> Mapping[str, str]:
        """alias → version number."""

    def signature(self, version: ModelVersion) -> Mapping[str, Any] | None:
        """The signature of a version, as in its facts, from the one file that holds it: nothing else is downloaded."""

    def python_version(self, version: ModelVersion) -> str | None:
        """The Python that a version was logged under, such as 3.11.9, from the same file; None where that does not say it."""

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias to a version. Raises NotFound where the version is gone."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias point to nothing. Not every credential may, so nothing rests on it."""

    def loaded(self, name: str) -> tuple[Mapping[str, str], Stages]:
        """The aliases, and of each stage that mirrors them the one version that its name loads, in one read."""

    def copies(self, version: ModelVersion, name: str) -> Sequence[ModelVersion]:
        """Whole versions of another model that were made from this one, oldest first; none where there is no such model."""

    def copy_version(self, version: ModelVersion, name: str, *, tags: Mapping[str, str]) -> ModelVersion:
        """Copy a version into another model, which is made where it is missing, once: `copies` finds what became of it."""

    def stages(self, name: str) -> Stages:
        """The stages of all versions where the registry mirrors the aliases in them; empty where it does not."""

    def set_stage(self, name: str, version: str, stage: str) -> None:
        """Move a version to a stage, once. That of production archives whatever else stands there, in the same write."""

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags on a version. Tags are for people and searches: nothing is ever decided from them."""

    def storable_tags(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        """The tags with keys and values as the registry can hold them."""

    def evidence(self, name: str) -> EvidenceStore: ...


class LedgerStore(Protocol):
    """The append-only record of one model, write-once by key.

    A ledger that somebody deleted raises Refused (`ledger_deleted`) in both methods; a second one is never begun.
    """

    def keys(self) -> Mapping[str, str]:
        """Every key and its value. Empty where the ledger was not begun."""

    def holder(self) -> str | None:
        """The note of who carries out an entry, as it came with the keys that were read last; None without one."""

    def show_holder(self, text: str) -> None:
        """Replace that note, and begin the ledger where there is none.

        It is no key: anybody may write over it, and nothing is decided by it but who is waited for.
        """

    def put_if_absent(self, key: str, value: str) -> str:
        """Write the value unless the key exists; returns the value that stands now, ours or the winner's.

        The first write begins the ledger. Raises Refused (`entry_too_long`) rather than store less than all of it, and
        UnknownOutcome where the answer was lost and reading back could not tell.
        """


class EvidenceStore(Protocol):
    """What is published beside the versions of one model."""

    def publish(self, digest: str, folder: Path, *, files: Sequence[str], facts: Mapping[str, str]) -> bool:
        """Store the files of a run folder under the digest; publishing twice is one. Returns whether it was stored now.

        facts are short searchable values; `version` and `at` (when the run finished, UTC) must be among them.
        """

    def published(self, digest: str) -> bool:
        """Whether everything of this digest is stored."""

    def fetch(self, digest: str, folder: Path) -> Path:
        """Download what was published under a digest; each vote is `votes/HASH.json`, its signature `votes/HASH.sig`.

        Raises NotFound, and Edited where the bytes of the evidence have another digest.
        """

    def add_vote(self, digest: str, vote: bytes, signature: bytes) -> None:
        """Store a vote beside the evidence; the same vote twice is one. Raises NotFound for what is not published."""

    def votes(self, digest: str) -> Sequence[tuple[bytes, bytes]]:
        """(vote bytes, signature bytes) of every vote stored for the digest."""

    def newest(self, version: str) -> Mapping[str, str] | None:
        """The facts, `digest` among them, of what was published last of a version; None without any."""

    def votes_and_newest(
        self, digest: str, version: str
    ) -> tuple[Sequence[tuple[bytes, bytes]], Mapping[str, str] | None]:
        """The votes on the evidence of a version, and that version's newest facts, in as few reads as will do."""

    def all(self) -> Sequence[Mapping[str, str]]:
        """The facts of everything, in the order in which it was published; `digest` is among them.

        `published` is the number of the publication, counted up for the model by no clock; `0` where nobody counted yet.
        `vote.<hash>` holds a vote that rejects or revokes, so that who objected is known without reading every folder.
        """
