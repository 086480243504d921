"""One interleaved run of a load: who was asked in which order, what came back, and what the machine did meanwhile."""

from __future__ import annotations

import math
import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from lockgate.digest import number
from lockgate.estimate import Estimate, counted
from lockgate.evidence import Finding
from lockgate.gate import Case, Contender
from lockgate.load import BLOCKS, CONNECTIONS, MOST, Load
from lockgate.machine import described, short, watch
from lockgate.model import Drive, LoadPlan
from lockgate.requirement import Requirement, Subject
from lockgate.schedule import lag_ms, late, saturated
from lockgate.timing import Timed, without_value
from lockgate.timing_rates import failed_in_turn

if TYPE_CHECKING:
    from lockgate.target import Target

_OF_A_MACHINE = ("ms", "s", "requests/s")


class Interleaved:
    """One interleaved run: who was asked in which order, and what came back."""

    def __init__(self, title: str, load: Load, case: Case, *, data: str | None, target: Target | None) -> None:
        self.load, self.case, self.title = load, case, title
        self.roles: dict[str, Contender] = {contender.role: contender for contender in case.contenders}
        data = data or (case.datasets[0] if case.datasets else None)
        self.drives: dict[tuple[int, str], list[Drive]] = {}
        self.models = {role: contender.at(target) for role, contender in self.roles.items()}
        self.sent = dict.fromkeys(self.roles, 0)
        self.facts = {role: model.load() for role, model in self.models.items()}
        self.batches: dict[str, pa.RecordBatch] = {
            role: case.sample(contender, data, max(1000, *self.load.sizes)) for role, contender in self.roles.items()
        }
        self.data = data
        self.machine, before = described(), watch()
        used = {role: model.usage().cpu_seconds for role, model in self.models.items()}
        self._drive()
        self.meanwhile = watch().since(before, own=os.getpid())
        self.cpu_seconds = {
            role: None if used[role] is None or now is None else now - (used[role] or 0.0)
            for role, model in self.models.items()
            for now in [model.usage().cpu_seconds]
        }

    def _drive(self) -> None:
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
                    self.sent[role] += plan.warmup + len(drive.sent_s)
                    done += 1
                    self.case.progress(f"{self.title}: block", done, total)
        self._keep()

    def _keep(self) -> None:
        """Every raw request, as `latency/<gate>.parquet` in the run's folder."""
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
        def blocks(size: int, role: str) -> Any:
            return tuple(drive.latency_ms for drive in self.drives[size, role])

        def seconds(size: int, role: str) -> tuple[float, ...]:
            return tuple(float(drive.done_s.max() - drive.sent_s.min()) for drive in self.drives[size, role])

        beside = "champion" in self.roles
        return {
            size: Timed(
                blocks(size, "candidate"),
                blocks(size, "champion") if beside else None,
                seconds(size, "candidate"),
                seconds(size, "champion") if beside else (),
                [
                    failed_in_turn(one.failed, other.failed)
                    for one, other in zip(
                        self.drives[size, "candidate"], self.drives.get((size, "champion"), ()), strict=beside
                    )
                ],
            )
            for size in self.load.sizes
        }

    def count(self, name: str, line: Requirement, batch: int) -> Estimate:
        values = {role: self._counted(line.subject, role, batch) for role in self.roles}
        value, units = values["candidate"]
        champion = values["champion"][0] if "champion" in values and math.isfinite(values["champion"][0]) else None
        detail = {}
        if line.subject == "errors":
            first = next((one.first_error for one in self.drives[batch, "candidate"] if one.first_error), None)
            detail = {"first_error": first} if first else {}
        found = counted(name, line, value=value, units=units, champion=champion, detail=detail)
        if math.isinf(value):
            return without_value(found, ("requests_failed", "a request failed, which is slower than any limit"))
        return found

    def _counted(self, subject: str, role: str, batch: int) -> tuple[float, int]:
        """(value, how many things were looked at): none where nobody could tell."""
        usage = self.models[role].usage()
        drives = self.drives[batch, role]
        requests = sum(len(drive.failed) for drive in drives)
        if subject == "errors":
            return float(sum(drive.failed.sum() for drive in drives)), requests
        if subject == "max_ms":
            return max(float(drive.latency_ms.max()) for drive in drives), requests
        if subject == "cpu_seconds_per_1k":
            spent, sent = self.cpu_seconds[role], self.sent[role]
            return (0.0, 0) if spent is None else (1000 * spent / sent, sent)
        if subject == "model_mb":
            return sum(path.stat().st_size for path in self.roles[role].files.rglob("*") if path.is_file()) / 1e6, 1
        if subject == "gpus":
            return float(len(self.machine.get("gpus", ()))), 1
        known = {
            "load_seconds": self.facts[role].load_seconds,
            "first_prediction_ms": usage.first_prediction_ms,
            "rss_mb": None if usage.rss_bytes is None else usage.rss_bytes / 1e6,
        }[subject]
        return (0.0, 0) if known is None else (known, 1)

    def placed(self, finding: Finding, subject: Subject) -> Finding:
        """The finding with the machine that a number holds for, and with what else ran where that made it too noisy."""
        said = finding.reason
        if finding.observed is not None and "champion" not in finding.limit.text and subject.unit in _OF_A_MACHINE:
            said += f"; measured on {short(self.machine)}"
        share = float(self.meanwhile.get("others_share", 0))
        if finding.code in ("too_noisy", "not_steady", "load_generator") and share >= 0.05:
            names = ", ".join(self.meanwhile.get("others", ()))
            said += f"; meanwhile other programs used {share:.0%} of the machine" + (f" ({names})" if names else "")
        return replace(finding, reason=said)

    def off_schedule(self) -> tuple[str, str] | None:
        """(code, why) where the times are those of the load generator, or of a queue before the champion or only model."""
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
        return {
            "load": self.load.spoken,
            "requests": max(sum(len(drive.sent_s) for drive in drives) for drives in self.drives.values()),
            "lag_p99_ms": {
                f"{role}, batch {size}": number(lag_ms(drives)) for (size, role), drives in self.drives.items()
            },
            "batch_sizes": list(self.load.sizes),
            "data": self.data or "input example",
            "machine": self.machine,
            "meanwhile": self.meanwhile,
        }
