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

from recordings.last_digits import as_recorded
from recordings.play import text

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
    """To nine digits of every float; the rest is the processor's."""
    recorded, now = HERE / "recorded" / f"{name}.json", played / f"{name}.json"
    if name in ELSEWHERE and not now.is_file():
        pytest.skip(f"{name} needs what GitHub publishes, and npm cannot fetch it here")
    assert now.is_file(), f"nothing was said of {name}"
    before = json.loads(recorded.read_text())
    after = as_recorded(before, json.loads(now.read_text()))
    if before != after:
        pytest.fail(difference(text(before), text(after)), pytrace=False)


def test_a_number_that_differs_by_more_than_its_last_digits_is_another() -> None:
    """And so is one of another kind, a key that came, and an entry that went."""
    recorded = {"low": "-0.01784876698961916", "se": 0.25, "rows": "1200", "tags": ["0.5", "1.5"]}
    near = {"low": "-0.01784876698961905", "se": 0.25000000000000006, "rows": "1200", "tags": ["0.5", "1.5"]}
    others = [{"low": "-0.0178487"}, {"se": "0.25"}, {"se": 0.2500001}, {"rows": "1201"}, {"tags": ["0.5"]}, {"new": 1}]

    assert as_recorded(recorded, near) == recorded
    for other in others:
        assert as_recorded(recorded, near | other) != recorded, other


def test_everything_that_is_played_is_recorded(played: Path) -> None:
    """A recording that nobody kept would hold nothing."""
    names = {path.stem for path in played.glob("*.json")}

    assert RECORDED
    assert names | ELSEWHERE == set(RECORDED)
