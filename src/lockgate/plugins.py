"""From the name in a pipeline to the class behind it, by entry point or by file."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from lockgate.errors import UsageError, guess
from lockgate.gate import Gate

GATES = "lockgate.gates"
REGISTRIES = "lockgate.registries"


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name; of two with one name the first installed wins, as everywhere in Python."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def load(group: str, kind: str) -> Any:
    """The object behind `kind`. Raises UsageError that lists the known ones and guesses the meant one."""
    known = installed(group)
    if kind not in known:
        word = group.rpartition(".")[2]
        raise UsageError(
            f"no {word.removesuffix('s') if word != 'registries' else 'registry'} is called {kind!r}; "
            f"known: {', '.join(known)}{guess(kind, known)}"
        )
    try:
        return known[kind].load()
    except Exception as error:
        raise UsageError(
            f"{kind!r} is installed and could not be loaded: {type(error).__name__}: {error}",
            remedy=f"reinstall the package that brings {known[kind].value}",
        ) from error


def gate_class(kind: str, *, root: Path) -> type[Gate]:
    """The class of a gate: an installed kind, or `./file.py:Class` below the project's root.

    Raises UsageError where there is none, or where it is no gate.
    """
    found = _from_file(kind, root) if ".py:" in kind else load(GATES, kind)
    if not (isinstance(found, type) and issubclass(found, Gate)):
        raise UsageError(f"{kind!r} is not a gate: it must be a class derived from lockgate.gate.Gate")
    return found


def _from_file(kind: str, root: Path) -> Any:
    name, _, attribute = kind.rpartition(":")
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise UsageError(f"gate {kind!r}: there is no file {name} below the project's root")
    module_name = "lockgate_gate_" + "_".join(path.with_suffix("").relative_to(root.resolve()).parts)
    module = sys.modules.get(module_name)
    if module is None or getattr(module, "__file__", None) != str(path):
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise UsageError(f"gate {kind!r}: {name} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[module_name]
            raise UsageError(f"gate {kind!r} could not be loaded: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise UsageError(f"gate {kind!r}: {name} has no {attribute!r}")
    return getattr(module, attribute)
