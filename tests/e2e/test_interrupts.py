"""Runs that are interrupted or killed while models are asked: each says so, and leaves no process behind."""

from __future__ import annotations

import signal
import sys
import time

import pyarrow.parquet as parquet
import pytest

from helpers.checkout import (
    CHAMPION,
    HANGING,
    Checkout,
)
from helpers.waiting import until


@pytest.fixture
def python() -> str:
    """Processes of models are the subject here."""
    return sys.executable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_and_says_so(
    checkout: Checkout, number: signal.Signals, warm_python: str, warm_gate: str
) -> None:
    """While a model is asked; the signal reaches our process alone, as from a terminal that only knows the leader."""
    if number == signal.SIGTERM:  # once with processes that were not forked from what has imported already is enough
        checkout.python, checkout.command[0] = warm_python, warm_gate
    checkout.write(candidate={"version": HANGING})
    checkout.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    running = checkout.start("run")
    until(lambda: list(checkout.folder.glob(".gate/tmp/*/work-*/asked")), running)
    assert any("host.py" in line for line in checkout.processes)

    running.send_signal(number)
    out, said = running.communicate(timeout=30)

    assert running.returncode == 130, said
    assert said.endswith("gate: interrupted\n")
    assert (out, "Traceback" in said) == ("", False)
    assert checkout.processes == []
    assert checkout.state["state"] == "interrupted"
    assert list((checkout.folder / ".gate" / "tmp").iterdir()) == []
    status, report = checkout.gate("status", "fraud"), checkout.gate("report")
    assert status.code == 0
    assert "Production  version 1" in status.stdout
    assert report.code == 2
    assert "has no evidence: it was interrupted" in report.stderr


def test_models_do_not_outlive_a_killed_run(checkout: Checkout) -> None:
    """Even where nobody could clean up."""
    checkout.write(candidate={"version": HANGING})
    running = checkout.start("run")
    until(lambda: list(checkout.folder.glob(".gate/tmp/*/work-*/asked")), running)

    running.kill()
    running.communicate()

    deadline = time.monotonic() + 30
    while checkout.processes:
        assert time.monotonic() < deadline, checkout.processes
        time.sleep(0.05)


def test_an_interrupted_load_leaves_the_blocks_that_were_measured(
    checkout: Checkout, warm_python: str, warm_gate: str
) -> None:
    """Two hours were asked; it ends at once, and what was measured until then is on disk, complete."""
    checkout.python, checkout.command[0] = warm_python, warm_gate
    load = {"closed": {"concurrency": 1}, "duration": "2h"}
    checkout.write(gates=[{"gate": "latency", "load": load, "require": ["p50_ms <= 1000"]}])
    checkout.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    running = checkout.start("run")
    until(lambda: list(checkout.folder.glob(".gate/**/latency.partial.parquet")), running)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)

    assert (running.returncode, "Traceback" in said) == (130, False), said
    assert checkout.processes == []
    [kept] = checkout.folder.glob(".gate/**/latency.partial.parquet")
    assert parquet.read_table(kept).column_names[:3] == ["model", "batch", "block"]
    assert not list(checkout.folder.glob(".gate/**/latency.parquet"))
