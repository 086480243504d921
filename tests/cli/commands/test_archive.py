"""Archiving from a schedule, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, archive, promote
from lockgate.cli.commands.vote import approve
from lockgate.errors import UsageError


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Version 2 has just been promoted over version 1."""
    desk = Desk(tmp_path, monkeypatch)
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    assert desk.gate(promote.command, about.digest).exit_code == 0
    return desk


def test_nothing_is_due_right_after_a_promotion(desk: Desk) -> None:
    """Exit 0, so that a schedule may call it, and the sentence."""
    ended = desk.gate(archive.command, desk.model)

    assert ended.exit_code == 0, ended.exception
    assert ended.stdout.startswith(f"{desk.model}: nothing is due: version 1 stays the previous version until 20")


def test_a_soak_that_is_over_archives(desk: Desk) -> None:
    """With --json one document, and the words on stderr."""
    desk.pipeline.write_text(desk.pipeline.read_text() + "promotion: {soak: 0s}\n")

    ended = desk.gate(archive.command, desk.model, "--json")

    document = json.loads(ended.stdout)
    assert ended.exit_code == 0, ended.exception
    assert (document["schema"], document["archived"], document["standby"]) == ("lockgate/archive/v1", "1", None)
    assert document["retain_until"] > document["entry"]["at"]
    assert f"{desk.model} version 1 is Archived since " in ended.stderr
    assert desk.aliases == {"production": "2"}


def test_the_pipeline_of_another_model_is_refused(desk: Desk) -> None:
    """A ledger is looked for in its own registry."""
    ended = desk.gate(archive.command, "churn", "--pipeline", desk.pipeline).exception

    assert isinstance(ended, UsageError)
    assert f"is about {desk.model}, not churn" in str(ended)
