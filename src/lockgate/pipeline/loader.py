"""Load a pipeline: read, merge, substitute, validate and check it, with every complaint at its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lockgate import plugins
from lockgate.errors import PipelineError, UsageError
from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.gates.gate import Gate, gate_class
from lockgate.hashing import canonical, sha256
from lockgate.pipeline import consistency, inheritance, validation_messages, variables
from lockgate.pipeline.gate_draft import LATER_GATES, GateDraft
from lockgate.pipeline.model import Origin, Pipeline, looks_at_rows
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath


def _budgeted(draft: GateDraft, budget: int) -> GateDraft:
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

    return sha256(canonical(exact(policy)))


def load(path: Path, *, environ: Mapping[str, str] | None, root: Path | None = None) -> Pipeline:
    """Read, merge and check a pipeline. Raises PipelineError with every complaint.

    environ: where variables are looked up; None checks statically, and leaves those that have no default as written.
    """
    root = root_of(path) if root is None else root.absolute()
    merged = inheritance.resolve(path, root=root)
    substituted = variables.substitute(merged.root, environ)
    tree = substituted.root
    early = [*merged.complaints, *substituted.complaints]
    pipeline, refused, late = _validated(tree)
    drafts, found = _gates(tree, root)
    drafts = [replace(one, gate=one.gate and one.gate.with_row_metrics(pipeline.per_row)) for one in drafts]
    if pipeline.reuse is not None:
        drafts = [_budgeted(draft, pipeline.reuse.budget) for draft in drafts]
    late += found
    late += consistency.complaints(tree, pipeline, drafts, refused=refused)
    gates = tuple(draft.gate for draft in drafts if draft.gate is not None)
    pipeline = pipeline.model_copy(update={"gates": gates})
    if not refused and len(gates) == len(drafts):
        late += consistency.hooks(pipeline, drafts)
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


def _validated(tree: Node) -> tuple[Pipeline, set[NodePath], list[tuple[NodePath, Complaint]]]:
    """The pipeline without its gates, as far as it can be understood; which parts could not; and why."""
    whole = tree.value if isinstance(tree.value, dict) else {}
    head = replace(tree, value={name: node for name, node in whole.items() if name != "gates"})
    plain, error = head.plain() | {"gates": (Gate(gate="none"),)}, None
    try:
        pipeline = Pipeline.model_validate(plain)
    except ValidationError as caught:
        error, pipeline = caught, None
    found = validation_messages.complaints(error, head, Pipeline)
    refused: set[NodePath] = {path[:2] if path[:1] == ("data",) else path[:1] for path, _ in found}
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


def _gates(tree: Node, root: Path) -> tuple[list[GateDraft], list[tuple[NodePath, Complaint]]]:
    node = tree.child("gates")
    if node is None or not isinstance(node.value, list) or not node.value:
        what = "gates is missing, which is needed" if node is None else "gates must be a list with at least one gate"
        return [], [(("gates",), Complaint(tree.at if node is None else node.at, what))]
    drafts, found = list[GateDraft](), list[tuple[NodePath, Complaint]]()
    for index, entry in enumerate(node.value):
        draft, complaints = _gate(entry, index, root)
        drafts.append(draft)
        found += [(("gates", index, *path), complaint) for path, complaint in complaints]
    return drafts, found


def _gate(node: Node, index: int, root: Path) -> tuple[GateDraft, list[tuple[NodePath, Complaint]]]:
    draft = GateDraft(node, index, inheritance.gate_title(node) or "", None, None)
    if not isinstance(node.value, dict):
        return draft, [
            (
                (),
                Complaint(
                    node.at,
                    f"a gate is a mapping such as {{gate: metrics}}, and this is {validation_messages.shown(node)}",
                ),
            )
        ]
    kind = node.child("gate")
    if kind is None or not isinstance(kind.value, str) or not kind.value:
        known = ", ".join(plugins.installed(plugins.GATES))
        at = node.at if kind is None else kind.at
        return draft, [((), Complaint(at, f"this gate does not say which one it is; write gate: one of {known}"))]
    if kind.value in LATER_GATES and kind.value not in plugins.installed(plugins.GATES):
        reason = LATER_GATES[kind.value]
        return draft, [(("gate",), Complaint(kind.at, f"not available yet: {reason}"))]
    try:
        cls = gate_class(kind.value, root=root)
    except UsageError as error:
        return draft, [(("gate",), Complaint(kind.at, str(error)))]
    try:
        gate, error_found = cls.model_validate(node.plain()), None
    except ValidationError as error:
        gate, error_found = None, error
    found = validation_messages.complaints(error_found, node, cls)
    return replace(draft, cls=cls, gate=None if found else gate), found


def _lines(draft: GateDraft, files: tuple[tuple[str, str], ...]) -> tuple[tuple[int, int], ...]:
    """(index of the file, line) of each requirement that stands in a file."""
    node = draft.node.child("require")
    names = [name for name, _ in files]
    entries = node.value if node is not None and isinstance(node.value, list) else []
    return tuple((names.index(entry.at.file), entry.at.line) for entry in entries)


def _all(tree: Node, early: list[Complaint], late: list[tuple[NodePath, Complaint]]) -> list[str]:
    """Complaints in the order of their places, those that only follow from an earlier one left out."""
    taken = {complaint.at for complaint in early}

    def follows(path: NodePath) -> bool:
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
