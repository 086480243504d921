"""Objects of Google Cloud Storage by generation: `gs://bucket/object#1700000000000000`."""

from __future__ import annotations

import re
from shlex import quote

from lockgate.references.address import address_of, redacted
from lockgate.references.objects.store import by_digest_or_day
from lockgate.references.reference import Reference, pinned

_GENERATION = re.compile(r"\d{1,19}", re.ASCII)
_HOSTS = ("storage.googleapis.com", "storage.cloud.google.com")


def parse(text: str, *, dated: bool) -> Reference | None:
    """An object or a folder of GCS; None of any other text."""
    address = address_of(text)
    if address is None:
        return None
    if address.scheme in ("gs", "gcs"):
        bucket, key = address.host, address.path.lstrip("/")
    elif address.host in _HOSTS:
        bucket, _, key = address.path.lstrip("/").partition("/")
    else:
        return None
    generation = address.query.get("generation") or address.fragment
    parts = {"bucket": bucket, "key": key}
    if _GENERATION.fullmatch(generation) and generation.strip("0") and key:
        reason = f"it has the generation {generation}"
        return pinned("gcs", redacted(text), reason, generation=generation, **parts)
    describe = f"gcloud storage objects describe {quote(f'gs://{bucket}/{key}')} --format='value(generation)'"
    remedy = f"write gs://{bucket}/{key}#…, with what `{describe}` says"
    return by_digest_or_day("gcs", text, address, dated=dated, versions="generation", remedy=remedy, **parts)
