"""One interleaved run of a load: candidate and champion block by block in random order, and the machine meanwhile."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.latency.block_schedule import BlockSchedule
from lockgate.evaluation.latency.machine_info import describe_machine, machine_name, read_processor_times
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, without_value
from lockgate.evaluation.latency.rate_estimates import failed_pairs
from lockgate.evaluation.latency.recorded_times import EXACT, FOLDED, RecordedTimes, Stretch
from lockgate.evaluation.latency.request_log import RequestLog
from lockgate.evaluation.latency.schedule_check import late, saturated
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import number
from lockgate.models.load_spec import CONNECTIONS, Load
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.target_spec import Target
from lockgate.text import cut

_OF_A_MACHINE = ("ms", "s", "requests/s")


class InterleavedRun:
    """One interleaved run, driven when it is made: its recorded times, and what the models and the machine used."""

    def __init__(self, title: str, load: Load, case: Case, *, data: str | None, target: Target | None) -> None:
        self.load, self.case, self.title = load, case, title
        self.roles: dict[str, Contender] = {contender.role: contender for contender in case.contenders}
        data = data or (case.datasets[0] if case.datasets else None)
        self.measured = {(size, role): RecordedTimes(blocks=load.blocks) for size in load.sizes for role in self.roles}
        self.pairs: dict[int, list[tuple[int, int, int]]] = {size: [] for size in load.sizes}
        self.models = {role: contender.model_at(target) for role, contender in self.roles.items()}
        self.sent = dict.fromkeys(self.roles, 0)
        self.facts = {role: model.load() for role, model in self.models.items()}
        self.batches: dict[str, pa.RecordBatch] = {
            role: case.sample(contender, data, max(1000, *self.load.sizes)) for role, contender in self.roles.items()
        }
        self.data = data
        self.machine, before = describe_machine(), read_processor_times()
        used = {role: model.usage().cpu_seconds for role, model in self.models.items()}
        self._drive()
        self.meanwhile = read_processor_times().since(before, own=os.getpid())
        self.cpu_seconds = {
            role: None if used[role] is None or now is None else now - (used[role] or 0.0)
            for role, model in self.models.items()
            for now in [model.usage().cpu_seconds]
        }

    def _drive(self) -> None:
        # Random order within each pair of blocks: what drifts on the machine then favours neither model.
        order = random.Random(self.case.seed)  # noqa: S311  # an order, not a secret
        sizes, done = self.load.sizes, 0
        with RequestLog(self.case.folder / "latency", self.title) as raw:
            for index, size in enumerate(sizes):
                schedule = BlockSchedule(self.load)
                rest = (len(sizes) - index - 1) * schedule.remaining * len(self.roles)
                while schedule.remaining:
                    turn = sorted(self.roles)
                    order.shuffle(turn)
                    end = done + schedule.remaining * len(self.roles) + rest
                    drives: dict[str, Drive] = {}
                    for role in turn:
                        drives[role] = self._block(schedule, role=role, size=size)
                        raw.write_block(drives[role], role=role, batch=size, block=schedule.done)
                        done += 1
                        self.case.progress(f"{self.title}: block", done, end)
                    schedule.record(list(drives.values()))
                    self._take(size, drives)

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
        """Add the first request that failed, the machine that the number is for, and other programs that made it too noisy."""
        reason = finding.reason
        if finding.verdict is not Verdict.PASS and (first := finding.detail.get("first_error")):
            reason += f"; the first: {cut(str(first), 200)}"
        if finding.observed is not None and "champion" not in finding.limit.text and subject.unit in _OF_A_MACHINE:
            reason += f"; measured on {machine_name(self.machine)}"
        share = float(self.meanwhile.get("others_share", 0))
        if finding.code in ("too_noisy", "not_steady", "load_generator") and share >= 0.05:
            names = ", ".join(self.meanwhile.get("others", ()))
            reason += f"; meanwhile other programs used {share:.0%} of the machine" + (f" ({names})" if names else "")
        return replace(finding, reason=reason)

    def schedule_problem(self) -> tuple[str, str] | None:
        """(code, reason) where the times are those of the load generator, or of a queue before the champion or only model.

        The champion's queue makes a comparison void; a candidate that alone cannot keep up is slower, which is a verdict.
        """
        problem = None
        for (_, role), measured in self.measured.items():
            problem = problem or late(measured.pace, role=role)
        if problem is not None:
            return "load_generator", problem
        rate, role = self.load.arrival_rate, "champion" if "champion" in self.roles else "candidate"
        for size in self.load.sizes:
            problem = problem or (rate and saturated(self.measured[size, role].pace, role=role, rate=rate)) or None
        return None if problem is None else ("saturated", problem)

    def context(self) -> dict[str, Any]:
        return {
            "load": self.load.spoken,
            "requests": max(recorded.requests for recorded in self.measured.values()),
            **({"values": FOLDED} if any(recorded.folded for recorded in self.measured.values()) else {}),
            "lag_p99_ms": {
                f"{role}, batch {size}": number(recorded.pace.lag_p99_ms)
                for (size, role), recorded in self.measured.items()
            },
            "batch_sizes": list(self.load.sizes),
            "data": self.data or "input example",
            "machine": self.machine,
            "meanwhile": self.meanwhile,
        }
