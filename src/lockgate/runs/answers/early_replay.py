"""Ask both models about recorded requests in random order, until every line is decided."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lockgate.evidence.run_folder import salt
from lockgate.runs.answers.chosen_rows import chosen_rows, rows_that_fit

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evaluation.shadow.early import AskingOrder
    from lockgate.models.answers.answer_reader import AnswerReader
    from lockgate.runs.case_builder import CaseBuilder

_BATCH = 1_024


def replayed_until(builder: CaseBuilder, name: str, purpose: str, decided: Callable[[Scored], bool]) -> Scored:
    """Both models' answers to as many requests as were asked, in the order in which they were.

    purpose: what is decided, as a text. decided: whether enough was asked, by the answers so far. Raises DataError, ModelFault.
    """
    from lockgate.evaluation.scoring.row_columns import checked_rows
    from lockgate.evaluation.scoring.scored_file import batches_of, write_scored
    from lockgate.evaluation.scoring.scored_table import Scored, answer_forms, table_of
    from lockgate.evaluation.shadow.early import asking_order

    dataset, key = builder.case.dataset(name), f"{name}-until-{hashlib.sha256(purpose.encode()).hexdigest()[:12]}"
    if (stored := builder.scored_files.stored(key, dataset.slices)) is not None:
        return stored
    classes, pipeline = builder.inputs.classes(dataset), builder.pipeline
    readers = builder.readers(dataset, classes, replayed=True)
    scorers, sources, checks = builder.scorers(dataset, readers, replayed=True)
    rows, columns, label_values = checked_rows(
        dataset, task=pipeline.task, positive=pipeline.positive, salt=salt(pipeline.root), classes=classes,
        scores={str(role): column for role, column in (dataset.spec.scores or {}).items()}, readers=readers, may_fail=True,
    )  # fmt: skip
    whole = Scored(
        columns.get, rows=rows, sha256=lambda: "", slices=dataset.slices, classes=classes, answers=answer_forms(readers)
    )
    builder.with_origin(name, whole)
    for role in scorers:
        readers[role].expect(label_values)
    replay = _Replay(builder, dataset, whole, asking_order(whole, builder.case.seed), readers, scorers)
    scored = replay.run(sources, decided)
    path = builder.scored_files.path(key)
    table = table_of(replay.columns(columns, scored), dataset.slices)
    write_scored(path, batches_of(table), classes=classes, answers=scored.answers)
    done = Scored.open(path, slices=dataset.slices)
    done.traffic, done.recorded = scored.traffic, whole.recorded
    done.unrepeatable = builder.unrepeatable(done, readers, checks)
    more: dict[str, Any] = {"unrepeatable": done.unrepeatable} if done.unrepeatable else {}
    more |= {"recorded": done.recorded} if done.recorded else {}
    builder.scored_files.keep(key, done, {**more, "traffic": done.traffic})
    return done


@dataclass
class _Replay:
    """whole: all requests, with the answers that are recorded. answers: role → what it answered so far, batch by batch."""

    builder: CaseBuilder
    dataset: Dataset
    whole: Scored
    order: AskingOrder
    readers: Mapping[str, AnswerReader]
    scorers: Mapping[str, Any]
    answers: dict[str, list[Array]] = field(default_factory=dict)

    def run(self, sources: Sequence[str], decided: Callable[[Scored], bool]) -> Scored:
        from lockgate.evaluation.scoring.concurrent_scoring import in_lockstep
        from lockgate.evaluation.scoring.dataset_scores import checked_scores

        sizes, done, looks = list[int](), 0, set(self.order.looks)
        with closing(in_lockstep(self._batches(sources, sizes), self.scorers)) as answered:
            for turn, answer in enumerate(answered):
                for role, values in answer.items():
                    checked = checked_scores(role, values, sizes[turn], done, may_fail=True)
                    self.answers.setdefault(role, []).append(checked)
                done += sizes[turn]
                self.builder.case.progress(f"asking about {self.dataset.name}", done, self.whole.rows)
                if done in looks and done < self.whole.rows and decided(self._so_far(done)):
                    break
        return self._so_far(done)

    def columns(self, columns: Mapping[str, pa.Array | pa.ChunkedArray], scored: Scored) -> dict[str, Any]:
        """The columns of the table of the rows that were asked. columns: of all rows."""
        import numpy as np

        from lockgate.data import arrow_arrays as arrays
        from lockgate.evaluation.scoring.scored_table import ROW

        asked = self.order.rows[: scored.rows]
        taken = {name: column.take(arrays.from_numpy(asked)) for name, column in columns.items()}
        for role in self.scorers:
            values = getattr(scored, role)
            taken[role] = arrays.from_matrix(values) if values.ndim == 2 else arrays.from_numpy(values)
        return {**taken, f"candidate:{ROW}": arrays.from_numpy(asked.astype(np.float64))}

    def _so_far(self, done: int) -> Scored:
        import numpy as np

        from lockgate.evaluation.scoring.scored_table import answer_forms

        scored = self.whole.of_rows(self.order.rows[:done])
        for role in self.scorers:
            setattr(scored, role, self.readers[role].finish(np.concatenate([np.zeros(0), *self.answers.get(role, ())])))
        scored.answers = answer_forms(self.readers)
        scored.traffic = self.order.traffic.to_json()
        return scored

    def _batches(self, sources: Sequence[str], sizes: list[int]) -> Iterator[pa.RecordBatch | None]:
        """The rows in the order in which they are asked, with a halt at each look. sizes: gets those of the batches."""
        import numpy as np

        from lockgate.data import arrow_arrays as arrays

        rows = self.order.rows
        fit = rows_that_fit(self.dataset, sources, least=_BATCH, most=rows.size)
        start = end = 0
        for look in self.order.looks:
            while start < look:
                if start >= end:  # as many as fit into memory are read at a time
                    end = min(rows.size, start + fit)
                    chunk = np.sort(rows[start:end])
                    held = chosen_rows(self.dataset, sources, chunk).to_batches()[0]
                stop = min(look, end, start + _BATCH)
                sizes.append(stop - start)
                yield held.take(arrays.from_numpy(np.searchsorted(chunk, rows[start:stop])))
                start = stop
            yield None
