"""What people see while a run works."""

from __future__ import annotations

import time

import pytest

from lockgate.cli.console import GateBoard, Screen
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.reports.terminal_layout import Medium


def test_a_log_says_every_ten_seconds_how_far_a_run_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And how long it will take; what is over in less says nothing."""
    clock = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    with Screen().progress() as progress:
        for second in range(0, 41):
            clock = 100.0 + second
            progress("scoring holdout", second * 1000, 400_000)
        clock += 9
        progress("environment of candidate", 0, None)
        clock += 1
        progress("environment of candidate", 0, None)

    assert capsys.readouterr().err.splitlines() == [
        "gate: scoring holdout: 10,000 of 400,000, about 6 min left",
        "gate: scoring holdout: 20,000 of 400,000, about 6 min left",
        "gate: scoring holdout: 30,000 of 400,000, about 6 min left",
        "gate: scoring holdout: 40,000 of 400,000, about 6 min left",
        "gate: environment of candidate",
    ]


def test_what_is_over_soon_is_not_talked_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on a terminal that shows bars, nor in a log."""
    with Screen().progress() as progress:
        progress("scoring holdout", 1, 2)
        progress("scoring holdout", 2, 2)

    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_line_a_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of it, how far it is and how long that takes, or that it waits; also where it can show neither blocks nor 80 signs."""
    clock = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    board = GateBoard(("signature", "metrics", "latency"))
    clock = 104.0
    board.end(GateResult("signature", "signature", True, Verdict.PASS, "all met"))
    board.update("metrics: scoring holdout", 0, 4000)
    clock = 124.0
    board.update("metrics: scoring holdout", 1000, 4000)

    assert board.page(Medium(80)).plain.splitlines() == [
        "signature  pass          4 s",
        "metrics    scoring holdout  ██████░░░░░░░░░░░░░░░░░░  about 60 s left",
        "latency    waits",
    ]
    assert board.page(Medium(40, "ascii")).plain.splitlines()[1] == "metrics    scoring holdout  ######....."
