"""The contract of a gate."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import Field, field_validator

from lockgate import plugins
from lockgate.config import Config
from lockgate.errors import UsageError
from lockgate.evaluation.requirements.field import RequirementField
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject, compares
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, Verdict
from lockgate.plugins import FormerName

if TYPE_CHECKING:
    from lockgate.data.dataset_spec import DatasetSpec
    from lockgate.evaluation.case import Case
    from lockgate.evaluation.labelling.late_labels import LateLabels
    from lockgate.evaluation.metrics.custom import Function
    from lockgate.evaluation.scoring.row_metrics import RowMetric
    from lockgate.evidence.evidence import GateResult
    from lockgate.models.load_spec import Load
    from lockgate.models.target_spec import Target


class Waiver(Config):
    """An owner's word that a finding, or a whole gate, does not count until a day is over."""

    finding: str = Field(
        min_length=1, description="Id of a finding as reports show it, or name of a gate, which is then not run."
    )
    owner: str = Field(min_length=1, description="Who answers for it.")
    reason: str = Field(min_length=1, description="Why it may be set aside.")
    until: date = Field(description="Last day on which it holds, such as `2026-12-31`.")

    def expired(self, today: date) -> bool:
        return today > self.until


class PipelineView(Protocol):
    """What a gate may see of the pipeline that it stands in."""

    @property
    def task(self) -> str: ...
    @property
    def target(self) -> Target: ...
    @property
    def threshold(self) -> object: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def per_row(self) -> Mapping[str, RowMetric]: ...
    @property
    def data(self) -> Mapping[str, DatasetSpec]: ...
    @property
    def environment(self) -> object: ...


class OfEach:
    """What a gate says of itself by its own fields; its class, that it may."""

    def __init__(self, value: Callable[[Any], bool]) -> None:
        self._value = value

    def __get__(self, gate: Gate | None, _: type[Gate]) -> bool:
        return gate is None or self._value(gate)


class Gate(Config):
    """One named question about a candidate: its fields are its YAML, and `check` answers it.

    What a class of gates may say of itself, beside its fields:
    subjects: what its requirements may be about, by name. default_require: its requirements where `require` is left out.
    requirement_sets: words that `require` may hold for several lines, each with those.
    remedy_without_requirements: what to do where there are none at all; empty where that is fine. uses_models: whether it
    lets models predict. repeatable: whether it is cheap and says the same each time of the same files; it is then
    re-run before a promotion, and must not contradict the evidence. by_group: whether it measures the rows of `data`
    by group, so that slices may be pooled, crossed and compared with each other, and `gate plan` can count them.
    needs_rows: whether it can say nothing without recent rows where its data has `last`; not so where it reads columns only.
    takes_long: whether it takes so long that it is left out where an earlier gate that counts is in error.
    judges_candidate: whether another candidate could change what it finds; not so where it looks at data alone.
    guards_loading: whether nothing of the candidate is loaded before this gate passes, where it blocks.
    runs_unloaded: whether one that uses models runs also where the candidate may not be loaded, for what files alone say.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {}
    default_require: ClassVar[tuple[str, ...]] = ()
    requirement_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    remedy_without_requirements: ClassVar[str] = ""
    uses_models: ClassVar[bool] = False
    repeatable: ClassVar[bool] = False
    by_group: ClassVar[bool] = False
    needs_rows: ClassVar[bool] = True
    takes_long: ClassVar[bool] = False
    judges_candidate: ClassVar[bool] = True
    guards_loading: ClassVar[bool] = False
    runs_unloaded: ClassVar[bool] = False

    gate: str = Field(
        description="Kind of gate: an installed one (`gate kinds` lists them), or `./file.py:Class` of the project."
    )
    name: str = Field(
        default="",
        pattern=r"^([A-Za-z][A-Za-z0-9_\-]{0,63})?$",
        description="Name in reports and commands; by default the kind. Needed where a kind stands twice.",
    )
    needs: tuple[str, ...] = Field(
        default=(), description="Names of earlier gates that must pass before this one runs."
    )
    severity: Literal["block", "warn"] = Field(
        default="block", description="`warn`: what it finds is reported and blocks nothing."
    )
    require: tuple[RequirementField, ...] | None = Field(
        default=None,
        min_length=1,
        description="What must hold, one line each, such as `auc >= champion - 0.01 on each slice`; else the gate's own "
        "lines.",
    )
    waive: tuple[Waiver, ...] = Field(default=(), description="Findings of this gate that do not count for a while.")

    # The names of these in release 0.1.
    asked: ClassVar[Any] = FormerName("requirements_for")
    told_by: ClassVar[Any] = FormerName("with_metadata_defaults")
    place: ClassVar[Any] = FormerName("own_target")
    numbered: ClassVar[Any] = FormerName("numbered_requirements")
    nothing_asked: ClassVar[Any] = FormerName("remedy_without_requirements")
    asks_models: ClassVar[Any] = FormerName("uses_models")

    @field_validator("require", mode="before")
    @classmethod
    def _lines_of_sets(cls, value: Any) -> Any:
        """`require` with the lines of each set in its place."""
        entries = [value] if isinstance(value, str) and tuple(cls.lines_of(value)) != (value,) else value
        if not isinstance(entries, list | tuple) or not entries:
            return entries
        return [line for entry in entries for line in cls.lines_of(entry)] or None

    @classmethod
    def lines_of(cls, entry: Any) -> Sequence[Any]:
        """The lines that an entry of `require` stands for: of a set its own, else itself."""
        return cls.requirement_sets.get(entry, (entry,)) if isinstance(entry, str) else (entry,)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        FormerName.adopt(cls, Gate)

    @property
    def title(self) -> str:
        """The name under which the gate is known in the evidence: `name`, else its kind, of a file the class."""
        return self.name or self.gate.rpartition(":")[2]

    @property
    def lines(self) -> tuple[Requirement, ...]:
        """The requirements: `require`, else the gate's own defaults."""
        return tuple(parse(line) for line in self.default_require) if self.require is None else self.require

    @property
    def numbered_requirements(self) -> list[tuple[str, Requirement]]:
        """(rN, requirement) of every line, r1 the first."""
        return [(f"r{number}", line) for number, line in enumerate(self.lines, start=1)]

    def requirements_for(self, case: Case) -> list[tuple[str, Requirement]]:
        """(rN, requirement) of the lines that can be decided: those that need a champion only where there is one."""
        return [
            (name, line)
            for name, line in self.numbered_requirements
            if case.champion is not None or not self.needs_champion(line)
        ]

    def needs_champion(self, line: Requirement) -> bool:
        """Whether a line compares with the champion, by its limit or by its subject."""
        return compares(line, self.subjects.get(line.subject))

    @property
    def own_data(self) -> str | None:
        """The data that the gate measures on: its field `data`. None where it has no such field, or leaves it out."""
        return getattr(self, "data", None)

    @property
    def own_target(self) -> Target | None:
        """Where the gate's models answer: its field `target`. None for the pipeline's target."""
        return getattr(self, "target", None)

    @property
    def own_load(self) -> Load | None:
        """The requests that the gate sends: its field `load`, which `gate plan` tells the duration from. None for no load."""
        return getattr(self, "load", None)

    @property
    def late_labels(self) -> LateLabels | None:
        """By what its rows are judged once their labels have come. None for nothing."""
        return None

    @property
    def stops_early(self) -> bool:
        """Whether it asks about no more rows than decide its lines, so that answers that are all there already are of no use to it."""
        return False

    @property
    def least_requests(self) -> int:
        """Requests without which one of the lines is never decided; 0 where none is on requests."""
        return 0

    def load_at(self, target: Target) -> Load | None:
        """The requests that the gate sends where the pipeline's models answer at `target`, with all that `load` leaves open."""
        return self.own_load

    def foretell(self, case: Case, *, loaded: bool) -> Foretold | None:
        """How long `check` would take, from a few requests to the models of the case; None where nothing is foretold.

        loaded: whether an earlier gate has had the models load. Raises LockgateError where they do not answer.
        """
        return None

    @property
    def own_functions(self) -> Mapping[str, Function]:
        """The functions of one's own that the gate's field `functions` names, which its requirements are about."""
        return {}

    @property
    def own_code(self) -> tuple[str, ...]:
        """What may be paths of the project whose bytes decide what the gate finds: of a gate of its own its file."""
        return (posixpath.normpath(self.gate.rpartition(":")[0]),) if plugins.ProjectFile.named_by(self.gate) else ()

    def reads(self, datasets: Sequence[str]) -> tuple[str, ...]:
        """The names of the data that `check` opens, of all that the pipeline has."""
        return (self.own_data,) if self.own_data else ()

    def obstacle(self, earlier: Sequence[GateResult]) -> str | None:
        """Why it is not run after what earlier gates found, to be read behind *not run*; None where it is run."""
        verdicts = {result.name: result.verdict for result in earlier}
        unmet = [
            f"{name} ({verdicts.get(name, 'not run')})" for name in self.needs if verdicts.get(name) != Verdict.PASS
        ]
        if unmet:
            return f": it needs {', '.join(unmet)}"
        broken = [result.name for result in earlier if result.counts and result.verdict is Verdict.ERROR]
        if self.takes_long and broken:
            return f" because {', '.join(broken)} ended in error, which decides this run"
        return None

    @property
    def asks_metadata(self) -> bool:
        """Whether lines depend on what the candidate declares: where `require` is left out, or a limit is `declared`."""
        return self.require is None or any(line.limit.declared for line in self.require)

    def with_metadata_defaults(self, case: Case) -> Gate:
        """The gate with the requirements that the candidate's own metadata brings where `asks_metadata`; else itself.

        Raises LockgateError where the metadata cannot be read.
        """
        return self

    def with_row_metrics(self, metrics: Mapping[str, RowMetric]) -> Gate:
        """The gate as it stands in a pipeline that runs these row metrics beside the model."""
        return self

    def accepting(self, imports: Sequence[str], files: Sequence[str]) -> Gate:
        """The gate as it judges a copy of a model that these modules of ours load, and these files of ours lie beside."""
        return self

    def with_features(self, schema: str | None = None) -> Gate:
        """The gate as it stands in a pipeline that declares `features`. schema: the file that `features_from` names."""
        return self

    def known_after_a_run(self, line: Requirement) -> bool:
        """Whether only a run says how much a line on rows varies, so that `gate plan` does not foretell it."""
        return False

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """What this gate cannot accept in its pipeline: (path below the gate, sentence). Read and open nothing here."""
        return ()

    def origins(self, root: Path) -> Mapping[str, str]:
        """The code of others that the gate runs: name → SHA-256 of its file, or its package and version.

        A resumed run must find it unchanged. Raises UsageError where there is none.
        """
        return {}

    def measured_otherwise(self, stored: GateResult) -> str | None:
        """Why a stored result says nothing of this gate as it stands now, besides its requirements and data; None where it does."""
        return None

    def check(self, case: Case) -> Findings:
        """Yield the findings. Raises LockgateError where it could not measure; what it yielded before that is kept."""
        raise NotImplementedError


def gate_class(kind: str, *, root: Path) -> type[Gate]:
    """The class of a gate: an installed kind, or `./file.py:Class` below the project's root.

    Raises UsageError where there is none, or where it is no gate.
    """
    if plugins.ProjectFile.named_by(kind):
        cls, _ = plugins.ProjectFile(kind, root, "gate").load()
    else:
        cls = plugins.load(plugins.GATES, kind)
    if not (isinstance(cls, type) and issubclass(cls, Gate)):
        raise UsageError(f"{kind!r} is not a gate: it must be a class derived from lockgate.Gate")
    return cls


@dataclass(frozen=True)
class Foretold:
    """How long a gate would take, in seconds; and why it would not decide, None where it may."""

    seconds: float
    obstacle: str | None


@dataclass(frozen=True)
class Context:
    """Circumstances of a gate that belong into the evidence: JSON whose measured numbers are strings."""

    values: Mapping[str, Any]


# What a check yields.
Findings = Iterator[Finding | Exhibit | Context]
