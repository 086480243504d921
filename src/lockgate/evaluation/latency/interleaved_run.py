"""One interleaved run of a load: candidate and champion block by block in random order, and the machine meanwhile."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from lockgate import units
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.latency.block_schedule import BlockSchedule, Progress
from lockgate.evaluation.latency.capacity import Capacity, fitted, foretold_seconds, measure_capacity, shortened
from lockgate.evaluation.latency.machine_info import (
    ONE_THREAD,
    busy_words,
    describe_machine,
    machine_name,
    read_processor_times,
)
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, without_value
from lockgate.evaluation.latency.rate_estimates import failed_pairs
from lockgate.evaluation.latency.recorded_times import EXACT, FOLDED, RecordedTimes, Stretch
from lockgate.evaluation.latency.request_log import RequestLog
from lockgate.evaluation.latency.schedule_check import (
    QueueWatch,
    above_words,
    bearable,
    borne,
    late,
    queue_words,
    saturated,
)
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import number
from lockgate.models.load_spec import CONNECTIONS, RATE, Load
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.target_spec import Target
from lockgate.text import cut

_SEVERAL = 1.3  # processors in use while a request is computed
_LONGER, _LEAST_WARMUP = 4, 100  # times as many requests as were too unsteady to tell
_OF_A_MACHINE = ("ms", "s", "requests/s")


class PreparedLoad:
    """A load that fits its models, which are loaded: they are sent a few requests that are not counted, and nothing more.

    load: with all that the pipeline leaves open. overload: why nothing of it is to be sent, or its end was not waited for.
    outpaced: why it was shortened: the candidate is much slower than the champion. waited_s, asked_s: how long the models
    took to load, and their answers to these requests, 0 where a run sends none of them.
    """

    def __init__(
        self,
        title: str,
        load: Load,
        case: Case,
        *,
        data: str | None,
        target: Target | None,
        least: int,
        always: bool = False,
    ) -> None:
        """load: as written. least: requests without which a line is not decided. always: ask the models in any case."""
        self.case, self.title = case, title
        self.roles: dict[str, Contender] = {contender.role: contender for contender in case.contenders}
        self.judged = "champion" if "champion" in self.roles else "candidate"
        self.data = data or (case.datasets[0] if case.datasets else None)
        began = time.monotonic()
        self.models = {role: contender.model_at(target) for role, contender in self.roles.items()}
        self.facts = {role: model.load() for role, model in self.models.items()}
        self.waited_s = time.monotonic() - began
        self.batches: dict[str, pa.RecordBatch] = {
            role: case.sample(contender, self.data, max(1000, *load.sizes)) for role, contender in self.roles.items()
        }
        at_once = any(facts.at_once for facts in self.facts.values())
        self.written, self.load = load, load.completed(at_once=at_once, least=least)
        self.usual = self.load.planned  # requests of a model that is not slow
        self.overload: str | None = None
        self.outpaced: str | None = None
        asking = self.load.arrival_rate is not None or not load.names_number
        began = time.monotonic()
        self.capacities = self._capacities() if asking or always else {}
        self.asked_s = time.monotonic() - began if asking else 0.0
        self.load = fitted(self.load, load, self.capacities.values(), least=least)
        self._look_ahead()

    @property
    def seconds(self) -> float:
        """How long the load will take, of all models and batch sizes together, as far as the models answered."""
        return 0.0 if self.overload is not None else foretold_seconds(self.load, self.capacities)

    def _capacities(self) -> dict[tuple[int, str], Capacity]:
        """What a few requests show of each model; they are not counted."""
        rate, capacities = self.load.arrival_rate or RATE, dict[tuple[int, str], Capacity]()
        with Progress(self.case, f"{self.title}: models tried with a few requests") as progress:
            progress.total = len(self.load.sizes) * len(self.models)
            for size in self.load.sizes:
                for role, model in self.models.items():
                    at_once = self.facts[role].at_once
                    capacity = measure_capacity(model, self.batches[role], rows=size, rate=rate, at_once=at_once)
                    capacities |= {} if capacity is None else {(size, role): capacity}
                    progress.step()
        return capacities

    def _look_ahead(self) -> None:
        """Send no load that cannot end well: none above what the champion bears, no more than a slower candidate answers."""
        rate = self.load.arrival_rate
        if rate is None:
            return
        above = {
            role: (capacity, above_words(role, able=capacity.able_rps, rate=rate, beforehand=capacity.requests))
            for (_, role), capacity in sorted(self.capacities.items(), key=lambda entry: -entry[1].able_rps)
            if capacity.overloaded(rate)
        }
        if self.judged in above:
            slower, words = above[self.judged]
            self.overload = f"{words}, so no load is sent; lower load.rate to {bearable(slower.able_rps)}"
        elif above:
            slower, words = above["candidate"]
            self.load = shortened(self.load, slower)
            self.outpaced = f"{words}, so fewer requests are sent, of which only a failure is taken"


class InterleavedRun(PreparedLoad):
    """One interleaved run, driven when it is made: its recorded times, and what the models and the machine used."""

    def __init__(
        self, title: str, load: Load, case: Case, *, data: str | None, target: Target | None, least: int
    ) -> None:
        """Send the load, as of `PreparedLoad`."""
        super().__init__(title, load, case, data=data, target=target, least=least)
        self.sent = dict.fromkeys(self.roles, 0)
        blocks, keys = self.load.blocks, [(size, role) for size in self.load.sizes for role in self.roles]
        self.measured = {key: RecordedTimes(blocks=blocks) for key in keys}
        self.pairs: dict[int, list[tuple[int, int, int]]] = {size: [] for size in self.load.sizes}
        self.machine, before = describe_machine(), read_processor_times()
        used = {role: model.usage().cpu_seconds for role, model in self.models.items()}
        if self.overload is None:
            self._drive()
        self.meanwhile = read_processor_times().since(before, own=os.getpid())
        self.cpu_seconds = {
            role: None if used[role] is None or now is None else now - (used[role] or 0.0)
            for role, model in self.models.items()
            for now in [model.usage().cpu_seconds]
        }

    @property
    def recorded(self) -> dict[tuple[int, str], RecordedTimes]:
        """What was measured, without batch sizes of which nothing was sent."""
        return {key: recorded for key, recorded in self.measured.items() if recorded.requests}

    def _drive(self) -> None:
        # Random order within each pair of blocks: what drifts on the machine then favours neither model.
        order = random.Random(self.case.seed)  # noqa: S311  # an order, not a secret
        with (
            RequestLog(self.case.folder / "latency", self.title) as raw,
            Progress(self.case, f"{self.title}: blocks of requests sent") as progress,
        ):
            for index, size in enumerate(self.load.sizes):
                schedule, watch = BlockSchedule(self.load), QueueWatch()
                rest = (len(self.load.sizes) - index - 1) * schedule.remaining * len(self.roles)
                while schedule.remaining:
                    turn = sorted(self.roles)
                    order.shuffle(turn)
                    progress.total = progress.done + schedule.remaining * len(self.roles) + rest
                    drives: dict[str, Drive] = {}
                    for role in turn:
                        drives[role] = self._block(schedule, role=role, size=size)
                        raw.write_block(drives[role], role=role, batch=size, block=schedule.done)
                        progress.step()
                    schedule.record(list(drives.values()))
                    self._take(size, drives)
                    if self._is_queue(watch, drives[self.judged], size=size, remaining=schedule.remaining):
                        return

    def _is_queue(self, watch: QueueWatch, drive: Drive, *, size: int, remaining: int) -> bool:
        """Whether a block proves that the rate is not kept, with which the load ends."""
        rate = self.load.arrival_rate
        if rate is None or not remaining or not watch.proven(drive, rate=rate):
            return False
        blocks = self.measured[size, self.judged].blocks
        able = borne(self.measured[size, self.judged].pace, rate=rate)
        if able is None:
            return False
        words = queue_words(self.judged, able=able, rate=rate)
        self.overload = f"{words}; the load was ended after {blocks} of {blocks + remaining} blocks"
        return True

    def _block(self, schedule: BlockSchedule, *, role: str, size: int) -> Drive:
        load = self.load
        plan = LoadPlan(
            requests=schedule.requests,
            rows=size,
            rate=load.arrival_rate,
            arrivals=load.arrivals,
            seed=self.case.seed + schedule.done,  # the same for both models: request i of a block is due at one moment
            warmup=schedule.warmup,
            concurrency=CONNECTIONS if load.closed is None else load.closed.concurrency,
            duration_s=schedule.seconds,
        )
        drive = self.models[role].drive(plan, schedule.rows(self.batches[role], size=size))
        self.sent[role] += plan.warmup + len(drive.sent_s) + drive.unrecorded
        return drive

    def _take(self, size: int, drives: Mapping[str, Drive]) -> None:
        """Record a block; beyond a million requests of a model the times of both are counted in bins."""
        for role, drive in drives.items():
            self.measured[size, role].add(drive)
        if "champion" in drives:
            self.pairs[size].append(failed_pairs(drives["candidate"].failed, drives["champion"].failed))
        recorded = [self.measured[size, role] for role in drives]
        if any(times.requests > EXACT for times in recorded):
            for times in recorded:
                times.fold()

    def latencies(self) -> dict[int, BlockLatencies]:
        def stretches(size: int, role: str) -> list[Stretch]:
            return self.measured[size, role].stretches if role in self.roles else []

        return {
            size: BlockLatencies(
                [stretch.times for stretch in stretches(size, "candidate")],
                [stretch.times for stretch in stretches(size, "champion")] or None,
                [stretch.seconds for stretch in stretches(size, "candidate")],
                [stretch.seconds for stretch in stretches(size, "champion")],
                self.pairs[size],
                self.load.stall,
            )
            for size in self.load.sizes
        }

    def count(self, name: str, line: Requirement, batch: int) -> Estimate:
        values = {role: self._counted(line.subject, role, batch) for role in self.roles}
        value, units = values["candidate"]
        champion = values["champion"][0] if "champion" in values and math.isfinite(values["champion"][0]) else None
        detail = {}
        if line.subject == "errors":
            first = self.measured[batch, "candidate"].first_error
            detail = {"first_error": first} if first else {}
        estimate = counted(name, line, value=value, units=units, champion=champion, detail=detail)
        if math.isinf(value):
            return without_value(estimate, ("requests_failed", "a request failed, which is slower than any limit"))
        return estimate

    def _counted(self, subject: str, role: str, batch: int) -> tuple[float, int]:
        """(value, number of units it was counted on); (0, 0) where it cannot be measured."""
        usage = self.models[role].usage()
        measured = self.measured[batch, role]
        if subject == "errors":
            return float(measured.failed), measured.requests
        if subject == "max_ms":
            return measured.longest_ms, measured.requests
        if subject == "cpu_seconds_per_1k":
            spent, sent = self.cpu_seconds[role], self.sent[role]
            return (0.0, 0) if spent is None else (1000 * spent / sent, sent)
        if subject == "model_mb":
            return sum(path.stat().st_size for path in self.roles[role].files.rglob("*") if path.is_file()) / 1e6, 1
        if subject == "gpus":
            return float(len(self.machine.get("gpus", ()))), 1
        amount = {
            "load_seconds": self.facts[role].load_seconds,
            "first_prediction_ms": usage.first_prediction_ms,
            "rss_mb": None if usage.rss_bytes is None else usage.rss_bytes / 1e6,
        }[subject]
        return (0.0, 0) if amount is None else (amount, 1)

    def add_circumstances(self, finding: Finding, subject: Subject) -> Finding:
        """Add the first request that failed, the machine that the number is for, and what makes another run decide."""
        reason = finding.reason
        if finding.verdict is not Verdict.PASS and (first := finding.detail.get("first_error")):
            reason += f"; the first: {cut(str(first), 200)}"
        if finding.observed is not None and "champion" not in finding.limit.text and subject.unit in _OF_A_MACHINE:
            reason += f"; measured on {machine_name(self.machine)}"
        undecided = finding.verdict is Verdict.INCONCLUSIVE
        estimated = finding.decided is not None and finding.decided.confidence is not None
        fewer = self._fewer_requests() if undecided and estimated else None
        if fewer is not None:
            reason += f"; {fewer[0]}"
        timed = estimated and subject.unit in _OF_A_MACHINE and finding.verdict is not Verdict.PASS
        timed = timed or finding.code in ("too_noisy", "not_steady", "load_generator")
        busy = busy_words(self.meanwhile) if timed or fewer is not None else None
        reason += "" if busy is None else f"; {busy}"
        load = self._bearable_load() if finding.code == "saturated" else finding.remedy
        if not timed or finding.code == "saturated":
            return replace(finding, reason=reason, remedy=load)
        if finding.code in ("too_noisy", "not_steady"):
            load = f"{self._longer_load()}{'; or allow a larger factor' * str(load).endswith('a larger factor')}"
        elif fewer is not None and finding.code == "not_shown" and finding.decided is not None and finding.decided.met:
            load = fewer[1]
        quiet = None if busy is None else "run again when the machine is quiet"
        remedies = [
            ", or ".join(filter(None, (quiet, load))),
            self._thread_remedy(maybe=busy is not None or finding.code == "too_noisy"),
        ]
        return replace(finding, reason=reason, remedy="; ".join(filter(None, remedies)) or None)

    def _thread_remedy(self, *, maybe: bool) -> str | None:
        """What steadies a model that computes on several threads, where this one surely does, or maybe."""
        spent, sent = self.cpu_seconds["candidate"], self.sent["candidate"]
        if spent is None or "OMP_NUM_THREADS" in self.facts["candidate"].threads:
            return None
        timed = [recorded for (_, role), recorded in self.recorded.items() if role == "candidate"]
        took_s = sum(stretch.times.total for recorded in timed for stretch in recorded.stretches) / 1000
        processors = spent / sent * sum(recorded.requests for recorded in timed) / took_s if took_s else 0.0
        if processors >= _SEVERAL:
            return f"the model computes on several threads ({processors:.2g} processors): {ONE_THREAD}"
        words = "a model that computes on several threads waits for the slowest of them"
        return f"{words}: {ONE_THREAD}" if maybe else None

    def _longer_load(self) -> str:
        """The line to write where the run was too unsteady: a longer warm-up, and more requests."""
        longer = {"warmup": max(_LONGER * self.load.warmup, _LEAST_WARMUP)}
        longer |= {} if self.load.planned is None else {"requests": _LONGER * self.load.planned}
        takes = foretold_seconds(self.load.model_copy(update=longer), self.capacities)
        line = f"write load: {self.written.with_fields(**longer)}"
        return f"{line}, which takes about {units.rough_time(takes)}" if takes else line

    def _fewer_requests(self) -> tuple[str, str] | None:
        """(how many fewer requests than usual were sent, the load to write) where the models were too slow for more."""
        sent = self.load.planned
        if sent is None or self.usual is None or sent >= self.usual or not self.capacities:
            return None
        slowest = max(capacity.pace_s for capacity in self.capacities.values())
        takes = foretold_seconds(self.load.model_copy(update={"requests": self.usual}), self.capacities)
        return (
            f"only {sent:,} of {self.usual:,} requests were sent, because one took {slowest * 1000:.3g} ms beforehand",
            f"write load: {self.written.with_fields(requests=self.usual)}, which takes about {units.rough_time(takes)}",
        )

    def _bearable_load(self) -> str | None:
        """The line to write where the rate is above what a model bears."""
        rate = self.load.arrival_rate
        able = [each.able_rps for (_, role), each in self.capacities.items()]
        queued = [borne(recorded.pace, rate=rate) for recorded in self.recorded.values()] if rate else []
        able += [each for each in queued if each is not None]
        if not able:
            return None
        calmer = bearable(min(able))
        load = self.load.model_copy(update={"rate": units.rate(calmer)})
        seconds = (load.planned or 0) / (load.rate or RATE) * len(load.sizes) * len(self.roles)
        return (
            f"write load: {self.written.with_rate(calmer)}, which takes about {units.rough_time(seconds)}; or load: {{closed: "
            "{concurrency: 1}} for how long requests take that do not wait for others"
        )

    def schedule_problem(self) -> tuple[str, str] | None:
        """(code, reason) where the times are those of the load generator, or of a queue before the champion or only model.

        The champion's queue makes a comparison void; a candidate that alone cannot keep up is slower, which is a verdict.
        """
        if self.overload is not None:
            return "saturated", self.overload
        problem = None
        for (_, role), recorded in self.measured.items():
            problem = problem or late(recorded.pace, role=role)
        if problem is not None:
            return "load_generator", problem
        rate, role = self.load.arrival_rate, self.judged
        for size in self.load.sizes:
            problem = problem or (rate and saturated(self.measured[size, role].pace, role=role, rate=rate)) or None
        return None if problem is None else ("saturated", problem)

    def context(self) -> dict[str, Any]:
        able = {f"{role}, batch {size}": number(each.able_rps) for (size, role), each in self.capacities.items()}
        return {
            "load": self.load.spoken,
            "requests": max(recorded.requests for recorded in self.measured.values()),
            **({"values": FOLDED} if any(recorded.folded for recorded in self.measured.values()) else {}),
            "lag_p99_ms": {
                f"{role}, batch {size}": number(recorded.pace.lag_p99_ms)
                for (size, role), recorded in self.recorded.items()
            },
            **({"able_rps": able} if able else {}),
            "batch_sizes": list(self.load.sizes),
            "data": self.data or "input example",
            "machine": self.machine,
            "meanwhile": self.meanwhile,
        }
