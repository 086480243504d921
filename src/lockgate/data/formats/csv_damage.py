"""Look at the lines of a CSV file before it is parsed, for what a parser takes without a word.

That is a quote which is never closed and swallows the rows after it, a header that is repeated inside, as in files put one
behind the other, and NUL bytes.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Generator, Iterator

import numpy as np

from lockgate.data.formats import DataFile, reading
from lockgate.data.formats.encoding import refuse_nul, refuse_other_encodings
from lockgate.errors import DataError

_BLOCK_BYTES = 2 << 20
_QUOTE = ord('"')
_CLOSE = re.compile(rb'[^"]*(?:""[^"]*)*"(?!")')
_BEHIND = re.compile(rb"[ \t]*(?:[,\t\r\n]|\Z)")


def refuse_damage(file: DataFile) -> None:
    """Read a file once, as bytes. Raises DataError, which names the line."""
    lines: _Lines | None = None
    for block in _blocks(file):
        if lines is None:
            refuse_other_encodings(file, block)
            block = block.removeprefix(codecs.BOM_UTF8)
            lines = _Lines(file, b"\n" if b"\n" in block else b"\r")
        lines.add(block)
    if lines is not None and lines.open_line is not None:
        raise lines.unclosed(lines.open_line)


def _blocks(file: DataFile) -> Iterator[bytes]:
    """Whole lines; no more from a row on that is longer than can be read."""
    rest = b""
    with reading(file), file.stream() as stream:
        while chunk := stream.read(_BLOCK_BYTES):
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1) if b"\n" not in chunk else -1) + 1
            if not end and len(rest) > _BLOCK_BYTES:
                return
            if end:
                yield rest + chunk[:end]
                rest = b""
            rest += chunk[end:]
    if rest:
        yield rest


class _Lines:
    """The blocks of a file in their order. open_line: the line whose quote is open at the end of what was added."""

    def __init__(self, file: DataFile, newline: bytes) -> None:
        self._file = file
        self._newline = newline
        self._delimiter = file.delimiter.encode()
        self._opening = re.compile(b'[%s\r]"|%s' % (self._delimiter, newline))
        self._before_opening = np.zeros(256, bool)
        self._before_opening[[_QUOTE, *self._delimiter, *b"\r\n"]] = True
        self._line, self._open_bytes = 1, 0
        self._headers: tuple[bytes, ...] | None = None
        self.open_line: int | None = None

    def add(self, block: bytes) -> None:
        """Raises DataError."""
        refuse_nul(self._file, block, self._line, newline=self._newline)
        first = self._headers is None
        quoted = list(self._quoted(block)) if self.open_line is not None or b'"' in block else []
        if first:
            self._headers = _headers(block, self._newline, self._file.delimiter)
        self._refuse_headers(block, quoted, first=first)
        self._line += block.count(self._newline)

    def unclosed(self, line: int) -> DataError:
        return self._file.broken(
            f"line {line:,} opens a quote that is not closed, and the lines after it would be one cell",
            remedy='close the quote; a quote inside of a quoted cell is written twice: "5"" pipe"',
        )

    def _refuse_headers(self, block: bytes, quoted: list[tuple[int, int]], *, first: bool) -> None:
        for header in self._headers or ():
            at = -1
            while (at := block.find(header, at + 1)) >= 0:
                before = block[max(at - 4, 0) : at].removesuffix(codecs.BOM_UTF8)[-1:] or b"\n"
                behind = block[at + len(header) : at + len(header) + 1] or b"\n"
                inside = any(start < at < end for start, end in quoted) or (first and not block[:at].strip())
                if before in b"\r\n" and behind in b"\r\n" and not inside:
                    raise self._file.broken(
                        f"line {self._number(block, at):,} is the header again",
                        remedy="leave that line out: of files put one behind the other, only the first needs a header",
                    )

    def _quoted(self, block: bytes) -> Iterator[tuple[int, int]]:
        """(first, behind) byte of each quoted cell of several lines. Raises DataError."""
        behind = 0
        if self.open_line is not None:
            behind = self._closed(block, 0, self.open_line)
            yield 0, behind
            behind = yield from self._cells(block, behind, fresh=False)
        for start in self._unclear(block):
            if start >= behind and self.open_line is None:
                behind = yield from self._cells(block, start, fresh=True)

    def _cells(self, block: bytes, at: int, *, fresh: bool) -> Generator[tuple[int, int], None, int]:
        """The quoted cells of several lines from a place to where a line ends outside of them, which is returned.

        fresh: whether a line begins at the place.
        """
        while self.open_line is None:
            if not (fresh and block[at : at + 1] == b'"'):
                match = self._opening.search(block, at)
                if match is None or match[0] == self._newline:
                    return len(block) if match is None else match.end()
                at = match.end() - 1
            start, fresh = at, False
            at = self._closed(block, start + 1, self._number(block, start))
            if self._newline in block[start:at]:
                yield start, at
        return at

    def _closed(self, block: bytes, at: int, line: int) -> int:
        """Where the cell ends whose inside begins or goes on here; the line that opened it is kept where it is not closed."""
        match = _CLOSE.match(block, at)
        end = len(block) if match is None else match.end()
        self._open_bytes = end - at + (self._open_bytes if self.open_line is not None else 0)
        several = self.open_line is not None or self._newline in block[at:end]
        self.open_line = line if match is None else None
        if self._open_bytes > 2 * _BLOCK_BYTES or (match and several and not _BEHIND.match(block, end)):
            raise self.unclosed(line)
        return end

    def _number(self, block: bytes, at: int) -> int:
        return self._line + block.count(self._newline, 0, at)

    def _unclear(self, block: bytes) -> list[int]:
        """Where lines begin whose quotes are not all in pairs, the first of each at the beginning of a cell."""
        data = np.frombuffer(block, np.uint8)
        quotes = (data == _QUOTE).nonzero()[0]
        starts = np.concatenate([[0], (data == self._newline[0]).nonzero()[0] + 1])
        firsts = np.searchsorted(quotes, np.append(starts, len(data)))
        counts = np.diff(firsts)
        line = np.repeat(np.arange(len(starts)), counts)
        opening = (np.arange(len(quotes)) - firsts[:-1][line]) % 2 == 0
        fits = self._before_opening[data[quotes - 1]]
        fits[:1] |= quotes[:1] == 0
        unclear = counts % 2 == 1
        unclear[line[opening & ~fits]] = True
        return [int(start) for start in starts[unclear]]


def _headers(block: bytes, newline: bytes, delimiter: str) -> tuple[bytes, ...]:
    """The header as it and other writers would write it; none where a row of data may well look like that.

    That is a name alone, or numbers, as pandas writes columns without names.
    """
    line = next((line for line in block.split(newline) if line.strip()), b"").rstrip(b"\r")
    try:
        names = next(csv.reader([line.decode()], delimiter=delimiter), [])
    except (UnicodeError, csv.Error):
        return ()
    if len(names) < 2 or all(map(_numeric, names)):
        return ()
    forms = {line}
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="").writerow(names)
        forms.add(text.getvalue().encode())
    return tuple(forms)


def _numeric(name: str) -> bool:
    try:
        float(name or "0")
    except ValueError:
        return False
    return True
