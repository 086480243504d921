"""The candidate's answers to rows in which one of the columns that only it is given holds the values of other rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lockgate.errors import GateBroken
from lockgate.runs.answers.chosen_rows import chosen_rows, rows_that_fit

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lockgate.data.arrow_arrays import Array
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Case
    from lockgate.evaluation.leaks.column_gain import PermutedColumns
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.models.input_plan import InputPlan
    from lockgate.runs.case_builder import CaseBuilder

ROWS = 20_000
"""At most so many rows are asked of a column and permutation, evenly spread: an AUC of half of them positive is known to 0.006."""
_BATCH, _LEAST = 1_024, 1_000


def own_columns(case: Case, dataset: Dataset) -> tuple[list[str], int]:
    """(columns of the data that the candidate is given and the champion is not, how many it is given in all)."""
    if case.champion is None:
        raise GateBroken("columns are compared with a champion's, and there is none")
    candidate, champion = (case.input_plan(each, dataset) for each in (case.candidate, case.champion))
    columns = dict.fromkeys(column.column for column in candidate.columns)
    others = {column.column for column in champion.columns}
    return [column for column in columns if column not in others], len(columns)


def permuted_answers(builder: CaseBuilder, name: str, permutations: int) -> PermutedColumns:
    """The candidate's scores of a data set, so many times of each column of its own. Raises DataError, GateBroken, ModelFault."""
    import numpy as np

    from lockgate.evaluation.leaks.column_gain import Permuted, PermutedColumns

    case, dataset = builder.case, builder.case.dataset(name)
    if dataset.spec.scores:
        raise GateBroken(
            f"data.{name}.scores says that no model answers, and a column is permuted by asking one",
            remedy="leave scores out, or the line",
        )
    columns, compared = own_columns(case, dataset)
    before = case.scored(name)
    rows = before.rows
    if not columns or not rows:
        return PermutedColumns(dict.fromkeys(columns, ()), compared)
    plan = builder.inputs.checked_plan(case.candidate, dataset)
    chosen = np.unique(
        np.linspace(0, rows - 1, rows_that_fit(dataset, plan.sources, least=_LEAST, most=ROWS)).astype(np.intp)
    )
    table = chosen_rows(dataset, plan.sources, chosen)
    rng, ask = np.random.default_rng(case.seed), _asking(builder, dataset, plan, before)
    permuted = {}
    for number, column in enumerate(columns):
        answers = []
        for turn in range(permutations):
            donors = rng.permutation(chosen.size)
            done = (number * permutations + turn, len(columns) * permutations)
            case.progress(f"{name} without {column}", *done)
            answers.append(Permuted(ask(_exchanged(table, plan, column, donors)), donors))
        permuted[column] = answers
    case.progress(f"{name} without one column", len(columns) * permutations, len(columns) * permutations)
    return PermutedColumns(permuted, compared, None if chosen.size == rows else chosen)


def _exchanged(table: pa.Table, plan: InputPlan, column: str, donors: NDArray[np.intp]) -> pa.Table:
    """The rows, each with the value of its donor in one column, in whichever form that is read."""
    from lockgate.data import arrow_arrays as arrays

    for source in dict.fromkeys(each.source for each in plan.columns if each.column == column):
        position = table.schema.get_field_index(source)
        table = table.set_column(
            position, table.schema.field(position), table.column(position).take(arrays.from_numpy(donors))
        )
    return table


def _asking(builder: CaseBuilder, dataset: Dataset, plan: InputPlan, before: Scored) -> Callable[[pa.Table], Array]:
    """What asks the candidate for the scores of rows, on the way that all rows go. before: its answers to them as they are."""
    import numpy as np

    from lockgate.models.output import scorer

    model = builder.case.candidate.model
    classes, labels = builder.inputs.classes(dataset), builder.inputs.label_values(dataset)

    def scores(table: pa.Table) -> Array:
        reader = builder.readers(dataset, classes, replayed=False)["candidate"]
        reader.expect(labels, alike=before.kind_of_answers("candidate"))
        score = builder.inputs.feed(scorer(model, reader), dataset, plan)
        return reader.finish(np.concatenate(list(score(iter(table.to_batches(max_chunksize=_BATCH))))))

    return scores
