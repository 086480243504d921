"""Check that the parts of a pipeline fit each other: names that point somewhere, lines that task and data can answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate import plugins
from lockgate.data.class_labels import mismatch
from lockgate.errors import guess
from lockgate.models.target_spec import Server
from lockgate.pipeline import validation_messages
from lockgate.pipeline.gate_draft import Complaints, GateDraft
from lockgate.pipeline.model import Pipeline
from lockgate.pipeline.requirement_checks import RequirementChecks
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath


def complaints(
    tree: Node, pipeline: Pipeline, drafts: list[GateDraft], *, refused: set[NodePath]
) -> list[tuple[NodePath, Complaint]]:
    """What does not fit. refused: parts of the pipeline that were complained about, of which nothing is concluded."""
    found = [
        *_registry(tree, pipeline),
        *_task(tree, pipeline, refused),
        *_queries(tree, pipeline, refused),
        *_titles(drafts),
        *_needs(drafts),
        *_waivers(tree, drafts),
        *_locks(tree, drafts),
        *_targets(tree, pipeline, drafts, refused),
    ]
    for draft in drafts:
        if draft.cls is not None:
            found += RequirementChecks(tree, pipeline, draft, draft.cls, refused).complaints()
    return found


def hooks(pipeline: Pipeline, drafts: list[GateDraft]) -> list[tuple[NodePath, Complaint]]:
    """What the gates themselves cannot accept."""
    found = []
    for draft in drafts:
        for path, what in draft.gate.complaints(pipeline) if draft.gate is not None else ():
            found.append(((*draft.path, *path), Complaint(draft.node.reach(*path).at, what)))
    return found


def _registry(tree: Node, pipeline: Pipeline) -> Complaints:
    known, kind = plugins.installed(plugins.REGISTRIES), pipeline.registry.kind
    if kind not in known:
        what = f"no registry is called {kind!r}; known: {', '.join(known)}{guess(kind, known)}"
        yield ("registry", "kind"), Complaint(tree.reach("registry", "kind").at, what)


_OF_ONE_TASK = {
    "positive": ("binary", "{key} is for task: binary; task: {task} has none"),
    "threshold": ("binary", "{key} is for task: binary; task: {task} has none"),
    "classes": ("multiclass", "{key} are for task: multiclass; task: {task} has none"),
}


def _task(tree: Node, pipeline: Pipeline, refused: set[NodePath]) -> Complaints:
    if ("task",) in refused:
        return
    for key, (task, why) in _OF_ONE_TASK.items():
        if pipeline.task != task and key in pipeline.model_fields_set and tree.child(key) is not None:
            yield (key,), Complaint(tree.reach(key).named_at, why.format(key=key, task=pipeline.task))
    several = pipeline.task == "multiclass"
    if several and pipeline.output is not None and pipeline.output.label is not None:
        what = "the class of output is the positive one of two; task: multiclass takes the scores of all: leave it out"
        yield ("output", "class"), Complaint(tree.reach("output", "class").at, what)
    for name, data in pipeline.data.items():
        for role, given in (data.scores or {}).items():
            unfit = _known_scores(given, name, role, pipeline)
            if unfit:
                yield ("data", name, "scores", role), Complaint(tree.reach("data", name, "scores", role).at, unfit)


def _known_scores(given: str | Mapping[str, str], data: str, role: str, pipeline: Pipeline) -> str | None:
    """Why scores that lie in the data are not those of the task's classes."""
    if isinstance(given, str):
        return None
    if pipeline.task != "multiclass":
        return f"data.{data}.scores.{role}: a column for each class is for task: multiclass; write one column"
    wrong = mismatch(list(given), pipeline.classes, who=f"data.{data}.scores.{role}") if pipeline.classes else None
    return None if wrong is None else wrong.message


def _queries(tree: Node, pipeline: Pipeline, refused: set[NodePath]) -> Complaints:
    for name, data in pipeline.data.items():
        if data.query is not None and pipeline.task != "ranking" and ("task",) not in refused:
            what = f"query is for task: ranking, and this one is {pipeline.task}; leave it out"
            yield ("data", name, "query"), Complaint(tree.reach("data", name, "query").at, what)


def _targets(tree: Node, pipeline: Pipeline, drafts: list[GateDraft], refused: set[NodePath]) -> Complaints:
    if not {("target",), ("champion",)} & refused:
        places: list[tuple[NodePath, Any]] = [(("target",), pipeline.target)]
        places += [((*draft.path, "target"), draft.gate.own_target) for draft in drafts if draft.gate is not None]
        for path, target in places:
            if isinstance(target, Server) and target.champion is None and pipeline.has_champion:
                what = "target does not say where the champion answers; write champion: URL beside candidate"
                yield path, Complaint(tree.reach(*path).named_at, what)
    asks_method = pipeline.output is not None and pipeline.output.method is not None
    if asks_method and pipeline.target != "process" and not {("target",), ("output",)} & refused:
        what = "a server answers as it was deployed, so output names no method of its model"
        yield ("output", "method"), Complaint(tree.reach("output", "method").at, what)


def _titles(drafts: list[GateDraft]) -> Complaints:
    seen: dict[str, GateDraft] = {}
    for draft in drafts:
        if draft.title and draft.title in seen:
            at = (draft.node.child("name") or draft.node.child("gate") or draft.node).at
            first = seen[draft.title].node.at.line
            what = (
                f"two gates are called {draft.title!r}, the first in line {first}; give one of them a name of its own"
            )
            yield (*draft.path, "name"), Complaint(at, what)
        seen.setdefault(draft.title, draft)


def _needs(drafts: list[GateDraft]) -> Complaints:
    titles = [draft.title for draft in drafts]
    for draft in drafts:
        node = draft.node.child("needs")
        for number, entry in enumerate(node.value if node is not None and isinstance(node.value, list) else ()):
            name = entry.value if isinstance(entry, Node) else None
            if not isinstance(name, str) or name in titles[: draft.index]:
                continue
            if name in titles:
                what = f"needs names gates that were asked before; {name!r} is " + (
                    "this gate" if name == draft.title else "asked later"
                )
            else:
                earlier = ", ".join(titles[: draft.index]) or "none"
                what = f"needs names {name!r}, which is no gate here; asked before: {earlier}{guess(name, titles)}"
            yield (*draft.path, "needs", number), Complaint(entry.at, what)


def _waivers(tree: Node, drafts: list[GateDraft]) -> Complaints:
    by_title = {draft.title: draft for draft in drafts if draft.title}
    places = [(("waive",), tree, None), *((draft.path, draft.node, draft) for draft in drafts)]
    for path, above, own in places:
        node = above.child("waive")
        for number, entry in enumerate(node.value if node is not None and isinstance(node.value, list) else ()):
            finding = entry.child("finding") if isinstance(entry, Node) else None
            if finding is None or not isinstance(finding.value, str) or not finding.value:
                continue
            what = _waived(finding.value, by_title, own)
            if what:
                here = (*path, number, "finding") if own is None else (*path, "waive", number, "finding")
                yield here, Complaint(finding.at, what)


def _waived(finding: str, by_title: Mapping[str, GateDraft], own: GateDraft | None) -> str | None:
    title, _, rest = finding.partition("/")
    if own is not None and title != own.title:
        return f"this waiver stands on {own.title!r} and is for a finding of it, not of {title!r}"
    if title not in by_title:
        known = ", ".join(by_title)
        return f"{finding!r} is no finding: no gate is called {title!r}; known: {known}{guess(title, by_title)}"
    draft = by_title[title]
    require = draft.node.child("require")
    asked = len(require.value) if require is not None and isinstance(require.value, list) else None
    if asked is None and draft.cls is not None:
        asked = len(draft.cls.default_require) or None
    number = rest.partition("/")[0]
    if rest and asked and number[:1] == "r" and number[1:].isdigit() and not 1 <= int(number[1:]) <= asked:
        return f"{finding!r} is no finding: {title!r} asks r1 to r{asked}"
    return None


def _locks(tree: Node, drafts: list[GateDraft]) -> Complaints:
    node = tree.child("locked")
    for number, entry in enumerate(node.value if node is not None and isinstance(node.value, list) else ()):
        if not isinstance(entry, Node) or not isinstance(entry.value, str):
            continue
        steps = entry.value.split(".")
        what = _unlocked(steps, tree, drafts, Pipeline)
        if what:
            yield ("locked", number), Complaint(entry.at, f"locked names {entry.value!r}, and {what}")


def _unlocked(steps: list[str], tree: Node, drafts: list[GateDraft], model: Any) -> str | None:
    """Why a lock would protect nothing: a step of it is no key, or no gate."""
    node: Node | None = tree
    for depth, step in enumerate(steps):
        if depth == 1 and steps[0] == "gates":
            draft = next((draft for draft in drafts if draft.title == step), None)
            if draft is None:
                titles = [draft.title for draft in drafts if draft.title]
                return f"no gate is called {step!r}; known: {', '.join(titles)}{guess(step, titles)}"
            node, model = draft.node, draft.cls or Any
            continue
        known = validation_messages.known_keys(model)
        if known and step not in known:
            return f"there is no key {step!r}; known: {', '.join(sorted(known))}{guess(step, known)}"
        node = node.child(step) if node is not None else None
        if not known and node is None:
            return f"there is no {step!r} here"
        model = validation_messages.step_into(model, step)
    return None
