"""Status says where everything stands, and where the registry says otherwise."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from lockgate import standby
from lockgate.audit import status
from lockgate.ledger import read_chain
from promoting import CI, NOW, PROMOTION, Clock, Models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models(f"sqlite:///{folder}/m.db", folder)


@pytest.fixture
def model(models: Models, tmp_path: Path) -> str:
    """A model whose version 1 was adopted."""
    name = models.new()
    for _ in range(2):
        models.register(name)
    standby.adopt(models.registry, name, version="1", reason="it runs", promotion=PROMOTION, actor=CI, clock=Clock())
    return name


def test_where_all_agrees_nothing_is_a_problem(models: Models, model: str) -> None:
    """Who, when and why, for people and for machines."""
    found = status(models.registry, model, now=NOW)

    assert found.problems == ()
    assert found.lines == [
        model,
        "Production  version 1 since 2026-11-21T12:00:00.010Z, adopted by ci (unverified): it runs",
        "Staging     nothing",
        "standby     nothing",
        "  no standby is left: the alias previous equals production",
    ]
    document = json.loads(json.dumps(found.to_json()))
    assert document["production"]["version"] == "1"
    assert document["production"]["by"] == CI.to_json()
    assert (document["standby"], document["problems"], document["epoch"]) == (None, [], 1)


def test_an_alias_moved_by_hand_is_named(models: Models, model: str) -> None:
    """With what it should be."""
    models.registry.set_alias(model, "production", "2")

    assert status(models.registry, model, now=NOW).problems == (
        "somebody moved an alias by hand: production is 2 and should be 1",
    )


def test_an_unfinished_entry_is_shown_with_its_lease(models: Models, model: str) -> None:
    """Young ones are somebody's work, old ones the next command's."""
    ledger = models.registry.ledger(model)
    entry = read_chain(ledger.keys()).draft("promoted", source="1", target="2", actor=CI, at=NOW, lease=PROMOTION.lease)
    ledger.put_if_absent("epoch-2", entry.bytes.decode())

    assert status(models.registry, model, now=NOW).problems == (
        "epoch 2 (promoted by ci (unverified)) is in progress until 2026-11-21T12:10:00.000Z",
    )
    assert "unfinished" in status(models.registry, model, now=NOW + timedelta(hours=1)).problems[0]


def test_a_production_without_a_ledger_and_a_broken_ledger_are_problems(models: Models, model: str) -> None:
    """Status shows what it can and does not stop."""
    bare = models.new()
    models.register(bare)
    assert status(models.registry, bare, now=NOW).problems == ()
    models.registry.set_alias(bare, "production", "1")
    models.registry.ledger(model).put_if_absent("epoch-2", "nonsense")

    assert "begin with gate adopt" in status(models.registry, bare, now=NOW).problems[0]
    assert "epoch-2 cannot be read" in status(models.registry, model, now=NOW).problems[0]
