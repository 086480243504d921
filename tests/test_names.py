"""Identifiers say what they hold: words that could stand for anything are rare."""

from __future__ import annotations

import ast
from pathlib import Path

import lockgate

ROOT = Path(lockgate.__file__).parent
EMPTY = frozenset(
    [
        "one",
        "found",
        "place",
        "known",
        "asked",
        "what",
        "wanted",
        "told",
        "said",
        "given",
        "of",
        "seen",
        "left",
        "shown",
        "about",
        "why",
    ],
)
PER_1000_LINES = 5


def empty_words(source: str) -> int:
    """How often names, arguments and attributes of a file are words that say nothing."""
    identifiers = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            identifiers.append(node.id)
        elif isinstance(node, ast.arg):
            identifiers.append(node.arg)
        elif isinstance(node, ast.Attribute):
            identifiers.append(node.attr)
    return sum(identifier in EMPTY for identifier in identifiers)


def test_words_that_say_nothing_are_rare() -> None:
    """Of every folder, fewer than five in a thousand lines."""
    lines: dict[Path, int] = {}
    words: dict[Path, int] = {}
    for path in ROOT.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        lines[path.parent] = lines.get(path.parent, 0) + source.count("\n")
        words[path.parent] = words.get(path.parent, 0) + empty_words(source)
    loud = {
        folder.relative_to(ROOT).as_posix(): count
        for folder, count in words.items()
        if count * 1000 >= PER_1000_LINES * lines[folder] and count
    }

    assert loud == {}


def test_files_and_folders_stay_small() -> None:
    """No file above 400 lines but the model host, which runs alone; no folder above 15 files but that of the commands."""
    large = [
        path.name
        for path in ROOT.rglob("*.py")
        if path.name != "model_host.py" and path.read_text(encoding="utf-8").count("\n") > 400
    ]
    folders = [
        folder for folder in ROOT.rglob("*") if folder.is_dir() and folder.name not in ("commands", "__pycache__")
    ]
    crowded = [
        folder.name
        for folder in folders
        if len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) > 15
    ]

    assert (large, crowded) == ([], [])
