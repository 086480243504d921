"""Describe what may stand in a pipeline as JSON Schema, for editors and for tools that never start Python.

It is made of the same types as the parser. It cannot express positions, names that point elsewhere, or what no data could satisfy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import combinations, product
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from lockgate import plugins
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.spec import Condition, SliceSpec
from lockgate.errors import UsageError
from lockgate.gates.gate import Gate, gate_class
from lockgate.models.output import OutputPart, OutputSpec
from lockgate.models.target_spec import Server
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.ledger.policy import CheckSpec, PromotionPolicy, SwitchSpec
from lockgate.registries.selectors import CandidateSelector, ChampionSelector
from lockgate.registries.spec import RegistrySpec, spec_class
from lockgate.signoff.policy import Owner, SignoffPolicy
from lockgate.units import duration_text

Json = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_WAY_BACK = r"^(prove|waived:\s*\S.*,\s*until\s+[0-9]{4}-[0-9]{2}-[0-9]{2}\s*)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _not_both(*pairs: tuple[str, str]) -> Json:
    return {"allOf": [{"not": {"required": list(pair)}} for pair in pairs]}


def _only_for(protocols: tuple[str, ...], *keys: str) -> Json:
    of_protocols = {"properties": {"protocol": {"enum": list(protocols)}}, "required": ["protocol"]}
    return {"if": of_protocols, "else": {"not": {"anyOf": [{"required": [key]} for key in keys]}}}


# What validators require beyond the types, in JSON Schema.
_MORE: Mapping[type, Json] = {
    CandidateSelector: {"minProperties": 1, "maxProperties": 1},
    ChampionSelector: {"oneOf": [{"required": ["alias"]}, {"required": ["version"]}]},
    Condition: {"minProperties": 1},
    DatasetSpec: {"dependentRequired": {"last": ["time"], "until": ["last"], "keep_ids": ["id"]}},
    OutputPart: _not_both(("column", "class")),
    OutputSpec: _not_both(("column", "class"), *product(("candidate", "champion"), ("column", "class", "method"))),
    Owner: {
        "anyOf": [{"required": ["id"]}, {"required": ["key"]}, {"required": ["email"]}],
        "dependentRequired": {"github": ["id"]},
    },
    Server: {
        "allOf": [
            _only_for(("json",), "body", "output") | {"then": {"required": ["path", "body"]}},
            _only_for(("v2", "v1"), "model", "version"),
            _only_for(("v2",), "tensor"),
        ]
    },
    SignoffPolicy: {"dependentRequired": {"groups": ["require"]}},
    SwitchSpec: {"anyOf": [{"required": ["run"]}, {"required": ["check"]}]},
    SliceSpec: {
        **_not_both(
            *combinations(("values", "bins", "quantiles", "where", "cross"), 2),
            *(("column", key) for key in ("where", "cross")),
            *(("max", key) for key in ("values", "bins", "quantiles", "where")),
        ),
        "anyOf": [
            {"required": ["column"]},
            {"required": ["name", "where"]},
            {"required": ["cross"]},
            {"required": ["find"], "maxProperties": 1},
        ],
        "dependentRequired": {"bins": ["name"], "where": ["name"]},
    },
}
_MORE_PROPERTIES: Mapping[type, Mapping[str, Json]] = {
    DatasetSpec: {"scores": {"required": ["candidate"]}, "digest": {"pattern": "^sha256:[0-9a-f]{64}$"}},
    PromotionPolicy: {"way_back": {"pattern": _WAY_BACK}},
    SwitchSpec: {"run": {"minItems": 1}},
    CheckSpec: {"url": {"pattern": "^https?://[^\\s/]"}, "expect": {"minLength": 1}},
    SliceSpec: {"cross": {"minItems": 2, "maxItems": 4}},
    SignoffPolicy: {"require": {"additionalProperties": {"type": "integer", "minimum": 0}}},
}


class AsWritten(GenerateJsonSchema):
    """Shows the default of a duration as a pipeline would write it."""

    def encode_default(self, dft: Any) -> Any:
        return duration_text(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema_text(*, root: Path) -> str:
    """The same as a file for editors holds it."""
    return json.dumps(schema(root=root), indent=1) + "\n"


def schema(*, root: Path | None = None) -> Json:
    """The JSON Schema of a pipeline with the gates that are installed here."""
    classes = _installed(root or Path())
    specs = {kind: spec_class(kind) for kind in plugins.installed(plugins.REGISTRIES)}
    models: list[type[Any]] = [Pipeline, Gate, RegistrySpec, *_MORE, *_MORE_PROPERTIES]
    models += [*classes.values(), *specs.values()]
    modes: list[Any] = [(model, "validation") for model in dict.fromkeys(models)]
    refs, definitions = models_json_schema(modes, schema_generator=AsWritten)
    defs: dict[str, Json] = definitions["$defs"]
    name = {model: refs[model, "validation"]["$ref"].rpartition("/")[2] for model in dict.fromkeys(models)}
    for model, more in _MORE.items():
        defs[name[model]] |= more
    for model, properties in _MORE_PROPERTIES.items():
        for key, more in properties.items():
            _tighten(defs[name[model]]["properties"][key], more)
    whole = defs.pop(name[Pipeline])
    base = defs.pop(name[Gate])
    kinds = {kind: _with_sets(defs.pop(name[cls]), cls) for kind, cls in classes.items()}
    registries = {spec: defs.pop(name[spec]) for spec in dict.fromkeys(specs.values())}
    defs[name[RegistrySpec]] = _registry(
        defs[name[RegistrySpec]], {kind: registries[spec] for kind, spec in specs.items()}
    )
    if all(spec.version_type is int for spec in registries):
        for selector in (CandidateSelector, ChampionSelector):
            version = defs[name[selector]]["properties"]["version"]
            version["anyOf"] = [option for option in version["anyOf"] if option["type"] != "string"]
    whole["properties"]["data"]["additionalProperties"] = False
    gates = [*(_kind(kind, own) for kind, own in kinds.items()), *_foreign(base, kinds)]
    document: Json = _dated(_document(whole, gates, defs))
    return document


def _document(whole: Json, gates: list[Json], defs: Mapping[str, Json]) -> Json:
    """A pipeline that is complete in one file, or one that extends another and need not be."""
    required, properties = whole.pop("required"), whole["properties"]
    array = {"description": properties["gates"]["description"], "type": "array"}
    complete = {**array, "minItems": 1, "items": {"anyOf": gates}}
    partial = {**array, "items": {"anyOf": [_part(gate) for gate in gates]}}
    return {
        "$schema": DRAFT,
        "title": "lockgate pipeline",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"properties": {**_parts(properties), "gates": partial}, "additionalProperties": False},
        "else": {"properties": {**properties, "gates": complete}, "required": required, "additionalProperties": False},
        "$defs": {**defs, **{f"{key}.part": _part(definition) for key, definition in defs.items()}},
    }


def _installed(root: Path) -> dict[str, type[Gate]]:
    """The gates that can be loaded; one that is broken is described by `_foreign`."""
    classes = {}
    for kind in plugins.installed(plugins.GATES):
        try:
            classes[kind] = gate_class(kind, root=root)
        except UsageError:
            continue
    return classes


def _registry(base: Json, kinds: Mapping[str, Json]) -> Json:
    """The registry of a pipeline: of the only kind there is, else any of them, told apart by `kind`."""
    if len(kinds) == 1:
        (own,) = kinds.values()
        return {**own, "title": base["title"], "description": base["description"]}
    default = base["properties"]["kind"]["default"]
    return {
        "anyOf": [
            _kind(kind, own, key="kind")
            if kind != default
            else {**_kind(kind, own, key="kind"), "required": own["required"]}
            for kind, own in kinds.items()
        ]
    }


def _with_sets(own: Json, cls: type[Gate]) -> Json:
    """The schema of a gate whose `require` may name a set of lines, alone or among others."""
    if not cls.requirement_sets:
        return own
    named, require = {"enum": list(cls.requirement_sets)}, own["properties"]["require"]
    options = [
        {**option, "items": {"anyOf": [named, *option["items"]["anyOf"]]}} if option.get("type") == "array" else option
        for option in require["anyOf"]
    ]
    return {**own, "properties": {**own["properties"], "require": {**require, "anyOf": [named, *options]}}}


def _kind(kind: str, own: Json, *, key: str = "gate") -> Json:
    first_paragraph = str(own.get("description", own["title"])).partition("\n\n")[0]
    properties = {**own["properties"], key: {"const": kind, "description": " ".join(first_paragraph.split())}}
    return {**own, "properties": properties, "required": sorted({*own.get("required", ()), key})}


def _foreign(base: Json, kinds: Mapping[str, Json]) -> list[Json]:
    """Gates whose fields are not known here: those in files, and those that are installed and cannot be loaded."""
    broken = [kind for kind in plugins.installed(plugins.GATES) if kind not in kinds]
    gates: list[Json] = [{"type": "string", "pattern": r"\.py:"}, *({"const": kind} for kind in broken)]
    properties = {
        **base["properties"],
        "gate": {"anyOf": gates, "description": base["properties"]["gate"]["description"]},
    }
    return [{**base, "properties": properties, "additionalProperties": True}]


def _tighten(schema: Json, more: Json) -> None:
    """Add to a property's schema; where null is allowed too, to the other alternatives."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    for option in options or [schema]:
        if "enum" in more or "const" in more:
            option.pop("enum", None)
        option |= more


def _parts(properties: Mapping[str, Json]) -> Json:
    """The properties of a file that extends another: maps merge, so what they need may stand in the other file."""
    whole = ("candidate",)
    return {key: value if key in whole else _part(value) for key, value in properties.items()}


def _part(schema: Any) -> Any:
    """A schema without what is required; lists are replaced whole, so their entries stay as they are."""
    if isinstance(schema, list):
        return [_part(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    part: Json = {}
    for key, value in schema.items():
        if key in ("items", "prefixItems", "default", "examples", "enum", "const"):
            part[key] = value
        elif key == "$ref":
            part[key] = f"{value}.part"
        elif key not in ("required", "dependentRequired", "oneOf", "allOf"):
            part[key] = _part(value)
    if any(isinstance(option, dict) and set(option) == {"required"} for option in schema.get("anyOf", ())):
        del part["anyOf"]
    return part


def _dated(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_dated(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"pattern": _DATE} if schema.get("format") == "date" and schema.get("type") == "string" else {}
    return {key: _dated(value) for key, value in schema.items()} | more
