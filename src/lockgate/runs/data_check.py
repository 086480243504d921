"""Hold data against what the pipeline names in them, before a run spends time: files, formats, columns; no rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lockgate.data import remote
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.recordings import OWN_COLUMNS
from lockgate.data.slices.slice import Slice
from lockgate.errors import DataError, DataMisfits, NotHere, NotPulled, guess
from lockgate.references.address import redacted

if TYPE_CHECKING:
    from lockgate.gates.gate import Gate
    from lockgate.pipeline.pipeline import Pipeline

_SMALL_BYTES = 64 << 20  # up to here data are read whole by `check_data`, which finds more
Open = Callable[[str], Dataset]
# a column, its role for people, and where below `data.NAME` it is named
NamedColumn = tuple[str, str, tuple[str | int, ...]]


@dataclass(frozen=True)
class Misfit:
    """One thing that is wrong with data. where: `file:line:col`. absent: nothing is wrong but that they are not here."""

    data: str
    where: str
    message: str
    remedy: str | None
    absent: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.where}: {self._sentence}"

    @property
    def note(self) -> str:
        """For where the data need not be here yet."""
        return f"{self.where}: note: {self._sentence}"

    @property
    def _sentence(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


def is_remote(spec: DatasetSpec) -> bool:
    return remote.is_url(remote.local(spec.path))


def check_data(pipeline: Pipeline, open_dataset: Open, *, ignored: Callable[[str], bool]) -> Iterator[Misfit]:
    """Everything that does not fit, of all data of a pipeline. ignored: whether Git ignores a path below the root.

    What is not here because it is pulled later is `absent`.
    """
    columns, all_read = set[str](), bool(pipeline.data)
    for name, spec in pipeline.data.items():
        dataset, at = open_dataset(name), pipeline.position("data", name, "path")
        if (unread := _unread(name, spec, at)) is not None:
            all_read = False
            yield unread
            continue
        try:
            whole = sum(file.stat().st_size for file in dataset.files) <= _SMALL_BYTES
            yield from _misfits(pipeline, name, dataset, whole=whole, columns=_named_columns(pipeline, name, idle=True))
            columns |= set(dataset.columns) if pipeline.inputs else set()
            if whole and spec.last is None and dataset.count() == 0:
                message = f"data {name!r}: {dataset.redacted_path} has no rows, which show nothing"
                yield Misfit(name, at, message, None, absent=True)
        except DataError as error:
            all_read = False
            elsewhere = is_remote(spec) or ignored(spec.path)
            absent = isinstance(error, NotPulled) or (isinstance(error, NotHere) and elsewhere)
            yield Misfit(name, at, error.message, error.remedy, absent=absent)
        yield from _training_misfits(pipeline, name, ignored=ignored)
    if all_read:
        yield from _unfed_inputs(pipeline, columns)


def _unread(name: str, spec: DatasetSpec, at: str) -> Misfit | None:
    """Why data are not looked at by a check: nobody says where they are, or they are large and far."""
    if "${" in spec.path:
        return Misfit(name, at, f"data {name!r}: its path names a variable that is not set here", "set it", absent=True)
    if is_remote(spec) and (size := remote.size(spec.path) or 0) > _SMALL_BYTES:
        message = f"data {name!r}: {redacted(spec.path)} holds {size >> 20:,} MB, which a check does not copy"
        return Misfit(name, at, message, "gate run does", absent=True)
    return None


def _unfed_inputs(pipeline: Pipeline, columns: set[str]) -> Iterator[Misfit]:
    """Inputs that no data feed. columns: of all data."""
    for feature, spec in pipeline.inputs.items():
        source = getattr(spec, "column", None)
        if isinstance(source, str) and source not in columns:
            message = f"inputs: no data have a column {source!r}, which is to feed {feature!r}{guess(source, columns)}"
            yield Misfit("", pipeline.position("inputs", feature, "column"), message, "name a column of the data")


def require_data(pipeline: Pipeline, gates: Sequence[Gate], open_dataset: Open, *, remote_ones: bool) -> None:
    """Refuse to run gates on data that are not here, or lack a column that these gates need.

    remote_ones: look at the data behind addresses, which copies them; else at the others. Raises DataMisfits with everything.
    """
    misfits: list[Misfit] = []
    for name, scored in _data_of(pipeline, gates).items():
        if not remote_ones and scored:
            misfits += _training_misfits(pipeline, name, ignored=lambda _: False)
        if is_remote(pipeline.data[name]) is not remote_ones:
            continue
        columns = _named_columns(pipeline, name) if scored else ()
        try:
            misfits += _misfits(pipeline, name, open_dataset(name), whole=False, columns=columns)
        except DataError as error:
            misfits.append(Misfit(name, pipeline.position("data", name, "path"), error.message, error.remedy))
    if misfits:
        raise DataMisfits((misfit.where, misfit.message, misfit.remedy) for misfit in misfits)


def _training_misfits(pipeline: Pipeline, name: str, *, ignored: Callable[[str], bool]) -> Iterator[Misfit]:
    """Training data on this machine that `not_in` names, and that are not here, or lack a column that it names."""
    for index, entry in enumerate(pipeline.data[name].not_in):
        if entry.path is None or "${" in entry.path or remote.is_url(remote.local(entry.path)):
            continue
        training = Dataset(f"{name}.not_in", DatasetSpec(path=entry.path), pipeline.root)
        try:
            if sum(file.stat().st_size for file in training.files) <= _SMALL_BYTES:
                training.need(dict.fromkeys(entry.columns, "column by which rows are recognised"))
        except DataError as error:
            absent = isinstance(error, NotPulled) or (isinstance(error, NotHere) and ignored(entry.path))
            at = pipeline.position("data", name, "not_in", index, "path")
            yield Misfit(name, at, error.message, error.remedy, absent=absent)


def _data_of(pipeline: Pipeline, gates: Sequence[Gate]) -> dict[str, bool]:
    """Data that gates open → whether one of them needs every column that the pipeline names in it."""
    opened: dict[str, bool] = {}
    for gate in gates:
        names = gate.reads(tuple(pipeline.data))
        if not names and gate.own_load is not None:
            names = tuple(pipeline.data)[:1]
        for name in names:
            if name in pipeline.data:
                opened[name] = opened.get(name, False) or gate.by_group
    return opened


def _misfits(
    pipeline: Pipeline, name: str, dataset: Dataset, *, whole: bool, columns: Iterable[NamedColumn]
) -> list[Misfit]:
    """The named columns that a data set has not. whole: read its types over all rows. Raises DataError."""
    named = list(columns)
    if not whole and {column for column, _, _ in named} <= _begin_with(dataset):
        return []
    _ = dataset.schema
    misfits = []
    for column, role, path in named:
        try:
            dataset.need({column: role})
        except DataError as error:
            misfits.append(Misfit(name, pipeline.position("data", name, *path), error.message, error.remedy))
    return sorted(misfits, key=lambda misfit: [int(number) for number in misfit.where.split(":")[-2:]])


def _begin_with(dataset: Dataset) -> frozenset[str]:
    """Columns that the data certainly have: that are lifted out of records, or by the beginning of the first file.

    Raises DataError where there is none.
    """
    from lockgate.data.formats import DataFile
    from lockgate.data.formats.first_columns import first_columns

    path = dataset.files[0]
    if dataset.spec.is_recording:
        own = OWN_COLUMNS if dataset.spec.format is not None else ()
        joined = () if dataset.spec.join is None else dataset.spec.join.columns
        return frozenset((*dataset.spec.columns, *own, *joined))
    try:
        return first_columns(DataFile(path, path.name))
    except Exception:  # whatever is wrong with the file, reading it whole says it better
        return frozenset()


def _named_columns(pipeline: Pipeline, name: str, *, idle: bool = False) -> Iterator[NamedColumn]:
    """The columns that an entry of `data` names. idle: also a time that nothing is counted back from."""
    spec = pipeline.data[name]
    for key in ("label", "id", "weight", "cluster"):
        if (column := getattr(spec, key)) is not None:
            yield column, key, (key,)
    if spec.query is not None and pipeline.task == "ranking":
        yield spec.query, "query", ("query",)
    if spec.time is not None and (idle or spec.last is not None):
        yield spec.time, "time", ("time",)
    for role, source in (spec.scores or {}).items():
        columns: Mapping[str, Any] = {"": source} if isinstance(source, str) else source
        for label, column in columns.items():
            of_class = f" of class {label}" if label else ""
            yield column, f"{role}'s score{of_class}", ("scores", role, *([label] if label else []))
    for role, column in spec.version_columns.items():
        yield column, f"version of the {role}", ("answered_by", role, "column")
    for index, entry in enumerate(spec.slices):
        for column in Slice.from_spec(entry).columns:
            at = ("where", column) if entry.where is not None else ("column",)
            yield column, f"column of slice {entry.slice_name!r}", ("slices", index, *at)
