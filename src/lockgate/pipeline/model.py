"""What does a pipeline ask, of which model, on what data, and who signs? Composed of the types that others own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from lockgate import hashing as digest
from lockgate import plugins
from lockgate.config import Config, later
from lockgate.data.class_labels import class_text
from lockgate.data.dataset import DatasetSpec
from lockgate.errors import PipelineError, UsageError
from lockgate.evaluation.requirements.requirement import Requirement, to_mapping
from lockgate.evaluation.scoring.row_metrics import RowMetrics
from lockgate.evidence.evidence import Asked
from lockgate.gates.gate import CONFIDENCE, Gate, Waiver, gate_class
from lockgate.models.output import OutputSpec
from lockgate.models.target_spec import Target
from lockgate.pipeline import consistency as crosscheck
from lockgate.pipeline import inheritance as extends
from lockgate.pipeline import validation_messages as wording
from lockgate.pipeline import variables
from lockgate.pipeline.consistency import Draft
from lockgate.pipeline.notification_spec import Notify
from lockgate.pipeline.yaml_reader import Complaint, Node, Path_
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.registries.ports import CandidateSelector, ChampionSelector, RegistrySpec
from lockgate.signoff.policy import SignoffPolicy

LATER_TASKS = ("custom",)
STATISTICS = "arrives with the statistics release"


def _model_name(name: str) -> str:
    if name != name.strip() or any(sign in name for sign in "/:"):
        raise ValueError(
            f"{name!r} cannot be the name of a registered model: it holds no / and no :, nor spaces around"
        )
    return name


def _distinct(classes: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for place, name in enumerate(classes) if name in classes[:place]), None)
    if twice is not None:
        raise ValueError(f"the class {twice!r} is named twice")
    return classes


def _task(task: Any) -> Any:
    if task in LATER_TASKS:
        known = "binary, multiclass, regression and ranking"
        raise ValueError(f"not available yet: {task} {STATISTICS}; now there are {known}")
    return task


class TagThreshold(Config):
    """The threshold that each version brings along, as the value of a tag."""

    tag: str = Field(min_length=1)


class PythonEnvironment(Config):
    """The interpreter that the models answer under."""

    python: str = Field(min_length=1)


class InputSpec(Config):
    """Which data column feeds a column of the model's signature."""

    column: str = Field(min_length=1)
    decode: later("until then let the model read the file that its column names") = None  # type: ignore[valid-type]


InputColumn = Annotated[
    InputSpec,
    BeforeValidator(
        lambda value: {"column": value} if isinstance(value, str) else value, json_schema_input_type=str | InputSpec
    ),
]


class Reuse(Config):
    """How often the same rows may be looked at. Each look is tested at alpha / budget, so that all together keep alpha."""

    budget: int = Field(ge=1, le=1000)


ClassName = Annotated[
    str,
    BeforeValidator(
        lambda value: class_text(value) if isinstance(value, bool | int | float) else value,
        json_schema_input_type=str | int | float | bool,
    ),
    StringConstraints(min_length=1),
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_\-]{0,63}$")]
ModelName = Annotated[
    str,
    AfterValidator(_model_name),
    WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"^[^/:\s]([^/:]*[^/:\s])?$"}),
]


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


class Pipeline(Config):
    """A validated pipeline. `load` reads one; relative paths in it are resolved by `resolve`.

    signoff is None where the pipeline does not say who signs: nothing can then be promoted. candidate is None where
    the command line names it.
    """

    model: ModelName = Field(min_length=1)
    description: str = ""
    task: Annotated[Literal["binary", "multiclass", "regression", "ranking"], BeforeValidator(_task)]
    positive: str | int | float | bool = 1
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2), AfterValidator(_distinct)] = ()
    threshold: float | TagThreshold | None = None
    registry: RegistrySpec
    candidate: CandidateSelector | None = None
    champion: Literal["none"] | ChampionSelector = "none"
    data: dict[Name, DatasetSpec] = Field(default_factory=dict)
    gates: tuple[SerializeAsAny[Gate], ...] = Field(min_length=1)
    signoff: SignoffPolicy | None = None
    promotion: PromotionPolicy = Field(default_factory=PromotionPolicy)
    mode: Literal["observe"] | None = None
    environment: Literal["current", "declared"] | PythonEnvironment = "current"
    target: Target = "process"
    output: OutputSpec | None = None
    inputs: dict[str, InputColumn] = Field(default_factory=dict)
    waive: tuple[Waiver, ...] = ()
    locked: tuple[str, ...] = ()
    extends: str | None = Field(default=None, min_length=1)
    per_row: RowMetrics = Field(default_factory=dict)
    reuse: Reuse | None = None
    notify: tuple[Notify, ...] = ()

    _origin: Origin = PrivateAttr(default_factory=Origin)

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
    def has_champion(self) -> bool:
        """Whether somebody can hold the place; on a first promotion nobody may."""
        return self.champion != "none"

    @property
    def signed(self) -> bool:
        """Whether somebody's approval is asked, so that undecided findings can be accepted by a vote."""
        return self.signoff is not None and any(self.signoff.require.values())

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """Every waiver, the pipeline's own and those of its gates, expired ones too."""
        return (*self.waive, *(waiver for gate in self.gates for waiver in gate.waive))

    def gate(self, title: str) -> Gate:
        """The gate of that name. Raises KeyError."""
        return {gate.title: gate for gate in self.gates}[title]

    def data_of(self, gate: Gate) -> str | None:
        """The name of the data that a gate is asked on: its own, else the only one there is."""
        named = getattr(gate, "data", None)
        return str(named) if named else next(iter(self.data)) if len(self.data) == 1 else None

    def asked(self, title: str, told: Gate | None = None) -> tuple[Asked, ...]:
        """The requirements of a gate as evidence names them, r1 the first; `told` has lines that no file has."""
        places = self._origin.lines.get(title, ())
        return tuple(
            Asked(f"r{number + 1}", text(line), *(places[number] if number < len(places) else (0, None)))
            for number, line in enumerate((told or self.gate(title)).lines)
        )

    def resolve(self, path: str) -> Path:
        """A path of the pipeline as one that can be opened."""
        return self.root / path


def text(requirement: Requirement) -> str:
    """A requirement as evidence shows it: its line, and behind it what only the mapping form can say."""
    more = {
        key: value
        for key, value in to_mapping(requirement).items()
        if key in ("claim", "confidence", "min_rows", "if_inconclusive")
    }
    return (
        f"{requirement} {{{', '.join(f'{key}: {value}' for key, value in more.items())}}}" if more else str(requirement)
    )


def looks_at_rows(gate: Gate, line: Requirement) -> bool:
    """Whether a line is decided on the rows of a data set, with an error rate: what a budget of looks is spent on."""
    subject = gate.subjects.get(line.subject)
    return (
        subject is not None
        and not subject.counted
        and line.claim != "point"
        and bool({"label", "score"} & set(subject.needs))
    )


def _budgeted(draft: Draft, budget: int) -> Draft:
    """The gate with each line that looks at rows at the confidence 1 − alpha / budget."""
    gate = draft.gate
    if gate is None or not any(looks_at_rows(gate, line) for line in gate.lines):
        return draft

    def tested(line: Requirement) -> Requirement:
        if not looks_at_rows(gate, line):
            return line
        return replace(line, confidence=round(1 - (1 - (line.confidence or CONFIDENCE)) / budget, 12))

    return replace(draft, gate=gate.model_copy(update={"require": tuple(tested(line) for line in gate.lines)}))


def root_of(path: Path) -> Path:
    """Where relative paths begin: the nearest folder above that holds `.git`, else the working directory."""
    for folder in path.absolute().parents:
        if (folder / ".git").exists():
            return folder
    return Path.cwd()


def policy_digest(policy: Any) -> str:
    """SHA-256 of the policy as canonical JSON, where a number with a point is {"float": its shortest text}."""

    def exact(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: exact(below) for name, below in value.items()}
        if isinstance(value, list):
            return [exact(below) for below in value]
        return {"float": repr(value)} if isinstance(value, float) else value

    return digest.sha256(digest.canonical(exact(policy)))


def load(path: Path, *, environ: Mapping[str, str] | None, root: Path | None = None) -> Pipeline:
    """Read, merge and check a pipeline. Raises PipelineError with every complaint.

    environ: where variables are looked up; None checks statically, and leaves those that have no default as written.
    """
    root = root_of(path) if root is None else root.absolute()
    merged = extends.resolve(path, root=root)
    substituted = variables.substitute(merged.root, environ)
    tree = substituted.root
    early = [*merged.complaints, *substituted.complaints]
    pipeline, refused, late = _validated(tree)
    drafts, found = _gates(tree, root)
    drafts = [replace(one, gate=one.gate and one.gate.with_row_metrics(pipeline.per_row)) for one in drafts]
    if pipeline.reuse is not None:
        drafts = [_budgeted(draft, pipeline.reuse.budget) for draft in drafts]
    late += found
    late += crosscheck.complaints(tree, pipeline, drafts, refused=refused)
    gates = tuple(draft.gate for draft in drafts if draft.gate is not None)
    pipeline = pipeline.model_copy(update={"gates": gates})
    if not refused and len(gates) == len(drafts):
        late += crosscheck.hooks(pipeline, drafts)
    if complaints := _all(tree, early, late):
        raise PipelineError(complaints)
    policy = merged.root.plain()
    pipeline._origin = Origin(
        path=path,
        root=root,
        files=merged.files,
        policy=policy,
        policy_digest=policy_digest(policy),
        variables=substituted.used,
        lines={draft.title: _lines(draft, merged.files) for draft in drafts},
    )
    return pipeline


def _validated(tree: Node) -> tuple[Pipeline, set[Path_], list[tuple[Path_, Complaint]]]:
    """The pipeline without its gates, as far as it can be understood; which parts could not; and why."""
    whole = tree.value if isinstance(tree.value, dict) else {}
    head = replace(tree, value={name: node for name, node in whole.items() if name != "gates"})
    plain, error = head.plain() | {"gates": (Gate(gate="none"),)}, None
    try:
        pipeline = Pipeline.model_validate(plain)
    except ValidationError as caught:
        error, pipeline = caught, None
    found = wording.complaints(error, head, Pipeline)
    refused: set[Path_] = {path[:2] if path[:1] == ("data",) else path[:1] for path, _ in found}
    refused |= {(name,) for name in ("model", "task", "registry") if name not in whole}
    if pipeline is None:
        for part in refused:
            if part[1:] and isinstance(plain.get("data"), dict):
                plain["data"].pop(part[1], None)
            elif part:
                plain.pop(part[0], None)
        spare = {"model": "unknown", "task": "binary", "registry": {"uri": "unknown"}}
        pipeline = Pipeline.model_validate(spare | plain)
    return pipeline, refused, found


def _gates(tree: Node, root: Path) -> tuple[list[Draft], list[tuple[Path_, Complaint]]]:
    node = tree.child("gates")
    if node is None or not isinstance(node.value, list) or not node.value:
        what = "gates is missing, which is needed" if node is None else "gates must be a list with at least one gate"
        return [], [(("gates",), Complaint(tree.at if node is None else node.at, what))]
    drafts, found = list[Draft](), list[tuple[Path_, Complaint]]()
    for index, entry in enumerate(node.value):
        draft, complaints = _gate(entry, index, root)
        drafts.append(draft)
        found += [(("gates", index, *path), complaint) for path, complaint in complaints]
    return drafts, found


def _gate(node: Node, index: int, root: Path) -> tuple[Draft, list[tuple[Path_, Complaint]]]:
    draft = Draft(node, index, extends.gate_title(node) or "", None, None)
    if not isinstance(node.value, dict):
        return draft, [
            (
                (),
                Complaint(node.at, f"a gate is a mapping such as {{gate: metrics}}, and this is {wording.shown(node)}"),
            )
        ]
    kind = node.child("gate")
    if kind is None or not isinstance(kind.value, str) or not kind.value:
        known = ", ".join(plugins.installed(plugins.GATES))
        at = node.at if kind is None else kind.at
        return draft, [((), Complaint(at, f"this gate does not say which one it is; write gate: one of {known}"))]
    if kind.value in crosscheck.LATER_GATES and kind.value not in plugins.installed(plugins.GATES):
        reason = crosscheck.LATER_GATES[kind.value]
        return draft, [(("gate",), Complaint(kind.at, f"not available yet: {reason}"))]
    try:
        cls = gate_class(kind.value, root=root)
    except UsageError as error:
        return draft, [(("gate",), Complaint(kind.at, str(error)))]
    try:
        gate, error_found = cls.model_validate(node.plain()), None
    except ValidationError as error:
        gate, error_found = None, error
    found = wording.complaints(error_found, node, cls)
    return replace(draft, cls=cls, gate=None if found else gate), found


def _lines(draft: Draft, files: tuple[tuple[str, str], ...]) -> tuple[tuple[int, int], ...]:
    """(index of the file, line) of each requirement that stands in a file."""
    node = draft.node.child("require")
    names = [name for name, _ in files]
    entries = node.value if node is not None and isinstance(node.value, list) else []
    return tuple((names.index(entry.at.file), entry.at.line) for entry in entries)


def _all(tree: Node, early: list[Complaint], late: list[tuple[Path_, Complaint]]) -> list[str]:
    """Complaints in the order of their places, those that only follow from an earlier one left out."""
    taken = {complaint.at for complaint in early}

    def follows(path: Path_) -> bool:
        node: Node | None = tree
        for step in path:
            node = node.child(step) if node is not None else None
            if node is not None and taken & {node.at, node.key}:
                return True
        return False

    kept = [*early, *(complaint for path, complaint in late if not follows(path))]
    order = {name: number for number, name in enumerate(dict.fromkeys(node.at.file for _, node in tree.walk()))}
    kept.sort(key=lambda one: (order.get(one.at.file, -1), one.at.line, one.at.col))
    return list(dict.fromkeys(map(str, kept)))
