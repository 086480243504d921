"""Whether DVC kept a path at a commit, by the files that it has in Git."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote

from lockgate.errors import LockgateError
from lockgate.references.dvc_files import kept_at
from lockgate.references.existence import git
from lockgate.references.existence.answer import absent, there, unclear
from lockgate.references.reference import Reference


def look_up(reference: Reference, root: Path) -> Reference:
    """Asks the checkout alone. That DVC's storage still has it is not asked: `dvc status --cloud` does."""
    path = reference.parts.get("path")
    if path is None:
        return unclear(reference, "an MD5 does not say where it is kept")
    bare = replace(reference, parts={name: value for name, value in reference.parts.items() if name != "path"})
    try:
        commit = replace(git.in_checkout(bare, root), parts=reference.parts)
        if not commit.exists or not commit.pinned:
            return commit
        kept = kept_at(reference.parts["commit"], path, root)
    except LockgateError as error:
        return unclear(reference, error.message)
    if kept is None:
        return absent(
            reference, f"neither a .dvc file nor dvc.lock has {path} at the commit {reference.parts['commit'][:12]}",
            f"add and commit it, and name that commit: dvc add {quote(path)} && git add {quote(f'{path}.dvc')} && git commit",
        )  # fmt: skip
    return there(
        replace(reference, parts={**reference.parts, "md5": kept.md5 or ""}), f"DVC keeps it by the MD5 {kept.md5}"
    )
