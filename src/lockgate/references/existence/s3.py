"""Whether a bucket has an object in the version that is meant, by one HEAD request."""

from __future__ import annotations

import base64
from pathlib import Path
from shlex import quote
from typing import Any

from lockgate.references.existence.answer import absent, resolved, there, unclear
from lockgate.references.reference import Reference

_CONNECT_S, _READ_S = 5, 20


def look_up(reference: Reference, root: Path) -> Reference:
    """Asks S3 with the credentials of the environment. root: not used, an address is whole."""
    bucket, key, version = (reference.parts.get(name, "") for name in ("bucket", "key", "version"))
    if not key or key.endswith("/"):
        return reference
    try:
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import ClientError
    except ImportError:
        return unclear(reference, "botocore is not installed; install lockgate[s3]")
    patience = Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": 2})
    try:
        client = botocore.session.get_session().create_client("s3", config=patience)
        of_version = {"VersionId": version} if version else {}
        head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **of_version)
    except ClientError as error:
        return _refused(reference, error.response)
    except Exception as error:  # of credentials, addresses and networks, each of another class
        return unclear(reference, f"S3 could not be asked ({type(error).__name__})")
    when = f"it was written at {head['LastModified']:%Y-%m-%d %H:%M:%S} UTC"
    stored, digest = _digest(head.get("ChecksumSHA256", "")), reference.parts.get("digest")
    if digest and stored and stored != digest:
        remedy = (
            f"name the bytes that are there, #{stored.replace(':', '=')}, or a version that has those that were meant"
        )
        return absent(reference, f"the object has the digest {stored}", remedy)
    if reference.pinned:
        return there(reference, when)
    current = head.get("VersionId", "null")
    if current == "null":
        return there(reference, f"{when}, and the bucket keeps no versions")
    return resolved(reference, f"s3://{bucket}/{key}?versionId={current}", "which is its current version")


def _digest(checksum: str) -> str | None:
    """`sha256:…` of what S3 keeps of an object; None where it keeps none, or one of the parts that it came in."""
    try:
        data = base64.b64decode(checksum, validate=True)
    except ValueError:  # of parts: it ends with how many
        return None
    return f"sha256:{data.hex()}" if len(data) == 32 else None


def _refused(reference: Reference, response: dict[str, Any]) -> Reference:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    bucket, key = reference.parts["bucket"], reference.parts["key"]
    if status in (404, 405) or (status == 400 and "version" in reference.parts):  # 405: it is the mark of a deletion
        remedy = (
            f"name one that is there: aws s3api list-object-versions --bucket {quote(bucket)} --prefix {quote(key)}"
        )
        named = "version of the object" if "version" in reference.parts else "object"
        return absent(reference, f"the bucket has no such {named}", remedy)
    return unclear(reference, f"S3 answers {status}; the job needs s3:GetObject, and s3:GetObjectVersion for a version")
