"""Models are asked about requests in random order, until enough is decided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import ModelFault
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.run_folder import RunFolder
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.model import Output, ScoreReading
from lockgate.runs.answers.early_replay import replayed_until
from lockgate.runs.answers.scored_files import ScoredFiles

N = 6_000


class Sent:
    """Answers x / N, plus a shift; one that breaks does so at its third batch."""

    def __init__(self, shift: float = 0.0, *, breaks: bool = False) -> None:
        self.shift, self.breaks, self.rows, self.batches = shift, breaks, list[float](), 0

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[Any]:
        for batch in batches:
            self.batches += 1
            if self.breaks and self.batches == 3:
                raise ModelFault("killed by signal 9", alive=False)
            x = batch.column("x").to_numpy()
            self.rows += x.tolist()
            yield x / N + self.shift


def builder_of(folder: Path, scorers: dict[str, Any], **spec: Any) -> Any:
    columns = {
        "x": np.arange(N),
        "geo": np.where(np.arange(N) % 3, "BR", "US"),
        "user": np.arange(N) // 3,
        "p": np.arange(N) / N,
    }
    dataset = TableDataset(pa.table(columns), DatasetSpec.model_validate({"path": "t", "slices": ["geo"], **spec}))

    def readers(*_: Any, **__: Any) -> dict[str, AnswerReader]:
        reading = ScoreReading(Output(), "binary", 1, need_scores=True)
        return {role: AnswerReader(reading, may_fail=True, role=role) for role in scorers}

    return SimpleNamespace(
        case=SimpleNamespace(dataset=lambda _: dataset, seed=3, progress=lambda *_: None),
        inputs=SimpleNamespace(classes=lambda _: ()),
        pipeline=SimpleNamespace(task="binary", positive=1, root=folder),
        readers=readers,
        scorers=lambda *_, **__: (scorers, ["x"], {}),
        with_origin=lambda _, scored: scored,
        unrepeatable=lambda *_: {},
        scored_files=ScoredFiles(RunFolder(folder), resumed=False),
    )


def test_as_many_are_asked_as_it_takes(tmp_path: Path) -> None:
    """In random order, both models alike; the table has them in that order, with what each is."""
    scorers, sizes = {"candidate": Sent(0.1), "champion": Sent()}, list[int]()

    def decided(scored: Scored) -> bool:
        sizes.append(scored.rows)
        return len(sizes) == 2

    builder = builder_of(tmp_path, scorers)
    scored = replayed_until(builder, "traffic", "lines", decided)
    rows = scored.row_numbers - 1

    assert sizes == [1_000, 1_250]
    assert scored.rows == 1_250
    assert len(set(rows.tolist())) == 1_250
    assert scored.champion is not None
    assert scored.candidate is not None
    assert scored.champion == pytest.approx(rows / N)
    assert scored.candidate == pytest.approx(rows / N + 0.1)
    assert [scored.codes("geo")[0][code] for code in scored.codes("geo")[1]] == [
        "BR" if row % 3 else "US" for row in rows
    ]
    assert scorers["candidate"].rows[:1_250] == scorers["champion"].rows[:1_250] == rows.tolist()
    assert len(scorers["champion"].rows) < 3_000
    assert scored.traffic == {"requests": N, "units": N, "largest": "1.0", "slices": {}}
    stored = builder.scored_files.stored(next(iter(builder.scored_files.entries)), scored.slices)
    assert (stored.sha256, stored.traffic) == (scored.sha256, scored.traffic)


def test_users_are_asked_whole_and_all_of_them_where_nothing_is_decided(tmp_path: Path) -> None:
    """Three requests of each; the champion's recorded answers are there from the start."""
    sizes = list[int]()

    def decided(scored: Scored) -> bool:
        sizes.append(scored.rows)
        assert np.bincount(scored.clusters).max() == 3  # type: ignore[arg-type]
        assert (np.unique(scored.clusters, return_counts=True)[1] == 3).all()
        return False

    builder = builder_of(tmp_path, {"candidate": Sent()}, cluster="user", scores={"champion": "p"})
    scored = replayed_until(builder, "traffic", "lines", decided)

    assert scored.rows == N
    assert sorted(scored.row_numbers.tolist()) == list(range(1, N + 1))
    assert scored.champion is not None
    assert scored.candidate == pytest.approx(scored.champion)
    assert all(size % 3 == 0 for size in sizes)
    assert scored.traffic == {
        "requests": N,
        "units": N // 3,
        "largest": "3.0",
        "slices": {"geo": {"BR": "2.0", "US": "1.0"}},
    }


def test_a_model_that_breaks_is_a_fault(tmp_path: Path) -> None:
    builder = builder_of(tmp_path, {"candidate": Sent(breaks=True), "champion": Sent()})
    with pytest.raises(ModelFault, match="killed by signal 9"):
        replayed_until(builder, "traffic", "lines", lambda _: False)
