"""Play the story through the command line, and write down what programs read of it.

PYTHONPATH=tests python -m recordings.play --record          # rewrite what the tests compare with
PYTHONPATH=tests python -m recordings.play --into FOLDER     # write it elsewhere
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from recordings.last_digits import as_recorded

ROOT = Path(__file__).parent.parent.parent
RECORDED = Path(__file__).parent / "recorded"
FOREIGN = re.compile(
    r"(GITHUB_|GITLAB_|JENKINS_|BUILD_|CI$|CI_|GATE_|MLFLOW_|\w+_NUM_THREADS$|NO_COLOR$|FORCE_COLOR$|TTY_|SSH_)"
)
_PLACE = re.compile(r"(\S+?\.(?:yaml|py):\d+:\d+): ")


def main() -> None:
    options = argparse.ArgumentParser(description="Play the story.")
    options.add_argument("--into", type=Path, default=None)
    options.add_argument("--record", action="store_true")
    options.add_argument("--only", action="append", default=[], help="Play these recordings alone.")
    options.add_argument("--python", help="The interpreter of the models, if it is not the one that plays.")
    options.add_argument("--aloud", action="store_true", help="Print what people are told.")
    chosen = options.parse_args()
    folder = RECORDED if chosen.record else chosen.into
    if folder is None:
        options.error("say --record, or --into FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.absolute()
    alone(chosen.python)
    with tempfile.TemporaryDirectory(prefix="story-") as scratch:
        play(Path(scratch).resolve(), folder, only=chosen.only, aloud=chosen.aloud)
        os.chdir(ROOT)


def alone(python: str | None) -> None:
    """Nobody's settings but ours; models answer in `python`, else in the interpreter that plays."""
    for name in list(os.environ):
        if FOREIGN.match(name) or name == "PYTHONPATH":  # this process has it already
            del os.environ[name]
    own = {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "VIRTUAL_ENV": sys.prefix,
        "COLUMNS": "120",
    }
    os.environ.update(own if python is None else {**own, "GATE_PYTHON": python})


def play(scratch: Path, folder: Path, *, only: list[str], aloud: bool) -> None:
    """Everything, in one process and one registry; `folder` gets a file a recording."""
    from recordings import commenting, findings, story
    from recordings.stage import Gate, Stage

    if not only or "findings" in only:
        write(folder / "findings.json", findings.measure())
    if not only or "policies" in only:
        os.chdir(ROOT)
        write(folder / "policies.json", policies(Gate()))
    acts = {
        name: act
        for name, act in (
            ("checks", story.checking),
            ("misuse", story.misusing),
            ("runs", story.measuring),
            ("accepting", story.accepting),
            ("promoting", story.promoting),
            ("integrating", story.integrating),
            ("commenting", commenting.commenting),
        )
        if not only or name in only
    }
    if not acts:
        return
    stage = Stage(scratch, aloud=aloud)
    for name, act in acts.items():
        start = len(stage.records)
        try:
            act(stage)
        except pytest.skip.Exception as lacking:
            print(f"{name} cannot be played here: {lacking}", file=sys.stderr)
            continue
        masks = stage.masks()
        write(folder / f"{name}.json", [masks.plain(record) for record in stage.records[start:]])


def policies(gate: Any) -> list[dict[str, Any]]:
    """The digest of every pipeline that is right, and where each wrong one is wrong."""
    records = []
    for folder in ("gates", "tests/pipelines/good", "tests/pipelines/parents"):
        paths = sorted(Path(folder).glob("*.y*ml"))
        code, out, _ = gate("check", "--json", *paths)
        checked = json.loads(out)["pipelines"]
        records.append({"folder": folder, "exit": code})
        records += [_checked(entry) for entry in checked]
    for path in sorted(Path("tests/pipelines/bad").glob("*.yaml")):
        code, out, _ = gate("check", "--json", path)
        records.append({"exit": code, **_checked(json.loads(out)["pipelines"][0])})
    return records


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    places = [match[1] if (match := _PLACE.match(text)) else "<text>" for text in entry["complaints"]]
    return {**entry, "complaints": places, "notes": len(entry["notes"])}


def write(path: Path, records: list[Any]) -> None:
    """Over a recording of before, whose numbers stay where they are the same but for their last digits."""
    before = json.loads(path.read_text()) if path.is_file() else None
    path.write_text(text(as_recorded(before, json.loads(text(records)))))


def text(records: list[Any]) -> str:
    return json.dumps(records, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
