"""Back again, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, promote, rollback, status
from lockgate.cli.commands.vote import approve
from lockgate.errors import Refused


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_a_rollback_names_what_it_did(desk: Desk) -> None:
    """Then there is nothing left to go back to."""
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    promoted = desk.gate(promote.command, about.digest)

    ended = desk.gate(rollback.command, desk.model, "--reason", "stalls", "--json")
    again = desk.gate(rollback.command, desk.model, "--reason", "stalls").exception

    assert promoted.exit_code == 0, promoted.exception
    document = json.loads(ended.stdout)
    assert (document["entry"]["kind"], document["production"], document["standby"]) == ("rolled_back", "1", None)
    assert isinstance(again, Refused)
    assert again.code == "no_standby"
    shown = desk.gate(status.command, desk.model)
    assert shown.exit_code == 0
    assert "withdrawn   2" in shown.stdout


def test_a_reason_is_needed(desk: Desk) -> None:
    """Wrong usage without one."""
    assert desk.gate(rollback.command, desk.model).exit_code == 2
