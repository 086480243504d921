"""Does the candidate hold on labelled data, overall and on every slice?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from lockgate.evidence import Exhibit, Finding
from lockgate.gate import Case, Context, Gate
from lockgate.metrics.catalog import SUBJECTS
from lockgate.requirement import Subject


class Metrics(Gate):
    """Offline metrics of `data`, absolute and beside the champion on the same rows."""

    subjects: ClassVar[Mapping[str, Subject]] = SUBJECTS
    asks_models: ClassVar[bool] = True
    by_group: ClassVar[bool] = True  # slices may be merged, crossed and compared with each other

    gate: Literal["metrics"] = "metrics"
    data: str

    def check(self, case: Case) -> Iterator[Finding | Exhibit | Context]:
        from lockgate.answers import answers
        from lockgate.exhibits import curves
        from lockgate.found_slices import found_slices
        from lockgate.metrics import METRICS

        asked = self.asked(case)
        if not asked:
            return
        scored = case.scored(self.data)
        threshold = {role: case.threshold(role) for role in ("candidate", "champion")}
        small = case.dataset(self.data).spec.small_slices
        yield from answers(self.title, scored, asked, METRICS, self.subjects, threshold=threshold, small=small)
        found = found_slices(scored, case.dataset(self.data).spec, threshold=threshold)
        if found is not None:
            yield Context(found.note)
            yield found.table(self.title)
        yield from curves(self.title, scored, {line.subject for _, line in asked})
