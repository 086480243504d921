"""The rows of an entry of `data:` whose files hold records: by paths, a producer's format, or two files together."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.data.formats import DataFile, source_of
from lockgate.data.recordings.halves import Lateness, joined, unrepeated
from lockgate.data.recordings.lift import Lifted, Watch, lift
from lockgate.data.recordings.path import Key, RecordPath, parse_path
from lockgate.data.recordings.producers import Half, has_halves, paths_of, row_reader
from lockgate.data.recordings.readers import PathReader, RecordReader
from lockgate.errors import DataError

if TYPE_CHECKING:
    from lockgate.data.dataset_spec import DatasetSpec


def recorded(
    spec: DatasetSpec, files: Iterable[DataFile], answers: Iterable[DataFile], scratch: Path, watch: Watch
) -> Lifted:
    """The rows of a recording, as files below the scratch. answers: the files that `join` names.

    Raises DataError, whose message follows the path of the data set or names a file.
    """
    lifted = _lifted(spec, files, answers, scratch, watch)
    rows = sum(int(counts.sum()) for _, counts in lifted.origins)
    lifted.recording.limit_losses(spec.max_unused, rows, answers=bool(spec.scores))
    return lifted


def _lifted(
    spec: DatasetSpec, files: Iterable[DataFile], answers: Iterable[DataFile], scratch: Path, watch: Watch
) -> Lifted:
    scratch.mkdir(parents=True, exist_ok=True)

    def folder() -> Path:
        return Path(tempfile.mkdtemp(prefix="recording-", dir=scratch))

    requests = lift(files, _reader(spec, files, "request"), folder(), watch)
    key = "request_id" if spec.format is not None else spec.id
    if spec.format is not None and has_halves(spec.format):
        other = lift(files, _reader(spec, files, "answer"), folder(), watch)
        return joined(requests, other, by=("request_id", "request_id"), folder=folder(), lateness=None)
    if spec.join is not None:
        join, paths = spec.join, _paths(spec.join.columns)
        identity = join.id or spec.id or ""
        content = set(paths) - {identity, join.time} if join.path == spec.path else ()
        other = lift(answers, _path_reader(paths, answers, [identity], content), folder(), watch)
        _need(requests, str(key), "of its id, by which answers are joined")
        _need(other, identity, "by which answers are joined")
        lateness = None if join.within is None else Lateness(str(spec.time), str(join.time), join.within)
        return joined(requests, other, by=(str(key), identity), folder=folder(), lateness=lateness)
    has_key = key is not None and all(key in _names(file) for file in requests.files)
    return unrepeated(requests, str(key)) if has_key else requests


def _reader(spec: DatasetSpec, files: Iterable[DataFile], half: Half) -> RecordReader:
    paths = _paths(spec.columns)
    if spec.format is not None:
        return RecordReader(row_reader(spec.format, paths, half), paths_of(spec.format, paths, half))
    named = {spec.id, spec.cluster, spec.query, *(entry.column for entry in spec.slices)} - {None}
    both = spec.join is not None and spec.join.path == spec.path
    content = set(paths) - {str(spec.id), str(spec.time)} if both else ()
    return _path_reader(paths, files, [str(name) for name in named], content)


def _path_reader(
    paths: Mapping[str, RecordPath], files: Iterable[DataFile], texts: Collection[str], content: Collection[str]
) -> PathReader:
    """texts, content: as of PathReader. Without paths the columns are those of the files."""
    if not paths:
        names = [name for file in files for name in source_of(file).scan(file).schema.names]
        paths = {name: RecordPath(name, (Key(name),)) for name in names}
    return PathReader(paths, texts, content=content)


def _paths(columns: Mapping[str, str]) -> dict[str, RecordPath]:
    return {name: parse_path(text) for name, text in columns.items()}


def _need(lifted: Lifted, column: str, purpose: str) -> None:
    for file in lifted.files:
        if column not in (names := _names(file)):
            raise DataError(
                f"has no column {column!r}, {purpose}; its columns are {', '.join(names[:40])}",
                remedy="correct its name",
            )


def _names(file: DataFile) -> list[str]:
    import pyarrow.parquet as parquet

    return list(parquet.read_schema(file.path).names)
