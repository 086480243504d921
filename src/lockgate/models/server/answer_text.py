"""Read the JSON document of an answer: undo its Content-Encoding, and read its text in whatever charset it is."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

MOST_BYTES = 256 * 2**20
_MARKS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # how such bodies begin, which JSON never does


class UnreadableAnswer(ValueError):
    """The body of an answer is no JSON document; the text says what it is, as the end of a sentence: `empty`."""


def read_document(body: bytes, *, encoding: str = "", content_type: str = "", most_bytes: int = MOST_BYTES) -> Any:
    """Return the JSON document of a body. encoding, content_type: its headers, empty where there were none.

    Raises UnreadableAnswer.
    """
    plain = decompressed(body, encoding=encoding, most_bytes=most_bytes)
    if not plain.strip():
        raise UnreadableAnswer("empty")
    compressed = next((name for start, name in _MARKS.items() if plain.startswith(start)), None)
    if compressed is not None:
        more = "twice" if encoding else "without a Content-Encoding that says so"
        raise UnreadableAnswer(f"compressed ({compressed}) {more}")
    declared = re.search(r"charset\s*=\s*[\"']?([^\s;\"']+)", content_type, re.IGNORECASE)
    # JSON is UTF-8, 16 or 32 and shows which; only what is none of these is in the charset that the header names
    charsets = [json.detect_encoding(plain), *([declared[1]] if declared else [])]
    problem = ""
    for charset in charsets:
        try:
            return json.loads(plain.decode(charset))
        except LookupError:
            problem = f"in the charset {charset}, which is not known"
        except UnicodeDecodeError:
            problem = f"not the {charset} that it is said to be" if declared else "not UTF-8, and no charset is named"
        except RecursionError:
            raise UnreadableAnswer("nested too deeply") from None
        except ValueError:
            problem = problem or "not JSON"
    raise UnreadableAnswer(problem)


def decompressed(body: bytes, *, encoding: str, most_bytes: int = MOST_BYTES) -> bytes:
    """Return a body without its Content-Encoding: gzip, deflate, br, zstd, or several in turn. Raises UnreadableAnswer."""
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in ("", "identity") or not body:
            continue
        try:
            body = _undone(body, name.removeprefix("x-"), most_bytes)
        except (OSError, zlib.error):
            raise UnreadableAnswer(f"not the {name} that its Content-Encoding names, or cut short") from None
        if len(body) > most_bytes:
            raise UnreadableAnswer(f"more than {most_bytes // 2**20:,} MiB when it is decompressed")
    return body


def _undone(body: bytes, name: str, most_bytes: int) -> bytes:
    if name == "gzip":
        return _inflated(body, zlib.MAX_WBITS | 16, most_bytes)
    if name == "deflate":
        try:
            return _inflated(body, zlib.MAX_WBITS, most_bytes)
        except zlib.error:
            return _inflated(body, -zlib.MAX_WBITS, most_bytes)  # many servers send it without its frame
    if name in ("br", "zstd"):
        import pyarrow as pa

        with pa.CompressedInputStream(pa.BufferReader(body), "brotli" if name == "br" else name) as stream:
            plain: bytes = stream.read(most_bytes + 1)
            return plain
    raise UnreadableAnswer(f"compressed in a way that is not known (Content-Encoding: {name})")


def _inflated(body: bytes, window: int, most_bytes: int) -> bytes:
    """Inflate one stream, or the several that gzip may have behind one another."""
    parts, size = [], 0
    while body:
        stream = zlib.decompressobj(window)
        parts.append(stream.decompress(body, most_bytes + 1 - size))
        size += len(parts[-1])
        if size > most_bytes:
            break
        if not stream.eof:
            raise zlib.error("it ends early")
        body = stream.unused_data if stream.unused_data[:2] == b"\x1f\x8b" else b""
    return b"".join(parts)
