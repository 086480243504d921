"""Bytes of a file, or of an entry of an archive, read on in small parts, so that memory stays flat whatever they unpack to."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from lockgate.models.artifact.problem import Broken, TooMuch, Unclear

PART = 1 << 18
_LONGEST_LINE = 1 << 26  # of protocol 0, which writes arrays as lines
_LZMA_MEMORY = 1 << 27


class Budget:
    """How many bytes may be unpacked in all, whatever is nested in what."""

    def __init__(self, size: int) -> None:
        self._most = self._rest = size

    def spend(self, size: int) -> None:
        self._rest -= size
        if self._rest < 0:
            raise TooMuch(f"it unpacks to more than {self._most >> 20:,} MiB, many times what is stored")


class Readable(Protocol):
    """Whatever bytes can be read from, at most `size` at a time and none at its end: a file, or a stream."""

    def read(self, size: int, /) -> bytes: ...


class ByteStream:
    """Bytes in their order. `offset` is how many were taken. Raises Broken where they end before they should."""

    def __init__(self, file: Readable, *, offset: int = 0) -> None:
        self._file: Any = file
        self._buffer, self._at = b"", 0
        self._before = offset

    @property
    def offset(self) -> int:
        return self._before + self._at

    def _fill(self, size: int) -> bool:
        """Have `size` bytes in the buffer, if there are as many."""
        parts = [self._buffer[self._at :]]
        missing = size - len(parts[0])
        while missing > 0 and (part := self._file.read(max(PART, missing))):
            parts.append(part)
            missing -= len(part)
        self._before += self._at
        self._buffer, self._at = b"".join(parts), 0
        return missing <= 0

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer where there are fewer, which stay."""
        if len(self._buffer) - self._at < size:
            self._fill(size)
        return self._buffer[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """The next bytes, fewer where there are fewer, as a file has them."""
        part = self.peek(size)
        self._at += len(part)
        return part

    def window(self, size: int) -> tuple[bytes, int]:
        """The buffer and where it stands, with `size` bytes from there on if there are as many; to be followed by `advance`."""
        if len(self._buffer) - self._at < size:
            self._fill(size)
        return self._buffer, self._at

    def advance(self, at: int) -> None:
        self._at = at

    def byte(self) -> int:
        at = self._at
        if at >= len(self._buffer):
            if not self._fill(1):
                raise Broken("it ends too early", self.offset)
            at = 0
        self._at = at + 1
        return self._buffer[at]

    def take(self, size: int) -> bytes:
        """The next bytes. To be called with what fits into memory."""
        at = self._at
        if at + size > len(self._buffer):
            if not self._fill(size):
                raise Broken("it ends too early", self._before + len(self._buffer))
            at = 0
        self._at = at + size
        return self._buffer[at : at + size]

    def line(self) -> bytes:
        """Up to the next line end, which is taken and left out."""
        end, size = self._buffer.find(b"\n", self._at), PART
        while end < 0 and size <= _LONGEST_LINE and len(self.peek(size)) == size:
            end, size = self._buffer.find(b"\n", self._at), 2 * size
        end = self._buffer.find(b"\n", self._at) if end < 0 else end
        if end < 0 and size > _LONGEST_LINE:
            raise Unclear("a line in it is longer than any model's", self.offset)
        if end < 0:
            raise Broken("a line in it does not end", self.offset)
        line = self._buffer[self._at : end]
        self._at = end + 1
        return line

    def skip(self, size: int) -> None:
        """Pass over bytes, without a look where the file can be wound on."""
        if size <= len(self._buffer) - self._at:
            self._at += size
            return
        size -= len(self._buffer) - self._at
        self._before += len(self._buffer)
        self._buffer, self._at = b"", 0
        if size > PART and _is_plain(self._file):
            here = self._file.tell()
            length = self._file.seek(0, io.SEEK_END)
            if here + size > length:
                raise Broken("it ends too early", self._before + length - here)
            self._file.seek(here + size)
            self._before += size
            return
        while size > 0:
            part = self._file.read(min(PART, size))
            if not part:
                raise Broken("it ends too early", self.offset)
            size -= len(part)
            self._before += len(part)

    def fork(self) -> ByteStream | None:
        """The same bytes from here on, to be read beside this stream; None where they are unpacked."""
        if not _is_plain(self._file):
            return None
        fork = ByteStream(_Elsewhere(self._file), offset=self._before)
        fork._buffer, fork._at = self._buffer, self._at
        return fork

    def rest(self) -> int:
        """Read to the end; how many bytes that were."""
        begin = self.offset
        while self.peek(PART):
            self._at = len(self._buffer)
        return self.offset - begin

    def parts(self) -> Iterator[bytes]:
        """The rest, part by part."""
        while part := self.read(PART):
            yield part


def _is_plain(file: Any) -> bool:
    return isinstance(file, io.BufferedReader | io.BytesIO | _Elsewhere)


class _Elsewhere:
    """A place of its own in a file that somebody else reads."""

    def __init__(self, file: Any) -> None:
        self._file, self._here = file, file.tell()

    def read(self, size: int) -> bytes:
        there = self._file.tell()
        self._file.seek(self._here)
        part: bytes = self._file.read(size)
        self._here = self._file.tell()
        self._file.seek(there)
        return part

    def tell(self) -> int:
        return int(self._here)

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == io.SEEK_END:
            there = self._file.tell()
            self._here = self._file.seek(0, io.SEEK_END)
            self._file.seek(there)
        else:
            self._here = offset
        return int(self._here)


class Unpacked:
    """The bytes in a compressed file, one stream behind the other. maker: makes what unpacks one. Raises Broken."""

    def __init__(self, file: Readable, maker: Callable[[], Any], budget: Budget) -> None:
        self._file, self._maker, self._budget = file, maker, budget
        self._unpacker, self._waiting = maker(), b""

    def read(self, size: int) -> bytes:
        try:
            part = self._next(min(size, PART))
        except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, RuntimeError, MemoryError) as error:
            raise error if isinstance(error, Broken) else Broken(f"it cannot be unpacked: {error}") from error
        self._budget.spend(len(part))
        return part

    def _next(self, size: int) -> bytes:
        while True:
            if self._unpacker.eof:
                self._waiting = (self._unpacker.unused_data or self._file.read(PART)).lstrip(b"\0")
                if not self._waiting:
                    return b""
                self._unpacker = self._maker()
            ended = False
            if not self._waiting and getattr(self._unpacker, "needs_input", True):
                self._waiting = self._file.read(PART)
                ended = not self._waiting
            part: bytes = self._unpacker.decompress(self._waiting, size)
            self._waiting = getattr(self._unpacker, "unconsumed_tail", b"")
            if part:
                return part
            if ended and not self._unpacker.eof:
                raise Broken("it ends too early")


def unpacker(kind: str) -> Callable[[], Any] | None:
    """What unpacks a kind of compression; None where this machine has nothing that does."""
    if kind in ("gzip", "zlib"):
        return lambda: zlib.decompressobj(wbits=47)
    if kind == "bzip2":
        return bz2.BZ2Decompressor
    if kind == "xz":
        return lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    if kind == "lz4":
        try:
            from lz4.frame import LZ4FrameDecompressor
        except ImportError:
            return None
        return LZ4FrameDecompressor  # type: ignore[no-any-return]
    return None
