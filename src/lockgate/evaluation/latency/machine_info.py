"""The machine of a measurement, and the processor time that other programs used meanwhile.

Read from Linux's /proc and /sys; elsewhere less can be read, and what cannot is left out.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC, SYS = Path("/proc"), Path("/sys")
GPU_TIMEOUT_S = 5.0
BUSY_SHARE = 0.05
MOST_NAMED = 3
ONE_THREAD = "OMP_NUM_THREADS=1 gate run measures it on one"
_GPU_FIELDS = "name,driver_version,memory.total,utilization.gpu"


def describe_machine(proc: Path = PROC, sys: Path = SYS) -> dict[str, Any]:
    """Describe the machine: processor, cores, memory, limits of the container, governor, graphics processors.

    Integers, strings and lists of them only, so that it can stand in evidence.
    """
    memory = _entry(proc / "meminfo", "MemTotal")
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _entry(proc / "cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cpus": os.cpu_count() or 0,
        "usable_cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "cpu_limit": _cpu_limit(sys),
        "memory_mb": int(memory.split()[0]) // 1000 if memory else None,
        "memory_limit_mb": _memory_limit_mb(sys),
        "governor": _text(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else None,
        "gpus": _gpus(),
    }
    return {name: value for name, value in facts.items() if value not in (None, [], "")}


def gpu_count() -> int:
    """How many graphics processors this machine has, by `nvidia-smi`."""
    return len(_gpus())


def busy_words(meanwhile: Mapping[str, Any]) -> str | None:
    """`meanwhile other programs used 90 % of the machine (python 150 %)`; None where they used little."""
    share, names = float(meanwhile.get("others_share", 0)), ", ".join(meanwhile.get("others", ()))
    if share < BUSY_SHARE:
        return None
    return f"meanwhile other programs used {share * 100:.0f} % of the machine" + (f" ({names})" if names else "")


def machine_name(facts: Mapping[str, Any]) -> str:
    """Name the machine in a few words: `Xeon Gold 6548Y, 2 of 8 processors`."""
    cpus, usable = facts.get("cpus", 0), facts.get("usable_cpus", 0)
    count = f"{usable} of {cpus}" if usable and usable != cpus else f"{cpus}"
    return f"{facts.get('processor', 'an unknown processor')}, {count} processor{'' if cpus == 1 else 's'}"


@dataclass(frozen=True)
class ProcessorTimes:
    """The machine's processor time so far, by process; `since` compares two of them.

    total, idle, stolen: clock ticks of all processors. used: process id → (name, ticks, its parent).
    """

    total: int
    idle: int
    stolen: int
    used: Mapping[int, tuple[str, int, int]]

    def since(self, before: ProcessorTimes, *, own: int) -> dict[str, Any]:
        """Return shares of the machine's processor time: that of others than process `own` and its children, and stolen.

        others: names of the programs that used 5 % of a processor or more, largest first. Empty where there is no /proc.
        """
        passed = self.total - before.total
        if passed <= 0:
            return {}
        processors = os.cpu_count() or 1
        family = self._family(own)
        spent = {
            pid: ticks - before.used.get(pid, (name, 0, 0))[1]
            for pid, (name, ticks, _) in self.used.items()
            if pid not in family
        }
        ours = sum(
            ticks - before.used.get(pid, ("", 0, 0))[1] for pid, (_, ticks, _) in self.used.items() if pid in family
        )
        busy = passed - (self.idle - before.idle)
        named = [
            f"{self.used[pid][0]} {100 * ticks * processors / passed:.0f} %"
            for pid, ticks in sorted(spent.items(), key=lambda entry: -entry[1])
            if ticks * processors >= BUSY_SHARE * passed
        ]
        return {
            "others_share": f"{max(0.0, min(1.0, (busy - ours) / passed)):.3f}",
            "stolen_share": f"{(self.stolen - before.stolen) / passed:.3f}",
            "others": named[:MOST_NAMED],
        }

    def _family(self, own: int) -> set[int]:
        """Ids of a process and its descendants."""
        children: dict[int, list[int]] = {}
        for pid, (_, _, parent) in self.used.items():
            children.setdefault(parent, []).append(pid)
        family, rest = set[int](), [own]
        while rest:
            pid = rest.pop()
            if pid not in family:
                family.add(pid)
                rest += children.get(pid, [])
        return family


def read_processor_times(proc: Path = PROC) -> ProcessorTimes:
    """Read the processor time used so far, by process; all zero where there is no /proc."""
    first = (_text(proc / "stat") or "").split("\n", 1)[0].split()
    # proc(5): user nice system idle iowait irq softirq steal; guest time, which follows, is in user already
    ticks = [int(word) for word in first[1:9]] if first[:1] == ["cpu"] else []
    if len(ticks) < 8:
        return ProcessorTimes(0, 0, 0, {})
    used = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            process = _process(folder)
            if process is not None:
                used[int(folder.name)] = process
    return ProcessorTimes(sum(ticks), ticks[3] + ticks[4], ticks[7], used)


def _process(folder: Path) -> tuple[str, int, int] | None:
    """(name, ticks, parent) of a process; None when it ended meanwhile."""
    text = _text(folder / "stat")
    if text is None or ")" not in text:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")  # a name may hold both parentheses and spaces
    fields = rest.split()
    return name, int(fields[11]) + int(fields[12]), int(fields[1])


def _entry(path: Path, name: str) -> str:
    """The first value of a name in a file of `name: value` lines; empty where there is none."""
    entries = (line.partition(":") for line in (_text(path) or "").splitlines())
    return next((value.strip() for key, _, value in entries if key.strip() == name), "")


def _cpu_limit(sys: Path) -> str | None:
    """Processors that the container may use, by either version of control groups."""
    quota, _, period = (_text(sys / "fs/cgroup/cpu.max") or "").partition(" ")
    if not period:
        quota = _text(sys / "fs/cgroup/cpu/cpu.cfs_quota_us") or ""
        period = _text(sys / "fs/cgroup/cpu/cpu.cfs_period_us") or ""
    if not quota.isdigit() or not period.isdigit() or not int(period):
        return None
    return f"{int(quota) / int(period):g}"


def _memory_limit_mb(sys: Path) -> int | None:
    text = _text(sys / "fs/cgroup/memory.max") or _text(sys / "fs/cgroup/memory/memory.limit_in_bytes") or ""
    # version 1 writes "no limit" as almost 2**63
    return int(text) // 1_000_000 if text.isdigit() and int(text) < 1 << 60 else None


def _gpus() -> list[str]:
    """One line of nvidia-smi for each graphics processor; none without it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=GPU_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in ended.stdout.splitlines() if line.strip()] if ended.returncode == 0 else []


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
