"""A server is sent no more rows in any time than its rate allows, whatever the sizes of requests and the pauses between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.models.server.pace import Pace


class Clock:
    """Time that passes where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([0.5, 3.0, 50.0, 5000.0]),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 3)), min_size=1, max_size=30),
)
def test_no_time_holds_more_rows_than_the_rate_and_one_request(
    rate: float, requests: list[tuple[float, float]]
) -> None:
    """Between any two requests lies the time of the rows from the first on; a pause saves nothing up."""
    clock, sent = Clock(), list[tuple[float, int]]()
    pace = Pace(rate, cancelled=lambda: False, clock=lambda: clock.now, sleep=clock.sleep)
    for share, pause in requests:
        rows = max(1, round(share * pace.most_rows))
        pace.wait(rows)
        sent.append((clock.now, rows))
        clock.now += pause

    assert max(rows for _, rows in sent) <= max(1, rate)
    for first, (began, _) in enumerate(sent):
        for last in range(first + 1, len(sent)):
            rows = sum(rows for _, rows in sent[first:last])
            assert rows <= rate * (sent[last][0] - began) + 1e-6 * rows


def test_a_server_that_is_slower_than_its_rate_is_never_waited_for() -> None:
    clock = Clock()
    pace = Pace(10.0, cancelled=lambda: False, clock=lambda: clock.now, sleep=clock.sleep)
    for _ in range(5):
        pace.wait(10)
        clock.now += 2.0

    assert clock.now == 110.0


def test_a_run_that_is_cancelled_waits_no_longer() -> None:
    clock, calls = Clock(), iter([False, False, True, True])
    pace = Pace(0.001, cancelled=lambda: next(calls), clock=lambda: clock.now, sleep=clock.sleep)
    pace.wait(1)
    pace.wait(1)

    assert clock.now < 101
