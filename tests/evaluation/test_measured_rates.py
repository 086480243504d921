"""The rates that the risk sentence cites are those of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from lockgate.evaluation.judging import measured_rates as of_rows
from lockgate.evaluation.judging.number_format import percent
from lockgate.evaluation.latency import measured_rates as of_latency

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_has_what_the_sentence_says() -> None:
    """Method by method."""
    written = re.findall(
        r"^\| `([a-z -]+)`(?: \(latency\))? \| ([0-9.]+ %) \|$", (DOCS / "statistics.md").read_text(), re.MULTILINE
    )

    assert dict(written) == {name: percent(rate) for name, rate in {**of_rows.MEASURED, **of_latency.MEASURED}.items()}


def test_the_rates_of_latency_are_those_of_its_benchmark() -> None:
    """As its page reports them."""
    page = (DOCS / "gates" / "latency.md").read_text()

    assert [rate for rate in of_latency.MEASURED.values() if f"{rate:.3f}" not in page] == []
