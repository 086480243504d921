"""What a policy lets examples of flips show of the requests themselves. Light at import."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lockgate.text import cut

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset
    from lockgate.data.dataset_spec import DatasetSpec
    from lockgate.evidence.exhibit import Exhibit

_SIGNS = 80  # of a cell
PURPOSE = "column that `show` of the shadow gate names"


def refusals(columns: Collection[str], spec: DatasetSpec) -> Iterable[str]:
    """Why a column may not be shown: it says whose request it was and the pipeline does not keep ids, or its values are hidden."""
    identify = {column: role for role in ("id", "cluster", "query") if (column := getattr(spec, role)) is not None}
    for column in columns:
        if column in spec.hash:
            yield f"`hash` hides the values of {column!r}; show others"
        elif column in spec.drop:
            yield f"`drop` leaves {column!r} out; show others"
        elif column in identify and not spec.keep_ids:
            yield f"{column!r} is the {identify[column]} of a request, which is shown where the data `keep_ids`"


def with_columns(examples: Exhibit, dataset: Dataset, columns: Sequence[str]) -> Exhibit:
    """Examples, whose first column is the number of a row from 1, with the cells of these columns. Raises DataError."""
    columns = list(dict.fromkeys(columns))
    rows = sorted(int(point[0]) - 1 for point in examples.points)
    cells: dict[int, tuple[str, ...]] = {}
    first = 0
    for batch in dataset.batches(columns) if rows else ():
        for row in rows[len(cells) :]:
            if row < first + batch.num_rows:
                cells[row] = tuple(_text(column[row - first].as_py()) for column in batch.columns)
        first += batch.num_rows
        if len(cells) == len(rows):
            break
    points = tuple((*point, *cells[int(point[0]) - 1]) for point in examples.points)
    return replace(examples, columns=(*examples.columns, *columns), points=points)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return "" if value is None else cut(str(value), _SIGNS)
