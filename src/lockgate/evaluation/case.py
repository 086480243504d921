"""The case that gates look at: candidate, champion and data, everything lazy and made once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lockgate.data.contract.feature_contract import FeatureContract
from lockgate.errors import GateBroken, LockgateError, ModelFault, RegistryError, VersionFault
from lockgate.plugins import FormerName
from lockgate.references.reference import LookUp, unasked

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.behaviour.alteration import Alteration
    from lockgate.evaluation.leaks.column_gain import PermutedColumns
    from lockgate.evaluation.parity.golden_rows import GoldenRows
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.models.input_plan import InputPlan
    from lockgate.models.model import LoadFacts, Model
    from lockgate.models.packages.package_list import PackageList
    from lockgate.models.packages.serving_spec import Serving
    from lockgate.models.program.program_runner import ProgramRunner
    from lockgate.models.target_spec import Target
    from lockgate.registries.ports import ModelVersion, VersionFacts

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class LoadingObstacle:
    """Why nothing of a version is loaded: the gate that must pass first, and what it says of the version's files."""

    gate: str
    reason: str

    def __str__(self) -> str:
        return f"{self.short}; {self.reason}"

    @property
    def short(self) -> str:
        """For whoever sees beside it what the gate says; to be read behind *not run*."""
        return f": nothing of the candidate is loaded before {self.gate} passes"


@dataclass(frozen=True, eq=False)
class Contender:
    """A model version in its role. Everything is fetched, read and started when it is first used.

    guard: why nothing of it may be loaded, None where it may; asked once, before it is started.
    """

    role: Literal["candidate", "champion"]
    version: ModelVersion
    fetch: Callable[[], Path]
    read: Callable[[Path], VersionFacts]
    start: Callable[[Path, Target | None], Model]
    guard: Callable[[], LoadingObstacle | None] = lambda: None
    _examined: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
    _started: list[tuple[Target | None, Model | ModelFault]] = field(default_factory=list, init=False, repr=False)

    @cached_property
    def files(self) -> Path:
        """The folder with the version's files as stored, their digest checked."""
        return self.fetch()

    @cached_property
    def facts(self) -> VersionFacts:
        """What the registry and the files say, nothing loaded. Raises as `own`."""
        with self.own():
            return self.read(self.files)

    @contextmanager
    def own(self) -> Iterator[None]:
        """Where what the version says of itself is read. Raises VersionFault of a candidate, RegistryError of the champion, which no
        candidate can mend."""
        try:
            yield
        except VersionFault as fault:
            if self.role == "candidate":
                raise
            raise RegistryError(f"champion: {fault.message}", remedy=fault.remedy) from fault

    @cached_property
    def obstacle(self) -> LoadingObstacle | None:
        """Why nothing of it is loaded; None where it may be."""
        return self.guard()

    def examined(self, policy: Hashable, examine: Callable[[Path], Answer]) -> Answer:
        """What is to be learned of its files by a policy, once a run."""
        if policy not in self._examined:
            self._examined[policy] = examine(self.files)
        answer: Answer = self._examined[policy]
        return answer

    @property
    def loadable_files(self) -> Path:
        """The same folder, for who may load what is in it. Raises ModelFault where nothing of it may be loaded."""
        if self.obstacle is not None:
            raise ModelFault(
                f"{self.version} is not loaded{self.obstacle}", remedy="see what that gate says of its files"
            )
        return self.files

    @property
    def model(self) -> Model:
        """The model where the pipeline says that it answers; it may not have been started yet (`Model.load`)."""
        return self.model_at(None)

    def model_at(self, target: Target | None) -> Model:
        """The model where a gate says that it answers: at the pipeline's target where None. Raises ModelFault."""
        files = self.loadable_files
        for started_at, model in self._started:
            if started_at == target:
                if isinstance(model, ModelFault):
                    raise model  # an environment that could not be built is not built again for every gate
                return model
        try:
            started = self.start(files, target)
        except ModelFault as fault:
            self._started.append((target, fault))
            raise
        self._started.append((target, started))
        return started

    at = FormerName("model_at")
    answered = FormerName("load_facts")

    def load_facts(self, target: Target | None) -> LoadFacts | None:
        """What was learned of the target where the model answered; None where it was not used, or did not start."""
        for started_at, model in self._started:
            if started_at == target and not isinstance(model, ModelFault):
                try:
                    return model.load()
                except LockgateError:
                    return None
        return None


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """What a gate may look at. All lazy: nothing is read, scored or started before a gate needs it.

    champion: None where no version holds Production; relative requirements are then left out. folder: of the run; what a
    gate writes there stays. datasets: the names of the data, in order. input_plan(contender, data): what the model is
    given of each row. roles: column of the data → what it is, where that is no feature. dataset(name): raises DataError when it is read and does not fit. scored(name): both models' scores of a
    data set. replayed(name): likewise, of requests of which some may fail: NaN where a model did not answer. altered(name,
    alteration, with_champion): likewise, of rows that were altered. Each of these, and `champion_twice`, is made once a run, and raises DataError or ModelFault again at each call. sample(contender, data, rows).
    replayed_until(name, purpose, decided): as `replayed`, of requests in random order, until enough is decided by their answers.
    champion_twice(name, requests): two more answers of the champion to some of the requests, as if two models had given them.
    permuted(name, permutations): the candidate's answers with each column permuted that only it is given; made at each call.
    look_up(reference): the same with whether it exists; it may ask over the network, once of each.
    packages(contender, serving, python): those where it serves. golden(name): role → its golden rows, of data with recorded scores, or beside the model.
    threshold(role): None where there is none; scores at or above it are positive. row_functions(): metric → SHA-256 of the
    file whose function was run beside the models. contract(): what the pipeline says of features; raises DataError. programs: runs programs of the project; None where there is no project.
    progress(text, done, total or None). recorded: data whose recorded answers were read → how it is known who gave them
    (`parity.recording`); whoever runs a gate clears it before.
    """

    candidate: Contender
    champion: Contender | None
    task: str
    folder: Path
    seed: int
    datasets: tuple[str, ...]
    input_plan: Callable[[Contender, Dataset], InputPlan]
    dataset: Callable[[str], Dataset]
    scored: Callable[[str], Scored]
    replayed: Callable[[str], Scored]
    sample: Callable[[Contender, str | None, int], pa.RecordBatch]
    threshold: Callable[[str], float | None]
    look_up: LookUp = unasked
    packages: Callable[[Contender, Serving | None, str | None], PackageList] = lambda *_: _absent(
        "list of the packages that serve"
    )
    altered: Callable[[str, Alteration, bool], Scored] = lambda *_: _absent("model to answer altered rows")
    replayed_until: Callable[[str, str, Callable[[Scored], bool]], Scored] = lambda *_: _absent("model to ask in turn")
    champion_twice: Callable[[str, int], Scored] = lambda *_: _absent("champion to ask twice")
    permuted: Callable[[str, int], PermutedColumns] = lambda *_: _absent("model to ask for rows with a permuted column")
    golden: Callable[[str | None], Mapping[str, GoldenRows]] = lambda _: _absent("model to ask for golden rows")
    row_functions: Callable[[], Mapping[str, str]] = dict
    roles: Mapping[str, str] = field(default_factory=dict)
    notes: Callable[[], tuple[str, ...]] = tuple
    programs: ProgramRunner | None = None
    progress: Callable[[str, int, int | None], None] = lambda *_: None
    contract: Callable[[], FeatureContract] = FeatureContract
    recorded: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name in ("dataset", "scored", "replayed", "altered", "champion_twice"):
            object.__setattr__(self, name, once(getattr(self, name)))
        for name in ("scored", "replayed", "replayed_until"):
            object.__setattr__(self, name, self._noting_recorded(getattr(self, name)))

    def _noting_recorded(self, read: Callable[..., Scored]) -> Callable[..., Scored]:
        def scored(name: str, *how: Any) -> Scored:
            table = read(name, *how)
            if table.recorded:
                self.recorded[name] = table.recorded
            return table

        return scored

    @property
    def contenders(self) -> tuple[Contender, ...]:
        return (self.candidate,) if self.champion is None else (self.candidate, self.champion)


def _absent(part: str) -> Any:
    raise GateBroken(f"this case has no {part}", remedy="run the gate in a pipeline, with gate run")


def once(make: Callable[..., Answer]) -> Callable[..., Answer]:
    """The same answer, or the same refusal, at every call: what broke once is not tried again in one run."""
    answers: dict[Any, Answer] = {}
    refusals: dict[Any, LockgateError] = {}

    def answer(*key: Any) -> Answer:
        if key in refusals:
            raise refusals[key]
        if key not in answers:
            try:
                answers[key] = make(*key)
            except LockgateError as error:
                refusals[key] = error
                raise
        return answers[key]

    return answer
