"""What a gate is, and what it may look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from lockgate import plugins
from lockgate.config import Config
from lockgate.errors import UsageError
from lockgate.evaluation.requirements.grammar import JSON_SCHEMA, RequirementError, from_mapping, parse, to_mapping
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding

if TYPE_CHECKING:
    from lockgate.data.dataset import DatasetSpec
    from lockgate.evaluation.case import Case
    from lockgate.evaluation.scoring.row_metrics import RowMetric
    from lockgate.models.target_spec import Target


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


AskedLine = Annotated[
    Requirement,
    BeforeValidator(_requirement),
    PlainSerializer(to_mapping),
    WithJsonSchema(dict(JSON_SCHEMA)),
]


class Waiver(Config):
    """Somebody's word that a finding, or a whole gate, does not count until a day is over.

    finding: the id of a finding, or the name of a gate, which is then not asked.
    """

    finding: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    until: date

    def expired(self, today: date) -> bool:
        return today > self.until


class PipelineView(Protocol):
    """What a gate may see of the pipeline that it stands in: frozen, and read from its YAML."""

    @property
    def task(self) -> str: ...
    @property
    def target(self) -> Target: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def per_row(self) -> Mapping[str, RowMetric]: ...
    @property
    def data(self) -> Mapping[str, DatasetSpec]: ...


class Gate(Config):
    """One named question about a candidate. A gate's fields are its YAML; `check` answers.

    A gate's class says which subjects its lines may have (`subjects`), which lines are asked where `require` is left
    out (`default_require`), what to do where nothing at all is asked (`nothing_asked`), whether it asks models to
    predict (`asks_models`), and whether it is cheap and says the same each time of the same files (`repeatable`): then it
    is asked again before a promotion, and must not contradict the evidence.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {}
    default_require: ClassVar[tuple[str, ...]] = ()
    nothing_asked: ClassVar[str] = ""
    asks_models: ClassVar[bool] = False
    repeatable: ClassVar[bool] = False

    gate: str
    name: str = Field(default="", pattern=r"^([A-Za-z][A-Za-z0-9_\-]{0,63})?$")
    needs: tuple[str, ...] = ()
    severity: Literal["block", "warn"] = "block"
    require: tuple[AskedLine, ...] | None = Field(default=None, min_length=1)
    waive: tuple[Waiver, ...] = ()

    @property
    def title(self) -> str:
        """The name under which the gate is known in the evidence: `name`, else its kind, of a file the class."""
        return self.name or self.gate.rpartition(":")[2]

    @property
    def lines(self) -> tuple[Requirement, ...]:
        """What is asked: `require`, else the gate's own lines."""
        return tuple(parse(line) for line in self.default_require) if self.require is None else self.require

    @property
    def place(self) -> Target | None:
        """Where this gate asks the models, None for the pipeline's own place."""
        return getattr(self, "target", None)

    def reads(self, datasets: Sequence[str]) -> tuple[str, ...]:
        """The names of the data that `check` opens, of all that the pipeline has."""
        named = getattr(self, "data", None)
        return (named,) if named else ()

    def asked(self, case: Case) -> list[tuple[str, Requirement]]:
        """(rN, requirement) of the lines that can be asked: those that need a champion only where there is one."""
        return [
            (name, line) for name, line in self.numbered if case.champion is not None or not self.needs_champion(line)
        ]

    def told_by(self, case: Case) -> Gate:
        """The gate with the lines that the candidate's own metadata asks where the pipeline names none; else itself.

        Raises LockgateError where the metadata cannot be read.
        """
        return self

    @property
    def numbered(self) -> list[tuple[str, Requirement]]:
        """(rN, requirement) of every line."""
        return [(f"r{place}", line) for place, line in enumerate(self.lines, start=1)]

    def needs_champion(self, line: Requirement) -> bool:
        """Whether a line compares with the champion, by its limit or by its subject."""
        subject = self.subjects.get(line.subject)
        return line.limit.relative or (subject is not None and "champion" in subject.needs)

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """What this gate cannot accept in its pipeline: (path below the gate, sentence). Nothing may be read or opened."""
        return ()

    def with_row_metrics(self, metrics: Mapping[str, RowMetric]) -> Gate:
        """The gate as it stands in a pipeline that has these metrics run beside the model."""
        return self

    def origins(self, root: Path) -> Mapping[str, str]:
        """The code of others that it would run: name → SHA-256 of its file, or its package and version.

        A resumed run must find it as it was. Raises UsageError where there is none.
        """
        return {}

    def check(self, case: Case) -> Iterator[Finding | Exhibit | Context]:
        """Yield what was found. Raises LockgateError where it could not be asked; what came before is kept."""
        raise NotImplementedError


def gate_class(kind: str, *, root: Path) -> type[Gate]:
    """The class of a gate: an installed kind, or `./file.py:Class` below the project's root.

    Raises UsageError where there is none, or where it is no gate.
    """
    if plugins.ProjectFile.named_by(kind):
        found, _ = plugins.ProjectFile(kind, root, "gate").load()
    else:
        found = plugins.load(plugins.GATES, kind)
    if not (isinstance(found, type) and issubclass(found, Gate)):
        raise UsageError(f"{kind!r} is not a gate: it must be a class derived from lockgate.Gate")
    return found


@dataclass(frozen=True)
class Context:
    """Circumstances of a gate that belong into the evidence: JSON whose measured numbers are strings."""

    values: Mapping[str, Any]
