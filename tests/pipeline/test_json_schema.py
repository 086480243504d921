"""The JSON Schema says what the parser says, as far as a JSON Schema can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import regress
from jsonschema import Draft202012Validator

from lockgate.errors import PipelineError
from lockgate.pipeline import yaml_reader as yamlfile
from lockgate.pipeline.json_schema import schema

ROOT = Path(__file__).parents[2]
GOOD = sorted((ROOT / "tests/pipelines/good").glob("*.yaml"))
BAD = sorted((ROOT / "tests/pipelines/bad").glob("*.yaml"))
BLIND = "# schema: cannot see this"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(schema(root=ROOT))


def data(path: Path) -> Any:
    return yamlfile.load(path)[0].data


def test_it_is_a_schema_for_validators_of_any_language() -> None:
    """Of the draft that it names, with patterns that Python takes and ECMAScript's unicode mode, which refuses idle escapes."""
    written = schema(root=ROOT)
    Draft202012Validator.check_schema(written)
    for pattern in set(_patterns(written)):
        re.compile(pattern)
        regress.Regex(pattern, "u")


def _patterns(part: Any) -> Iterator[str]:
    """Every pattern, wherever it stands."""
    if isinstance(part, dict) and isinstance(part.get("pattern"), str):
        yield part["pattern"]
    if isinstance(part, dict):
        yield from part.get("patternProperties", ())
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _patterns(each)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_it_accepts_what_the_parser_accepts(path: Path, validator: Draft202012Validator) -> None:
    """Every good pipeline."""
    assert [error.message for error in validator.iter_errors(data(path))] == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_it_refuses_what_the_parser_refuses(path: Path, validator: Draft202012Validator) -> None:
    """Every bad pipeline but those that say in their head that no schema can see the fault; and those it does not see."""
    try:
        refused = not validator.is_valid(data(path))
    except PipelineError:
        refused = False

    assert refused is (BLIND not in path.read_text().splitlines())


def test_a_file_that_extends_another_may_say_little(validator: Draft202012Validator) -> None:
    """What is needed may stand in the parent; what is wrong is wrong in both."""
    assert validator.is_valid({"extends": "other.yaml", "data": {"holdout": {"label": "y"}}, "gates": [{"name": "a"}]})
    assert not validator.is_valid({"extends": "other.yaml", "modle": "x"})
    assert not validator.is_valid({"extends": "other.yaml", "gates": [{"name": "a", "require": ["auc > 1"]}]})


def test_every_property_has_a_description() -> None:
    """Of the pipeline, of the gates and registries that are installed, and of all their parts."""
    assert [path for path, key in keys(schema(root=ROOT)) if not key.get("description")] == []


def test_every_default_may_be_written_where_it_stands() -> None:
    """An editor that fills one in writes what is accepted; an empty list is that of a key which is left out."""
    whole = schema(root=ROOT)
    defaults = [(path, key, key["default"]) for path, key in keys(whole) if key.get("default")]

    assert [
        path
        for path, key, default in defaults
        if not Draft202012Validator({**key, "$defs": whole["$defs"]}).is_valid(default)
    ] == []


def keys(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, schema) of each property, but those that only narrow a described one."""
    for name, part in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if name == "properties":
            yield from ((f"{path}/{key}", value) for key, value in part.items())
        if name not in ("if", "dependentSchemas"):
            yield from keys(part, f"{path}/{name}")
