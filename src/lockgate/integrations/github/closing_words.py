"""What closes is heard in any spelling: rejections, and words to the gate that nobody can be sure of. Nothing opens here."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

# approving: not understood, and no objection by its looks: a misspelt approval, or a query.
Meaning = Literal["reject", "unclear", "approving"]

_STRENGTH: tuple[Meaning, ...] = ("reject", "unclear", "approving")
_MARKS = dict.fromkeys(map(ord, "*_`\\"))
# Blank signs that count as letters, and letters and slashes of other alphabets that look like those of the command.
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u0442\u0458\u0441\u0261\u03b1\u03b5\u03c4\u2044\u2215\u29f8\u2571", "aetjcgaet////"
)
_TAG = re.compile(r"</?[a-z][^<>]*>")
_LINE_END = re.compile(r"\r\n|\r|\n")
_QUOTE = re.compile(r"[\s\u200b-\u200f\u2060-\u2064\ufeff]*>")
# A command that begins its line behind bullets, numbers, boxes, mentions and other signs; also one that lost its slash.
_COMMAND = re.compile(r"(?:[^\w/@]|\d+[.)]|@(?:[\w-]+)?|\[x\])*(?P<slash>/[/\s]*)?gate(?P<rest>.*)")
_MENTION = re.compile(r"(?P<before>[\w.:/~]?)/[/\s]*gate")
_FAR = 200  # signs behind a mention in which its verb stands
_WORD = re.compile(r"(?![^\W_])[\W_]*([a-z]*)")
_APPROVING = re.compile(r"ap+r|status")
_HARMLESS = re.compile(r"\W*(?:approve|status)\b")


def closing_meaning(body: str, *, commanded: bool = False) -> Meaning | None:
    """The strongest meaning of the lines of a comment that its author did not quote; None where they do not address the gate.

    commanded: its first line is an exact command, so that the rest is a reason, which may mention others.
    """
    if not mentions_gate(body):
        return None
    lines = _LINE_END.split(body)[1 if commanded else 0 :]
    # a sign that ends a line elsewhere than in Markdown parts words, or lines
    lines += [part for line in lines for part in line.splitlines()[1:]]
    texts = {text for line in lines if not _QUOTE.match(line) for text in _readings(line)}
    meanings = {meaning for text in texts for meaning in _meanings(text, commanded=commanded)}
    return next((meaning for meaning in _STRENGTH if meaning in meanings), None)


def mentions_gate(body: str) -> bool:
    """Whether any line could address the gate, however it is spelt."""
    plain = body.lower() if body.isascii() and "&" not in body else _plain(body)
    return "gate" in _TAG.sub("", plain).replace("~~", "").translate(_MARKS) or "gate" in plain


def _plain(text: str) -> str:
    """Without accents, invisible signs and other alphabets' forms of a letter; every blank is a space."""
    return "".join(
        " " if sign.isspace() or sign in _BLANKS else sign
        for sign in unicodedata.normalize("NFKD", html.unescape(text))
        if sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cf", "Mn", "Me")
    ).casefold().translate(_LOOKALIKES)  # fmt: skip


def _readings(line: str) -> Iterator[str]:
    """A line as it reads where marks and tags are dropped, where they part words, and where what looks like a tag is none."""
    text = _plain(line).replace("~~", "")
    yield _TAG.sub("", text).translate(_MARKS)
    parted = dict.fromkeys(_MARKS, " ")
    yield _TAG.sub(" ", text).translate(parted)
    yield text.translate(parted)


def _meanings(text: str, *, commanded: bool) -> Iterator[Meaning | None]:
    match = _COMMAND.match(text)
    if match is not None and match["slash"]:
        yield _verb(match["rest"])
    elif match is not None and re.match(r"\W*reject\b", match["rest"]):
        yield "unclear"
    if not commanded:
        yield from (_mentioned(one["before"], text[one.end() : one.end() + _FAR]) for one in _MENTION.finditer(text))


def _mentioned(before: str, rest: str) -> Meaning | None:
    """What `/gate` means in the middle of a sentence, which could also say that it is no objection."""
    meaning = _verb(rest)
    if meaning == "reject":
        return "unclear"
    return None if before or (meaning == "approving" and _HARMLESS.match(rest)) else meaning


def _verb(rest: str) -> Meaning | None:
    """The meaning of what follows `/gate`; None where it goes on as another word, like `/gateway`."""
    word = _WORD.match(rest)
    verb = rest if rest.startswith("reject") else None if word is None else word[1]
    if verb is None:
        return None
    return "reject" if verb.startswith("reject") else "approving" if _APPROVING.match(verb) else "unclear"
