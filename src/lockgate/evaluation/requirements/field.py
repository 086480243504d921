"""A requirement as the field of a spec: a line or a mapping in YAML, parsed when it is validated."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from lockgate.evaluation.requirements.grammar import JSON_SCHEMA, read, to_mapping
from lockgate.evaluation.requirements.requirement import Requirement

RequirementField = Annotated[
    Requirement,
    PlainValidator(lambda value: value if isinstance(value, Requirement) else read(value)),
    PlainSerializer(to_mapping),
    WithJsonSchema(dict(JSON_SCHEMA)),
]
