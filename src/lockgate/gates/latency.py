"""Is the candidate fast enough, and in the tail?"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from lockgate import units
from lockgate.config import Config, Duration
from lockgate.errors import GateBroken
from lockgate.evidence import Exhibit, Finding
from lockgate.gate import Case, Contender, Context, Gate
from lockgate.requirement import Requirement, Subject
from lockgate.target import Server, Target

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.estimate import Estimate
    from lockgate.model import Drive
    from lockgate.pipeline import Pipeline
    from lockgate.timing import Timed

BLOCKS = 20
MOST = 1_000_000
CONNECTIONS = 8
_OF_OUR_PROCESSES = ("load_seconds", "rss_mb", "cpu_seconds_per_1k")


def _rate(value: Any) -> Any:
    return units.rate(value) if isinstance(value, str) else value


Rate = Annotated[
    float,
    BeforeValidator(
        _rate, json_schema_input_type=Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*/\s*(s|m|min|h)\s*$")]
    ),
]


class Closed(Config):
    """So many workers, each of which sends when its last request was answered: what is measured is service time."""

    concurrency: int = Field(default=1, ge=1, le=1000)


class Load(Config):
    """How requests arrive: an open loop at a rate (response time, from the intended send time), or a closed loop."""

    rate: Rate | None = None
    arrivals: Literal["poisson", "constant"] = "poisson"
    closed: Closed | None = None
    requests: int = Field(default=3000, ge=1, le=MOST)
    warmup: int = Field(default=20, ge=0, le=100_000)
    batch_size: int | tuple[int, ...] = Field(default=1)
    duration: Duration | None = None

    @model_validator(mode="after")
    def _one_loop(self) -> Load:
        if self.rate is not None and self.closed is not None:
            raise ValueError("give rate (an open loop) or closed, not both")
        if self.duration is not None and "requests" in self.model_fields_set:
            raise ValueError("give requests or duration, not both")
        if self.duration is not None and not 1 <= self.duration.total_seconds() <= 86400:
            raise ValueError("duration is that of all blocks of one model together, from 1s to 24h")
        if self.planned is not None and self.planned > MOST:
            raise ValueError(f"rate and duration make {self.planned:,} requests; {MOST:,} are the most")
        if any(not 1 <= size <= 100_000 for size in self.sizes) or len(set(self.sizes)) != len(self.sizes):
            raise ValueError("batch_size is a number of rows, or several different ones, each from 1 to 100,000")
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.batch_size,) if isinstance(self.batch_size, int) else self.batch_size

    @property
    def arrival_rate(self) -> float | None:
        """Requests a second of the open loop; None for a closed one."""
        return None if self.closed is not None else self.rate or 100.0

    @property
    def planned(self) -> int | None:
        """How many requests a model gets; None where a closed loop goes on for a duration."""
        if self.duration is None:
            return self.requests
        rate = self.arrival_rate
        return None if rate is None else max(1, math.floor(rate * self.duration.total_seconds()))

    @property
    def spoken(self) -> str:
        if self.closed is not None:
            many = self.closed.concurrency
            return f"closed loop, {'one request' if many == 1 else f'{many} requests'} at a time: service time"
        return f"open loop, {self.arrival_rate:g} requests a second, {self.arrivals} arrivals: response time"


class Latency(Gate):
    """The time of one request in the model's own process, candidate and champion in one interleaved run.

    p50_ms … p999_ms and mean_ms are estimated; errors, load_seconds and rss_mb are counted on this run. `data` gives the
    rows that are sent; without it the first data set, else the input example.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        subject.name: subject
        for subject in (
            *(
                Subject(name, "lower", unit="ms", bounds=(0, None), args=("batch",))
                for name in ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "mean_ms")
            ),
            Subject("errors", "lower", counted=True, unit="requests", bounds=(0, None), args=("batch",)),
            Subject("load_seconds", "lower", counted=True, unit="s", bounds=(0, None)),
            Subject("rss_mb", "lower", counted=True, unit="MB", bounds=(0, None)),
        )
    }
    asks_models: ClassVar[bool] = True

    gate: Literal["latency"] = "latency"
    data: str | None = None
    load: Load = Load()
    target: Target | None = None

    def complaints(self, pipeline: Pipeline) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """What is wrong with the gate as a whole, each with its place: batches never sent, runs too short to decide."""
        from lockgate.timing_limits import least_requests

        asked_at = self.target or pipeline.target
        if isinstance(asked_at, Server) and asked_at.one_row and self.load.sizes != (1,):
            yield ("load",), "target sends one row a request ($row, $record), so batch_size is 1"
        for place, line in enumerate(self.lines):
            where = ("require", place) if self.require is not None else ()
            if isinstance(asked_at, Server) and line.subject in _OF_OUR_PROCESSES:
                yield (
                    where,
                    f"{str(line)!r}: a server that you run does not tell its {line.subject}; "
                    "ask where we start the model: target: process, or {serve: mlflow}",
                )
            batch = line.argument("batch")
            if batch is not None and batch not in self.load.sizes:
                yield where, f"{str(line)!r}: no load of batch_size {batch} is sent; known: {_listed(self.load.sizes)}"
            elif batch is None and len(self.load.sizes) > 1 and "batch" in self.subjects[line.subject].args:
                yield (
                    where,
                    f"{str(line)!r} does not say for which batch; write {line.subject}(batch={self.load.sizes[0]})",
                )
            if line.limit.relative and line.limit.sign != "*" and not self.subjects[line.subject].counted:
                yield where, f"{str(line)!r}: times of two models are compared by a factor; write champion * 1.1"
            if line.op == ">=":
                continue
            least = least_requests(line)
            planned = self.load.planned
            if least is not None and planned is not None and planned < least:
                yield (
                    where,
                    f"{str(line)!r}: {planned:,} requests can never decide it; write load: {{requests: {least}}} or more",
                )

    def check(self, case: Case) -> Iterator[Finding | Exhibit | Context]:
        from lockgate.judge import judge
        from lockgate.timing import estimate_latency, without_value

        asked = self.asked(case)
        if not asked:
            return
        run = _Run(self, case)
        timed: dict[int, Timed] = run.timed()
        yield Context(run.context())
        estimates: list[Estimate] = []
        for name, line in asked:
            batch = line.argument("batch", self.load.sizes[0])
            if not isinstance(batch, int):
                raise GateBroken(f"batch={batch!r} is no number of rows")
            if self.subjects[line.subject].counted:
                estimates.append(run.count(name, line, batch))
            else:
                estimates.append(estimate_latency(name, line, timed[batch], seed=case.seed))
        problem = run.off_schedule()
        if problem is not None:
            estimates = [one if one.counted else without_value(one, problem) for one in estimates]
        yield from judge(self.title, asked, estimates, self.subjects)
        yield from run.exhibits(self.title, timed)


def _listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))


class _Run:
    """One interleaved run: who was asked in which order, and what came back."""

    def __init__(self, gate: Latency, case: Case) -> None:
        self.load, self.case, self.title = gate.load, case, gate.title
        self.roles: dict[str, Contender] = {contender.role: contender for contender in case.contenders}
        data = gate.data or (case.datasets[0] if case.datasets else None)
        self.drives: dict[tuple[int, str], list[Drive]] = {}
        self.models = {role: contender.at(gate.target) for role, contender in self.roles.items()}
        self.facts = {role: model.load() for role, model in self.models.items()}
        self.batches: dict[str, pa.RecordBatch] = {
            role: case.sample(contender, data, max(1000, *self.load.sizes)) for role, contender in self.roles.items()
        }
        self.data = data
        self._drive()

    def _drive(self) -> None:
        from lockgate.model import LoadPlan

        order = random.Random(self.case.seed)  # noqa: S311  # an order, not a secret
        load = self.load
        requests = load.planned or MOST
        blocks = min(BLOCKS, requests)
        share, rest = divmod(requests, blocks)
        total = len(load.sizes) * blocks * len(self.roles)
        done = 0
        for size in load.sizes:
            for block in range(blocks):
                turn = sorted(self.roles)
                order.shuffle(turn)
                for role in turn:
                    plan = LoadPlan(
                        requests=share + (block < rest),
                        rows=size,
                        rate=load.arrival_rate,
                        arrivals=load.arrivals,
                        seed=self.case.seed + block,
                        warmup=load.warmup if block == 0 else max(1, min(load.warmup, share // 20)),
                        concurrency=CONNECTIONS if load.closed is None else load.closed.concurrency,
                        duration_s=load.duration.total_seconds() / blocks if load.duration and load.closed else None,
                    )
                    drive = self.models[role].drive(plan, self.batches[role])
                    self.drives.setdefault((size, role), []).append(drive)
                    done += 1
                    self.case.progress(f"{self.title}: block", done, total)
        self._keep()

    def _keep(self) -> None:
        """Every raw request, as `latency/<gate>.parquet` in the run's folder."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as parquet

        blocks = []
        for (size, role), drives in self.drives.items():
            for block, drive in enumerate(drives):
                count = len(drive.sent_s)
                columns = {
                    "model": pa.array([role]).take(pa.array(np.zeros(count, np.int32))),
                    "batch": np.full(count, size),
                    "block": np.full(count, block),
                    **{name: getattr(drive, name) for name in ("intended_s", "sent_s", "done_s", "failed", "lag_s")},
                }
                blocks.append(pa.table(columns))
        path = self.case.folder / "latency" / f"{self.title}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.concat_tables(blocks), path)

    def timed(self) -> dict[int, Timed]:
        from lockgate.timing import Timed

        def blocks(size: int, role: str) -> Any:
            return tuple(drive.latency_ms for drive in self.drives[size, role])

        return {
            size: Timed(blocks(size, "candidate"), blocks(size, "champion") if "champion" in self.roles else None)
            for size in self.load.sizes
        }

    def count(self, name: str, line: Requirement, batch: int) -> Estimate:
        from lockgate.estimate import counted

        values = {role: self._counted(line.subject, role, batch) for role in self.roles}
        value, units = values["candidate"]
        champion = values["champion"][0] if "champion" in values else None
        detail = {}
        if line.subject == "errors":
            first = next((one.first_error for one in self.drives[batch, "candidate"] if one.first_error), None)
            detail = {"first_error": first} if first else {}
        return counted(name, line, value=value, units=units, champion=champion, detail=detail)

    def _counted(self, subject: str, role: str, batch: int) -> tuple[float, int]:
        if subject == "load_seconds":
            seconds = self.facts[role].load_seconds
            return (0.0, 0) if seconds is None else (seconds, 1)
        if subject == "rss_mb":
            rss = self.models[role].usage().rss_bytes
            return (0.0, 0) if rss is None else (rss / 1e6, 1)
        drives = self.drives[batch, role]
        return float(sum(drive.failed.sum() for drive in drives)), sum(len(drive.failed) for drive in drives)

    def off_schedule(self) -> tuple[str, str] | None:
        """(code, why) where the times are those of the load generator, or of a queue before the champion or only model."""
        from lockgate.schedule import late, saturated

        why = None
        for (_, role), drives in self.drives.items():
            why = why or late(drives, role=role)
        if why is not None:
            return "load_generator", why
        rate, role = self.load.arrival_rate, "champion" if "champion" in self.roles else "candidate"
        for size in self.load.sizes:
            why = why or (rate and saturated(self.drives[size, role], role=role, rate=rate)) or None
        return None if why is None else ("saturated", why)

    def context(self) -> dict[str, Any]:
        import os
        import platform

        from lockgate.digest import number
        from lockgate.schedule import lag_ms

        return {
            "load": self.load.spoken,
            "requests": max(sum(len(drive.sent_s) for drive in drives) for drives in self.drives.values()),
            "lag_p99_ms": {
                f"{role}, batch {size}": number(lag_ms(drives)) for (size, role), drives in self.drives.items()
            },
            "batch_sizes": list(self.load.sizes),
            "data": self.data or "input example",
            "machine": {"cpus": os.cpu_count() or 0, "processor": platform.machine(), "system": platform.system()},
        }

    def exhibits(self, title: str, timed: Mapping[int, Timed]) -> Iterator[Exhibit]:
        """The distribution of latencies of both models, by batch size."""
        import numpy as np

        for size, one in timed.items():
            points: list[tuple[Any, ...]] = []
            for role, blocks in (("candidate", one.candidate), ("champion", one.champion)):
                if blocks is None:
                    continue
                values = np.sort(np.concatenate(blocks))
                keep = np.unique(
                    np.concatenate(
                        [np.linspace(0, len(values) - 1, 300), len(values) - 1 - np.arange(min(100, len(values)))]
                    )
                    .round()
                    .astype(int)
                )
                points += [
                    (role, float(values[place]), (place + 1) / len(values))
                    for place in keep.tolist()
                    if math.isfinite(values[place])
                ]
            yield Exhibit(f"{title}/ecdf-batch-{size}", "ecdf", ("model", "latency_ms", "share"), tuple(points))
