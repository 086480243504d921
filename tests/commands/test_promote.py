"""From approval to Production on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lockgate.commands import approve, promote, reject
from lockgate.errors import Refused, Waiting
from lockgate.runfolder import RunFolder

from .desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_approved_evidence_is_promoted(desk: Desk) -> None:
    """It waits for the vote, then moves; the votes go along into the registry."""
    about = desk.evaluate(desk.register())

    waiting = desk.gate(promote.command, about.digest).exception
    desk.gate(approve.command, about.digest, "--key", desk.key)
    ended = desk.gate(promote.command, about.digest)

    assert isinstance(waiting, Waiting)
    assert waiting.exit_code == 3
    assert ended.exit_code == 0, ended.exception
    assert ended.stdout.splitlines()[0].startswith(f"{desk.model} version 1 is Production (epoch 1, ")
    assert ended.stdout.splitlines()[-1] == "serving was not checked"
    assert desk.aliases == {"production": "1", "previous": "1", "staging": "1"}
    assert len(desk.models.registry.evidence(desk.model).votes(about.digest)) == 1


def test_the_newest_run_is_meant_where_no_digest_is_named(desk: Desk) -> None:
    """And --json prints one document."""
    about = desk.evaluate(desk.register())
    RunFolder.new(desk.folder, about.run_id)
    desk.gate(approve.command, about.digest, "--key", desk.key)

    ended = desk.gate(promote.command, "--json")

    document = json.loads(ended.stdout)
    assert (document["production"], document["standby"], document["already"]) == ("1", None, False)
    assert document["entry"]["evidence"] == about.digest
    assert "serving was not checked" in ended.stderr


def test_evidence_of_another_machine_comes_from_the_registry(desk: Desk) -> None:
    """With its votes; the pipeline is the only one in gates/."""
    about = desk.evaluate(desk.register())
    from lockgate import promotion

    promotion.publish(desk.models.registry, about, desk.folder_of(about))
    desk.folder_of(about).rename(desk.folder / "gone")

    voted = desk.gate(approve.command, about.digest, "--key", desk.key)
    ended = desk.gate(promote.command, about.digest)

    assert (voted.exit_code, ended.exit_code) == (0, 0), (voted.exception, ended.exception)
    assert desk.aliases["production"] == "1"


def test_rejected_or_edited_is_refused(desk: Desk) -> None:
    """Each with its code."""
    version = desk.register()
    rejected, edited = desk.evaluate(version), desk.evaluate(version)
    desk.gate(reject.command, rejected.digest, "--key", desk.key, "--reason", "no")

    veto = desk.gate(promote.command, rejected.digest).exception
    desk.pipeline.write_text(desk.pipeline.read_text() + "description: changed\n")
    changed = desk.gate(promote.command, edited.digest).exception

    assert isinstance(veto, Refused)
    assert isinstance(changed, Refused)
    assert (veto.code, changed.code) == ("rejected", "policy_changed")
    assert "production" not in desk.aliases
