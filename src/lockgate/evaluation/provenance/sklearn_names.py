"""The names of a scikit-learn model's parameters, read from its files or from the library's source. Nothing is loaded."""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lockgate.evaluation.provenance.sources import Records

_MOST_BYTES = 1 << 24  # of a description of a model, or of a source file
_MOST_DEPTH = 60
_CLASS = re.compile(r"(sklearn(?:\.\w+)+)\.(\w+)")
_PINNED = re.compile(r"scikit-learn\s*===?\s*(\d+\.\d+)", re.IGNORECASE)


def required(records: Records) -> tuple[tuple[str, ...], str | None]:
    """(the names that must be logged, why they are not known where they are not)."""
    for path in sorted(Path(records.facts.files).rglob("*.skops")):
        names = dict.fromkeys(_names_of_skops(path))
        if names:
            return tuple(names), None
    kept = next((kept for kept in records.under("estimator") if _CLASS.fullmatch(kept.text.strip())), None)
    if kept is None:
        return (), "it is not said which estimator it is (tag estimator_class), so nobody knows which names it has"
    return _names_of_class(kept.text.strip(), records.facts.requirements), None


def _names_of_skops(path: Path) -> Iterator[str]:
    """The parameters of each estimator in a skops file, whose description is JSON: attributes that nothing was fitted into."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("schema.json").file_size > _MOST_BYTES:
                return
            described = json.loads(archive.read("schema.json"))
        yield from _estimators(described, 0)
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile, NotImplementedError):
        return


def _estimators(node: Any, depth: int) -> Iterator[str]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(node, list):
        for each in node:
            yield from _estimators(each, depth + 1)
    if not isinstance(node, Mapping):
        return
    content = node.get("content")
    state = content.get("content") if isinstance(content, Mapping) else None
    if isinstance(state, Mapping) and str(node.get("__module__", "")).startswith("sklearn."):
        for name, value in state.items():
            if not name.endswith("_") and not name.startswith("_"):
                yield name
                yield from _estimators(value, depth + 1)
    else:
        yield from _estimators(content, depth + 1)


def _names_of_class(name: str, requirements: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments of a class of the installed scikit-learn, read from its source.

    None of them where it is not installed, or was another minor version where the model was trained, whose names may differ.
    """
    match = _CLASS.fullmatch(name)
    try:
        library = metadata.distribution("scikit-learn")
    except metadata.PackageNotFoundError:
        return ()
    pinned = next((match[1] for line in requirements if (match := _PINNED.match(line))), None)
    if match is None or (pinned is not None and not library.version.startswith(f"{pinned}.")):
        return ()
    path = Path(str(library.locate_file(match[1].replace(".", "/") + ".py")))
    try:
        if path.stat().st_size > _MOST_BYTES:
            return ()
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ()
    return _arguments(tree, match[2])


def _arguments(tree: ast.Module, name: str) -> tuple[str, ...]:
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    looked_at: set[str] = set()
    while name in classes and name not in looked_at:
        looked_at.add(name)
        for node in classes[name].body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                return tuple(argument.arg for argument in arguments if argument.arg != "self")
        bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
        name = next((base for base in bases if base in classes), "")
    return ()
