"""Who wrote a commit, and who is at work, as git reports them. Names in git are claims, never proof."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path

from lockgate import git
from lockgate.integrations.trailers import co_authors
from lockgate.signoff.identity import Identity
from lockgate.text import one_line


def authors(commit: str, root: Path, *, named: Callable[[str], bool] = lambda email: False) -> tuple[str, ...]:
    """The emails of a commit's author and co-authors; empty where git does not have it: `git.obtain` fetches one.

    named: whether the policy names somebody by that email, who then is no program. Raises LockgateError where git refuses the
    checkout.
    """
    if not git.is_commit(commit):
        return ()
    text = git.ask(["show", "--no-patch", "--format=%ae%n%B", commit, "--"], root)
    if not text:
        return ()
    author, _, message = text.partition("\n")
    emails = [author.strip().lower(), *co_authors(message, named=named)]
    return tuple(dict.fromkeys(filter(None, emails)))


def current_identity(root: Path) -> Identity:
    """The identity that git, or else the operating system, has for the current user: unverified."""
    email = git.configured("user.email", root)
    if email:
        return Identity("unverified", one_line(email), one_line(git.configured("user.name", root)))
    try:
        return Identity("unverified", one_line(getpass.getuser()))
    except (KeyError, OSError):
        return Identity("unverified", "unknown")
