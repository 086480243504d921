"""What lies in a zip that strangers may have made? Named files, in memory, each within its size; nothing is unpacked."""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping

from lockgate import digest
from lockgate.channels.github_values import GitHubError
from lockgate.evidence import Evidence, EvidenceError

EVIDENCE_BYTES = 32 * 2**20
_ENTRIES = 20_000


def unzip(data: bytes, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """name → bytes of those wanted (name → how long it may be) that are there. Raises GitHubError for a bad zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > _ENTRIES:
                raise GitHubError(f"the artifact holds {len(entries)} files; at most {_ENTRIES} are looked at")
            names = [entry.filename for entry in entries]
            found = {}
            for entry in entries:
                if entry.filename not in wanted:
                    continue
                if names.count(entry.filename) > 1:
                    raise GitHubError(f"the artifact holds {entry.filename} twice")
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise GitHubError(f"{entry.filename} in the artifact is a link")
                with archive.open(entry) as file:
                    content = file.read(wanted[entry.filename] + 1)
                if len(content) > wanted[entry.filename]:
                    raise GitHubError(f"{entry.filename} in the artifact is too long")
                found[entry.filename] = content
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise GitHubError(f"the artifact is no zip that can be read: {error}") from error


def evidence(data: bytes) -> Evidence:
    """Evidence that strangers may have written: only in the one form that lockgate writes. Raises GitHubError."""
    try:
        # the canonical form admits no key twice, no NaN and no second way to write the same
        if digest.canonical(json.loads(data)) != data:
            raise ValueError("it is not written as lockgate writes it")
        found = Evidence.read(data)
        about = found.document
        texts = (
            about["model"]["name"],
            about["policy"]["sha256"],
            *(file["path"] for file in about["policy"]["files"]),
        )
        parts = (about["run"], about["run"].get("git") or {}, about["run"].get("ci") or {}, found.candidate)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(part, dict) for part in parts):
            raise TypeError("a part of it has another shape")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, EvidenceError) as error:
        raise GitHubError(
            f"evidence.json in the artifact is no evidence: {error}", remedy="run the gate workflow again"
        ) from error
    return found
