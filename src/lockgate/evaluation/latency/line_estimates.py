"""Estimates of all lines of a latency gate from its run, and what a queue leaves of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lockgate.errors import GateBroken
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.latency.interleaved_run import InterleavedRun
from lockgate.evaluation.latency.percentile_estimates import (
    BlockLatencies,
    blank_estimate,
    estimate_latency,
    without_value,
)
from lockgate.evaluation.latency.rate_estimates import RATES, estimate_rate
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.finding import Finding, Verdict
from lockgate.models.load_spec import Load

# What is known of a model without any load.
OF_THE_MODEL = ("load_seconds", "first_prediction_ms", "model_mb", "gpus")
# What requests show wherever they waited.
_COUNTED_ON_REQUESTS = ("errors", "cpu_seconds_per_1k", "rss_mb")

Lines = Sequence[tuple[str, Requirement]]


def estimate_lines(run: InterleavedRun, lines: Lines, *, counted_subjects: Sequence[str], seed: int) -> list[Estimate]:
    """Estimate every line; those that a load cannot show have no value, but the reason.

    counted_subjects: the subjects that are counted on the run.
    """
    timed = run.latencies()
    estimates = [_estimate(run, name, line, timed, counted_subjects, seed) for name, line in lines]
    problem = run.schedule_problem()
    if problem is None:
        return estimates
    # What was counted on the run stands; times and rates say little of a load that was not sent as planned.
    return [
        estimate if line.subject in (*OF_THE_MODEL, *_COUNTED_ON_REQUESTS) else without_value(estimate, problem)
        for estimate, (_, line) in zip(estimates, lines, strict=True)
    ]


def _estimate(
    run: InterleavedRun,
    name: str,
    line: Requirement,
    timed: dict[int, BlockLatencies],
    counted_subjects: Sequence[str],
    seed: int,
) -> Estimate:
    batch = sent_batch(line, run.load)
    is_counted = line.subject in counted_subjects
    if not run.measured[batch, "candidate"].requests and line.subject not in OF_THE_MODEL:
        nothing = counted(name, line, value=0, units=0) if is_counted else blank_estimate(name, line, timed[batch])
        return replace(nothing, candidate=None, problem=run.schedule_problem())
    if is_counted:
        return run.count(name, line, batch)
    estimating = estimate_rate if line.subject in RATES else estimate_latency
    return estimating(name, line, timed[batch], seed=seed)


def sent_batch(line: Requirement, load: Load) -> int:
    """The batch size that a line is on. Raises GateBroken for what is none."""
    batch = line.argument("batch", load.sizes[0])
    if not isinstance(batch, int):
        raise GateBroken(f"batch={batch!r} is no number of rows")
    return batch


def only_failures_stand(
    estimates: Sequence[Estimate], lines: Lines, findings: Sequence[Finding], problem: tuple[str, str]
) -> list[Estimate]:
    """Take the value of all lines on requests that did not fail: of a load that was cut short nothing is met.

    findings: what was judged of these estimates.
    """
    failed = {finding.requirement for finding in findings if finding.verdict is Verdict.FAIL}
    return [
        estimate
        if name in failed or line.subject in OF_THE_MODEL or estimate.problem is not None
        else without_value(estimate, problem)
        for estimate, (name, line) in zip(estimates, lines, strict=True)
    ]
