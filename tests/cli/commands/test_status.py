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
from lockgate.cli.commands import adopt, status
from lockgate.cli.commands.vote import approve
from lockgate.evidence.evidence import Evidence
from lockgate.promotion.audit.status import ModelStatus
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Done, Entry
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
        "Wrong       nothing",
        f"Next        gate approve {about.digest[:19]}",
        "              approves version 1",
    ]
    assert approved[4] == "            it is approved, and waits to be promoted"
    assert approved[6] == f"Next        gate promote {about.digest[:19]}"


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

    page = status.status_page(state, status.Waiting(reason), Medium(width, encoding), signed=False).plain

    assert max(map(cell_len, page.splitlines())) <= width
    assert page.encode(encoding)
