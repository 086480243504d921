"""What a gate is, and what it may look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from lockgate.config import Config
from lockgate.evidence import Exhibit, Finding
from lockgate.registry import ModelVersion, VersionFacts
from lockgate.requirement import Requirement, RequirementError, Subject, from_mapping, parse, to_mapping

if TYPE_CHECKING:
    from lockgate.dataset import Dataset
    from lockgate.model import Model
    from lockgate.scored import Scored

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}")
CONFIDENCE = 0.95


def _requirement(value: Any) -> Requirement:
    if isinstance(value, Requirement):
        return value
    try:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, Mapping):
            return from_mapping(value)
    except RequirementError as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"{value!r} is no requirement; write for example: auc >= champion - 0.01 on each slice")


_MAPPING_SCHEMA = {
    "type": "object",
    "properties": {
        "metric": {"type": "string"},
        "at_least": {"type": ["string", "number"]},
        "at_most": {"type": ["string", "number"]},
        "on": {"type": "string"},
        "gap_over": {"type": "string"},
        "claim": {"enum": ["not_worse", "superior", "no_harm", "point"]},
        "confidence": {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1},
        "min_rows": {"type": "integer", "minimum": 1},
        "if_inconclusive": {"const": "ask"},
    },
    "required": ["metric"],
    "oneOf": [{"required": ["at_least"]}, {"required": ["at_most"]}],
    "additionalProperties": False,
}

AskedLine = Annotated[
    Requirement,
    BeforeValidator(_requirement),
    PlainSerializer(to_mapping),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": 1000}, _MAPPING_SCHEMA]}),
]


class Gate(Config):
    """One named question about a candidate. A gate's fields are its YAML; `check` answers.

    A gate's class says which subjects its lines may have (`subjects`), which lines are asked where `require` is left out
    (`default_require`), and whether it asks models to predict (`asks_models`).
    """

    subjects: ClassVar[Mapping[str, Subject]] = {}
    default_require: ClassVar[tuple[str, ...]] = ()
    asks_models: ClassVar[bool] = False

    gate: str
    name: str = Field(default="", pattern=r"^([A-Za-z][A-Za-z0-9_\-]{0,63})?$")
    needs: tuple[str, ...] = ()
    severity: Literal["block", "warn"] = "block"
    require: tuple[AskedLine, ...] | None = Field(default=None, min_length=1)

    @property
    def title(self) -> str:
        """The name under which the gate is known in the evidence: `name`, else its kind."""
        return self.name or self.gate

    @property
    def lines(self) -> tuple[Requirement, ...]:
        """What is asked: `require`, else the gate's own lines."""
        return tuple(parse(line) for line in self.default_require) if self.require is None else self.require

    def check(self, case: Case) -> Iterator[Finding | Exhibit | Context]:
        """Yield what was found. Raises LockgateError where the question could not be asked; what came before is kept."""
        raise NotImplementedError


@dataclass(frozen=True)
class Context:
    """Circumstances of a gate that belong into the evidence: JSON whose measured numbers are strings."""

    values: Mapping[str, Any]


class Contender:
    """A model version in its role, candidate or champion. Everything is fetched, read and started when first asked for."""

    def __init__(
        self,
        role: Literal["candidate", "champion"],
        version: ModelVersion,
        *,
        fetch: Callable[[], Path],
        read: Callable[[Path], VersionFacts],
        start: Callable[[Path], Model],
    ) -> None:
        self.role = role
        self.version = version
        self._fetch, self._read, self._start = fetch, read, start

    @cached_property
    def files(self) -> Path:
        """The folder with the version's files as stored, their digest checked."""
        return self._fetch()

    @cached_property
    def facts(self) -> VersionFacts:
        """What the registry and the files say, nothing loaded."""
        return self._read(self.files)

    @cached_property
    def model(self) -> Model:
        """The model in a process of its own; it may not have been started yet (`Model.load`)."""
        return self._start(self.files)


@dataclass
class Case:
    """What a gate may look at. All lazy: nothing is read, scored or started before a gate asks.

    threshold: of each role's scores, None where the pipeline names none; scores at or above it are positive.
    champion is None where nobody holds the place; relative lines are then not asked.
    """

    candidate: Contender
    champion: Contender | None
    task: str
    positive: str | int | float | bool
    scratch: Path
    seed: int
    lines: Mapping[str, tuple[Requirement, ...]]
    threshold: Callable[[str], float | None]
    dataset: Callable[[str], Dataset]
    scored: Callable[[str], Scored]
    progress: Callable[[str, int, int | None], None] = field(default=lambda text, done, total: None)

    @property
    def contenders(self) -> tuple[Contender, ...]:
        return (self.candidate,) if self.champion is None else (self.candidate, self.champion)
