"""Ledger and registry held against each other, on the command line."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, verify
from lockgate.errors import Refused, UsageError
from lockgate.promotion import publish as publishing
from lockgate.runs import lookup


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Version 1 was adopted; 2 waits."""
    desk = Desk(tmp_path, monkeypatch)
    for _ in range(2):
        desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    return desk


def test_verify_is_green_until_somebody_moves_an_alias(desk: Desk) -> None:
    """Exit 1 then; --json is one document and nothing else."""
    good = desk.gate(verify.command, desk.model)
    desk.models.registry.set_alias(desk.model, "production", "2")
    bad, document = desk.gate(verify.command, desk.model), desk.gate(verify.command, desk.model, "--json")

    assert (good.exit_code, bad.exit_code, document.exit_code) == (0, 1, 1), good.exception
    assert good.stdout.startswith(f"{desk.model}: all agrees: 1 entry, 2 versions, 0 published runs\n")
    assert bad.stdout.startswith(f"! the alias production of {desk.model}: it was moved by hand: ")
    found = json.loads(document.stdout)
    assert (found["schema"], found["agrees"]) == ("lockgate/verify/v1", False)
    assert [one["code"] for one in found["found"]] == ["alias_moved"]
    assert found["repairs"] == ["point the alias production to version 1"]
    assert desk.aliases["production"] == "2"


def test_a_repair_is_shown_done_and_recorded(desk: Desk) -> None:
    """Without a terminal nobody is asked, as a schedule could not answer; the reason stands in the ledger."""
    desk.models.registry.set_alias(desk.model, "production", "2")

    ended = desk.gate(verify.command, desk.model, "--repair", "--reason", "a slip", "--json")

    document = json.loads(ended.stdout)
    assert ended.exit_code == 0, ended.exception
    assert ended.stderr.index("will point the alias production to version 1") < ended.stderr.index(
        "version 1 is Production, as the ledger says since "
    )
    assert (document["agrees"], document["repaired"]["entry"]["kind"]) == (True, "repaired")
    assert document["repaired"]["entry"]["reason"] == "a slip"
    assert desk.aliases["production"] == "1"
    again = desk.gate(verify.command, desk.model, "--repair")
    assert (again.exit_code, "nothing to repair" in again.stderr) == (0, True)


def test_each_thing_that_somebody_may_do_by_hand_has_its_name(desk: Desk) -> None:
    """Alias, stage, version, evidence, entry, ledger: done one after the other through MLflow and its database."""
    desk.pipeline.write_text(desk.pipeline.read_text().replace('m.db"}', 'm.db", lifecycle: stages}'))
    second = desk.models.registry.version(desk.model, "2")
    about = desk.evaluate(second, verdict="fail", opens="no")
    publishing.publish(desk.models.registry, about, desk.folder_of(about), now=publishing.finished_at(about))
    mlflow = desk.models.mlflow
    room = mlflow.get_experiment_by_name(f"lockgate-evidence/{desk.model}")
    ledger = mlflow.get_experiment_by_name(f"lockgate-ledger/{desk.model}").tags["ledger_run"]
    desk.gate(verify.command, desk.model, "--repair", "--reason", "stages are new here")

    def edit_the_entry() -> None:
        with closing(sqlite3.connect(desk.folder / "m.db")) as database, database:
            edited = "update params set value = replace(value, 'it runs', 'it ran!') where run_uuid = ?"
            assert database.execute(edited, (ledger,)).rowcount

    deeds: dict[str, Callable[[], object]] = {
        "alias_moved": lambda: desk.models.registry.set_alias(desk.model, "production", "2"),
        "stage_moved": lambda: mlflow.transition_model_version_stage(desk.model, "2", "Production"),
        "version_deleted": lambda: mlflow.delete_model_version(desk.model, "1"),
        "evidence_edited": lambda: mlflow.log_text(
            mlflow.search_runs([room.experiment_id])[0].info.run_id, '{"verdict": "pass"}', "evidence.json"
        ),
        "ledger_edited": edit_the_entry,
        "ledger_deleted": lambda: mlflow.delete_run(ledger),
    }

    def found() -> set[str]:
        ended = desk.gate(verify.command, desk.model, "--json")
        named = {str(one["code"]) for one in json.loads(ended.stdout)["found"]}
        assert ended.exit_code == (1 if named else 0), ended.exception
        return named

    assert found() == set()
    for code, do in deeds.items():
        before = found()
        do()
        assert found() - before == {code}


def test_what_cannot_be_repaired_stays_red(desk: Desk) -> None:
    """A retained version that somebody deleted does not come back."""
    desk.models.mlflow.delete_model_version(desk.model, "1")

    ended = desk.gate(verify.command, desk.model)
    repairing = desk.gate(verify.command, desk.model, "--repair")

    assert ended.exit_code == 1
    assert "it was deleted from the registry, and it is Production" in ended.stdout
    assert repairing.exit_code == 1


def test_a_ledger_in_a_file_verifies_offline(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry is opened; what was edited is named, with exit 1."""
    file = desk.folder / "fraud.ledger.json"
    exported = desk.gate(verify.command, desk.model, "--export", file)
    monkeypatch.setattr(lookup, "open_registry", None)

    good = desk.gate(verify.command, "--ledger", file)
    file.write_bytes(file.read_bytes().replace(b"it runs", b"it ran!"))
    bad = desk.gate(verify.command, "--ledger", file, "--json")

    assert (exported.exit_code, good.exit_code, bad.exit_code) == (0, 0, 1), good.exception
    assert good.stdout.startswith(f"{desk.model}: the copy holds together: 1 entry, sha256:")
    assert good.stdout.split()[-1] in exported.stdout
    assert json.loads(bad.stdout)["found"][0]["where"] == "epoch-1"


def test_the_registry_is_held_against_an_earlier_copy(desk: Desk) -> None:
    """One that is whole and of that model."""
    file, other = desk.folder / "fraud.ledger.json", desk.folder / "churn.ledger.json"
    desk.gate(verify.command, desk.model, "--export", file)
    other.write_bytes(file.read_bytes().replace(desk.model.encode(), b"churn"))

    good = desk.gate(verify.command, desk.model, "--ledger", file)
    strange = desk.gate(verify.command, desk.model, "--ledger", other).exception
    file.write_bytes(file.read_bytes().replace(b"it runs", b"it ran!"))
    edited = desk.gate(verify.command, desk.model, "--ledger", file).exception

    assert good.exit_code == 0, good.exception
    assert isinstance(strange, UsageError)
    assert isinstance(edited, Refused)
    assert edited.code == "copy_edited"


def test_something_must_be_named(desk: Desk) -> None:
    """A model, or a copy."""
    for arguments in ([], ["--repair"], ["--export", "x.json"]):
        assert isinstance(desk.gate(verify.command, *arguments).exception, UsageError)
