"""Keep what a load was answered with, at little cost, to be read when the load is over.

The load generator, a process that imports nothing of lockgate, loads this file by its path.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

KEPT, KEPT_BYTES = (
    10_000,
    32 * 2**20,
)  # answers that are kept each for itself; as many more of other shapes, and samples
SAMPLED = 50  # each so many-th answer of a known shape is kept too
SHAPE_LENGTH = 8192
EXCERPT_LENGTH = 2000
NONE, UNREAD = 2**32 - 1, 2**32 - 2  # in place of an answer's number: the request failed; there was no room for it
_NUMBER = re.compile(rb"-?\d[\d.eE+-]*")
_TEXT = re.compile(rb'("(?:[^"\\]|\\.)*"\s*:)|"(?:[^"\\]|\\.)*"', re.DOTALL)
_NAMED_ERROR = re.compile(rb'"errors?"\s*:(?!\s*(?:null|false|""|0[\s,}]|\[\s*\]|\{\s*\}))')


class Answers:
    """What was answered with a status of 2xx: each answer once, while they are not too many; then each shape, and a sample.

    kept: ((Content-Encoding, Content-Type), body). Whoever reads them does so when the load is over.
    """

    def __init__(self) -> None:
        self.kept: list[tuple[tuple[str, str], bytes]] = []
        self.heads: dict[bytes, tuple[str, str]] = {}
        self.places: dict[Any, int] = {}
        self.size = self.repeated = 0

    def number(self, head: bytearray, body: bytearray) -> int:
        """Return the place in `kept` of an answer, or of one that stands for it."""
        lines = bytes(head)
        meaning = self.heads.get(lines)
        if meaning is None:
            if len(self.heads) > KEPT:  # of servers that number their answers in a header
                self.heads.clear()
            meaning = self.heads[lines] = meaning_of(lines)
        content = bytes(body)
        answer = (meaning, content)
        number = self.places.get(answer)
        if number is None:
            full = len(self.kept) >= KEPT or self.size >= KEPT_BYTES
            number = self._number_of_shape(meaning, content) if full else self._keep(answer, answer)
        return number

    def _number_of_shape(self, meaning: tuple[str, str], content: bytes) -> int:
        answer, shape = (meaning, content), (meaning, _shape(inflated(content, meaning[0])))
        number = self.places.get(shape)
        room = len(self.kept) < 2 * KEPT and self.size < 2 * KEPT_BYTES
        if number is None:
            return self._keep(shape, answer) if room else UNREAD
        self.repeated += 1
        if room and self.repeated % SAMPLED == 0:
            return self._keep(answer, answer)
        return number

    def _keep(self, key: Any, answer: tuple[tuple[str, str], bytes]) -> int:
        number = self.places[key] = len(self.kept)
        self.kept.append(answer)
        self.size += len(answer[1])
        return number


def meaning_of(head: bytes) -> tuple[str, str]:
    """Return (Content-Encoding, Content-Type) of an answer, the last where others came before it, such as `100 Continue`."""
    encoding = kind = ""
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if line.startswith("HTTP/"):
            encoding = kind = ""
        elif name.lower() == "content-encoding":
            encoding = f"{encoding}, {value.strip()}" if encoding else value.strip()
        elif name.lower() == "content-type":
            kind = value.strip()
    return encoding, kind


def _shape(body: bytes) -> bytes:
    """JSON with numbers and texts taken out, keys and nulls kept; of a long one the beginning and the end.

    Where an error says something, the shape is another.
    """
    mark = b"!" if _NAMED_ERROR.search(body) else b""
    if len(body) > SHAPE_LENGTH:
        body = body[: SHAPE_LENGTH // 2] + body[-SHAPE_LENGTH // 2 :]
    return mark + _NUMBER.sub(b"0", _TEXT.sub(rb'\1""', body))


def inflated(body: bytes, encoding: str) -> bytes:
    """Return a body that is compressed as most are, readable; as it is where it is not, or cannot be read."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, 2 * SHAPE_LENGTH)
    except zlib.error:
        return body


def excerpt(head: bytearray, body: bytearray) -> str:
    """Return how a body begins, as text."""
    return inflated(bytes(body), meaning_of(bytes(head))[0])[:EXCERPT_LENGTH].decode(errors="replace")
