"""What a comment below a pull request says to the gate: the votes' grammar, letter by letter, and what is decided."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from recordings.stage import Stage

SUBJECTS = ("training_data", "code_commit", "logged_metrics", "source_run", "requirements")
ASKED = SUBJECTS[:2]  # what an owner may accept by the pipeline
ASKS = ["metadata/r1/overall", "metadata/r2/overall"]
OPEN: dict[str, Any] = {"verdict": "inconclusive", "opens": "by_owner", "asks": ASKS}
UNWHOLE = {**OPEN, "asks": ["metrics/r2/overall", "metrics/r3/country=BR"]}
# (what the evidence says besides, [(who, what they write)])
THREADS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, [("ana", "/gate approve {digest}")]),
    ({}, [("ana", "/gate approve {digest}\nlooks right")]),
    ({}, [("ana", "/gate approve {digest} \n")]),
    ({}, [("ana", "/Gate approve {digest}")]),
    ({}, [("ana", " /gate approve {digest}")]),
    ({}, [("ana", "> /gate approve {digest}")]),
    ({}, [("ana", "/gate approve")]),
    ({}, [("ana", "/gate approve sha256:" + "0" * 64)]),
    ({}, [("ana", "/gate approve {digest} accepting 1 undecided")]),
    ({}, [("mallory", "/gate approve {digest}")]),
    ({}, [("dev", "/gate approve {digest}")]),
    ({}, [("ana", "/gate reject the slice BR")]),
    ({}, [("ana", "/gate reject {digest} the slice BR")]),
    ({}, [("ana", "/gate reject")]),
    ({}, [("ana", "/gate approve {digest}"), ("otto", "/gate reject")]),
    ({}, [("ana", "/gate approve {digest}"), ("ana", "/gate revoke")]),
    ({}, [("ana", "/gate reject"), ("ana", "/gate approve {digest}")]),
    ({}, [("ana", "/gate status")]),
    ({}, [("ana", "/gate dance")]),
    ({}, [("ana", "a fine model")]),
    (OPEN, [("ana", "/gate approve {digest}")]),
    (OPEN, [("ana", "/gate approve {digest} accepting 2 undecided")]),
    (OPEN, [("ana", "/gate approve {digest} accepting 2 undecided\nwe know them")]),
    (OPEN, [("ana", "/gate approve {digest} accepting 1 undecided")]),
    (OPEN, [("ana", "/gate approve {digest} accepting 3 undecided")]),
    (OPEN, [("ana", "/gate approve {digest} accepting 02 undecided")]),
    (OPEN, [("ana", "/gate approve {digest} accepting two undecided")]),
    (OPEN, [("ana", "/gate approve {digest} accepting 2")]),
    ({"verdict": "fail", "opens": "no"}, [("ana", "/gate approve {digest}")]),
    (UNWHOLE, [("ana", "/gate approve {digest} accepting 2 undecided")]),
]  # fmt: skip


def pipeline() -> dict[str, Any]:
    from helpers.hub.emulator import user

    require = [
        {"metric": name, "at_least": 1, **({"if_inconclusive": "ask"} if name in ASKED else {})} for name in SUBJECTS
    ]
    owners = [{"github": name, "id": user(name)["id"]} for name in ("ana", "otto", "dev")]
    return {
        "model": "fraud",
        "task": "binary",
        "registry": {"uri": "${MLFLOW_TRACKING_URI}"},
        "candidate": {"file": "models/fraud.version"},
        "champion": {"alias": "production", "else": "none"},
        "gates": [{"gate": "metadata", "require": require}],
        "signoff": {"groups": {"owners": owners}, "require": {"owners": 1}},
    }


def commenting(stage: Stage) -> None:
    """Each thread below a pull request of its own; the outputs are what the next jobs go by."""
    from helpers.hub.contract import github

    contract = github()
    path = stage.folder / "comments" / "gates" / "fraud.yaml"
    path.parent.mkdir(parents=True)
    (path.parent.parent / ".git").mkdir()
    path.write_text(yaml.dump(pipeline(), sort_keys=False))
    os.chdir(path.parent.parent)
    checked = json.loads(stage.gate("check", "gates/fraud.yaml", "--json")[1])
    policy = checked["pipelines"][0]["policy"]
    stage.note("policy", policy)
    for more, comments in THREADS:
        _thread(stage, contract, policy, more, comments)
    os.chdir(stage.folder)


def _thread(stage: Stage, contract: Any, policy: str, more: dict[str, Any], comments: list[tuple[str, str]]) -> None:
    from helpers.hub.emulator import World
    from helpers.hub.served import Served

    world = World(contract, policy=policy, now=datetime.now(UTC).replace(microsecond=0))
    served = Served(world)
    evidence = world.run_gate(**more, **({"findings": _undecided(more["asks"])} if "asks" in more else {}))
    decisions = []
    for who, body in comments:
        event = world.comment(who, body.format(digest=evidence.digest))
        decisions.append(
            {"by": who, "says": body, "evidence": more.get("opens", "yes"), **_decide(stage, served.api, event)}
        )
        record = Path("record") / "record.jsonl"
        if record.exists():
            world.keep(record.read_bytes())
    served.close()
    stage.note("thread", decisions)


def _undecided(asks: list[str]) -> list[dict[str, Any]]:
    """The findings of the gate where those that are asked about are undecided."""
    from helpers.promoting import evidence

    (gate,) = evidence().document["gates"]
    return [{**found, **({"verdict": "inconclusive"} if found["id"] in asks else {})} for found in gate["findings"]]


def _decide(stage: Stage, api: str, event: dict[str, Any]) -> dict[str, Any]:
    from helpers.hub.emulator import NAME
    from helpers.hub.served import TOKEN

    Path("event.json").write_text(json.dumps(event))
    Path("output").unlink(missing_ok=True)
    own = {
        "GITHUB_REPOSITORY": NAME, "GITHUB_API_URL": api, "GITHUB_EVENT_PATH": "event.json", "GITHUB_OUTPUT": "output",
        "GITHUB_STEP_SUMMARY": "summary", "GATE_TOKEN": TOKEN, "GATE_PIPELINE": "gates/fraud.yaml",
    }  # fmt: skip
    os.environ.update(own)
    code, _, _ = stage.gate("github", "decide", "--record", "record")
    for name in own:
        os.environ.pop(name, None)
    record = Path("record") / "record.jsonl"
    lines = record.read_text().splitlines() if record.exists() else []
    outputs = dict(line.split("=", 1) for line in Path("output").read_text().splitlines())
    return {"exit": code, "outputs": outputs, "record": [json.loads(line) for line in lines]}
