"""The registry that is explored answers as a real one does: traces of an exploration are played against MLflow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explore.commands import Actor, Rollback
from explore.remembered import remembered
from explore.scenarios import MIRROR, MOVES, NIGHT
from explore.store import Store
from explore.tape import Direct, Ended, Request, play
from explore.world import Explorer
from helpers.promoting import Models
from lockgate.registries.mlflow.registry import MlflowRegistry

Step = tuple[int, Request]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models.fresh(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def explored() -> dict[int, Explorer]:
    """Rollbacks that meet, promotions that do, and stages, with every late, lost and repeated write."""
    explorers = {}
    with remembered():
        for number, scenario in enumerate((NIGHT, MOVES, MIRROR)):
            explorers[number] = Explorer(scenario, seconds=0.7)
            explorers[number].explore()
    return explorers


class Real:
    """A model in MLflow, of which the same requests are made."""

    def __init__(self, models: Models, *, mirrors: bool) -> None:
        self.registry = MlflowRegistry(models.uri, lifecycle="stages" if mirrors else "aliases")
        self.model = models.new()
        for _ in range(5):
            models.register(self.model)

    def answer(self, request: Request) -> Any:
        ledger, words = self.registry.ledger(self.model), request.arguments
        match request.name:
            case "keys":
                return tuple(sorted(ledger.keys().items())), ledger.holder()
            case "aliases":
                return tuple(sorted(self.registry.aliases(self.model).items()))
            case "put":
                return ledger.put_if_absent(*words)
            case "stages":
                return tuple(sorted(self.registry.stages(self.model).by_version.items()))
            case "loaded":
                aliases, latest = self.registry.loaded(self.model)
                return tuple(sorted(aliases.items())), tuple(sorted(latest.by_version.items()))
            case "set_alias" | "delete_alias" | "set_stage":
                return getattr(self.registry, request.name)(self.model, *words)
            case "show_holder":
                return ledger.show_holder(*words)
        return True if request.name == "is_gone" else None


def walk(explorer: Explorer, choices: list[int]) -> list[Step]:
    """Requests that lead on from store to store, as commands of the exploration made them: at which, and what."""
    onward: dict[int, list[tuple[Request, int]]] = {}
    for (store, request), (after, _) in explorer.effects.items():
        onward.setdefault(store, []).append((request, after))
    store, steps = 0, []
    for choice in choices:
        writes = [step for step in onward.get(store, []) if step[1] != store]
        if not writes:
            break
        steps += [(store, request) for request, after in onward[store] if after == store][:2]
        request, after = writes[choice % len(writes)]
        steps.append((store, request))
        store = after
    return steps


@settings(max_examples=6, deadline=None)
@given(number=st.integers(0, 2), choices=st.lists(st.integers(0, 10**6), min_size=10, max_size=45))
def test_a_real_registry_answers_as_the_explored_one(
    models: Models, explored: dict[int, Explorer], number: int, choices: list[int]
) -> None:
    """Each request of a trace, and then a rollback by the real command."""
    explorer, mirrors = explored[number], explored[number].scenario.actors[0].mirrors
    real = Real(models, mirrors=mirrors)
    steps = walk(explorer, choices)
    for at, request in steps:
        _, expected = explorer.stores.values[at].after(request)
        assert real.answer(request) == expected, request

    ended = play(
        lambda tape: Actor("B", (), mirrors=mirrors).run(Rollback("1"), tape), Direct((), 10**6, world=real.answer)
    )

    assert isinstance(ended, Ended)
    keys, _ = real.answer(Request("keys"))
    chain = Store(keys).chain
    assert chain.bad is None
    if ended.fault is None:
        assert chain.standing.production == "1"
        assert dict(real.answer(Request("aliases")))["production"] == "1"
        assert not mirrors or dict(real.answer(Request("stages")))["1"] == "Production"
