"""What lies in a zip that strangers may have made? Named files, in memory, each within its size; nothing is unpacked."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping

from lockgate import hashing as digest
from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence, EvidenceError
from lockgate.evidence.exhibit import exhibit_file
from lockgate.integrations.github.schema import GitHubError

EVIDENCE_BYTES = 32 * 2**20
EXHIBIT_BYTES = 4 * 2**20
EXHIBITS = 500
EXHIBITS_BYTES = 64 * 2**20
_ENTRIES = 20_000
_EXHIBIT = re.compile(r"\w[\w.\-=+,@()\[\] /]{0,159}")


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


def exhibits(data: bytes, evidence: Evidence) -> dict[str, bytes]:
    """file → bytes of every exhibit that the evidence declares, each with the SHA-256 that it has there.

    What else lies in the zip is not looked at. Raises Refused where one is missing or another: evidence is then not whole.
    """
    declared = _declared(evidence)
    found = unzip(data, dict.fromkeys(declared, EXHIBIT_BYTES))
    wrong = [name for name, sha in declared.items() if name not in found or digest.sha256(found[name]) != sha]
    if wrong:
        how = "is another in the artifact than in the evidence" if wrong[0] in found else "is not in the artifact"
        raise _not_whole(f"its exhibit {wrong[0]} {how}" + (f", nor are {len(wrong) - 1} more" if wrong[1:] else ""))
    if sum(map(len, found.values())) > EXHIBITS_BYTES:
        raise _not_whole(f"the exhibits are longer than {EXHIBITS_BYTES} bytes together")
    return found


def _declared(evidence: Evidence) -> dict[str, str]:
    """file → SHA-256 of the exhibits that evidence declares, which strangers may have written. Raises Refused."""
    try:
        files = [(str(entry["name"]), str(entry["sha256"])) for entry in evidence.document["exhibits"]]
    except (KeyError, TypeError) as error:
        raise _not_whole(f"its list of exhibits has another shape ({error!r})") from error
    declared = {exhibit_file(name): sha for name, sha in files}
    if len(files) > EXHIBITS or len(declared) < len(files):
        raise _not_whole(
            f"it names {len(files)} exhibits, of which {len(declared)} differ; at most {EXHIBITS} are kept"
        )
    for name, sha in files:
        if not _EXHIBIT.fullmatch(name) or not digest.is_digest(sha):
            raise _not_whole(f"it names an exhibit {name[:80]!r} with {sha[:80]!r}")
    return declared


def _not_whole(what: str) -> Refused:
    return Refused(
        f"the evidence is not whole: {what}", code="exhibit_missing", remedy="run the gate workflow again"
    )  # fmt: skip


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
