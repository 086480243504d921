"""Write values of any spelling as YAML in one line, and tell which columns a pipeline can name."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import PipelineError
from lockgate.pipeline import validation_messages, variables, yaml_reader

_ESCAPES = ("\\u{:04x}", "\\U{:08x}")


def yaml_value(value: Any) -> str:
    """A value as JSON that is YAML in one line, too."""
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """The text with escapes for what ends a line or is refused in YAML, or is not seen."""
    return "".join(char if char.isprintable() else _ESCAPES[ord(char) > 0xFFFF].format(ord(char)) for char in text)


def naming_refusal(column: str) -> str | None:
    """Why no pipeline can name a column so, as the loader says it; None where one can."""
    try:
        document = yaml_reader.read(f"{{path: x, label: {yaml_value(column)}}}")
    except PipelineError:  # bytes of the command line that are no text
        return "it is no text"
    early = [*document.complaints, *variables.substitute(document.root, None).complaints]
    if early:
        return early[0].message
    try:
        DatasetSpec.model_validate(document.data)
    except ValidationError as error:
        return validation_messages.complaints(error, document.root, DatasetSpec)[0][1].message.removeprefix("label: ")
    return None
