"""Hold data of this machine against what DVC or Git kept of them at a commit."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

from lockgate import git
from lockgate.errors import DataError, LockgateError
from lockgate.references.dvc_files import kept_at, md5_of


def hold_at_commit(path: str, commit: str, root: Path) -> dict[str, str]:
    """What kept the data: `version`, the commit, and `kept_by`, DVC or Git. Raises DataError, whose message follows the path."""
    try:
        below = os.path.relpath(root / path, root)
        return _held(below, commit.lower(), root)
    except DataError:
        raise
    except LockgateError as error:
        raise DataError(f"cannot be held against a commit ({error.message})", remedy=error.remedy) from error


def _held(path: str, commit: str, root: Path) -> dict[str, str]:
    short = commit[:12]
    if (lacking := git.obtain(commit, root)) is not None:
        remedy = "push that commit, or name one that the remote has"
        raise DataError(f"is to be that of the commit {short}, which is not here: {lacking}", remedy=remedy)
    kept = kept_at(commit, path, root)
    if kept is not None:
        md5 = md5_of(root / kept.path)
        if md5 != kept.md5:
            target = kept.file if kept.file.endswith(".dvc") else kept.path
            raise DataError(
                f"is not what DVC kept at the commit {short}: the MD5 of {kept.path} is {md5}, and was {kept.md5}",
                remedy=f"bring it: git checkout {commit} -- {quote(kept.file)} && dvc pull {quote(target)}",
            )
        return {"version": commit, "kept_by": "DVC"}
    if not git.holds(commit, path, root):
        raise DataError(
            f"is kept by neither DVC nor Git at the commit {short}",
            remedy="name a commit that has it, or write `digest`",
        )
    if git.differs(commit, path, root):
        raise DataError(
            f"is not what Git has at the commit {short}", remedy=f"bring it: git checkout {commit} -- {quote(path)}"
        )
    return {"version": commit, "kept_by": "Git"}
