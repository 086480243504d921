"""Known answers of statistics, and real data, from `tests/data/files`; its README names their sources."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILES = Path(__file__).parents[1] / "data" / "files"


@cache
def published() -> dict[str, Any]:
    """`cases` and `datasets` of the file of known answers."""
    document: dict[str, Any] = json.loads((FILES / "reference_cases.json").read_text(encoding="utf-8"))
    return document


def cases(prefix: str = "") -> list[dict[str, Any]]:
    """The cases whose id begins like this: `inputs`, `expected`, `tolerance`, `source`."""
    return [case for case in published()["cases"] if case["id"].startswith(prefix)]


def case(name: str) -> dict[str, Any]:
    """The case of that id."""
    return next(case for case in cases(name) if case["id"] == name)


def people(column: str) -> list[float]:
    """A column of the 160 people that some cases are about."""
    values: list[float] = published()["datasets"]["census160"][column]
    return values
