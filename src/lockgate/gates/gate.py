"""What a gate is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from lockgate import plugins
from lockgate.config import Config
from lockgate.errors import LockgateError, ModelFault, UsageError
from lockgate.evaluation.estimation.estimate import CONFIDENCE as CONFIDENCE
from lockgate.evaluation.requirements.requirement import (
    JSON_SCHEMA,
    Requirement,
    RequirementError,
    Subject,
    from_mapping,
    parse,
    to_mapping,
)
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding
from lockgate.registries.ports import ModelVersion, VersionFacts

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.scoring.row_metrics import RowMetric
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.models.model import LoadFacts, Model
    from lockgate.models.target_spec import Target
    from lockgate.pipeline.model import Pipeline


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

    def complaints(self, pipeline: Pipeline) -> Iterable[tuple[tuple[str | int, ...], str]]:
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


class Contender:
    """A model version in its role. Everything is fetched, read and started when first asked for."""

    def __init__(
        self,
        role: Literal["candidate", "champion"],
        version: ModelVersion,
        *,
        fetch: Callable[[], Path],
        read: Callable[[Path], VersionFacts],
        start: Callable[[Path, Target | None], Model],
    ) -> None:
        self.role = role
        self.version = version
        self._fetch, self._read, self._start = fetch, read, start
        self._started: list[tuple[Target | None, Model | ModelFault]] = []

    @cached_property
    def files(self) -> Path:
        """The folder with the version's files as stored, their digest checked."""
        return self._fetch()

    @cached_property
    def facts(self) -> VersionFacts:
        """What the registry and the files say, nothing loaded."""
        return self._read(self.files)

    @property
    def model(self) -> Model:
        """The model where the pipeline says that it answers; it may not have been started yet (`Model.load`)."""
        return self.at(None)

    def at(self, target: Target | None) -> Model:
        """The model where a gate says that it answers, which is the pipeline's place where None."""
        for known, model in self._started:
            if known == target:
                if isinstance(model, ModelFault):
                    raise model  # an environment that could not be built is not built again for every gate
                return model
        try:
            started = self._start(self.files, target)
        except ModelFault as fault:
            self._started.append((target, fault))
            raise
        self._started.append((target, started))
        return started

    def answered(self, target: Target | None) -> LoadFacts | None:
        """Where it answered and what was learned of that place; None where it was not asked, or did not start."""
        for known, model in self._started:
            if known == target and not isinstance(model, ModelFault):
                try:
                    return model.load()
                except LockgateError:
                    return None
        return None


class Case:
    """What a gate may look at. All lazy: nothing is read, scored or started before a gate asks.

    champion is None where nobody holds the place; relative lines are then not asked. folder: of the run; what a gate
    writes there is kept. datasets: the names of the data, in order. inputs: signature column to data column, where the
    names differ. row_functions: metric → SHA-256 of the file whose function was run beside the models. progress: (text,
    done, total or None).
    """

    def __init__(
        self,
        *,
        candidate: Contender,
        champion: Contender | None,
        task: str,
        folder: Path,
        seed: int,
        datasets: tuple[str, ...],
        inputs: Mapping[str, str],
        open_dataset: Callable[[str], Dataset],
        score: Callable[[str], Scored],
        replay: Callable[[str], Scored],
        sample: Callable[[Contender, str | None, int], pa.RecordBatch],
        threshold: Callable[[str], float | None],
        row_functions: Callable[[], Mapping[str, str]] = dict,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> None:
        self.row_functions = row_functions
        self.candidate, self.champion = candidate, champion
        self.task, self.folder, self.seed = task, folder, seed
        self.datasets, self.inputs = datasets, inputs
        self.sample = sample
        self.progress = progress or (lambda *_: None)
        self._dataset, self._threshold = _once(open_dataset), threshold
        self._score, self._replay = _once(score), _once(replay)

    @property
    def contenders(self) -> tuple[Contender, ...]:
        return (self.candidate,) if self.champion is None else (self.candidate, self.champion)

    def threshold(self, role: str) -> float | None:
        """The threshold of a role's scores, None where there is none; scores at or above it are positive."""
        return self._threshold(role)

    def dataset(self, name: str) -> Dataset:
        """The data of that name. Raises DataError when it is read and does not fit."""
        return self._dataset(name)

    def scored(self, name: str) -> Scored:
        """Both models' scores of a data set, made once a run. Raises ModelFault and DataError, again at each call."""
        return self._score(name)

    def replayed(self, name: str) -> Scored:
        """Likewise, of requests of which some may fail: NaN where a model did not answer."""
        return self._replay(name)


Answer = TypeVar("Answer")


def _once(ask: Callable[..., Answer]) -> Callable[..., Answer]:
    """The same answer, or the same refusal, at every call: what broke once is not tried again in one run."""
    known: dict[Any, Answer] = {}
    refused: dict[Any, LockgateError] = {}

    def answer(*key: Any) -> Answer:
        if key in refused:
            raise refused[key]
        if key not in known:
            try:
                known[key] = ask(*key)
            except LockgateError as error:
                refused[key] = error
                raise
        return known[key]

    return answer
