"""What callers of the model rely on, asked of the candidate over HTTP by `gate: command`, as docs/gates/command.md shows.

SERVER is the address of the candidate, MODEL the folder of its files, ROWS a Parquet file of the holdout without its labels.
"""

from __future__ import annotations

import json
import math
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import yaml

# Read and not loaded, so that nothing of the candidate runs here. ROWS have columns too that it does not take, such as an id.
SIGNATURE = yaml.safe_load(Path(os.environ["MODEL"], "MLmodel").read_text())["signature"]
NEEDED = [column["name"] for column in json.loads(SIGNATURE["inputs"]) if column.get("required", True)]
ROWS = parquet.read_table(os.environ["ROWS"]).slice(0, 100).to_pylist()


def ask(rows: list[dict[str, Any]]) -> list[Any]:
    """The predictions of these rows. Raises HTTPError where the server refuses them."""
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(f"{os.environ['SERVER']}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


def numbers(answers: list[Any]) -> list[float]:
    """Of each row its number, or those of its classes."""
    return [number for answer in answers for number in (answer if isinstance(answer, list) else [answer])]


def test_it_answers_every_row_with_numbers() -> None:
    answers = ask(ROWS)

    assert len(answers) == len(ROWS)
    assert all(math.isfinite(number) for number in numbers(answers))


def test_a_row_alone_is_answered_as_it_is_among_others() -> None:
    assert numbers(ask(ROWS[:1])) == pytest.approx(numbers(ask(ROWS)[:1]))


@pytest.mark.parametrize("column", NEEDED)
def test_a_request_without_a_column_is_refused(column: str) -> None:
    """With a 400, and not answered by a guess."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask([{name: value for name, value in row.items() if name != column} for row in ROWS])

    assert refused.value.code == 400
