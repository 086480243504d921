"""Take an address apart, and write it so that its pin is kept and its secrets are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from lockgate.text import public_fragment, public_query

_CONTAINER_FIRST = ("abfs", "abfss", "wasb", "wasbs")  # container@account, no user
_VERSION_LAST = ("bq", "bigquery", "iceberg", "dvc", "delta", "hf", "docker", "oci")  # name@version
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://")
_DIGEST = re.compile(r"(?i)sha256[=:]([0-9a-f]{64})")


_NOBODY = "git"  # as forges call whoever comes by SSH; any other user may be a token


@dataclass(frozen=True)
class Address:
    """scheme, host: in lower case. user: what stands before `@`. query: by names in lower case."""

    scheme: str
    user: str
    host: str
    path: str
    query: Mapping[str, str]
    fragment: str

    @property
    def digest(self) -> str | None:
        """`sha256:…` of a fragment that says it."""
        return digest_in(self.fragment)


def digest_in(fragment: str) -> str | None:
    """`sha256:…` of a fragment that says it, `sha256=…` too."""
    match = _DIGEST.fullmatch(fragment)
    return None if match is None else f"sha256:{match[1].lower()}"


def address_of(text: str) -> Address | None:
    """The parts of an address; None of what is none, or cannot be taken apart."""
    if _URL.match(text) is None:
        return None
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return None
    user, _, host = parts.netloc.rpartition("@")
    return Address(
        parts.scheme.lower(), user, host.lower() if parts.scheme.lower() in ("http", "https") else host, parts.path,
        {name.lower(): value for name, value in query.items()}, parts.fragment,
    )  # fmt: skip


def ambiguity(text: str) -> str | None:
    """Why two readers of an address may come to two things, None where they do not: what is there twice, and paths that lead back."""
    try:
        parts = urlsplit(text)
        names = [name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        return None
    if _URL.match(text) is None:
        return None
    if len({*names}) < len(names):
        return "its query has one key twice, and who reads it chooses"
    if {".", ".."} & {*unquote(parts.path).split("/")}:
        return "its path leads back, so that it is another one where it is opened"
    return None


def redacted(address: str) -> str:
    """A path or an address as people may see it: of user, query and fragment, only what pins it."""
    if _URL.match(address) is None:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return address.partition("://")[0] + "://…"
    user, _, host = parts.netloc.rpartition("@")
    container = f"{user}@" if user and ":" not in user and parts.scheme.lower() in _CONTAINER_FIRST else ""
    query = public_query(parts.query)
    fragment = public_fragment(parts.fragment)
    hidden = (parts.query and query != parts.query) or (parts.fragment and not fragment)
    shown_query = "&".join(filter(None, [query, "…" if hidden else ""]))
    return f"{parts.scheme}://{container}{host}{parts.path}{f'?{shown_query}' if shown_query else ''}{f'#{fragment}' if fragment else ''}"


def without_secrets(text: str, hidden: Iterable[str] | None = None) -> str:
    """A text with `…` for each secret of the addresses in it. hidden: those of another text, in the place of its own."""
    for secret in secrets(text) if hidden is None else hidden:
        text = text.replace(secret, "…")
    return text


def secrets(text: str) -> tuple[str, ...]:
    """What a text's addresses hold that may be secret, in each form, the longest first."""
    kept: set[str] = set()
    for start in re.finditer(_URL, text):
        address = text[start.start() :]
        try:
            parts = urlsplit(address)
            query = parse_qsl(parts.query)
        except ValueError:
            continue
        user, colon, word = parts.netloc.rpartition("@")[0].partition(":")
        if colon or parts.scheme.lower() not in (*_CONTAINER_FIRST, *_VERSION_LAST):
            kept |= {f"{user}:{word}", word, user} - {_NOBODY}
        kept |= {parts.query} if public_query(parts.query) != parts.query else set()
        kept |= {value for name, value in query if not public_query(f"{name}={value}")}
        kept |= {parts.fragment} if not public_fragment(parts.fragment) else set()
    forms = {form for secret in kept for form in (secret, unquote(secret)) if len(form) > 2}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
