"""A registry in memory whose versions are `v1`, `v2`, …: what lockgate asks of any registry, and nothing of MLflow's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from lockgate.errors import NotFound
from lockgate.hashing import sha256
from lockgate.registries.ports import EvidenceStore, LedgerStore, ModelVersion, Registry, Stages, VersionFacts
from lockgate.registries.spec import RegistrySpec

SHELVES: dict[str, MemoryRegistry] = {}


class Spec(RegistrySpec):
    """The entry `registry:` of a pipeline: {kind: shelf, shelf: NAME}."""

    version_pattern: ClassVar[str] = "v[1-9][0-9]*"
    version_form: ClassVar[str] = "a version like v12"

    shelf: str

    def open(self, root: Path) -> Registry:
        return SHELVES[self.shelf]


class MemoryLedger:
    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.note: str | None = None

    def holder(self) -> str | None:
        return self.note

    def show_holder(self, text: str) -> None:
        self.note = text

    def keys(self) -> Mapping[str, str]:
        return dict(self.entries)

    def put_if_absent(self, key: str, value: str) -> str:
        return self.entries.setdefault(key, value)


class MemoryEvidence:
    def __init__(self, folder: Path) -> None:
        self.folder, self.facts, self.ballots = (
            folder,
            dict[str, dict[str, str]](),
            dict[str, list[tuple[bytes, bytes]]](),
        )

    def publish(self, digest: str, folder: Path, *, files: Sequence[str], facts: Mapping[str, str]) -> bool:
        if digest in self.facts:
            return False
        for name in files:
            target = self.folder / digest[7:] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, target)
        self.facts[digest] = {**facts, "digest": digest, "published": str(len(self.facts) + 1)}
        return True

    def published(self, digest: str) -> bool:
        return digest in self.facts

    def fetch(self, digest: str, folder: Path) -> Path:
        if digest not in self.facts:
            raise NotFound(f"no evidence {digest} is published", remedy="publish it with gate run --stage")
        shutil.copytree(self.folder / digest[7:], folder, dirs_exist_ok=True)
        (folder / "votes").mkdir(exist_ok=True)
        for vote, signature in self.votes(digest):
            (folder / "votes" / f"{sha256(vote)[7:]}.json").write_bytes(vote)
            (folder / "votes" / f"{sha256(vote)[7:]}.sig").write_bytes(signature)
        return folder

    def add_vote(self, digest: str, vote: bytes, signature: bytes) -> None:
        self.ballots.setdefault(digest, []).append((vote, signature))

    def votes(self, digest: str) -> Sequence[tuple[bytes, bytes]]:
        return self.ballots.get(digest, [])

    def newest(self, version: str) -> Mapping[str, str] | None:
        return next((facts for facts in reversed(self.all()) if facts["version"] == version), None)

    def votes_and_newest(
        self, digest: str, version: str
    ) -> tuple[Sequence[tuple[bytes, bytes]], Mapping[str, str] | None]:
        return self.votes(digest), self.newest(version)

    def all(self) -> Sequence[Mapping[str, str]]:
        return list(self.facts.values())


class MemoryRegistry:
    """One model's versions; their files are made of their facts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listed: list[ModelVersion] = []
        self.pointers: dict[str, str] = {}
        self.known: dict[str, Mapping[str, Any]] = {}
        self._ledger, self._evidence = MemoryLedger(), MemoryEvidence(folder / "evidence")

    def register(self, name: str, version: str, **facts: Any) -> ModelVersion:
        (self.folder / version).mkdir(parents=True)
        (self.folder / version / "weights.txt").write_text(version)
        self.listed.insert(0, ModelVersion(name, version))
        self.known[version] = facts
        return self.listed[0]

    def time(self) -> datetime | None:
        return None

    def models(self) -> Sequence[str]:
        return list(dict.fromkeys(entry.name for entry in self.listed))

    def version(self, name: str, version: str) -> ModelVersion:
        match = next((entry for entry in self.listed if entry.version == version), None)
        if match is None:
            raise NotFound(f"{name} has no version {version!r}", remedy="name one of the shelf")
        return match

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        return self.version(name, self.pointers[alias]) if alias in self.pointers else None

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return list(self.listed)

    def commit_of(self, version: ModelVersion) -> str | None:
        return None

    def aliases(self, name: str) -> Mapping[str, str]:
        return dict(self.pointers)

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        return Path(shutil.copytree(self.folder / version.version, folder / version.version, dirs_exist_ok=True))

    def facts(self, version: ModelVersion, files: Path) -> VersionFacts:
        blank: dict[str, Any] = dict.fromkeys(("signature", "input_example", "python_version", "run", "commit"))
        blank |= {"requirements": (), "flavors": (), "metrics": {}, "datasets": (), "tags": version.tags}
        return VersionFacts(version=version, files=files, **blank | self.known[version.version])

    def signature(self, version: ModelVersion) -> Mapping[str, Any] | None:
        return None

    def python_version(self, version: ModelVersion) -> str | None:
        return self.known[version.version].get("python_version")

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self.pointers[alias] = self.version(name, version).version

    def copies(self, version: ModelVersion, name: str) -> Sequence[ModelVersion]:
        return []

    def copy_version(self, version: ModelVersion, name: str, *, tags: Mapping[str, str]) -> ModelVersion:
        raise AssertionError("a shelf holds one model")

    def delete_alias(self, name: str, alias: str) -> None:
        self.pointers.pop(alias, None)

    def loaded(self, name: str) -> tuple[Mapping[str, str], Stages]:
        return dict(self.pointers), Stages()

    def storable_tags(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        return tags

    def stages(self, name: str) -> Stages:
        return Stages()

    def set_stage(self, name: str, version: str, stage: str) -> None:
        raise AssertionError("a shelf has no stages")

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        self.listed = [
            replace(entry, tags={**entry.tags, **tags}) if entry.version == version else entry for entry in self.listed
        ]

    def ledger(self, name: str) -> LedgerStore:
        return self._ledger

    def evidence(self, name: str) -> EvidenceStore:
        return self._evidence
