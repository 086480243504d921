"""What examples of flips show of requests: the columns that the policy names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import UsageError
from lockgate.evaluation.shadow.shown_columns import with_columns
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

EXAMPLES = Exhibit("s/flip_examples", "table", ("row", "id"), ((70_000, "b"), (1, "a"), (3, "c")))
TABLE = {"candidate": [0.1] * 20, "champion": [0.9] * 20, "user": ["u"] * 20, "amount": [1.5] * 20}


def test_each_example_has_the_cells_of_its_own_row() -> None:
    """Beyond the first batch too, in the order of the examples, as text that is no longer than a cell."""
    numbers = list(range(70_000))
    table = pa.table({"amount": numbers, "note": [None, None, "x" * 300] + ["last"] * 69_997, "body": [b"ab"] * 70_000})
    shown = with_columns(EXAMPLES, TableDataset(table, DatasetSpec(path="t")), ["amount", "note", "body", "amount"])

    assert shown.columns == ("row", "id", "amount", "note", "body")
    assert [point[:3] for point in shown.points] == [(70_000, "b", "69999"), (1, "a", "0"), (3, "c", "2")]
    assert [len(point[3]) for point in shown.points] == [4, 0, 80]
    assert {point[4] for point in shown.points} == {"2 bytes"}
    assert shown.to_bytes()


def test_a_column_that_is_not_there_is_an_error() -> None:
    """Before anything is judged, rather than an example that shows nothing."""
    result = run_gate("shadow", table=TABLE, require=["flip_rate <= 50%"], show=["amuont"])

    assert result.verdict is Verdict.ERROR
    assert "no column 'amuont', the column that `show` of the shadow gate names" in result.reason


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cluster": "user", "show": ["user"]}, "'user' is the cluster of a request"),
        (
            {"task": "regression", "require": ["errors <= 0"], "show": ["amount"]},
            "task regression has none; leave show out",
        ),
    ],
)
def test_what_may_not_be_shown_is_refused(more: dict[str, Any], message: str) -> None:
    """Whoever wrote a request stays unknown; and a key that would do nothing is none."""
    with pytest.raises(UsageError, match=message):
        run_gate("shadow", **({"table": TABLE, "require": ["flip_rate <= 50%"]} | more))
