"""Rows that repeat an earlier one, in a whole run: said, counted in the evidence, and refused above a declared share."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from helpers.checkout import SCORED, Checkout

WITHOUT_ID = {key: value for key, value in SCORED.items() if key != "id"}


def test_rows_that_repeat_are_said_counted_and_refused_above_a_share(checkout: Checkout) -> None:
    """In the summary of the gate and under `scored`; with `max_repeated` the data are refused, which no model is to blame for."""
    path = checkout.folder / "data" / "holdout.parquet"
    once = pq.read_table(path)
    pq.write_table(pa.concat_tables([once, once.slice(0, 37)]), path)
    checkout.write(data={"holdout": WITHOUT_ID})
    answer = checkout.gate("run")
    rows = once.num_rows + 37

    assert answer.code == 0, answer
    assert [entry["repeated"] for entry in checkout.evidence["scored"]] == [37]
    assert f"37 of {rows:,} rows of holdout repeat an earlier one" in answer.stdout + answer.stderr

    checkout.write(data={"holdout": {**WITHOUT_ID, "max_repeated": "0.1%"}})
    refused = checkout.gate("run")
    assert refused.code == 4
    assert (
        f"37 of {rows:,} rows repeat an earlier one, and at most 0.001 of them may" in refused.stdout + refused.stderr
    )
