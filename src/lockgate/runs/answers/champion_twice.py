"""What the champion answers to some recorded requests when it is asked twice more: by how much it differs from itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lockgate.errors import GateBroken
from lockgate.runs.answers.chosen_rows import chosen_batches

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Contender
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.models.answers.answer_reader import AnswerReader
    from lockgate.runs.case_builder import CaseBuilder


def champion_twice(builder: CaseBuilder, name: str, requests: int) -> Scored:
    """A table of so many requests, of which the champion's two further answers stand where both models' would.

    Raises DataError, ModelFault, GateBroken without a champion.
    """
    import numpy as np
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays
    from lockgate.evaluation.scoring.scored_file import batches_of, write_scored
    from lockgate.evaluation.scoring.scored_table import ROW, Scored, answer_forms
    from lockgate.evaluation.shadow.self_comparison import sampled_requests

    case, key = builder.case, f"{name}-twice-{requests}"
    if (stored := builder.scored_files.stored(key)) is not None:
        return stored
    if case.champion is None:
        raise GateBroken("a champion is asked twice, and there is none")
    dataset, before = case.dataset(name), case.replayed(name)
    rows = sampled_requests(before.rows, requests, case.seed)
    reader = _reader(builder, dataset, before)
    first, second = _ask_twice(builder, case.champion, dataset, rows, reader)
    columns = {"candidate": second, "champion": first, f"candidate:{ROW}": rows.astype(np.float64)}
    table = pa.Table.from_arrays([arrays.from_numpy(column) for column in columns.values()], names=list(columns))
    forms = {role: form for role in ("candidate", "champion") for form in answer_forms({role: reader}).values()}
    path = builder.scored_files.path(key)
    write_scored(path, batches_of(table), classes=before.classes, answers=forms)
    scored = Scored.open(path)
    builder.scored_files.keep(key, scored, {})
    return scored


def _reader(builder: CaseBuilder, dataset: Dataset, before: Scored) -> AnswerReader:
    reader = builder.reader(dataset, builder.inputs.classes(dataset), "champion", replayed=True)
    # Where it was asked about all of them, its answers are again what they were then, whatever those to a few look like.
    alike = before.kind_of_answers("champion") if dataset.spec.asks("champion") else None
    reader.expect(builder.inputs.label_values(dataset), alike=alike)
    return reader


def _ask_twice(
    builder: CaseBuilder, champion: Contender, dataset: Dataset, rows: Array, reader: AnswerReader
) -> tuple[Array, Array]:
    """(n,) the answers to each row, and those to the same batch right after, so that nothing but chance sets them apart."""
    import numpy as np

    from lockgate.evaluation.scoring.replay import replay

    plan = builder.inputs.checked_plan(champion, dataset)
    score = builder.inputs.feed(replay(champion.model, reader, failed_once=lambda: None), dataset, plan)
    done = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal done
        for batch in chosen_batches(dataset, plan.sources, rows):
            if batch.num_rows:
                builder.case.progress(f"asking the champion twice about {dataset.name}", done, rows.size)
                yield batch
                yield batch
                done += batch.num_rows

    answers = list(score(batches())) if rows.size else []
    both = reader.finish(np.concatenate([np.zeros(0), *answers[::2], *answers[1::2]]))
    return both[: rows.size], both[rows.size :]
