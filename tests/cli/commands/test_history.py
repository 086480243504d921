"""Who moved what, on the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from helpers.desk import Desk
from helpers.promoting import NOW
from lockgate.cli.commands import adopt, history
from lockgate.errors import UsageError
from lockgate.promotion.audit.history import History
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Done, Entry
from lockgate.reports.terminal_layout import Medium
from lockgate.signoff.identity import Identity


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(tmp_path, monkeypatch)
    desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    return desk


def test_the_history_is_a_table_or_a_document(desk: Desk) -> None:
    """One line an entry; --json one document and nothing else."""
    table, document = desk.gate(history.command, desk.model), desk.gate(history.command, desk.model, "--json")

    assert (table.exit_code, document.exit_code) == (0, 0), table.exception
    assert table.stdout.splitlines()[1].split()[0] == "1"
    assert table.stdout.splitlines()[1].endswith("it runs")
    assert json.loads(document.stdout)["entries"][0]["kind"] == "adopted"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_where_the_table_has_no_room_entries_stand_one_under_the_other(width: int, encoding: str) -> None:
    """Newest first, with everything that the table has."""
    who = Identity("unverified", "ci", "ci")
    reason = "it runs – since May, and 数据 of both regions were looked at by everybody who had to look at them"
    entry = Entry(1, None, "adopted", None, "1", who, None, (), reason, NOW, timedelta(minutes=10))
    chain = read_chain({"epoch-1": entry.bytes.decode(), "done-1": Done(1, entry.sha256, who, NOW).bytes.decode()})
    record = History("fraud", NOW, chain, (), (), ("somebody looked away",))
    page = history.history_page(record, Medium(width, encoding)).plain

    assert max(map(cell_len, page.splitlines())) <= width
    assert page.encode(encoding)
    assert page.splitlines()[0] == "   1  adopted 1"
    assert " ".join(page.split()).startswith("1 adopted 1 2026-11-21 12:00:00 UTC, by ci (unverified)")
    assert history.history_page(record, Medium(200)).plain.splitlines() == record.lines


def test_a_moment_needs_its_zone(desk: Desk) -> None:
    """What it was at two o'clock depends on where."""
    for text in ("2026-11-03T02:00", "last night"):
        error = desk.gate(history.command, desk.model, "--at", text).exception
        assert isinstance(error, UsageError)
        assert "2026-11-03T02:00Z" in str(error)


def test_a_moment_before_the_ledger_is_not_known(desk: Desk) -> None:
    """Exit 3: neither yes nor no; a broken ledger is exit 1."""
    early = desk.gate(history.command, desk.model, "--at", "2020-01-01T00:00+01:00")
    document = desk.gate(history.command, desk.model, "--at", "2020-01-01T00:00Z", "--json")
    desk.models.registry.ledger(desk.model).put_if_absent("epoch-2", "nonsense")

    assert early.exit_code == 3
    assert "is not known: the ledger begins on " in early.stdout
    assert json.loads(document.stdout)["known"] is False
    assert desk.gate(history.command, desk.model).exit_code == 1
