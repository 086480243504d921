"""Read named files from the zip of an artifact, which strangers may have made: in memory, within size limits."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping

from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence, EvidenceError
from lockgate.evidence.exhibit import exhibit_file
from lockgate.hashing import canonical, is_digest, sha256
from lockgate.integrations.github.schema import GitHubError

EVIDENCE_BYTES = 32 * 2**20
EXHIBIT_BYTES = 4 * 2**20
EXHIBITS = 500
EXHIBITS_BYTES = 64 * 2**20
_ENTRIES = 20_000
_EXHIBIT = re.compile(r"\w[\w.\-=+,@()\[\] /]{0,159}")


def unzip(archive_bytes: bytes, limits: Mapping[str, int]) -> dict[str, bytes]:
    """name → bytes of each file in `limits` (name → most bytes) that the zip has. Raises GitHubError for a bad zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive_bytes)) as archive:
            entries = archive.infolist()
            if len(entries) > _ENTRIES:
                raise GitHubError(f"the artifact holds {len(entries)} files; at most {_ENTRIES} are allowed")
            names = [entry.filename for entry in entries]
            contents = {}
            for entry in entries:
                if entry.filename not in limits:
                    continue
                if names.count(entry.filename) > 1:
                    raise GitHubError(f"the artifact holds {entry.filename} twice")
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise GitHubError(f"{entry.filename} in the artifact is a link")
                with archive.open(entry) as file:
                    content = file.read(limits[entry.filename] + 1)
                if len(content) > limits[entry.filename]:
                    raise GitHubError(f"{entry.filename} in the artifact is too long")
                contents[entry.filename] = content
            return contents
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise GitHubError(f"the artifact is no zip that can be read: {error}") from error


def read_exhibits(archive_bytes: bytes, evidence: Evidence) -> dict[str, bytes]:
    """file → bytes of every exhibit that the evidence declares, each with the SHA-256 that it declares.

    Other files of the zip are ignored. Raises Refused where one is missing or differs: the evidence is then incomplete.
    """
    declared = _declared(evidence)
    contents = unzip(archive_bytes, dict.fromkeys(declared, EXHIBIT_BYTES))
    wrong = [name for name, sha in declared.items() if name not in contents or sha256(contents[name]) != sha]
    if wrong:
        problem = "differs between the artifact and the evidence" if wrong[0] in contents else "is not in the artifact"
        raise _incomplete(f"its exhibit {wrong[0]} {problem}" + (f", and {len(wrong) - 1} more" if wrong[1:] else ""))
    if sum(map(len, contents.values())) > EXHIBITS_BYTES:
        raise _incomplete(f"the exhibits are longer than {EXHIBITS_BYTES} bytes together")
    return contents


def _declared(evidence: Evidence) -> dict[str, str]:
    """file → SHA-256 of the exhibits that evidence declares, which strangers may have written. Raises Refused."""
    try:
        files = [(str(entry["name"]), str(entry["sha256"])) for entry in evidence.document["exhibits"]]
    except (KeyError, TypeError) as error:
        raise _incomplete(f"its list of exhibits has another shape ({error!r})") from error
    declared = {exhibit_file(name): sha for name, sha in files}
    if len(files) > EXHIBITS or len(declared) < len(files):
        raise _incomplete(
            f"it names {len(files)} exhibits, of which {len(declared)} differ; at most {EXHIBITS} are kept"
        )
    for name, sha in files:
        if not _EXHIBIT.fullmatch(name) or not is_digest(sha):
            raise _incomplete(f"it names an exhibit {name[:80]!r} with {sha[:80]!r}")
    return declared


def _incomplete(problem: str) -> Refused:
    return Refused(
        f"the evidence is incomplete: {problem}", code="exhibit_missing", remedy="run the gate workflow again"
    )  # fmt: skip


def read_evidence(content: bytes) -> Evidence:
    """Evidence that strangers may have written: only in the one form that lockgate writes. Raises GitHubError."""
    try:
        # the canonical form admits no key twice, no NaN and no second way to write the same
        if canonical(json.loads(content)) != content:
            raise ValueError("it is not written as lockgate writes it")
        evidence = Evidence.read(content)
        document = evidence.document
        texts = (
            document["model"]["name"],
            document["policy"]["sha256"],
            *(file["path"] for file in document["policy"]["files"]),
        )
        run = document["run"]
        mappings = (run, run.get("git") or {}, run.get("ci") or {}, evidence.candidate)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(part, dict) for part in mappings):
            raise TypeError("a part of it has another shape")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, EvidenceError) as error:
        raise GitHubError(
            f"evidence.json in the artifact is no evidence: {error}", remedy="run the gate workflow again"
        ) from error
    return evidence
