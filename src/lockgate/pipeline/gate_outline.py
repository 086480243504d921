"""Read a gate of the project as text: what its class says in literals, as a class of our own; nothing of it is run.

Only `gate run`, and a re-run of its gates, runs code of the checkout; every other command knows its gates from here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, create_model

from lockgate.errors import UsageError
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.subject import Subject
from lockgate.gates.gate import Gate
from lockgate.plugins import ProjectFile

_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
# What a class of gates may say of itself, each with the type that it must have to be believed.
_LITERALS: dict[str, type] = {
    "default_require": tuple,
    "requirement_sets": dict,
    "remedy_without_requirements": str,
    "uses_models": bool,
    "repeatable": bool,
    "by_group": bool,
    "needs_rows": bool,
    "guards_loading": bool,
    "runs_unloaded": bool,
}
# Methods that say nothing of fields and requirements.
_SILENT = ("check", "origins", "reads")


class OutlinedGate(Gate):
    """A gate of the project as its text shows it. fields_known: the names of its fields, and its subjects.

    unread_parts: what the text does not show, and is checked when the gate runs; empty where it shows everything.
    siblings: modules that it imports and that only lie beside it, where a run does not look.
    """

    fields_known: ClassVar[bool] = True
    unread_parts: ClassVar[tuple[str, ...]] = ()
    siblings: ClassVar[tuple[str, ...]] = ()

    @property
    def own_data(self) -> str | None:
        data = getattr(self, "data", None)
        return data if isinstance(data, str) else None

    @property
    def own_target(self) -> None:
        return None

    @property
    def own_load(self) -> None:
        return None


class OpenGate(OutlinedGate):
    """A gate whose own fields cannot be told from its text: any are taken, as they are written."""

    model_config = ConfigDict(extra="allow")
    fields_known: ClassVar[bool] = False
    unread_parts: ClassVar[tuple[str, ...]] = ("fields", "requirements")

    @classmethod
    def lines_of(cls, entry: Any) -> Sequence[Any]:
        """A word may stand for lines that only a run knows."""
        return () if isinstance(entry, str) and entry.isidentifier() else super().lines_of(entry)


def outline(kind: str, root: Path) -> type[OutlinedGate]:
    """The gate `./file.py:Class` below the root, as its text shows it.

    Raises UsageError where there is no such file or class, where the file is no Python, or the class is no gate.
    """
    file = ProjectFile(kind, root, "gate")
    module = file.parse()
    definition = file.definition(module)
    if definition is not None and not (isinstance(definition, ast.ClassDef) and definition.bases):
        raise UsageError(f"{kind!r} is not a gate: it must be a class derived from lockgate.Gate")
    cls = _outlined(kind.rpartition(":")[2], definition, module)
    cls.siblings = tuple(_siblings(module, file.path.parent))
    return cls


def _outlined(name: str, definition: ast.stmt | None, module: ast.Module) -> type[OutlinedGate]:
    if not isinstance(definition, ast.ClassDef) or not _derives_from_gate_alone(definition, _imports(module)):
        return _open(name)
    text = _ClassText()
    for statement in definition.body:
        text.read(statement)
    return text.build(name)


def _siblings(module: ast.Module, folder: Path) -> Iterator[str]:
    """The modules of the folder that are imported, at the top or in functions, and are not installed."""
    names = dict[str, None]()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            below = [alias.name for alias in node.names] if node.module is None else [node.module.partition(".")[0]]
            names |= dict.fromkeys("." * node.level + name for name in below)
    for name in names:
        beside = (folder / f"{name}.py").is_file() or (folder / name).is_dir()
        installed = name in sys.stdlib_module_names or PathFinder.find_spec(name) is not None
        if name.startswith(".") or (beside and not installed):
            yield name


def _imports(module: ast.Module) -> dict[str, str]:
    """Name in the module → `Gate` or `Subject` where it is imported from lockgate."""
    imported = (node for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and not node.level)
    return {
        alias.asname or alias.name: alias.name
        for node in imported
        if (node.module or "").partition(".")[0] == "lockgate"
        for alias in node.names
    }


def _derives_from_gate_alone(definition: ast.ClassDef, imports: Mapping[str, str]) -> bool:
    (base, *others) = definition.bases
    if others or definition.keywords or definition.decorator_list:
        return False
    if isinstance(base, ast.Attribute):
        return base.attr == "Gate" and isinstance(base.value, ast.Name) and base.value.id == "lockgate"
    return isinstance(base, ast.Name) and imports.get(base.id) == "Gate"


@dataclass
class _ClassText:
    """What the statements of a class body say, one after the other."""

    fields: dict[str, Any] = field(default_factory=dict)
    literals: dict[str, Any] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    def read(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.FunctionDef):
            self._method(statement)
        elif isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
            for target in statement.targets:
                self._class_value(target.id, statement.value)  # type: ignore[attr-defined]
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if "ClassVar" in ast.unparse(statement.annotation):
                self._class_value(statement.target.id, statement.value)
            elif "alias" in ast.unparse(statement):
                self.unread |= {"fields", "requirements"}
            elif not statement.target.id.startswith("_"):
                self._field(statement.target.id, statement.annotation, statement.value)
        elif not isinstance(statement, ast.Pass | ast.Expr):
            self.unread |= {"fields", "requirements"}

    def _method(self, function: ast.FunctionDef) -> None:
        if function.name == "complaints" or function.decorator_list:
            self.unread.add("fields")
        if hasattr(Gate, function.name) and function.name not in (*_SILENT, "complaints"):
            self.unread |= {"fields", "requirements"}

    def _class_value(self, name: str, value: ast.expr | None) -> None:
        if name == "model_config":
            self.unread |= {"fields", "requirements"}
        elif name == "subjects":
            self._subjects(value)
        elif name in _LITERALS:
            literal = _literal(value)
            if isinstance(literal, _LITERALS[name]):
                self.literals[name] = literal
            else:
                self.unread.add("requirements")

    def _subjects(self, value: ast.expr | None) -> None:
        try:
            if not isinstance(value, ast.Dict):
                raise TypeError
            self.literals["subjects"] = {
                str(_literal(key)): _subject(entry) for key, entry in zip(value.keys, value.values, strict=True)
            }
        except (TypeError, ValueError):
            self.unread.add("requirements")

    def _field(self, name: str, annotation: ast.expr, value: ast.expr | None) -> None:
        kind = _TYPES.get(annotation.id) if isinstance(annotation, ast.Name) else None
        default = _literal(value)
        if kind is None or (value is not None and default is _UNREAD):
            self.unread.add("fields")
        self.fields[name] = (Any if kind is None else kind, ... if value is None else default)

    def _lines(self) -> Iterator[Any]:
        """The lines that the class brings: its defaults, and those of its sets."""
        yield from self.literals.get("default_require", ())
        for lines in self.literals.get("requirement_sets", {}).values():
            yield from lines if isinstance(lines, tuple) else (lines,)

    def build(self, name: str) -> type[OutlinedGate]:
        """The class that these statements describe, its fields closed where all of them are understood."""
        unread = tuple(sorted(self.unread))
        base: type[OutlinedGate] = OutlinedGate
        if "requirements" in self.unread or not all(map(_is_requirement, self._lines())):
            base, self.literals, unread = OpenGate, {}, OpenGate.unread_parts
        try:
            cls: type[OutlinedGate] = create_model(name, __base__=base, __module__=__name__, **self.fields)
        except Exception:  # a name that no field can have: what it does then is known when it runs
            return _open(name)
        for attribute, value in {**self.literals, "unread_parts": unread}.items():
            setattr(cls, attribute, value)
        return cls


def _open(name: str) -> type[OutlinedGate]:
    return create_model(name, __base__=OpenGate, __module__=__name__)


_UNREAD = object()


def _literal(value: ast.expr | None) -> Any:
    """The value of a literal, `_UNREAD` for every other expression."""
    try:
        return _UNREAD if value is None else ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return _UNREAD


def _subject(call: ast.expr) -> Subject:
    """A subject that is written out in literals. Raises TypeError for any other expression."""
    if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith("Subject"):
        raise TypeError
    arguments = [_literal(argument) for argument in call.args]
    named = {keyword.arg or "**": _literal(keyword.value) for keyword in call.keywords}
    if any(value is _UNREAD for value in (*arguments, *named.values())):
        raise TypeError
    return Subject(*arguments, **named)


def _is_requirement(text: Any) -> bool:
    try:
        return isinstance(text, str) and parse(text) is not None
    except ValueError:
        return False


def notes(gates: Iterator[Gate] | tuple[Gate, ...]) -> list[str]:
    """What of the project's own gates could not be checked from their text, a sentence each, and what they will not find."""
    own = [gate for gate in gates if isinstance(gate, OutlinedGate)]
    return [
        f"{gate.title}: {' and '.join(gate.unread_parts)} of {gate.gate} are checked when it runs; "
        "gate check runs no code of the project"
        for gate in own
        if gate.unread_parts
    ] + [
        f"{gate.title}: {gate.gate} imports {', '.join(gate.siblings)}, which a run does not find: a gate of one's own is one file, "
        "whose digest is in the evidence; write it there, or install it as a package"
        for gate in own
        if gate.siblings
    ]
