"""A real command that stops at each request to the registry: it is run again with the answers so far, up to the next one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from helpers.promoting import NOW
from lockgate.errors import Denied, LockgateError, NotFound, ServingFault, Unavailable, UnknownOutcome
from lockgate.evidence.record import Record
from lockgate.hashing import folder_digest
from lockgate.registries.mlflow.registry import STAGES
from lockgate.registries.ports import ModelVersion, Stages

MODEL, SOURCE = "fraud", "candidates"  # the model that is moved, and the one whose versions are copied into it
VERSIONS = ("1", "2", "3", "4", "5")
FIRST_COPY = 2  # what is copied into the model becomes this version, and those after it


class Request(NamedTuple):
    """What a command asks of the world. It writes, or it reads."""

    name: str
    arguments: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        return self.name in ("put", "set_alias", "delete_alias", "show_holder", "switch", "set_stage", "copy")

    def __str__(self) -> str:
        return " ".join([self.name, *(word if len(word) < 30 else "…" for word in self.arguments)])


@dataclass(frozen=True)
class Failure:
    """An answer that is an error, by its name."""

    name: str

    def error(self) -> Exception:
        if self.name == "gone":
            return NotFound("there is no such version", remedy="none")
        if self.name == "lost":
            return UnknownOutcome("no answer came", remedy="try again")
        if self.name == "broken":
            return ServingFault("the switch broke", remedy="mend it")
        return Unavailable("the registry is away", remedy="try again")


class Answer(NamedTuple):
    """What came back, and when the command heard it, in seconds by its own clock."""

    value: Any
    at: int


class Cut(BaseException):
    """The request has no answer yet."""

    def __init__(self, request: Request) -> None:
        self.request = request


@dataclass
class Tape:
    """The answers of a command so far; `ask` replays them, then cuts. refuses: whether tags may not be written."""

    answers: Sequence[Answer]
    began: int
    refuses: bool = False
    heard: int = 0
    cut: Cut | None = None
    last: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str, *arguments: str) -> Any:
        if self.cut is not None:  # something caught it and went on to its next request, which never comes
            raise self.cut
        if self.heard == len(self.answers):
            self.cut = Cut(Request(name, arguments))
            raise self.cut
        value = self.answers[self.heard].value
        self.heard += 1
        self.last[name] = value
        if isinstance(value, Failure):
            raise value.error()
        return value

    def clock(self) -> datetime:
        at = self.answers[self.heard - 1].at if self.heard else self.began
        return NOW + timedelta(seconds=at)


class TapedLedger:
    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.note: str | None = None

    def keys(self) -> Mapping[str, str]:
        keys, self.note = self.tape.ask("keys")
        return dict(keys)

    def put_if_absent(self, key: str, value: str) -> str:
        return str(self.tape.ask("put", key, value))

    def holder(self) -> str | None:
        return self.note

    def show_holder(self, text: str) -> None:
        if self.tape.refuses:
            raise Denied("tags may not be written", remedy="none")
        self.tape.ask("show_holder", text)


class TapedEvidence:
    """Published evidence as facts, newest last."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    def newest(self, version: str) -> Mapping[str, str] | None:
        facts = self.tape.ask("newest", version)
        return None if facts is None else dict(facts)

    def published(self, digest: str) -> bool:
        return True

    def add_vote(self, digest: str, vote: bytes, signature: bytes) -> None:
        return


class TapedRegistry:
    """Of what others may change meanwhile each request is cut; files, versions and signatures stay as they are.

    mirrors: whether stages mirror the aliases.
    """

    def __init__(self, tape: Tape, *, mirrors: bool = False) -> None:
        self.tape, self.mirrors = tape, mirrors
        self._ledger, self._evidence = TapedLedger(tape), TapedEvidence(tape)

    def ledger(self, name: str) -> TapedLedger:
        return self._ledger

    def evidence(self, name: str) -> TapedEvidence:
        return self._evidence

    def aliases(self, name: str) -> Mapping[str, str]:
        return dict(self.tape.ask("aliases"))

    def loaded(self, name: str) -> tuple[Mapping[str, str], Stages]:
        if not self.mirrors:
            return self.aliases(name), Stages()
        aliases, latest = self.tape.ask("loaded")
        return dict(aliases), Stages(dict(latest), STAGES)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self.tape.ask("set_alias", alias, version)

    def delete_alias(self, name: str, alias: str) -> None:
        self.tape.ask("delete_alias", alias)

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        if self.tape.refuses:
            raise Denied("tags may not be written", remedy="none")

    def storable_tags(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        return tags

    def stages(self, name: str) -> Stages:
        return Stages(dict(self.tape.ask("stages")), STAGES) if self.mirrors else Stages()

    def set_stage(self, name: str, version: str, stage: str) -> None:
        try:
            self.tape.ask("set_stage", version, stage)
        except UnknownOutcome:  # as the real one does
            if self.stages(name).by_version[version] != stage:
                raise

    def copies(self, version: ModelVersion, name: str) -> Sequence[ModelVersion]:
        return [self.version(name, copy) for copy in self.tape.ask("copies", version.version)]

    def copy_version(self, version: ModelVersion, name: str, *, tags: Mapping[str, str]) -> ModelVersion:
        return self.version(name, str(self.tape.ask("copy", version.version)))

    def version(self, name: str, version: str) -> ModelVersion:
        return ModelVersion(name, version, digest=files_digest())

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        version = self.aliases(name).get(alias)
        return None if version is None else self.version(name, version)

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return [self.version(name, version) for version in VERSIONS]

    def commit_of(self, version: ModelVersion) -> str | None:
        return None

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        return files()

    def signature(self, version: ModelVersion) -> Mapping[str, Any] | None:
        return None

    def python_version(self, version: ModelVersion) -> str | None:
        return None


@cache
def _kept() -> Any:
    return tempfile.TemporaryDirectory(prefix="lockgate-explore-")


@cache
def files() -> Path:
    """The files of every version."""
    folder = Path(_kept().name)
    (folder / "weights.txt").write_text("0")
    return folder


@cache
def files_digest() -> str:
    return folder_digest(files())


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit 0 with the entry that it speaks of, or with the name of what was wrong."""

    fault: str | None = None
    entry: str | None = None  # SHA-256
    already: bool = False
    message: str = ""


@dataclass
class Direct(Tape):
    """A tape that is answered at once, by `world`. most: requests, after which nobody believes in an end."""

    world: Callable[[Request], Any] = lambda request: None
    most: int = 80

    def ask(self, name: str, *arguments: str) -> Any:
        self.heard += 1
        if self.heard > self.most:
            raise Cut(Request(name, arguments))
        return self.world(Request(name, arguments))

    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.began)


def play(command: Callable[[Tape], Any], tape: Tape) -> tuple[Request, Hashable] | Ended:
    """Run a command on the answers so far: its next request and what it holds in its hands then, or its end."""
    try:
        outcome = command(tape)
    except Cut as cut:
        return cut.request, _held(cut.__traceback__, tape)
    except Exception as error:
        if not isinstance(error, LockgateError) or tape.cut is not None:
            raise
        return Ended(getattr(error, "code", None) or type(error).__name__, message=str(error))
    assert tape.cut is None, "a command went on without an answer"
    entry = getattr(outcome, "entry", None)
    return Ended(None, None if entry is None else entry.sha256, bool(getattr(outcome, "already", False)))


def _held(traceback: TracebackType | None, tape: Tape) -> Hashable:
    """All that decides how a command goes on: where each of its frames stands, and the variables there.

    Two commands that hold the same go on the same, whatever answers brought them there. An expression that is half done
    may hold what no variable does, so the last answer of each kind is part of it.
    """
    frames: list[Hashable] = [(tape.clock() if tape.heard else None, tuple(sorted(tape.last.items(), key=_name)))]
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_filename != __file__:
            values = tuple((name, _value(held)) for name, held in sorted(frame.f_locals.items()))
            frames.append((frame.f_code.co_qualname, traceback.tb_lasti, values))
        traceback = traceback.tb_next
    return tuple(frames)


def _name(item: tuple[str, Any]) -> str:
    return item[0]


_SHARED = (
    "Tape",
    "Operator",
    "Evidence",
    "PromotionRequest",
    "PromotionTerms",
    "RollbackCheck",
    "Rollback",
    "Promote",
    "_Copying",
)
_PLAIN = (str, bytes, int, float, datetime, timedelta, type(None))
_values: dict[int, tuple[Any, Hashable]] = {}  # of frozen objects, which are kept, by where they are


def _value(held: Any) -> Hashable:
    """A value as something that can be compared; what is the same for all commands of an actor is its type."""
    if id(held) in _values:
        return _values[id(held)][1]
    if isinstance(held, _PLAIN):
        return held
    if isinstance(held, Record):
        return held.bytes
    if isinstance(held, tuple | list):
        return tuple(map(_value, held))
    if isinstance(held, dict):
        return tuple(sorted(((_value(key), _value(value)) for key, value in held.items()), key=repr))
    if isinstance(held, frozenset | set):
        return frozenset(map(_value, held))
    if not is_dataclass(held) or isinstance(held, type) or type(held).__name__ in _SHARED:
        return f"{type(held).__name__} {held}" if isinstance(held, BaseException) else type(held).__name__
    fields = tuple(_value(getattr(held, name)) for name in held.__dataclass_fields__)
    _values[id(held)] = held, (type(held).__name__, fields)
    return _values[id(held)][1]
