"""Which version asks: every way to say it, on a real registry."""

from __future__ import annotations

import json
import os

import pytest
from mlflow import MlflowClient

from helpers.checkout import BAD, CHAMPION, GOOD, Checkout


@pytest.fixture
def desk(checkout: Checkout) -> Checkout:
    """Version 2 has the alias `candidate`, version 3 the tag `pr`, version 4 was made at the commit that is checked out."""
    checkout.write(candidate={"file": "models/fraud.version"})
    (checkout.folder / "models").mkdir()
    os.mkfifo(checkout.folder / "models" / "pipe")
    (checkout.folder / "models" / "fraud.version").write_text("2\n")
    client = MlflowClient(tracking_uri=checkout.uri, registry_uri=checkout.uri)
    client.set_registered_model_alias("fraud", "candidate", str(GOOD))
    client.set_model_version_tag("fraud", str(BAD), "pr", "123")
    made = client.create_run("0", tags={"mlflow.source.git.commit": checkout.git("rev-parse", "HEAD").strip()})
    source = client.get_model_version("fraud", str(GOOD)).source
    client.create_model_version("fraud", source=source, run_id=made.info.run_id)
    return checkout


def meant(desk: Checkout, *arguments: str) -> str:
    answer = desk.gate("plan", "--json", *arguments)
    assert answer.code == 0, answer.stderr
    found: str = json.loads(answer.stdout)["candidate"]
    return found


def test_every_selector_finds_its_version(desk: Checkout) -> None:
    """The pipeline's own, and each that --candidate knows in its place."""
    head = desk.git("rev-parse", "HEAD").strip()
    (desk.folder / "other.version").write_text("5")

    assert meant(desk) == "2"
    assert meant(desk, "--candidate", "version=4") == "4"
    assert meant(desk, "--candidate", "file=other.version") == "5"
    assert meant(desk, "--candidate", "alias=candidate") == "2"
    assert meant(desk, "--candidate", "tag=pr:123") == "3"
    assert meant(desk, "--candidate", "newest") == "9"
    assert meant(desk, "--candidate", "git_commit=head") == "9"
    assert meant(desk, "--candidate", f"git_commit={head[:9]}") == "9"


@pytest.mark.parametrize(
    ("selector", "code", "said"),
    [
        ("version=77", 4, "version 77"),
        ("version=0", 4, "version 0"),
        ("alias=nobody", 4, "no version of fraud has the alias 'nobody'"),
        ("tag=pr:7", 4, "no version of fraud has the tag pr=7"),
        ("git_commit=0123456789", 4, "no version of fraud was made at commit 0123456789"),
        ("file=models/pipe", 2, "candidate file models/pipe cannot be read: it is a named pipe, no regular file"),
        ("file=absent", 2, "candidate file absent cannot be read"),
        ("file=gates/fraud.yaml", 2, "write one integer into it, the version"),
        ("version=two", 2, "'two' cannot be a version of fraud"),
        ("versoin=2", 2, "--candidate 'versoin=2' names no version"),
        ("two", 2, "write version=8, alias=name, file=PATH, git_commit=HASH, tag=key:value or newest"),
        ("tag=pr", 2, "--candidate 'tag=pr' names no version"),
        ("tag=:123", 2, "--candidate 'tag=:123' names no version"),
        ("alias=", 2, "--candidate 'alias=' names no version"),
        ("newest=no", 2, "--candidate 'newest=no' names no version"),
    ],
)
def test_what_names_no_version_is_refused(desk: Checkout, selector: str, code: int, said: str) -> None:
    """With what would, or with what is missing in the registry."""
    answer = desk.gate("plan", "--candidate", selector)

    assert (answer.code, answer.stdout) == (code, "")
    assert said in answer.stderr


def test_a_pipeline_without_candidate_needs_one(desk: Checkout) -> None:
    """It says both ways."""
    desk.write(candidate=None)

    answer = desk.gate("run")

    assert answer.code == 2
    assert "add candidate: or call with --candidate version=8" in answer.stderr


def test_the_plan_says_which_lines_are_asked(desk: Checkout) -> None:
    """Those that need a champion only where there is one."""
    first = desk.gate("plan")
    desk.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    second = desk.gate("plan")

    assert first.stdout.startswith("fraud: candidate version 2 against no champion yet\n")
    assert "  auc >= champion - 0.05 on each slice\n    not compared: there is no champion yet\n" in first.stdout
    assert second.stdout.startswith("fraud: candidate version 2 against champion version 1\n")
    assert "not compared" not in second.stdout
    assert not (desk.folder / ".gate").exists()
