"""Status says where everything stands, and where the registry says otherwise."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from helpers import moving
from helpers.promoting import CI, NOW, PROMOTION, Clock, Models, evidence, run_folder
from lockgate.promotion.audit.status import ModelStatus, status
from lockgate.promotion.audit.verify import verify
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.holder import Holder, Process
from lockgate.units import minute_text, utc_text
from promotion.test_rollback import Bench

STAGE = ("gate run --stage", "evaluates a candidate, and stages it on a pass")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


@pytest.fixture
def model(models: Models, tmp_path: Path) -> str:
    """A model whose version 1 was adopted."""
    name = models.new()
    for _ in range(2):
        models.register(name)
    moving.adopt(models.registry, name, version="1", reason="it runs", promotion=PROMOTION, actor=CI, clock=Clock())
    return name


def test_where_all_agrees_nothing_is_a_problem(models: Models, model: str) -> None:
    """Who, when and why, for people and for machines."""
    found = status(models.registry, model, promotion=PROMOTION, now=NOW)

    since = minute_text(found.chain.entries[0].at)
    assert found.problems == ()
    assert found.sections == [
        ("Production", [f"version 1 since {since}, adopted by ci (unverified): it runs"]),
        ("Staging", ["nothing"]),
        ("Rollback", ["there is no previous version yet"]),
        ("Problems", ["none"]),
    ]
    assert found.commands == [STAGE]
    document = json.loads(json.dumps(found.to_json()))
    assert document["production"]["version"] == "1"
    assert document["production"]["by"] == CI.to_json()
    assert (document["standby"], document["problems"], document["epoch"]) == (None, [], 1)


def test_an_alias_moved_by_hand_is_named(models: Models, model: str) -> None:
    """With what it should be."""
    models.registry.set_alias(model, "production", "2")

    assert status(models.registry, model, promotion=PROMOTION, now=NOW).problems == (
        "somebody moved an alias by hand: production is 2 and should be 1",
    )


def test_an_unfinished_entry_is_shown_with_its_lease(models: Models, model: str) -> None:
    """Young ones are somebody's work, old ones the next command's."""
    ledger = models.registry.ledger(model)
    entry = read_chain(ledger.keys()).draft("promoted", source="1", target="2", actor=CI, at=NOW, lease=PROMOTION.lease)
    ledger.put_if_absent("epoch-2", entry.bytes.decode())

    assert status(models.registry, model, promotion=PROMOTION, now=NOW).problems == (
        "revision 2 (epoch 2) (promoted by ci (unverified)) is in progress until 2026-11-21T12:01:00.000Z",
    )
    assert "unfinished" in status(models.registry, model, promotion=PROMOTION, now=NOW + timedelta(hours=1)).problems[0]


def test_an_entry_whose_holder_renews_is_in_progress_by_status_and_by_verify(
    models: Models, model: str, tmp_path: Path
) -> None:
    """As for every other command: a switch may last longer than its lease."""
    ledger, later = models.registry.ledger(model), NOW + timedelta(minutes=5)
    entry = read_chain(ledger.keys()).draft("promoted", source="1", target="2", actor=CI, at=NOW, lease=PROMOTION.lease)
    ledger.put_if_absent("epoch-2", entry.bytes.decode())
    ledger.show_holder(Holder(entry.sha256, later, Process.current()).bytes.decode())

    (problem,) = status(models.registry, model, promotion=PROMOTION, now=later).problems
    checked = verify(models.registry, model, promotion=PROMOTION, now=later, scratch=tmp_path)

    assert problem.endswith(" is in progress until 2026-11-21T12:06:00.000Z")
    assert (checked.discrepancies, checked.in_progress, checked.exit_code) == ((), entry, 3)


def test_a_production_without_a_ledger_and_a_broken_ledger_are_problems(models: Models, model: str) -> None:
    """Status shows what it can and does not stop."""
    bare = models.new()
    models.register(bare)
    assert status(models.registry, bare, promotion=PROMOTION, now=NOW).problems == ()
    models.registry.set_alias(bare, "production", "1")
    models.registry.ledger(model).put_if_absent("epoch-2", "nonsense")

    assert "begin with gate adopt" in status(models.registry, bare, promotion=PROMOTION, now=NOW).problems[0]
    assert "epoch-2 cannot be read" in status(models.registry, model, promotion=PROMOTION, now=NOW).problems[0]


@pytest.fixture
def bench(models: Models) -> Bench:
    """Versions 1, 2 and 3 were Production one after the other."""
    return models.prepared(lambda folder: Bench(models, folder))


def look(bench: Bench) -> ModelStatus:
    return status(bench.registry, bench.model, promotion=PROMOTION, now=bench.clock.now)


def test_the_standby_is_worded_by_what_made_it_production(bench: Bench) -> None:
    """Not by the promotion that took its place; and it says how long it stays and how long the others are kept."""
    since = read_chain(bench.registry.ledger(bench.model).keys()).entries[-1].at
    ends = since_done(bench) + PROMOTION.soak

    found = look(bench)

    assert found.sections[2:4] == [
        (
            "Rollback",
            [
                f"version 2 since {minute_text(since)}, promoted by ci (unverified): the policy requires no approval",
                f"stays until {minute_text(ends)}, when version 3 will have held for 48h; then gate archive {bench.model} archives it",
                f"version 1 is kept until {minute_text(since + PROMOTION.retain)}: gate rollback {bench.model} --to 1",
            ],
        ),
        ("Archived", ["1"]),
    ]
    assert found.commands == [(f'gate rollback {bench.model} --reason "…"', "makes version 2 Production again"), STAGE]
    document = found.to_json()
    assert document["standby"]["epoch"] == 2
    assert document["archive_due_at"] == text(ends)
    assert document["retain_until"] == {"1": text(since + PROMOTION.retain)}


def test_a_soak_that_is_over_and_a_retention_that_has_passed_are_said(bench: Bench) -> None:
    """The first asks for gate archive, the second is no longer promised."""
    ends = since_done(bench) + PROMOTION.soak
    bench.clock.forward(days=31)
    due = look(bench)
    moving.archive(bench.registry, bench.model, promotion=PROMOTION, actor=CI, clock=bench.clock)
    after = look(bench)

    assert due.commands[0] == (f"gate archive {bench.model}", f"is due since {minute_text(ends)}")
    assert [len(sentences) for word, sentences in due.sections if word == "Rollback"] == [1]
    word, (first, kept) = after.sections[2]
    assert (word, first) == ("Rollback", "no previous version is left")
    assert re.fullmatch(r"version 2 is kept until \S+ \S+ UTC: gate rollback \S+ --to 2", kept)
    assert after.sections[3] == ("Archived", ["2, 1"])


def test_a_repair_or_a_rollback_does_not_hide_who_let_a_version_in(bench: Bench) -> None:
    """After a rollback Production is worded by it, the standby by what made it Production before."""
    bench.rollback()

    found = look(bench).to_json()

    assert (found["production"]["version"], found["production"]["reason"]) == ("2", "stalls")
    assert (found["standby"]["version"], found["standby"]["reason"]) == ("1", "it runs")


def test_a_previous_version_that_is_staged_again_is_told_as_both(bench: Bench) -> None:
    """By what made it Production where a rollback goes to it, and by what staged it, since then, where it waits."""
    since, before = read_chain(bench.registry.ledger(bench.model).keys()).entries[-1].at, look(bench)
    about = evidence(bench.model, bench.versions[1], champion=bench.versions[2], finished=bench.clock())
    folder = run_folder(about, bench.folder / "staged")
    first, again = (
        moving.record_staging(bench.registry, about, folder=folder, promotion=PROMOTION, actor=CI, clock=bench.clock)
        for _ in range(2)
    )
    staged = first.entry.at

    found = look(bench)

    assert staged > since
    assert found.sections[1] == (
        "Staging",
        [f"version 2 since {minute_text(staged)}, staged by ci (unverified): every requirement was met"],
    )
    assert found.sections[2] == before.sections[2]
    documents = found.to_json()["staging"], found.to_json()["standby"]
    assert [(document["since"], document["epoch"]) for document in documents] == [(text(staged), 4), (text(since), 2)]
    assert again.lines == [f"{bench.model} version 2 is Staging already, since {text(staged)} (ci (unverified))"]


def since_done(bench: Bench) -> datetime:
    return read_chain(bench.registry.ledger(bench.model).keys()).done[3].at


def text(moment: datetime) -> str:
    return utc_text(moment)
