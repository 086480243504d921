"""The JSON document of an answer, however it is compressed and in whatever charset; what is none is said."""

from __future__ import annotations

import gzip
import json
import zlib

import pyarrow as pa
import pytest

from lockgate.models.server.answer_text import UnreadableAnswer, read_document

DOCUMENT = {"predictions": [0.5], "note": "café"}
BODY = json.dumps(DOCUMENT, ensure_ascii=False).encode()
GZIP = gzip.compress(BODY, mtime=0)


def arrow(name: str) -> bytes:
    return bytes(pa.Codec(name).compress(BODY).to_pybytes())


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (BODY, ""),
        (BODY, "identity"),
        (GZIP, "gzip"),
        (GZIP, "X-GZip"),
        (gzip.compress(BODY[:5], mtime=0) + gzip.compress(BODY[5:], mtime=0), "gzip"),
        (GZIP + b"\0" * 8, "gzip"),
        (zlib.compress(BODY), "deflate"),
        (zlib.compress(BODY)[2:-4], "deflate"),
        (arrow("brotli"), "br"),
        (arrow("zstd"), "zstd"),
        (gzip.compress(zlib.compress(BODY), mtime=0), "deflate, gzip"),
    ],
)
def test_every_usual_compression_is_understood(body: bytes, encoding: str) -> None:
    """Alone, without its frame, in several members, and one inside the other."""
    assert read_document(body, encoding=encoding) == DOCUMENT


@pytest.mark.parametrize(
    ("charset", "declared"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-le", "utf-16"),
        ("utf-32", "utf-32"),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", '"windows-1252"'),
        ("utf-8", "latin-1"),
        ("utf-8-sig", "utf-8"),
    ],
)
def test_every_usual_charset_is_understood(charset: str, declared: str) -> None:
    """As JSON shows it itself; the header counts for the others, and may be wrong about UTF-8."""
    body = json.dumps(DOCUMENT, ensure_ascii=False).encode(charset)

    assert read_document(body, content_type=f"application/json; Charset={declared}; x=y") == DOCUMENT


@pytest.mark.parametrize(
    ("body", "encoding", "kind", "problem"),
    [
        (b"", "", "", "empty"),
        (b" \n", "", "", "empty"),
        (b"", "gzip", "", "empty"),
        (b"<html>Sign in</html>", "", "text/html", "not JSON"),
        (BODY, "gzip", "", "not the gzip that its Content-Encoding names, or cut short"),
        (GZIP[:-6], "gzip", "", "not the gzip that its Content-Encoding names, or cut short"),
        (GZIP[:30], "gzip", "", "not the gzip that its Content-Encoding names, or cut short"),
        (BODY, "deflate", "", "not the deflate that its Content-Encoding names, or cut short"),
        (BODY, "br", "", "not the br that its Content-Encoding names, or cut short"),
        (BODY, "zstd", "", "not the zstd that its Content-Encoding names, or cut short"),
        (BODY, "lzma", "", "compressed in a way that is not known (Content-Encoding: lzma)"),
        (GZIP, "", "", "compressed (gzip) without a Content-Encoding that says so"),
        (gzip.compress(GZIP, mtime=0), "gzip", "", "compressed (gzip) twice"),
        (gzip.compress(b"1" * 2000, mtime=0), "gzip", "", "more than 0 MiB when it is decompressed"),
        (b'{"a": "\xe9"}', "", "application/json", "not UTF-8, and no charset is named"),
        (b'{"a": "\xe9"}', "", "application/json; charset=klingon", "in the charset klingon, which is not known"),
        (b'{"a": "\xe9"}', "", "application/json; charset=utf-8", "not the utf-8 that it is said to be"),
        (b"[" * 200_000, "", "", "nested too deeply"),
    ],
)
def test_what_is_no_document_is_said(body: bytes, encoding: str, kind: str, problem: str) -> None:
    """Also what only claims to be compressed, ends early, or would be too large."""
    with pytest.raises(UnreadableAnswer) as caught:
        read_document(body, encoding=encoding, content_type=kind, most_bytes=1000)

    assert str(caught.value) == problem
