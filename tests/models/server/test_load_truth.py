"""Whether load over HTTP measures what the server really did: each law is known, and the server says what came of it.

A busy machine makes answers later and never earlier, so what a time may fall below is held tightly here, and what it
may exceed widely; `tests/bench/bench_load.py` holds both tightly.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from helpers.fakes import FakeModel, ask, case_of
from helpers.truth import Truth, server
from lockgate.evaluation.latency.schedule_check import Pace, saturated
from lockgate.evidence.finding import Verdict
from lockgate.gates.latency import Latency
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.server import load_test as load


def drive(truth: Truth, **plan: Any) -> Drive:
    return load.drive_http(LoadPlan(**plan), url=truth.url, headers={}, bodies=[b"{}"], timeout_s=30.0)


class Served(FakeModel):
    """A model that answers over HTTP."""

    def __init__(self, truth: Truth) -> None:
        super().__init__(behind_server=True)
        self.truth = truth

    def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
        return drive(self.truth, **asdict(plan))


def waiting_ms(truth: Truth, *, rate: float, seconds: float) -> NDArray[np.float64]:
    """What requests at a constant rate wait for stalls of which each took as long as the server says."""
    waits = np.concatenate([np.arange(0.0, stall, 1000 / rate) for stall in truth.stalls_ms])
    return np.concatenate([waits, np.zeros(max(0, round(rate * seconds) - len(waits)))])


def test_an_open_loop_feels_a_stall_in_every_request_behind_it() -> None:
    """A tenth of each second stands still: p99 is 90 ms and p99.9 is 99 ms, as the arithmetic of the stalls says.

    A pause of a busy machine only adds, so one load of three has to show it.
    """
    times = []
    for _ in range(3):
        with server(stall_ms=100.0, period_ms=1000.0) as truth:
            shown = drive(truth, requests=4000, rate=1000.0, arrivals="constant", warmup=1)
            expected = waiting_ms(truth, rate=1000.0, seconds=4.0)
        ratios = [float(np.quantile(shown.latency_ms, p) / np.quantile(expected, p)) for p in (0.99, 0.999)]
        assert ratios[0] > 0.95
        assert ratios[1] > 0.90
        times.append(max(ratios))
        if times[-1] < 3.0:
            return
    raise AssertionError(f"the slowest requests took {times} times as long as the stalls were")


def test_a_closed_loop_hides_the_same_stall() -> None:
    """One request a stall is slow, however many were never sent meanwhile: its p99 is far below the truth."""
    with server(stall_ms=100.0, period_ms=1000.0) as truth:
        shown = drive(truth, requests=1_000_000, duration_s=2.0, warmup=1)
        stalls = len(truth.stalls_ms)

    slow = int((shown.latency_ms >= 100).sum())
    assert stalls >= 1
    assert 1 <= slow < 0.01 * len(shown.latency_ms)
    assert (shown.intended_s == shown.sent_s).all()


@pytest.mark.parametrize("plan", [{"rate": 500.0}, {"concurrency": 10}])
def test_every_percentile_is_that_of_the_server(plan: dict[str, Any]) -> None:
    """Log-normal around 20 ms: no time is below what the server took for it, and the percentiles are not far above.

    A pause of a busy machine only adds, so one load of three has to show it.
    """
    far = []
    for _ in range(3):
        with server(mu=float(np.log(20)), sigma=0.3, seed=7) as truth:
            shown = np.sort(drive(truth, requests=1000, **plan).latency_ms)
            served = np.sort(truth.served_ms)

        assert (shown >= served - 0.01).all()
        far = [p for p in (0.5, 0.9, 0.99) if np.quantile(shown, p) >= 3 * np.quantile(served, p)]
        if not far and 19 < np.quantile(served, 0.5) < 40:
            break
    else:
        pytest.fail(f"far above the server's in three loads: {far}")


def test_two_points_are_told_apart() -> None:
    """As many slow answers as there were, none lost in a mean."""
    with server(delay_ms=2.0, slow_ms=400.0, slow_share=0.02, seed=5) as truth:
        shown = drive(truth, requests=1000, rate=1000.0, warmup=0)
        slow = int((truth.served_ms >= 200).sum())

    assert 10 <= slow <= 30
    assert int((shown.latency_ms >= 400).sum()) == slow


def test_a_drift_is_seen_in_the_order_of_sending() -> None:
    """Forty milliseconds more at the end than at the beginning, in one load of three: a machine that pauses only adds."""
    drifts = []
    while len(drifts) < 3 and drifts[-1:] != pytest.approx([36], rel=0.6):
        with server(drift_ms=40.0) as truth:
            shown = drive(truth, requests=1000, rate=1000.0, arrivals="constant").latency_ms
        drifts.append(float(np.median(shown[-100:]) - np.median(shown[:100])))

    assert drifts[-1] == pytest.approx(36, rel=0.6), drifts


def test_more_than_a_server_is_able_to_answer_is_a_queue_and_named_so() -> None:
    """Two hundred a second is what it bears; four hundred are sent, and half of that is advised."""
    with server(rate=200.0) as truth:
        shown = drive(truth, requests=400, rate=400.0)
    with server(rate=2000.0) as truth:
        borne = drive(truth, requests=400, rate=400.0)

    why = saturated(Pace.from_drive(shown), role="champion", rate=400.0)
    assert why is not None
    assert 100 < float(why.removeprefix("the champion answers about ").split()[0]) < 300
    assert saturated(Pace.from_drive(borne), role="champion", rate=400.0) is None


def test_a_gate_makes_no_verdict_of_a_queue(tmp_path: Path) -> None:
    """It does not even wait for one: a few requests show that the rate is twice what the server bears, and what to write."""
    asked = Latency.model_validate(
        {"gate": "latency", "require": ["p90_ms <= 1000", "errors <= 0"], "load": {"rate": "400/s", "requests": 600}}
    )
    with server(rate=200.0) as truth:
        result = ask(case_of(tmp_path, candidate=Served(truth), alone=True), asked)
        count = truth.count

    assert [(one.verdict, one.code, one.observed) for one in result.findings] == [
        (Verdict.INCONCLUSIVE, "saturated", None)
    ] * 2
    assert "400/s is above what the candidate serves" in result.reason
    assert "lower load.rate" in result.reason
    assert count.requests < 600


def test_a_slow_first_answer_belongs_to_the_warm_up() -> None:
    """It is measured where nobody warmed up, and nowhere else."""
    slow = []
    for warmup in (0, 1):
        with server(first_ms=400.0) as truth:
            shown = drive(truth, requests=200, rate=1000.0, warmup=warmup)
        slow.append(int((shown.latency_ms >= 400).sum()))

    assert slow == [1, 0]


def test_a_slow_accept_belongs_to_the_warm_up_too() -> None:
    """As many connections as workers are there before the clock starts, and none is opened after."""
    with server(accept_ms=200.0, delay_ms=1.0) as truth:
        warm = drive(truth, requests=60, concurrency=3, warmup=4)
        opened = truth.count.connections
        cold = drive(truth, requests=60, concurrency=3)

    assert opened <= 3 + 1  # one of them asked for the count
    assert int((warm.latency_ms >= 200).sum()) == 0
    assert int((cold.latency_ms >= 200).sum()) >= 1  # the others may have come while the first one waited


def test_a_request_that_finds_every_connection_busy_waits_and_nobody_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four connections of 20 ms each bear two hundred a second of a thousand: latency grows, lag does not."""
    monkeypatch.setattr(load, "_CONNECTIONS", 4)
    with server(delay_ms=20.0) as truth:
        shown = drive(truth, requests=100, rate=1000.0, warmup=4, concurrency=4)
        count = truth.count

    assert count.connections <= 4 + 1
    assert shown.done_s[-1] >= 0.5
    assert shown.latency_ms[-1] >= 300
    assert float(np.median(shown.lag_s)) < 0.1
    assert (shown.lag_s <= shown.sent_s - shown.intended_s + 1e-12).all()
    assert saturated(Pace.from_drive(shown), role="champion", rate=1000.0) is not None
