"""Objects of S3 by version id: `s3://bucket/key?versionId=…`, or the address of one over HTTPS."""

from __future__ import annotations

import re
from shlex import quote
from urllib.parse import unquote

from lockgate.references.address import Address, address_of, redacted
from lockgate.references.objects.store import by_digest_or_day
from lockgate.references.reference import Reference, moving, moving_word, pinned

_VERSION_ID = re.compile(r"(?=.*[A-Za-z0-9])[\w.~+/=-]+", re.ASCII)  # opaque, and no placeholder
_NO_VERSIONS = ("none", "null", "undefined", "nan")  # as programs write that there is none
_SCHEMES = ("s3", "s3a", "s3n")
_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")


def parse(text: str, *, dated: bool) -> Reference | None:
    """An object or a folder of S3; None of any other text."""
    address = address_of(text)
    split = None if address is None else _bucket_and_key(address)
    if address is None or split is None:
        return None
    bucket, key = split
    version = address.query.get("versionid", "")
    parts = {"bucket": bucket, "key": key}
    head = f"aws s3api head-object --bucket {quote(bucket)} --key {quote(key)} --query VersionId"
    remedy = f"write s3://{bucket}/{key}?versionId=…, with what `{head}` says"
    if version == "null":
        reason = "the version null is written over while the bucket keeps no versions"
        return moving(
            "s3",
            redacted(text),
            reason,
            f"switch versioning on for {bucket}, write the object again, and {remedy}",
            **parts,
        )
    is_version = _VERSION_ID.fullmatch(version) and version.lower() not in _NO_VERSIONS and not moving_word(version)
    if is_version and key:
        return pinned("s3", redacted(text), f"it has the version id {version}", version=version, **parts)
    return by_digest_or_day("s3", text, address, dated=dated, versions="version id", remedy=remedy, **parts)


def _bucket_and_key(address: Address) -> tuple[str, str] | None:
    if address.scheme in _SCHEMES:
        return address.host, address.path.lstrip("/")
    match = _HOST.fullmatch(address.host) if address.scheme in ("http", "https") else None
    if match is None:
        return None
    path = unquote(address.path).lstrip("/")
    if match["bucket"]:
        return match["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key
