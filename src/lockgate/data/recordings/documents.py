"""Read the objects of a JSON document: one, one after another, or those of an array inside of it, as HAR has them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Sequence

from lockgate.data.formats import DataFile, reading
from lockgate.data.formats.encoding import refuse_other_encodings
from lockgate.data.formats.json_blocks import Block, blocks, is_document
from lockgate.errors import DataError

ENTRIES = {".har": ("log", "entries")}
_BLOCK_BYTES = 2 << 20
_BLANK = re.compile(r"[ \t\r\n]*")
_BREAKS = {ord("\n"): " ", ord("\r"): " "}  # within the texts of JSON none is allowed


def json_records(file: DataFile) -> Iterator[Block]:
    """The records of a file of JSON in blocks of lines, an object a line. Raises DataError."""
    suffixes = [suffix.lower() for suffix in file.path.suffixes]
    inside = next((keys for ending, keys in ENTRIES.items() if ending in suffixes[-2:]), None)
    if inside is None and not (is_document(file) and _begins_with_a_part(file)):
        yield from blocks(file)
        return
    with reading(file), file.stream() as stream:
        text = _Text(file, iter(lambda: stream.read(_BLOCK_BYTES), b""))
        yield from _in_blocks(_array(text, inside) if inside is not None else _objects(text))


def _begins_with_a_part(file: DataFile) -> bool:
    """Whether the first line is no array and no whole object: one that is spread over lines."""
    with reading(file), file.stream() as stream:
        head = stream.read(_BLOCK_BYTES)
    refuse_other_encodings(file, head)
    line, _, rest = head.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")
    if not line.startswith(b"{") or not rest.strip():
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return False


def _in_blocks(objects: Iterable[str]) -> Iterator[Block]:
    first, lines, size = 1, list[bytes](), 0
    for text in objects:
        lines.append(text.translate(_BREAKS).encode())
        size += len(lines[-1])
        if size >= _BLOCK_BYTES:
            yield Block(first, b"\n".join(lines) + b"\n", "object")
            first, lines, size = first + len(lines), [], 0
    if lines:
        yield Block(first, b"\n".join(lines) + b"\n", "object")


class _Text:
    """A document, of which no more is held than the value that is read, and a chunk."""

    def __init__(self, file: DataFile, chunks: Iterator[bytes]) -> None:
        self.file, self._chunks, self._ended = file, chunks, False
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._parse = json.JSONDecoder().raw_decode
        self._text, self._at = "", 0

    def sign(self) -> str:
        """What comes next that is no blank; nothing at the end."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing too
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self, sign: str) -> None:
        """Step over a sign. Raises DataError where another one is there."""
        if self.sign() != sign:
            raise self.broken(f"a {sign} is missing")
        self._at += 1

    def value(self) -> str:
        """Step over a value, and give its text. Raises DataError."""
        self.sign()
        while True:
            try:
                _, end = self._parse(self._text, self._at)
                if end < len(self._text) or not self._more():
                    text = self._text[self._at : end]
                    self._at = end
                    return text
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._twice_as_much():
                    raise self.broken("a value ends early, or is none") from error

    def broken(self, problem: str) -> DataError:
        return self.file.broken(
            f"is not the JSON that it should be: {problem}", remedy="write the file again, or name another"
        )

    def _twice_as_much(self) -> bool:
        """As `_more`, for a value that is parsed from its beginning each time: as often as it doubles, not once a chunk."""
        enough = 2 * (len(self._text) - self._at)
        more = self._more()
        while len(self._text) < enough and self._more():
            pass
        return more

    def _more(self) -> bool:
        if self._ended:
            return False
        chunk = next(self._chunks, b"")
        self._ended = not chunk
        self._text = self._text[self._at :] + self._decode(chunk, not chunk)
        self._at = 0
        return not self._ended


def _objects(text: _Text) -> Iterator[str]:
    while sign := text.sign():
        if sign != "{":
            raise text.broken("something that is no object stands beside its objects")
        yield text.value()


def _array(text: _Text, keys: Sequence[str]) -> Iterator[str]:
    """The objects of the array to which the keys lead."""
    for key in keys:
        text.skip("{")
        while json.loads(text.value()) != key:
            text.skip(":")
            text.value()
            if text.sign() != ",":
                raise text.broken(f"no {'.'.join(keys)} is in it")
            text.skip(",")
        text.skip(":")
    text.skip("[")
    while text.sign() == "{":
        yield text.value()
        if text.sign() != "]":
            text.skip(",")
    text.skip("]")
