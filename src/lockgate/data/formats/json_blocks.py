"""Cut JSON lines, or the one array that a `.json` document holds, into blocks of lines, each of one object."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lockgate.data.formats import DataFile, reading
from lockgate.data.formats.encoding import refuse_other_encodings
from lockgate.errors import DataError

REMEDY = "write one JSON object a line, or in a .json file one array of objects"
_BLOCK_BYTES = 2 << 20
_SIGN = re.compile(r"[ \t\r\n]*([^ \t\r\n])[ \t\r\n]*")
_LONGEST_WORD = 16  # of what may be cut in two at the end of a chunk, beside texts: -Infinity, an escape


@dataclass(frozen=True)
class Block:
    """Whole lines. first: the number of the first of them, from 1; unit: what is counted, `line` or the array's `object`."""

    first: int
    lines: bytes
    unit: str = "line"

    def where(self, line: int) -> str:
        """How people find a line of the block, counted from 0."""
        return f"{self.unit} {self.first + line:,}"


def blocks(file: DataFile) -> Iterator[Block]:
    """The file in blocks, none of them blank throughout. Raises DataError."""
    with reading(file), file.stream() as stream:
        head = stream.read(_BLOCK_BYTES)
        refuse_other_encodings(file, head)
        is_array = is_document(file) and head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["
        chunks = chain([head], iter(lambda: stream.read(_BLOCK_BYTES), b""))
        yield from _objects(file, chunks) if is_array else _lines(chunks)


def kind_text(value: Any) -> str:
    """What a JSON value is, as messages say it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names[type(value)]


def is_document(file: DataFile) -> bool:
    """Whether a file's name does not promise lines."""
    name = file.path.name.lower()
    return (name.removesuffix(file.path.suffix.lower()) if file.codec else name).endswith(".json")


def _lines(chunks: Iterable[bytes]) -> Iterator[Block]:
    line, rest = 1, b""
    for chunk in chunks:
        head, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            rest += chunk
            continue
        block, rest = rest + head + newline, tail
        if block.strip():
            yield Block(line, block)
        line += block.count(b"\n")
    if rest.strip():
        yield Block(line, rest)


def _objects(file: DataFile, chunks: Iterable[bytes]) -> Iterator[Block]:
    """An array's objects, each on a line of its own."""
    first, lines, size = 1, [], 0
    for number, text in enumerate(_elements(file, chunks), 1):
        lines.append(text.translate({ord("\n"): " ", ord("\r"): " "}).encode())
        size += len(lines[-1])
        if size >= _BLOCK_BYTES:
            yield Block(first, b"\n".join(lines), "object")
            first, lines, size = number + 1, [], 0
    if lines:
        yield Block(first, b"\n".join(lines), "object")


def _elements(file: DataFile, chunks: Iterable[bytes]) -> Iterator[str]:
    """Each object of an array as it is written; no more than it and a chunk are held."""
    decode, parse = codecs.getincrementaldecoder("utf-8-sig")().decode, json.JSONDecoder().raw_decode
    text, expected, count = "", "[", 0
    for chunk in chain(chunks, [b""]):
        text += decode(chunk, not chunk)
        at = 0
        while (sign := _SIGN.match(text, at)) is not None:
            if sign[1] not in expected:
                raise file.broken(
                    f"is an array of JSON with something behind {f'its object {count:,}' if expected else 'its end'} that "
                    "does not belong there",
                    remedy=REMEDY,
                )
            if sign[1] == "]":
                at, expected = sign.end(), ""
                continue
            if expected == "[" and text[sign.end() : sign.end() + 1] == "]":
                at, expected = sign.end(), "]"
                continue
            try:
                value, end = parse(text, sign.end())
            except (ValueError, RecursionError) as error:
                if chunk and _goes_on(error, text):
                    break
                raise _no_json(file, count + 1, error) from error
            if not isinstance(value, dict):
                raise file.broken(f"is an array whose element {count + 1:,} is {kind_text(value)}", remedy=REMEDY)
            yield text[sign.end() : end]
            at, expected, count = end, ",]", count + 1
        text = text[at:]
    if expected:
        raise file.broken("is an array that is never closed", remedy="write the file again: it was cut short")


def _goes_on(error: Exception, text: str) -> bool:
    """Whether an element may be whole with what comes next."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - _LONGEST_WORD


def _no_json(file: DataFile, number: int, error: Exception) -> DataError:
    cause = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
    return file.broken(f"object {number:,} of its array is not JSON ({cause})", remedy=REMEDY)
