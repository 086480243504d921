"""Blobs of Azure Storage by version id or snapshot: `abfss://container@account.dfs.core.windows.net/path?versionId=…`."""

from __future__ import annotations

import re
from shlex import quote

from lockgate.references.address import address_of, redacted
from lockgate.references.objects.store import by_digest_or_day
from lockgate.references.reference import Reference, pinned

_SCHEMES = ("abfs", "abfss", "wasb", "wasbs", "az", "adl")
_HOST = re.compile(r"[a-z0-9]+\.(?:blob|dfs)\.core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def parse(text: str, *, dated: bool) -> Reference | None:
    """A blob or a folder of Azure; None of any other text."""
    address = address_of(text)
    if address is None or (address.scheme not in _SCHEMES and not _HOST.fullmatch(address.host)):
        return None
    path = address.path.lstrip("/")
    container, blob = (address.user, path) if address.user else (address.host, path)
    if address.scheme in ("http", "https"):
        container, _, blob = path.partition("/")
    parts = {"container": container, "key": blob}
    for name, words in (("versionid", "version id"), ("snapshot", "snapshot")):
        version = address.query.get(name, "")
        if _MOMENT.fullmatch(version) and blob:
            return pinned("azure", redacted(text), f"it has the {words} {version}", version=version, **parts)
    show = f"az storage blob show --container-name {quote(container)} --name {quote(blob)} --query versionId"
    remedy = f"write ?versionId=… behind it, with what `{show}` says"
    return by_digest_or_day("azure", text, address, dated=dated, versions="version id", remedy=remedy, **parts)
