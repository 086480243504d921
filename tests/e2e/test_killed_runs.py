"""SIGKILL at the steps of `gate run --stage`: what stands, and what the same command with --resume makes of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.checkout import GOOD, SCORED, Checkout
from lockgate.cli import main as cli
from lockgate.promotion.ledger.chain import read_chain
from lockgate.registries.mlflow.registry import MlflowRegistry


def dies(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_file(part: str, number: int = 1) -> Callable[[], None]:
    """Die where a file of such a path is whole and gets its name, for the nth time."""
    left = [number]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and part in str(arguments[1]):
            left[0] -= 1
            if left[0] == 0:
                dies()

    return lambda: sys.addaudithook(hook)


def at_alias() -> None:
    MlflowRegistry.set_alias = dies  # type: ignore[method-assign]


BOTH = ["evidence.json", "evidence.sha256"]
STEPS: dict[str, tuple[Callable[[], None], list[str], int]] = {
    "before the evidence is written": (at_file("/evidence.json"), [], 0),
    "before its last seal": (at_file("/finished.json"), BOTH, 0),
    "before it is published": (at_file("/mlartifacts/"), BOTH, 0),
    "while it is published": (at_file("/mlartifacts/", 3), BOTH, 0),
    "while it is staged": (at_alias, BOTH, 1),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_was_killed_is_finished_by_the_same_command_with_resume(checkout: Checkout, step: str) -> None:
    """At once, as one run: published once, staged once, and nothing of it is left in `.gate/tmp`."""
    prepare, written, published = STEPS[step]
    checkout.write(data={"holdout": SCORED})
    if (child := os.fork()) == 0:
        prepare()
        cli.run(["run", "--stage"])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    run = checkout.run
    stands = [name for name in BOTH if (run / name).exists()]
    before = len(MlflowRegistry(checkout.uri).evidence("fraud").all())

    answer = checkout.gate("run", "--resume", "--stage")

    registry = MlflowRegistry(checkout.uri)
    assert (os.WTERMSIG(status), stands, before) == (signal.SIGKILL, written, published)
    assert answer.code == 0, answer.stderr
    assert (checkout.run, checkout.state["state"]) == (run, "finished")
    assert [facts["digest"] for facts in registry.evidence("fraud").all()] == [checkout.digest]
    entries = read_chain(registry.ledger("fraud").keys()).finished
    assert [(entry.kind, entry.target, entry.evidence) for entry in entries] == [("staged", str(GOOD), checkout.digest)]
    assert registry.aliases("fraud") == {"staging": str(GOOD)}
    assert list(Path(".gate/tmp").iterdir()) == []
