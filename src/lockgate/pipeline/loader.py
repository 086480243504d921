"""Load a pipeline: read, merge, substitute, validate and check it, with every complaint at its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from lockgate import plugins
from lockgate.errors import PipelineError, UsageError
from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.gates.gate import Gate, gate_class
from lockgate.hashing import canonical, sha256
from lockgate.pipeline import consistency, inheritance, validation_messages, variables, yaml_reader
from lockgate.pipeline.gate_draft import GateDraft
from lockgate.pipeline.gate_outline import outline
from lockgate.pipeline.labelling.labelled_pipeline import judging_title
from lockgate.pipeline.pipeline import Origin, Pipeline, spends_reuse_budget
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath
from lockgate.plugins import ProjectFile


def _placed(gate: Gate, pipeline: Pipeline) -> Gate:
    """The gate as it stands in this pipeline: with its row metrics and features, and the lines that spend a reuse budget tested at
    alpha / budget.
    """
    gate = gate.with_row_metrics(pipeline.per_row)
    gate = gate.with_features(pipeline.features_from) if pipeline.has_features else gate
    if pipeline.reuse is None or not any(spends_reuse_budget(gate, line) for line in gate.lines):
        return gate
    budget = pipeline.reuse.budget

    def tested(line: Requirement) -> Requirement:
        if not spends_reuse_budget(gate, line):
            return line
        return replace(line, confidence=round(1 - (1 - (line.confidence or CONFIDENCE)) / budget, 12))

    return gate.model_copy(update={"require": tuple(tested(line) for line in gate.lines)})


def root_of(path: Path) -> Path:
    """Where relative paths begin: the nearest folder above that holds `.git`, else the project of the working directory."""
    for folder in path.absolute().parents:
        if (folder / ".git").exists():
            return folder
    return project_root()


def pipelines(root: Path) -> list[Path]:
    """Every pipeline in `gates/`, sorted."""
    folder = root / "gates"
    return sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))


def project_root() -> Path:
    """The nearest folder upwards from the working directory that has pipelines in `gates/`, or `.git`; itself where none has."""
    folder = Path.cwd()
    upwards = (folder, *folder.parents)
    return next((each for each in upwards if (each / ".git").exists() or pipelines(each)), folder)


def policy_digest(policy: Any) -> str:
    """SHA-256 of the policy as canonical JSON, where a number with a point is {"float": its shortest text}."""

    def exact(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: exact(below) for name, below in value.items()}
        if isinstance(value, list):
            return [exact(below) for below in value]
        return {"float": repr(value)} if isinstance(value, float) else value

    return sha256(canonical(exact(policy)))


def load(
    path: Path, *, environ: Mapping[str, str] | None, root: Path | None = None, run_code: bool = False
) -> Pipeline:
    """Read, merge and check a pipeline. Raises PipelineError with every complaint.

    environ: where variables are looked up; None checks statically, and leaves those that have no default as written.
    run_code: run the files of the project's own gates, for who will run the gates; else they are read as text.
    """
    root = root_of(path) if root is None else root.absolute()
    return _validated(inheritance.resolve(path, root=root), path, root, environ, run_code=run_code)


def read(text: str, *, name: str, root: Path, environ: Mapping[str, str] | None = MappingProxyType({})) -> Pipeline:
    """Read and check a pipeline that lies in no file; `name` stands for its path. Raises PipelineError.

    environ: as of `load`; by default no variable is set.
    """
    data = text.encode()
    document = yaml_reader.read_bytes(data, display_name=name)
    merged = inheritance.Merged(document.root, ((name, sha256(data)),), tuple(document.complaints))
    return _validated(merged, root / name, root, environ, run_code=False)


def _validated(
    merged: inheritance.Merged, path: Path, root: Path, environ: Mapping[str, str] | None, *, run_code: bool
) -> Pipeline:
    substituted = variables.substitute(merged.root, environ)
    tree = substituted.root
    early = [*merged.complaints, *substituted.complaints]
    pipeline, refused, late = _validate_head(tree)
    drafts, gate_complaints = _read_gates(tree, root, run_code=run_code)
    drafts = [replace(draft, gate=draft.gate and _placed(draft.gate, pipeline)) for draft in drafts]
    late += gate_complaints
    late += consistency.complaints(tree, pipeline, drafts, written=merged.root, refused=refused)
    late += consistency.code_complaints(tree, pipeline, drafts, root)
    gates = tuple(draft.gate for draft in drafts if draft.gate is not None)
    pipeline = pipeline.model_copy(update={"gates": gates})
    if not refused and len(gates) == len(drafts):
        late += consistency.gate_complaints(pipeline, drafts)
    if messages := _in_file_order(tree, early, late):
        raise PipelineError(messages)
    policy, names = merged.root.plain(), [name for name, _ in merged.files]
    pipeline._origin = Origin(
        path=path,
        root=root,
        files=merged.files,
        policy=policy,
        policy_digest=policy_digest(policy),
        variables=substituted.used,
        lines={
            title: tuple((names.index(entry.at.file), entry.at.line) for entry in entries)
            for draft in drafts
            for title, entries in (
                (draft.title, [entry for _, entry, _ in draft.entries()]),
                (judging_title(draft.title), draft.label_entries),
            )
            if entries
        },
        positions={path: str(node.at) for path, node in tree.walk()},
    )
    return pipeline


def _validate_head(tree: Node) -> tuple[Pipeline, set[NodePath], list[tuple[NodePath, Complaint]]]:
    """The pipeline without its gates, as far as it can be understood; which parts could not; and why."""
    keys = tree.value if isinstance(tree.value, dict) else {}
    head = replace(tree, value={name: node for name, node in keys.items() if name != "gates"})
    plain, error = head.plain() | {"gates": (Gate(gate="none"),)}, None
    try:
        pipeline = Pipeline.model_validate(plain)
    except ValidationError as caught:
        error, pipeline = caught, None
    complaints = validation_messages.complaints(error, head, Pipeline)
    refused: set[NodePath] = {path[:2] if path[:1] == ("data",) else path[:1] for path, _ in complaints}
    refused |= {(name,) for name in ("model", "task", "registry") if name not in keys}
    if pipeline is None:
        for part in refused:
            if part[1:] and isinstance(plain.get("data"), dict):
                plain["data"].pop(part[1], None)
            elif part:
                plain.pop(part[0], None)
        spare = {"model": "unknown", "task": "binary", "registry": {"uri": "unknown"}}
        pipeline = Pipeline.model_validate(spare | plain)
    return pipeline, refused, complaints


def _read_gates(tree: Node, root: Path, *, run_code: bool) -> tuple[list[GateDraft], list[tuple[NodePath, Complaint]]]:
    if not (entries := tree.entries("gates")):
        missing = tree.child("gates") is None
        message = "gates is missing, which is needed" if missing else "gates must be a list with at least one gate"
        return [], [tree.complaint(("gates",), message)]
    drafts, complaints = list[GateDraft](), list[tuple[NodePath, Complaint]]()
    for index, entry in enumerate(entries):
        draft, of_gate = _read_gate(entry, index, root, run_code=run_code)
        drafts.append(draft)
        complaints += [(("gates", index, *path), complaint) for path, complaint in of_gate]
    return drafts, complaints


def _read_gate(
    node: Node, index: int, root: Path, *, run_code: bool
) -> tuple[GateDraft, list[tuple[NodePath, Complaint]]]:
    draft = GateDraft(node, index, inheritance.gate_title(node) or "", None, None)
    if not isinstance(node.value, dict):
        message = f"a gate is a mapping such as {{gate: metrics}}, and this is {validation_messages.describe(node)}"
        return draft, [node.complaint((), message)]
    kind, installed = node.child("gate"), plugins.installed(plugins.GATES)
    if kind is None or not isinstance(kind.value, str) or not kind.value:
        message = f"this gate does not say which one it is; write gate: one of {', '.join(installed)}"
        return draft, [((), node.complaint(("gate",), message)[1])]
    try:
        in_file = ProjectFile.named_by(kind.value)
        cls = outline(kind.value, root) if in_file and not run_code else gate_class(kind.value, root=root)
    except UsageError as error:
        return draft, [node.complaint(("gate",), str(error))]
    gate, refusal = None, None
    try:
        gate = cls.model_validate(node.plain())
    except ValidationError as error:
        refusal = error
    complaints = validation_messages.complaints(refusal, node, cls)
    return replace(draft, cls=cls, gate=None if complaints else gate), complaints


def _in_file_order(tree: Node, early: list[Complaint], late: list[tuple[NodePath, Complaint]]) -> list[str]:
    """Complaints in the order of their positions, those that only follow from an earlier one left out."""
    refused_at = {complaint.at for complaint in early}

    def follows(path: NodePath) -> bool:
        node: Node | None = tree
        for step in path:
            node = node.child(step) if node is not None else None
            if node is not None and refused_at & {node.at, node.key}:
                return True
        return False

    complaints = [*early, *(complaint for path, complaint in late if not follows(path))]
    order = {name: number for number, name in enumerate(dict.fromkeys(node.at.file for _, node in tree.walk()))}
    complaints.sort(key=lambda complaint: (order.get(complaint.at.file, -1), complaint.at.line, complaint.at.col))
    return list(dict.fromkeys(map(str, complaints)))
