"""Commit authors, the current user and the checkout, as git reports them. Names in git are claims, never proof."""

from __future__ import annotations

import getpass
import re
import subprocess
from pathlib import Path

from lockgate.signoff.identity import Identity
from lockgate.text import one_line

_CO_AUTHOR = re.compile(r"^co-authored-by:.*<(?P<email>[^<>\s]+@[^<>\s]+)>\s*$", re.IGNORECASE | re.MULTILINE)


def authors(commit: str, root: Path) -> tuple[str, ...]:
    """The emails of a commit's author and co-authors; empty where git does not have it."""
    if re.fullmatch(r"[0-9a-fA-F]{7,64}", commit) is None:
        return ()
    text = _git(["show", "--no-patch", "--format=%ae%n%B", commit, "--"], root)
    if not text:
        return ()
    author, _, message = text.partition("\n")
    emails = [author, *(match["email"] for match in _CO_AUTHOR.finditer(message))]
    return tuple(dict.fromkeys(email.strip().lower() for email in emails if email.strip()))


def current_identity(root: Path) -> Identity:
    """The identity that git, or else the operating system, has for the current user: unverified."""
    email = (_git(["config", "user.email"], root) or "").strip()
    if email:
        return Identity("unverified", one_line(email), one_line(_git(["config", "user.name"], root) or ""))
    try:
        return Identity("unverified", one_line(getpass.getuser()))
    except (KeyError, OSError):
        return Identity("unverified", "unknown")


def is_merged(commit: str, root: Path) -> bool:
    """Whether a commit is in the history of the default branch, as this clone has it; False where it has none.

    A squashed or rebased merge makes new commits, and so is not recognized.
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


def head_commit(root: Path) -> str | None:
    """The commit that is checked out; None outside a repository."""
    text = _git(["rev-parse", "--verify", "HEAD"], root)
    return text.strip() if text else None


def origin_url(root: Path) -> str | None:
    """The address of the remote `origin`; None without one."""
    text = _git(["remote", "get-url", "origin"], root)
    return text.strip() if text else None


def checkout_state(root: Path) -> dict[str, str | bool | None]:
    """The commit that is checked out, and whether tracked files differ from it (`dirty`)."""
    changed = _git(["status", "--porcelain", "--untracked-files=no"], root)
    return {"commit": head_commit(root), "dirty": None if changed is None else bool(changed.strip())}


def ignores(path: str, root: Path) -> bool:
    """Whether git ignores a path below the root, which need not exist; False outside a repository."""
    return _git(["check-ignore", "--quiet", "--", path], root) is not None
