"""Promotion across registered models on the command line: evaluated in one, Production in another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from helpers.desk import Desk
from lockgate.cli.commands import archive, history, promote, rollback, run, status, verify
from lockgate.cli.commands.vote import approve
from lockgate.errors import PipelineError, Refused
from lockgate.pipeline.loader import load

TARGET = "prod.fraud"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path, monkeypatch)
    made.write(f"promotion: {{copy_to: {TARGET}}}\n")
    return made


def _done(result: Result) -> Any:
    assert result.exit_code == 0, result.exception or result.output
    return json.loads(result.stdout)


def _evaluated(desk: Desk) -> str:
    """The digest of a new version that passed its gate and was staged."""
    desk.models.register_documented(desk.model)
    return str(_done(desk.gate(run.command, "--stage", "--json"))["digest"])


def _promoted(desk: Desk, digest: str, *options: object) -> Any:
    desk.gate(approve, digest, "--key", desk.key)
    return _done(desk.gate(promote.command, digest, "--json", *options))


def test_from_the_run_to_production_of_another_model_and_back(desk: Desk) -> None:
    """Every command takes the name of either, and means the one that holds Production."""
    first = _evaluated(desk)
    waiting = _done(desk.gate(status.command, TARGET, "--json"))
    promoted = _promoted(desk, first)
    second = _evaluated(desk)
    compared = json.loads((next((desk.folder / ".gate" / "latest").resolve().glob("evidence.json"))).read_text())
    proof = desk.folder / "proof.json"
    desk.gate(promote.command, second, "--prove-only", proof)
    replaced = _promoted(desk, second, "--proof", proof)
    shown = [_done(desk.gate(status.command, name, "--json")) for name in (TARGET, desk.model)]
    agrees = _done(desk.gate(verify.command, desk.model, "--json"))
    soaking = _done(desk.gate(archive.command, TARGET, "--json"))
    back = _done(desk.gate(rollback.command, TARGET, "--reason", "stalls", "--json"))
    told = _done(desk.gate(history.command, TARGET, "--json"))

    assert (waiting["model"], waiting["staging"]["version"]) == (TARGET, f"{desk.model}/1")
    assert (promoted["model"], promoted["production"]) == (TARGET, "1")
    assert promoted["entry"]["copy_of"]["model"] == desk.model
    assert compared["model"]["champion"]["model"] == TARGET
    assert compared["model"]["name"] == desk.model
    assert json.loads(proof.read_text())["model"] == TARGET
    assert (replaced["production"], replaced["standby"], replaced["entry"]["votes"] != []) == ("2", "1", True)
    assert [(one["model"], one["production"]["version"]) for one in shown] == [(TARGET, "2")] * 2
    assert (agrees["agrees"], agrees["checked"]) == (True, {"entries": 4, "versions": 2, "evidence": 2})
    assert soaking["waits_for"].startswith("version 1 stays the previous version")
    assert (back["production"], back["model"]) == ("1", TARGET)
    assert [entry["kind"] for entry in told["entries"]] == ["rolled_back", "promoted", "staged", "promoted", "staged"]
    assert dict(desk.models.registry.aliases(TARGET)) == {"production": "1"}
    assert desk.aliases == {}


def test_files_that_were_changed_since_are_copied_to_nobody(desk: Desk) -> None:
    """The evaluated digest is what was approved."""
    digest = _evaluated(desk)
    desk.gate(approve, digest, "--key", desk.key)
    (desk.models.files(desk.models.registry.version(desk.model, "1")) / "weights.txt").write_text("others")

    refused = desk.gate(promote.command, digest).exception

    assert isinstance(refused, Refused)
    assert refused.code == "model_changed"
    assert desk.models.registry.ledger(TARGET).keys().keys() == {"epoch-1", "done-1"}


@pytest.mark.parametrize(
    ("name", "message"),
    [("{model}", "copy_to is the model itself"), ("prod/fraud", "cannot be the name of a registered model")],
)
def test_a_copy_goes_to_another_registered_model(desk: Desk, name: str, message: str) -> None:
    """Said by gate check, at its place."""
    desk.write(f"promotion: {{copy_to: {name.format(model=desk.model)}}}\n")

    with pytest.raises(PipelineError, match=message) as refused:
        load(desk.pipeline, environ=None)

    assert "fraud.yaml:12:" in str(refused.value)
