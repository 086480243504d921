"""Wait for sockets of libcurl, and for the end of a pipe.

The load generator, a process that imports nothing of lockgate, loads this file by its path.
"""

from __future__ import annotations

import math
import os
import select
import selectors
import time

SPIN_S = 0.0001  # select() wakes up to about this much late; the rest of a wait is spent polling
READ, WRITE = 1, 2  # the values of both selectors and libcurl


class SocketPoller:
    """Wait for libcurl's sockets, and for the end of the pipe from our parent."""

    def __init__(self, lifeline: int) -> None:
        self.lifeline = lifeline
        self.watched: dict[int, int] = {}
        self.selector = selectors.DefaultSelector()
        self.descriptor = self.selector.fileno()
        self.set(lifeline, READ)

    def set(self, descriptor: int, mask: int) -> None:
        """Wait for reading (1), writing (2), both, or nothing."""
        before = self.watched.pop(descriptor, 0)
        if mask:
            self.watched[descriptor] = mask
        if before and not mask:
            self.selector.unregister(descriptor)
        elif mask != before:
            (self.selector.modify if before else self.selector.register)(descriptor, mask)

    def opened(self, descriptor: int) -> None:
        """Note that a socket is new; an earlier one may have had the same number."""

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        """Return (descriptor, mask) of what happened."""
        return [(key.fd, mask) for key, mask in self.selector.select(seconds)]

    def wait(self, until: float) -> list[tuple[int, int]]:
        """Return (descriptor, mask) of what happened before `until`. Ends this process when our parent ended."""
        while True:
            seconds = until - time.perf_counter()
            if seconds == math.inf:
                happened = self.poll(None)
            else:
                if seconds > SPIN_S:
                    select.select(
                        [self.descriptor], [], [], seconds - SPIN_S
                    )  # microseconds; epoll rounds to milliseconds
                happened = self.poll(0)
            if happened:
                if any(descriptor == self.lifeline for descriptor, _ in happened):
                    os._exit(1)
                return happened
            if time.perf_counter() >= until:
                return []


class EpollPoller(SocketPoller):
    """The same on Linux, at a third of the cost.

    libcurl drops a socket after each answer and adds it again with the next request; here it stays registered with the
    kernel meanwhile, which saves two system calls a request.
    """

    def __init__(self, lifeline: int) -> None:
        self.lifeline = lifeline
        self.watched = {}
        self.listed: dict[int, int] = {}
        self.epoll = select.epoll()
        self.descriptor = self.epoll.fileno()
        self.set(lifeline, READ)

    def set(self, descriptor: int, mask: int) -> None:
        if not mask:
            self.watched.pop(descriptor, None)
            return
        self.watched[descriptor] = mask
        before = self.listed.get(descriptor, 0)
        if mask != before:
            self.listed[descriptor] = mask
            events = (select.EPOLLIN if mask & READ else 0) | (select.EPOLLOUT if mask & WRITE else 0)
            (self.epoll.modify if before else self.epoll.register)(descriptor, events)

    def opened(self, descriptor: int) -> None:
        self.listed.pop(descriptor, None)  # the kernel dropped the one of that number when libcurl closed it

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        read, write = ~select.EPOLLOUT, ~select.EPOLLIN  # an error wakes readers and writers alike
        happened = []
        for descriptor, events in self.epoll.poll(seconds):
            mask = (READ if events & read else 0) | (WRITE if events & write else 0)
            if descriptor in self.watched:
                happened.append((descriptor, mask))
            else:
                del self.listed[descriptor]
                self.epoll.unregister(descriptor)
        return happened
