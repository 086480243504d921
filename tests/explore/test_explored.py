"""Whatever interleaves and breaks, within the bounds of the scenarios: one Production, and nobody is told what is not so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from explore.remembered import remembered
from explore.scenarios import MIRROR, NIGHT, quick
from explore.world import Explorer, Scenario
from lockgate.promotion import rollback


@pytest.mark.parametrize("scenario", list(quick()), ids=lambda scenario: scenario.name)
def test_every_interleaving_keeps_the_protocol(scenario: Scenario) -> None:
    """Each state once; `make explore` goes deeper."""
    with remembered():
        report = Explorer(scenario).explore()

    assert report.complete
    assert report.states > 100
    assert report.violations == {}


def test_a_rollback_that_takes_any_other_for_its_own_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was once: exit 0, and another version than that which was asked for."""
    monkeypatch.setattr(rollback, "_is_meant", lambda entry, to: entry.kind == "rolled_back")

    with remembered():
        report = Explorer(NIGHT).explore()

    assert "afterwards rollback --to 1 ends with 0 speaks of rolled_back to 3" in report.violations


def test_a_rollback_that_looks_at_aliases_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was once: exit 0, and whoever loads the stage gets the version that a late writer put there."""
    monkeypatch.setattr(rollback, "settle", lambda operator: (operator.read_state(), ()))

    with remembered():
        report = Explorer(replace(MIRROR, preemptions=1)).explore()

    assert any("leaves what is not so: stages are" in violation for violation in report.violations)
