"""Where everything stands, on the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from helpers import moving
from helpers.desk import Desk
from helpers.promoting import CI, NOW, PROMOTION
from lockgate.cli.commands import adopt, history, status
from lockgate.cli.commands.vote import approve
from lockgate.errors import UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.promotion.audit.status import ModelStatus
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Done, Entry
from lockgate.promotion.publish import publish
from lockgate.registries.ports import ModelVersion
from lockgate.reports.terminal_layout import Medium
from lockgate.runs.run import now
from lockgate.signoff.identity import Identity


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_status_is_green_until_somebody_moves_an_alias(desk: Desk) -> None:
    """Exit 1 then, and the document names it."""
    for _ in range(2):
        desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")

    good = desk.gate(status.command, desk.model)
    desk.models.registry.set_alias(desk.model, "production", "2")
    bad = desk.gate(status.command, desk.model, "--json")

    assert (good.exit_code, bad.exit_code) == (0, 1), good.exception
    assert "Production  version 1 since" in good.stdout
    assert json.loads(bad.stdout)["problems"] == ["somebody moved an alias by hand: production is 2 and should be 1"]


def test_status_says_for_whom_what_is_staged_waits(desk: Desk) -> None:
    """With the command of whoever it is: first an owner, then whoever promotes."""
    about = staged(desk)

    waiting = desk.gate(status.command, desk.model).stdout.splitlines()
    desk.gate(approve, about.digest, "--key", desk.key)
    approved = desk.gate(status.command, desk.model).stdout.splitlines()

    assert waiting[3].startswith("Staging     version 1 since ")
    assert waiting[4] == "            it waits: 1 approval of owners missing"
    assert waiting[5:] == [
        "Problems    none",
        f"Next        gate approve {about.digest[:19]}",
        "              approves version 1",
    ]
    assert approved[4] == "            it is approved, and waits to be promoted"
    assert approved[6] == f"Next        gate promote {about.digest[:19]}"


def test_status_says_of_what_is_staged_that_no_signature_promotes_it(desk: Desk) -> None:
    """As approve and promote do, and what to do: after a run that failed, and after its policy changed."""
    about = staged(desk)
    failed = desk.evaluate(ModelVersion(desk.model, "1"), verdict="fail", opens="no")
    publish(desk.models.registry, failed, desk.folder_of(failed), now=now())
    after_fail = desk.gate(status.command, desk.model).stdout
    desk.pipeline.write_text(desk.pipeline.read_text().replace("gate: metadata", "gate: metadata\n    name: card"))
    after_change = desk.gate(status.command, desk.model).stdout

    assert (
        f"it cannot be promoted: version 1 was evaluated again on {failed.document['run']['finished_at']} (fail), as"
        in " ".join(after_fail.split())
    )
    assert (
        "it cannot be promoted: the pipeline is not the one that was evaluated: its policy has changed since"
        in " ".join(after_change.split())
    )
    assert about.digest[:19] not in after_fail + after_change


def test_status_takes_the_only_model_and_lists_them_where_there_are_several(desk: Desk) -> None:
    """As other commands take the only pipeline; so does history."""
    desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")

    assert desk.gate(status.command).stdout.startswith(f"{desk.model}  ")
    assert "it runs" in desk.gate(history.command).stdout
    (desk.folder / "gates" / "churn.yaml").write_text("model: churn\nbroken: true\n")
    with pytest.raises(UsageError, match=f"of several models: churn, {desk.model}"):
        raise desk.gate(status.command).exception or AssertionError
    desk.pipeline.unlink()
    (desk.folder / "gates" / "churn.yaml").unlink()
    with pytest.raises(UsageError, match="no pipeline in gates/ says which model is meant"):
        raise desk.gate(status.command).exception or AssertionError


@pytest.mark.parametrize(
    ("candidate", "call", "purpose"),
    [
        ("{newest: true}", "gate run --stage", "once there is a newer version: version 1, the newest, is Production already"),
        (
            "{file: fraud.version}", "echo VERSION > fraud.version && gate run --stage",
            "evaluates another version: version 1, the pipeline's candidate, is Production already",
        ),
        (
            "{version: 1}", "gate run --stage --candidate VERSION",
            "evaluates another version: version 1, the pipeline's candidate, is Production already",
        ),
    ],
)  # fmt: skip
def test_what_comes_next_is_no_run_of_what_is_production_already(
    desk: Desk, candidate: str, call: str, purpose: str
) -> None:
    """It names what to change so that another version becomes the candidate."""
    desk.register()
    (desk.folder / "fraud.version").write_text("1\n")
    desk.pipeline.write_text(desk.pipeline.read_text().replace("{newest: true}", candidate))
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")

    assert desk.gate(status.command).stdout.splitlines()[-2:] == [f"Next        {call}", f"              {purpose}"]


def test_what_comes_next_names_the_candidate_that_is_not_production(desk: Desk) -> None:
    """And the pipeline, where there are several."""
    desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    desk.register()
    (desk.folder / "gates" / "churn.yaml").write_text("model: churn\n")

    assert desk.gate(status.command, desk.model).stdout.splitlines()[-2:] == [
        "Next        gate run gates/fraud.yaml --stage",
        "              evaluates version 2, and stages it on a pass",
    ]


def test_where_comments_alone_approve_a_pull_request_is_what_comes_next(desk: Desk) -> None:
    """No run of a machine could be approved, so none is advised."""
    text = desk.pipeline.read_text()
    owner = text.partition("owners: [{")[2].partition("}]")[0]
    text = text.replace(owner, "github: ana, id: 1071").replace("{newest: true}", "{file: models/m.version}")
    desk.pipeline.write_text(text)

    assert " ".join(desk.gate(status.command, desk.model).stdout.split()).endswith(
        "Next open a pull request that changes models/m.version the gates run there, and its comment has the line that approves; "
        "an empty line behind a number that it has already is a change"
    )


def staged(desk: Desk) -> Evidence:
    about = desk.evaluate(desk.register())
    moving.record_staging(
        desk.models.registry, about, folder=desk.folder_of(about), promotion=PROMOTION, actor=CI, clock=now
    )
    return about


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_page_fits_the_terminal(width: int, encoding: str) -> None:
    """But for commands, which stay whole so that they can be copied."""
    reason = "it runs – since May, and 数据 of both regions were looked at by everybody who had to look at them"
    who = Identity("unverified", "ci", "ci")
    entry = Entry(1, None, "adopted", None, "1", who, None, (), reason, NOW, timedelta(minutes=10))
    chain = read_chain({"epoch-1": entry.bytes.decode(), "done-1": Done(1, entry.sha256, who, NOW).bytes.decode()})
    state = ModelStatus("fraud", NOW, PROMOTION, chain, chain.standing, {}, (f"{reason} is wrong",))

    page = status.status_page(state, status.Waiting(reason), Medium(width, encoding), commands=state.commands).plain

    assert max(map(cell_len, page.splitlines())) <= width
    assert page.encode(encoding)
