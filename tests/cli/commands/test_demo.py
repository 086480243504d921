"""The demo where the machine that plays it is busy: undecided is not the end of the story, a fail is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lockgate.cli.commands import demo
from lockgate.evidence.finding import Verdict

UNDECIDED, PASSED = {"metrics": Verdict.PASS, "latency": Verdict.INCONCLUSIVE}, {"metrics": Verdict.PASS}


def story(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: list[int], gates: dict[str, Verdict]) -> Any:
    """A story whose runs end with these codes, one after the other."""
    left = iter(ends)
    monkeypatch.setattr(demo, "run", lambda _: next(left))
    told = demo._Story(tmp_path)
    evidence = SimpleNamespace(gates=[SimpleNamespace(name=name, verdict=verdict) for name, verdict in gates.items()])
    monkeypatch.setattr(told, "newest", lambda: (evidence, tmp_path))
    return told


@pytest.mark.parametrize(("ends", "said"), [([0], 0), ([3, 0], 1), ([3, 3, 3, 0], 3)])
def test_a_run_that_noise_left_undecided_is_repeated(
    ends: list[int],
    said: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    story(monkeypatch, tmp_path, ends, UNDECIDED).evaluate("The second candidate")

    assert capsys.readouterr().out.count("too busy to show how slow a version is") == said


@pytest.mark.parametrize(
    ("ends", "gates", "message"),
    [
        ([1], {"metrics": Verdict.FAIL}, "the good candidate was stopped: {'metrics': 'fail'}"),
        ([3], {**UNDECIDED, "shadow": Verdict.INCONCLUSIVE}, "'shadow': 'inconclusive'"),
        ([4], {"latency": Verdict.ERROR}, "{'latency': 'error'}"),
        ([3, 3, 3, 3], UNDECIDED, "gate run ended with exit code 3, and the story says 0"),
    ],
)
def test_anything_else_ends_the_demo(
    ends: list[int], gates: dict[str, Verdict], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(demo._UnexpectedEnd, match=message):
        story(monkeypatch, tmp_path, ends, gates).evaluate("The second candidate")


def test_what_interrupts_a_run_interrupts_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        story(monkeypatch, tmp_path, [130], PASSED).evaluate("The second candidate")
