"""Break and align text at the width of a terminal, in signs that its encoding carries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, chop_cells
from rich.text import Text

from lockgate.text import encodable, terminal_line

_NARROW = 60  # columns
_WORDS = re.compile(r"\S+")
_JOINTS = "=/_-&,("
_LABEL = 12  # columns
Span = tuple[str, str]  # text, and its style; "" for none


@dataclass(frozen=True)
class Medium:
    """Where a page is shown. width: its columns. encoding: of the stream. folds: whether sentences are broken at the width.

    A log does not fold: its reader does, and what is searched for stands on one line.
    """

    width: int = 80
    encoding: str = "utf-8"
    folds: bool = True

    @property
    def narrow(self) -> bool:
        return self.width < _NARROW

    @property
    def unfolded(self) -> Medium:
        """The same for what is copied whole, such as a command."""
        return replace(self, folds=False)

    def plain(self, text: str) -> str:
        """Text of anybody on one line, without what does something to a terminal, in signs that the stream carries."""
        return encodable(terminal_line(text), self.encoding)

    def sentence(self, text: str, *, first: Span = ("", ""), hang: int = 2, style: str = "") -> list[list[Span]]:
        """Lines of a sentence; every line but the first is indented. first: stands before it, unbroken where there is room."""
        head, head_style = first
        if not self.folds:
            return [[(head, head_style), (self.plain(text), style)]]
        if cell_len(head) > self.width // 2:
            head, text = head[: len(head) - len(head.lstrip())], head + text
        begin, *others = wrapped(self.plain(text), self.width - hang, before=cell_len(head) - hang)
        return [[(head, head_style), (begin, style)], *([(" " * hang + line, style)] for line in others)]


def labelled(label: str, sentences: Sequence[Span], medium: Medium) -> list[list[Span]]:
    """Sentences beside a word in a column of its own."""
    lines: list[list[Span]] = []
    for number, (text, style) in enumerate(sentences):
        word = padded("" if number else medium.plain(label), _LABEL)
        lines += medium.sentence(text, first=(word, "bold"), hang=_LABEL + 2, style=style)
    return lines


def next_calls(calls: Sequence[tuple[str, str]], medium: Medium) -> list[list[Span]]:
    """Commands to copy whole, what each does below it, beside the word Next."""
    lines: list[list[Span]] = []
    for call, purpose in calls:
        lines += labelled("" if lines else "Next", [(call, "cyan")], medium.unfolded)
        lines += medium.sentence(purpose, first=(" " * (_LABEL + 2), ""), hang=_LABEL + 2, style="dim")
    return lines


def wrapped(text: str, width: int, *, before: int = 0) -> list[str]:
    """Lines of at most `width` columns; a word that is longer is cut. before: columns that the first line has fewer of."""
    lines, line, room = [], "", width - before
    for word in _WORDS.findall(text):
        parts = _cut(word, width)
        for number, part in enumerate(parts):
            glue = " " if line and not number else ""
            if (line or number or before > 0) and cell_len(line + glue + part) > room:
                lines.append(line)
                line, glue, room = "", "", width
            line += glue + part
    # a line that begins anew must not begin what a CI runner takes for a command
    return [terminal_line(entry) for entry in [*lines, line]]


def _cut(word: str, width: int) -> list[str]:
    """Parts of a word that fit the width: cut behind the last sign that joins two words, or else anywhere."""
    parts = []
    while cell_len(word) > width:
        part = chop_cells(word, width)[0]
        joint = max(map(part.rfind, _JOINTS)) + 1
        parts.append(part[:joint] if joint > len(part) // 3 else part)
        word = word[len(parts[-1]) :]
    return [*parts, word]


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Text filled up with blanks; right: on its left side."""
    blanks = " " * max(0, width - cell_len(text))
    return blanks + text if right else text + blanks


def columns(cells: Sequence[tuple[str, int, str]], *, right_from: int, hang: int = 2) -> list[list[Span]]:
    """One row of a table, (text, width, style) a cell, broken within its columns; cells from `right_from` on stand right."""
    broken = [
        wrapped(text, width) if index >= right_from else wrapped(text, width - hang, before=-hang)
        for index, (text, width, _) in enumerate(cells)
    ]
    lines: list[list[Span]] = []
    for number in range(max(map(len, broken))):
        line: list[Span] = []
        for index, (_, width, style) in enumerate(cells):
            part = broken[index][number] if number < len(broken[index]) else ""
            right = index >= right_from
            indented = part if right or not number or not part else " " * hang + part
            line.append((padded(indented, width, right=right) + "  ", style))
        lines.append(_stripped(line))
    return lines


def _stripped(line: list[Span]) -> list[Span]:
    while line and not line[-1][0].strip():
        line.pop()
    return [*line[:-1], (line[-1][0].rstrip(), line[-1][1])] if line else []


def assembled(lines: Sequence[Sequence[Span]]) -> Text:
    """The page as one text of `rich`; its `plain` is the page without colour."""
    return Text("\n").join(Text.assemble(*line) for line in lines)
