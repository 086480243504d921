"""Read the batch of an answer, and make nothing of it that is larger than the bytes which came."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

DESCRIPTION = b"lockgate.answer"  # in the metadata of its schema
_NESTED = ("list", "large_list", "fixed_size_list", "struct", "map")
_PLAIN = (
    *("null", "boolean", "integer", "floating", "decimal", "temporal"),
    *("string", "large_string", "binary", "large_binary", "fixed_size_binary"),
)


def read_batch(payload: memoryview, *, rows: range | None = None) -> pa.RecordBatch:
    """The one batch of a stream, as `model_host` writes it. rows: how many there may be.

    Raises ArrowException, KeyError, TypeError, ValueError: for other rows, compressed buffers, dictionaries and other types whose values share
    their bytes, and for buffers that are not what their type says. What has no columns has no rows.
    """
    import pyarrow as pa

    messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(payload))
    schema = pa.ipc.read_schema(_next(messages, "schema"))
    for field in schema:
        _check_type(field.type)
    message = _next(messages, "record batch")
    count, lengths, compressed = _record_batch(message.metadata)
    if compressed or len({*schema.names}) < len(schema):
        raise ValueError("compressed, or two columns of one name")
    if rows is not None and count not in rows and (count or len(schema)):
        raise ValueError("other rows")
    most = max(8 * len(payload), 0 if rows is None else count)  # a bit is the least that a value takes
    if any(length > most for length in (count, *lengths)):
        raise ValueError("values of no bytes")
    if DESCRIPTION in (schema.metadata or {}):
        _check_description(json.loads(schema.metadata[DESCRIPTION]))
    batch = pa.ipc.read_record_batch(message, schema)
    batch.validate(full=True)
    return batch


def _next(messages: pa.ipc.MessageReader, kind: str) -> pa.ipc.Message:
    try:
        message = messages.read_next_message()
    except StopIteration:
        raise ValueError("no batch") from None
    if message.type != kind:
        raise ValueError(f"no {kind}")
    return message


def _check_description(value: Any) -> None:
    classes = value["classes"]
    for each in (value["estimator"], value["method"]):
        if not isinstance(each, str | None):
            raise TypeError("no name")
    if classes is not None and not all(isinstance(each, bool | int | float | str) for each in [*classes]):
        raise TypeError("no classes")


def _check_type(kind: pa.DataType) -> None:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if any(getattr(pa.types, f"is_{name}")(kind) for name in _NESTED):
        for number in range(kind.num_fields):
            _check_type(kind.field(number).type)
    elif not any(getattr(pa.types, f"is_{name}")(kind) for name in _PLAIN):
        raise ValueError("a type that no host writes")


def _record_batch(message: pa.Buffer) -> tuple[int, list[int], bool]:
    """(rows, lengths of all columns and their children, whether buffers are compressed) of a message's flatbuffer.

    See Message.fbs and Schema.fbs of Arrow. pyarrow has checked its offsets when it read the message.
    """
    data = memoryview(message)

    def fields(table: int) -> Iterator[int]:
        """Where each field of a table stands, 0 for one that is left out."""
        slots = table - struct.unpack_from("<i", data, table)[0]
        for position in range(slots + 4, slots + struct.unpack_from("<H", data, slots)[0], 2):
            offset = struct.unpack_from("<H", data, position)[0]
            yield table + offset if offset else 0

    def follow(position: int) -> int:
        return position + int(struct.unpack_from("<I", data, position)[0])

    _, _, header, *_ = fields(follow(0))
    length, nodes, _, compression, *_ = (*fields(follow(header)), 0, 0, 0, 0)
    count = struct.unpack_from("<q", data, length)[0] if length else 0
    start = follow(nodes) if nodes else 0
    number = struct.unpack_from("<I", data, start)[0] if nodes else 0
    lengths = [struct.unpack_from("<q", data, start + 4 + 16 * each)[0] for each in range(number)]
    if min([count, *lengths]) < 0:
        raise ValueError("less than no rows")
    return count, lengths, bool(compression)
