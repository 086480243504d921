"""Tell by its bytes that a file of text is of another format or not UTF-8, and how it is made so."""

from __future__ import annotations

import codecs

import numpy as np

from lockgate.data.formats import DataFile, reading

_HEAD_BYTES = 4096
_ENDS = b"\r\n,\t:"  # of lines and cells
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip


def refuse_other_bytes(file: DataFile) -> None:
    """Refuse a file of text by name whose first bytes are those of another format. Raises DataError."""
    if file.codec is not None:
        if not file.path.stat().st_size:
            raise file.broken(f"is empty, and no file of {file.codec}", remedy="write the file again: it was cut short")
        return
    with reading(file), file.path.open("rb") as stream:
        head = stream.read(4)
        parquet = head == b"PAR1" and stream.seek(-4, 2) and stream.read(4) == head
    if parquet:
        raise file.broken("is Parquet", remedy="name it .parquet")
    if head == b"PK\x03\x04":
        raise file.broken("is a zip archive, or a workbook", remedy="unpack it, or export the sheet as CSV")
    for magic, name, end in ((b"\x1f\x8b", "gzip", ".gz"), (b"\x28\xb5\x2f\xfd", "zstd", ".zst")):
        if head.startswith(magic):
            raise file.broken(f"is {name}", remedy=f"name it {file.path.suffix}{end}")


def refuse_other_encodings(file: DataFile, head: bytes) -> None:
    """Raise DataError where a file's beginning is UTF-16 or UTF-32."""
    encoding = _encoding(head[:_HEAD_BYTES])
    if encoding is not None:
        raise file.broken(
            f"is {encoding[:6]}, and only UTF-8 is read", remedy=f"convert it: iconv -f {encoding} -t UTF-8 OLD > NEW"
        )


def refuse_nul(file: DataFile, block: bytes, first_line: int, *, newline: bytes = b"\n") -> None:
    """Raise DataError where whole lines hold a NUL byte. first_line: the number of the first of them."""
    at = block.find(b"\0")
    if at >= 0:
        raise file.broken(
            f"line {first_line + block.count(newline, 0, at):,} holds a NUL byte, which no text does",
            remedy="write the file again: it was cut short while it was written, or its encoding is not UTF-8",
        )


def _encoding(head: bytes) -> str | None:
    """As iconv calls it: by the byte order mark, or by the NULs beside the ends of lines and cells; None of what may be UTF-8."""
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if marked is not None or head.count(0) < len(head) / 20:
        return marked
    if head[:4].count(0) == 3 and (head[0] or head[3]):
        return "UTF-32LE" if head[0] else "UTF-32BE"
    ends = sum(map(head.count, _ENDS))
    for name, kind in (("UTF-16LE", "<u2"), ("UTF-16BE", ">u2")):
        units = np.frombuffer(head[: len(head) // 2 * 2], kind)
        if 2 * np.isin(units, list(_ENDS)).sum() > ends:
            return name
    return None
