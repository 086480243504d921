"""Simulated runs of the shadow gate, many of them in one table in which each is a slice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Finding, Verdict

from .bars import ALPHA, Bar, standard_error

_MOST = 500  # runs in one table: no more than 1,000 values of a slice are judged


def rates(sims: int, counted: Callable[[int], np.ndarray]) -> np.ndarray:
    """(2, lines) shares of the runs. counted: how many runs are made in a table → counts as of `passed_and_failed`."""
    found: np.ndarray = np.sum([counted(min(_MOST, sims - before)) for before in range(0, sims, _MOST)], axis=0)
    return found / sims


def scored_runs(columns: dict[str, Any], runs: np.ndarray, *, task: Any, of_kind: dict[str, str]) -> Scored:
    """columns: candidate, champion, and those that `of_kind` names as weight or cluster. runs: (n,) the run of each request."""
    table = pa.table({"run": np.char.mod("%05d", runs), **columns})
    scores = {"candidate": "candidate", "champion": "champion"}
    spec = DatasetSpec.model_validate({"path": "t", "slices": ["run"], "scores": scores, **of_kind})
    return Scored.from_table(table, spec, task=task, positive=1)


def on_each_run(lines: Iterable[str]) -> list[str]:
    """Lines on the slices that runs are."""
    return [f"{line} on each run" for line in lines]


def passed_and_failed(findings: Iterable[Finding], lines: Sequence[str]) -> np.ndarray:
    """(2, lines): how many runs pass, and in how many p_fail is small: of one line alone, before Holm's method."""
    passes, fails = np.zeros(len(lines)), np.zeros(len(lines))
    for finding in findings:
        index, p_fail = int(finding.requirement[1:]) - 1, finding.detail.get("p_fail")
        passes[index] += finding.verdict is Verdict.PASS
        fails[index] += p_fail is not None and "too_few" not in finding.detail and float(p_fail) <= ALPHA
    return np.array([passes, fails])


def bars(grid: str, cell: Any, false: np.ndarray, fails: np.ndarray, *, more_fails: float = 0.0) -> tuple[Bar, ...]:
    """Of false passes and false fails at the limit. more_fails: what the latter may be above."""
    limit = ALPHA + 2 * standard_error(ALPHA, cell.sims)
    return tuple(
        Bar(f"{grid} {what} at the limit", float(rates.max()), "<=", most, cell.name)
        for what, rates, most in (("false pass", false, limit), ("false fail", fails, limit + more_fails))
    )
