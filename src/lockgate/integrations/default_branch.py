"""Whether a commit is merged into origin's default branch, also in the clones that runners make.

They know neither which branch is the default nor, being shallow, every commit of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.foreign.files import read_regular
from lockgate.integrations import git

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
    if not git.is_repository(root) or git.origin_url(root) is None:
        return NotMerged(
            f"there is no checkout with a remote `origin` here, whose default branch could have the evaluated commit {commit}",
            "call this in a clone of the repository",
        )
    branch = branch or _of_the_job(environ) or _of_the_clone(root) or _of_the_remote(root)
    if branch is None:
        return NotMerged(
            f"which branch is origin's default is not known here, so nor is whether it has the evaluated commit {commit}",
            "git remote set-head origin --auto, or write promotion: {when: merged, branch: main}",
        )
    return _missing(commit, branch, root)


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


def _of_the_clone(root: Path) -> str | None:
    head = (git.ask(["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"], root) or "").strip()
    return head.removeprefix("refs/remotes/origin/") or None


def _of_the_remote(root: Path) -> str | None:
    match = _SYMREF.search(git.ask(["ls-remote", "--symref", "origin", "HEAD"], root, remote=True) or "")
    return match[1] if match else None


def _missing(commit: str, branch: str, root: Path) -> NotMerged | None:
    """None where the branch has the commit, if need be once its history is fetched."""
    ref, error = f"refs/remotes/origin/{branch}", None
    if git.ask(["check-ref-format", ref], root) is None:
        return NotMerged(f"{branch!r}, which is to be the default branch, is no name of one", "write it like main")
    source = f"+refs/heads/{branch}:{ref}"
    if _tip(ref, root) is None:
        error = git.fetch(["origin", source], root)
    if not _has(commit, ref, root) and git.is_shallow(root):
        error = git.fetch(["--unshallow", "origin", source], root)
    if _has(commit, ref, root):
        return None
    cut = git.is_shallow(root)
    if _tip(ref, root) is not None and not cut:
        return NotMerged(
            f"the evaluated commit {commit} is not in the history of origin's default branch here ({branch})",
            f"merge it and fetch; {SQUASHED}",
        )
    words = "" if error is None else f": {error}"
    lacks = "is shallow, and what it has" if cut else f"has no origin/{branch}, and so"
    command = f"git fetch {'--unshallow ' if cut else ''}origin {source}"
    return NotMerged(
        f"this clone {lacks} does not tell whether the evaluated commit {commit} is merged{words}",
        f"{command}; or let the job clone all: fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab); {SQUASHED}",
    )


def _tip(ref: str, root: Path) -> str | None:
    """The commit of a ref, taken to the letter and not as an expression."""
    return (git.ask(["show-ref", "--verify", "--hash", ref], root) or "").strip() or None


def _has(commit: str, ref: str, root: Path) -> bool:
    tip = _tip(ref, root)
    return tip is not None and git.ask(["merge-base", "--is-ancestor", commit, tip], root) is not None
