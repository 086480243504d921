"""Files behind HTTP by their digest: `https://host/file.csv#sha256=…`."""

from __future__ import annotations

from shlex import quote

from lockgate.references.address import address_of, redacted
from lockgate.references.objects.store import by_digest_or_day
from lockgate.references.reference import Reference


def parse(text: str) -> Reference | None:
    """An address of HTTP or FTP; None of any other text. A day in it binds nobody: it is someone else's server."""
    address = address_of(text)
    if address is None or address.scheme not in ("http", "https", "ftp", "ftps", "sftp"):
        return None
    visible = redacted(text)
    remedy = f"write {visible.partition('?')[0].partition('#')[0]}#sha256=…, with what `curl -sL {quote(visible)} | sha256sum` says"
    return by_digest_or_day("http", text, address, dated=False, versions="digest", remedy=remedy)
