"""Facts of the machine, read from files as Linux writes them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lockgate.evaluation.latency.machine_info import (
    ProcessorTimes,
    describe_machine,
    machine_name,
    read_processor_times,
)
from lockgate.hashing import canonical


def files(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_a_container_with_limits_is_told_with_its_limits(tmp_path: Path) -> None:
    """Control groups of the second version, a governor, a named processor."""
    proc = files(
        tmp_path / "proc", cpuinfo="processor\t: 0\nmodel name\t: Xeon Gold\n", meminfo="MemTotal: 24000000 kB\n"
    )
    sysfs = tmp_path / "sys"
    for name, text in {
        "fs/cgroup/cpu.max": "150000 100000",
        "fs/cgroup/memory.max": "4000000000",
        "devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    }.items():
        (sysfs / name).parent.mkdir(parents=True, exist_ok=True)
        (sysfs / name).write_text(text)
    facts = describe_machine(proc, sysfs)

    assert facts["processor"] == "Xeon Gold"
    assert (facts["cpu_limit"], facts["memory_limit_mb"], facts["memory_mb"]) == ("1.5", 4000, 24000)
    assert facts["governor"] == "powersave"
    assert machine_name({"processor": "Xeon Gold", "cpus": 8, "usable_cpus": 2}) == "Xeon Gold, 2 of 8 processors"
    assert canonical(facts)


def test_older_control_groups_and_no_limit_at_all(tmp_path: Path) -> None:
    """A quota of the first version; `max` and −1 say that there is none."""
    old = files(tmp_path / "old", fs__cgroup__cpu__cpu="x")
    (old / "fs/cgroup/cpu/cpu.cfs_quota_us").write_text("50000")
    (old / "fs/cgroup/cpu/cpu.cfs_period_us").write_text("100000")
    free = tmp_path / "free/fs/cgroup"
    free.mkdir(parents=True)
    (free / "cpu.max").write_text("max 100000")
    (free / "memory.max").write_text("max")

    assert describe_machine(tmp_path, old)["cpu_limit"] == "0.5"
    assert {"cpu_limit", "memory_limit_mb"}.isdisjoint(describe_machine(tmp_path, tmp_path / "free"))


def test_a_graphics_processor_is_told_as_its_driver_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each; a driver that breaks is none."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA L4, 570.1, 23034 MiB, 3 %'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert describe_machine()["gpus"] == ["NVIDIA L4, 570.1, 23034 MiB, 3 %"]

    program.write_text("#!/bin/sh\necho broken; exit 9\n")
    assert "gpus" not in describe_machine()


def test_what_others_used_is_told_by_name() -> None:
    """The gate's own children are not others."""
    cpus = os.cpu_count() or 1
    before = ProcessorTimes(1000, 500, 0, {1: ("init", 5, 0), 7: ("gate", 10, 1), 9: ("compiler", 100, 1)})
    after = ProcessorTimes(
        1000 + 100 * cpus, 500 + 20 * cpus, 4 * cpus,
        {1: ("init", 5, 0), 7: ("gate", 30, 1), 8: ("model", 10, 7), 9: ("compiler", 150, 1)},
    )  # fmt: skip
    found = after.since(before, own=7)

    assert found["others"] == ["compiler 50 %"]
    assert found["stolen_share"] == "0.040"
    assert float(found["others_share"]) == pytest.approx(0.8 - 30 / (100 * cpus), abs=1e-3)
    assert before.since(before, own=7) == {}


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="no /proc on this system")
def test_a_process_that_burns_a_core_is_seen() -> None:
    """A real one, until the machine's clock has counted it."""
    before = read_processor_times()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) as hog:
        try:
            while True:
                after = read_processor_times()
                name, ticks, _ = after.used.get(hog.pid, ("", 0, 0))
                if ticks >= 30:
                    break
        finally:
            hog.kill()
    alone = replace(after, used={hog.pid: after.used[hog.pid]})  # beside others that use more it is not named
    others = alone.since(before, own=-1)["others"]

    assert name.startswith("python")
    assert others[0].startswith("python")


def test_a_system_without_proc_says_nothing(tmp_path: Path) -> None:
    """Nothing is invented."""
    nothing = read_processor_times(tmp_path / "none")

    assert nothing.since(nothing, own=1) == {}
    assert describe_machine(tmp_path / "none", tmp_path / "none")["cpus"] >= 1
