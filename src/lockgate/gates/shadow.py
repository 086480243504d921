"""Do both models answer recorded requests alike?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from lockgate.errors import GateBroken
from lockgate.evidence import Exhibit, Finding
from lockgate.gate import Case, Context, Gate
from lockgate.requirement import Requirement, Subject

if TYPE_CHECKING:
    from lockgate.estimate import Estimate
    from lockgate.scored import Scored


class Shadow(Gate):
    """Recorded requests of `data`, replayed to candidate and champion.

    flip_rate: the share of requests, answered by both, that the two decide differently at their thresholds. errors:
    requests that the candidate does not answer. new_errors: those among them that the champion answers.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        subject.name: subject
        for subject in (
            Subject(
                "flip_rate",
                "lower",
                bounds=(0, 1),
                tasks=("binary",),
                needs=("score", "threshold", "champion", "no champion"),
            ),
            Subject("errors", "lower", counted=True, unit="requests", bounds=(0, None)),
            Subject(
                "new_errors",
                "lower",
                counted=True,
                unit="requests",
                bounds=(0, None),
                needs=("champion", "no champion"),
            ),
        )
    }
    asks_models: ClassVar[bool] = True

    gate: Literal["shadow"] = "shadow"
    data: str

    def check(self, case: Case) -> Iterator[Finding | Exhibit | Context]:
        from lockgate.estimate import estimate
        from lockgate.flips import FLIP_RATE, Flips
        from lockgate.judge import judge

        asked = self.asked(case)
        if not asked:
            return
        scored = case.replayed(self.data)
        rates = [(name, line) for name, line in asked if line.subject == "flip_rate"]
        estimates: list[Estimate] = []
        if rates:
            thresholds = {role: case.threshold(role) for role in ("candidate", "champion")}
            if None in thresholds.values():
                raise GateBroken(
                    "flip_rate needs to know which scores are positive", remedy="give the pipeline a threshold"
                )
            flips = Flips.of(scored, candidate=thresholds["candidate"] or 0.0, champion=thresholds["champion"] or 0.0)
            estimates += estimate(flips, rates, {"flip_rate": FLIP_RATE}, threshold={})
        for name, line in asked:
            if line.subject != "flip_rate":
                estimates.append(self._count(case, scored, name, line))
        places = {name: place for place, (name, _) in enumerate(asked)}
        estimates.sort(key=lambda one: places[one.requirement])
        yield from judge(self.title, asked, estimates, self.subjects, small=case.dataset(self.data).spec.small_slices)

    def _count(self, case: Case, scored: Scored, name: str, line: Requirement) -> Estimate:
        import numpy as np

        from lockgate.estimate import counted

        failed = np.isnan(scored.candidate) if scored.candidate is not None else np.ones(scored.rows, dtype=bool)
        champion_failed = None if scored.champion is None else np.isnan(scored.champion)
        if line.subject == "new_errors":
            if champion_failed is None:
                raise GateBroken("new_errors compares with a champion, and there is none")
            return counted(name, line, value=int((failed & ~champion_failed).sum()), units=scored.rows)
        before = None if champion_failed is None else float(champion_failed.sum())
        return counted(name, line, value=int(failed.sum()), units=scored.rows, champion=before)
