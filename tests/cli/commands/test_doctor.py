"""`gate doctor` tells what was tried, not what is believed."""

from __future__ import annotations

import json

import pytest

from lockgate.cli.main import run
from lockgate.models.isolation import box as boxes
from lockgate.models.isolation.box import Kernel, kernel


@pytest.mark.skipif(not kernel().landlock, reason="this kernel has no Landlock")
def test_what_a_model_can_do_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    """From a box of this machine; the words and the document agree."""
    assert run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    allowed = document["allowed"]
    assert run(["doctor"]) == 0
    text = capsys.readouterr().out

    assert allowed["read a file outside of the box"] is allowed["read the variables of another process"] is False
    assert all(f"{'allowed' if works else 'denied':8} {name}" in text for name, works in allowed.items())
    assert all(f"open     {name}" in text for name in document["open"])
    assert document["kernel"]["namespace"] is ("let this user make namespaces" not in text)


def test_a_machine_without_a_box_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3, and what to do."""
    monkeypatch.setattr(boxes, "kernel", lambda: Kernel(0, namespace=False, seccomp=False))

    assert run(["doctor"]) == 3
    assert "Landlock" in capsys.readouterr().out
