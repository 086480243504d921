"""What a few requests beforehand show of a model, and what load fits it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.evaluation.latency.capacity import Capacity, fitted, foretold_seconds, measure_capacity, shortened
from lockgate.evaluation.latency.schedule_check import QueueWatch, bearable
from lockgate.models.load_spec import Load
from lockgate.models.model import Drive, LoadPlan

ROWS = pa.RecordBatch.from_pydict({"x": range(50)})


@dataclass
class Server:
    """So many workers, each of which takes `seconds` for a request; closed loops alone. stalled: plans that find it slow."""

    seconds: float
    workers: int = 1
    stalled: int = 0
    plans: list[LoadPlan] = field(default_factory=list)

    def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
        self.plans.append(plan)
        seconds = self.seconds * (20 if len(self.plans) <= self.stalled else 1)
        callers, busy = [0.0] * plan.concurrency, [0.0] * self.workers
        sent, done = [], []
        while len(sent) < plan.requests and (plan.duration_s is None or callers[0] <= plan.duration_s):
            sent.append(heapq.heappop(callers))
            done.append(max(sent[-1], heapq.heappop(busy)) + seconds)
            heapq.heappush(busy, done[-1])
            heapq.heappush(callers, done[-1])
        times = np.array(sent)
        return Drive(times, times, np.array(done), np.zeros(len(sent), bool), np.zeros(len(sent)))


def measured(server: Any, *, rate: float = 100.0, at_once: bool = True) -> Capacity:
    found = measure_capacity(server, ROWS, rows=1, rate=rate, at_once=at_once)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("seconds", "workers", "able", "overloaded"),
    [
        (0.002, 1, 500.0, False),
        (0.009, 1, 111.0, False),
        (0.045, 1, 22.2, True),
        (2.0, 1, 0.5, True),
        (0.045, 2, 44.4, True),
        (0.5, 64, 30.0, False),
    ],
    ids=["quick", "just so", "22/s", "a request in two seconds", "two workers", "as many workers as requests"],
)
def test_a_server_bears_what_it_answers_of_several_requests_at_a_time(
    seconds: float, workers: int, able: float, overloaded: bool
) -> None:
    """One that answers many beside each other is not taken for a slow one; nor is it waited for."""
    server = Server(seconds, workers)
    found = measured(server)

    assert (found.able_rps, found.overloaded(100.0)) == (pytest.approx(able, rel=0.35), overloaded)
    assert all(plan.duration_s == 3.0 for plan in server.plans)
    assert found.request_s == pytest.approx(seconds)


def test_a_stall_beforehand_condemns_no_server() -> None:
    """Asked again, it answers as fast as it can."""
    server = Server(0.009, stalled=2)

    assert not measured(server).overloaded(100.0)
    assert len(server.plans) == 3


def test_a_process_answers_one_request_at_a_time() -> None:
    """A handful of those that take a second shows it, and nothing is sent side by side."""
    server = Server(1.0, workers=8)
    found = measured(server, rate=2.0, at_once=False)

    assert (found.able_rps, found.overloaded(2.0), found.overloaded(1.2)) == (pytest.approx(1.0), True, False)
    assert [(plan.concurrency, plan.requests, plan.warmup) for plan in server.plans] == [(1, 20, 1)]
    assert found.requests == 4


def test_a_model_that_answers_nothing_shows_nothing() -> None:
    """The load itself shows its errors."""

    class Failing(Server):
        def drive(self, plan: LoadPlan, batch: pa.RecordBatch) -> Drive:
            drive = super().drive(plan, batch)
            return Drive(drive.sent_s, drive.sent_s, drive.done_s, np.ones(len(drive.sent_s), bool), drive.lag_s)

    assert measure_capacity(Failing(0.01), ROWS, rows=1, rate=100.0, at_once=True) is None


def capacity(request_s: float, *, able: float | None = None) -> Capacity:
    able = 1 / request_s if able is None else able
    return Capacity(request_s, request_s, 0.0, able, able, 20)


@pytest.mark.parametrize(
    ("written", "at_once", "request_s", "rate", "requests"),
    [
        ({}, False, 0.001, None, 600),
        ({}, False, 0.02, None, 300),
        ({}, False, 2.0, None, 120),
        ({}, True, 0.001, 100.0, 600),
        ({}, True, 0.02, 20.0, 120),
        ({}, True, 0.5, 1.0, 120),
        ({"requests": 3000}, True, 0.02, 20.0, 3000),
        ({"rate": "10/s"}, False, 0.02, 10.0, 120),
        ({"rate": "100/s", "requests": 3000}, False, 0.02, 100.0, 3000),
        ({"batch_size": [1, 8]}, False, 0.02, None, 150),
        ({"duration": "1m"}, True, 0.02, 20.0, 1200),
    ],
)
def test_what_a_pipeline_leaves_open_fits_the_models(
    written: dict[str, Any], at_once: bool, request_s: float, rate: float | None, requests: int
) -> None:
    """Six seconds of the slower one, twice what the lines need at least, and half of what a server bears; no more."""
    load = Load.model_validate(written)
    completed = load.completed(at_once=at_once, least=60)
    sent = fitted(completed, load, [capacity(request_s), capacity(request_s / 3)], least=60)

    assert (sent.arrival_rate, sent.planned) == (rate, requests)


def test_a_load_is_shortened_to_the_time_that_it_was_meant_to_take() -> None:
    """Thirty seconds of a model that answers five a second are 150 requests; twenty blocks have one each at least."""
    load = Load.model_validate({"rate": "100/s", "duration": "30s"})

    assert shortened(load, capacity(0.2)).planned == 150
    assert shortened(load, capacity(2.0)).planned == 20


def test_the_time_of_a_load_is_that_of_its_requests_and_of_what_lies_between() -> None:
    """A closed loop takes as long as answers, an open one as its schedule or as the answers; each block a call."""
    models = {(1, "candidate"): Capacity(0.1, 0.1, 0.05, 10.0, 10.0, 20), (1, "champion"): capacity(0.01)}

    def seconds(**written: Any) -> float:
        return foretold_seconds(Load.model_validate({"warmup": 0, **written}), models)

    between = 20 * 0.05
    warmup = 19 * (0.1 + 0.01)
    assert seconds(closed={}, requests=200) == pytest.approx(between + warmup + 200 * 0.11)
    assert seconds(rate="5/s", requests=200) == pytest.approx(between + warmup + 2 * 40)
    assert seconds(rate="50/s", requests=200) == pytest.approx(between + warmup + 20 + 4)
    assert seconds(closed={}, duration="30s") == pytest.approx(between + 60)


def block(served_s: float, *, rate: float = 100.0, requests: int = 150) -> Drive:
    """Constant arrivals, answered one after the other."""
    due = np.arange(requests) / rate
    done = np.zeros(requests)
    for i in range(requests):
        done[i] = max(due[i], done[i - 1] if i else 0.0) + served_s
    return Drive(due, done - served_s, done, np.zeros(requests, bool), np.zeros(requests))


@pytest.mark.parametrize(
    ("served_s", "ended"),
    [
        ([0.009] * 6, None),
        ([0.0115] * 20, None),
        ([0.013] * 6, 3),
        ([0.013, 0.013, 0.005, 0.013, 0.013], None),
        ([0.005, 0.1], 2),
    ],
    ids=["borne", "hardly", "a queue", "a pause now and then", "ten seconds behind"],
)
def test_three_blocks_in_a_row_prove_a_queue_or_one_that_stands_long(served_s: list[float], ended: int | None) -> None:
    """One slow block alone is a pause of the machine."""
    watch = QueueWatch()
    proofs = [watch.proven(block(each), rate=100.0) for each in served_s]

    assert (proofs.index(True) + 1 if True in proofs else None) == ended


@pytest.mark.parametrize(
    ("able", "rate"), [(22.2, "11/s"), (610.0, "300/s"), (1.0, "0.5/s"), (0.5, "0.25/s"), (0.033, "0.017/s")]
)
def test_a_rate_to_write_is_written_as_a_pipeline_reads_it(able: float, rate: str) -> None:
    """Half of what is borne, two digits, no exponent."""
    assert bearable(able) == rate
    assert Load.model_validate({"rate": rate}).arrival_rate == float(rate[:-2])
