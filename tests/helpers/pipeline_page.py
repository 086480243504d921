"""Fill the tables of docs/pipeline.md from the models: `PYTHONPATH=tests python -m helpers.pipeline_page` writes the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from lockgate import plugins
from lockgate.config import DURATION
from lockgate.evaluation.requirements.grammar import JSON_SCHEMA
from lockgate.gates.gate import Gate, gate_class
from lockgate.models.output import OutputPart, OutputSpec
from lockgate.pipeline.json_schema import AsWritten
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.spec import RegistrySpec, spec_class

PAGE = Path(__file__).parents[2] / "docs" / "pipeline.md"
TABLE = re.compile(r"(<!-- keys of (\w+) -->\n)(?:\|.*\n)*")
INHERITED = (Gate, OutputPart)
ANY_VALUE = {"`true` or `false`", "whole number", "number", "text"}
HEAD = "| key | form | default | |\n|---|---|---|---|\n"


def definitions() -> dict[str, dict[str, Any]]:
    """Name of a class → its JSON Schema, of every part of a pipeline, without keys that it shares with its base."""
    models: list[type[Any]] = [Pipeline, OutputSpec, *INHERITED, spec_class("mlflow")]
    models += [gate_class(kind, root=Path()) for kind in plugins.installed(plugins.GATES)]
    _, document = models_json_schema([(model, "validation") for model in models], schema_generator=AsWritten)
    parts: dict[str, dict[str, Any]] = document["$defs"] | {"Requirement": JSON_SCHEMA["anyOf"][1]}
    del parts[RegistrySpec.__name__]  # its keys are those of each kind of registry
    for base in INHERITED:
        for model in models:
            if issubclass(model, base) and model is not base:
                of_base = parts[base.__name__]["properties"]
                keys = parts[model.__name__]["properties"].items()
                parts[model.__name__]["properties"] = {key: schema for key, schema in keys if key not in of_base}
    return {name: part for name, part in parts.items() if part["properties"]}


def filled(page: str) -> str:
    """The page with the table of each part that it marks."""
    parts, links = definitions(), anchors(page)

    def table(match: re.Match[str]) -> str:
        part = parts[match[2]]
        rows = (row(key, schema, key in part.get("required", ()), links) for key, schema in part["properties"].items())
        return match[1] + HEAD + "".join(rows)

    return TABLE.sub(table, page)


def anchors(page: str) -> dict[str, str]:
    """Name of a class → the link to the heading above its table."""
    links, heading = {}, ""
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif match := TABLE.match(line + "\n"):
            links[match[2]] = f"[{heading}](#{re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"
    return links | {RegistrySpec.__name__: links.get("MlflowSpec", "")}


def row(key: str, schema: dict[str, Any], required: bool, links: dict[str, str]) -> str:
    default = "required" if required else value(schema.get("default"))
    cells = (f"`{key}`", form(schema, links), default, schema.get("description", ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def value(default: Any) -> str:
    if default in (None, "", [], {}) or default == [None, None]:
        return ""
    return "" if isinstance(default, dict) else f"`{default if isinstance(default, str) else json.dumps(default)}`"


def form(schema: dict[str, Any], links: dict[str, str]) -> str:
    """What may stand there, in words: *text*, *list of text*, the values, or a link to the part."""
    if "$ref" in schema:
        return links[schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        return links["Requirement"]  # the only part that is no class
    if options := schema.get("anyOf", schema.get("oneOf")):
        forms = dict.fromkeys(form(option, links) for option in options if option.get("type") != "null")
        words = " or ".join(form for form in forms if not (forms.keys() >= ANY_VALUE and form in ANY_VALUE))
        return " or ".join(filter(None, ["value" if forms.keys() >= ANY_VALUE else "", words]))
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{json.dumps(each).strip(chr(34))}`" for each in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return "list of " + " and ".join(form(item, links) for item in schema["prefixItems"])
        case "array":
            return f"list of {grouped(form(schema['items'], links))}"
        case "object":
            (values,) = (
                schema["patternProperties"].values()
                if "patternProperties" in schema
                else [schema["additionalProperties"]]
            )
            return f"map of {grouped(form(values, links))}" if isinstance(values, dict) else "map"
        case "string":
            return (
                "duration" if schema.get("pattern") == DURATION else "day" if schema.get("format") == "date" else "text"
            )
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number" as kind:
            ends = [f"{schema[end]:,}" if end in schema else "" for end in ("minimum", "maximum")]
            limits = f", {ends[0]} to {ends[1]}" if all(ends) else f", {ends[0]} or more" if ends[0] else ""
            return ("whole number" if kind == "integer" else "number") + limits
    return "anything"


def grouped(words: str) -> str:
    return f"({words})" if " or " in words else words


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
