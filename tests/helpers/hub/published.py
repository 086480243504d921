"""What GitHub itself publishes about its API, fetched by npm at a pinned version into a folder that git ignores."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

# package, version, file in it, SHA-256 of that file; all under the MIT licence
API = (
    "@octokit/openapi",
    "23.0.2",
    "generated/api.github.com.json",
    "829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a",
)
EVENTS = (
    "@octokit/webhooks-examples",
    "7.6.1",
    "api.github.com/index.json",
    "09d8f0c617876ae9dad22e26fea5510bfcaad50ee7e602659f6db25b87b25815",
)
SCHEMAS = (
    "@octokit/webhooks-schemas",
    "7.6.1",
    "schema.json",
    "ff15ae017ba3b877a44f636806155f986f7b707b31aa7eebde6da1d3366f2840",
)
GRAPHQL = (
    "@octokit/graphql-schema",
    "15.26.1",
    "schema.graphql",
    "3c62d0526d133cee53221c89de9b455ade24db78b9e7ad56d642c4c15bce2654",
)
KEPT = Path(os.environ.get("LOCKGATE_TEST_PACKAGES") or Path(__file__).parents[3] / ".packages")


class Unavailable(Exception):
    """npm is not here, or it cannot reach its registry."""


def file(package: tuple[str, str, str, str]) -> Path:
    """The file of a package, fetched if need be. Raises Unavailable."""
    name, version, path, sha256 = package
    kept = KEPT / f"{name.rpartition('/')[2]}-{version}-{Path(path).name}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_file():
            with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
                _fetch(f"{name}@{version}", f"package/{path}", sha256, Path(scratch), kept)
    return kept


def _fetch(package: str, member: str, sha256: str, scratch: Path, into: Path) -> None:
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    pack = ["npm", "pack", "--ignore-scripts", "--silent", "--fetch-retries=1", package]
    try:
        done = subprocess.run(pack, cwd=scratch, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"npm did not fetch {package} in {error.timeout:.0f} s") from None
    if done.returncode != 0:
        raise Unavailable(f"npm could not fetch {package}: {done.stderr.strip()[-300:]}")
    (archive,) = scratch.glob("*.tgz")
    with tarfile.open(archive) as packed:
        content = packed.extractfile(member)
        assert content is not None, f"{package} holds no {member}"
        data = content.read()
    assert hashlib.sha256(data).hexdigest() == sha256, f"{member} of {package} is not the one that is pinned"
    (scratch / "whole").write_bytes(data)
    (scratch / "whole").rename(into)


def published(package: tuple[str, str, str, str]) -> Any:
    """The document, JSON as what it says; where it cannot be had the test is skipped, by name."""
    document, missing = _published(package)
    if missing:
        pytest.skip(f"what GitHub publishes is not here: {missing}")
    return document


@functools.cache
def _published(package: tuple[str, str, str, str]) -> tuple[Any, str]:
    """(the document, nothing) or (None, why it cannot be had), asked once."""
    try:
        text = file(package).read_bytes().decode()
    except Unavailable as error:
        return None, str(error)
    return (json.loads(text) if package[2].endswith(".json") else text), ""


if __name__ == "__main__":
    for one in (API, EVENTS, SCHEMAS, GRAPHQL):
        print(file(one))
    sys.exit(0)
