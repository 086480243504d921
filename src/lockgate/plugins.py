"""Plug-ins: what a name in a pipeline stands for, an entry point of an installed package or a file of the project."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.abc import SourceLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from lockgate.errors import UsageError, guess
from lockgate.foreign.files import read_regular
from lockgate.hashing import sha256

GATES = "lockgate.gates"
REGISTRIES = "lockgate.registries"
METRICS = "lockgate.metrics"
_WORDS = {GATES: "gate", REGISTRIES: "registry", METRICS: "metric"}


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name; of two with one name the first installed wins, as everywhere in Python."""
    by_name: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        by_name.setdefault(entry.name, entry)
    return dict(sorted(by_name.items()))


def refusal(group: str, kind: str) -> str | None:
    """Why there is no plug-in of that name, with the installed ones and a guess; None where there is one."""
    names = installed(group)
    if kind in names:
        return None
    if group == GATES and _is_our_gate(kind):
        return (
            f"the gate {kind!r} is newer than what pip has written down of this installation of lockgate: install it again, in a clone "
            f"by `{sys.executable} -m pip install -e .`"
        )
    return f"no {_WORDS[group]} is called {kind!r}; known: {', '.join(names) or 'none'}{guess(kind, names)}"


def _is_our_gate(kind: str) -> bool:
    """Whether a file of this package brings a gate of that name: entry points of an editable installation may be older than it."""
    file = Path(__file__).parent / "gates" / f"{kind}.py"
    return kind.isidentifier() and file.is_file() and f'Literal["{kind}"]' in file.read_text(encoding="utf-8")


def _entry(group: str, kind: str) -> EntryPoint:
    if message := refusal(group, kind):
        raise UsageError(message)
    return installed(group)[kind]


def load(group: str, kind: str) -> Any:
    """The object behind `kind`. Raises UsageError that lists the installed ones and guesses the meant one."""
    entry = _entry(group, kind)
    try:
        return entry.load()
    except Exception as error:
        raise UsageError(
            f"{kind!r} is installed and could not be loaded: {_named(error)}",
            remedy=f"reinstall the package that brings {entry.value}",
        ) from error


def distribution(group: str, kind: str) -> str:
    """`acme-metrics 1.2`: the installed package that brings `kind`, with its version. Raises UsageError."""
    package = _entry(group, kind).dist
    return "unknown" if package is None else f"{package.name} {package.version}"


def is_inside(path: Path, home: Path) -> bool:
    """Whether a path, links followed, lies in a folder, and there in none that Git or runs write."""
    real, folder = Path(os.path.realpath(path)), Path(os.path.realpath(home))  # a circle of links is no error
    return real.is_relative_to(folder) and not {".git", ".gate"} & set(real.relative_to(folder).parts)


@dataclass(frozen=True)
class ProjectFile:
    """`./file.py:name` below the project's root. word: how people call what it names, `gate`."""

    text: str
    root: Path
    word: str

    @staticmethod
    def named_by(text: str) -> bool:
        return ".py:" in text

    @property
    def _name(self) -> str:
        return self.text.rpartition(":")[0]

    @property
    def _attribute(self) -> str:
        return self.text.rpartition(":")[2]

    @property
    def leads_out(self) -> bool:
        """Whether it is no path of the project, whether or not there is such a file."""
        return not is_inside(self.root / self._name, self.root)

    @property
    def path(self) -> Path:
        """Of the file. Raises UsageError where it is not there, or not below the root."""
        path = (self.root / self._name).resolve()
        if not is_inside(path, self.root) or not path.is_file():
            raise self._error(f"there is no file {self._name} below the project's root")
        return path

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes; nothing of it is run."""
        return sha256(read_regular(self.path))

    def parse(self) -> ast.Module:
        """The file's syntax, of which nothing is run. Raises UsageError where it is no Python; quotes nothing of it."""
        try:
            with warnings.catch_warnings(action="ignore"):
                return ast.parse(read_regular(self.path))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            at = "" if line is None else f", as line {line} shows"
            raise self._error(f"{self._name} is no Python{at}") from error

    def definition(self, module: ast.Module) -> ast.stmt | None:
        """The class or function of that name in the file's syntax; None where an import or an assignment brings it.

        Raises UsageError where nothing at the top of the file has that name.
        """
        bound = [(name, by) for name, by in _bindings(module.body) if name in (self._attribute, "*")]
        if not bound:
            raise self._error(f"{self._name} has no {self._attribute!r}")
        return bound[-1][1]

    def load(self) -> tuple[Any, str]:
        """(the object, SHA-256 of the bytes that were run). A file that did not change is run once."""
        path = self.path
        data = read_regular(path)
        module = self._module(path, data)
        if not hasattr(module, self._attribute):
            raise self._error(f"{self._name} has no {self._attribute!r}")
        return getattr(module, self._attribute), sha256(data)

    def _module(self, path: Path, data: bytes) -> ModuleType:
        name = "lockgate_file_" + "_".join(path.with_suffix("").relative_to(self.root.resolve()).parts)
        loaded = sys.modules.get(name)
        if loaded is not None and loaded.__file__ == str(path) and getattr(loaded.__loader__, "data", None) == data:
            return loaded
        spec = importlib.util.spec_from_file_location(name, path, loader=_Bytes(path, data))
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018  # it has a loader: ours
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise UsageError(f"{self.word} {self.text!r} could not be loaded: {_named(error)}") from error
        return module

    def _error(self, message: str) -> UsageError:
        return UsageError(f"{self.word} {self.text!r}: {message}")


def _bindings(statements: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.stmt | None]]:
    """(name, its class or function, None for all else) of what statements bind, also below `if` and `try`."""
    for statement in statements:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.partition(".")[0], None) for alias in statement.names)
        else:
            names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            yield from ((node.id, None) for node in names if isinstance(node.ctx, ast.Store))
            for part in ("body", "handlers", "orelse", "finalbody", "cases"):
                below = getattr(statement, part, None)
                if isinstance(below, list):
                    yield from _bindings(below)


class _Bytes(SourceLoader):
    """Runs exactly the bytes that were hashed; a compiled copy that lies beside the file may be older."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data = path, data

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_data(self, path: str | bytes) -> bytes:
        return self.data


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class FormerName:
    """A public attribute under the name of the release before: works as the present one does, with a DeprecationWarning."""

    def __init__(self, present: str) -> None:
        self.present = present

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.former = owner, name

    def __get__(self, instance: object, cls: type) -> Any:
        self._warn(cls, stacklevel=3)
        # In a class that overrides the former name only super() leads here, and means what was overridden.
        overriding = [base for base in cls.__mro__ if self.former in vars(base) and base is not self.owner]
        held_by = cls if instance is None else instance
        return getattr(super(overriding[-1], held_by) if overriding else held_by, self.present)

    @staticmethod
    def adopt(cls: type, owner: type) -> None:
        """Let what a class overrides under a former name of its owner's attributes stand under the present one too."""
        for alias in [alias for alias in vars(owner).values() if isinstance(alias, FormerName)]:
            if alias.former in vars(cls) and alias.present not in vars(cls):
                alias._warn(cls, stacklevel=4)
                setattr(cls, alias.present, vars(cls)[alias.former])

    def _warn(self, cls: type, *, stacklevel: int) -> None:
        text = f"{cls.__name__}.{self.former} is called {self.present} now; the former name goes with the next release"
        warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
