"""Ask a version for golden rows where it serves, one row a request, as production does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockgate.errors import DataError, ModelFault
from lockgate.models.input_check import selected
from lockgate.text import cut, one_line

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Case, Contender
    from lockgate.evaluation.parity.golden_rows import GoldenRows
    from lockgate.models.answers.answer_reader import AnswerReader
    from lockgate.runs.scoring_inputs import ScoringInputs

MOST = 1000
_REASON = 200


def golden_rows(case: Case, inputs: ScoringInputs, name: str) -> dict[str, GoldenRows]:
    """Role → its golden rows, of each role whose answers the data have recorded. Raises DataError, ModelFault."""
    dataset, recorded = case.dataset(name), case.scored(name)
    if recorded.rows > MOST:
        raise DataError(
            f"data {name!r} has {recorded.rows:,} golden rows, of which each is a request of its own; {MOST:,} at most are asked",
            remedy="keep a few dozen rows that differ in all features",
        )
    recordings = {"candidate": recorded.candidate, "champion": recorded.champion}
    return {
        contender.role: _ask(case, inputs, contender, dataset, recording)
        for contender in case.contenders
        if (recording := recordings[contender.role]) is not None
    }


def _ask(case: Case, inputs: ScoringInputs, contender: Contender, dataset: Dataset, recorded: Array) -> GoldenRows:
    import numpy as np

    from lockgate.evaluation.parity.golden_rows import GoldenRows
    from lockgate.evaluation.scoring.categories import batches_with_categories
    from lockgate.models.answers.answer_reader import AnswerReader

    plan = inputs.checked_plan(contender, dataset)
    reading = inputs.reading(
        dataset.name, contender.role, threshold=case.threshold(contender.role), classes=inputs.classes(dataset),
        replayed=False, recorded=None,
    )  # fmt: skip
    reader = AnswerReader(reading, may_fail=True, role=contender.role)
    values: list[Array | None] = []
    refusals: dict[int, str] = {}
    batches = batches_with_categories(dataset, plan.sources, rows=MOST)
    for batch in selected(plan, batches, dataset):
        for row in range(batch.num_rows):
            values.append(_answer(contender, batch.slice(row, 1), reader, refusals, number=len(values) + 1))
    answers = [value for value in values if value is not None]
    scores = reader.finish(np.concatenate(answers)) if answers else np.zeros(0)
    answered = np.full((len(values), *scores.shape[1:]), np.nan)
    answered[[row for row, value in enumerate(values) if value is not None]] = scores
    if answered.shape != recorded.shape:
        if answers:
            raise DataError(
                f"the {contender.role} answers golden rows with {answered.shape[1:] or (1,)} scores, recorded are {recorded.shape[1:] or (1,)}",
                remedy="record what it answers: a column for each class, or one score",
            )
        answered = np.full(recorded.shape, np.nan)
    return GoldenRows(recorded, answered, refusals)


def _answer(
    contender: Contender, row: pa.RecordBatch, reader: AnswerReader, refusals: dict[int, str], *, number: int
) -> Array | None:
    """The values of one row; None where it is refused, with the reason among `refusals`."""
    import numpy as np

    try:
        values = reader.read(next(iter(contender.model.predict([row], method=reader.reading.output.method))))
    except ModelFault as fault:
        if not fault.alive:
            raise
        refusals[number] = cut(one_line(fault.message), _REASON)
        return None
    if np.isfinite(values).all():
        return values
    refusals[number] = "the answer holds no number"
    return None
