"""Look at every file of a model before anything of it is loaded: what it is, whether it is whole, and what it would run."""

from __future__ import annotations

import glob
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

from lockgate.foreign.files import other_kind
from lockgate.models.artifact import archives, formats, weights
from lockgate.models.artifact.byte_stream import Budget, ByteStream, Unpacked, unpacker
from lockgate.models.artifact.imports import ImportRules
from lockgate.models.artifact.mlmodel import MLMODEL, ModelFile
from lockgate.models.artifact.pickles import PickleScan, Report
from lockgate.models.artifact.problem import Broken, Kind, Problem, TooMuch, printable, quoted_name
from lockgate.models.artifact.scanners import Scanner, scanner
from lockgate.models.artifact.signing import Signer, signature_fault
from lockgate.models.artifact.skops_schema import read_json, skops_schema

_MOST_FILES, _DEEPEST, _MOST_PROBLEMS = 100_000, 5, 1000
_UNPACKED_TIMES, _UNPACKED_LEAST, _SPOOLED_TIMES = 30, 1 << 28, 4
# As `!!python/…`, in full, or spelt so that only a reader of YAML sees it.
_YAML_OBJECT = re.compile(
    rb"!!python/|tag:yaml\.org,2002:python|^%TAG\s+\S+\s+tag:yaml|(?<![^\s\[{,])!(<|!)[\w:.,/]{0,40}%[0-9a-fA-F]{2}",
    re.MULTILINE,
)
_LONGEST_TAG = 100
_KNOWN = (
    *("text", "empty", "parquet", "arrow", "gguf", "catboost", "picture", "ubjson", "xgboost", "tensorflow variables"),
)


@dataclass(frozen=True)
class InspectionPolicy:
    """imports, files: what an owner looked at and lets pass: names in full, or packages; patterns of code and of formats that
    nothing here reads. scanners: whose findings are added. signer: who must have signed the files, anybody where None."""

    imports: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    scanners: tuple[Scanner, ...] = ()
    signer: Signer | None = None


@dataclass(frozen=True)
class Inspection:
    """What there is in a model's files. files: looked at, links and the like among them, entries of archives left out. formats: how many of each. problems: at
    most a thousand. counts: of files with a problem, by its kind."""

    files: int
    size: int
    formats: Mapping[str, int]
    problems: tuple[Problem, ...]
    counts: Mapping[str, int]


def inspect(folder: Path, policy: InspectionPolicy) -> Inspection:
    """Look at the files of a model. Whatever is in them is a problem, and never an error.

    Raises GateBroken where what the policy names is not installed, or is no key.
    """
    return _Inspector(folder, policy).inspect()


@dataclass
class _Inspector:
    folder: Path
    policy: InspectionPolicy
    paths: dict[str, os.stat_result] = field(default_factory=dict)
    problems: dict[Problem, None] = field(default_factory=dict)
    affected: dict[str, set[str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    rules: ImportRules = field(default_factory=ImportRules)
    pickles: frozenset[str] = frozenset()
    code: frozenset[str] = frozenset()
    may_unpickle: list[str] = field(default_factory=list)
    entries: int = 0

    def inspect(self) -> Inspection:
        self._list()
        size = sum(status.st_size for status in self.paths.values())
        self.budget = Budget(max(_UNPACKED_LEAST, _UNPACKED_TIMES * size))
        self.spooling = Budget(_UNPACKED_LEAST + _SPOOLED_TIMES * size)
        self._twins()
        self._model_file()
        for name in self.paths:
            self._file(name)
        self._scan()
        if self.policy.signer is not None and (fault := signature_fault(self.folder, self.policy.signer)) is not None:
            self.report(self.policy.signer.signature, "unsafe_files", fault)
        counts = {kind: len(names) for kind, names in self.affected.items()}
        return Inspection(self.entries, size, dict(sorted(self.kinds.items())), tuple(self.problems), counts)

    def report(
        self, name: str, kind: Kind, text: str, offset: int | None = None, allow: Any = None, unit: str | None = None
    ) -> None:
        """Take up a problem. unit: what is counted, the file where None."""
        if kind in ("code_files", "unknown_files") and any(fnmatchcase(name, each) for each in self.policy.files):
            return
        self.affected.setdefault(kind, set()).add(unit or name)
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems[Problem(kind, quoted_name(name), text, offset, allow)] = None

    def exists(self, name: str) -> bool:
        path = name.removeprefix("./").rstrip("/")
        return path in ("", ".") or path in self.paths or path in self._folders

    @cached_property
    def _folders(self) -> frozenset[str]:
        """Folders that hold files, at any depth."""
        return frozenset(name[:at] for name in self.paths for at, sign in enumerate(name) if sign == "/")

    def _list(self) -> None:
        """The regular files below the folder, sorted; whatever else lies there is reported."""
        for above, folders, files in os.walk(self.folder):
            folders.sort()
            for file in sorted((*files, *(each for each in folders if Path(above, each).is_symlink()))):
                path = Path(above, file)
                name, status = os.path.relpath(path, self.folder), path.lstat()
                self.entries += 1
                if self.entries > _MOST_FILES:
                    self.report(
                        ".", "broken_files", f"has more than {_MOST_FILES:,} files; the others were not looked at"
                    )
                    return
                if (fault := archives.name_fault(name)) is not None:
                    self.report(name, "unsafe_paths", fault)
                if path.is_symlink():
                    self.report(
                        name, "unsafe_paths", f"is a link to {printable(str(path.readlink()), 80)}, and no file"
                    )
                elif (kind := other_kind(status.st_mode)) is not None:
                    self.report(name, "unsafe_paths", f"is {kind}, and no file")
                else:
                    self.paths[name] = status

    def _scan(self) -> None:
        """Let the scanners of others look at all that may hold a pickle."""
        for scan in map(scanner, self.policy.scanners):
            for name in self.may_unpickle:
                try:
                    for sentence, imported in scan(self.folder / name):
                        if imported not in self.policy.imports:
                            self.report(name, "unsafe_files", sentence, allow=("imports", imported))
                except Exception as error:  # a scanner that breaks at a file has not shown that it is harmless
                    self.report(name, "broken_files", f"a scanner broke at it: {printable(str(error), 80)}")

    def _twins(self) -> None:
        """Names that are one on another machine."""
        first: dict[str, str] = {}
        for name in self.paths:
            other = first.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
            if other != name:
                self.report(name, "unsafe_paths", f"is {quoted_name(other)} too where capital letters do not count")

    def _model_file(self) -> None:
        model = ModelFile.read(self.folder)
        report = partial(self.report, MLMODEL)
        if model is None:
            self.rules = ImportRules.for_model(None, self.policy.imports)
            if len(self.paths) > 1:
                report("missing_files", "is not there, so nothing says how the model is loaded")
            return
        if model.fault is not None:
            report("broken_files", model.fault)
        for kind, sentence in model.faults(self.exists):
            report(kind, sentence, unit=sentence)
        for loader in model.loaders:
            if loader not in self.policy.imports:
                sentence = f"is loaded by {printable(loader, 80)}, which is no loader of MLflow's"
                report("code_files", sentence, allow=("imports", printable(loader, 80)))
        self.pickles, self.code = model.pickles, model.code
        self.rules = ImportRules.for_model(model.distributions(self.folder), self.policy.imports)

    def _file(self, name: str) -> None:
        """One file of the folder, whatever it is: the one place where everything is caught."""
        report = partial(self.report, name)
        try:
            file = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(file, "rb") as opened:
                self.look(opened, name, report, strict=name in self.pickles)
        except Broken as broken:
            report("broken_files", printable(str(broken)), broken.offset)
        except Exception as error:  # a reader that breaks at a file has not shown that it is whole
            report("broken_files", f"it cannot be read: {type(error).__name__} {printable(str(error), 80)}")

    def look(self, file: Any, name: str, report: Report, *, strict: bool = False, depth: int = 0) -> None:
        """A file, or an entry of an archive. strict: whether it is unpickled, whatever it is. Raises Broken.

        file: that can be wound back at depth 0, to be read on elsewhere.
        """
        if depth > _DEEPEST:
            raise Broken("archives are nested too deep in it")
        stream = ByteStream(file)
        kind = formats.format_of(stream.peek(formats.HEAD), name)
        strict = (strict and kind not in formats.CONTAINERS) or (
            name.lower().endswith(formats.PICKLE_NAMES) and kind in ("text", "binary", "empty")
        )
        if depth == 0:
            if strict or kind not in _KNOWN:
                self.may_unpickle.append(name)
            self.kinds["pickle" if strict else kind] += 1
        if formats.is_code(name) or name in self.code or kind in ("native code", "script"):
            report("code_files", "is code, which runs with the model", allow=("files", glob.escape(printable(name))))
        if depth == 0:
            for hidden in formats.hidden_formats(file):
                if hidden != kind and not (hidden == "zip" and kind == "tar"):
                    self._again(hidden, file, name, report)
            file.seek(0)
            stream = ByteStream(file)
        if strict or kind == "pickle":
            PickleScan(self.rules, report).scan(stream)
            return
        self._as_pickle(file, report, depth)
        self._read(kind, stream, file, name, report, depth)

    def _again(self, kind: str, file: IO[bytes], name: str, report: Report) -> None:
        """A file that begins as something else, as somebody reads it who does not look at its beginning."""
        if kind == "zip" and not _holds_entries(file):
            return  # only some bytes of a zip, which nobody reads as one
        file.seek(0)
        self._read(kind, ByteStream(file), file, name, report, 0)

    def _as_pickle(self, file: IO[bytes], report: Report, depth: int) -> None:
        """What a file that is something else would do to somebody who unpickles it."""
        if depth == 0:
            file.seek(0)
            PickleScan(self.rules, report).try_as_pickle(ByteStream(file))
            file.seek(0)

    def _read(self, kind: str, stream: ByteStream, file: IO[bytes], name: str, report: Report, depth: int) -> None:
        scan = PickleScan(self.rules, report).scan
        if kind == "zip":
            self._zip(file if depth == 0 else archives.spooled(stream, self.spooling), name, depth)
        elif kind == "tar":
            self._tar(stream, name, depth)
        elif kind in formats.COMPRESSED and (maker := unpacker(kind)) is not None:
            inner = name.rpartition(".")[0] if "." in name.rpartition("/")[2] else name
            self.look(Unpacked(stream, maker, self.budget), inner, report, strict=name in self.pickles, depth=depth + 1)
        elif kind == "npy":
            weights.npy(stream, scan)
        elif kind == "safetensors":
            weights.safetensors(stream)
        elif kind == "protobuf":
            weights.protobuf(stream, report, name=name, exists=self.exists)
        elif kind == "hdf5":
            weights.hdf5(stream, report)
        elif kind == "text":
            self._text(stream, report, name)
        elif kind not in _KNOWN and kind not in ("native code", "script"):
            self._unknown(kind, name, report)

    def _text(self, stream: ByteStream, report: Report, name: str) -> None:
        """Text to its end; a file that only begins as text is something that nothing here reads."""
        rest = before = b""
        for part in stream.parts():
            if b"\0" in part:
                return self._unknown("binary", name, report)
            found, before = _YAML_OBJECT.search(before + part), part[-_LONGEST_TAG:]
            if found:
                report("unsafe_files", "has a tag of YAML that makes any object of Python")
            try:
                (rest + part).decode("utf-8")
                rest = b""
            except UnicodeDecodeError as error:
                rest = (rest + part)[error.start :]
                if len(rest) > 4:
                    return self._unknown("binary", name, report)
        return self._unknown("binary", name, report) if rest else None

    def _unknown(self, kind: str, name: str, report: Report) -> None:
        if formats.is_code(name):
            return  # which was reported as such
        words = "in no format that is read here" if kind == "binary" else f"a file of {kind}, which is not read here"
        report("unknown_files", f"is {words}", allow=("files", glob.escape(printable(name))))

    def _zip(self, file: Any, name: str, depth: int) -> None:
        opened = archives.open_zip(file)
        names = set(opened.namelist())
        storages = {
            each[: -len("data.pkl")] + "data/" for each in names if each == "data.pkl" or each.endswith("/data.pkl")
        }
        for entry, stream in archives.zip_entries(opened, self.budget):
            raw = entry.stored and any(
                entry.name.startswith(each) and entry.name[len(each) :].isdecimal() for each in storages
            )
            if not raw:
                self._entry(entry, stream, name, depth, skops="schema.json" in names, keras="config.json" in names)

    def _tar(self, stream: ByteStream, name: str, depth: int) -> None:
        for entry, rest in archives.tar_entries(stream):
            window = ByteStream(archives.Window(rest, entry.size))
            self._entry(entry, window, name, depth)

    def _entry(
        self,
        entry: archives.Entry,
        stream: ByteStream,
        archive: str,
        depth: int,
        *,
        skops: bool = False,
        keras: bool = False,
    ) -> None:
        name = f"{archive}/{entry.name}"
        report = partial(self.report, name)
        fault = archives.name_fault(entry.name)
        if fault is not None:
            report("unsafe_paths", fault)
        if entry.link is not None or entry.kind is not None:
            leads = f"is a link to {printable(entry.link, 80)}" if entry.link is not None else f"is {entry.kind}"
            report("unsafe_paths", f"{leads}, and no file")
            return
        try:
            if skops and entry.name == "schema.json":
                skops_schema(read_json(stream), self.rules, report)
            elif keras and entry.name in ("config.json", "metadata.json"):
                weights.keras_config(read_json(stream), report)
            else:
                self.look(stream, name, report, depth=depth + 1)
        except TooMuch:  # of the whole file: what is left of it would be too much again
            raise
        except Broken as broken:
            report("broken_files", printable(str(broken)), broken.offset)


def _holds_entries(file: Any) -> bool:
    """Whether a file is a zip of something, to who looks at its end."""
    try:
        return bool(archives.open_zip(file).namelist())
    except (ValueError, OSError):
        return False
