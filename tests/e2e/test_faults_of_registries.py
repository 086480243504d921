"""A registry that breaks while a run is on costs no more than the run's staging."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.checkout import (
    Checkout,
)
from helpers.servers import MlflowServer
from helpers.waiting import GATES, until


@pytest.fixture
def server(checkout: Checkout, warm_gate: str) -> Iterator[MlflowServer]:
    """A server over the checkout's database."""
    made = MlflowServer(checkout.folder, checkout.uri, python=warm_gate)
    try:
        made.start()
        made.wait()
        yield made
    finally:
        made.kill()


def test_a_registry_that_dies_costs_seconds_and_nothing_measured(
    waiting: Checkout, server: MlflowServer, warm_gate: str
) -> None:
    """Exit 4, the evidence is on disk; when the registry is back, the same run is staged."""
    waiting.command[0] = warm_gate
    waiting.write(gates=GATES, registry={"kind": "mlflow", "uri": server.uri})
    running = waiting.start("run", "--stage")
    until((waiting.folder / "waiting").exists, running)
    server.kill()
    (waiting.folder / "go").touch()
    _, said = running.communicate(timeout=30)
    run, state, evidence = waiting.run, waiting.state, (waiting.run / "evidence.json").read_bytes()
    assert running.returncode == 4, said
    assert f"the registry at {server.uri} cannot be reached" in said
    assert "check that it is up and reachable" in said
    assert "this run is staged by gate run --resume --stage" in said
    assert waiting.processes == []

    server.start()
    server.wait()
    resumed = waiting.call("run", "--resume", "--stage")
    status = waiting.call("status", "fraud")

    assert resumed.code == 0, resumed.stderr
    assert (waiting.run, waiting.state["nonce"]) == (run, state["nonce"])
    assert (waiting.run / "evidence.json").read_bytes() == evidence
    assert "fraud version 2 is Staging since " in resumed.stderr
    assert "Staging     version 2" in status.stdout
