"""The pipeline: which gates run for which model, on what data, and who signs. Composed of the specs that other rooms own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SerializeAsAny,
    StringConstraints,
    model_validator,
)

from lockgate.config import Config, NotAvailableYet
from lockgate.data.class_labels import class_text
from lockgate.data.contract.feature_spec import Features
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.requirements.grammar import to_mapping
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.row_metrics import RowMetrics
from lockgate.evidence.evidence import RequirementLine
from lockgate.gates.gate import Gate, Waiver
from lockgate.models.input_plan import InputSource
from lockgate.models.isolation.isolation_spec import Isolation
from lockgate.models.output import OutputSpec
from lockgate.models.target_spec import Target
from lockgate.pipeline.notification_spec import Notify
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.registries.selectors import CandidateSelector, ChampionSelector, ModelName
from lockgate.registries.spec import RegistrySpec
from lockgate.signoff.policy import SignoffPolicy

LATER_TASKS = ("custom",)
STATISTICS = "arrives with the statistics release"


def _distinct(classes: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for index, name in enumerate(classes) if name in classes[:index]), None)
    if twice is not None:
        raise ValueError(f"the class {twice!r} is named twice")
    return classes


def _task(task: Any) -> Any:
    if task in LATER_TASKS:
        raise NotAvailableYet(f"{task} {STATISTICS}; now there are binary, multiclass, regression, ranking and text")
    return task


class TagThreshold(Config):
    """The threshold that each version brings along, as the value of a tag."""

    tag: str = Field(min_length=1, description="Key of the registry tag whose value is each version's own threshold.")


class PythonEnvironment(Config):
    """The interpreter that the models answer under."""

    python: str = Field(min_length=1, description="Path of a Python interpreter, such as `.venv-model/bin/python`.")


class InputSpec(Config):
    """Which data columns feed an input of the model: one, or those that make up a tensor; and how cells are decoded."""

    column: str | None = Field(default=None, min_length=1, description="The data column that feeds the input.")
    columns: Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(min_length=1)] | None = Field(
        default=None, description="The data columns that make up a tensor, in this order."
    )
    decode: Literal["image", "npy"] | None = Field(
        default=None,
        description="How cells are decoded: `image` (PNG, JPEG, …) or `npy` (what `numpy.save` wrote); not at all by "
        "default.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> InputSpec:
        if (self.column is None) == (self.columns is None):
            raise ValueError("an input is fed by one column or by columns, a list")
        if self.decode is not None and self.column is None:
            raise ValueError("`decode` reads the cells of one column")
        return self

    @property
    def source(self) -> InputSource:
        columns = self.columns or ((self.column,) if self.column is not None else ())
        return InputSource(columns, self.decode)


def _input(value: Any) -> Any:
    """`column` and `[column, column]` in short."""
    if isinstance(value, str):
        return {"column": value}
    return {"columns": value} if isinstance(value, list | tuple) else value


def _input_columns(value: Any) -> Any:
    """A list of columns is those columns under their own names, in that order."""
    if not isinstance(value, list | tuple) or not all(isinstance(column, str) for column in value):
        return value
    twice = next((column for index, column in enumerate(value) if column in value[:index]), None)
    if twice is not None:
        raise ValueError(f"the column {twice!r} is listed twice")
    return {column: column for column in value}


InputColumn = Annotated[
    InputSpec,
    BeforeValidator(_input, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)] | InputSpec),
]
Inputs = Annotated[
    dict[str, InputColumn],
    BeforeValidator(
        _input_columns, json_schema_input_type=dict[str, InputColumn] | Annotated[list[str], Field(min_length=1)]
    ),
]


class Reuse(Config):
    """How often the same holdout may be evaluated."""

    budget: int = Field(
        ge=1,
        le=1000,
        description="How many evaluations of one holdout keep the error rate together; each is tested at 5 % divided by "
        "this.",
    )


ClassName = Annotated[
    str,
    BeforeValidator(
        lambda value: class_text(value) if isinstance(value, bool | int | float) else value,
        json_schema_input_type=str | int | float | bool,
    ),
    StringConstraints(min_length=1),
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_\-]{0,63}$")]


@dataclass(frozen=True)
class Origin:
    """Where a pipeline was read, and what its bytes and values come to."""

    path: Path = Path("pipeline.yaml")
    root: Path = Path()
    files: tuple[tuple[str, str], ...] = ()
    policy: Mapping[str, Any] = field(default_factory=dict)
    policy_digest: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    positions: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)


class Pipeline(Config):
    """A validated pipeline. `load` reads one; relative paths in it are resolved by `resolve`."""

    model: ModelName = Field(min_length=1, description="Name of the registered model.")
    description: str = Field(default="", description="What the model is for, in words for people; decides nothing.")
    task: Annotated[Literal["binary", "multiclass", "regression", "ranking", "text"], BeforeValidator(_task)] = Field(
        description="What the model does; `text` is any text or structure, compared as it was recorded."
    )
    positive: str | int | float | bool = Field(
        default=1, description='The label that high scores speak for, such as `">50K"`; of a binary task.'
    )
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2), AfterValidator(_distinct)] = Field(
        default=(),
        description="The classes of a multiclass task, in the order of the model's scores where it names none; else those "
        "that the label column holds.",
    )
    threshold: float | TagThreshold | None = Field(
        default=None,
        description="From which score on a row is decided positive: a number, or `{tag: KEY}` where each version brings "
        "its own.",
    )
    registry: SerializeAsAny[RegistrySpec] = Field(description="Where the models are registered.")
    candidate: CandidateSelector | None = Field(
        default=None, description="Which version is evaluated; else `gate run --candidate` names it."
    )
    champion: Literal["none"] | ChampionSelector = Field(
        default="none",
        description="Which version it is compared with, usually `{alias: production, else: none}`; `none` for no "
        "comparison.",
    )
    data: dict[Name, DatasetSpec] = Field(
        default_factory=dict, description="The data by names of your own, to which gates refer."
    )
    gates: tuple[SerializeAsAny[Gate], ...] = Field(min_length=1, description="The gates, run in this order.")
    signoff: SignoffPolicy | None = Field(default=None, description="Who approves; without it nothing can be promoted.")
    promotion: PromotionPolicy = Field(
        default_factory=PromotionPolicy,
        description="When and how a version moves, and how long the one before it stays within reach.",
    )
    mode: Literal["observe"] | None = Field(
        default=None,
        description="`observe`: runs show everything, exit with 0 and promote nothing.",
    )
    environment: Literal["current", "declared"] | PythonEnvironment = Field(
        default="current",
        description="The Python that models answer under: the job's, the one that each model declares, or `{python: "
        "PATH}`.",
    )
    target: Target = Field(
        default="process", description="Where models answer: `process`, `{serve: mlflow}`, or servers that you run."
    )
    isolation: Isolation = Field(
        default_factory=Isolation, description="What a model's processes may read, write and reach."
    )
    output: OutputSpec | None = Field(
        default=None,
        description="Which part of a model's answer is the score, for both models or for each by its role.",
    )
    inputs: Inputs = Field(
        default_factory=dict,
        description="Which columns feed the model's inputs, where names differ or it has no signature: a map, or a list "
        "in order.",
    )
    features: Features = Field(
        default_factory=dict,
        description="What holds for each input of the models in all data: type, range, values, missing values.",
    )
    features_from: str | None = Field(
        default=None,
        min_length=1,
        description="A schema that pandera wrote as YAML or JSON, read as further `features`; those written here win.",
    )
    waive: tuple[Waiver, ...] = Field(default=(), description="Findings and gates that do not count for a while.")
    locked: tuple[str, ...] = Field(
        default=(),
        description="Keys that no pipeline extending this one may set, such as `signoff` or `gates.metrics.require`.",
    )
    extends: str | None = Field(
        default=None,
        min_length=1,
        description="The pipeline that this one is merged into: a path beside this file or from the root, or "
        "`package:acme_policy/tabular.yaml`.",
    )
    per_row: RowMetrics = Field(
        default_factory=dict,
        description="Metrics of one's own that are computed for each row beside the model: `./file.py:name`, or several "
        "by name.",
    )
    reuse: Reuse | None = Field(default=None, description="How often the same holdout may be evaluated.")
    notify: tuple[Notify, ...] = Field(default=(), description="Webhooks that are told of events.")

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def production_model(self) -> str:
        """The registered model that holds Production, champion and ledger."""
        return self.promotion.copy_to or self.model

    @property
    def path(self) -> Path:
        return self._origin.path

    @property
    def root(self) -> Path:
        """Where relative paths begin."""
        return self._origin.root

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """(path relative to the root, sha256) of the pipeline and of what it extends."""
        return self._origin.files

    @property
    def policy(self) -> Mapping[str, Any]:
        """The merged tree, variables still named."""
        return self._origin.policy

    @property
    def policy_digest(self) -> str:
        return self._origin.policy_digest

    @property
    def variables(self) -> Mapping[str, str]:
        """name → sha256 of the value, of every variable that was read."""
        return self._origin.variables

    @property
    def follows_production(self) -> bool:
        """Whether it compares with whoever holds Production."""
        return isinstance(self.champion, ChampionSelector) and self.champion.alias == "production"

    @property
    def has_champion(self) -> bool:
        """Whether a version can hold Production; before a first promotion none may."""
        return self.champion != "none"

    @property
    def has_features(self) -> bool:
        """Whether it declares what holds for inputs of the models."""
        return bool(self.features) or self.features_from is not None

    @property
    def signed(self) -> bool:
        """Whether somebody's approval is required, so that undecided findings can be accepted by one."""
        return self.signoff is not None and any(self.signoff.require.values())

    @property
    def version_file(self) -> str | None:
        """The file that names the candidate; None where something else does."""
        return None if self.candidate is None else self.candidate.file

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """Every waiver, the pipeline's own and those of its gates, expired ones too."""
        return (*self.waive, *(waiver for gate in self.gates for waiver in gate.waive))

    def waiver(self, subject: str, day: date) -> Waiver | None:
        """The waiver of a finding or a gate that holds on a day."""
        waivers = (waiver for waiver in self.waivers if waiver.finding == subject)
        return next((waiver for waiver in waivers if not waiver.expired(day)), None)

    @property
    def asking(self) -> set[tuple[str, str]]:
        """(gate, rN) of the lines whose undecided findings an owner may accept."""
        return {
            (gate.title, name)
            for gate in self.gates
            for name, line in gate.numbered_requirements
            if line.if_inconclusive == "ask"
        }

    def gate(self, title: str) -> Gate:
        """The gate of that name. Raises KeyError."""
        return {gate.title: gate for gate in self.gates}[title]

    def data_of(self, gate: Gate) -> str | None:
        """The name of the data that a gate measures on: its own, else the only one there is."""
        return gate.own_data or (next(iter(self.data)) if len(self.data) == 1 else None)

    @property
    def data_of_gates(self) -> list[str]:
        """The names of all data that gates name or measure on, sorted."""
        names = (
            (*gate.reads(tuple(self.data) if self.has_features else ()), self.data_of(gate)) for gate in self.gates
        )
        return sorted({name for each in names for name in each if name is not None})

    def requirements_of(self, title: str, gate: Gate | None = None) -> tuple[RequirementLine, ...]:
        """The requirements of a gate as evidence names them, r1 the first.

        gate: the gate with the requirements of the candidate's metadata, which stand in no file.
        """
        positions = self._origin.lines.get(title, ())
        return tuple(
            RequirementLine(
                f"r{number + 1}", requirement_text(line), *(positions[number] if number < len(positions) else (0, None))
            )
            for number, line in enumerate((gate or self.gate(title)).lines)
        )

    def position(self, *path: str | int) -> str:
        """`file:line:col` of a value, or of the last one on the way to it that is written; the file's name else."""
        ends = (path[:length] for length in range(len(path), 0, -1))
        return next((at for end in ends if (at := self._origin.positions.get(end))), str(self.path))

    def resolve(self, path: str) -> Path:
        """A path of the pipeline as one that can be opened."""
        return self.root / path


def requirement_text(requirement: Requirement) -> str:
    """A requirement as evidence shows it: its line, and behind it what only the mapping form can say."""
    more = {
        key: value
        for key, value in to_mapping(requirement).items()
        if key in ("claim", "confidence", "min_rows", "if_inconclusive")
    }
    return (
        f"{requirement} {{{', '.join(f'{key}: {value}' for key, value in more.items())}}}" if more else str(requirement)
    )


def spends_reuse_budget(gate: Gate, line: Requirement) -> bool:
    """Whether a line is decided on the rows of a data set, with an error rate: what a reuse budget is spent on."""
    subject = gate.subjects.get(line.subject)
    return subject is not None and not subject.counted and line.claim != "point" and subject.of_rows
