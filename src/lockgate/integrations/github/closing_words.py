"""What closes is heard in any spelling: rejections, and words to the gate that nobody can be sure of. Nothing opens here."""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

# approving: not understood, and no objection by its looks: a misspelt approval.
Meaning = Literal["reject", "unclear", "approving"]
# What our own comment says of its commands; a mail copies it, with or without its marks.
HELP = "Or `/gate reject` with a reason below it; `/gate revoke` takes either back, `/gate status` decides anew."

_STRENGTH: tuple[Meaning, ...] = ("reject", "unclear", "approving")
_MARKS = dict.fromkeys(map(ord, "*_`\\"))
_HELP = HELP.lower().translate(_MARKS)[:40]
# Blank signs that count as letters, and letters and slashes of other alphabets that look like those of the command.
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u0442\u0458\u0441\u0261\u03b1\u03b5\u03c4\u2044\u2215\u29f8\u2571\u30ce", "aetjcgaet/////"
)
_TAG = re.compile(r"</?[a-z][^<>]*>|<!--[^<>]*-->")
_LINE_END = re.compile(r"\r\n|\r|\n")
_QUOTE = re.compile(r"(?:[\s\u200b-\u200f\u2060-\u2064\ufeff]|(?:[-*+]|\d{1,9}[.)])[ \t])*>")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_CLOSES = r"(?:reject(?:s|ed|ing|ion)?|veto(?:ed|es)?|hold|revoked?|block(?:ed)?|stop(?:ped)?|den(?:y|ied)|nack(?:ed)?)"
# Bullets, numbers, boxes, mentions and other signs behind which a line begins.
_BEGIN = r"(?:[^\w/@]|\d+[.)]|@(?:[\w-]+)?|\[x\])*"
_COMMAND = re.compile(_BEGIN + r"(?P<slash>(?:7(?=gate)|/)[/\s]*)g ?a ?t ?e(?P<rest>.*)")
_NEAR = re.compile(_BEGIN + rf"/(?P<name>[\w-]{{3,40}})[^\w/.]+{_CLOSES}\b")
_NAMED = re.compile(
    r"(?:[^\w/@]|\d+[.)]|@[\w-]+[^\w-]|\[x\])*@?(?:[\w-]{0,40}gates?|github-actions)(?:\[bot\])?[\W_]*"
    rf"{_CLOSES}(?=$|[^\w\s]|\s+(?:[^\w\s-]|-+\s|(?:it|this|until|till|for|please|because|since|now|on|as|we)\b))"
)
_OTHER = re.compile(_BEGIN + r"/(?:reject\w*|veto|hold(?! cancel)|revoke\w*|nack|do-not-\w+)(?![\w/.-])")
_MENTION = re.compile(r"/(?P<gap>[/\s]{0,20})gate(?=(?P<rest>.{0,200}))")
_IN_PATH = re.compile(r"[\w.:/~$=-]$")
_ADDRESSES = re.compile(r"\s+(?!status\b)[^\W\d_]")
_SENTENCE = re.compile(rf"[.!?:;]\s+/gate\s+{_CLOSES}\b")
_SPAN = re.compile(
    _BEGIN.replace("[^\\w/@]", "[^\\w/@`]") + r"`+\s*/[/\s]*gate[^`]*`+(?!`)\W*\w"
)  # a command that a line explains
_FILE = re.compile(r"[^\s:]*\.(?:ya?ml|py|md|txt|jsonl?|log|sh|toml|html?|png|svg|go|rs|[jt]s|cfg|ini|xml|csv)\b")
_STATUS = re.compile(r"\W*status\W*(?:please\W*)?$")
_DIGEST = re.compile(r"\W*approve\W+sha256:[0-9a-f]{64}\b")
# Words that may stand behind a misspelt approval, and signs.
_PLEASANT = re.compile(r"sha\w*|[0-9a-f]{7,64}|undecided|please|now|it|this|lgtm|worked|works|thanks?|you")
_PLAIN_SIGNS = re.compile(r"[\w\s:.,!?…`*'\"()\[\]<>|]*")


def closing_meaning(body: str, *, commanded: bool = False) -> Meaning | None:
    """The strongest meaning of the lines of a comment that its author did not quote; None where they do not address the gate.

    commanded: its first line is an exact command, so that the rest is a reason, which may mention others.
    """
    if not _could_close(body):
        return None
    meanings: set[Meaning | None] = set()
    verbs = set[str]()
    explains = False
    for line, fenced in _own_lines(body, first=1 if commanded else 0):
        for text in _readings(line):
            command = _COMMAND.match(text)
            if command is not None:
                path = text[: command.start("slash")].endswith((".", "~")) or len(command["slash"]) > 1
                meanings.add(_verb(command["rest"], path=path))
                verbs.update(re.findall(r"^\W*(approve|reject|revoke|status)\b", command["rest"]))
            meanings.update(_unnamed(text, fenced=fenced))
            if commanded:
                meanings.add("unclear" if _SENTENCE.search(text) else None)
            else:
                meanings.update(_mentions(text, after=command.start("rest") if command else 0, fenced=fenced))
        explains = explains or _SPAN.match(_plain(line)) is not None
    strongest = next((meaning for meaning in _STRENGTH if meaning in meanings), None)
    # whoever lists the commands, or says what one does, could also mean none of them
    return "unclear" if strongest == "reject" and (explains or len(verbs) > 1) else strongest


def _could_close(body: str) -> bool:
    """Whether any line could address the gate, however it is spelt; quick, for the many that do not."""
    plain = body.lower() if body.isascii() and "&" not in body else _plain(body)
    bare = _TAG.sub("", plain).replace("~~", "").translate(_MARKS)
    words = (
        "gate",
        "reject",
        "veto",
        "hold",
        "revoke",
        "nack",
        "/do-not",
        "g a t e",
        "block",
        "stop",
        "deny",
        "denied",
    )
    return any(word in text for text in (bare, plain) for word in words)


def _own_lines(body: str, *, first: int) -> Iterator[tuple[str, bool]]:
    """(line, whether it stands in a code fence), without quotes and what our own comment says."""
    fenced = False
    for line in _LINE_END.split(body)[first:]:
        if _FENCE.match(line):
            fenced = not fenced
        # a sign that ends a line elsewhere than in Markdown parts words, or lines
        for part in (line, *line.splitlines()[1:]):
            if not _QUOTE.match(part) and _HELP not in _TAG.sub("", part.lower()).translate(_MARKS):
                yield part, fenced


def _plain(text: str) -> str:
    """Without accents, invisible signs and other alphabets' forms of a letter; every blank is a space."""
    return "".join(
        " " if sign.isspace() or sign in _BLANKS else sign
        for sign in unicodedata.normalize("NFKD", html.unescape(text))
        if sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cf", "Mn", "Me")
    ).casefold().translate(_LOOKALIKES)  # fmt: skip


def _readings(line: str) -> set[str]:
    """A line as it reads where marks and tags are dropped, where they part words, and where what looks like a tag is none."""
    text = _plain(line).replace("~~", "")
    parted = dict.fromkeys(_MARKS, " ")
    return {_TAG.sub("", text).translate(_MARKS), _TAG.sub(" ", text).translate(parted), text.translate(parted)}


def _verb(rest: str, *, path: bool) -> Meaning | None:
    """The meaning of what follows `/gate` where a line begins; None for another word, like `/gateway`, and for paths.

    path: it looks like one, or like a comment in code, by what stands before it.
    """
    if _FILE.match(rest):
        return None
    if re.match(r"[\W_]*reject", rest):
        return "reject"
    if re.match(rf"[\W_]*{_CLOSES}(?![a-z])", rest):
        return "unclear"
    goes_on = re.match(r"[^\W_]|[./]+\w|/$", rest) is not None
    if path or goes_on or _STATUS.match(rest):
        return None
    return "approving" if _is_approval(rest) else "unclear"


def _is_approval(rest: str) -> bool:
    """Whether it is a misspelt approval or query by its looks, with nothing behind it that could take it back."""
    words = re.findall(r"\w+", rest)
    if not words or re.fullmatch(r"ap+r\w*|status", words[0]) is None or _PLAIN_SIGNS.fullmatch(rest) is None:
        return False
    pairs = itertools.pairwise(words)
    return all(
        _PLEASANT.fullmatch(word)
        or "accepting" in (word, former)
        or (former.startswith("sha") and re.fullmatch("[0-9a-f]+", word) is not None)
        for former, word in pairs
    )


def _unnamed(text: str, *, fenced: bool) -> Iterator[Meaning]:
    """Objections at the beginning of a line that miss the slash or the name by little, or are another program's command."""
    near = _NEAR.match(text)
    if (near is not None and _is_near(near["name"])) or _OTHER.match(text) or (not fenced and _NAMED.match(text)):
        yield "unclear"


def _is_near(name: str) -> bool:
    """Whether a name ends in `gate`, or is a letter or two off."""
    if re.fullmatch(r"[\w-]*gate\w{0,2}", name):
        return True
    swapped = {"agte", "gtae", "gaet"}
    one_off = any(re.fullmatch(f"{'gate'[:at]}.?.?{'gate'[at + 1 :]}", name) for at in range(4))
    return name in swapped or one_off


def _mentions(text: str, *, after: int, fenced: bool) -> Iterator[Meaning]:
    """What `/gate` and a word mean in the middle of a sentence, which could be an objection whatever the word is."""
    for match in _MENTION.finditer(text, after):
        rest, start = match["rest"], match.start()
        before = text[max(0, start - 200) : start].rpartition(" ")[2]
        if "://" in before + "/":
            continue
        if re.match(rf"[^\w/.]+{_CLOSES}\b", rest):
            yield "unclear"
        elif not (fenced or match["gap"] or _IN_PATH.search(before)) and _ADDRESSES.match(rest):
            yield "approving" if _DIGEST.match(rest) else "unclear"
