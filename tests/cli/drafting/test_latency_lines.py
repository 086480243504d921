"""The limit on latency of a first pipeline: generous, of one figure, and no matter of one busy moment."""

from __future__ import annotations

import pytest
import yaml

from lockgate.cli.drafting.latency_lines import latency_gate


def limit(p95_ms: float) -> float:
    [gate] = yaml.safe_load(latency_gate(p95_ms, version="1", signed=True))
    errors, line = gate["require"]
    assert (gate["gate"], errors, line["metric"]) == ("latency", "errors <= 0", "p95_ms")
    assert line["if_inconclusive"] == "ask", "a busy machine stops nobody: who approves decides"
    return float(line["at_most"])


@pytest.mark.parametrize(("p95_ms", "at_most"), [(0.4, 100), (10, 100), (10.1, 200), (24, 300), (1018, 20000)])
def test_the_limit_is_ten_times_what_rows_took_and_at_least_100_ms(p95_ms: float, at_most: float) -> None:
    """Of one figure, so that two machines that are alike get one limit."""
    assert limit(p95_ms) == at_most


def test_where_nobody_signs_nobody_is_asked() -> None:
    """A line that asks would be refused there; it stands as a comment until somebody approves."""
    text = latency_gate(12.5, version="3", signed=False)

    assert yaml.safe_load(text) == [{"gate": "latency", "require": ["errors <= 0", "p95_ms <= 200"]}]
    assert "# - {metric: p95_ms, at_most: 200, if_inconclusive: ask}" in text
    assert yaml.safe_load(latency_gate(None, version="3", signed=True)) is None
