"""What callers of the model rely on, asked of the candidate over HTTP by `gate: command`, as docs/gates/command.md shows.

SERVER is the address of the candidate, ROWS a Parquet file of the holdout without its labels.
"""

from __future__ import annotations

import json
import math
import os
import urllib.error
import urllib.request
from typing import Any

import pyarrow.parquet as parquet
import pytest

ROWS = parquet.read_table(os.environ["ROWS"]).slice(0, 100).to_pylist()


def ask(rows: list[dict[str, Any]]) -> list[Any]:
    """The predictions of these rows. Raises HTTPError where the server refuses them."""
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(f"{os.environ['SERVER']}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


def test_it_answers_every_row_with_a_number() -> None:
    answers = ask(ROWS)

    assert len(answers) == len(ROWS)
    assert all(math.isfinite(answer) for answer in answers)


def test_a_row_alone_is_answered_as_it_is_among_others() -> None:
    assert ask(ROWS[:1]) == pytest.approx(ask(ROWS)[:1])


@pytest.mark.parametrize("column", list(ROWS[0]))
def test_a_request_without_a_column_is_refused(column: str) -> None:
    """With a 400, and not answered by a guess."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask([{name: value for name, value in row.items() if name != column} for row in ROWS])

    assert refused.value.code == 400
