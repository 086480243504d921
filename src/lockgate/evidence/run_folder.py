"""The folder of a run, `.gate/runs/<run id>/`, written so that a crash leaves the old file or the new one."""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from lockgate.errors import LockgateError, UsageError
from lockgate.evidence import stored_json
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import Exhibit, exhibit_file
from lockgate.hashing import canonical, sha256, sha256_file
from lockgate.text import cut

EVIDENCE = "evidence.json"
TRIES = "tries"  # where gate try keeps its runs, in .gate
LABELLED = "labelled"  # where what late labels say of runs is kept
_STATE = "state.json"


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. key: by which what `--resume` takes up is told from what somebody else wrote; None: nothing is."""

    path: Path
    key: bytes | None = field(default=None, repr=False)

    @classmethod
    def new(cls, root: Path, run_id: str) -> RunFolder:
        """Make the folder and point `.gate/latest` to it."""
        path = own_folder(root, "runs", run_id)
        own_folder(root, "sealed")
        keep_out_of_git(root)
        latest = root / ".gate" / "latest"
        fresh = latest.with_name(f".latest-{secrets.token_hex(4)}")
        fresh.symlink_to(Path("runs") / run_id)
        fresh.replace(latest)
        return cls(path)

    @property
    def run_id(self) -> str:
        return self.path.name

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the folder atomically."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, data)
        return path

    def with_key(self, *, fresh: bool) -> RunFolder:
        """The folder with the key of its run, made where `fresh`; without one where there is none."""
        path = self._sealed / "key"
        if fresh:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(path, secrets.token_bytes(32))
            path.chmod(0o600)
        return replace(self, key=path.read_bytes() if path.is_file() else None)

    def keep_sealed(self, name: str, document: Any) -> None:
        """Write what a resumed run takes up; nothing where there is no key, since it could not be told from a forgery."""
        if self.key is not None:
            content, path = canonical(document), self._sealed / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, canonical({"content": content.decode(), "seal": self._seal(name, content)}))

    def sealed(self, name: str) -> Any:
        """What `keep_sealed` wrote under that name; None for everything else."""
        try:
            document = stored_json.read_object((self._sealed / name).read_bytes())
            content, seal = stored_json.text(document, "content").encode(), stored_json.text(document, "seal")
            authentic = self.key is not None and hmac.compare_digest(seal.encode(), self._seal(name, content).encode())
            return stored_json.read(content) if authentic else None
        except (OSError, ValueError):
            return None

    @property
    def _sealed(self) -> Path:
        """Beside the folders of runs, so that it goes with none of them."""
        return self.path.parent.parent / "sealed" / self.run_id

    def _seal(self, name: str, content: bytes) -> str:
        """HMAC-SHA-256 over the run, the name and the content (RFC 2104)."""
        header = canonical([self.run_id, name])
        return hmac.digest(self.key or b"", header + b"\n" + content, "sha256").hex()

    def altered_scores(self, entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """The scored tables whose bytes are not those that their entries name, name → entry, any more."""
        paths = {name: self.path / "scored" / f"{name}.parquet" for name in entries}
        return [
            name for name, path in paths.items() if not path.is_file() or sha256_file(path) != entries[name]["sha256"]
        ]

    def keep_evidence(self, evidence: Evidence) -> None:
        """Write evidence.json and evidence.sha256 (in the form that `sha256sum -c` reads)."""
        self.write(EVIDENCE, evidence.stored)
        self.write("evidence.sha256", f"{evidence.digest.removeprefix('sha256:')}  {EVIDENCE}\n".encode())

    def keep_exhibit(self, exhibit: Exhibit) -> dict[str, Any]:
        """Write an exhibit; returns its entry in the evidence."""
        data = exhibit.to_bytes()
        self.write(exhibit_file(exhibit.name), data)
        return {"name": exhibit.name, "kind": exhibit.kind, "sha256": sha256(data)}

    def evidence(self) -> Evidence:
        """The stored evidence, its bytes as they lie there. Raises UsageError where the run wrote none."""
        path = self.path / EVIDENCE
        if not path.is_file():
            state = cut(str(self.state().get("state", "not finished")), 40)
            raise UsageError(f"run {self.run_id} has no evidence: it was {state}")
        try:
            return Evidence.read(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error

    def mark(self, state: str, **more: Any) -> None:
        """Record the state of the run: running, interrupted, broken, cut off or finished, for people; it decides nothing."""
        document = self.state() | {"state": state} | more
        self.write(_STATE, json.dumps(document, indent=1, sort_keys=True).encode())

    def state(self) -> dict[str, Any]:
        path = self.path / _STATE
        try:
            return stored_json.read_object(path.read_bytes(), most=2**20)
        except (OSError, ValueError):
            return {}

    @contextmanager
    def held_alone(self) -> Iterator[None]:
        """Hold the folder as long as this process works on its run. Raises UsageError where another one does."""
        with held(self.path) as free:
            if not free:
                raise self.still_running
            yield

    @property
    def still_running(self) -> UsageError:
        return UsageError(f"run {self.run_id} is still running", remedy="wait for it, or end it")

    @property
    def publishable(self) -> list[str]:
        """The files that go beside the version: evidence, reports and exhibits; never scored rows or raw requests."""
        reports = sorted(path.name for path in self.path.glob("report.*") if path.is_file())
        written = [name for name in (EVIDENCE, "evidence.sha256") if (self.path / name).is_file()]
        return written + reports + sorted(f"exhibits/{path.name}" for path in (self.path / "exhibits").glob("*.json"))


def own_folder(root: Path, *names: str) -> Path:
    """A folder in `.gate`, made where it is not there. Raises LockgateError where a link on the way leads elsewhere."""
    path = root
    for name in (".gate", *names):
        path /= name
        if path.is_symlink():
            raise LockgateError(
                f"{path.relative_to(root)} is a link to {path.readlink()}, and what is written there must stay in the project",
                remedy="remove the link; the next run makes a folder",
            )
        path.mkdir(exist_ok=True)
    return path


def keep_out_of_git(root: Path) -> None:
    """Let git ignore `.gate`, which is there, unless a file in it says already what git does."""
    ignore = root / ".gate" / ".gitignore"
    if not ignore.exists():
        write(ignore, b"*\n")


@contextmanager
def held(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a folder as long as this process lives: the system lets go of it however the process ends (flock(2)).

    Yields False where somebody else holds it. wait: for who holds it now. Where the file system knows no locks the folder is
    held by nobody.
    """
    descriptor, free = os.open(folder, os.O_RDONLY | os.O_DIRECTORY), True
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            free = False
        except OSError:
            pass
        yield free
    finally:
        os.close(descriptor)


def owner_is_gone(folder: Path) -> bool:
    """Whether nobody holds a folder; False where that cannot be known."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def mark_cut_off(root: Path) -> None:
    """Say of each run below a root that it was cut off, where its state is `running` and its process is gone."""
    for run in runs(root):
        if run.state().get("state") == "running" and owner_is_gone(run.path):
            run.mark("cut off")


def new_run_id(now: datetime) -> str:
    """Sortable by time, unique by 32 random bits: `20261121-041530-9f3c21ab`."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def runs(root: Path, kind: str = "runs") -> list[RunFolder]:
    """Every run below a root, or what `gate try` left there, newest first."""
    folder = root / ".gate" / kind
    return [RunFolder(path) for path in sorted(folder.glob("*"), reverse=True) if path.is_dir()]


def readable(folders: Iterable[RunFolder]) -> Iterator[Evidence]:
    """The evidence of those runs that have some that is not damaged, one at a time."""
    for run in folders:
        with suppress(LockgateError):
            yield run.evidence()


def matching(root: Path, prefix: str) -> Iterator[tuple[str, RunFolder]]:
    """(digest, run) of the runs, and of what late labels say of them, whose evidence has a digest that begins so; newest first."""
    for run in (*runs(root), *runs(root, LABELLED)):
        path = run.path / EVIDENCE
        with suppress(OSError):  # one that cannot be read is not it
            if path.is_file() and (digest := sha256_file(path)).startswith(prefix):
                yield digest, run


def latest(root: Path) -> RunFolder | None:
    """The run that `.gate/latest` names, for people who want to look; wherever the link leads, it is one of `.gate/runs`."""
    link = root / ".gate" / "latest"
    path = link.parent / "runs" / (link.readlink().name if link.is_symlink() else "")
    return RunFolder(path) if link.is_symlink() and path.is_dir() else None


def newest(root: Path) -> RunFolder | None:
    """The newest run below a root, of `gate run` or of `gate try`: their ids sort by time."""
    tried = (run for run in runs(root, TRIES) if (run.path / EVIDENCE).is_file())
    return max(filter(None, (latest(root), next(tried, None))), key=lambda run: run.path.name, default=None)


def forget_keys(root: Path) -> None:
    """Remove the keys of all runs: a model that is in no box could read them, and seal what it forges."""
    for path in (root / ".gate" / "sealed").glob("*/key"):
        path.unlink(missing_ok=True)


def salt(root: Path) -> bytes:
    """The checkout's salt for row ids, made once; two first users agree on one."""
    path = own_folder(root) / "salt"
    if not path.exists():
        fresh = path.with_name(f".salt-{secrets.token_hex(8)}")
        write(fresh, secrets.token_hex(32).encode())
        fresh.chmod(0o600)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    """Write a file so that a reader finds the old bytes or the new ones, never half of them."""
    with replacing(path, mode=0o644) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once all is written and on disk; where that fails, nothing of it is left.

    What the system refuses is told by the name of `path`.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
