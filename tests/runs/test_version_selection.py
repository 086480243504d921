"""The champion is who holds Production; nobody is compared with nobody where there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, verify
from lockgate.errors import NotFound
from lockgate.pipeline.loader import load
from lockgate.registries.selectors import CandidateSelector
from lockgate.runs.promotion_hooks import repeated_production
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


def test_a_candidate_that_is_production_already_is_named_before_the_run(desk: Desk) -> None:
    """With what was registered since, and what to write where the candidate is named; a newer one passes unnamed."""
    registry, first = desk.models.registry, desk.register()
    by_file = desk.pipeline.read_text().replace("{newest: true}", "{file: models/a b.version}")
    desk.pipeline.write_text(by_file)
    pipeline = load(desk.pipeline, environ={})
    alone = repeated_production(pipeline, registry, [first, first], None)
    second = desk.register()

    already = f"{first} is Production already, so this run promotes nothing new"
    by_number = CandidateSelector(version="1")
    assert alone == [(already, "to evaluate another version: echo VERSION > 'models/a b.version'")]
    assert repeated_production(pipeline, registry, [first, first], None) == [
        (f"{already}; registered since: 2", "to evaluate another version: echo 2 > 'models/a b.version'")
    ]
    assert repeated_production(pipeline, registry, [first, first], by_number) == [
        (f"{already}; registered since: 2", "to evaluate another version: gate run --candidate 2")
    ]
    assert repeated_production(pipeline, registry, [second, first], None) == []
    assert repeated_production(pipeline, registry, [first], None) == []


def test_a_candidate_whose_copy_is_production_is_production_already(desk: Desk) -> None:
    """By its files, as the two have numbers of their own."""
    pipeline, registry = load(desk.pipeline, environ={}), desk.models.registry
    source = replace(desk.register(), digest="sha256:1")
    copy = replace(source, name="elsewhere", version="9")

    assert len(repeated_production(pipeline, registry, [source, copy], None)) == 1
    assert repeated_production(pipeline, registry, [source, replace(copy, digest="sha256:2", version="1")], None) == []
