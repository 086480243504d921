"""Make of files with names what is read: their format, and what their folders or a table's log say of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import Contents, DataFile, widened
from lockgate.data.locate import CODECS, ENDINGS, partitions
from lockgate.errors import DataError

if TYPE_CHECKING:
    from lockgate.data.lakehouse.delta import TableState


def data_files(named: Iterable[tuple[str, Path, str]], table: TableState | None) -> tuple[DataFile, ...]:
    """The files of one data set, all of one format. named: (name below the folder, path, name for people) of each.

    Raises DataError, whose message follows the path of the data set.
    """
    of_table = {} if table is None else {file.name: file for file in table.files}
    files = []
    for name, path, shown in named:
        if table is not None:
            files.append(DataFile(path, shown, of_table[name].constants, of_table[name].kept))
        else:
            files.append(DataFile(path, shown, _constants(partitions(name))))
    _refuse_mixed_formats(files)
    _refuse_mixed_partitions(files)
    return tuple(files)


def _constants(values: Mapping[str, str | None]) -> dict[str, pa.Array]:
    return {
        column: pa.nulls(1, pa.string()) if value is None else arrays.from_texts([value])
        for column, value in values.items()
    }


def _refuse_mixed_formats(files: Iterable[DataFile]) -> None:
    unknown = [file.name for file in files if file.format is None]
    if unknown:
        raise DataError(
            f"holds a file of no known format: {unknown[0]}",
            remedy=f"known are {', '.join(ENDINGS)}, then {' or '.join(CODECS)}; a glob such as data/*.csv leaves others out",
        )
    formats = sorted({str(file.format) for file in files})
    if len(formats) > 1:
        raise DataError(f"mixes {' and '.join(formats)} files", remedy="name one format by a glob")


def _refuse_mixed_partitions(files: list[DataFile]) -> None:
    first = files[0]
    for file in files:
        if file.constants.keys() != first.constants.keys():
            column = min(file.constants.keys() ^ first.constants.keys())
            with_it, without = (file, first) if column in file.constants else (first, file)
            raise DataError(
                f"mixes files of different folders: {with_it.name} has {column}= in its path, {without.name} has not",
                remedy="put all files at one depth under the same keys, or name by a glob those that belong together",
            )


def common_types(scanned: Sequence[tuple[DataFile, Contents]]) -> dict[str, pa.DataType]:
    """Column → its type over all files. Raises DataError where they have no columns, or no types, in common."""
    _refuse_other_columns(scanned)
    types: dict[str, pa.DataType] = {}
    for file, contents in scanned:
        for field in contents.schema:
            types[field.name] = _common_type(file, field, types.get(field.name, field.type))
    return types


def _common_type(file: DataFile, field: pa.Field, before: pa.DataType) -> pa.DataType:
    kind = widened(before, field.type)
    if kind is None and file.format == "csv":
        return pa.string()
    if kind is None:
        raise DataError(
            f"mixes types: column {field.name!r} is {field.type} in {file.name} and {before} in files before it",
            remedy="write all files with the same types",
        )
    return kind


def _refuse_other_columns(scanned: Sequence[tuple[DataFile, Contents]]) -> None:
    """Raise DataError where a file has no row with a column that all, or most, rows of another file have."""
    usual: dict[str, DataFile] = {}
    for file, contents in scanned:
        names = contents.schema.names if contents.usual is None else contents.usual
        usual = dict.fromkeys(names, file) | usual
    for file, contents in scanned:
        lacking = min(usual.keys() - set(contents.schema.names), default=None)
        if lacking is not None and (contents.rows or contents.usual is None):
            raise DataError(
                f"mixes files of different columns: {usual[lacking].name} has {lacking!r}, {file.name} has not",
                remedy="give all files the same columns, or name by a glob those that belong together",
            )


def row_place(number: int, scanned: Sequence[tuple[DataFile, Contents]]) -> str:
    """`row 17`, counted from 1 over all files, in its own file, which is named where there are several."""
    before = 0
    for file, contents in scanned:
        if number <= before + file.count(contents):
            deleted = "" if file.kept is None else " that is left"
            return f"row {number - before:,}{deleted}" + (f" of {file.name}" if len(scanned) > 1 else "")
        before += file.count(contents)
    return f"row {number:,}"
