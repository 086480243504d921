"""Check that the parts of a pipeline fit each other: names that point somewhere, lines that task and data can answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lockgate import plugins
from lockgate.data.class_labels import mismatch
from lockgate.errors import guess
from lockgate.models.output import OutputPart
from lockgate.models.target_spec import Server
from lockgate.pipeline import remote_hosts, validation_messages
from lockgate.pipeline.gate_draft import Complaints, GateDraft
from lockgate.pipeline.gate_outline import OutlinedGate
from lockgate.pipeline.labelling.checks import LateLabelChecks
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.requirement_checks import RequirementChecks
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath
from lockgate.plugins import ProjectFile


def complaints(
    tree: Node, pipeline: Pipeline, drafts: list[GateDraft], *, written: Node, refused: set[NodePath]
) -> list[tuple[NodePath, Complaint]]:
    """What does not fit. written: the tree before variables were replaced. refused: parts of the pipeline that were complained
    about, of which nothing is concluded."""
    misfits = [
        *_registry(tree, pipeline),
        *_copy_to(tree, pipeline),
        *_task(tree, pipeline, refused),
        *_titles(drafts),
        *_needs(drafts),
        *_waivers(tree, drafts),
        *_locks(tree, drafts),
        *_targets(tree, pipeline, drafts, refused),
        *_sent_rows(tree, pipeline, drafts, written, refused),
        *_features(tree, pipeline, drafts),
    ]
    titles = [draft.title for draft in drafts]
    for draft in drafts:
        misfits += LateLabelChecks(pipeline, draft, titles, frozenset(refused)).complaints()
        if draft.cls is not None and not (issubclass(draft.cls, OutlinedGate) and not draft.cls.fields_known):
            misfits += RequirementChecks(tree, pipeline, draft, draft.cls, refused).complaints()
    return misfits


def gate_complaints(pipeline: Pipeline, drafts: list[GateDraft]) -> list[tuple[NodePath, Complaint]]:
    """What the gates themselves cannot accept."""
    return [
        ((*draft.path, *path), Complaint(draft.node.reach(*path).at, message))
        for draft in drafts
        for path, message in (draft.gate.complaints(pipeline) if draft.gate is not None else ())
    ]


def code_complaints(
    tree: Node, pipeline: Pipeline, drafts: list[GateDraft], root: Path
) -> list[tuple[NodePath, Complaint]]:
    """Functions whose file is none of the project's. Whether it is there is seen where it is needed."""
    functions: list[tuple[NodePath, str]] = [
        (("per_row", name, "function"), metric.function) for name, metric in pipeline.per_row.items()
    ]
    for draft in drafts:
        functions += [
            ((*draft.path, "functions", name, "function"), function.function)
            for name, function in (draft.gate.own_functions.items() if draft.gate is not None else ())
            if function.in_file
        ]
    return [
        tree.complaint(path, f"{text!r} leads out of the project, so it is not run; keep the file in the project")
        for path, text in functions
        if ProjectFile(text, root, "function").leads_out
    ]


def _registry(tree: Node, pipeline: Pipeline) -> Complaints:
    kinds, kind = plugins.installed(plugins.REGISTRIES), pipeline.registry.kind
    if kind not in kinds:
        message = f"no registry is called {kind!r}; known: {', '.join(kinds)}{guess(kind, kinds)}"
        yield tree.complaint(("registry", "kind"), message)
    spec = pipeline.registry
    for key in ("candidate", "champion"):
        selector = tree.child(key)
        node = None if selector is None else selector.child("version")
        if node is None or not isinstance(node.value, str):
            continue
        if spec.version_type is not str or not spec.accepts(node.value):  # numbers are not written as text
            message = f"version must be {spec.version_form}, and is {validation_messages.describe(node)}"
            yield tree.complaint((key, "version"), message)


def _copy_to(tree: Node, pipeline: Pipeline) -> Complaints:
    if pipeline.promotion.copy_to == pipeline.model:
        message = f"copy_to is the model itself, {pipeline.model}; name another registered model, or leave it out to promote in place"
        yield tree.complaint(("promotion", "copy_to"), message)


def _features(tree: Node, pipeline: Pipeline, drafts: list[GateDraft]) -> Complaints:
    """A contract that no gate looks at."""
    gates = [None if draft.gate is None else draft.gate.with_features() for draft in drafts]
    held = (gate is None or any(line.subject == "contract_violations" for line in gate.lines) for gate in gates)
    if pipeline.has_features and not any(held):
        key = "features" if pipeline.features else "features_from"
        message = (
            f"{key} is looked at by no gate; write - gate: signature, or contract_violations <= 0 into what it requires"
        )
        yield (key,), Complaint(tree.reach(key).named_at, message)


_FOR_ONE_TASK = {
    "positive": ("binary", "{key} is for task: binary; task: {task} has none"),
    "threshold": ("binary", "{key} is for task: binary; task: {task} has none"),
    "classes": ("multiclass", "{key} are for task: multiclass; task: {task} has none"),
}


def _task(tree: Node, pipeline: Pipeline, refused: set[NodePath]) -> Complaints:
    if ("task",) in refused:
        return
    for key, (task, message) in _FOR_ONE_TASK.items():
        if pipeline.task != task and key in pipeline.model_fields_set and tree.child(key) is not None:
            yield (key,), Complaint(tree.reach(key).named_at, message.format(key=key, task=pipeline.task))
    for path, part in _outputs(pipeline):
        if pipeline.task == "multiclass" and part.label is not None:
            message = (
                "the class of output is the positive one of two; task: multiclass takes the scores of all: leave it out"
            )
            yield tree.complaint((*path, "class"), message)
    for name, data in pipeline.data.items():
        if data.query is not None and pipeline.task != "ranking":
            message = f"query is for task: ranking, and this one is {pipeline.task}; leave it out"
            yield tree.complaint(("data", name, "query"), message)
        for role, columns in (data.scores or {}).items():
            misfit = _scores_misfit(columns, f"data.{name}.scores.{role}", pipeline)
            if misfit:
                yield tree.complaint(("data", name, "scores", role), misfit)


def _scores_misfit(columns: str | Mapping[str, str], key: str, pipeline: Pipeline) -> str | None:
    """Why scores that lie in the data are not those of the task's classes."""
    if isinstance(columns, str):
        return None
    if pipeline.task != "multiclass":
        return f"{key}: a column for each class is for task: multiclass; write one column"
    error = mismatch(list(columns), pipeline.classes, who=key) if pipeline.classes else None
    return None if error is None else error.message


def _targets(tree: Node, pipeline: Pipeline, drafts: list[GateDraft], refused: set[NodePath]) -> Complaints:
    if not {("target",), ("champion",)} & refused:
        for path, server in _servers(pipeline, drafts):
            if server.champion is None and pipeline.has_champion:
                message = "target does not say where the champion answers; write champion: URL beside candidate"
                yield path, Complaint(tree.reach(*path).named_at, message)
    if pipeline.target != "process" and not {("target",), ("output",)} & refused:
        message = "a server answers as it was deployed, so output names no method of its model"
        for path, part in _outputs(pipeline):
            if part.method is not None:
                yield tree.complaint((*path, "method"), message)


def _servers(pipeline: Pipeline, drafts: list[GateDraft]) -> Iterator[tuple[NodePath, Server]]:
    """(path, servers) of the pipeline's target, and of those of its gates."""
    targets: list[tuple[NodePath, Any]] = [(("target",), pipeline.target)]
    targets += [((*draft.path, "target"), draft.gate.own_target) for draft in drafts if draft.gate is not None]
    yield from ((path, target) for path, target in targets if isinstance(target, Server))


def _sent_rows(
    tree: Node, pipeline: Pipeline, drafts: list[GateDraft], written: Node, refused: set[NodePath]
) -> Complaints:
    """Servers at hosts that nobody named, and those that are to be spared and are put under load."""
    if ("target",) in refused:
        return
    for path, server in _servers(pipeline, drafts):
        for role in ("candidate", "champion"):
            text = str(written.reach(*path, role).value)
            message = remote_hosts.misfit(server.url(role) or "", written=text, hosts=server.hosts)
            if message is not None:
                yield tree.complaint((*path, role), message)
    for draft in drafts:
        if draft.gate is not None and draft.gate.own_load is not None:
            target = draft.gate.own_target or pipeline.target
            if isinstance(target, Server) and target.rate is not None:
                message = (
                    f"{draft.title} puts servers under load that target.rate spares; give the gate a target of its own, "
                    "without rate"
                )
                yield draft.path, Complaint((draft.node.child("gate") or draft.node).at, message)


def _outputs(pipeline: Pipeline) -> Iterator[tuple[tuple[str, ...], OutputPart]]:
    """(path, what is written there) of the output of both models, and of each."""
    if pipeline.output is not None:
        yield ("output",), pipeline.output
        yield from ((("output", role), part) for role, part in pipeline.output.parts.items())


def _titles(drafts: list[GateDraft]) -> Complaints:
    first: dict[str, GateDraft] = {}
    for draft in drafts:
        if draft.title and draft.title in first:
            node, line = draft.node, first[draft.title].node.at.line
            message = (
                f"two gates are called {draft.title!r}, the first in line {line}; give one of them a name of its own"
            )
            yield (*draft.path, "name"), Complaint((node.child("name") or node.child("gate") or node).at, message)
        first.setdefault(draft.title, draft)


def _needs(drafts: list[GateDraft]) -> Complaints:
    titles = [draft.title for draft in drafts]
    for draft in drafts:
        earlier = titles[: draft.index]
        for number, entry in enumerate(draft.node.entries("needs")):
            name = entry.value
            if not isinstance(name, str) or name in earlier:
                continue
            if name in titles:
                order = "this gate" if name == draft.title else "a later one"
                message = f"needs names gates that run before; {name!r} is {order}"
            else:
                before = ", ".join(earlier) or "none"
                message = f"needs names {name!r}, which is no gate here; gates before: {before}{guess(name, titles)}"
            yield (*draft.path, "needs", number), Complaint(entry.at, message)


def _waivers(tree: Node, drafts: list[GateDraft]) -> Complaints:
    by_title = {draft.title: draft for draft in drafts if draft.title}
    lists: list[tuple[NodePath, Node, GateDraft | None]] = [((), tree, None)]
    lists += [(draft.path, draft.node, draft) for draft in drafts]
    for path, above, own in lists:
        for number, entry in enumerate(above.entries("waive")):
            finding = entry.child("finding")
            if finding is None or not isinstance(finding.value, str) or not finding.value:
                continue
            message = _waiver_misfit(finding.value, by_title, own)
            if message:
                yield (*path, "waive", number, "finding"), Complaint(finding.at, message)


def _waiver_misfit(finding: str, by_title: Mapping[str, GateDraft], own: GateDraft | None) -> str | None:
    """Why a waiver is for no finding of the pipeline. own: the gate that it stands in."""
    title, _, rest = finding.partition("/")
    if own is not None and title != own.title:
        return f"this waiver stands in {own.title!r} and is for a finding of it, not of {title!r}"
    if title not in by_title:
        titles = ", ".join(by_title)
        return f"{finding!r} is no finding: no gate is called {title!r}; known: {titles}{guess(title, by_title)}"
    draft = by_title[title]
    lines = len(list(draft.entries())) if draft.node.child("require") is not None else None
    if lines is None and draft.cls is not None:
        lines = len(draft.cls.default_require) or None
    number = rest.partition("/")[0]
    if rest and lines and number[:1] == "r" and number[1:].isdigit() and not 1 <= int(number[1:]) <= lines:
        return f"{finding!r} is no finding: {title!r} has the requirements r1 to r{lines}"
    return None


def _locks(tree: Node, drafts: list[GateDraft]) -> Complaints:
    for number, entry in enumerate(tree.entries("locked")):
        if isinstance(entry.value, str):
            message = _lock_misfit(entry.value.split("."), tree, drafts)
            if message:
                yield ("locked", number), Complaint(entry.at, f"locked names {entry.value!r}, and {message}")


def _lock_misfit(steps: list[str], tree: Node, drafts: list[GateDraft]) -> str | None:
    """Why a lock would protect nothing: a step of it is no key, or no gate."""
    node: Node | None = tree
    model: Any = Pipeline
    for depth, step in enumerate(steps):
        if depth == 1 and steps[0] == "gates":
            draft = next((draft for draft in drafts if draft.title == step), None)
            if draft is None:
                titles = [draft.title for draft in drafts if draft.title]
                return f"no gate is called {step!r}; known: {', '.join(titles)}{guess(step, titles)}"
            node, model = draft.node, draft.cls or Any
            continue
        keys = validation_messages.known_keys(model)
        if keys and step not in keys:
            return f"there is no key {step!r}; known: {', '.join(sorted(keys))}{guess(step, keys)}"
        node = node.child(step) if node is not None else None
        if not keys and node is None:
            return f"there is no {step!r} here"
        model = validation_messages.step_into(model, step)
    return None
