"""Errors on which a person must act: the class gives the exit code, the text says what, where and what to do.

A failed gate is not here: it is a value (`evidence.Verdict`).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable


class LockgateError(Exception):
    """Base of all errors of lockgate. `exit_code` is what the command ends with; `remedy` says what to do."""

    exit_code = 4

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(LockgateError):
    """The command was called in a way that cannot work."""

    exit_code = 2


_PLACE = re.compile(r".*?\.yaml:\d+:\d+: ")  # before a complaint


class PipelineError(LockgateError):
    """A pipeline that cannot be accepted; `complaints` holds every reason, each `path:line:col: …`."""

    exit_code = 2

    def __init__(self, complaints: str | Iterable[str]) -> None:
        self.complaints = (complaints,) if isinstance(complaints, str) else tuple(complaints)
        super().__init__("\n".join(self.complaints))

    @property
    def unplaced(self) -> list[str]:
        """The complaints without their places, for people who have no such file."""
        return [_PLACE.sub("", complaint) for complaint in self.complaints]


class Refused(LockgateError):
    """A rule forbids what was asked; nothing was changed. `code` is stable, for machines."""

    exit_code = 1

    def __init__(self, message: str, *, code: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class Waiting(LockgateError):
    """Not refused, but not yet possible: votes are missing or another promotion is in progress."""

    exit_code = 3

    def __init__(self, message: str, *, code: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class DataError(LockgateError):
    """Data that cannot be read or does not fit what the pipeline says about it."""


class NotHere(DataError):
    """Data that do not exist where they are to be read, or cannot be reached."""


class NotPulled(NotHere):
    """Data of which only a pointer is here: it is pulled by the command that the remedy names."""


class DataMisfits(DataError):
    """Data that do not fit their pipeline.

    complaints: every reason, each `path:line:col: …`. parts: the same as (where, message, remedy).
    """

    def __init__(self, parts: Iterable[tuple[str, str, str | None]]) -> None:
        self.parts = tuple(parts)
        self.complaints = tuple(
            f"{where}: {message}" + (f"; {remedy}" if remedy else "") for where, message, remedy in self.parts
        )
        super().__init__("\n".join(self.complaints))


class ModelFault(LockgateError):
    """A model that broke while it was asked; `stderr` holds its last lines.

    alive: it merely raised an exception, and may be asked on.
    """

    def __init__(self, message: str, *, remedy: str | None = None, stderr: str = "", alive: bool = False) -> None:
        super().__init__(message, remedy=remedy)
        self.stderr = stderr
        self.alive = alive


class VersionFault(LockgateError):
    """What a version says of itself, in its files, metadata or tags, cannot be read, or is nonsense: a candidate fails by it."""

    exit_code = 1


class GateBroken(LockgateError):
    """A gate could not do its work, for a reason that its message gives.

    stderr: the last lines of a process of its own. code: the reason in a word, for machines; None where nobody groups by it.
    """

    def __init__(self, message: str, *, remedy: str | None = None, stderr: str = "", code: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.stderr = stderr
        self.code = code


class RegistryError(LockgateError):
    """The registry refused, broke, or could not be reached."""


class NotFound(RegistryError):
    """The registry has no such model, version, alias or file."""


class Edited(RegistryError):
    """What the registry hands out is not what was stored: its digest is another, or it is gone."""


class Denied(RegistryError):
    """The registry does not let this credential do that."""


class Unavailable(RegistryError):
    """The registry did not answer a read in time."""


class UnknownOutcome(RegistryError):
    """A write whose answer was lost: it may have happened, so it is read back, never repeated blindly."""


class MachineFault(LockgateError):
    """The machine refused: a full disk, a folder that may not be written, a module that is not installed."""


class ServingFault(LockgateError):
    """Serving could not be turned over, or does not answer as it should."""


_NO_ROOM = "make room there, then run the same command again"
_NO_RIGHT = "let this user read and write there"
_IN_THE_WAY = "move away what lies in its place"
_DO = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EROFS: _NO_RIGHT,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ELOOP: _IN_THE_WAY,
    errno.EMFILE: "raise the limit of open files, as with ulimit -n 4096",
    errno.ENOMEM: "give it more memory",
    errno.EIO: "the disk may be broken: look at the system's log",
}


def machine_fault(error: BaseException) -> MachineFault | None:
    """What an exception says of the machine, None where it says nothing of it and so is a defect of the code."""
    if isinstance(error, OSError) and error.errno is not None:
        what = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        sentence = f"{what}: {error.strerror}" if what and error.strerror else str(error) or type(error).__name__
        return MachineFault(f"the system refused: {sentence}", remedy=_DO.get(error.errno))
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0]
        if package in ("", "lockgate"):
            return None
        return MachineFault(
            f"{package} cannot be imported: {error}",
            remedy=f"install {package} beside lockgate, or repair what is there",
        )
    if isinstance(error, UnicodeEncodeError):
        name = error.object[max(0, error.start - 40) : error.end + 40]
        return MachineFault(f"{name!a} holds what is no text", remedy="rename it in UTF-8")
    return MachineFault("the memory is used up", remedy=_DO[errno.ENOMEM]) if isinstance(error, MemoryError) else None


def guess(word: str, choices: Iterable[str]) -> str:
    """`; did you mean 'x'?` where one of the choices is close, or the only one that begins so, else nothing."""
    import difflib

    names = list(choices)
    begun = [name for name in names if len(word) >= 3 and name.startswith(word)]
    close = begun if len(begun) == 1 else difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
