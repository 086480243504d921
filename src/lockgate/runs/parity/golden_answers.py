"""Ask a version for golden rows where it serves, one row a request, as production does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lockgate.errors import DataError, ModelFault, VersionFault
from lockgate.models.input_check import selected
from lockgate.text import cut

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.evaluation.case import Case, Contender
    from lockgate.evaluation.parity.golden_rows import GoldenRows
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.models.model import ScoreReading
    from lockgate.runs.scoring_inputs import ScoringInputs

MOST = 1000
OUTPUTS = "golden_outputs"  # of the metadata of a model: what it answers to its input example
_REASON = 200


def golden_rows(
    case: Case, inputs: ScoringInputs, name: str | None, *, recorded: Callable[[str], Scored]
) -> dict[str, GoldenRows]:
    """Role → its golden rows, of each role whose answers are recorded: by the data of that name, else beside its model.

    recorded: the scored table of data.

    Raises DataError, ModelFault; VersionFault of a candidate whose own rows or answers cannot be read.
    """
    if name is None:
        return {
            contender.role: _beside_model(case, inputs, contender)
            for contender in case.contenders
            if OUTPUTS in contender.facts.metadata
        }
    table = recorded(name)
    _refuse_many(table.rows, f"data {name!r} has")
    recordings = {"candidate": table.candidate, "champion": table.champion}
    return {
        contender.role: _of_data(case, inputs, contender, name, recording)
        for contender in case.contenders
        if (recording := recordings[contender.role]) is not None
    }


def _refuse_many(rows: int, who: str) -> None:
    if rows > MOST:
        raise DataError(
            f"{who} {rows:,} golden rows, of which each is a request of its own; {MOST:,} at most are asked",
            remedy="keep a few dozen rows that differ in all features",
        )


def _of_data(case: Case, inputs: ScoringInputs, contender: Contender, name: str, recorded: Array) -> GoldenRows:
    from lockgate.evaluation.scoring.categories import batches_with_categories

    dataset = case.dataset(name)
    plan = inputs.checked_plan(contender, dataset)
    reading = inputs.reading(
        name, contender.role, threshold=case.threshold(contender.role), classes=inputs.classes(dataset),
        replayed=False, recorded=None,
    )  # fmt: skip
    batches = batches_with_categories(dataset, plan.sources, rows=MOST)
    answers = _Answers.ask(contender, selected(plan, batches, dataset), reading)
    if (label := dataset.spec.label) is not None:
        truth = batches_with_categories(dataset, [label], rows=MOST)
        answers.labels = {value for batch in truth for value in batch.column(label).to_pylist()}
    return answers.beside(recorded)


def _beside_model(case: Case, inputs: ScoringInputs, contender: Contender) -> GoldenRows:
    """The rows of its input example, whose answers stand in the metadata that it was logged with."""
    outputs = contender.facts.metadata[OUTPUTS]
    rows = case.sample(contender, None, MOST + 1)
    _refuse_many(rows.num_rows, f"the {contender.role} brings")
    if not isinstance(outputs, list) or len(outputs) != rows.num_rows:
        count = f"{len(outputs):,}" if isinstance(outputs, list) else "no list of"
        with contender.own():
            raise VersionFault(
                f"the {contender.role} has {rows.num_rows:,} rows in its input example, and {count} {OUTPUTS}",
                remedy=f"log it with input_example=rows, metadata={{'{OUTPUTS}': model.predict(rows).tolist()}}",
            )
    reading = inputs.reading(
        "", contender.role, threshold=case.threshold(contender.role), classes=inputs.pipeline.classes,
        replayed=False, recorded=None,
    )  # fmt: skip
    answers = _Answers.ask(contender, [rows], reading)
    try:
        return answers.beside(answers.recorded(outputs))
    except DataError as error:
        with contender.own():
            raise VersionFault(error.message, remedy=error.remedy) from error


@dataclass
class _Answers:
    """What a version answered, row by row. labels: of these rows, by which columns without names are known; None without any.

    replies: None where a row was refused. refusals: row from 1 on → why.
    """

    role: str
    reading: ScoreReading
    labels: Collection[Any] | None = None
    replies: list[pa.RecordBatch | None] = field(default_factory=list)
    refusals: dict[int, str] = field(default_factory=dict)

    @classmethod
    def ask(cls, contender: Contender, batches: Iterable[pa.RecordBatch], reading: ScoreReading) -> _Answers:
        answers = cls(contender.role, reading)
        for batch in batches:
            for row in range(batch.num_rows):
                answers._ask(contender, batch.slice(row, 1))
        return answers

    def _ask(self, contender: Contender, row: pa.RecordBatch) -> None:
        try:
            self.replies.append(next(iter(contender.model.predict([row], method=self.reading.output.method))))
        except ModelFault as fault:
            if not fault.alive:
                raise
            self.replies.append(None)
            self.refusals[len(self.replies)] = cut(fault.message, _REASON)

    def recorded(self, outputs: Sequence[Any]) -> Array:
        """Recorded answers read as those that came: a number, a list or a map a row. Raises DataError for others."""
        import numpy as np
        import pyarrow as pa

        first = next((reply for reply in self.replies if reply is not None), None)
        if first is None:
            return np.zeros(len(outputs))
        names = first.schema.names
        try:
            rows = [_cells(output, names) for output in outputs]
            if all(len(row) == 1 for row in rows):  # the score alone, of answers that may have more columns
                return np.array([row[0] for row in rows], np.float64)
            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            schema = pa.schema([pa.field(name, column.type) for name, column in zip(names, columns, strict=True)])
            batch = pa.RecordBatch.from_arrays(columns, schema=schema.with_metadata(first.schema.metadata))
        except (ArithmeticError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
            raise DataError(
                f"the {OUTPUTS} of the {self.role} are no answers like those that it gives, of {len(names)} columns: {error}",
                remedy=f"log it with metadata={{'{OUTPUTS}': model.predict(rows).tolist()}}, by the method that is served",
            ) from error
        return self._scores([batch])[1]

    def beside(self, recorded: Array) -> GoldenRows:
        """The rows with what is recorded of each. Raises DataError where that has another shape."""
        import numpy as np

        from lockgate.evaluation.parity.golden_rows import GoldenRows

        kept, scores = self._scores([reply for reply in self.replies if reply is not None])
        places = [row for row, reply in enumerate(self.replies) if reply is not None]
        self.refusals |= {places[row] + 1: "the answer holds no number" for row in np.flatnonzero(~kept)}
        answered = np.full((len(self.replies), *(scores if len(scores) else recorded).shape[1:]), np.nan)
        if len(scores):
            answered[places] = np.where(kept.reshape(-1, *[1] * (scores.ndim - 1)), scores, np.nan)
        if not np.isfinite(recorded).all():
            raise DataError(
                f"golden rows of the {self.role} have no recorded answer",
                remedy="record what it answers to each, or leave those rows out",
            )
        if answered.shape != recorded.shape:
            raise DataError(
                f"the {self.role} answers golden rows in the shape {answered.shape}, recorded are {recorded.shape}",
                remedy="record what it answers: a column for each class, or one score",
            )
        return GoldenRows(recorded, answered, self.refusals)

    def _scores(self, batches: Sequence[pa.RecordBatch]) -> tuple[Array, Array]:
        """(which rows have numbers, the scores of all)."""
        import numpy as np

        from lockgate.models.answers.answer_reader import AnswerReader

        reader = AnswerReader(self.reading, may_fail=True, role=self.role)
        reader.expect(None if self.labels is None else tuple(self.labels))
        values = [reader.read(batch) for batch in batches]
        if not values:
            return np.zeros(0, bool), np.zeros(0)
        scores = reader.finish(np.concatenate(values))
        finite: Array = np.isfinite(scores.reshape(len(scores), -1))
        return np.asarray(finite.all(axis=1)), scores


def _cells(output: Any, names: Sequence[str]) -> list[Any]:
    if isinstance(output, Mapping):
        return [output[name] for name in names]
    return output if isinstance(output, list) else [output]
