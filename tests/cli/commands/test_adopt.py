"""The first day, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt
from lockgate.errors import NotFound, UsageError


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_adopting_twice_is_once(desk: Desk) -> None:
    """The second time it says so."""
    desk.register()

    first = desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    again = desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs", "--json")

    assert first.exit_code == 0, first.exception
    assert json.loads(again.stdout)["already"] is True
    assert desk.aliases["production"] == "1"


def test_unknown_models_and_versions_are_named(desk: Desk) -> None:
    """A model that no pipeline names is wrong usage, with the list."""
    missing = desk.gate(adopt.command, desk.model, "--version", 9, "--reason", "it runs").exception
    unknown = desk.gate(adopt.command, "nobody", "--version", 1, "--reason", "it runs").exception

    assert isinstance(missing, NotFound)
    assert isinstance(unknown, UsageError)
    assert "gates/fraud.yaml" in str(unknown)
