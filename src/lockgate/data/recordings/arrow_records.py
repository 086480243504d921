"""Read rows from many records at once, as `records.py` does from one, where all of them are of the same types.

Whatever is not so is no fault here: `Unfit` is raised, and the records are read one at a time.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats.jsonl import parsed
from lockgate.data.recordings.path import Decode, Every, Item, Key, RecordPath, Step

Lengths = arrays.Array | None


class Unfit(Exception):
    """The records, or the paths, are to be read one at a time."""


@dataclass
class Branch:
    """Paths that have their first steps in common. names: the columns that end here."""

    names: list[str] = field(default_factory=list)
    onward: dict[Step, Branch] = field(default_factory=dict)

    def kind(self, types: Mapping[str, pa.DataType]) -> pa.DataType:
        """What records hold here, by the types of the columns. Raises Unfit where no one type is enough."""
        if self.names:
            kind = types[self.names[0]]
            if self.onward or pa.types.is_nested(kind) or pa.types.is_binary(kind):
                raise Unfit  # objects may have keys later that none had before
            return kind
        steps = {type(step) for step in self.onward}
        if steps == {Key}:
            fields = [(step.name, branch.kind(types)) for step, branch in self.onward.items() if isinstance(step, Key)]
            return pa.struct(fields)
        if steps == {Decode}:
            return pa.string()
        if steps <= {Item, Every}:
            inside = {branch.kind(types) for branch in self.onward.values()}
            if inside == {pa.int64(), pa.float64()}:
                return pa.list_(pa.float64())
            if len(inside) == 1:
                return pa.list_(inside.pop())
        raise Unfit


def branched(columns: Mapping[str, RecordPath]) -> Branch:
    """The paths as a tree."""
    root = Branch()
    for name, path in columns.items():
        branch = root
        for step in path.steps:
            branch = branch.onward.setdefault(step, Branch())
        branch.names.append(name)
    return root


def from_lines(
    lines: bytes, root: Branch, types: Mapping[str, pa.DataType]
) -> tuple[dict[str, pa.Array], arrays.Array]:
    """(column → its rows, (records,) how many rows each record gives) of lines of JSON. Raises Unfit."""
    return _whole(_parsed_lines(lines, root, types), root, types)


def from_batch(
    batch: pa.RecordBatch, root: Branch, types: Mapping[str, pa.DataType]
) -> tuple[dict[str, pa.Array], arrays.Array]:
    """As `from_lines`, of records that are rows of a table. Raises Unfit."""
    return _whole(batch.to_struct_array(), root, types)


def _parsed_lines(lines: bytes, branch: Branch, types: Mapping[str, pa.DataType]) -> pa.StructArray:
    try:
        table = parsed(lines, pa.schema(list(branch.kind(types))))
    except (pa.ArrowException, UnicodeError) as error:
        raise Unfit from error
    columns = [arrays.whole(column) for column in table.columns]
    return pa.StructArray.from_arrays(columns, names=table.column_names)


def _whole(
    records: pa.Array, root: Branch, types: Mapping[str, pa.DataType]
) -> tuple[dict[str, pa.Array], arrays.Array]:
    try:
        cells = {name: (values, lengths) for name, values, lengths in _cells(records, root, types)}
    except (pa.ArrowException, ValueError) as error:
        raise Unfit from error
    counts = _row_counts([lengths for _, lengths in cells.values() if lengths is not None], len(records))
    owners = arrays.from_numpy(np.repeat(np.arange(len(records)), counts))
    columns: dict[str, pa.Array] = {}
    for name, (values, lengths) in cells.items():
        if lengths is not None:
            whole = values if np.array_equal(lengths, counts) else values.take(_spread(lengths, counts))
        else:
            whole = values if (counts == 1).all() else values.take(owners)
        try:
            columns[name] = whole.cast(types[name])
        except pa.ArrowException as error:
            raise Unfit from error
    return columns, counts


def _row_counts(lengths: Iterable[arrays.Array], records: int) -> arrays.Array:
    """(records,) rows of each; −1 stands for a list that a record lacks. Raises Unfit where its lists differ."""
    listed = list(lengths)
    if not listed:
        return np.ones(records, np.int64)
    most: arrays.Array = np.maximum.reduce(listed)
    if any(((each != most) & (each >= 0)).any() for each in listed):
        raise Unfit
    return np.maximum(most, 0)


def _spread(lengths: arrays.Array, counts: arrays.Array) -> pa.Array:
    """Where each row takes its value from, null in records that lack this list."""
    present = np.repeat(lengths >= 0, counts)
    rows = np.cumsum(present) - 1
    return pc.if_else(arrays.from_numpy(present), arrays.from_numpy(rows), pa.nulls(1, pa.int64())[0])


def _cells(
    values: pa.Array, branch: Branch, types: Mapping[str, pa.DataType]
) -> Iterator[tuple[str, pa.Array, Lengths]]:
    """(column, its values, the length of each list that they come from; None where they come from none)."""
    for name in branch.names:
        yield name, values, None
    for step, onward in branch.onward.items():
        if isinstance(step, Key):
            yield from _cells(_field(values, step.name), onward, types)
        elif isinstance(step, Item):
            yield from _cells(_element(values, step.index), onward, types)
        elif isinstance(step, Every):
            lengths = arrays.to_numpy(pc.fill_null(pc.list_value_length(_a_list(values)), -1)).astype(np.int64)
            yield from ((name, inside, lengths) for name, inside, _ in _cells(values.flatten(), onward, types))
        elif isinstance(step, Decode):
            yield from _cells(*_decoded(values, step.decoder, onward, types), types)
        else:
            raise Unfit


def _field(values: pa.Array, name: str) -> pa.Array:
    if not pa.types.is_struct(values.type):
        raise Unfit
    if values.type.get_field_index(name) < 0:
        return pa.nulls(len(values))
    return pc.struct_field(values, [name])


def _a_list(values: pa.Array) -> pa.Array:
    if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        raise Unfit
    return values


def _element(values: pa.Array, index: int) -> pa.Array:
    lengths = arrays.to_numpy(pc.fill_null(pc.list_value_length(_a_list(values)), 0)).astype(np.int64)
    firsts = np.cumsum(lengths) - lengths
    rows = arrays.from_numpy(firsts + index)
    return values.flatten().take(pc.if_else(arrays.from_numpy(lengths > index), rows, pa.nulls(1, pa.int64())[0]))


def _decoded(
    values: pa.Array, decoder: str, branch: Branch, types: Mapping[str, pa.DataType]
) -> tuple[pa.Array, Branch]:
    """What texts hold, and the steps that lead on from there. Raises Unfit where one of them cannot be decoded."""
    texts = [text.encode() if isinstance(text, str) else text for text in values.to_pylist()]
    if decoder == "base64":
        if branch.names or list(branch.onward) != [Decode("json")]:
            raise Unfit
        texts = [None if text is None else binascii.a2b_base64(text, strict_mode=True) for text in texts]
        branch = branch.onward[Decode("json")]
    elif decoder != "json":
        raise Unfit
    wrapped = b"\n".join([b'{"":null}' if text is None else b'{"":%b}' % text for text in texts])
    if wrapped.count(b"\n") >= len(texts):  # blanks between the parts of a JSON text; within its texts none is allowed
        wrapped = b"\n".join([b'{"":null}' if text is None else b'{"":%b}' % _one_line(text) for text in texts])
    inside = Branch(onward={Key(""): branch})
    records = _parsed_lines(wrapped, inside, types) if texts else pa.nulls(0, inside.kind(types))
    if len(records) != len(texts):
        raise Unfit
    return records.field(0), branch


def _one_line(text: bytes) -> bytes:
    return text.translate(bytes.maketrans(b"\r\n", b"  "))
