"""Do the parts of a pipeline fit each other? Names that point somewhere, lines that task and data can answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lockgate import plugins
from lockgate.data.class_labels import mismatch
from lockgate.data.dataset import DatasetSpec
from lockgate.data.slices.slice import Slice
from lockgate.data.slices.spec import SliceSpec
from lockgate.errors import guess
from lockgate.evaluation.requirements import satisfiability as satisfiable
from lockgate.evaluation.requirements.requirement import Requirement, RequirementError, Subject, from_mapping, parse
from lockgate.gates.gate import CONFIDENCE, Gate
from lockgate.models.target_spec import Server
from lockgate.pipeline import validation_messages as wording
from lockgate.pipeline.yaml_reader import Complaint, Node, Path_

if TYPE_CHECKING:
    from lockgate.pipeline.model import Pipeline

Found = Iterator[tuple[Path_, Complaint]]

LATER_GATES = {
    "command": "a gate that runs a command arrives with the contract gates",
    "artifact": "the gate that scans a model's files arrives with the contract gates",
}


@dataclass(frozen=True)
class Draft:
    """A gate as far as it could be understood: its class where the kind is known, itself where its fields are right."""

    node: Node
    index: int
    title: str
    cls: type[Gate] | None
    gate: Gate | None

    @property
    def path(self) -> Path_:
        return ("gates", self.index)

    def text(self, key: str) -> str | None:
        """The value of a key where it is text."""
        node = self.node.child(key)
        return node.value if node is not None and isinstance(node.value, str) else None

    def lines(self) -> Iterator[tuple[Path_, Node, Requirement]]:
        """The requirements that could be read, each with its path and place."""
        node = self.node.child("require")
        if self.cls is None or (node is not None and not isinstance(node.value, list)):
            return
        if node is None or not isinstance(node.value, list):
            for text in self.cls.default_require:
                yield self.path, self.node.child("gate") or self.node, parse(text)
            return
        for number, entry in enumerate(node.value):
            plain: Any = entry.plain()
            try:
                if isinstance(plain, str | dict):
                    line = parse(plain) if isinstance(plain, str) else from_mapping(plain)
                    yield (*self.path, "require", number), entry, line
            except RequirementError:
                continue


def complaints(
    tree: Node, pipeline: Pipeline, drafts: list[Draft], *, refused: set[Path_]
) -> list[tuple[Path_, Complaint]]:
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
        found += _Lines(tree, pipeline, draft, refused).complaints()
    return found


def hooks(pipeline: Pipeline, drafts: list[Draft]) -> list[tuple[Path_, Complaint]]:
    """What the gates themselves cannot accept."""
    found = []
    for draft in drafts:
        for path, what in draft.gate.complaints(pipeline) if draft.gate is not None else ():
            node = draft.node
            for step in path:
                node = node.child(step) or node
            found.append(((*draft.path, *path), Complaint(node.at, what)))
    return found


def _at(tree: Node, *path: str | int) -> Node:
    for step in path:
        tree = tree.child(step) or tree
    return tree


def _registry(tree: Node, pipeline: Pipeline) -> Found:
    known, kind = plugins.installed(plugins.REGISTRIES), pipeline.registry.kind
    if kind not in known:
        what = f"no registry is called {kind!r}; known: {', '.join(known)}{guess(kind, known)}"
        yield ("registry", "kind"), Complaint(_at(tree, "registry", "kind").at, what)


_OF_ONE_TASK = {
    "positive": ("binary", "{key} is for task: binary; task: {task} has none"),
    "threshold": ("binary", "{key} is for task: binary; task: {task} has none"),
    "classes": ("multiclass", "{key} are for task: multiclass; task: {task} has none"),
}


def _task(tree: Node, pipeline: Pipeline, refused: set[Path_]) -> Found:
    if ("task",) in refused:
        return
    for key, (task, why) in _OF_ONE_TASK.items():
        if pipeline.task != task and key in pipeline.model_fields_set and tree.child(key) is not None:
            yield (key,), Complaint(_at(tree, key).named_at, why.format(key=key, task=pipeline.task))
    several = pipeline.task == "multiclass"
    if several and pipeline.output is not None and pipeline.output.label is not None:
        what = "the class of output is the positive one of two; task: multiclass takes the scores of all: leave it out"
        yield ("output", "class"), Complaint(_at(tree, "output", "class").at, what)
    for name, data in pipeline.data.items():
        for role, given in (data.scores or {}).items():
            unfit = _known_scores(given, name, role, pipeline)
            if unfit:
                yield ("data", name, "scores", role), Complaint(_at(tree, "data", name, "scores", role).at, unfit)


def _known_scores(given: str | Mapping[str, str], data: str, role: str, pipeline: Pipeline) -> str | None:
    """Why scores that lie in the data are not those of the task's classes."""
    if isinstance(given, str):
        return None
    if pipeline.task != "multiclass":
        return f"data.{data}.scores.{role}: a column for each class is for task: multiclass; write one column"
    wrong = mismatch(list(given), pipeline.classes, who=f"data.{data}.scores.{role}") if pipeline.classes else None
    return None if wrong is None else wrong.message


def _queries(tree: Node, pipeline: Pipeline, refused: set[Path_]) -> Found:
    for name, data in pipeline.data.items():
        if data.query is not None and pipeline.task != "ranking" and ("task",) not in refused:
            what = f"query is for task: ranking, and this one is {pipeline.task}; leave it out"
            yield ("data", name, "query"), Complaint(_at(tree, "data", name, "query").at, what)


def _targets(tree: Node, pipeline: Pipeline, drafts: list[Draft], refused: set[Path_]) -> Found:
    if not {("target",), ("champion",)} & refused:
        places: list[tuple[Path_, Any]] = [(("target",), pipeline.target)]
        places += [((*draft.path, "target"), draft.gate.place) for draft in drafts if draft.gate is not None]
        for path, target in places:
            if isinstance(target, Server) and target.champion is None and pipeline.has_champion:
                what = "target does not say where the champion answers; write champion: URL beside candidate"
                yield path, Complaint(_at(tree, *path).named_at, what)
    asks_method = pipeline.output is not None and pipeline.output.method is not None
    if asks_method and pipeline.target != "process" and not {("target",), ("output",)} & refused:
        what = "a server answers as it was deployed, so output names no method of its model"
        yield ("output", "method"), Complaint(_at(tree, "output", "method").at, what)


def _titles(drafts: list[Draft]) -> Found:
    seen: dict[str, Draft] = {}
    for draft in drafts:
        if draft.title and draft.title in seen:
            at = (draft.node.child("name") or draft.node.child("gate") or draft.node).at
            first = seen[draft.title].node.at.line
            what = (
                f"two gates are called {draft.title!r}, the first in line {first}; give one of them a name of its own"
            )
            yield (*draft.path, "name"), Complaint(at, what)
        seen.setdefault(draft.title, draft)


def _needs(drafts: list[Draft]) -> Found:
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


def _waivers(tree: Node, drafts: list[Draft]) -> Found:
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


def _waived(finding: str, by_title: Mapping[str, Draft], own: Draft | None) -> str | None:
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


def _locks(tree: Node, drafts: list[Draft]) -> Found:
    from lockgate.pipeline.model import Pipeline

    node = tree.child("locked")
    for number, entry in enumerate(node.value if node is not None and isinstance(node.value, list) else ()):
        if not isinstance(entry, Node) or not isinstance(entry.value, str):
            continue
        steps = entry.value.split(".")
        what = _unlocked(steps, tree, drafts, Pipeline)
        if what:
            yield ("locked", number), Complaint(entry.at, f"locked names {entry.value!r}, and {what}")


def _unlocked(steps: list[str], tree: Node, drafts: list[Draft], model: Any) -> str | None:
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
        known = wording.known_keys(model)
        if known and step not in known:
            return f"there is no key {step!r}; known: {', '.join(sorted(known))}{guess(step, known)}"
        node = node.child(step) if node is not None else None
        if not known and node is None:
            return f"there is no {step!r} here"
        model = wording.step_into(model, step)
    return None


class _Lines:
    """The requirement lines of one gate, held against what the pipeline can give."""

    def __init__(self, tree: Node, pipeline: Pipeline, draft: Draft, refused: set[Path_]) -> None:
        data = tree.child("data")
        self.declared = list(data.value) if data is not None and isinstance(data.value, dict) else []
        self.pipeline, self.draft, self.refused = pipeline, draft, refused
        self.cls: Any = draft.cls
        self.subjects: Mapping[str, Subject] = getattr(draft.gate or draft.cls, "subjects", {})
        self.takes_data = draft.cls is not None and "data" in draft.cls.model_fields
        named = draft.text("data")
        self.data_name = named or (self.declared[0] if len(self.declared) == 1 else None)
        self.dataset: DatasetSpec | None = pipeline.data.get(self.data_name or "")
        self.data_known = not refused & {("data",), ("data", self.data_name or "")}

    def complaints(self) -> Found:
        if self.draft.cls is None:
            return
        yield from self._data()
        for path, node, line in self.draft.lines():
            for what in self._line(line):
                yield path, Complaint(node.at, what)

    def _data(self) -> Found:
        name, known = self.draft.text("data"), ", ".join(self.declared) or "none"
        if not self.takes_data or ("data",) in self.refused:
            return
        if name is not None and name not in self.declared:
            node = _at(self.draft.node, "data")
            what = f"no data is called {name!r}; declared: {known}{guess(name, self.declared)}"
            yield (*self.draft.path, "data"), Complaint(node.at, what)
        elif name is None and len(self.declared) != 1 and not self._data_required and self._asks_for_rows():
            what = f"{self.draft.title} does not say on which data; write data: one of those declared ({known})"
            yield self.draft.path, Complaint(self.draft.node.at, what)

    @property
    def _data_required(self) -> bool:
        return bool(self.cls.model_fields["data"].is_required())

    def _asks_for_rows(self) -> bool:
        subjects = [self.subjects.get(line.subject) for _, _, line in self.draft.lines()]
        return any(subject is not None and {"label", "score"} & set(subject.needs) for subject in subjects)

    def _line(self, line: Requirement) -> Iterator[str]:
        subjects = self.subjects
        subject = subjects.get(line.subject)
        if subject is not None and ("task",) not in self.refused:
            subject = subject.in_task(self.pipeline.task)
        if subject is None:
            if ("per_row",) in self.refused:
                return
            known = ", ".join(sorted(subjects)) or "none"
            yield (f"{self.draft.title} knows no {line.subject!r}; known: {known}{guess(line.subject, subjects)}")
            return
        yield from self._arguments(line, subject)
        yield from self._given(line, subject)
        yield from self._scope(line, subject)
        yield from self._gap(line, subject)
        if subject.counted and (line.claim or line.confidence):
            key = "claim" if line.claim else "confidence"
            yield f"{str(line)!r}: {subject.name} is counted and decided exactly; leave {key} out"
        if line.limit.percent and subject.bounds != (0, 1):
            yield f"{str(line)!r}: {subject.name} is no share; write the limit without %"
        if line.if_inconclusive and ("signoff",) not in self.refused and not self.pipeline.signed:
            yield (
                f"{str(line)!r}: if_inconclusive: ask needs somebody who can accept it, and nobody signs here; "
                "leave it out, or write signoff with require: {owners: 1}"
            )
        champion = self.pipeline.has_champion or ("champion",) in self.refused
        if "champion" in subject.needs and not champion and not line.limit.relative:
            yield (
                f"{str(line)!r}: {subject.name} compares with a champion, and there is none here; "
                "give the pipeline champion: {alias: production, else: none}"
            )
        yield from satisfiable.refusals(line, subject, champion=champion, confidence=CONFIDENCE)

    def _arguments(self, line: Requirement, subject: Subject) -> Iterator[str]:
        for name, value in line.args:
            meant = name or (subject.args[0] if len(line.args) == 1 and subject.args else None)
            if meant not in subject.args:
                takes = ", ".join(subject.args) or "no arguments"
                given = repr(name) if name else repr(value)
                yield f"{str(line)!r}: {subject.name} takes {takes}, not {given}{guess(name or '', subject.args)}"
            elif meant in subject.words:
                known = subject.words[meant]
                if known and value not in known:
                    named = "class" in subject.args and value not in ("macro", "micro")
                    of_class = f"; of one class it is {subject.name}(class={value})" if named else ""
                    yield f"{str(line)!r}: {meant} must be {' or '.join(known)}, and is {value!r}{of_class}"
            elif isinstance(value, str | bool):
                yield f"{str(line)!r}: {meant} must be a number, and is {value!r}"
        for name in set(subject.args) & set(subject.needs) - {"threshold"}:
            if not line.args:
                example = replace(line, args=((name, 0.9),))
                yield f"{str(line)!r}: {subject.name} needs {name}; write for example {str(example)!r}"

    def _given(self, line: Requirement, subject: Subject) -> Iterator[str]:
        text, task = repr(str(line)), self.pipeline.task
        if ("task",) not in self.refused and subject.tasks and task not in subject.tasks:
            yield f"{text}: {subject.name} is for task {' or '.join(subject.tasks)}, and this one is {task}"
            return
        if (
            "threshold" in subject.needs
            and self.pipeline.threshold is None
            and ("threshold",) not in self.refused
            and line.argument("threshold") is None
        ):
            yield (
                f"{text}: {subject.name} needs a threshold, and there is none; write threshold: 0.5 in the pipeline"
                + (f", or {subject.name}(threshold=0.5)" if "threshold" in subject.args else "")
            )
        if self.dataset is not None and self.data_known:
            if "label" in subject.needs and self.dataset.label is None:
                yield f"{text}: {subject.name} needs labels, and data.{self.data_name} names no label column"
            if "query" in subject.needs and self.dataset.query is None:
                where = f"data.{self.data_name}"
                yield f"{text}: {subject.name} is judged by query, and {where} names no query column; write query: there"
            scores = self.dataset.scores
            labels_only = [role for role, given in (scores or {}).items() if isinstance(given, str)]
            if task == "multiclass" and {"label", "score"} <= set(subject.needs) and labels_only:
                yield (
                    f"{text}: {subject.name} needs a score of each class, and data.{self.data_name}.scores.{labels_only[0]} "
                    f"names one column of labels; write {labels_only[0]}: {{class: column, …}}"
                )
            if scores is not None and "champion" not in scores and (line.limit.relative or "champion" in subject.needs):
                yield f"{text} compares with a champion, and data.{self.data_name}.scores names no column of its scores"

    def _scope(self, line: Requirement, subject: Subject) -> Iterator[str]:
        scope, text = line.scope, repr(str(line))
        if scope.kind == "overall" or not self.data_known:
            return
        if not self.takes_data or not {"label", "score"} & set(subject.needs):
            yield f"{text}: {subject.name} is not measured by slice; leave the scope out"
            return
        if self.dataset is None:
            return
        declared = {spec.slice_name: spec for spec in self.dataset.slices if spec.find is None}
        where = f"data.{self.data_name}"
        if self.dataset.small_slices.below == "merge" and not getattr(self.cls, "by_group", False):
            yield f"{text}: {where} merges small slices, which {self.draft.title} does not; write below: watch or block"
        if not getattr(self.cls, "by_group", False):
            for name, spec in declared.items():
                if spec.cross is not None and (scope.kind == "each_slice" or scope.name == name):
                    yield f"{text}: {name!r} of {where} is crossed, which {self.draft.title} does not judge"
        if scope.kind == "each_slice":
            if not declared:
                yield f"{text}: {where} declares no slices; write slices: there, or leave the scope out"
            return
        for name, value in scope.cell or ((scope.name or "", None),):
            if name not in declared:
                known = ", ".join(declared) or "none"
                yield f"{text}: {where} has no slice {name!r}; declared: {known}{guess(name, declared)}"
            elif scope.kind == "slice" and declared[name].where is None:
                yield f"{text}: {name!r} has several values; write each {name} or {name}=value"
            elif value is not None:
                yield from self._value(declared[name], value, text)

    def _gap(self, line: Requirement, subject: Subject) -> Iterator[str]:
        text = repr(str(line))
        if line.gap is None or not self.data_known:
            return
        if not getattr(self.cls, "by_group", False) or not {"label", "score"} & set(subject.needs):
            yield f"{text}: {self.draft.title} does not compare the slices of {subject.name}; leave `gap over` out"
            return
        if self.dataset is None:
            return
        declared = {spec.slice_name: spec for spec in self.dataset.slices if spec.find is None}
        if line.gap not in declared:
            known = ", ".join(declared) or "none"
            yield f"{text}: data.{self.data_name} has no slice {line.gap!r}; declared: {known}{guess(line.gap, declared)}"
        elif len(declared[line.gap].values or (1, 2)) < 2:
            yield f"{text}: the slice {line.gap!r} has one value, and a gap needs two"

    def _value(self, spec: SliceSpec, value: str, text: str) -> Iterator[str]:
        if spec.cross is not None:
            cell = " & ".join(f"{name}=…" for name in spec.cross)
            yield f"{text}: {spec.slice_name!r} is a crossing; write {cell}"
        elif spec.quantiles is not None:
            yield (
                f"{text}: the bins of {spec.slice_name!r} are not known before the data is read; "
                f"write each {spec.slice_name}, or declare bins"
            )
        known = Slice.of(spec).values
        if known is not None and value not in known:
            yield (
                f"{text}: the slice {spec.slice_name!r} has no value {value!r}; declared: {', '.join(known)}"
                + guess(value, known)
            )
