"""Read a feature contract from a schema that pandera wrote as YAML or JSON; pandera itself is not needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from lockgate.data.contract.feature_spec import FeatureSpec
from lockgate.foreign import yaml as foreign_yaml

_TYPES = (
    ("float", "float"), ("decimal", "float"), ("uint", "integer"), ("int", "integer"), ("bool", "boolean"),
    ("str", "string"), ("datetime", "datetime"), ("timestamp", "datetime"), ("date", "datetime"),
)  # fmt: skip
_ANY_TYPE = ("none", "object", "category")
_SILENT = {"title", "description", "metadata", "default", "coerce", "dtype", "nullable", "required", "checks"}
_REFUSED_KEYS = ("unique", "regex", "drop_invalid_rows")
_WHOLE_FRAME = ("checks", "unique", "dtype", "parsers")


class NotRead(ValueError):
    """Why a schema is not taken for a contract: it asks for more than is looked at here."""


def features_of(text: str) -> dict[str, FeatureSpec]:
    """Column → what a pandera schema of frames says of it. Raises NotRead, ValueError for what is no YAML.

    Every check of the schema is in the contract: one that cannot be is refused, never left out.
    """
    schema = foreign_yaml.read(text)
    if not isinstance(schema, Mapping) or not isinstance(schema.get("columns"), Mapping) or not schema["columns"]:
        raise NotRead("it has no columns, as a schema has that pandera wrote with to_yaml() or to_json()")
    whole = [name for name in _WHOLE_FRAME if schema.get(name)]
    if whole:
        raise NotRead(f"its {whole[0]} is of the whole frame; gate: data_quality runs a whole schema")
    return {str(name): _feature(str(name), column or {}) for name, column in schema["columns"].items()}


def _feature(name: str, column: Any) -> FeatureSpec:
    if not isinstance(column, Mapping) or not isinstance(column.get("checks") or {}, Mapping | list):
        raise NotRead(f"{name} is not written as pandera writes a column, {{dtype: …, checks: …}}")
    refused = next((key for key in _REFUSED_KEYS if column.get(key)), None)
    if refused is not None:
        raise NotRead(f"{name} is {refused}, which is not looked at here; gate: data_quality runs a whole schema")
    kind = _type(name, column.get("dtype"))
    low, high, values = None, None, None
    for check, arguments in _checks(column):
        ends, listed = _rule(name, check, arguments, whole=kind == "integer")
        values = listed if values is None else tuple(each for each in values if listed is None or each in listed)
        low = ends[0] if low is None or (ends[0] is not None and ends[0] > low) else low
        high = ends[1] if high is None or (ends[1] is not None and ends[1] < high) else high
    try:
        return FeatureSpec(
            type=kind,
            range=None if low is None and high is None else (low, high),
            values=values,
            nulls=None if column.get("nullable", False) else 0.0,
            required=bool(column.get("required", True)),
        )
    except ValidationError as error:
        raise NotRead(f"{name}: {error.errors()[0]['msg']}") from error


def _type(name: str, dtype: Any) -> Any:
    text = str(dtype).lower()
    if text in _ANY_TYPE:
        return None
    kind = next((kind for start, kind in _TYPES if text.startswith(start)), None)
    if kind is None:
        raise NotRead(f"{name} has the type {dtype}, which is not looked at here")
    return kind


def _checks(column: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, arguments) of each check: beside the type as newer ones are written, or under `checks` as older ones are."""
    checks = column.get("checks") or {}
    entries: list[tuple[Any, Any]] = [
        *((key, entry) for key, entry in column.items() if key not in _SILENT and key not in _REFUSED_KEYS),
        *(checks.items() if isinstance(checks, Mapping) else ((None, entry) for entry in checks)),
    ]
    for key, entry in entries:
        options = entry.get("options") if isinstance(entry, Mapping) else None
        if not isinstance(options, Mapping):
            yield str(key), entry
            continue
        arguments = {name: value for name, value in entry.items() if name != "options"}
        yield str(key or options.get("check_name")), arguments.get("value", arguments)


def _rule(name: str, check: str, arguments: Any, *, whole: bool) -> tuple[tuple[Any, Any], tuple[Any, ...] | None]:
    """((smallest, largest), allowed values) of one check. An end that is not allowed itself becomes its neighbour."""
    if check in ("isin", "equal_to"):
        values = arguments.get("allowed_values", arguments) if isinstance(arguments, Mapping) else arguments
        return (None, None), tuple(values) if isinstance(values, list) else (values,)
    if check == "in_range" and isinstance(arguments, Mapping):
        low, high = arguments.get("min_value"), arguments.get("max_value")
        if all(end is None or _is_number(end) for end in (low, high)):
            low = _end(low, up=not arguments.get("include_min", True), down=False, whole=whole)
            return (low, _end(high, up=False, down=not arguments.get("include_max", True), whole=whole)), None
    value = next(iter(arguments.values())) if isinstance(arguments, Mapping) and len(arguments) == 1 else arguments
    if _is_number(value):
        if check in ("greater_than", "greater_than_or_equal_to"):
            return (_end(value, up=check == "greater_than", down=False, whole=whole), None), None
        if check in ("less_than", "less_than_or_equal_to"):
            return (None, _end(value, up=False, down=check == "less_than", whole=whole)), None
    raise NotRead(f"{name} has the check {check}, which is not looked at here; gate: data_quality runs a whole schema")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _end(value: Any, *, up: bool, down: bool, whole: bool) -> Any:
    if value is None or not (up or down):
        return value
    if whole and value == int(value):
        return int(value) + (1 if up else -1)
    return math.nextafter(float(value), math.inf if up else -math.inf)
