"""The shift gate: whether the rows that models meet are like those that their verdict rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from lockgate.config import Share
from lockgate.errors import LockgateError, guess
from lockgate.evaluation.case import Case
from lockgate.evaluation.metrics import multiclass_arguments
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.shift.subjects import CONTRACT_VIOLATIONS, OF_DATA, OF_FEATURES, REWEIGHTED
from lockgate.evaluation.shift.words import explained
from lockgate.gates.gate import Context, Findings, Gate, OfEach, PipelineView

if TYPE_CHECKING:
    from lockgate.evaluation.estimation.estimate import Estimate
    from lockgate.evaluation.requirements.requirement import Requirement
    from lockgate.evaluation.shift.comparison import Compared

    Requirements = Sequence[tuple[str, Requirement]]


class Shift(Gate):
    """Rows of `traffic` beside those of `data`: whether what was found on `data` holds where the models are used.

    distance: how far the values of a feature are apart: the largest difference of the shares of rows up to any number
    (Kolmogorov–Smirnov), or in any set of categories (total variation). null_rate_shift: the difference of the shares of
    missing values, whichever way. new_value_rate: the share of the traffic's values that `data` has not, of numbers those beyond its
    range. Each is of one feature: `on each feature`, or `on feature=age`. uncovered_slices: slices of `data` that have `min_share` of the
    traffic and too few rows in `data` to judge by; they leave it undecided. contract_violations: cells of the
    traffic that break what `features` of the pipeline, or the candidate's own metadata, say of them. A metric is that of `data`, with
    its rows weighted so that the cells of `strata` have the shares that they have in the traffic.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {**OF_FEATURES, **OF_DATA, **REWEIGHTED}
    default_require: ClassVar[tuple[str, ...]] = (
        "distance <= 0.1 on each feature",
        "null_rate_shift <= 5% on each feature",
        "new_value_rate <= 5% on each feature",
        "uncovered_slices <= 0",
    )
    uses_models: ClassVar[Any] = OfEach(lambda gate: bool(gate.metric_lines))
    judges_candidate: ClassVar[Any] = OfEach(lambda gate: bool(gate.metric_lines))

    gate: Literal["shift"] = "shift"
    data: str = Field(description="Name of the data that the verdict rests on, such as `holdout`.")
    traffic: str = Field(description="Name of the data that the models meet, such as recorded requests.")
    columns: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="The columns that are compared; by default what the candidate is given, else all that are in both and "
        "have no role.",
    )
    strata: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Slices of `data` by whose cells metrics are weighted; by default all but crossings.",
    )
    min_share: Share = Field(
        default=0.01, description="Share of the traffic from which on a slice must have rows in `data`."
    )

    def reads(self, datasets: Sequence[str]) -> tuple[str, ...]:
        return self.data, self.traffic

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        if self.traffic not in pipeline.data:
            declared = ", ".join(pipeline.data) or "none"
            message = f"no data is called {self.traffic!r}; declared: {declared}{guess(self.traffic, pipeline.data)}"
            yield ("traffic",), message
        elif self.traffic == self.data:
            yield ("traffic",), f"traffic and data are both {self.data}; name the data that the models meet"
        if self.metric_lines:
            yield from self._metric_complaints(pipeline)

    def _metric_complaints(self, pipeline: PipelineView) -> Iterator[tuple[tuple[str | int, ...], str]]:
        data = pipeline.data.get(self.data)
        named = [] if data is None else [spec.slice_name for spec in data.slices if spec.find is None]
        for name in self.strata or ():
            if data is not None and name not in named:
                declared = ", ".join(named) or "none"
                yield ("strata",), f"data.{self.data} has no slice {name!r}; declared: {declared}{guess(name, named)}"
        for number, line in enumerate(self.lines):
            if line.subject not in REWEIGHTED:
                continue
            messages = [
                *(multiclass_arguments.complaints(line, pipeline.classes) if pipeline.task == "multiclass" else ())
            ]
            if data is not None and not named:
                messages.append(
                    f"{str(line)!r} is weighted by the mix of slices, and data.{self.data} declares none; write slices: there"
                )
            if line.scope.kind != "overall":
                messages.append(f"{str(line)!r} is of all rows, weighted by the mix of slices; leave the scope out")
            if pipeline.task == "ranking":
                messages.append(f"{str(line)!r}: rows are weighted, and a ranking is judged by query; leave it out")
            yield from ((("require", number), message) for message in messages)

    @property
    def metric_lines(self) -> list[tuple[str, Requirement]]:
        """(rN, requirement) of those that are about a metric."""
        return [(name, line) for name, line in self.numbered_requirements if line.subject in REWEIGHTED]

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.judging.judge import judge
        from lockgate.evaluation.pictures.broken_features import broken_features
        from lockgate.evaluation.shift.charts import moved_features, slice_mix
        from lockgate.evaluation.shift.comparison import compare
        from lockgate.evaluation.shift.features import features

        reference, traffic = case.dataset(self.data), case.dataset(self.traffic)
        chosen = features(case, reference, traffic, self.columns)
        compared = compare(reference, traffic, chosen.compared, salt=case.contract().salt)
        rows = {self.data: compared.reference.rows, self.traffic: compared.traffic.rows}
        yield Context({"rows": rows, **({"not_compared": list(chosen.left_out)} if chosen.left_out else {})})
        requirements = self.requirements_for(case)
        estimates = [each for name, line in requirements for each in self._estimates(name, line, case, compared)]
        fault: LockgateError | None = None
        try:
            estimates += self._reweighted(case, requirements, compared)
        except LockgateError as error:  # what needs no model is found all the same
            fault = error
        order = {name: number for number, (name, _) in enumerate(requirements)}
        estimates.sort(key=lambda estimate: order[estimate.requirement])
        for finding in judge(self.title, requirements, estimates, self.subjects):
            yield replace(finding, **explained(finding, self.data, self.traffic))
            yield from broken_features(self.title, finding.detail.get("offenders", ()))
        yield from moved_features(self.title, compared)
        yield from slice_mix(self.title, compared)
        if fault is not None:
            raise fault

    def _reweighted(self, case: Case, requirements: Requirements, compared: Compared) -> list[Estimate]:
        from lockgate.evaluation.shift.reweighted import reweighted_estimates

        lines = [(name, line) for name, line in requirements if line.subject in REWEIGHTED]
        if not lines:
            return []
        threshold = {role: case.threshold(role) for role in ("candidate", "champion")}
        return list(
            reweighted_estimates(
                case.scored(self.data),
                lines,
                compared,
                self.strata,
                threshold=threshold,
                min_share=self.min_share,
                min_rows=self._min_rows(case),
            )
        )

    def _min_rows(self, case: Case) -> int:
        """Rows from which on a slice of `data` covers that of the traffic."""
        from lockgate.evaluation.scoring.merge_small_slices import FLOOR_OF_ROWS

        return max(case.dataset(self.data).spec.small_slices.min_rows, FLOOR_OF_ROWS)

    def _estimates(self, name: str, line: Requirement, case: Case, compared: Compared) -> Iterator[Estimate]:
        from lockgate.evaluation.shift.contract import contract_estimate
        from lockgate.evaluation.shift.estimates import feature_estimates
        from lockgate.evaluation.shift.slice_mix import coverage_estimates

        if line.subject in OF_FEATURES:
            return feature_estimates(name, line, compared)
        if line.subject == CONTRACT_VIOLATIONS.name:
            return iter((contract_estimate(name, line, case, case.dataset(self.traffic), compared),))
        if line.subject in REWEIGHTED:
            return iter(())
        return coverage_estimates(
            name,
            line,
            compared.mix,
            min_share=self.min_share,
            min_rows=self._min_rows(case),
            data=self.data,
            traffic=self.traffic,
        )
