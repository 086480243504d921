"""Over what stands in the way, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, history, promote, status
from lockgate.cli.commands.vote import override
from lockgate.errors import Refused, UsageError, Waiting


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_a_failed_candidate_goes_through_by_night_and_everybody_sees_it(desk: Desk) -> None:
    """Refused, voted over, promoted; status is red, and history says OVERRIDE, who and why."""
    desk.write("  override: {owners: 1}\n")
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first, verdict="fail", opens="no")

    refused = desk.gate(promote.command, about.digest).exception
    waits = desk.gate(promote.command, about.digest, "--override").exception
    nothing = desk.gate(override, about.digest, "--key", desk.key, "--reason", " ").exception
    voted = desk.gate(override, about.digest, "--key", desk.key, "--reason", "version 1 answers nothing")
    done = desk.gate(promote.command, about.digest, "--override", "--json")

    assert isinstance(refused, Refused)
    assert isinstance(waits, Waiting)
    assert isinstance(nothing, UsageError)
    assert voted.exit_code == 0, voted.exception
    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["entry"]["kind"] == "override"
    shown, told = desk.gate(status.command, desk.model), desk.gate(history.command, desk.model)
    assert shown.exit_code == 1
    assert "Problems    version 2 was promoted by override on" in shown.stdout
    assert "version 1 answers nothing" in shown.stdout
    assert "OVERRIDE" in told.stdout
    assert told.stdout.count("rejected") == 0


def test_a_policy_without_override_takes_no_such_vote(desk: Desk) -> None:
    """It would open nothing, so it is not signed."""
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first, verdict="fail", opens="no")

    ended = desk.gate(override, about.digest, "--key", desk.key, "--reason", "it burns").exception

    assert isinstance(ended, Refused)
    assert ended.code == "no_override"
