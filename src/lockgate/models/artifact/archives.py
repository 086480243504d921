"""Entries of zip and tar archives one after the other, and what is wrong with their names, kinds and sizes."""

from __future__ import annotations

import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from lockgate.models.artifact.byte_stream import PART, Budget, ByteStream
from lockgate.models.artifact.problem import Broken, printable

_LARGEST_DIRECTORY = 1 << 24  # bytes of the list of a zip's entries: some 200,000 of them
_END, _END_SIZE, _FAR_END = b"PK\x05\x06", 22, b"PK\x06\x06"
_LONGEST_HEADER = 1 << 20
_MOST_ENTRIES = 200_000
_IN_MEMORY = 1 << 23


@dataclass(frozen=True)
class Entry:
    """A file in an archive. link: what it leads to, where it is a link; kind: of what is no file. stored: not compressed."""

    name: str
    size: int
    link: str | None = None
    kind: str | None = None
    stored: bool = False


def name_fault(name: str) -> str | None:
    """What is wrong with the path of a file, None where nothing is."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        return "its path is absolute"
    if ".." in parts:
        return "its path leads out of the folder"
    if "\\" in name:
        return "its name has a backslash, which is a folder elsewhere"
    if not name.isprintable():
        return "its name holds signs that cannot be seen"
    if any(part != part.strip() or part.endswith(".") for part in parts if part not in ("", ".")):
        return "its name begins or ends with blanks or a full stop, which is another name elsewhere"
    if any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
        return "its name is longer than any file's"
    return None


def spooled(stream: ByteStream, budget: Budget) -> IO[bytes]:
    """The rest of a stream as a file that can be wound back, on disk where it is large."""
    file: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # gone with whoever reads it
    for part in stream.parts():
        budget.spend(len(part))
        file.write(part)
    file.seek(0)
    return file  # type: ignore[no-any-return]


def open_zip(file: Any) -> zipfile.ZipFile:
    """The archive, its list of entries read. Raises Broken. file: that can be wound back."""
    _check_directory(file)
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise Broken(f"it is no whole zip: {printable(str(error))}") from error


def zip_entries(archive: zipfile.ZipFile, budget: Budget) -> Iterator[tuple[Entry, ByteStream]]:
    """Each entry and its bytes, unpacked as they are read. Raises Broken."""
    names = set[str]()
    for info in archive.infolist():
        name = info.orig_filename
        if name in names:
            raise Broken(f"it holds two entries of one name, {printable(name, 80)}, and who reads it chooses")
        names.add(name)
        if info.is_dir() and not info.file_size:
            continue
        if info.flag_bits & 1:
            raise Broken(f"its entry {printable(name, 80)} is encrypted, so nobody can look at it")
        mode = info.external_attr >> 16
        kind = None if stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFLNK) else "no file"
        try:
            with archive.open(info) as opened:
                link = printable(opened.read(200).decode("utf-8", "replace")) if stat.S_ISLNK(mode) else None
                entry = Entry(name, info.file_size, link, kind, stored=info.compress_type == zipfile.ZIP_STORED)
                yield entry, ByteStream(_Metered(opened, budget))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
            raise Broken(f"its entry {printable(name, 80)} cannot be read: {printable(str(error))}") from error


class _Metered:
    """An entry as it is unpacked, counted against what may be unpacked in all."""

    def __init__(self, file: Any, budget: Budget) -> None:
        self._file, self._budget = file, budget

    def read(self, size: int) -> bytes:
        try:
            part: bytes = self._file.read(min(size, PART))
        except Broken:
            raise
        except Exception as error:  # zlib, bz2 and lzma have errors of their own
            raise Broken(f"it cannot be unpacked: {printable(str(error))}") from error
        self._budget.spend(len(part))
        return part


def _check_directory(file: Any) -> None:
    """Refuse a list of entries that would fill the memory, before zipfile reads it whole."""
    length = file.seek(0, 2)
    begin = max(0, length - (1 << 16) - _END_SIZE - 20)
    file.seek(begin)
    tail = file.read(length - begin)
    at = tail.rfind(_END)
    if at < 0:
        raise Broken("it is no whole zip: its end is missing")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if size == 0xFFFFFFFF or tail.find(b"PK\x06\x07", max(0, at - 20), at) >= 0:
        locator = tail[at - 20 : at]
        file.seek(int.from_bytes(locator[8:16], "little") if locator.startswith(b"PK\x06\x07") else 0)
        far = file.read(56)
        size = int.from_bytes(far[40:48], "little") if far.startswith(_FAR_END) else _LARGEST_DIRECTORY + 1
    if size > _LARGEST_DIRECTORY:
        raise Broken(f"its list of entries has {size:,} bytes, more than any model's")
    file.seek(0)


def tar_entries(stream: ByteStream) -> Iterator[tuple[Entry, ByteStream]]:
    """Each entry and its bytes, which are passed over where nobody takes them. Raises Broken."""
    longer: dict[str, str] = {}
    for _ in range(_MOST_ENTRIES):
        block = stream.peek(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            return
        try:
            info = tarfile.TarInfo.frombuf(stream.take(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError) as error:
            raise Broken(f"it is no whole tar: {printable(str(error))}", stream.offset) from error
        if info.size < 0:
            raise Broken("it is no whole tar: an entry of a negative size", stream.offset)
        padding = -info.size % tarfile.BLOCKSIZE
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"X"):
            if info.size > _LONGEST_HEADER:
                raise Broken("it has a header that is longer than any", stream.offset)
            longer |= _extended(info.type, stream.take(info.size))
            stream.skip(padding)
            continue
        sizes = longer.get("size", "")
        size = int(sizes) if sizes.isdecimal() and len(sizes) < 20 else info.size
        name = longer.get("path", info.name)
        end = stream.offset + size
        link = longer.get("linkpath", info.linkname) if info.issym() or info.islnk() else None
        other = info.isreg() or info.isdir() or link is not None
        if not info.isdir():
            yield Entry(name, size, link, None if other else "a device or a pipe", stored=True), stream
        stream.skip(end - stream.offset + -size % tarfile.BLOCKSIZE)
        longer = {}
    raise Broken(f"it has more than {_MOST_ENTRIES:,} entries", stream.offset)


def _extended(kind: bytes, data: bytes) -> dict[str, str]:
    """What a header says that goes before another one."""
    if kind in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        key = "path" if kind == tarfile.GNUTYPE_LONGNAME else "linkpath"
        return {key: data.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    records: dict[str, str] = {}
    while data:
        length = data.partition(b" ")[0]
        if not length.isdigit() or len(length) > 7 or not len(length) + 2 < int(length) <= len(data):
            break
        name, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        records[name.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        data = data[int(length) :]
    return records


class Window:
    """A part of a stream, so many bytes long, as a file."""

    def __init__(self, stream: ByteStream, size: int) -> None:
        self._stream, self._rest = stream, size

    def read(self, size: int) -> bytes:
        part = self._stream.take(min(size, self._rest, PART))
        self._rest -= len(part)
        return part
