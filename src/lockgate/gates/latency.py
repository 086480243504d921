"""The latency gate: how fast the candidate answers, also in the tail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr

from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.latency.machine_info import gpu_count
from lockgate.evaluation.latency.request_limits import PERCENTILES, least_requests
from lockgate.evaluation.provenance.serving import declared_batch, declared_serving
from lockgate.evaluation.provenance.serving_limits import (
    GPUS,
    NO_GPU,
    NOT_DECLARED,
    declared_lines,
    lacking_gpus,
    undeclared,
    with_declared_batch,
    with_declared_limits,
    without_measurement,
)
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding
from lockgate.gates.gate import Context, Findings, Foretold, Gate, PipelineView
from lockgate.models.load_spec import Load
from lockgate.models.target_spec import Server, Target

_BY_FACTOR = (*PERCENTILES, "mean_ms", "throughput_rps")
_OF_OUR_PROCESSES = ("load_seconds", "first_prediction_ms", "rss_mb", "cpu_seconds_per_1k")


class Latency(Gate):
    """The time of one request in the model's own process, candidate and champion in one interleaved run.

    p50_ms … p999_ms, mean_ms, throughput_rps and error_rate are estimated; errors, max_ms, load_seconds,
    first_prediction_ms, rss_mb, model_mb, cpu_seconds_per_1k and gpus are counted on this run.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        subject.name: replace(subject, declared=True)
        for subject in (
            *(
                Subject(name, "lower", unit="ms", bounds=(0, None), args=("batch",))
                for name in ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "mean_ms")
            ),
            Subject("throughput_rps", "higher", unit="requests/s", bounds=(0, None), args=("batch",)),
            Subject("error_rate", "lower", bounds=(0, 1), args=("batch",), proportion=True, rewrite="errors <= 0"),
            Subject("errors", "lower", counted=True, unit="requests", bounds=(0, None), args=("batch",)),
            Subject("max_ms", "lower", counted=True, unit="ms", bounds=(0, None), args=("batch",)),
            Subject("load_seconds", "lower", counted=True, unit="s", bounds=(0, None)),
            Subject("first_prediction_ms", "lower", counted=True, unit="ms", bounds=(0, None)),
            Subject("rss_mb", "lower", counted=True, unit="MB", bounds=(0, None)),
            Subject("model_mb", "lower", counted=True, unit="MB", bounds=(0, None)),
            Subject("cpu_seconds_per_1k", "lower", counted=True, unit="s", bounds=(0, None)),
            Subject("gpus", "higher", counted=True, bounds=(0, None)),
        )
    }
    default_require: ClassVar[tuple[str, ...]] = ("p95_ms <= champion * 1.5", "errors <= 0")
    uses_models: ClassVar[bool] = True
    takes_long: ClassVar[bool] = True

    gate: Literal["latency"] = "latency"
    data: str | None = Field(
        default=None, description="Name of the data whose rows are sent; else the first data, else the input example."
    )
    load: Load = Field(default=Load(), description="How many requests are sent, how large, and when.")
    target: Target | None = Field(
        default=None, description="Where the models answer for this gate; the pipeline's `target` by default."
    )

    _declared_gpus: float = PrivateAttr(default=0)

    @property
    def lines(self) -> tuple[Requirement, ...]:
        """The requirements: `require`, else the gate's own, of each batch size."""
        lines = super().lines
        if self.require is not None or len(self.load.sizes) == 1:
            return lines
        return tuple(replace(line, args=(("batch", size),)) for size in self.load.sizes for line in lines)

    @property
    def least_requests(self) -> int:
        """Requests without which one of the lines is never decided."""
        bounded = (line for line in self.lines if line.op != ">=")
        return max((least_requests(line, stall=self.load.stall) or 0 for line in bounded), default=0)

    def load_at(self, target: Target) -> Load:
        """The requests that are sent to models at a target; see `Gate.load_at`."""
        return self.load.completed(at_once=(self.target or target) != "process", least=self.least_requests)

    def reads(self, datasets: Sequence[str]) -> tuple[str, ...]:
        """Return the data whose rows are sent: its own, else the first."""
        return (self.data,) if self.data else tuple(datasets[:1])

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """What no run could decide: batches that are never sent, runs too short, values that a server does not tell."""
        target = self.target or pipeline.target
        if isinstance(target, Server) and target.one_row and self.load.sizes != (1,):
            yield ("load",), "target sends one row a request ($row, $record), so batch_size is 1"
        for index, line in enumerate(self.lines):
            where = ("require", index) if self.require is not None else ()
            yield from ((where, f"{str(line)!r}{misfit}") for misfit in self._misfits(line, target))

    def _misfits(self, line: Requirement, target: Target) -> Iterator[str]:
        """What no run could decide of a line, each to be read behind the line itself."""
        load = self.load_at(target)
        batch, sizes, planned = line.argument("batch"), load.sizes, load.planned
        if isinstance(target, Server) and line.subject in _OF_OUR_PROCESSES:
            yield (
                f": a server that you run does not tell its {line.subject}; "
                "measure it where lockgate starts the model: target: process, or {serve: mlflow}"
            )
        if batch is not None and batch not in sizes:
            yield f": no load of batch_size {batch} is sent; known: {', '.join(map(str, sizes))}"
        elif batch is None and len(sizes) > 1 and "batch" in self.subjects[line.subject].args:
            yield f" does not say for which batch; write {line.subject}(batch={sizes[0]})"
        if line.subject == "throughput_rps" and load.closed is None:
            yield (
                ": an open loop answers as many requests a second as it sends; "
                "write load: {closed: {concurrency: 4}} to learn how many there can be"
            )
        if line.limit.relative and line.subject == "error_rate" and line.limit.sign == "*":
            yield ": a champion without errors leaves no room for a factor; write champion + 0.001"
        elif line.limit.relative and line.limit.sign != "*" and line.subject in _BY_FACTOR:
            how = "rates" if line.subject == "throughput_rps" else "times"
            yield f": {how} of two models are compared by a factor; write champion * {0.9 if how == 'rates' else 1.1}"
        stall = load.stall
        least = None if line.op == ">=" else least_requests(line, stall=stall)
        if least is not None and planned is not None and planned < least:
            stalls = f" with stalls of {stall:,}" if stall else ""
            yield f": {planned:,} requests can never decide it{stalls}; write load: {{requests: {least}}} or more"

    def with_metadata_defaults(self, case: Case) -> Gate:
        """With what the candidate declares, `{"serving": {"p99_ms": 50, "batch": 32, …}}`: as lines, or for `declared` in them.

        A number is the most that its subject may be, of throughput_rps and gpus the least. Raises VersionFault for what
        is no such requirement.
        """
        declared = declared_serving(case.candidate.facts)
        if not declared:
            return self
        if self.require is not None:
            lines = with_declared_limits(self.require, declared, self.subjects)
        else:
            lines = declared_lines(declared, self.subjects)
            batch = declared_batch(declared)
            if not lines:
                same = batch is None or self.load.sizes == (batch,)
                load = self.load.model_copy(update={"batch_size": batch})
                return self if same else self.model_copy(update={"load": load})
        load = with_declared_batch(self.load, lines, self.subjects)
        gate = self.model_copy(update={"load": load, "require": lines})
        gate._declared_gpus = declared[GPUS].number if GPUS in declared else 0
        return gate

    def foretell(self, case: Case, *, loaded: bool) -> Foretold:
        """As of `Gate.foretell`: the time of the load, and of what comes before it."""
        from lockgate.evaluation.latency.interleaved_run import PreparedLoad

        load = PreparedLoad(
            self.title, self.load, case, data=self.data, target=self.target, least=self.least_requests, always=True
        )
        before = (0.0 if loaded else load.waited_s) + load.asked_s
        return Foretold(before + load.seconds, load.overload or load.outpaced)

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.judging.judge import judge
        from lockgate.evaluation.latency.charts import exhibits
        from lockgate.evaluation.latency.interleaved_run import InterleavedRun
        from lockgate.evaluation.latency.line_estimates import estimate_lines, only_failures_stand, sent_batch

        requirements = self.requirements_for(case)
        unmeasured = self._unmeasured(case, requirements)
        yield from self._without_measurement(requirements, unmeasured)
        requirements = [(name, line) for name, line in requirements if name not in unmeasured]
        if not requirements:
            return
        run = InterleavedRun(self.title, self.load, case, data=self.data, target=self.target, least=self.least_requests)
        yield Context(run.context())
        are_counted = [name for name, subject in self.subjects.items() if subject.counted]
        estimates = estimate_lines(run, requirements, counted_subjects=are_counted, seed=case.seed)
        limits: dict[int, list[tuple[str, float, float]]] = {}
        for (_, line), estimate in zip(requirements, estimates, strict=True):
            if line.subject in PERCENTILES and estimate.limit is not None:
                batch = sent_batch(line, run.load)
                limits.setdefault(batch, []).append((str(line), estimate.limit, PERCENTILES[line.subject]))
        findings = judge(self.title, requirements, estimates, self.subjects)
        cut_short = run.overload or run.outpaced
        if cut_short is not None:
            estimates = only_failures_stand(estimates, requirements, findings, ("saturated", cut_short))
            findings = judge(self.title, requirements, estimates, self.subjects)
        lines = dict(requirements)
        for finding in findings:
            yield run.add_circumstances(finding, self.subjects[lines[finding.requirement].subject])
        yield from exhibits(self.title, run.recorded, limits)

    def _unmeasured(self, case: Case, lines: Sequence[tuple[str, Requirement]]) -> dict[str, Estimate]:
        """rN → estimate of the lines for which no request is worth sending: a limit or a graphics processor is missing."""
        open_lines = [(name, line) for name, line in lines if line.limit.declared]
        declared = declared_serving(case.candidate.facts) if open_lines else {}
        version = str(case.candidate.version)
        estimates = {
            name: undeclared(name, line, declared, self.subjects[line.subject], version=version)
            for name, line in open_lines
        }
        rest = [(name, line) for name, line in lines if name not in estimates]
        on_gpus = [(name, line) for name, line in rest if line.subject == GPUS]
        required = max([self._declared_gpus, *(line.limit.value for _, line in on_gpus if line.op == ">=")])
        if not required:
            return estimates
        lacking = lacking_gpus(required, gpu_count())
        if case.candidate.model_at(self.target).load().load_seconds is None:  # its machine is not this one
            lacking, rest = "a server that you run does not tell its graphics processors", on_gpus
        if lacking is None:
            return estimates
        return estimates | {
            name: without_measurement(name, line, self.subjects[line.subject], (NO_GPU, lacking)) for name, line in rest
        }

    def _without_measurement(
        self, lines: Sequence[tuple[str, Requirement]], estimates: Mapping[str, Estimate]
    ) -> Iterator[Finding]:
        from lockgate.evaluation.judging.judge import judge

        subjects = {name: line.subject for name, line in lines}
        for finding in judge(self.title, lines, list(estimates.values()), self.subjects):
            name = subjects[finding.requirement]
            value = 50 if name.endswith("_ms") else 1
            remedies = {
                NOT_DECLARED: f"log the model with metadata={{'serving': {{'{name}': {value}}}}}, or tag the version "
                f"serving.{name}={value}; or write a number",
                NO_GPU: "run the gate where the model is to be served: on a machine with a graphics processor (nvidia-smi)",
            }
            yield replace(finding, remedy=remedies[finding.code])
