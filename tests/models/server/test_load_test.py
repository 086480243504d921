"""Load over HTTP against a server that counts, and whose law is known."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from helpers.truth import server
from lockgate.errors import ModelFault
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.model_host import arrivals
from lockgate.models.server.load_test import drive_http


def drive(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    bodies: Sequence[bytes] = (b"{}",),
    timeout_s: float = 30.0,
    **plan: Any,
) -> Drive:
    return drive_http(LoadPlan(**plan), url=url, headers=headers or {}, bodies=bodies, timeout_s=timeout_s)


@pytest.mark.parametrize(
    "plan",
    [
        {"requests": 300, "rate": 1000.0},
        {"requests": 300, "rate": 1000.0, "arrivals": "constant", "warmup": 7, "concurrency": 3},
        {"requests": 200, "warmup": 1},
        {"requests": 200, "concurrency": 8, "warmup": 10},
        {"requests": 1},
    ],
)
def test_what_was_sent_is_what_the_server_counted(plan: dict[str, Any]) -> None:
    """Open or closed, warmed up or not: no request is lost, none is sent twice."""
    with server(mu=0.0, sigma=0.3) as truth:
        shown = drive(truth.url, **plan)
        count = truth.count

    assert count.requests == count.answers == plan["requests"] + plan.get("warmup", 0)
    assert [len(column) for column in (shown.sent_s, shown.done_s, shown.lag_s, shown.failed)] == [plan["requests"]] * 4
    assert not shown.failed.any()
    assert shown.first_error is None
    assert (shown.done_s > shown.sent_s).all()


def test_the_schedule_is_the_same_as_beside_the_model() -> None:
    """One seed, one sequence of times, wherever the model answers; nothing is sent before its time."""
    plan = {"requests": 200, "rate": 2000.0, "seed": 5}
    with server() as truth:
        shown = drive(truth.url, **plan)

    assert shown.intended_s.tolist() == arrivals({**plan, "arrivals": "poisson", "duration_s": None})
    assert (shown.sent_s >= shown.intended_s).all()
    assert (shown.lag_s == shown.sent_s - shown.intended_s).all()


def test_a_duration_ends_a_block() -> None:
    """The open loop sends what is due by then, the closed loop begins nothing later."""
    with server(delay_ms=1.0) as truth:
        opened = drive(truth.url, requests=10_000, rate=500.0, arrivals="constant", duration_s=0.2)
        closed = drive(truth.url, requests=10_000, duration_s=0.1, concurrency=2)

    assert opened.intended_s.tolist() == [i / 500 for i in range(101)]
    assert 1 < len(closed.sent_s) <= 200
    assert closed.sent_s.max() <= 0.1


def test_a_closed_loop_keeps_as_many_under_way_as_asked_and_no_more() -> None:
    """Four workers: the fifth request goes when one was answered."""
    with server(delay_ms=5.0) as truth:
        shown = drive(truth.url, requests=40, concurrency=4)
        count = truth.count

    under_way = [int(((shown.sent_s <= sent) & (shown.done_s > sent)).sum()) for sent in shown.sent_s]
    assert max(under_way) == 4
    assert count.connections <= 5  # and one that asked for the count
    assert (shown.intended_s == shown.sent_s).all()
    assert (shown.lag_s == 0).all()


def test_errors_are_counted_exactly() -> None:
    """As many failed as the server made fail; they are infinitely slow, and the first is told with what it said."""
    with server(error_share=0.05, seed=3) as truth:
        shown = drive(truth.url, requests=2000, rate=4000.0)
        count = truth.count

    assert 0 < count.errors < 200
    assert int(shown.failed.sum()) == count.errors == int(np.isinf(shown.latency_ms).sum())
    assert shown.first_error == 'HTTP 500: {"error": "by law"}'


@pytest.mark.parametrize(
    ("path", "timeout_s", "said"),
    [
        ("/redirect", 30.0, "HTTP 302"),
        ("/close", 30.0, "Empty reply from server"),
        ("/never", 0.05, "no answer within 0.05 s"),
    ],
)
def test_each_way_to_fail_is_told(path: str, timeout_s: float, said: str) -> None:
    """A redirect is not followed, a broken connection and silence are failures of those requests."""
    with server() as truth:
        shown = drive(truth.url + path, requests=5, rate=1000.0, timeout_s=timeout_s)

    assert shown.failed.tolist() == [True] * 5
    assert shown.first_error == said


def test_a_server_that_is_not_there_fails_every_request() -> None:
    """The address may be shown, a password in it may not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        shown = drive(f"http://user:sesame@127.0.0.1:{port}/", requests=3, rate=1000.0)

    assert shown.failed.tolist() == [True] * 3
    assert f"Failed to connect to 127.0.0.1:{port}" in (shown.first_error or "") or "port" in (shown.first_error or "")
    assert "sesame" not in (shown.first_error or "")


def test_a_server_that_repeats_our_headers_gives_no_secret_away() -> None:
    """What it says is shown, without the values that we sent."""
    with server() as truth:
        headers = {"Authorization": "Bearer open-sesame", "X-Model": "fraud", "Content-Type": "application/json"}
        shown = drive(truth.url + "/echo", requests=1, headers=headers)

    assert shown.first_error is not None
    assert "sesame" not in shown.first_error
    assert "Authorization: ***" in shown.first_error
    assert "Content-Type: application/json" in shown.first_error


@pytest.mark.parametrize("headers", [{"X-A": "1\r\nX-B: 2"}, {"X A": "1"}, {"": "1"}, {"X-A": "1\n"}])
def test_a_header_that_is_none_is_refused(headers: dict[str, str]) -> None:
    """No header of ours can smuggle in another."""
    with pytest.raises(ModelFault, match="header"):
        drive("http://127.0.0.1:9/", requests=1, headers=headers)


def test_bodies_are_needed() -> None:
    """There is nothing to send."""
    with pytest.raises(ModelFault, match="without rows to send"):
        drive("http://127.0.0.1:9/", requests=1, bodies=[])


def test_a_load_is_cancelled_at_once() -> None:
    """An hour's load ends when it is told to."""
    plan = LoadPlan(requests=3600, rate=1.0)
    with server() as truth, pytest.raises(ModelFault, match="the load was cancelled"):
        drive_http(plan, url=truth.url, headers={}, bodies=[b""], timeout_s=30.0, cancelled=lambda: True)
