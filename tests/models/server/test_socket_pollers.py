"""What the load engine waits with, on every system that we run on."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import pytest

from lockgate.models.server.socket_pollers import READ, WRITE, EpollPoller, SocketPoller

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.fixture(params=[SocketPoller, EpollPoller])
def watch(request: pytest.FixtureRequest) -> Iterator[SocketPoller]:
    lifeline, ours = os.pipe()
    yield request.param(lifeline)
    os.close(lifeline)
    os.close(ours)


def soon() -> float:
    return time.perf_counter() + 0.001


def test_only_what_was_asked_for_is_told(watch: SocketPoller, pair: Pair) -> None:
    """Reading, writing, both, and nothing any more."""
    one, other = pair
    here = one.fileno()

    watch.set(here, READ)
    assert watch.wait(soon()) == []
    watch.set(here, WRITE)
    assert watch.wait(soon()) == [(here, WRITE)]
    other.send(b"x")
    watch.set(here, READ | WRITE)
    assert watch.wait(soon()) == [(here, READ | WRITE)]
    watch.set(here, READ)
    assert watch.wait(float("inf")) == [(here, READ)]
    watch.set(here, 0)
    watch.set(here, 0)
    assert watch.wait(soon()) == []


def test_the_other_end_that_hangs_up_is_news_for_a_reader(watch: SocketPoller, pair: Pair) -> None:
    """A broken connection wakes whoever waits for it."""
    one, other = pair
    watch.set(one.fileno(), READ)
    other.close()

    ((descriptor, mask),) = watch.wait(float("inf"))
    assert descriptor == one.fileno()
    assert mask & READ


def test_a_number_that_is_given_to_a_new_socket_is_waited_for_anew(watch: SocketPoller) -> None:
    """Whatever the one before it was waited for, and however it ended."""
    one, other = socket.socketpair()
    number = one.fileno()
    watch.opened(number)
    watch.set(number, READ)
    watch.set(number, 0)
    other.close()
    new, peer = socket.socketpair()
    with one, new, peer:
        os.dup2(new.fileno(), number)  # closes what had the number
        watch.opened(number)
        watch.set(number, READ)
        assert watch.wait(soon()) == []
        peer.send(b"x")
        assert watch.wait(float("inf")) == [(number, READ)]
        watch.set(number, 0)


def test_an_idle_socket_that_hangs_up_keeps_nobody_awake(watch: SocketPoller, pair: Pair) -> None:
    """It is not told of, and may be waited for again."""
    one, other = pair
    watch.opened(one.fileno())
    watch.set(one.fileno(), READ)
    watch.set(one.fileno(), 0)
    other.close()

    assert watch.wait(soon()) == []
    assert watch.poll(0) == []
    watch.set(one.fileno(), READ)
    assert [descriptor for descriptor, _ in watch.wait(float("inf"))] == [one.fileno()]


def test_it_never_returns_before_its_time(watch: SocketPoller) -> None:
    """Not by a nanosecond, however it waits: nothing is sent early."""
    for seconds in (0.0, 0.00005, 0.002):
        until = time.perf_counter() + seconds
        assert watch.wait(until) == []
        assert time.perf_counter() >= until
