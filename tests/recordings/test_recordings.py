"""What programs read of `gate` is what it was: ids, codes, keys and values, bytes, digests, tags, job names, exit codes.

The story of `play.py` is played once, and each recording is held against the one of the same name in `recorded/`.
Sentences for people are left out (`masks.PROSE`); what differs between equal runs is a placeholder. Where a change is
meant, `PYTHONPATH=tests python -m recordings.play --record` writes them anew, and their diff is what programs will meet.
"""

from __future__ import annotations

import difflib
import json
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RECORDED = sorted(path.stem for path in (HERE / "recorded").glob("*.json"))
ELSEWHERE = {"commenting"}  # can be played only where tests/hub can
MOST = 60  # lines of a difference that are shown


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, warm_python: str, warm_gate: str) -> Path:
    """The folder of what is said now."""
    folder = tmp_path_factory.mktemp("played")
    ended = subprocess.run(
        [warm_gate, "-m", "recordings.play", "--into", str(folder), "--python", warm_python],
        cwd=HERE.parent,  # which is where it imports from
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


def difference(recorded: str, now: str) -> str:
    """The lines that differ, each below the call that it belongs to."""
    lines = list(difflib.unified_diff(recorded.splitlines(), now.splitlines(), "recorded", "said now", "", "", 4, ""))
    return "\n".join([*lines[:MOST], *([f"… and {len(lines) - MOST} lines more"] if len(lines) > MOST else [])])


@pytest.mark.parametrize("name", RECORDED)
def test_programs_read_what_they_read_before(played: Path, name: str) -> None:
    """To the last digit of every float."""
    recorded, now = HERE / "recorded" / f"{name}.json", played / f"{name}.json"
    if name in ELSEWHERE and not now.is_file():
        pytest.skip(f"{name} needs what GitHub publishes, and npm cannot fetch it here")
    assert now.is_file(), f"nothing was said of {name}"
    if json.loads(recorded.read_text()) != json.loads(now.read_text()):
        pytest.fail(difference(recorded.read_text(), now.read_text()), pytrace=False)


def test_everything_that_is_played_is_recorded(played: Path) -> None:
    """A recording that nobody kept would hold nothing."""
    names = {path.stem for path in played.glob("*.json")}

    assert RECORDED
    assert names | ELSEWHERE == set(RECORDED)
