"""Whether a commit is merged into the default branch of the remote, also in the clones that runners make.

They know neither which branch is the default nor, being shallow, every commit of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate import git
from lockgate.foreign.files import read_regular

SQUASHED = "after a squash or a rebase evaluate what was merged"
_EVENT_BYTES = 2**26
_SYMREF = re.compile(r"^ref: refs/heads/(\S+)\tHEAD$", re.MULTILINE)


@dataclass(frozen=True)
class NotMerged:
    """Why a commit does not count as merged here, and what to do."""

    reason: str
    remedy: str


def not_merged(commit: str | None, root: Path, *, branch: str | None, environ: Mapping[str, str]) -> NotMerged | None:
    """None where the commit is in the history of the default branch; only a history that is here says so.

    branch: of the policy, None where it names none. Raises LockgateError where git refuses the checkout.
    A squashed or rebased merge makes new commits, and so is not recognized.
    """
    if not commit or not git.is_commit(commit):
        return NotMerged(
            "the evidence names no commit, so nobody can tell whether it is merged", "evaluate in a git checkout"
        )
    remote = git.remote(root) if git.is_repository(root) else None
    if remote is None:
        return NotMerged(
            f"there is no checkout with a remote `origin` here, whose default branch could have the evaluated commit {commit}",
            "call this in a clone of the repository",
        )
    error = None
    branch = branch or _of_the_job(environ) or _of_the_clone(remote, root)
    if branch is None:
        branch, error = _of_the_remote(remote, root)
    if branch is None:
        return NotMerged(
            f"which branch is {remote}'s default is not known here, so nor is whether it has the evaluated commit {commit}"
            + _because(error),
            f"git remote set-head {remote} --auto, or write promotion: {{when: merged, branch: main}}",
        )
    return _missing(commit, remote, branch, root)


def _of_the_job(environ: Mapping[str, str]) -> str | None:
    """What GitLab, or the event of GitHub and its likes, says; None elsewhere."""
    if environ.get("CI_DEFAULT_BRANCH"):
        return environ["CI_DEFAULT_BRANCH"]
    path = environ.get("GITHUB_EVENT_PATH")
    try:
        event: Any = json.loads(read_regular(Path(path), most=_EVENT_BYTES)) if path else {}
        name = event["repository"]["default_branch"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return name if isinstance(name, str) and name else None


def _of_the_clone(remote: str, root: Path) -> str | None:
    head = (git.ask(["symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD"], root) or "").strip()
    return head.removeprefix(f"refs/remotes/{remote}/") or None


def _of_the_remote(remote: str, root: Path) -> tuple[str | None, str | None]:
    text, error = git.head_of(remote, root)
    match = _SYMREF.search(text)
    return match[1] if match else None, error


def _because(error: str | None) -> str:
    return "" if error is None else f": {error}"


def _missing(commit: str, remote: str, branch: str, root: Path) -> NotMerged | None:
    """None where the branch has the commit, if need be once its history is fetched."""
    ref = f"refs/remotes/{remote}/{branch}"
    if git.ask(["check-ref-format", ref], root) is None:
        return NotMerged(f"{branch!r}, which is to be the default branch, is no name of one", "write it like main")
    if _has(commit, ref, root):
        return None
    source, error = f"+refs/heads/{branch}:{ref}", None
    if _tip(ref, root) is None or not git.is_shallow(root):
        error = git.fetch([remote, source], root)
    if git.is_shallow(root) and not _has(commit, ref, root):
        error = git.fetch(["--unshallow", remote, source], root)
    if _has(commit, ref, root):
        return None
    cut = git.is_shallow(root)
    if _tip(ref, root) is not None and not cut:
        return NotMerged(
            f"the evaluated commit {commit} is not in the history of {remote}'s default branch here ({branch}){_because(error)}",
            f"merge it and fetch; {SQUASHED}",
        )
    lacks = "is shallow, and what it has" if cut else f"has no {remote}/{branch}, and so"
    command = f"git fetch {'--unshallow ' if cut else ''}{remote} {source}"
    return NotMerged(
        f"this clone {lacks} does not tell whether the evaluated commit {commit} is merged{_because(error)}",
        f"{command}; or let the job clone all: fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab); {SQUASHED}",
    )


def _tip(ref: str, root: Path) -> str | None:
    """The commit of a ref, taken to the letter and not as an expression."""
    return (git.ask(["show-ref", "--verify", "--hash", ref], root) or "").strip() or None


def _has(commit: str, ref: str, root: Path) -> bool:
    tip = _tip(ref, root)
    return tip is not None and git.ask(["merge-base", "--is-ancestor", commit, tip], root) is not None
