"""Categories of pandas reach models as pandas itself reads them back: one set, one order, in every batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.categories import batches_with_categories
from lockgate.models.model_host import Host

DRAW = np.random.default_rng(0)
LATE = np.where(np.arange(3000) < 2000, "b", DRAW.choice(list("xyz"), 3000))


@pytest.mark.parametrize(
    "files",
    [
        [pd.Categorical(LATE, categories=["z", "unused", "y", "x", "b"])],
        [pd.Categorical(DRAW.choice(list("lmh"), 3000), categories=["l", "m", "h"], ordered=True)],
        [pd.Categorical(["a", None] * 500)],
        [pd.Categorical(["a", "b"] * 500), pd.Categorical(["z", "b"] * 500)],
        [pd.Categorical([str(code) for code in range(300)]), pd.Categorical(["z", "7"] * 500)],
    ],
)
def test_every_batch_has_the_categories_of_the_whole_data(tmp_path: Path, files: list[pd.Categorical]) -> None:
    """Those that come late too, over row groups and files; unused ones and their order are kept."""
    for number, column in enumerate(files):
        pd.DataFrame({"c": column}).to_parquet(tmp_path / f"{number}.parquet", index=False, row_group_size=1000)
    expected = pd.read_parquet(tmp_path)["c"]
    dataset = Dataset("d", DatasetSpec(path=str(tmp_path)), tmp_path)
    host = Host(lambda: None)

    frames = [host.frame(batch) for batch in batches_with_categories(dataset, rows=700)]

    assert len(frames) > 1
    assert all(frame["c"].dtype == expected.dtype for frame in frames)
    assert all(list(frame["c"].cat.categories) == list(expected.cat.categories) for frame in frames)
    assert [str(value) for frame in frames for value in frame["c"]] == list(map(str, expected))


def test_a_category_beside_plain_texts_is_text(tmp_path: Path) -> None:
    """Two files need not agree on it."""
    pd.DataFrame({"c": pd.Categorical(["a", "b"])}).to_parquet(tmp_path / "0.parquet", index=False)
    pd.DataFrame({"c": ["z", "b"]}).to_parquet(tmp_path / "1.parquet", index=False)
    dataset = Dataset("d", DatasetSpec(path=str(tmp_path)), tmp_path)

    values = [value for batch in batches_with_categories(dataset) for value in batch.column("c").to_pylist()]

    assert values == ["a", "b", "z", "b"]
