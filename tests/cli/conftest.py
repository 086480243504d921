"""What each call of `gate init` would make anew."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def _schemas_are_made_once() -> Iterator[None]:
    """pydantic makes the same of the same types: the parts of the schema of a pipeline, before they are put together."""
    from lockgate.pipeline import json_schema

    make = json_schema.models_json_schema

    @cache
    def made(modes: tuple[Any, ...], schema_generator: Any) -> tuple[Any, bytes]:
        references, definitions = make(modes, schema_generator=schema_generator)
        return references, marshal.dumps(definitions)

    def copied(modes: list[Any], *, schema_generator: Any) -> tuple[Any, Any]:
        references, definitions = made(tuple(modes), schema_generator)
        return references, marshal.loads(definitions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_schema, "models_json_schema", copied)
        yield
