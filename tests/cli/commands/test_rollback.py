"""Back again, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import moving
from helpers.desk import Desk
from helpers.promoting import CI, PROMOTION, ssh_key
from lockgate.cli.commands import adopt, history, promote, rollback, status, verify
from lockgate.cli.commands.vote import approve
from lockgate.errors import NotFound, PipelineError, Refused, UsageError, Waiting
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.ports import ModelVersion
from lockgate.runs.run import now
from lockgate.signoff import ssh


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
    assert "Withdrawn   2" in shown.stdout
    another = "once there is a newer version: version 2, the newest, was taken out of Production by a rollback"
    assert shown.stdout.splitlines()[-1].strip() == another


def test_a_withdrawn_version_that_is_staged_anew_is_called_that(desk: Desk) -> None:
    """Where it waits, with the reason of the rollback."""
    promoted(desk)
    desk.gate(rollback.command, desk.model, "--reason", "stalls")
    first, second = (desk.models.registry.version(desk.model, version) for version in "12")
    about = desk.evaluate(second, champion=first)
    moving.record_staging(
        desk.models.registry, about, folder=desk.folder_of(about), promotion=PROMOTION, actor=CI, clock=now
    )

    [line] = [line for line in desk.gate(status.command).stdout.splitlines() if "a rollback took it out" in line]
    assert line.strip().startswith("a rollback took it out of Production on ")
    assert line.endswith(": stalls")


def test_a_reason_is_needed(desk: Desk) -> None:
    """Wrong usage without one."""
    assert desk.gate(rollback.command, desk.model).exit_code == 2


def promoted(desk: Desk, more: str = "") -> ModelVersion:
    """Version 2, which is returned, is Production, and 1 the previous one."""
    if more:
        desk.pipeline.write_text(desk.pipeline.read_text().replace("  require:", f"{more}  require:"))
    first, second = desk.register(), desk.register()
    adopted = desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    ended = desk.gate(promote.command, about.digest)
    assert (adopted.exit_code, ended.exit_code) == (0, 0), (adopted.exception, ended.exception)
    return second


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where nothing of the project is."""
    return tmp_path_factory.mktemp("outside")


def last_entry(desk: Desk) -> dict[str, object]:
    keys = desk.models.registry.ledger(desk.model).keys()
    number = max(int(key.removeprefix("epoch-")) for key in keys if key.startswith("epoch-"))
    entry: dict[str, object] = json.loads(keys[f"epoch-{number}"])
    return entry


@pytest.mark.parametrize("named_by", ["option", "variable"])
def test_a_rollback_needs_no_pipeline(
    desk: Desk, outside: Path, monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    """The registry is named, and it says so; without one the way is told."""
    promoted(desk)
    monkeypatch.chdir(outside)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it, too
    call = [rollback.command, desk.model, "--reason", "stalls"]

    nameless = desk.gate(*call).exception
    if named_by == "variable":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", desk.models.uri)
    else:
        call += ["--registry", desk.models.uri]
    other = desk.gate(rollback.command, "nobody", *call[2:]).exception
    ended = desk.gate(*call)

    assert isinstance(nameless, UsageError)
    assert "or the registry with --registry URI" in str(nameless)
    assert isinstance(other, UsageError if named_by == "variable" else NotFound)
    assert ended.exit_code == 0, ended.exception
    place = "--registry" if named_by == "option" else "MLFLOW_TRACKING_URI"
    assert f"the registry of {place} is meant, and the ledger's rules; traffic is not switched" in ended.stderr
    assert desk.aliases["production"] == "1"
    assert "rollback_owners" not in last_entry(desk)


def test_what_only_reads_the_ledger_needs_no_pipeline_either(
    desk: Desk, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status, history and verify say which registry they mean; what repairs acts by the pipeline."""
    promoted(desk)
    monkeypatch.chdir(outside)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    commands = (status.command, history.command, verify.command)

    nameless = [desk.gate(command, desk.model).exception for command in commands]
    named = [desk.gate(command, desk.model, "--registry", desk.models.uri) for command in commands]
    repairing = desk.gate(verify.command, desk.model, "--registry", desk.models.uri, "--repair").exception
    monkeypatch.setenv("MLFLOW_TRACKING_URI", desk.models.uri)
    found = [desk.gate(command, desk.model) for command in commands]
    others = [desk.gate(command, "nobody").exception for command in commands]

    assert all(isinstance(error, UsageError) and "--registry URI" in str(error) for error in (*nameless, *others))
    for ended, place in [*((each, "--registry") for each in named), *((each, "MLFLOW_TRACKING_URI") for each in found)]:
        assert ended.exit_code == 0, ended.output
        assert f"the registry of {place} is meant, and the usual soak and retention" in ended.stderr
    assert "version 2" in named[0].stdout
    assert "by which --repair could act" in str(repairing)


def test_without_a_pipeline_the_ledger_says_who_must_agree(
    desk: Desk, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An owner by key, on the spot or beforehand; the next entry says it on."""
    promoted(desk, "  rollback: owner\n")
    assert last_entry(desk)["rollback_owners"] == [ssh.public_key(desk.key)]
    monkeypatch.chdir(outside)
    call = [rollback.command, desk.model, "--reason", "stalls", "--registry", desk.models.uri]

    alone = desk.gate(*call).exception
    stranger = desk.gate(*call, "--key", ssh_key(outside, "eve")).exception
    signed = desk.gate(*call, "--key", desk.key, "--sign-only", outside / "vote")
    ended = desk.gate(*call, "--to", 1, "--vote", outside / "vote")

    assert isinstance(alone, Waiting)
    assert alone.code == "owner_needed"
    assert isinstance(stranger, Refused)
    assert stranger.code == "not_an_owner"
    assert (signed.exit_code, ended.exit_code) == (0, 0), (signed.exception, ended.exception)
    assert desk.aliases["production"] == "1"
    assert last_entry(desk)["rollback_owners"] == [ssh.public_key(desk.key)]


def test_owners_whom_the_ledger_cannot_hold_stand_in_the_pipeline(
    desk: Desk, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no pipeline waits for who has."""
    many = ", ".join(f"{{github: somebody{number}, id: {10**12 + number}}}" for number in range(60))
    second = promoted(desk, "  rollback: owner\n")
    desk.pipeline.write_text(desk.pipeline.read_text().replace("owners: [{key", f"owners: [{many}, {{key"))
    about = desk.evaluate(desk.register(), champion=second)
    desk.gate(approve, about.digest, "--key", desk.key)
    third = desk.gate(promote.command, about.digest)
    monkeypatch.chdir(outside)

    waits = desk.gate(rollback.command, desk.model, "--reason", "stalls", "--registry", desk.models.uri).exception

    assert third.exit_code == 0, third.exception
    assert last_entry(desk)["rollback_owners"] == []
    assert isinstance(waits, Waiting)
    assert "stands in the pipeline alone" in str(waits)


def test_a_pipeline_that_is_here_is_not_gone_round(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be read is, but by the option alone; its registry may be named again."""
    promoted(desk)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nowhere.db")
    call = [rollback.command, desk.model, "--reason", "stalls"]

    both = desk.gate(*call, "--registry", desk.models.uri, "--pipeline", desk.pipeline).exception
    elsewhere = desk.gate(*call, "--registry", "sqlite:///nowhere.db").exception
    text = desk.pipeline.read_text()
    desk.pipeline.write_text(text + "  [")
    broken = desk.gate(*call).exception
    ended = desk.gate(*call, "--registry", desk.models.uri)
    desk.pipeline.write_text(text)
    same = desk.gate(*call, "--registry", "sqlite:///m.db").exception

    assert isinstance(both, UsageError)
    assert isinstance(elsewhere, UsageError)
    assert isinstance(broken, PipelineError)
    assert ended.exit_code == 0, ended.exception
    assert isinstance(same, Refused)
    assert same.code == "no_standby"


def test_without_a_pipeline_stages_follow_where_they_mirror(
    desk: Desk, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers may load by them."""
    desk.pipeline.write_text(desk.pipeline.read_text().replace('m.db"}', 'm.db", lifecycle: stages}'))
    promoted(desk)
    monkeypatch.chdir(outside)

    ended = desk.gate(rollback.command, desk.model, "--reason", "stalls", "--registry", desk.models.uri)

    assert ended.exit_code == 0, ended.exception
    mirrored = MlflowRegistry(desk.models.uri, lifecycle="stages").stages(desk.model)
    assert mirrored.by_version == {"1": "Production", "2": "Archived"}
