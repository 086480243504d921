"""Who wrote a commit, and who sits here: what git knows about people. Names in git are claims, never proof."""

from __future__ import annotations

import getpass
import re
import subprocess
from pathlib import Path

from lockgate.registries.ports import Identity

_CO_AUTHOR = re.compile(r"^co-authored-by:.*<(?P<email>[^<>\s]+@[^<>\s]+)>\s*$", re.IGNORECASE | re.MULTILINE)


def authors(commit: str, root: Path) -> tuple[str, ...]:
    """The emails of a commit's author and co-authors; empty where git cannot say."""
    if re.fullmatch(r"[0-9a-fA-F]{7,64}", commit) is None:
        return ()
    text = _git(["show", "--no-patch", "--format=%ae%n%B", commit, "--"], root)
    if not text:
        return ()
    author, _, message = text.partition("\n")
    found = [author, *(match["email"] for match in _CO_AUTHOR.finditer(message))]
    return tuple(dict.fromkeys(email.strip().lower() for email in found if email.strip()))


def who(root: Path) -> Identity:
    """Who runs this command, as far as git or the operating system say: unverified."""
    email = (_git(["config", "user.email"], root) or "").strip()
    if email:
        return Identity("unverified", email, (_git(["config", "user.name"], root) or "").strip())
    try:
        return Identity("unverified", getpass.getuser())
    except (KeyError, OSError):
        return Identity("unverified", "unknown")


def merged(commit: str, root: Path) -> bool:
    """Whether a commit is in the history of the default branch, as the clone knows it; False where it cannot say.

    A squashed or rebased merge makes new commits, and so is not seen here.
    """
    if re.fullmatch(r"[0-9a-f]{7,64}", commit) is None:
        return False
    branch = (_git(["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"], root) or "").strip()
    return bool(branch) and _git(["merge-base", "--is-ancestor", commit, branch], root) is not None


def _git(arguments: list[str], root: Path) -> str | None:
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, errors="replace", check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None


def head(root: Path) -> str | None:
    """The commit that is checked out; None outside a repository."""
    text = _git(["rev-parse", "--verify", "HEAD"], root)
    return text.strip() if text else None


def state(root: Path) -> dict[str, str | bool | None]:
    """The commit that is checked out, and whether files that git tracks differ from it."""
    changed = _git(["status", "--porcelain", "--untracked-files=no"], root)
    return {"commit": head(root), "dirty": None if changed is None else bool(changed.strip())}
