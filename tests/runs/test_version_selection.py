"""The champion is who holds Production; nobody is compared with nobody where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, verify
from lockgate.errors import NotFound
from lockgate.pipeline.loader import load
from lockgate.runs.version_selection import select_champion


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_a_production_whose_alias_is_missing_is_an_error(desk: Desk) -> None:
    """Though the pipeline allows that there is no champion: by the registry's stage, then by the ledger; each remedy mends it."""
    pipeline, registry = load(desk.pipeline, environ={}), desk.models.registry
    desk.register()
    assert select_champion(pipeline, registry) is None

    registry.set_stage(desk.model, "1", "Production")
    with pytest.raises(NotFound, match="version 1 stands in the stage Production") as staged:
        select_champion(pipeline, registry)
    assert f"gate adopt {desk.model} --version 1 " in str(staged.value)
    assert desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs").exit_code == 0
    assert str(select_champion(pipeline, registry)) == f"{desk.model} version 1"

    registry.delete_alias(desk.model, "production")
    with pytest.raises(NotFound, match="is Production by the ledger") as lost:
        select_champion(pipeline, registry)
    assert f"gate verify {desk.model} --repair" in str(lost.value)
    assert desk.gate(verify.command, desk.model, "--repair", "--yes").exit_code == 0
    assert str(select_champion(pipeline, registry)) == f"{desk.model} version 1"
