"""The models of a self-test as a source of versions: a copy of the candidate, and the champion beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lockgate.errors import NotFound
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import LedgerStore, ModelSource, ModelVersion, VersionFacts
from lockgate.registries.selectors import CandidateSelector, ChampionSelector
from lockgate.runs.selftest.planting import PLANTED_FILES, PLANTED_IMPORTS

_COPY, _CHAMPION = "copy", "champion"


@dataclass(frozen=True)
class CopySource:
    """files, champion_files: of the two models, where they lie. It fetches nothing, and has no ledger."""

    registry: ModelSource
    candidate: ModelVersion
    champion: ModelVersion | None
    files: Path
    champion_files: Path | None

    @property
    def copy(self) -> ModelVersion:
        """The candidate, under a version that no champion has."""
        return replace(self.candidate, version=f"{self.candidate.version} (copy)")

    def choosing(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline, choosing from here; its gates let pass what each copy has beside the model."""
        gates = tuple(gate.accepting(PLANTED_IMPORTS, PLANTED_FILES) for gate in pipeline.gates)
        champion = "none" if self.champion is None else ChampionSelector(alias=_CHAMPION)
        return pipeline.model_copy(
            update={"candidate": CandidateSelector(alias=_COPY), "champion": champion, "gates": gates}
        )

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        return self.copy if alias == _COPY else self.champion

    def version(self, name: str, version: str) -> ModelVersion:
        raise NotFound("a self-test names no versions")

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return [self.copy, *([] if self.champion is None else [self.champion])]

    def commit_of(self, version: ModelVersion) -> str | None:
        return None

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        own = self._is_copy(version)
        return self.files if own or self.champion_files is None else self.champion_files

    def facts(self, version: ModelVersion, files: Path) -> VersionFacts:
        """What the registry knows of the real version, and what these files say."""
        real = self.candidate if self._is_copy(version) else self.champion
        return replace(
            self.registry.facts(replace(real or self.candidate, digest=version.digest), files), version=version
        )

    def ledger(self, name: str) -> LedgerStore:
        raise NotFound("a self-test has no ledger")

    def _is_copy(self, version: ModelVersion) -> bool:
        return version.version == self.copy.version
