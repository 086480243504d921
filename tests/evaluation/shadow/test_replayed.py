"""What is said of a replay: from when its requests are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.replayed import replayed


def window(times: list[Any], **spec: Any) -> tuple[Any, Any]:
    table = pa.table({"candidate": [0.5] * len(times), "at": times})
    dataset = TableDataset(
        table, DatasetSpec.model_validate({"path": "t", "scores": {"candidate": "candidate"}, **spec})
    )
    entry = replayed(dataset, Scored.from_table(table, dataset.spec, task="binary", positive=1), {})
    return entry.get("first"), entry.get("last")


@pytest.mark.parametrize(
    ("times", "spec", "ends"),
    [
        (
            ["2026-11-03T02:00:00Z", "2026-11-01T00:00:00Z", None],
            {"time": "at"},
            ("2026-11-01T00:00:00Z", "2026-11-03T02:00:00Z"),
        ),
        ([1_793_491_200, 1_793_491_260], {"time": "at"}, ("2026-11-01T00:00:00Z", "2026-11-01T00:01:00Z")),
        (["2026-11-01T00:00:00Z"], {}, (None, None)),
        (["yesterday", "2026-11-01T00:00:00Z"], {"time": "at"}, (None, None)),
        ([None, None], {"time": "at"}, (None, None)),
        ([1, 2], {"time": "absent"}, (None, None)),
    ],
)
def test_the_window_is_from_the_first_to_the_last_request(
    times: list[Any], spec: dict[str, str], ends: tuple[Any, Any]
) -> None:
    """Where a column of times says it; what is wrong with one is said by whoever needs it."""
    assert window(times, **spec) == ends
