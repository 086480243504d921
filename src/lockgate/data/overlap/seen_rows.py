"""Which rows of a data set are in training data too, and what chance would make of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lockgate.errors import DataError
from lockgate.text import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.data.dataset import Dataset
    from lockgate.data.overlap.common_form import Form

_LISTED = 10


@dataclass(frozen=True, eq=False)
class Reference:
    """Training data, and the columns by which its rows are recognised."""

    dataset: Dataset
    columns: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SeenRows:
    """The rows of a data set that training data hold too, which no verdict may rest on.

    data: name of the data set. references: the training data that were looked at. unseen: (n,) bool, the rows that stay, in the order of the data. repeated: rows that equal
    another row of the data set itself in the same columns, as chance lets them; None where nothing was compared. columns: by
    which rows were recognised. sources: path, digest and rows of the training data. unread: why other training data could
    not be looked at, a clause each. most: the share of seen rows up to which the rest may be judged.
    """

    data: str
    references: tuple[Reference, ...]
    unseen: Array
    repeated: int | None
    columns: tuple[str, ...]
    sources: tuple[Mapping[str, Any], ...]
    unread: tuple[str, ...]
    most: float

    @property
    def rows(self) -> int:
        return int(self.unseen.size)

    @cached_property
    def kept(self) -> int:
        return int(self.unseen.sum())

    @cached_property
    def _places(self) -> Array:
        """The numbers, from 0, of the rows that stay."""
        import numpy as np

        return np.flatnonzero(self.unseen)

    @property
    def digests(self) -> list[str]:
        """Those of the training data that were looked at."""
        return [str(source["digest"]) for source in self.sources]

    def mask(self, first: int, rows: int) -> pa.Array:
        """Which of so many rows from `first` on, from 0, stay, as Arrow's bools."""
        from lockgate.data import arrow_arrays as arrays

        return arrays.from_numpy(self.unseen[first : first + rows])

    def number_of(self, kept: int) -> int:
        """The number among all rows, from 1, of a row that stays, by its number among those."""
        return int(self._places[kept - 1]) + 1

    def to_json(self) -> dict[str, Any]:
        """Its entry `seen` in the data of the evidence."""
        return {
            "rows": self.rows - self.kept,
            "of": self.rows,
            "repeated": self.repeated,
            "columns": list(self.columns),
            "in": [dict(source) for source in self.sources],
            "not_checked": list(self.unread),
            "max_seen": f"{self.most:.6g}",
        }


class _Cells:
    """Hashes the rows of a data set, and takes note of the columns that are held, and lacking, in any of them."""

    def __init__(self, dataset: Dataset, forms: Sequence[tuple[str, Form]]) -> None:
        self._dataset, self._forms = dataset, forms
        self.held: set[str] = set()
        self.lacking: set[str] = set()

    def hashes(self) -> Iterator[Array]:
        from lockgate.data.overlap.cell_hashes import MISSING, row_hashes

        for batch in self._dataset.all_batches([name for name, _ in self._forms]):
            columns = {name: _cells(self._dataset, batch, name, form) for name, form in self._forms}
            for name, cells in columns.items():
                missing = int((cells == MISSING).sum())
                self.held |= {name} if missing < cells.size else set()
                self.lacking |= {name} if missing else set()
            yield row_hashes(list(columns.values()), batch.num_rows)


def find_seen_rows(dataset: Dataset, references: Sequence[Reference], unread: Sequence[str] = ()) -> SeenRows:
    """Match the rows of a data set with those of training data, by 64 bits of a hash of the columns of each reference.

    Of 10^6 rows and 10^6 others that share none, one in 2 × 10^7 such pairs of data sets has a match by accident of the hash.
    A query of a ranking that has a seen row is seen as a whole, because it is judged as a whole.
    Raises DataError where a column is not in both, or cannot be compared.
    """
    import numpy as np

    rows = dataset.count_all()
    hashed: dict[tuple[tuple[str, Form], ...], tuple[Array, Array, _Cells]] = {}
    matched, repeated = np.zeros(rows, bool), list[int]()
    for reference in references:
        forms = _forms(dataset, reference)
        if forms not in hashed:
            own = _Cells(dataset, forms)
            hashes = np.concatenate([np.zeros(0, np.uint64), *own.hashes()])
            hashed[forms] = *np.unique(hashes, return_inverse=True), own
        distinct, index, own = hashed[forms]
        if not rows:
            continue
        training = _Cells(reference.dataset, forms)
        matched |= _present(distinct, training.hashes())[index]
        _refuse_empty(dataset, reference.dataset, own, training)
        often = np.bincount(index) > 1
        repeated.append(int(often[index].sum()))
    if dataset.spec.query is not None and matched.any():
        matched = _whole_queries(dataset, matched)
    return SeenRows(
        dataset.name,
        tuple(references),
        ~matched,
        max(repeated, default=0) if references else None,
        tuple(dict.fromkeys(name for reference in references for name in reference.columns)),
        tuple(_source(reference.dataset) for reference in references),
        tuple(unread),
        dataset.spec.max_seen,
    )


def _forms(dataset: Dataset, reference: Reference) -> tuple[tuple[str, Form], ...]:
    """(column, form of its cells), by name, so that the order of columns does not matter."""
    names = sorted(set(reference.columns))
    purpose = "column by which rows are recognised"
    dataset.need(dict.fromkeys(names, purpose))
    training = reference.dataset
    lacking = [name for name in names if name not in training.columns]
    if lacking:
        raise DataError(
            f"data {dataset.name!r}: {training.redacted_path}, which not_in names, has no "
            f"{'column' if len(lacking) == 1 else 'columns'} {', '.join(lacking[:_LISTED])}{', …' if lacking[_LISTED:] else ''}, "
            f"by which its rows would be recognised; its columns are {', '.join(training.columns[:40])}",
            remedy="name the data that the model was trained on, or by columns: under not_in those that both have and that "
            "tell rows apart",
        )
    if not names:
        raise DataError(
            f"data {dataset.name!r}: nothing says by which columns rows of {training.redacted_path} are recognised",
            remedy="list them as columns: under not_in",
        )
    if not training.count():
        raise DataError(
            f"data {dataset.name!r}: {training.redacted_path}, which not_in names, has no rows, which show nothing",
            remedy="name the data that the model was trained on",
        )
    return tuple((name, _form(dataset, training, name)) for name in names)


def _form(dataset: Dataset, training: Dataset, name: str) -> Form:
    """The form of a column in both. Raises DataError where its cells can never be equal, which would look like new rows."""
    from lockgate.data.arrow_arrays import plain_type, type_text
    from lockgate.data.overlap.common_form import Form, common_form

    kinds = [plain_type(each.schema.field(name).type) for each in (dataset, training)]
    form = common_form(*kinds)
    here, there = map(type_text, kinds)
    if form is Form.STORED and here != there:
        raise DataError(
            f"data {dataset.name!r}: column {name!r} is {here}, and {there} in {training.redacted_path}, so that no row would be found",
            remedy="write it with the same type in both, or list other columns: under not_in",
        )
    return form


def _refuse_empty(dataset: Dataset, training: Dataset, here: _Cells, there: _Cells) -> None:
    """Refuse a column that is lacking in all rows of one side, and in none of the other, of which no row could be found."""
    sides = ((training.redacted_path, there, dataset.name, here), (dataset.name, here, training.redacted_path, there))
    for empty, without, full, other in sides:
        for name in sorted(other.held - without.held - other.lacking):
            raise DataError(
                f"data {dataset.name!r}: column {name!r} has no value in any row of {empty}, and one in every row of {full}, so that "
                "no row would be found",
                remedy="name the data as the model was trained on them, or list other columns: under not_in",
            )


def _cells(dataset: Dataset, batch: pa.RecordBatch, name: str, form: Form) -> Array:
    from lockgate.data.overlap.common_form import hashes_in_form

    try:
        return hashes_in_form(batch.column(name), form)
    except ValueError as error:
        raise DataError(
            f"data {dataset.name!r}: column {name!r} is not a time as in the data that it is compared with ({error})",
            remedy="write it the same way in both, or leave it out of columns: under not_in",
        ) from error


def _present(distinct: Array, parts: Iterator[Array]) -> Array:
    """(m,) bool: which of the sorted numbers are among those of the parts. Memory does not grow with the parts."""
    import numpy as np

    present = np.zeros(distinct.size, bool)
    for part in parts:
        numbers = np.sort(part)  # looked up in order, the table is walked through once
        places = np.searchsorted(distinct, numbers)
        inside = places < distinct.size
        places = places[inside]
        present[places[distinct[places] == numbers[inside]]] = True
    return present


def _whole_queries(dataset: Dataset, matched: Array) -> Array:
    """The rows of every query of which a row is seen."""
    import numpy as np

    from lockgate.data.overlap.cell_hashes import cell_hashes
    from lockgate.data.stored_columns import stored

    column = stored(dataset.spec.query or "")
    queries = np.concatenate([cell_hashes(batch.column(0)) for batch in dataset.all_batches([column])])
    whole: Array = np.isin(queries, queries[matched])
    return whole


def _source(dataset: Dataset) -> dict[str, Any]:
    return {"path": dataset.redacted_path, "digest": dataset.digest, "rows": dataset.count(), **dataset.origin}


def sentence(entry: Mapping[str, Any], data: str) -> str:
    """What was looked for and left out, from `SeenRows.to_json`: for the summary of a gate, and for reports."""
    matched, rows, repeated = int(entry["rows"]), int(entry["of"]), entry["repeated"]
    clauses = []
    if entry["in"]:
        paths = ", ".join(str(source["path"]) for source in entry["in"])
        if matched:
            clauses.append(
                f"{matched:,} of {counted(rows, 'row')} of {data} {'is' if matched == 1 else 'are'} in {paths}, and left out of "
                f"every verdict{_beyond(matched, rows, entry.get('max_seen'))}"
            )
        else:
            clauses.append(f"none of the {counted(rows, 'row')} of {data} is in {paths}")
        if repeated is not None:
            equal = f"{repeated:,} {'equals' if repeated == 1 else 'equal'}" if repeated else "none equals"
            clauses.append(f"{equal} another row of {data} itself, as rows may by chance")
    clauses += [f"{not_checked(data)}: {reason}" for reason in entry["not_checked"]]
    return "; ".join(clauses)


def _beyond(matched: int, rows: int, most: str | None) -> str:
    """That nothing passes, where more rows were seen than the share that may be."""
    beyond = most is not None and matched > float(most) * rows
    return f": more than max_seen allows ({100 * float(most or 0):.6g} %), so that nothing passes" if beyond else ""


def not_checked(data: str) -> str:
    """That nobody knows whether the rows are new to the candidate."""
    return f"whether the candidate was trained on rows of {data} was not checked"
