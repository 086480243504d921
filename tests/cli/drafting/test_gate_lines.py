"""The gates of a first pipeline: a limit on latency that one busy moment does not make, and what blocks of an origin."""

from __future__ import annotations

import pytest
import yaml

from lockgate.cli.drafting.gate_lines import RowTime, latency_gate, metadata_gate
from lockgate.evaluation.provenance.subjects import COMPLETE


def limit(cpu_ms: float, p95_ms: float) -> float:
    [gate] = yaml.safe_load(latency_gate(RowTime(cpu_ms, p95_ms), version="1", signed=True))
    errors, line = gate["require"]
    assert (gate["gate"], errors, line["metric"]) == ("latency", "errors <= 0", "p95_ms")
    assert line["if_inconclusive"] == "ask", "a busy machine stops nobody: who approves decides"
    return float(line["at_most"])


@pytest.mark.parametrize(
    ("cpu_ms", "p95_ms", "at_most"),
    [(0.3, 0.4, 100), (5, 8, 200), (5, 60, 200), (5, 68, 300), (40, 50, 2000)],
)
def test_the_limit_is_thirty_times_the_processor_time_of_a_row_and_at_least_100_ms(
    cpu_ms: float, p95_ms: float, at_most: float
) -> None:
    """Of one figure, and nearly the same where the machine was busy; room above what was seen in any case."""
    assert limit(cpu_ms, p95_ms) == at_most


def test_where_nobody_signs_nobody_is_asked() -> None:
    """A line that asks would be refused there; it stands as a comment until somebody approves."""
    text = latency_gate(RowTime(5.5, 12.5), version="3", signed=False)

    assert yaml.safe_load(text) == [{"gate": "latency", "require": ["errors <= 0", "p95_ms <= 200"]}]
    assert "# - {metric: p95_ms, at_most: 200, if_inconclusive: ask}" in text
    assert yaml.safe_load(latency_gate(None, version="3", signed=True)) is None


def test_a_limit_that_threads_may_miss_on_a_busy_machine_has_the_remedy_beside_it() -> None:
    """A fail is not up to whoever approves."""
    for signed in (True, False):
        assert "OMP_NUM_THREADS=1 gate run" in latency_gate(RowTime(5.5, 12.5), version="3", signed=signed)


def test_what_a_version_carries_blocks_and_what_it_lacks_warns() -> None:
    """A version with all twelve blocks by all; one that nobody looked at, by none."""
    whole, some, none, unknown = (
        yaml.safe_load(metadata_gate(carried, version="3"))
        for carried in (COMPLETE, ("code_commit", "promotion_record"), ("promotion_record",), None)
    )
    warning = {"gate": "metadata", "name": "provenance", "severity": "warn", "require": "complete"}

    assert whole == [{"gate": "metadata", "require": "complete"}]
    assert some == [{"gate": "metadata", "require": ["code_commit >= 1"]}, warning]
    assert none == unknown == [warning]
    assert "# version 3 carries 2 of 12 facts; it lacks training_data, data_origin," in metadata_gate(
        ("code_commit", "promotion_record"), version="3"
    )
