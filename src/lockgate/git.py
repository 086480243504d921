"""Commits, files and the checkout, as git reports them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lockgate.errors import LockgateError
from lockgate.text import one_line

_SAFE = re.compile(r"git config --global --add safe\.directory .+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # whole: a shorter one may be the name of a branch
_CREDENTIALS = re.compile(r"://[^/@\s]+@")  # runners write their token into the remote's address
_SECONDS, _REMOTE_SECONDS = 30, 300


def obtain(commit: str, root: Path) -> str | None:
    """Fetch a commit, by its whole hash, where the clone lacks it; returns why it still does, None otherwise.

    Raises LockgateError where git refuses the checkout.
    """
    if ask(["cat-file", "-e", f"{commit}^{{commit}}"], root) is not None:
        return None
    name = remote(root)
    if name is None:
        return f"there is no clone with a remote that could have commit {commit}"
    depth = ["--depth=1"] if is_shallow(root) else []  # which would cut a clone that is whole
    return fetch([*depth, name, commit], root)


def is_commit(text: str) -> bool:
    """Whether the text is the whole hash of a commit, and so no option, branch or expression of git."""
    return _COMMIT.fullmatch(text) is not None


def configured(name: str, root: Path) -> str:
    """What git's configuration says; nothing where it says nothing, or git refuses the checkout."""
    return _git(["config", name], root).out.strip()


def merged_by(email: str, root: Path) -> bool:
    """Whether the commit that is checked out is a merge by a committer of that address, as it claims."""
    lines = _git(["cat-file", "commit", "HEAD"], root).out.partition("\n\n")[0].splitlines()
    parents = sum(line.startswith("parent ") for line in lines)
    return parents == 2 and any(line.startswith("committer ") and f"<{email}>" in line for line in lines)


def head_commit(root: Path) -> str | None:
    """The commit that is checked out; None outside a checkout and before the first commit. Raises LockgateError."""
    text = ask(["rev-parse", "--verify", "HEAD"], root)
    return text.strip() if text else None


def commit_of(ref: str, root: Path) -> str | None:
    """The commit that a branch, a tag or another name stands for here, on the remote where no branch of this clone has it."""
    names = [ref] if (name := remote(root)) is None else [ref, f"{name}/{ref}"]
    if ref.startswith("-"):
        return None
    commits = (ask(["rev-parse", "--verify", "--quiet", f"{each}^{{commit}}"], root) for each in names)
    return next((commit.strip() for commit in commits if commit), None)


def names_in(commit: str, folder: str, root: Path) -> list[str]:
    """Paths, relative to the root, of what a folder holds in a commit; none where there is no such folder."""
    return (ask(["ls-tree", "--name-only", "-z", commit, f"{folder}/"], root) or "").split("\0")[:-1]


def content(commit: str, path: str, root: Path) -> bytes | None:
    """The bytes of a file in a commit, links inside of it followed; None where it has no such file."""
    if "\n" in path:
        return None
    feed = f"{commit}:{path}\n".encode("utf-8", "surrogateescape")
    head, _, rest = _git(["cat-file", "--batch", "--follow-symlinks"], root, feed=feed).data.partition(b"\n")
    kind = head.split(b" ")  # of what is missing, its name, which may hold anything
    return rest[: int(kind[2])] if len(kind) == 3 and kind[1] == b"blob" and kind[2].isdigit() else None


def holds(commit: str, path: str, root: Path) -> bool:
    """Whether a commit has a file or a folder at a path below the root. Raises LockgateError where git refuses the checkout."""
    return ask(["cat-file", "-e", f"{commit}:./{path}"], root) is not None


def checkout_state(root: Path) -> dict[str, str | bool | None]:
    """The commit that is checked out, and whether tracked files differ from it (`dirty`); None for each outside a checkout.

    Raises LockgateError where git refuses the checkout, or cannot compare its files.
    """
    commit = head_commit(root)
    changed = _git(["status", "--porcelain", "--untracked-files=no"], root)
    if changed.failed and (commit or is_repository(root)):
        raise _refusal(changed.error, root)
    _require_own(root)
    return {"commit": commit, "dirty": None if changed.code else bool(changed.out.strip())}


def _require_own(root: Path) -> None:
    """Raise LockgateError where a variable, as hooks inherit it, names another repository than that of the folder."""
    own = _git(["rev-parse", "--absolute-git-dir"], root, program=("env", "-u", "GIT_DIR", "git")).out.strip()
    named = _git(["rev-parse", "--absolute-git-dir"], root).out.strip()
    if own and named and Path(own).resolve() != Path(named).resolve():
        raise LockgateError(
            f"GIT_DIR names the repository {named}, and the checkout {root.absolute()} is of {own}",
            remedy="unset GIT_DIR",
        )


def is_repository(root: Path) -> bool:
    """Whether git takes the folder for one of a repository. Raises LockgateError where it refuses the one that is there."""
    return ask(["rev-parse", "--git-dir"], root) is not None


def is_shallow(root: Path) -> bool:
    """Whether the clone was cut, so that it lacks older commits."""
    return (ask(["rev-parse", "--is-shallow-repository"], root) or "").strip() == "true"


def remote(root: Path) -> str | None:
    """The name of the remote: `origin`, or the only one; None where there is neither."""
    names = _git(["remote"], root).out.split()
    return "origin" if "origin" in names else names[0] if len(names) == 1 else None


def origin_url(root: Path) -> str | None:
    """The address of the remote `origin`; None without one."""
    return _git(["remote", "get-url", "origin"], root).out.strip() or None


def ignores(path: str, root: Path) -> bool:
    """Whether git ignores a path below the root, which need not exist; False where it does not say so."""
    return _git(["check-ignore", "--quiet", "--", path], root).code == 0


def uncommitted(paths: Sequence[str], root: Path) -> tuple[list[str], list[str]]:
    """(those of these paths below the root that git ignores, which need not exist; files of theirs that it does not track).

    Nothing where the folder is no checkout.
    """
    if not paths:
        return [], []
    ignored = _git(["-c", "core.quotePath=false", "check-ignore", "--", *paths], root).out
    others = _git(["--literal-pathspecs", "ls-files", "--others", "--exclude-standard", "-z", "--", *paths], root).out
    return ignored.splitlines(), others.split("\0")[:-1]


def changed_since(commit: str, path: str, root: Path) -> bool:
    """Whether tracked files at or below a path of the checkout are others than in a commit, where that had any there."""
    if not ask(["ls-tree", "--name-only", commit, "--", path], root):
        return False
    return bool(ask(["--literal-pathspecs", "diff", "--name-only", commit, "--", path], root))


def differs(commit: str, path: str, root: Path) -> bool:
    """Whether what lies at a path below the root is other than in a commit, files that Git does not track among it."""
    changed = _git(
        ["--literal-pathspecs", "diff", "--quiet", "--no-ext-diff", "--no-textconv", commit, "--", path], root
    )
    others = _git(["--literal-pathspecs", "ls-files", "--others", "-z", "--", path], root)
    return bool(changed.code or others.code or others.data)


def filters(paths: Sequence[str], root: Path) -> set[str] | None:
    """The `filter` that .gitattributes gives to any of these paths, which need not exist; None outside a repository."""
    answer = _git(["check-attr", "-z", "filter", "--", *paths], root)
    return None if answer.code else set(answer.out.split("\0")[2::3])


def fetch(arguments: list[str], root: Path) -> str | None:
    """Fetch with the credentials that git has, asking nobody; returns what git says where it failed, None otherwise."""
    answer = _git(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *arguments], root, remote=True)
    return _sentence(answer.error) if answer.code else None


def head_of(name: str, root: Path) -> tuple[str, str | None]:
    """(the line by which a remote names its default branch; what git says where it failed)."""
    answer = _git(["ls-remote", "--symref", name, "HEAD"], root, remote=True)
    return answer.out, _sentence(answer.error) if answer.code else None


def ask(arguments: list[str], root: Path) -> str | None:
    """What git answers; None where it has no answer, or the folder is no checkout.

    Raises LockgateError, with git's own sentence, where the folder is a checkout and git refuses it.
    """
    answer = _git(arguments, root)
    if answer.code == 0:
        return answer.out
    taken = _git(["rev-parse", "--git-dir"], root)
    if taken.failed and _looks_like_checkout(root):
        raise _refusal(taken.error, root)
    return None


class Answer:
    """Of one call. failed: git could not do it, which is another thing than a no."""

    def __init__(self, code: int, data: bytes = b"", error: str = "") -> None:
        self.code, self.data, self.error = code, data if code == 0 else b"", error.strip()

    @property
    def out(self) -> str:
        return self.data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")

    @property
    def failed(self) -> bool:
        return self.code >= 128


def _git(
    arguments: list[str], root: Path, *, remote: bool = False, program: tuple[str, ...] = ("git",), feed: bytes = b""
) -> Answer:
    """Every call of git. feed: what it reads. What git replaces by `git replace` is looked at as it was."""
    try:
        answer = subprocess.run(
            [*program, "--no-replace-objects", *arguments],
            cwd=root,
            input=feed,
            capture_output=True,
            check=False,
            timeout=_REMOTE_SECONDS if remote else _SECONDS,
            start_new_session=remote,  # without a terminal nobody is asked for a password
        )
    except subprocess.TimeoutExpired as error:
        return Answer(1, error=f"git {arguments[0]} did not end within {error.timeout:.0f} s")
    except OSError as error:
        return Answer(128, error=f"git cannot be called: {error.strerror}")
    return Answer(answer.returncode, answer.stdout, answer.stderr.decode(errors="replace"))


def _looks_like_checkout(root: Path) -> bool:
    """Whether a `.git` lies on the way up: a file, or a folder that holds something."""
    for folder in (root.absolute(), *root.absolute().parents):
        path = folder / ".git"
        try:
            if path.is_file() or (path.is_dir() and next(path.iterdir(), None) is not None):
                return True
        except OSError:
            return True
    return False


def _refusal(error: str, root: Path) -> LockgateError:
    """Git's own sentence, and its remedy where it has one."""
    safe = _SAFE.search(error)
    if safe is not None:
        remedy = f"{safe[0]}; or let the checkout belong to the user of the job"
    elif error.startswith("git cannot be called"):
        remedy = "install git: the evidence names the commit that is checked out"
    else:
        remedy = "mend the checkout or clone anew, and unset GIT_DIR where it is set; `git status` there must work"
    return LockgateError(f"git refuses the checkout {root.absolute()}: {_sentence(error)}", remedy=remedy)


def _sentence(error: str) -> str:
    """The line that says what is wrong, among others that only lead to it."""
    lines = error.splitlines() or ["it does not say why"]
    return _CREDENTIALS.sub("://", one_line(next((line for line in lines if line.startswith("fatal: ")), lines[0])))
