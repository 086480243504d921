"""The shadow gate: whether both models answer recorded requests alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lockgate.data.class_labels import class_text
from lockgate.data.slices.spec import Name
from lockgate.errors import GateBroken
from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.labelling.late_labels import LateLabels
from lockgate.evaluation.metrics.multiclass_arguments import unknown_class
from lockgate.evaluation.requirements.grammar import to_mapping
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.shadow.blind_lines import blind_lines, positive_rate
from lockgate.evaluation.shadow.matches import MATCH_RATE
from lockgate.evaluation.shadow.noise import RAISED_BY_NOISE, noise_sentence
from lockgate.evaluation.shadow.rates import NULL_RATE, RATES
from lockgate.evaluation.shadow.shifts import OVERLAP_AT, SHIFTS, overlap_complaint
from lockgate.evaluation.shadow.shown_columns import PURPOSE, refusals, with_columns
from lockgate.evaluation.shadow.stopping import all_decided, stopping_entry, stopping_sentence, whole_traffic_only
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Context, Findings, Gate, PipelineView

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evaluation.shadow.self_comparison import SelfComparison
    from lockgate.evidence.evidence import GateResult
    from lockgate.evidence.exhibit import Exhibit


_DECIDES = ("binary", "multiclass")
_COUNTED = (
    Subject("errors", "lower", counted=True, unit="requests", bounds=(0, None)),
    Subject(
        "new_values",
        "lower",
        counted=True,
        unit="requests",
        bounds=(0, None),
        tasks=("multiclass",),
        needs=("champion", "no champion"),
    ),
    Subject("new_errors", "lower", counted=True, unit="requests", bounds=(0, None), needs=("champion", "no champion")),
)


class Shadow(Gate):
    """Recorded requests of `data`, replayed to candidate and champion.

    flip_rate: the share of requests, answered by both, that the two decide differently, of two classes at their
    thresholds. lost_rate: of those that the champion decides positive, the share that the candidate no longer does;
    gained_rate: of those that it decides negative, the share that the candidate decides positive; positive_rate: the share
    that a model decides positive, of those that both answered. Of several classes each is asked of one, `class`.
    score_shift: the mean difference of the two models' numbers, candidate minus champion, whichever way; p99_abs_difference:
    what 99 % of requests do not differ by more than; within: the share that differs by no more than `tolerance`; wasserstein:
    the distance of the two distributions, in standard deviations of the champion's. null_rate: the share of requests without an answer;
    new_values: requests that the candidate answers with a class that the champion never does. errors: requests that the candidate does not answer, and batches of them that it answers only when they are
    sent again. new_errors: those among them that the champion answers.
    show: columns of the requests that examples of flips show.
    a_a: flips, losses, gains, p99_abs_difference and within are then of so many requests, beyond those of the champion against itself.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        **{name: metric.subject for name, metric in {**RATES, **SHIFTS}.items() if metric.subject},
        **{subject.name: subject for subject in (*_COUNTED, OVERLAP_AT.subject, MATCH_RATE.subject) if subject},
    }
    uses_models: ClassVar[bool] = True
    by_group: ClassVar[bool] = True

    gate: Literal["shadow"] = "shadow"
    data: str = Field(description="Name of the data that holds the recorded requests.")
    a_a: int | None = Field(
        default=None,
        ge=100,
        description="Number of requests about which the champion is asked twice more: lines on flips and on differences of single "
        "requests are then judged by what goes beyond the champion's own noise on these.",
    )
    labels: LateLabels | None = Field(
        default=None,
        description="Labels that come later: by which lines `gate shadow label` judges the requests of a run then.",
    )

    @property
    def late_labels(self) -> LateLabels | None:
        return self.labels

    show: tuple[Name, ...] = Field(
        default=(),
        description="Columns of the requests that examples of flips show, as they are, in the report and in what is published; none by "
        "default.",
    )

    stop: Literal["early"] | None = Field(
        default=None,
        description="`early`: requests are asked in random order, until each line is decided; what is decided holds whenever that "
        "is. By default all are asked.",
    )

    @property
    def stops_early(self) -> bool:
        return self.stop is not None

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        if self.stop is not None:
            yield from self._complaints_of_stop(pipeline)
        if self.show and pipeline.task not in _DECIDES:
            yield (
                ("show",),
                f"examples are of decisions that changed, and task {pipeline.task} has none; leave show out",
            )
        elif self.show and self.data in pipeline.data:
            yield from ((("show",), refusal) for refusal in refusals(self.show, pipeline.data[self.data]))
        if self.a_a is not None and not any(line.subject in RAISED_BY_NOISE for line in self.lines):
            yield ("a_a",), f"no line is on what noise adds to: {', '.join(RAISED_BY_NOISE)}; leave a_a out"
        scores = pipeline.data[self.data].scores if self.data in pipeline.data else None
        if pipeline.task == "text" and not {"candidate", "champion"} <= {*(scores or {})}:
            yield (
                ("data",),
                f"texts are compared as they were recorded, and no model is asked for them; write data.{self.data}.scores: "
                "{candidate: COLUMN, champion: COLUMN}",
            )
        for number, line in enumerate(self.lines):
            if line.subject == OVERLAP_AT.name and (complaint := overlap_complaint(line)):
                yield ("require", number), complaint
        if pipeline.task != "multiclass":
            return
        for number, line in enumerate(self.lines):
            subject = self.subjects.get(line.subject)
            if subject is None or "class" not in subject.in_task(pipeline.task).args:
                continue
            name = line.argument("class")
            if name is None:
                example = replace(line, args=(("class", pipeline.classes[0] if pipeline.classes else "NAME"),))
                yield (
                    ("require", number),
                    f"{str(line)!r}: {line.subject} of several classes is asked of one; write {str(example)!r}",
                )
            elif unknown := unknown_class(line, class_text(name), pipeline.classes):
                yield ("require", number), unknown

    def _complaints_of_stop(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        data = pipeline.data.get(self.data)
        if data is not None and not data.asks("candidate"):
            yield (
                ("stop",),
                f"data.{self.data}.scores has the candidate's answers, so that nobody is asked; leave stop out",
            )
        if self.a_a is not None:
            yield (
                ("stop",),
                "a_a compares on a sample of a fixed size, and stop: early on one that is not; leave one of them out",
            )
        if self.labels is not None:
            yield ("stop",), "labels that come later are joined to all requests of a run; leave stop or labels out"
        for number, message in whole_traffic_only(self.lines):
            yield ("require", number), f"{message}, or put the line into a gate without stop"

    def known_after_a_run(self, line: Requirement) -> bool:
        return self.stop is not None or (self.a_a is not None and line.subject in RAISED_BY_NOISE)

    def measured_otherwise(self, stored: GateResult) -> str | None:
        if stored.findings and ("stopping" in stored.context) != (self.stop is not None):
            return (
                f"the run asked {'all requests' if self.stop else 'until lines were decided'}, and the policy does not"
            )
        before = (stored.context.get("noise") or {}).get("a_a")
        judged = {finding.subject.partition("(")[0] for finding in stored.findings}
        if before == self.a_a or judged.isdisjoint(RAISED_BY_NOISE):
            return None
        was, now = ("no a_a" if requests is None else f"a_a: {requests:,}" for requests in (before, self.a_a))
        return f"the run asked with {was}, and the policy has {now}"

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.shadow.replayed import replayed, unanswered_sentence
        from lockgate.evaluation.threshold_range import thresholds_outside

        requirements = self.requirements_for(case)
        if not requirements:
            return
        case.dataset(self.data).need(dict.fromkeys(self.show, PURPOSE))
        if self.stop is None:
            scored = case.replayed(self.data)
        else:
            scored = case.replayed_until(self.data, self._purpose, partial(self._is_decided, case, requirements))
        if scored.unrepeatable:
            yield Context({"unrepeatable": scored.unrepeatable})
        threshold = {role: case.threshold(role) for role in ("candidate", "champion")}
        of_replay = replayed(case.dataset(self.data), scored, threshold)
        yield Context({"replayed": of_replay})
        lines = [line for _, line in requirements if not self.subjects[line.subject].counted]
        if case.task == "binary" and (outside := thresholds_outside(scored, lines, self.subjects, threshold)):
            yield Context({"threshold_outside": outside})
        notes = [*self._remarks(scored, unanswered_sentence(of_replay))]
        if self.stop is not None:
            entry = stopping_entry(scored)
            yield Context({"stopping": entry})
            notes.append(stopping_sentence(entry))
            yield from self._early_findings(case, requirements, scored, bounds=True)
        else:
            beside = self._beside_noise(case, scored, lines, threshold)
            if beside is not None:
                yield Context({"noise": {**beside.entry, "a_a": self.a_a}})
                notes.append(noise_sentence(beside.entry))
            yield from self._findings(case, requirements, scored, beside, threshold)
        for exhibit in self._pictures(case, scored, threshold):
            if exhibit.name == f"{self.title}/flips":
                notes += blind_lines(lines, positive_rate(exhibit.points))
            yield exhibit
        if notes:
            yield Context({"notes": notes})

    def _remarks(self, scored: Scored, unanswered: str | None) -> Iterator[str]:
        """What no line says of answers that are missing, and of models that contradict themselves."""
        subjects = {line.subject for line in self.lines}
        if unanswered is not None and subjects.isdisjoint({"errors", NULL_RATE.name}):
            yield f"{unanswered}: no line on errors or null_rate limits that"
        again = scored.unrepeatable.get("champion", {}).get("differs") == "again"
        if again and self.a_a is None and not subjects.isdisjoint(RAISED_BY_NOISE):
            yield "a champion that contradicts itself raises flips and differences; a_a: 2000 judges what goes beyond its own noise"

    def _findings(
        self,
        case: Case,
        requirements: list[tuple[str, Requirement]],
        scored: Scored,
        beside: SelfComparison | None,
        threshold: Mapping[str, float | None],
    ) -> Iterator[Finding]:
        """Of all requests, and where the champion was asked twice, of those what goes beyond its noise."""
        from lockgate.evaluation.evaluate import evaluate
        from lockgate.evaluation.shadow.line_metrics import line_metrics, without_labels
        from lockgate.evaluation.shadow.overlaps import overlaps

        counts = [self._count(scored, name, line) for name, line in requirements if self.subjects[line.subject].counted]
        ranked = {name: line for name, line in requirements if line.subject == OVERLAP_AT.name}
        noisy = {name for name, line in requirements if beside is not None and line.subject in RAISED_BY_NOISE}
        plain = [
            line
            for name, line in requirements
            if not self.subjects[line.subject].counted and name not in {*noisy, *ranked}
        ]
        metrics = line_metrics(scored, plain, task=case.task, threshold=threshold)
        samples: dict[str, Scored] = {}
        if beside is not None:
            metrics |= beside.metrics
            sample = without_labels(beside.sample)
            samples = dict.fromkeys(noisy, sample)
        if ranked:
            of_queries = overlaps(scored, list(ranked.values()))
            metrics |= of_queries.metrics
            samples |= dict.fromkeys(ranked, of_queries.rows)
        findings = evaluate(
            self.title, without_labels(scored), requirements, metrics, self.subjects, threshold={},
            small=case.dataset(self.data).spec.small_slices, counted=counts, samples=samples,
        )  # fmt: skip
        yield from (_of_sample(finding) if finding.requirement in noisy else finding for finding in findings)

    def _early_findings(
        self, case: Case, requirements: list[tuple[str, Requirement]], scored: Scored, *, bounds: bool
    ) -> Sequence[Finding]:
        """Of the requests that were asked so far. bounds: whether intervals are shown too."""
        from lockgate.evaluation.evaluate import evaluate
        from lockgate.evaluation.shadow.early import early_metrics
        from lockgate.evaluation.shadow.line_metrics import without_labels

        threshold = {role: case.threshold(role) for role in ("candidate", "champion")}
        lines = [line for _, line in requirements]
        metrics = early_metrics(scored, lines, task=case.task, threshold=threshold, bounds=bounds)
        return evaluate(
            self.title, without_labels(scored), requirements, metrics, self.subjects, threshold={},
            small=case.dataset(self.data).spec.small_slices,
        )  # fmt: skip

    def _is_decided(self, case: Case, requirements: list[tuple[str, Requirement]], scored: Scored) -> bool:
        return all_decided(self._early_findings(case, requirements, scored, bounds=False))

    @property
    def _purpose(self) -> str:
        return repr([self.title, [to_mapping(line) for line in self.lines]])

    def _beside_noise(
        self, case: Case, scored: Scored, lines: list[Requirement], threshold: Mapping[str, float | None]
    ) -> SelfComparison | None:
        """What lines are measured by that noise adds to; None where the champion is not asked twice."""
        from lockgate.evaluation.shadow.self_comparison import compare_with_itself

        raised = [line for line in lines if line.subject in RAISED_BY_NOISE]
        if self.a_a is None or not raised:
            return None
        twice = case.champion_twice(self.data, self.a_a)
        return compare_with_itself(scored, twice, raised, task=case.task, threshold=threshold)

    def _pictures(self, case: Case, scored: Scored, threshold: Mapping[str, float | None]) -> Iterator[Exhibit]:
        from lockgate.evaluation.pictures.answer_distances import answer_distances
        from lockgate.evaluation.pictures.decisions import flips
        from lockgate.evaluation.pictures.directions import flip_examples, lost_and_gained
        from lockgate.evaluation.pictures.distributions import answers, differences

        if case.task in _DECIDES:
            yield from flips(self.title, scored, threshold)
            yield from lost_and_gained(self.title, scored, threshold)
            for examples in flip_examples(self.title, scored, threshold):
                yield with_columns(examples, case.dataset(self.data), self.show) if self.show else examples
        elif case.task != "text":
            yield from differences(self.title, scored)
        if case.task == "text":
            return
        yield from answers(self.title, scored)
        yield from answer_distances(self.title, scored)

    def _count(self, scored: Scored, name: str, line: Requirement) -> Estimate:
        import numpy as np

        from lockgate.evaluation.shadow.line_metrics import new_values
        from lockgate.models.class_scores import predicted_class

        no_answer = np.full(scored.rows, np.nan)
        failed = np.isnan(no_answer if scored.candidate is None else predicted_class(scored.candidate))
        champion_failed = None if scored.champion is None else np.isnan(predicted_class(scored.champion))
        once = {role: int(outcome.get("failed_once", 0)) for role, outcome in scored.unrepeatable.items()}
        more = once.get("candidate", 0)
        if line.subject == "new_values":
            return new_values(name, line, scored)
        if line.subject == "new_errors":
            if champion_failed is None:
                raise GateBroken("new_errors compares with a champion, and there is none")
            return counted(name, line, value=int((failed & ~champion_failed).sum()) + more, units=scored.rows)
        before = None if champion_failed is None else float(champion_failed.sum() + once.get("champion", 0))
        return counted(name, line, value=int(failed.sum()) + more, units=scored.rows, champion=before)


def _of_sample(finding: Finding) -> Finding:
    """The finding with where more requests come from, if more would help."""
    if finding.verdict is not Verdict.INCONCLUSIVE or not finding.remedy:
        return finding
    return replace(finding, remedy=f"{finding.remedy}; a_a says about how many the champion is asked twice")
