"""The page of errors says what the code says: its messages, its refusals and its exit codes are those that there are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate import errors

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/errors.md").read_text(encoding="utf-8")


def first_cells(section: str) -> Iterator[str]:
    """The first cells of the rows of a section's table."""
    _, _, text = PAGE.partition(f"## {section}\n")
    rows = re.findall(r"^\| (.+?) \|", text.partition("\n## ")[0], re.MULTILINE)
    return iter(rows[1:])


@pytest.fixture(scope="module")
def trees() -> list[ast.Module]:
    """Every file of the code."""
    return [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src/lockgate").rglob("*.py")]


def test_each_message_is_one_that_is_said(trees: list[ast.Module]) -> None:
    """Word for word, in one text of the code."""
    texts = [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    said = [re.findall("`(.+?)`", cell)[0] for name in ("Before a run", "Models") for cell in first_cells(name)]

    assert len(said) > 20
    assert [message for message in said if not any(message in text for text in texts)] == []


def test_each_refusal_is_explained(trees: list[ast.Module]) -> None:
    """By its code, here or where sign-off is; and no code stands here that nothing refuses with."""
    refused = {
        keyword.value.value
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("Refused", "Waiting")
        for keyword in call.keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }
    explained = {code for cell in first_cells("Refusals and waits, by `code`") for code in re.findall(r"`(\w+)`", cell)}

    assert explained == refused


def test_each_exit_code_stands_there() -> None:
    """Those of errors, of a pass and of an interrupt."""
    kinds = (
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LockgateError)
    )

    assert {0, 130, *(kind.exit_code for kind in kinds)} == set(
        map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))
    )
