"""Files by their SHA-256: `sha256:…` alone, or `path#sha256=…`."""

from __future__ import annotations

import re
from shlex import quote
from urllib.parse import unquote

from lockgate.references.address import Address, address_of
from lockgate.references.objects.store import by_digest_or_day
from lockgate.references.reference import Reference, pinned

_DIGEST = re.compile(r"(?:sha256[:=])?([0-9a-f]{64})", re.IGNORECASE)
_BEHIND = re.compile(r"(?P<path>.*\S)\s*[#@](?P<digest>sha256[:=][0-9a-f]{64})", re.IGNORECASE | re.DOTALL)
FILE_NAME = re.compile(
    r".*\.(?:csv|tsv|parquet|json|jsonl|ndjson|arrow|feather|orc|avro|txt|npy|npz|pkl|zip|tar|gz|zst|h5|db)"
)


def parse(text: str, *, dated: bool) -> Reference | None:
    """A digest, or a path with or without one; None of what looks like no path."""
    match = _DIGEST.fullmatch(text)
    if match is not None:
        digest = f"sha256:{match[1].lower()}"
        return pinned("file", digest, "it is a digest of the bytes", digest=digest)
    address = address_of(text)
    if address is not None and address.scheme in ("file", "dbfs"):
        return _path(unquote(address.path), address.digest, dated=dated)
    behind = _BEHIND.fullmatch(text)
    if address is None and behind is not None:
        return _path(behind["path"], behind["digest"], dated=dated)
    if "://" not in text and ("/" in text or "\\" in text or FILE_NAME.fullmatch(text.lower())) and "\n" not in text:
        return _path(text, None, dated=dated)
    return None


def _path(path: str, digest: str | None, *, dated: bool) -> Reference:
    text = path if digest is None else f"{path}#{digest.replace(':', '=', 1)}"
    address = Address("", "", "", path, {}, "" if digest is None else digest)
    remedy = f"write {path}#sha256=…, with what `sha256sum {quote(path)}` says"
    return by_digest_or_day("file", text, address, dated=dated, versions="digest", remedy=remedy, path=path)
