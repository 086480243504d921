"""One law: how its tables are drawn, the lines that lie exactly at the truth, and how often each passes.

Runs are slices of one table, so that hundreds are estimated in one go: a slice is judged by its own rows alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Finding, Verdict

from ..asking import ask_replayed, ask_scored, drawing
from ..bars import ALPHA, Bar, standard_error
from ..cited import Measured, of_lines

Columns = Mapping[str, Any]
"""label, candidate, and champion, weight or unit (a cluster) where there are any: each (runs, rows), or (rows,) for all runs; the
scores of several classes (runs, rows, classes)"""

Draw = Callable[[np.random.Generator, int], Columns]
"""(random numbers, runs) → the tables of so many runs"""

BEFORE = Path(__file__).with_name("before.json")
BATCH_ROWS, BATCH_RUNS = 400_000, 1_000

HEADER = """L   unfriendly data. false: P(pass) where the truth is the limit. power: P(pass) of a candidate that deserves it (equal models
    where the line is relative). before: the same of version 834c726, which this bench was written against.
    approximate: the finding says so, and no rate is promised of its line.
                                                                                                       false         power
 law                                              line                                       sims  before   now  before   now"""


@dataclass(frozen=True)
class Law:
    """at_limit: tables of which each line's truth is its limit (or worse). better: of a candidate that deserves to pass, on
    the same lines or on `better_lines`. declared: the rate that is promised. approximate: the one that the documentation says of
    lines that promise none. power: the least share of passes there.
    """

    name: str
    rows: int
    lines: tuple[str, ...]
    at_limit: Draw | None
    better: Draw
    task: Any = "binary"
    better_lines: tuple[str, ...] | None = None
    declared: float = ALPHA
    approximate: float | None = None
    power: float | None = None


@dataclass(frozen=True)
class LawCell:
    """`sims` runs of a law at its limit, and as many of the better candidate. law: its name, which travels to a worker."""

    law: str
    sims: int

    @property
    def name(self) -> str:
        return self.law

    def run(self) -> LawRow:
        law = laws()[self.law]
        lines = law.better_lines or law.lines
        false = None if law.at_limit is None else passes(law, law.at_limit, law.lines, self.sims, "at the limit")
        return LawRow(self, false, passes(law, law.better, lines, self.sims, "better"))


@dataclass(frozen=True)
class Passes:
    """Of one line: the share of runs that pass, of those that pass within the promise, and by which methods these do."""

    all: float
    promised: float
    methods: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class LawRow:
    """false: for each line, None where nothing lies at a limit. power: likewise."""

    cell: LawCell
    false: tuple[Passes, ...] | None
    power: tuple[Passes, ...]

    @property
    def rates(self) -> dict[str, list[float | None]]:
        """law: line -> [false, power], as a file keeps them."""
        return {
            key: [None if false is None else round(false.all, 4), round(power.all, 4)]
            for key, false, power in self._lines()
        }

    def _lines(self) -> list[tuple[str, Passes | None, Passes]]:
        law = laws()[self.cell.law]
        false = self.false or (None,) * len(self.power)
        return [(f"{law.name}: {line}", one, two) for line, one, two in zip(law.lines, false, self.power, strict=True)]

    def __str__(self) -> str:
        text = []
        for key, false, power in self._lines():
            name, line = key.split(": ")
            rates = shown(remembered(BEFORE).get(key), None if false is None else false.all, power.all)
            note = "  approximate" if false and not false.promised and false.all else ""
            text.append(f" {name:<49}{line:<42}{self.cell.sims:>5}   {rates}{note}")
        return "\n".join(text)

    @property
    def measured(self) -> Measured:
        return of_lines((method, line.promised) for line in self.false or () for method in line.methods)

    @property
    def bars(self) -> tuple[Bar, ...]:
        law, bars = laws()[self.cell.law], []
        limit = law.declared + 2 * standard_error(law.declared, self.cell.sims)
        for key, false, power in self._lines():
            if false is not None:
                bars.append(Bar("L false pass at the limit", false.promised, "<=", limit, key))
            if false is not None and law.approximate is not None:
                most = law.approximate + 2 * standard_error(law.approximate, self.cell.sims)
                bars.append(Bar("L false pass, as documented", false.all, "<=", most, key))
            if law.power is not None:
                bars.append(Bar("L who deserves it passes", power.all, ">=", law.power, key))
        return tuple(bars)


def passes(law: Law, draw: Draw, lines: tuple[str, ...], sims: int, what: str) -> tuple[Passes, ...]:
    """For each line: in how many of `sims` runs it passes."""
    numbers, batch = drawing("law", law.name, lines, what), max(1, min(BATCH_RUNS, BATCH_ROWS // law.rows, sims))
    findings: list[list[Finding]] = [[] for _ in lines]
    for start in range(0, sims, batch):
        runs = min(batch, sims - start)
        for line, of_line in zip(findings, judged(law, draw(numbers, runs), lines, runs), strict=True):
            line += of_line
    return tuple(_share(line) for line in findings)


def judged(law: Law, columns: Columns, lines: tuple[str, ...], runs: int) -> list[list[Finding]]:
    """The findings of each line, one a run."""
    rows = scored_runs(law, columns, runs)
    on_each = [f"{line} on each slice" for line in lines]
    found: dict[str, list[Finding]] = {line: [] for line in lines}
    of_flips = [line for line in on_each if line.startswith("flip_rate")]
    of_rows = [line for line in on_each if line not in of_flips]
    findings = [*(ask_scored(rows, of_rows) if of_rows else ())]
    if of_flips:
        findings += ask_replayed(rows, of_flips)
    asked = [line.removesuffix(" on each slice") for line in (*of_rows, *of_flips)]
    for place, finding in enumerate(findings):
        found[asked[place // runs]].append(finding)
    return list(found.values())


def scored_runs(law: Law, columns: Columns, runs: int) -> Scored:
    """The tables of so many runs as one, in which each run is a slice."""
    roles: dict[str, Any] = {role: role for role in ("candidate", "champion") if role in columns}
    flat = {name: column for name, column in columns.items() if np.ndim(column) < 3}
    for role in roles:
        if role not in flat:
            roles[role] = {str(code): f"{role} {code}" for code in range(columns[role].shape[2])}
            flat |= {name: columns[role][:, :, int(code)] for code, name in roles[role].items()}
    table = {name: np.broadcast_to(column, (runs, law.rows)) for name, column in flat.items()}
    run = np.repeat(np.arange(runs), law.rows)
    if "unit" in table:
        table["unit"] = table["unit"] + law.rows * np.arange(runs)[:, None]
    named = {
        key: name for key, name in (("cluster", "unit"), ("weight", "weight"), ("query", "query")) if name in table
    }
    spec = DatasetSpec.model_validate(
        {"path": "table", "label": "label", "scores": roles, "slices": [{"column": "run", "max": runs + 1}], **named}
    )
    arrays = {name: pa.array(np.ascontiguousarray(column).ravel()) for name, column in table.items()}
    arrays["run"] = pa.DictionaryArray.from_arrays(run.astype(np.int32), [f"{one:06d}" for one in range(runs)])
    return Scored.from_table(pa.table(arrays), spec, task=law.task, positive=1)


def _share(findings: list[Finding]) -> Passes:
    passed = [finding for finding in findings if finding.verdict is Verdict.PASS]
    methods = [finding.decided.method for finding in passed if finding.decided is not None]
    promised = [method for method in methods if "approximate" not in method]
    return Passes(len(passed) / len(findings), len(promised) / len(findings), frozenset(promised))


@cache
def remembered(file: Path) -> Mapping[str, list[float | None]]:
    """law -> [false, power], as an earlier version had them."""
    rates: Mapping[str, list[float | None]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return rates


def shown(before: list[float | None] | None, false: float | None, power: float | None) -> str:
    """Both rates, each beside what it was before."""
    was = before or [None, None]
    return "  ".join("    -" if rate is None else f"{rate:5.3f}" for rate in (was[0], false, was[1], power))


@cache
def laws() -> Mapping[str, Law]:
    """name -> law."""
    from . import confusion, few, insurance, lost, pairs, rare, tails, uneven

    every = [law for module in (uneven, rare, lost, tails, few, confusion, insurance, pairs) for law in module.laws()]
    by_name = {f"{law.name}: {law.lines[0]}": law for law in every}
    assert len(by_name) == len(every)
    return by_name


def grid(sims: int) -> list[LawCell]:
    """All laws."""
    return [LawCell(name, max(2, sims // 4)) for name in laws()]
