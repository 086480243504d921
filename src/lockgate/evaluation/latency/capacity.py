"""Capacity of a model: how many requests a second it bears, by a few that are sent beforehand and not counted."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lockgate.evaluation.latency.block_schedule import later_warmup
from lockgate.models.load_spec import BLOCKS, RATE, REQUESTS, Load
from lockgate.models.model import Drive, LoadPlan, Model

if TYPE_CHECKING:
    import pyarrow as pa

SENT = 20  # one after the other, unless they take longer than
SECONDS = 3.0
CLEAR = 0.7  # of the rate: few requests show no capacity between it and the rate, which the load itself then shows
CROWDED = 1.5  # how much longer requests at a time must take than one alone, if a server is to have no more to give
AT_ONCE = (4, 64)  # requests at a time, at least and at most
LOAD_S = 6.0  # of a model, where the pipeline does not say how many requests are sent
WARMUP_S = 1.0  # likewise, before the first block
FEWEST = 40  # requests that are sent then
QUEUE_S = 5.0  # that as many may wait, before a server that answers one after the other


@dataclass(frozen=True)
class Capacity:
    """What a few requests show of one model at one batch size.

    request_s: of one that is sent alone, in the middle. pace_s: from one to the next, with what lies between. call_s: what
    sending a block takes besides its requests. able_rps: how many it answers a second, about; at_most_rps: more it surely
    does not, infinite where that is not shown. requests: that were sent.
    """

    request_s: float
    pace_s: float
    call_s: float
    able_rps: float
    at_most_rps: float
    requests: int

    def overloaded(self, rate: float) -> bool:
        """Whether it surely does not bear so many requests a second."""
        return self.at_most_rps < CLEAR * rate


def measure_capacity(model: Model, batch: pa.RecordBatch, *, rows: int, rate: float, at_once: bool) -> Capacity | None:
    """Send a few requests; None where none was answered, of which the load itself tells more. Raises ModelFault.

    rate: requests a second that it should bear. at_once: whether it answers several requests of an open loop at a time.
    """
    batch = batch.slice(0, SENT * rows)
    began = time.monotonic()
    drive = model.drive(LoadPlan(requests=SENT, rows=rows, warmup=1, duration_s=SECONDS), batch)
    passed_s = time.monotonic() - began
    took, sent = _answered(drive), len(drive.sent_s)
    if not took.size:
        return None
    request_s = max(float(np.median(took)), 1e-6)
    pace_s = float(np.median(np.diff(drive.sent_s))) if sent > 2 else request_s
    call_s = max(0.0, passed_s - pace_s * (1 + sent + drive.unrecorded))
    if not at_once:
        # the quickest of them, so that a busy moment of the machine condemns no model
        return Capacity(request_s, pace_s, call_s, 1 / request_s, 1 / max(float(took.min()), 1e-6), sent)
    able, at_most, more = _with_others(model, batch, rows=rows, rate=rate, alone_s=request_s)
    return Capacity(request_s, pace_s, call_s, able, at_most, sent + more)


def _with_others(
    model: Model, batch: pa.RecordBatch, *, rows: int, rate: float, alone_s: float
) -> tuple[float, float, int]:
    """(requests a second that a server answers, that it answers at most, sent): with so many at a time as the rate takes.

    Were all answered as fast as one alone, rate times its seconds would be under way at a time (Little's law). It surely
    bears no more than it answers of half as many again where each of them takes much longer for the others.
    """
    if rate * alone_s <= 1 - CLEAR:
        return 1 / alone_s, math.inf, 0
    least, most = AT_ONCE
    workers = min(max(least, min(math.ceil(1.5 * rate * alone_s), int(QUEUE_S / alone_s))), most)
    plan = LoadPlan(requests=max(SENT, 4 * workers), rows=rows, concurrency=workers, duration_s=SECONDS)
    able, sent = 0.0, 0
    for _ in range(2):  # once more where it seems too slow, so that a busy moment condemns no server
        drive = model.drive(plan, batch)
        answered, seconds = len(_answered(drive)), max(float(drive.done_s.max()), 1e-6)
        able, sent = max(able, answered / seconds), sent + len(drive.sent_s)
        if able >= CLEAR * rate:
            break
    crowded = able > 0 and workers / (able * alone_s) >= CROWDED
    return able, able if crowded else math.inf, sent


def _answered(drive: Drive) -> np.ndarray:
    return (drive.done_s - drive.sent_s)[~drive.failed]


def fitted(load: Load, written: Load, capacities: Collection[Capacity], *, least: int) -> Load:
    """Return the load with what the pipeline leaves open as these models bear it, and as fits in six seconds of each.

    load: `written`, completed. least: requests without which a line is not decided; twice as many are sent.
    """
    if not capacities:
        return load
    pace_s, able = max(each.pace_s for each in capacities), min(each.able_rps for each in capacities)
    fields: dict[str, Any] = {}
    if load.arrival_rate is not None and not written.names_loop:
        fields["rate"] = _round_rate(min(RATE, able / 2))
    if not written.names_number:
        rate = fields.get("rate", load.arrival_rate)
        fitting = LOAD_S / len(load.sizes) * (1 / pace_s if rate is None else rate)
        fields["requests"] = min(load.requests or REQUESTS, max(2 * least, FEWEST, int(fitting)))
        if "warmup" not in written.model_fields_set:
            fields["warmup"] = min(load.warmup, max(1, int(WARMUP_S / pace_s)))
    return load.model_copy(update=fields)


def shortened(load: Load, capacity: Capacity) -> Load:
    """Return an open loop that a model answers in the time that it was meant to take, though it does not keep the rate."""
    planned, rate = load.planned or 0, load.arrival_rate or RATE
    requests = max(BLOCKS, int(planned / rate * capacity.able_rps))
    return load.model_copy(update={"requests": min(requests, planned), "duration": None})


def _round_rate(rate: float) -> float:
    """The next of …, 0.5, 1, 2, 5, 10, … that is not above it, so that equal models get equal loads."""
    power = 10.0 ** math.floor(math.log10(rate))
    return float(f"{max(step for step in (1, 2, 5) if step * power <= rate * (1 + 1e-9)) * power:.3g}")


def foretold_seconds(load: Load, capacities: Mapping[tuple[int, str], Capacity]) -> float:
    """How long a load will take, of all models and batch sizes together. load: with its loop and its number of requests."""
    return sum(_seconds(load, capacity) for capacity in capacities.values())


def _seconds(load: Load, capacity: Capacity) -> float:
    blocks = load.blocks
    calls = blocks * capacity.call_s
    if load.planned is None:
        return calls + (0.0 if load.duration is None else load.duration.total_seconds())
    each, rate = max(load.planned // max(blocks, 1), 1), load.arrival_rate
    warmup = load.warmup + (blocks - 1) * later_warmup(load, each)
    if rate is not None:  # requests that come faster than they are answered take as long as the answers
        return calls + warmup * capacity.pace_s + load.planned / min(rate, capacity.able_rps)
    workers = 1 if load.closed is None else load.closed.concurrency
    return calls + (warmup + load.planned) * capacity.pace_s / workers
