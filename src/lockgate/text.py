"""Escape untrusted text for the sink that shows it, hide secrets, and truncate sections to a size limit."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")
# What GitHub's Markdown makes links, mentions, pictures or commands of without any markup; each is broken in two.
_AUTOMATIC = re.compile(r"(?i)@|www(?=\.)|:(?=//|[a-z0-9_+\-]+:)|\#(?=\d)|gh-(?=\d)|(?:mailto|xmpp):")
_BEGUN = re.compile(r"(?i):[a-z0-9_+\-\\]+$")
# GitHub reads `::name::` where a line begins and `##[name]` anywhere in it, Azure and TeamCity `##vso[`, `##teamcity[`.
_RUNNER_COMMAND = re.compile(r"(?:^\s*(?=::)|##\w*(?=\[))")
_UNPRINTABLE = re.compile(r"[^ -~\n]")
# A place on a page of GitHub is a number; any other fragment may hold a secret.
_ADDRESS = re.compile(
    r"""(?P<scheme>\b[A-Za-z][A-Za-z0-9+.\-]{0,30}://)(?P<user>[^\s/?#"'<>]*@)?(?P<place>[^\s?#"'<>|]*)"""
    r"""(?P<query>\?[^\s#"'<>|]+)?(?P<fragment>\#(?!(?:issuecomment-|pullrequestreview-|discussion_r)\d)[^\s"'<>|]+)?"""
)
# What says which of several states is meant is no secret, and what it names is nothing without it; `…` where it is to be written.
_PIN = re.compile(
    r"(?i)(?:version_?id|generation|snapshot(?:[_-]?id)?|version(?:_?as_?of)?|rev(?:ision)?)=(?:…|[A-Za-z0-9._~:%+-]{1,1024})"
)
_PIN_FRAGMENT = re.compile(r"(?i)sha256[=:](?:…|[0-9a-f]{64})|[0-9]{10,20}|…")
_SHORTEST_SECRET = 6
_JOINT = "\u200b"
# What stands for our own signs on a terminal that lacks them.
_LOOKS_LIKE = {
    "–": "-", "—": "-", "…": "...", "’": "'", "“": '"', "”": '"', "×": "x", "·": ".", "→": "->",
    "─": "-", "│": "|", "●": "*", "○": "o", "█": "#", "░": ".",
}  # fmt: skip
_OUTPUT = re.compile(r"[a-z]+(_[a-z]+)*|sha256:[0-9a-f]{64}")
_OUTPUT_NAME = re.compile(r"[a-z]+(-[a-z]+)*")


def plain(value: str) -> str:
    """Text without control signs and signs that turn its direction; line ends stay, a tab is a blank."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " if sign == "\t" else "\ufffd" for sign in value)


def terminal(value: str) -> str:
    """Text as a terminal or the log of a job shows it: plain, and no line of it a command to a CI runner."""
    return "\n".join(map(terminal_line, value.replace("\r\n", "\n").split("\n")))


def terminal_line(value: str) -> str:
    """The same for what must stay one line."""
    line = plain(" ".join(value.splitlines()) if value else value).replace("\n", " ")
    return _RUNNER_COMMAND.sub(lambda match: match[0] + "\\", line)


def encodable(value: str, encoding: str) -> str:
    """Text in signs that an encoding carries: a sign like it stands for one of ours, a number for any other."""
    try:
        value.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_encodable_sign(sign, encoding) for sign in value)
    return value


def _encodable_sign(sign: str, encoding: str) -> str:
    written = sign.encode(encoding, "backslashreplace").decode(encoding)
    return written if written == sign else _LOOKS_LIKE.get(sign, written)


def json_text(encoded: str) -> str:
    """Encoded JSON of the same value, whose texts hold no sign that does something to a terminal, and no `##[`."""
    safe = _UNPRINTABLE.sub(
        lambda match: json.dumps(match[0])[1:-1] if not match[0].isprintable() else match[0], encoded
    )
    return safe.replace("##", "#\\u0023")


def one_line(value: str) -> str:
    """Plain text on one line."""
    return plain(" ".join(value.split()))


def markdown(value: str) -> str:
    """Text as Markdown shows it literally, on one line: no markup, no HTML, no mention, no link, no picture, no formula."""
    return _SPECIAL.sub(r"\\\1", html(value))


def html(value: str) -> str:
    """The same for a line of HTML in Markdown, in which backslashes escape nothing."""
    broken = _AUTOMATIC.sub(_in_two, one_line(value))
    return broken.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def colon(escaped: str) -> str:
    """Escaped text and a colon behind it, which makes no emoji of a word that a colon in the text began."""
    return f"{escaped}{_JOINT if _BEGUN.search(escaped) else ''}:"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 row`, `2,000 rows`; the plural is the singular and an s where none is given."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def enumerated(names: Sequence[str]) -> str:
    """`a, b and c`; the names are some."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def listed(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: the first of many names, and how many others there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def clauses(sentences: Sequence[object], most: int) -> str:
    """`a; b; and 3 more`: the same for sentences."""
    more = [f"and {len(sentences) - most:,} more"] if len(sentences) > most else []
    return "; ".join([*map(str, sentences[:most]), *more])


def cut(value: str, length: int) -> str:
    """At most `length` signs of a line, the last one an ellipsis where it went on. To be called before escaping."""
    line = one_line(value)
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def command_message(value: str) -> str:
    """Text behind the last `::` of a workflow command."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(value: str) -> str:
    """Text of one property, such as `title`, of a workflow command."""
    return command_message(value).replace(":", "%3A").replace(",", "%2C")


def output_line(name: str, value: str) -> str:
    """One line of GITHUB_OUTPUT. Raises ValueError for a value that is neither an enumeration nor a digest."""
    if not _OUTPUT_NAME.fullmatch(name) or (value and not _OUTPUT.fullmatch(value)):
        raise ValueError(f"the output {name!r} may not be {value!r}: outputs are a word or sha256: and 64 hex digits")
    return f"{name}={value}\n"


def secret_forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Each line of what is secret, as it stands, as in an address and as in a header, the longest first.

    What is shorter than six signs is left out: it would hide half of every text.
    """
    lines = {line for value in secrets for line in value.splitlines() if len(line) >= _SHORTEST_SECRET}
    forms = {form for line in lines for form in (line, quote(line, safe=""), base64.b64encode(line.encode()).decode())}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def without_secrets(value: str) -> str:
    """Text whose addresses show neither who signs in there, nor what they ask for: no userinfo, query or fragment."""
    return _ADDRESS.sub(_bare_address, value)


def public_query(query: str) -> str:
    """Of a query, what says which version is meant, `versionId=3sL4`, and that it is cut, `…`; all else may be a secret."""
    return "&".join(part for part in query.split("&") if part == "…" or _PIN.fullmatch(part))


def public_fragment(fragment: str) -> str:
    """A fragment that is a digest or a generation; nothing of any other."""
    return fragment if _PIN_FRAGMENT.fullmatch(fragment) else ""


def _bare_address(match: re.Match[str]) -> str:
    """scheme://***@host/path?***#*** of an address, as far as it has these parts; a query that is cut already stays `?…`.

    What pins it stays too: `?versionId=3sL4`, `#sha256=…`.
    """
    user = "***@" if match["user"] else ""
    query, fragment = (match["query"] or "")[1:], (match["fragment"] or "")[1:]
    query, fragment = _only_pins(query, public_query), _only_pins(fragment, public_fragment)
    return f"{match['scheme']}{user}{match['place']}{query and f'?{query}'}{fragment and f'#{fragment}'}"


def _only_pins(part: str, public: Callable[[str], str]) -> str:
    """A query or a fragment of which three stars hide what is no pin; a sentence may end behind it."""
    bare = part.rstrip(".,:;)]")
    pins = public(bare)
    return part if pins == bare else f"{pins}&***" if pins else "***"


def hide(value: Any, forms: Sequence[str]) -> Any:
    """A JSON value whose texts, and names, hold none of these forms: three stars stand for each, and for what `without_secrets` cuts."""
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form, "***")
        return without_secrets(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {hide(name, forms): hide(element, forms) for name, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide(element, forms) for element in value]
    return value


def _in_two(match: re.Match[str]) -> str:
    return match[0] + _JOINT


def utf16(text: str) -> int:
    """Length in the units that GitHub counts a comment in."""
    return len(text.encode("utf-16-le")) // 2


def utf8(text: str) -> int:
    """Length in bytes, in which GitHub counts a job's summary."""
    return len(text.encode())


def fit(sections: Sequence[str], *, room: int, size: Callable[[str], int], left_out: Callable[[int], str]) -> list[str]:
    """Keep as many whole sections, from the first on, as fit into `room`, and `left_out(n)` for the n that do not.

    size: how a text is measured. What `left_out` says counts too.
    """
    sizes = [size(section) for section in sections]
    if sum(sizes) <= room:
        return list(sections)
    room -= size(left_out(len(sections)))
    kept = 0
    while kept < len(sections) and sizes[kept] <= room:
        room -= sizes[kept]
        kept += 1
    return [*sections[:kept], left_out(len(sections) - kept)]
