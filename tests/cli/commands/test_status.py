"""Where everything stands, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, status


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_status_is_green_until_somebody_moves_an_alias(desk: Desk) -> None:
    """Exit 1 then, and the document names it."""
    for _ in range(2):
        desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")

    good = desk.gate(status.command, desk.model)
    desk.models.registry.set_alias(desk.model, "production", "2")
    bad = desk.gate(status.command, desk.model, "--json")

    assert (good.exit_code, bad.exit_code) == (0, 1), good.exception
    assert "Production  version 1 since" in good.stdout
    assert json.loads(bad.stdout)["problems"] == ["somebody moved an alias by hand: production is 2 and should be 1"]
