"""The shadow gate: whether both models decide recorded requests alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lockgate.errors import GateBroken
from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.metrics import flip_rate
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject, by_name
from lockgate.gates.gate import Context, Findings, Gate

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored


class Shadow(Gate):
    """Recorded requests of `data`, replayed to candidate and champion.

    flip_rate: the share of requests, answered by both, that the two decide differently, of two classes at their
    thresholds. errors: requests that the candidate does not answer, and batches of them that it answers only when they are
    sent again. new_errors: those among them that the champion answers.
    """

    subjects: ClassVar[Mapping[str, Subject]] = by_name(
        flip_rate.SUBJECT,
        Subject("errors", "lower", counted=True, unit="requests", bounds=(0, None)),
        Subject(
            "new_errors", "lower", counted=True, unit="requests", bounds=(0, None), needs=("champion", "no champion")
        ),
    )
    uses_models: ClassVar[bool] = True
    by_group: ClassVar[bool] = True

    gate: Literal["shadow"] = "shadow"
    data: str = Field(description="Name of the data that holds the recorded requests.")

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.evaluate import evaluate
        from lockgate.evaluation.pictures.decisions import flips
        from lockgate.evaluation.pictures.distributions import differences
        from lockgate.evaluation.threshold_range import thresholds_outside

        requirements = self.requirements_for(case)
        if not requirements:
            return
        scored = case.replayed(self.data)
        if scored.unrepeatable:
            yield Context({"unrepeatable": scored.unrepeatable})
        if case.task == "binary" and any(line.subject == "flip_rate" for _, line in requirements):
            threshold = {role: case.threshold(role) for role in ("candidate", "champion")}
            if outside := thresholds_outside(scored, [line for _, line in requirements], self.subjects, threshold):
                yield Context({"threshold_outside": outside})
        counts = [self._count(scored, name, line) for name, line in requirements if line.subject != "flip_rate"]
        flipped = scored if len(counts) == len(requirements) else self._flips(case, scored)
        yield from evaluate(
            self.title, flipped, requirements, {"flip_rate": flip_rate.FLIP_RATE}, self.subjects, threshold={},
            small=case.dataset(self.data).spec.small_slices, counted=counts,
        )  # fmt: skip
        if case.task in ("binary", "multiclass"):
            yield from flips(self.title, scored, {role: case.threshold(role) for role in ("candidate", "champion")})
        else:
            yield from differences(self.title, scored)

    def _flips(self, case: Case, scored: Scored) -> Scored:
        if scored.classes:
            return flip_rate.flips(scored)
        thresholds = [case.threshold(role) for role in ("candidate", "champion")]
        set_thresholds = [threshold for threshold in thresholds if threshold is not None]
        if len(set_thresholds) < len(thresholds):
            raise GateBroken(
                "flip_rate needs to know which scores are positive", remedy="give the pipeline a threshold"
            )
        return flip_rate.flips(scored, candidate=set_thresholds[0], champion=set_thresholds[1])

    def _count(self, scored: Scored, name: str, line: Requirement) -> Estimate:
        import numpy as np

        from lockgate.models.class_scores import predicted_class

        no_answer = np.full(scored.rows, np.nan)
        failed = np.isnan(no_answer if scored.candidate is None else predicted_class(scored.candidate))
        champion_failed = None if scored.champion is None else np.isnan(predicted_class(scored.champion))
        once = {role: int(outcome.get("failed_once", 0)) for role, outcome in scored.unrepeatable.items()}
        more = once.get("candidate", 0)
        if line.subject == "new_errors":
            if champion_failed is None:
                raise GateBroken("new_errors compares with a champion, and there is none")
            return counted(name, line, value=int((failed & ~champion_failed).sum()) + more, units=scored.rows)
        before = None if champion_failed is None else float(champion_failed.sum() + once.get("champion", 0))
        return counted(name, line, value=int(failed.sum()) + more, units=scored.rows, champion=before)
