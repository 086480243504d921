"""Check rows against a schema of pandera, part by part."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

record: Any = None  # the module check_record, which quality_host sets

_RAISED = re.compile(r"(\w+)\((.*)\)", re.S)


def checks(request: dict[str, Any]) -> dict[str, Any]:
    """Validate lazily, and tell what each part of the schema came to; what raises without being a part is told too."""
    # Variables that turn validation off, or leave values out, are not heard: nothing would be an error then.
    os.environ["PANDERA_VALIDATION_ENABLED"] = "True"
    os.environ["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_AND_DATA"
    pa, errors = _pandera()
    schema = _schema(pa, request)
    frame = record.read_frame(request["data"])
    checks = _SchemaChecks(schema, frame)
    try:
        schema.validate(frame, lazy=True)
    except errors.SchemaErrors as failure:
        for error in failure.schema_errors:
            checks.note(error)
    return {"versions": record.versions("pandera", "pandas"), "checks": checks.all}


def _pandera() -> tuple[Any, Any]:
    try:
        import pandera.errors as errors

        try:
            import pandera.pandas as pa
        except ImportError:  # before 0.24
            import pandera as pa
    except ImportError as error:
        raise record.Refused(
            f"this python has no pandera that can be imported ({error}); install pandera into it, or name another by "
            "python:"
        ) from error
    return pa, errors


def _schema(pa: Any, request: dict[str, Any]) -> Any:
    """The schema of a file: of Python by its name there, of YAML or JSON as pandera wrote it."""
    source, name = request["source"], request["attribute"]
    schema = _written(pa, source) if name is None else _loaded(source, name)
    if isinstance(schema, type) and hasattr(schema, "to_schema"):
        schema = schema.to_schema()
    if not isinstance(schema, pa.DataFrameSchema):
        raise record.Refused(
            f"it names a {type(schema).__name__}; name a DataFrameSchema or a DataFrameModel of pandas"
        )
    return schema


def _written(pa: Any, source: str) -> Any:
    """The schema of a file that pandera wrote. What pandera would leave out in silence, as a misspelt check, is refused."""
    text = Path(source).read_text(encoding="utf-8")
    if source.endswith("yaml"):
        import yaml

        schema, tree = pa.DataFrameSchema.from_yaml(Path(source)), yaml.safe_load(text)
    else:
        schema, tree = pa.DataFrameSchema.from_json(Path(source)), json.loads(text)
    _refuse_unread(tree, schema, ("schema_type", "version", "api", "dataframe_library", "multiindex"), "the schema")
    columns = tree.get("columns") or {}
    for entry in columns if isinstance(columns, list) else [{**each, "name": name} for name, each in columns.items()]:
        column = schema.columns[entry["name"]]
        names = [str(each.name) for each in column.checks]
        _refuse_unread(entry, column, ("alias", *names), f"column {entry['name']!r}")
    return schema


def _refuse_unread(tree: dict[str, Any], read: Any, more: tuple[str, ...], subject: str) -> None:
    for key in tree:
        if key not in more and not hasattr(read, key):
            raise record.Refused(f"{subject} has the key {key!r}, which pandera does not read; correct its name")


def _loaded(path: str, name: str) -> Any:
    """What a file of Python binds to a name."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("expectations", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018, S101
    module = importlib.util.module_from_spec(spec)
    sys.modules["expectations"] = module
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise record.Refused(f"the file has no {name!r}")
    return getattr(module, name)


class _SchemaChecks:
    """The checks of a schema by where they stand: (part, column, number), each passed until an error says otherwise."""

    def __init__(self, schema: Any, frame: Any) -> None:
        self.frame = frame
        self._made: dict[tuple[str, str | None, int | None], dict[str, Any]] = {}
        self._more: list[dict[str, Any]] = []
        self._warning: set[int] = set()  # checks that only warn; one may stand in several columns
        # Rows and columns that offend would be dropped in silence, and columns that are not there be added.
        schema.drop_invalid_rows = schema.add_missing_columns = False
        schema.strict = schema.strict is True
        for name, column in schema.columns.items():
            column.drop_invalid_rows = False
            for matched in self._matching(name, column):
                self._add_column(matched, column, there=matched in frame.columns)
        if schema.index is not None:
            for level in getattr(schema.index, "indexes", [schema.index]):
                self._add_column(_index_name(level), level, there=True)
        if schema.dtype is not None:
            for name in frame.columns:
                self._add("dtype", str(name), words=str(schema.dtype))
        if schema.unique:
            self._add_unique([schema.unique] if isinstance(schema.unique, str) else schema.unique)
        if schema.strict is True:
            self._add("column_in_schema", None, words="no other columns")
        if schema.ordered:
            self._add("column_ordered", None, words="columns in this order")
        if schema.unique_column_names:
            self._add("dataframe_column_labels_unique", None)
        for number, each in enumerate(schema.checks):
            self._add_check(None, number, each)

    @property
    def all(self) -> list[dict[str, Any]]:
        return [*self._made.values(), *self._more]

    def _matching(self, name: Any, column: Any) -> list[str]:
        """The columns that a pattern stands for; the name itself of one that is no pattern, and where there are none."""
        if not getattr(column, "regex", False):
            return [str(name)]
        return [str(each) for each in self.frame.columns if re.match(str(name), str(each))] or [str(name)]

    def _add_column(self, name: str, column: Any, *, there: bool) -> None:
        required = getattr(column, "required", None)  # an index has none
        if not there and not required:
            return
        if required is not None:
            self._add("column_in_dataframe", name)
        lacking = {} if there else {"success": None, "problem": f"there is no column {name!r}"}
        if column.dtype is not None:
            self._add("dtype", name, words=str(column.dtype), **lacking)
        if not column.nullable:
            self._add("not_nullable", name, **lacking)
        if column.unique:
            self._add("field_uniqueness", name, **lacking)
        for number, each in enumerate(column.checks):
            self._add_check(name, number, each, **lacking)

    def _add_check(self, column: str | None, number: int, each: Any, **fields: Any) -> None:
        each.n_failure_cases = None  # else the rest is not counted
        if getattr(each, "raise_warning", False):
            self._warning.add(id(each))
            each.raise_warning = False
        name = str(getattr(each, "name", None) or "check").strip("<>")
        rows = len(self.frame)
        if column in self.frame.columns and getattr(each, "ignore_na", True):
            rows = int(self.frame[column].notna().sum())
        made = record.check(
            name,
            column,
            rows,
            success=True,
            words=str(each.error or "")[: record.WORDS],
            warns=id(each) in self._warning,
        )
        self._made["check", column, number] = {**made, **fields}

    def _add(self, part: str, column: str | None, **fields: Any) -> None:
        self._made[part, column, None] = record.check(part, column, len(self.frame), **{"success": True, **fields})

    def _add_unique(self, names: list[Any]) -> None:
        """Of columns that are not there pandera takes none into account, and of none all rows are unique to it."""
        single = [each for name in names for each in ([name] if isinstance(name, str) else name)]
        absent = [str(name) for name in single if name not in self.frame.columns]
        lacking = {"success": None, "problem": f"there is no column {absent[0]!r}"} if absent else {}
        self._add("multiple_fields_uniqueness", None, words=", ".join(map(str, names)), **lacking)

    def note(self, error: Any) -> None:
        """Let an error of the validation fail its check, or one of its own where it belongs to none."""
        part, column, number = self._where(error)
        reason = getattr(error.reason_code, "name", str(error.reason_code))
        cases = error.failure_cases
        failed: dict[str, Any] = {"success": False}
        if reason in ("CHECK_ERROR", "PARSER_ERROR"):
            match = _RAISED.fullmatch(_single(cases))
            failed = {
                "success": None,
                "raised": [match[1], match[2].strip("'\"")[: record.TEXT]]
                if match
                else ["Error", _single(cases)[: record.TEXT]],
            }
        elif hasattr(cases, "columns") and "index" in cases.columns and cases["index"].notna().all():
            failed |= record.offenders(cases["index"])
        made = self._made.get((part, column, number))
        if made is None:
            self._more.append(record.check(part, column, len(self.frame), **failed))
        elif made["problem"] is None:
            if part == "column_in_schema":  # an error for each column that is too much
                more = ", and there is " if made["success"] else ", "
                failed["words"] = f"{made['words']}{more}{_single(cases)!r}"[: record.WORDS]
            made.update(failed)

    def _where(self, error: Any) -> tuple[str, str | None, int | None]:
        """(part, column, number among the checks) of what an error is about."""
        column = None if hasattr(error.schema, "columns") else str(error.schema.name)
        if type(error.schema).__name__ in ("Index", "MultiIndex"):
            column = _index_name(error.schema)
        if hasattr(error.check, "raise_warning"):
            if ("check", column, error.check_index) in self._made:
                return "check", column, error.check_index
            return str(error.check.name or "check").strip("<>"), column, None
        part, _, argument = str(error.check).partition("(")
        if part in ("dtype", "coerce_dtype"):
            return "dtype", column, None
        if part == "no_regex_column_match":
            return "column_in_dataframe", argument[1:-2], None  # of the pattern's representation
        return part, _single(error.failure_cases) if part == "column_in_dataframe" else column, None


def _single(cases: Any) -> str:
    """The failure case of what concerns no rows: as it is, in a table of its own before 0.24."""
    return str(cases["failure_case"].iloc[0] if hasattr(cases, "columns") else cases)


def _index_name(level: Any) -> str:
    """What an index is called, as no column is."""
    return "(index)" if level.name is None else f"(index {level.name})"
