"""What is called, in order: each act is one recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from recordings.schema import unnamed
from recordings.stage import Stage, parsed

# Before anything was promoted.
EARLY = (
    "status fraud", "history fraud", "history fraud --at yesterday", "history fraud --at 2020-01-01T00:00Z", "verify fraud",
    "archive fraud", "rollback fraud --reason again", "rollback fraud --reason again --key olga",
    "rollback fraud --reason again --to 7 --key olga", "adopt fraud --version 99 --reason again", "status sliced",
    "verify fraud --repair --yes",
)  # fmt: skip
ACTION = "acme/lockgate@" + "ab" * 20


def checking(stage: Stage) -> None:
    """The story's own pipelines: that they are right, and their policies' digests."""
    stage.call("check", "--json")
    stage.call("kinds", "--json")
    stage.note("schema", unnamed(json.loads(stage.gate("schema")[1])))


def misusing(stage: Stage) -> None:
    """Calls that are wrong, and the code that each ends with."""
    nobody = "sha256:" + "0" * 64
    for words in (
        "", "--help", "--version", "rnu", "run --no-such-option", "run gates/absent.yaml", "run", "check gates/absent.yaml",
        "run gates/fraud.yaml --only nothing", "run gates/fraud.yaml --candidate versoin=2",
        "run gates/fraud.yaml --candidate version=99", "run gates/fraud.yaml --resume", "plan", "plan gates/fraud.yaml --disagreement 2",
        "plan gates/fraud.yaml --score", "approve", f"approve {nobody} --key olga", "approve 12 --key olga",
        f"promote {nobody} --pipeline gates/fraud.yaml", "promote --proof a --prove-only b", "promote 12", "promote",
        "rollback fraud", "rollback fraud --reason again --key olga", "rollback nobody --reason again",
        "rollback fraud --reason again --key olga --vote v", "rollback fraud --reason again --sign-only v",
        "adopt fraud --version 99 --reason again --json", "adopt fraud --version x --reason again", "archive fraud --json",
        "status nobody", "status sliced", "status fraud --json", "history fraud --json", "history fraud --at yesterday",
        "verify fraud --json", *(f"{words} --json --pipeline gates/fraud.yaml" for words in EARLY), "verify", "report", "report --format pdf", f"report {nobody}", "init", "init --action x",
        "init --model m --query q --task binary", "demo --folder gates", "github", "github run", "github nothing",
    ):  # fmt: skip
        stage.call(*words.split())
    script = Path(sys.executable).with_name("gate")
    for words in ("--version", "check gates/absent.yaml", "rnu"):
        ended = subprocess.run([script, *words.split()], check=False, capture_output=True)
        stage.note(f"the script, called with {words}", ended.returncode)


def measuring(stage: Stage) -> None:
    """Runs of every task that pass, fail, are undecided and break."""
    for name in (
        "merged",
        "blocked",
        "observed",
        "empty",
        "missing",
        "unanswered",
        "logged",
        "tickets",
        "prices",
        "search",
    ):
        stage.call("run", f"gates/{name}.yaml", "--json")
        if name == "missing":  # its data: no run was begun
            continue
        stage.note_run(f"run of {name}", whole=False)
        stage.note_junit(f"junit of {name}", stage.gate("report", "--format", "junit")[1])
    stage.call("run", "gates/logged.yaml", "--only", "metadata", "--observe", "--json", "--candidate", "version=2")
    for name in ("sliced", "prices", "search", "tickets", "fraud"):
        stage.call("plan", f"gates/{name}.yaml", "--json")


def accepting(stage: Stage) -> None:
    """A run that leaves something undecided, waivers, small slices; a vote that accepts, and a budget that ends."""
    pipeline = ["--pipeline", "gates/sliced.yaml"]  # several name the model, and evidence names none
    stage.call("run", "gates/sliced.yaml", "--stage", moves="sliced")
    stage.note_run("evidence")
    digest = stage.digest
    for form in ("junit", "json"):
        stage.note(f"report --format {form}", None)
        text = stage.gate("report", digest, "--format", form)[1]
        stage.note_junit("junit", text) if form == "junit" else stage.note(
            "counts", {key: value for key, value in json.loads(text).items() if key != "evidence"}
        )
    asks = len(json.loads((stage.run / "evidence.json").read_text())["asks"])
    stage.note("asks", asks)
    stage.call("promote", digest, "--json", *pipeline)
    stage.call("approve", digest, "--key", "mallory", *pipeline)
    stage.call("approve", digest, "--key", "olga", *pipeline)
    stage.call("approve", digest, "--key", "olga", "--accepting", asks + 1, *pipeline)
    stage.call("approve", digest, "--key", "olga", "--accepting", asks, "--reason", "we know them", *pipeline)
    stage.note_votes("votes", stage.run / "votes")
    stage.call("promote", digest, "--json", *pipeline, moves="sliced")
    stage.call("run", "gates/sliced.yaml", "--only", "asking", "--json")
    stage.call("run", "gates/merged.yaml", "--stage", moves="sliced")
    stage.call("run", "gates/sliced.yaml", "--stage", moves="sliced")
    stage.note_run("evidence of the third look")
    stage.call("status", "sliced", "--json", *pipeline)


def promoting(stage: Stage) -> None:
    """Adopted, evaluated, approved, promoted, rolled back, overridden, archived, and held against each other."""
    keys = ["--key", "olga"]
    pipeline = ["--pipeline", "gates/fraud.yaml"]
    stage.call("adopt", "fraud", "--version", 1, "--reason", "it runs", "--json", *pipeline, moves="fraud")
    stage.call("run", "gates/fraud.yaml", "--stage", moves="fraud")
    stage.note_run("evidence")
    stage.note_junit("junit", stage.gate("report", "--format", "junit")[1])
    first = stage.digest
    stage.call("promote", first, "--json", *pipeline)
    stage.call("approve", first, *keys, "--reason", "looks right", "--out", "vote.json", *pipeline)
    stage.note("vote.json", _vote(stage.folder / "vote.json"))
    stage.call("approve", first, *keys, "--reason", "looks right", *pipeline, moves="fraud")
    stage.call("reject", first, "--key", "otto", "--reason", "not on a Friday", *pipeline, moves="fraud")
    stage.note_votes("votes", stage.run / "votes")
    stage.call("promote", first, "--json", *pipeline, moves="fraud")
    stage.call("status", "fraud", "--json", *pipeline)

    stage.call("run", "gates/fraud.yaml", "--stage", moves="fraud")
    second = stage.digest
    stage.call("approve", second, *keys, "--reason", "on Monday", *pipeline, moves="fraud")
    stage.call("promote", second, "--prove-only", "proof.json", "--json", *pipeline)
    stage.note("proof.json", json.loads((stage.folder / "proof.json").read_text()))
    stage.call("promote", second, "--proof", "proof.json", "--json", *pipeline, moves="fraud")
    stage.call("promote", second, "--json", *pipeline, moves="fraud")
    stage.call("status", "fraud", "--json", *pipeline)
    stage.call("rollback", "fraud", "--reason", "complaints", "--json", *pipeline)
    stage.call("rollback", "fraud", "--reason", "complaints", *keys, "--sign-only", "word.json", "--json", *pipeline)
    stage.note("word.json", _vote(stage.folder / "word.json"))
    stage.call("rollback", "fraud", "--reason", "complaints", "--vote", "word.json", "--json", *pipeline, moves="fraud")
    stage.call("promote", second, "--json", *pipeline)

    stage.call("run", "gates/fraud.yaml", "--candidate", "version=3", "--stage", moves="fraud")
    stage.note_run("evidence of a ruined slice")
    third = stage.digest
    stage.call("approve", third, *keys, "--reason", "all the same", *pipeline)
    stage.call("promote", third, "--override", "--json", *pipeline)
    stage.call("override", third, "--key", "mallory", "--reason", "it must go through", *pipeline)
    stage.call("override", third, *keys, "--reason", "it must go through", *pipeline, moves="fraud")
    stage.note_votes("votes for the night", stage.run / "votes")
    stage.call("promote", third, "--json", *pipeline)
    stage.call("promote", third, "--override", "--json", *pipeline, moves="fraud")
    stage.call("status", "fraud", "--json", *pipeline)
    time.sleep(1.1)  # the soak of the pipeline, which nothing else can shorten
    stage.call("archive", "fraud", "--json", *pipeline, moves="fraud")
    stage.call("archive", "fraud", "--json", *pipeline)
    stage.call("rollback", "fraud", "--to", 2, "--reason", "no standby", *keys, "--json", *pipeline)
    stage.call(
        "rollback", "fraud", "--to", 2, "--withdrawn-ok", "--reason", "the old one", *keys, "--json", *pipeline,
        moves="fraud",
    )  # fmt: skip
    entries = json.loads(stage.call("history", "fraud", "--json", *pipeline)["stdout"])["entries"]
    for entry in entries[2:6]:
        stage.call("history", "fraud", "--at", entry["at"], "--json", *pipeline)
    stage.call("history", "fraud", "--at", "2020-01-01T00:00Z", "--json", *pipeline)
    stage.call("history", "fraud", "--at", "2090-01-01T00:00Z", "--json", *pipeline)
    stage.call("verify", "fraud", "--json", *pipeline)
    stage.call("verify", "fraud", "--export", "ledger.json", "--json", *pipeline)
    stage.note("ledger.json", _unfolded(json.loads((stage.folder / "ledger.json").read_text())))
    stage.call("verify", "--ledger", "ledger.json", "--json")
    _move_by_hand(stage)
    stage.call("verify", "fraud", "--json", *pipeline)
    stage.call("status", "fraud", "--json", *pipeline)
    stage.call("verify", "fraud", "--repair", "--yes", "--reason", "by hand", "--json", *pipeline, moves="fraud")
    stage.call("verify", "fraud", "--json", *pipeline)


def integrating(stage: Stage) -> None:
    """What is written for GitHub: workflows, their jobs, and what a step tells the steps after it."""
    stage.call(
        "init",
        "--model",
        "visits",
        "--task",
        "regression",
        "--data",
        "data/holdout.parquet",
        "--github",
        "--action",
        ACTION,
        "--yes",
    )
    stage.call("init", "--model", "visits", "--task", "regression", "--yes")
    stage.note("gates/visits.yaml", yaml.safe_load((stage.folder / "gates/visits.yaml").read_text()))
    stage.call("check", "gates/visits.yaml", "--json")
    for path in sorted((stage.folder / ".github/workflows").iterdir()):
        stage.note(path.name, _workflow(yaml.safe_load(path.read_text())))
    output = stage.folder / "output"
    for words in (
        "run --pipeline gates/prices.yaml --evidence uploaded",
        "run --pipeline gates/unanswered.yaml --evidence broken",
        "archive --pipeline gates/fraud.yaml --model fraud",
        "rollback --pipeline gates/fraud.yaml --model fraud --reason again",
    ):
        output.unlink(missing_ok=True)
        os.environ["GITHUB_OUTPUT"] = str(output)
        stage.call("github", *words.split())
        os.environ.pop("GITHUB_OUTPUT", None)
        stage.note("outputs", sorted(output.read_text().splitlines()) if output.exists() else None)
    files = (stage.folder / "uploaded").rglob("*")
    stage.note(
        "what is uploaded", sorted(path.relative_to(stage.folder).as_posix() for path in files if path.is_file())
    )


def _vote(path: Path) -> dict[str, Any]:
    return {"vote": json.loads(path.read_bytes()), "signed": path.with_name(path.name + ".sig").is_file()}


def _unfolded(value: Any) -> Any:
    """Entries are kept as texts, whose bytes are hashed: each as what it says, and whether its bytes are canonical."""
    if isinstance(value, dict):
        return {key: _unfolded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unfolded(inner) for inner in value]
    return parsed(value) if isinstance(value, str) else value


def _move_by_hand(stage: Stage) -> None:
    from recordings.shelf import registry_of

    with registry_of(stage.folder) as client:
        client.set_registered_model_alias("fraud", "production", "5")
        client.set_model_version_tag("fraud", "1", "lockgate.state", "production")


def _workflow(document: Mapping[Any, Any]) -> dict[str, Any]:
    """What others refer to: names, triggers, jobs and steps with their ids, inputs, outputs and permissions."""
    keys = ("name", "needs", "if", "permissions", "outputs", "environment", "concurrency")
    jobs = {}
    for job, content in document["jobs"].items():
        steps = [{key: step[key] for key in ("id", "uses", "with", "env") if key in step} for step in content["steps"]]
        jobs[job] = {**{key: content[key] for key in keys if key in content}, "steps": steps}
    # YAML 1.1 reads the key `on` as true
    return {"name": document.get("name"), "on": document.get("on", document.get(True)), "jobs": jobs}
