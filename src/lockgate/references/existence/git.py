"""Whether a commit is in the checkout, and holds the path that is meant."""

from __future__ import annotations

from pathlib import Path

from lockgate import git
from lockgate.errors import LockgateError
from lockgate.references.dvc_files import kept_at
from lockgate.references.existence.answer import absent, resolved, there, unclear
from lockgate.references.reference import Reference


def look_up(reference: Reference, root: Path) -> Reference:
    """Asks the checkout alone: nothing is fetched."""
    try:
        return in_checkout(reference, root)
    except LockgateError as error:
        return unclear(reference, error.message)


def in_checkout(reference: Reference, root: Path) -> Reference:
    """The same. Raises LockgateError where git refuses the checkout."""
    parts = reference.parts
    if not git.is_repository(root):
        return unclear(reference, "there is no checkout here")
    if "repository" in parts and _name(parts["repository"]) != _name(git.origin_url(root) or ""):
        return unclear(reference, "it is in another repository than this one")
    if "commit" not in parts:
        commit = git.commit_of(parts.get("revision", ""), root) if parts.get("revision") else None
        if commit is None:
            return reference
        return resolved(reference, _with(reference, commit), f"which {parts['revision']} is in this checkout now")
    commit = parts["commit"]
    kind = (git.ask(["cat-file", "-t", commit], root) or "").strip()
    if kind == "commit" and "path" in parts and not (_holds(commit, parts["path"], root) or _dvc_kept(reference, root)):
        return absent(
            reference,
            f"the commit {commit[:12]} has no file {parts['path']}",
            "name a commit that has it, or its right path",
        )
    if kind == "commit":
        return there(reference)
    if kind:
        return absent(reference, f"it is no commit, it is a {kind}", "write the commit's hash: git rev-parse HEAD")
    if git.is_shallow(root):
        return unclear(reference, "this clone was cut; fetch all of it, `fetch-depth: 0` in actions/checkout")
    return absent(
        reference, f"this repository has no commit {commit[:12]}",
        f"push it, and fetch it here: git fetch origin {commit}; a commit that was amended away is one that nobody has",
    )  # fmt: skip


def _dvc_kept(reference: Reference, root: Path) -> bool:
    """Whether DVC kept what Git does not: a path at a commit is often meant so."""
    return kept_at(reference.parts["commit"], reference.parts["path"], root) is not None


def _holds(commit: str, path: str, root: Path) -> bool:
    if path.startswith("/") or ".." in path.split("/") or "\n" in path:
        return False
    return git.holds(commit, path, root)


def _with(reference: Reference, commit: str) -> str:
    """The reference with the commit in place of the name that it has."""
    before, name, after = reference.text.rpartition(reference.parts["revision"])
    return f"{before}{commit}{after}" if name else commit


def _name(url: str) -> str:
    """host/owner/name of an address of a repository, however it is written."""
    plain = url.removeprefix("git+").rpartition("://")[2].rpartition("@")[2].replace(":", "/", 1)
    return plain.rstrip("/").removesuffix(".git").lower().replace("raw.githubusercontent.com/", "github.com/")
