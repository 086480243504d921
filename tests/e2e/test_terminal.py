"""What a person sees: colours and bars on a terminal, plain lines in a log."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.checkout import METRICS, SCORED, Checkout
from helpers.shelf import alone

ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def desk(shelf: Path, tmp_path_factory: pytest.TempPathFactory, warm_python: str, warm_gate: str) -> Iterator[Checkout]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        alone(monkeypatch)
        folder = tmp_path_factory.mktemp("desk")
        made = Checkout(folder, base=shelf / "mlflow.db", data=shelf / "data", python=warm_python, gate=warm_gate)
        made.write()
        known = {**METRICS, "require": ["auc >= 0.99"]}
        made.write("failing", data={"holdout": SCORED}, gates=[known])
        yield made


def on_a_terminal(desk: Checkout, *arguments: str, **environ: str) -> str:
    """What a terminal receives."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*desk.command, *arguments],
        cwd=desk.folder,
        env=desk.environ({"TERM": "xterm-256color", "COLUMNS": "200", **environ}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    received = b""
    try:
        while more := os.read(ours, 65_536):
            received += more
    except OSError:  # the other side is closed
        pass
    finally:
        os.close(ours)
    running.wait()
    return received.decode()


def test_a_terminal_has_bars_and_colours(desk: Checkout) -> None:
    """A line a gate says what is done and how long it takes, and is gone in the end."""
    seen = on_a_terminal(desk, "run", "gates/fraud.yaml")

    assert "scoring holdout" in seen
    assert f"{ESCAPE}[32mpass" in seen


def test_no_color_is_kept(desk: Checkout) -> None:
    """Whatever the terminal could do."""
    failing = on_a_terminal(desk, "run", "gates/failing.yaml")
    plain = on_a_terminal(desk, "run", "gates/failing.yaml", NO_COLOR="1")

    assert f"{ESCAPE}[1;31mfail" in failing
    assert f"{ESCAPE}[1;31m" not in plain
    assert f"{ESCAPE}[31m" not in plain
    assert "fail" in plain


def test_a_log_has_neither_bars_nor_colours(desk: Checkout) -> None:
    """One line a gate and no escape sequence; sentences are not broken."""
    answer = desk.call("run", "gates/failing.yaml", COLUMNS="40", TERM="xterm-256color")

    lines = answer.stderr.splitlines()
    assert ESCAPE not in answer.stderr
    assert "\r" not in answer.stderr
    assert "scoring" not in answer.stderr
    assert lines[0] == "fraud version 2 against no champion"
    assert lines[1] == "gate: metrics: fail"
    assert max(map(len, lines)) > 40
    assert next(line for line in lines if line.startswith("metrics  fail")).endswith(">= 0.99")
    assert lines[-1].startswith("report   .gate/runs/")
