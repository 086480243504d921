"""What a machine refuses is never said of the candidate: 1 means that it failed, and a run that could not be kept is 4."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from helpers import full_disk
from helpers.checkout import SCORED, Checkout
from helpers.waiting import GATES, until


def test_a_disk_that_is_full_from_any_write_on_never_says_that_the_candidate_failed(
    checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is told by name, and with room the same command does its work; whatever was reported as done is kept whole."""
    checkout.write(data={"holdout": SCORED})
    whole, *refused = full_disk.play(checkout.folder, tmp_path_factory.mktemp("full"), "run")
    kinds = {re.sub(r"[0-9a-f]{8}|-\w{8}$|\d{8}-\d{6}|\.\w{8}$", "", each.file) for each in refused}

    assert (whole.code, whole.state) == (0, "finished"), whole.said
    assert len(kinds) > 15
    for each in refused:
        assert each.code == 4, each
        assert re.search("No space left on device(.|\n)*make room there|disk is full", each.said), each
        assert "Traceback" not in each.said, each
        assert each.state in ("", "running", "broken", "finished"), each
    assert {each.again for each in refused} == {None, 0}


@pytest.mark.parametrize("kind", ["a file", "a dangling link"])
def test_a_gate_folder_that_is_none_is_named(checkout: Checkout, kind: str) -> None:
    """With what is in the way, and what to do."""
    checkout.write(data={"holdout": SCORED})
    folder = checkout.folder / ".gate"
    folder.touch() if kind == "a file" else folder.symlink_to("nowhere")
    answer = checkout.gate("run")

    assert answer.code == 4
    assert ".gate" in answer.stderr
    assert re.search("move away what lies in its place|remove the link", answer.stderr)


@pytest.mark.parametrize(("redirected", "code"), [(">/dev/full", 4), (">&-", 4), ("2>/dev/full", 0), ("2>&-", 0)])
def test_what_cannot_be_printed_is_an_error_and_progress_is_not_missed(
    checkout: Checkout, redirected: str, code: int
) -> None:
    """Full and closed streams alike."""
    checkout.write()
    ended = subprocess.run(
        ["bash", "-c", f'"$@" {redirected}', "bash", *checkout.command, "check", "gates/fraud.yaml"],
        cwd=checkout.folder,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == code
    assert ("what is printed cannot be written" in ended.stderr) == (code == 4)


def test_signs_that_a_terminal_lacks_end_nothing(checkout: Checkout) -> None:
    """They are shown by number."""
    checkout.write(model="naïve")
    answer = checkout.call("check", "gates/fraud.yaml", PYTHONIOENCODING="ascii")

    assert answer.code == 0, answer.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_what_a_killed_run_leaves_is_removed_by_the_next_which_says_how_it_ended(
    waiting: Checkout, number: signal.Signals, warm_gate: str
) -> None:
    """A hang-up is heeded, as an interrupt; a run that still works keeps what is its own."""
    waiting.write(gates=GATES, data={"holdout": SCORED})
    waiting.command[0] = warm_gate
    process = waiting.start("run")
    until((waiting.folder / "waiting").exists, process)
    (left,) = (waiting.folder / ".gate" / "tmp").iterdir()
    run = waiting.run
    beside = waiting.gate("run", "--only", "metrics")
    assert beside.code == 0, beside.stderr
    assert (left.is_dir(), state(run)) == (True, "running")
    process.send_signal(number)
    process.communicate()
    waiting.gate("run", "--only", "metrics")

    assert list(left.parent.iterdir()) == []
    assert state(run) == ("cut off" if number == signal.SIGKILL else "interrupted")


def state(run: Path) -> str:
    """How a run ended, by its own folder."""
    return str(json.loads((run / "state.json").read_text())["state"])
