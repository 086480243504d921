"""What a version declares of how it is to be served: its latency budget, memory, processors, the size of a request."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockgate.errors import VersionFault

if TYPE_CHECKING:
    from lockgate.registries.ports import VersionFacts

BATCH = "batch"
DESCRIBED = ("input_format", "cpus")  # for people and searches; nothing holds a version to them
PREFIX = "serving."
REMEDY = "log the model with metadata={'serving': {'p99_ms': 50, 'batch': 32}}, or write require in the pipeline"


@dataclass(frozen=True)
class DeclaredServing:
    """One thing that a version declares. where: it stands, such as `metadata serving.p99_ms` or `tag serving.p99_ms`."""

    name: str
    value: Any
    where: str

    @property
    def number(self) -> float:
        """The value as a number; of tags and params its text is read. Raises VersionFault for what is none."""
        value = self.value
        if isinstance(value, str) and not self.where.startswith("metadata"):
            with contextlib.suppress(ValueError):
                value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise VersionFault(
                f"the model's {self.where.replace(' ', ' has ', 1)}: {self.value!r}, which is no number", remedy=REMEDY
            )
        return int(value) if value == int(value) else value


def declared_serving(facts: VersionFacts) -> dict[str, DeclaredServing]:
    """Name → what a version declares under it; empty where it declares nothing.

    Read from the map `serving` of the model's own metadata, else tags `serving.NAME` of the version, else tags and params
    of its run: of one name the first counts, since only the metadata lie in the files that are evaluated. Raises
    VersionFault for metadata that are no map.
    """
    declared: dict[str, DeclaredServing] = {}
    for name, value, where in _entries(facts):
        declared.setdefault(name, DeclaredServing(name, value, where))
    return declared


def declared_batch(declared: Mapping[str, DeclaredServing]) -> int | None:
    """How many rows a request has, None where that is not declared. Raises VersionFault for what is no such number."""
    if BATCH not in declared:
        return None
    batch = declared[BATCH].number
    if not isinstance(batch, int) or batch < 1:
        where = declared[BATCH].where.replace(" ", " has ", 1)
        raise VersionFault(f"the model's {where}: {batch!r}, which is no number of rows", remedy=REMEDY)
    return batch


def _entries(facts: VersionFacts) -> Iterator[tuple[str, Any, str]]:
    serving = facts.metadata.get("serving")
    if serving is not None:
        if not isinstance(serving, Mapping) or not serving:
            raise VersionFault(f"the model's metadata has serving: {serving!r}, which is no map", remedy=REMEDY)
        for name, value in serving.items():
            yield str(name), value, f"metadata {PREFIX}{name}"
    run = facts.run or {}
    for where, entries in (("tag", facts.tags), ("run tag", run.get("tags")), ("run param", run.get("params"))):
        for name, value in (entries or {}).items():
            if name.startswith(PREFIX):
                yield name.removeprefix(PREFIX), value, f"{where} {name}"
