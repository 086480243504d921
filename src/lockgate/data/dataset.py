"""The rows that models are evaluated on: their files, digest, schema, and batches in a fixed order."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.data import remote
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.locate import UnchangedFiles, changed, log_entries
from lockgate.data.origin.opened import Opened, opened
from lockgate.data.slices.slice import Slice
from lockgate.data.stored_columns import column_of, is_stored
from lockgate.data.time_window import HOW_TO_WRITE, Moments, TimeWindow, moments_of, time_window
from lockgate.errors import DataError
from lockgate.hashing import files_digest, sha256_file
from lockgate.references.address import redacted

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.formats import Contents, DataFile
    from lockgate.data.lakehouse.delta import TableState
    from lockgate.data.overlap.seen_rows import SeenRows
    from lockgate.data.recordings.lift import Lifted


INDEX_COLUMN = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # the first is that of to_csv, read back as the second


class Dataset:
    """The rows of one entry of `data:`. Everything is read at first use; what is remote is copied then, once.

    root: where relative paths start. scratch: where copies go, a folder of our own where None. now: the moment of the run,
    from which `last` counts back; that of the first reading where None. find_seen: which rows the candidate was trained on,
    where `not_in` says so; those are never yielded, so that nothing is judged by them. Nobody looks for them where None.
    """

    def __init__(
        self,
        name: str,
        spec: DatasetSpec,
        root: Path,
        *,
        scratch: Path | None = None,
        now: datetime | None = None,
        find_seen: Callable[[Dataset], SeenRows] | None = None,
    ) -> None:
        self.name = name
        self.spec = spec
        self.root = root
        self._scratch = scratch
        self._now = now
        self._find_seen = find_seen
        self._failed: DataError | None = None
        self._held: tempfile.TemporaryDirectory[str] | None = None
        self._unchanged = UnchangedFiles()
        self.repeated: int | None = None  # how many rows repeat an earlier one, once they were checked
        self.copies = 1  # how many copies of some rows they all are

    def labelled(self, label: str) -> Dataset:
        """The same rows under another label; what was read already is not read again."""
        twin = copy(self)
        twin.spec = self.spec.model_copy(update={"label": label})
        return twin

    @property
    def redacted_path(self) -> str:
        """Where the data lies, as people may see it: no secret of an address is in it."""
        return redacted(self.spec.path)

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        return tuple(Slice.from_spec(entry) for entry in self.spec.slices)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the path (a file, a folder or a glob), sorted, all of one format. Raises DataError."""
        return tuple(file.path for file in self._named_files)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of a file's bytes, or of the sorted (path, sha256, size) list of a folder's or a glob's files; of both where
        answers are joined. Raises DataError where the pipeline names another one.
        """
        files = [(name, path, sha256 or self._sha256(path)) for name, path, sha256 in self._opened.files]
        if self._opened.alone:
            [(_, _, digest)] = files
        else:
            entries = [(name, sha256, path.stat().st_size) for name, path, sha256 in files]
            digest = files_digest([*entries, *log_entries(self._opened.table)])
        if self._answers is not None:
            digest = files_digest([("requests", digest, 0), ("answers", self._answers.digest, 0)])
        if self.spec.required_digest not in (None, digest):
            raise self._wrong(
                f"has the digest {digest}, and the pipeline requires {self.spec.required_digest}",
                remedy="bring back the data that was meant, or write the new digest into the pipeline",
            )
        return digest

    @property
    def origin(self) -> Mapping[str, Any]:
        """Which version was read, as far as whatever keeps the data has versions: `version` and what else it says of it."""
        return self._opened.origin

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns with their types over all files, but for those of `drop`. Raises DataError."""
        from lockgate.data.column_guess import without

        whole = self._scanned[0]
        with self._naming():
            return without(whole, self.spec.drop)

    def untyped(self, column: str) -> bool:
        """Whether a column holds texts whose type in `schema` is guessed: of CSV, and of `key=value` folders."""
        return self._files[0].format == "csv" or column in self.partition_columns

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    @property
    def index_columns(self) -> tuple[str, ...]:
        """The columns that were the index of a pandas frame: as a Parquet file says, or by pandas' names for them."""
        written = {name for _, contents in self._scanned[1] for name in contents.index}
        return tuple(name for name in self.columns if name in written or INDEX_COLUMN.fullmatch(name))

    @property
    def partition_columns(self) -> tuple[str, ...]:
        """The columns that stand in the names of folders alone, `key=value`, and in no file or table."""
        if self._log_state is not None:
            return ()
        inside = {name for _, contents in self._scanned[1] for name in contents.schema.names}
        return tuple(name for name in self.columns if name not in inside)

    def typed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch with the values of folders, which are texts, as the numbers, true or false that those of all folders are.

        So labels, weights and scores are read, as from the cells of CSV. Columns as they are stored stay texts.
        """
        from lockgate.data.untyped import retyped

        for name in self._folder_types.keys() & set(batch.schema.names):
            batch = retyped(batch, name, self._folder_types[name])
        return batch

    @cached_property
    def _folder_types(self) -> dict[str, str | None]:
        from lockgate.data.untyped import looks

        return {name: looks(file.constants[name][0].as_py() for file in self._files) for name in self.partition_columns}

    @cached_property
    def seen_rows(self) -> SeenRows | None:
        """Which rows the candidate was trained on; None where nobody looks for them. Raises LockgateError."""
        return self._find_seen(self) if self._find_seen is not None and self.spec.not_in else None

    def count(self) -> int:
        """How many rows `batches` yields."""
        return self.count_all() if self.seen_rows is None else self.seen_rows.kept

    def count_all(self) -> int:
        """How many rows `all_batches` yields."""
        return self._rows if self.window is None else self.window.kept

    def batches(self, columns: Sequence[str] | None = None, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """All rows, or those columns of them, at most `rows` at a time, always in the same order.

        columns: names, or `stored(name)` for a column as it is stored, whose type may differ from batch to batch.
        With `last: 7d`, only rows of the seven days before the moment of the run, or before `until`, both ends included;
        with `not_in`, none that the candidate was trained on. Raises DataError.
        """
        if self.seen_rows is None:
            yield from self.all_batches(columns, rows)
            return
        first = 0
        for batch in self.all_batches(columns, rows):
            unseen = batch.filter(self.seen_rows.mask(first, batch.num_rows))
            first += batch.num_rows
            if unseen.num_rows:
                yield unseen

    def all_batches(self, columns: Sequence[str] | None = None, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """As `batches`, with the rows that the candidate was trained on."""
        import pyarrow as pa

        from lockgate.data import arrow_arrays as arrays

        selected = list(self.columns if columns is None else columns)
        self.need(dict.fromkeys(selected, ""))
        window, time = self.window, self.spec.time or ""
        if window is None:
            yield from self._read(selected, rows)
            return
        for batch in self._read(list(dict.fromkeys([*selected, time])), rows):
            inside = arrays.from_numpy(window.contains(self._moments(batch.column(time)).values))
            recent = batch.filter(inside).select(selected)
            if recent.num_rows:
                yield pa.RecordBatch.from_arrays(recent.columns, schema=recent.schema)

    def need(self, columns: Mapping[str, str]) -> None:
        """Raise DataError where a column (→ what it is for) is not in the data."""
        from lockgate.data.column_guess import column_guess, no_column

        for column, purpose in ((column_of(name), purpose) for name, purpose in columns.items()):
            if column not in self.columns:
                problem, file = no_column(column, self.schema, purpose), next(iter(self._files), None)
                guess = column_guess(column, self.schema, file=file, path=self._local, data=self.name)
                raise self._wrong(problem, remedy="`drop` leaves it out" if column in self.spec.drop else guess)

    def row(self, number: int) -> str:
        """`row 17` (from 1, in the order of `batches`), with the file's name where there are several files."""
        if self.seen_rows is not None:
            number = self.seen_rows.number_of(number)
        if self.spec.last is not None:
            return f"row {number:,} of those that `last` keeps"
        return self._place(number)

    @cached_property
    def _named_files(self) -> tuple[DataFile, ...]:
        from lockgate.data.data_files import data_files

        named = [(name, path, name if self._remote else self._shown(path)) for name, path, _ in self._opened.files]
        with self._naming():
            return data_files(named, self._opened.table)

    @property
    def _files(self) -> tuple[DataFile, ...]:
        """The files that rows are read from: those of the path, or what was lifted out of them."""
        return self._named_files if self.lifted is None else self.lifted.files

    @cached_property
    def lifted(self) -> Lifted | None:
        """The rows of recorded requests; None where the files hold rows. Raises DataError."""
        if not self.spec.is_recording:
            return None
        from lockgate.data.recordings.recorded import recorded

        answers = () if self._answers is None else self._answers._named_files
        with self._naming():
            return recorded(self.spec, self._named_files, answers, self._folder, self._unchanged.watched)

    @cached_property
    def _answers(self) -> Dataset | None:
        """The files that `join` names."""
        if self.spec.join is None:
            return None
        return Dataset(f"{self.name}.join", DatasetSpec(path=self.spec.join.path), self.root, scratch=self._scratch)

    @property
    def _folder(self) -> Path:
        """Where copies of the data are kept: the scratch, or a folder that is removed with this object."""
        if self._scratch is None and self._held is None:
            self._held = tempfile.TemporaryDirectory(prefix="lockgate-data-")
        return Path(self._held.name) if self._held is not None else (self._scratch or self.root)

    @property
    def _log_state(self) -> TableState | None:
        """The Delta table that the rows are of, as its log had it."""
        return None if self.spec.is_recording else self._opened.table

    @property
    def _local(self) -> str:
        """The path where it is one of this machine, a file:// address too."""
        return remote.local(self.spec.path)

    @property
    def _remote(self) -> bool:
        return remote.is_url(self._local)

    @cached_property
    def _opened(self) -> Opened:
        """The files. A failure behind an address is final, so that a server that hangs costs its timeout once."""
        if self._failed is not None:
            raise self._failed
        folder = (self._folder if self._remote else self.root) / self.name
        try:
            with self._naming():
                return opened(self.spec, self.root, folder)
        except DataError as error:
            self._failed = error if self._remote else None
            raise

    @cached_property
    def _scanned(self) -> tuple[pa.Schema, tuple[tuple[DataFile, Contents], ...]]:
        """The schema of all files together, and what each of them holds."""
        import pyarrow as pa

        from lockgate.data.constant_columns import refuse_same_values
        from lockgate.data.data_files import common_types
        from lockgate.data.formats import source_of

        if self.spec.required_digest is not None:
            _ = self.digest
        looked_at = []
        for file in self._files:
            with self._unchanged.watched(file.path, file.name):
                looked_at.append((file, source_of(file).scan(file)))
        scanned = tuple(looked_at)
        if self._log_state is not None:
            return self._log_state.schema, scanned
        with self._naming():
            types = common_types(scanned)
            refuse_same_values(self._files, pa.schema(list(types.items())))
        for file in self._files:
            for name, constant in file.constants.items():
                types.setdefault(name, constant.type)
        if not types:
            raise self._wrong("is empty", remedy="a data file without rows still has columns; write the file again")
        if scanned[0][0].format == "csv":  # a column without any value holds texts
            types = {name: pa.string() if pa.types.is_null(kind) else kind for name, kind in types.items()}
        return pa.schema(list(types.items())), scanned

    def _read(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        from lockgate.data.constant_columns import read_rows

        typed = pa.schema([self.schema.field(name) for name in columns if not is_stored(name)])
        as_stored = pa.schema([self.schema.field(column_of(name)) for name in columns if is_stored(name)])
        for file, contents in self._scanned[1]:
            if contents.rows:
                count = 0
                with self._unchanged.watched(file.path, file.name):
                    for batch in read_rows(file, contents, typed, as_stored, rows=rows):
                        count += batch.num_rows
                        yield batch.select(columns) if as_stored.names else batch
                    if count != file.count(contents):
                        raise changed(file.name)

    @property
    def _rows(self) -> int:
        return sum(file.count(contents) for file, contents in self._scanned[1])

    def _place(self, number: int) -> str:
        from lockgate.data.data_files import row_place

        return row_place(number, self._scanned[1]) if self.lifted is None else self.lifted.where(number)

    @cached_property
    def window(self) -> TimeWindow | None:
        """What `last` keeps of the rows; None without it. Raises DataError."""
        if self.spec.last is None:
            return None
        time = self.spec.time or ""
        self.need({time: "time"})
        now = self._now or datetime.now(UTC)
        return time_window(self._timed(time), last=self.spec.last, until=self.spec.until, now=now)

    def _timed(self, time: str) -> Iterator[tuple[Any, bool]]:
        """(moments, whether they are days) of each batch. Raises DataError behind them where rows have none."""
        before = missing = first = 0
        zoned: bool | None = None
        for batch in self._read([time], 65_536):
            moments, lacking, days, zoned = self._moments(batch.column(time), before, zoned)
            if lacking.any() and not missing:
                first = before + int(lacking.argmax()) + 1
            missing += int(lacking.sum())
            before += batch.num_rows
            yield moments, days
        if missing:
            raise self._wrong(
                f"has no time in {missing:,} rows of column {time!r}, the first is row {first:,}",
                remedy="rows without a time cannot be compared with `last`; leave them out or fill them in",
            )

    def _moments(self, column: pa.Array, before: int = 0, zoned: bool | None = None) -> Moments:
        try:
            return moments_of(column, before=before, zoned=zoned)
        except ValueError as error:
            raise self._wrong(f"column {self.spec.time!r} is not a time ({error})", remedy=HOW_TO_WRITE) from error

    def _sha256(self, path: Path) -> str:
        with self._unchanged.watched(path, self._shown(path)):
            return sha256_file(path)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Errors whose message follows the path as errors that name it."""
        try:
            yield
        except DataError as error:
            raise self._wrong(error.message, remedy=error.remedy, kind=type(error)) from error

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def _wrong(self, problem: str, *, remedy: str | None = None, kind: type[DataError] = DataError) -> DataError:
        path = self.redacted_path
        text = problem if problem.startswith(f"{path}: ") else f"{path} {problem}"
        return kind(f"data {self.name!r}: {text}", remedy=remedy)
