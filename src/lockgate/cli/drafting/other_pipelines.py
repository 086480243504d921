"""Take from the pipelines that a project has already what a further one shares with them: registry and owners' accounts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lockgate.errors import LockgateError
from lockgate.pipeline.loader import load, pipelines
from lockgate.pipeline.pipeline import Pipeline


@dataclass(frozen=True)
class OtherPipelines:
    """Those of `gates/` that can be read."""

    pipelines: tuple[Pipeline, ...]

    @classmethod
    def of(cls, root: Path) -> OtherPipelines:
        read = []
        for path in pipelines(root):
            with suppress(LockgateError):
                read.append(load(path, environ=None, root=root))
        return cls(tuple(read))

    @property
    def uri(self) -> str | None:
        """The address of the MLflow that all of them name, as it is written; None where they name none, or several."""
        registries = [pipeline.registry for pipeline in self.pipelines if pipeline.registry.kind == "mlflow"]
        uris = {str(getattr(registry, "uri", "")) for registry in registries}
        return next(iter(uris)) or None if len(uris) == 1 else None

    @property
    def accounts(self) -> Mapping[str, int]:
        """login on GitHub → number, of every owner that any of them names."""
        return {
            owner.github: owner.id
            for pipeline in self.pipelines
            if pipeline.signoff is not None
            for owners in pipeline.signoff.groups.values()
            for owner in owners
            if owner.github is not None and owner.id is not None
        }
