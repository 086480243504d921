"""A registry on a server says what time it is by the `Date` of its answers, a database says nothing."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from helpers.promoting import Models
from helpers.web import reply, serving
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.mlflow.server_clock import note_date, server_time

_ports = itertools.count(1)


@pytest.fixture
def uri() -> str:
    """Of a server that nobody else has heard of."""
    return f"http://clock.example:{next(_ports)}/mlflow"


def hour_ahead(seconds: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(hours=1, seconds=seconds)


def note(uri: str, moment: datetime) -> None:
    note_date(f"{uri}/api/2.0/mlflow/runs/get", format_datetime(moment, usegmt=True))


def test_the_time_is_that_of_the_server_whatever_this_machine_has(tmp_path: Path) -> None:
    """From the first answer on; user and password of an address make no other server of it."""
    model = {"registered_model": {"name": "fraud"}}
    date = format_datetime(hour_ahead(), usegmt=True)
    with serving(lambda asked, connection: reply(200, model, Date=date, Content_Type="application/json")) as web:
        registry = MlflowRegistry(web.url.replace("//", "//ci:secret@"))
        before = registry.time()
        registry.aliases("fraud")
        after = registry.time()

    assert before is None
    assert after is not None
    assert abs(after - hour_ahead()) < timedelta(minutes=1)
    local = Models.fresh(tmp_path).registry
    local._search("fraud")
    assert local.time() is None


@pytest.mark.parametrize("late", [0.9, 30])
def test_it_never_goes_back_for_a_date_that_is_cut_or_late(uri: str, late: float) -> None:
    """A date is cut to the second, and an answer may take its time."""
    note(uri, hour_ahead())
    before = server_time(uri)
    note(uri, hour_ahead(-late))
    after = server_time(uri)

    assert before is not None
    assert after is not None
    assert after >= before


def test_a_clock_that_is_set_back_is_followed(uri: str) -> None:
    """What is no date changes nothing."""
    note(uri, hour_ahead())
    note(uri, hour_ahead(-600))
    note_date(uri, None)
    note_date(uri, "yesterday")

    now = server_time(uri)

    assert now is not None
    assert now < hour_ahead(-500)


def test_it_goes_on_with_the_steady_clock_of_this_machine(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody sets the other one meanwhile."""
    note(uri, hour_ahead())
    before, steady = server_time(uri), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: steady + 120)
    after = server_time(uri)

    assert before is not None
    assert after is not None
    assert timedelta(seconds=119) < after - before < timedelta(seconds=121)
