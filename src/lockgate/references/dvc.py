"""What DVC keeps: `dvc:path@commit`, `path.dvc@commit`, or the MD5 by which it is stored."""

from __future__ import annotations

import re
from dataclasses import replace

from lockgate.references.address import address_of, redacted
from lockgate.references.git import revision
from lockgate.references.reference import Reference, moving, pinned

_PREFIX = re.compile(r"dvc:(?://)?", re.IGNORECASE)
_AT = re.compile(r"(?P<path>[^@\n]+)@(?P<revision>[^@\s]+)")
_POINTER = re.compile(r"(?P<path>[^@\n]+?)(?:\.dvc)@(?P<revision>[^@\s]+)")
_MD5 = re.compile(r"md5[:=](?P<md5>[0-9a-f]{32}(?:\.dir)?)", re.IGNORECASE)
_STORED = re.compile(r".*/files/md5/(?P<start>[0-9a-f]{2})/(?P<rest>[0-9a-f]{30}(?:\.dir)?)")


def parse(text: str) -> Reference | None:
    """What DVC keeps; None of any other text."""
    md5 = _MD5.fullmatch(text)
    if md5 is not None:
        return pinned("dvc", text, "it is the MD5 by which DVC keeps it", md5=md5["md5"].lower())
    address = address_of(text)
    stored = _STORED.fullmatch(address.path if address is not None else text)
    if stored is not None:
        md5_text = stored["start"] + stored["rest"]
        return pinned("dvc", redacted(text), f"it is what DVC keeps by the MD5 {md5_text[:12]}…", md5=md5_text)
    bare = _PREFIX.sub("", text, count=1)
    if bare == text:
        match = None if address is not None else _POINTER.fullmatch(text)
        return None if match is None else _at(text, match["path"], match["revision"])
    path, _, query = bare.partition("?")
    if query.startswith("rev="):
        return _at(text, path, query.removeprefix("rev="))
    match = _AT.fullmatch(bare)
    if match is None:
        return moving(
            "dvc", text, "it names no commit, so it is whatever is checked out",
            f"write {bare.removesuffix('.dvc')}.dvc@… and the commit: git rev-parse HEAD", path=bare.removesuffix(".dvc"),
        )  # fmt: skip
    return _at(text, match["path"].removesuffix(".dvc"), match["revision"])


def _at(text: str, path: str, name: str) -> Reference:
    kept = replace(revision(text, name, path=path), scheme="dvc")
    commit = name[:12].lower()
    return replace(kept, why=f"it is {path} as DVC kept it at the commit {commit}") if kept.pinned else kept
