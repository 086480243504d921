"""The champion is asked twice more about some requests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import GateBroken
from lockgate.evaluation.scoring.scored_table import ROW
from lockgate.evidence.run_folder import RunFolder
from lockgate.models.model import Output, ScoreReading
from lockgate.runs.answers.champion_twice import champion_twice
from lockgate.runs.answers.scored_files import ScoredFiles
from lockgate.runs.case_builder import CaseBuilder

N = 5_000


class Noisy:
    """Answers by the request and by chance; one request of ten is answered the first time alone."""

    def __init__(self) -> None:
        self.draw, self.batches = np.random.default_rng(1), list[list[int]]()

    def predict(self, batches: Iterator[pa.RecordBatch], **_: Any) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            x = batch.column("x").to_numpy()
            self.batches.append(x.tolist())
            p = np.clip(x / N + self.draw.normal(0, 0.01, x.size), 0.001, 0.999)
            again = len(self.batches) % 2 == 0
            yield pa.RecordBatch.from_pydict({"p": np.where(again & (x % 10 == 0), np.nan, p)})


def builder_of(folder: Path, model: Noisy, **spec: Any) -> Any:
    dataset = TableDataset(pa.table({"x": np.arange(N)}), DatasetSpec.model_validate({"path": "t", **spec}))
    champion = SimpleNamespace(role="champion", model=model)
    inputs = SimpleNamespace(
        classes=lambda _: (),
        label_values=lambda _: None,
        reading=lambda *_, **__: ScoreReading(Output(), "binary", 1, need_scores=True),
        checked_plan=lambda *_: SimpleNamespace(sources=["x"]),
        feed=lambda score, *_: score,
    )
    before = SimpleNamespace(rows=N, classes=(), kind_of_answers=lambda _: "scores")
    case = SimpleNamespace(
        champion=champion, dataset=lambda _: dataset, replayed=lambda _: before, seed=11, progress=lambda *_: None
    )
    files = ScoredFiles(RunFolder(folder), resumed=False)
    builder = SimpleNamespace(case=case, inputs=inputs, threshold=lambda _: 0.5, scored_files=files)
    builder.reader = partial(CaseBuilder.reader, builder)
    return builder


def test_the_same_batch_is_sent_twice_in_a_row(tmp_path: Path) -> None:
    """So many requests, spread over all; both answers of each stand in one row, with which one it is."""
    model = Noisy()
    builder = builder_of(tmp_path, model)
    twice = champion_twice(builder, "traffic", 500)

    sent = np.concatenate(model.batches[::2])
    assert model.batches[::2] == model.batches[1::2]
    assert (twice.rows, sent.size) == (500, 500)
    assert twice.per_row("candidate", ROW).tolist() == sent.tolist()
    assert (np.diff(sent) > 0).all()
    assert sent[0] < N / 100
    assert sent[-1] > N - N / 100
    assert twice.champion is not None
    assert twice.candidate is not None
    assert np.abs(twice.champion - sent / N).max() < 0.05
    assert np.isnan(twice.candidate).tolist() == (sent % 10 == 0).tolist()
    assert 0 < np.nanmax(np.abs(twice.champion - twice.candidate)) < 0.1
    assert builder.scored_files.stored("traffic-twice-500").sha256 == twice.sha256


def test_a_champion_whose_answers_are_recorded_is_asked_all_the_same(tmp_path: Path) -> None:
    model = Noisy()
    twice = champion_twice(builder_of(tmp_path, model, scores={"champion": "x"}), "traffic", 10_000)

    assert (twice.rows, sum(map(len, model.batches))) == (N, 2 * N)


def test_there_must_be_a_champion(tmp_path: Path) -> None:
    builder = builder_of(tmp_path, Noisy())
    builder.case.champion = None
    with pytest.raises(GateBroken, match="there is none"):
        champion_twice(builder, "traffic", 500)
