"""A registry whose Production lies in another registered model than its candidates: their evidence is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lockgate.errors import NotFound
from lockgate.registries.ports import EvidenceStore, ModelVersion, Registry, Stages

T = TypeVar("T")


class _CopyTarget:
    """The registry as it is, but that the evidence of the target is that of the model it is copied from.

    A target that nobody made yet is one without versions.
    """

    def __init__(self, registry: Registry, *, source: str, target: str) -> None:
        self._registry, self._source, self._target = registry, source, target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def aliases(self, name: str) -> Mapping[str, str]:
        return self._read(name, self._registry.aliases, {})

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        return self._read(name, lambda name: self._registry.by_alias(name, alias), None)

    def loaded(self, name: str) -> tuple[Mapping[str, str], Stages]:
        none: tuple[Mapping[str, str], Stages] = ({}, Stages())
        return self._read(name, self._registry.loaded, none)

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return self._read(name, self._registry.versions, ())

    def _read(self, name: str, read: Callable[[str], T], absent: T) -> T:
        """What a read says of a model. absent: what it says of the target while there is none."""
        try:
            return read(name)
        except NotFound:
            if name != self._target:
                raise
            return absent  # the first promotion makes the model

    def evidence(self, name: str) -> EvidenceStore:
        return self._registry.evidence(self._source if name == self._target else name)


def with_copy_target(registry: Registry, *, source: str, target: str) -> Registry:
    """The registry for a pipeline that evaluates versions of one model and promotes copies of them in another."""
    wrapped: Any = _CopyTarget(registry, source=source, target=target)
    copying: Registry = wrapped
    return copying
