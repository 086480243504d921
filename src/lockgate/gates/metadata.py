"""The metadata gate: whether the registry knows where the candidate comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lockgate.errors import guess
from lockgate.evaluation.case import Case
from lockgate.evaluation.provenance.subjects import BARE, COMPLETE, LEAST_STEPS, PREFIXES, QUERYABLE, Source
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Context, Findings, Gate, PipelineView
from lockgate.references.reference import LookUp, unasked
from lockgate.text import cut, listed

if TYPE_CHECKING:
    from lockgate.evaluation.provenance.complete import Provenance
    from lockgate.evaluation.provenance.fact import Fact
    from lockgate.evaluation.requirements.requirement import Requirement
    from lockgate.registries.ports import VersionFacts

_MOST_NAMED = 5  # entries of a finding's sentence; all stand in its detail
_MOST_KEPT, _MOST_SIGNS = (
    200,
    300,
)  # entries of a fact, and signs of one, that evidence keeps of those that no line asks for


class Metadata(Gate):
    """What the registry knows of the candidate's origin: training data, code, metrics, run, requirements.

    `require: complete` asks the seven facts that every version must carry, and the five without which nobody can train it
    again. Each subject counts what there is, none where it does not do: a branch is no commit, `numpy>=1` no version.
    steps(NAME): values in the history of a metric. model_type, dataset_version, feature_set_version, experiment_owner:
    what versions are searched by.
    """

    subjects: ClassVar[Mapping[str, Subject]] = {
        **{name: Subject(name, "higher", counted=True, bounds=(0, None)) for name in (*COMPLETE, *QUERYABLE)},
        "steps": Subject("steps", "higher", counted=True, bounds=(0, None), args=("metric",), words={"metric": ()}),
    }
    default_require: ClassVar[tuple[str, ...]] = tuple(f"{name} >= 1" for name in BARE)
    requirement_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {"complete": tuple(f"{name} >= 1" for name in COMPLETE)}
    repeatable: ClassVar[bool] = True

    gate: Literal["metadata"] = "metadata"
    sources: Mapping[Source, tuple[str, ...]] = Field(
        default={},
        description="Where else a fact is kept: subject to names of parameters, tags or metadata, such as "
        "`code_commit: [tag:release_sha]`. They are asked before the names that are known.",
    )
    hyperparameters: tuple[str, ...] = Field(
        default=(),
        description="Names that must be logged, such as `[lr|learning_rate, epochs]`; those of the model's flavor by default.",
    )
    history: tuple[str, ...] = Field(
        default=(),
        description=f"Metrics of which fewer than {LEAST_STEPS} logged values are a warning; a line such as "
        "`steps(loss) >= 20` blocks.",
    )
    dated_paths: bool = Field(
        default=False, description="Whether a path with a day in it, `s3://data/2026-11-30/`, is taken for pinned data."
    )
    must_exist: bool = Field(
        default=False,
        description="Whether commit, data and image are looked up, in this checkout, in S3, in tables and registries of "
        "images; what is known not to be there does not do.",
    )

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        for subject, names in self.sources.items():
            for number, name in enumerate(names):
                prefix, colon, _ = name.partition(":")
                if colon and prefix not in PREFIXES:
                    known = ", ".join(f"{each}:" for each in PREFIXES)
                    message = f"{name!r} is looked for nowhere; a name stands alone, or behind one of {known}{guess(prefix, PREFIXES)}"
                    yield ("sources", subject, number), message
        for line in self.require or ():
            if line.subject == "steps" and not _metric(line):
                yield (
                    ("require",),
                    f"{str(line)!r}: steps needs the name of a metric; write for example steps(loss) >= 5",
                )

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.estimation.estimate import counted
        from lockgate.evaluation.judging.judge import judge

        requirements = self.requirements_for(case)
        asked_for = {line.subject for _, line in requirements} - {"steps"}
        own = self._provenance(case.candidate.facts, case.look_up if self.must_exist else unasked)
        facts = own.collect(dict.fromkeys((*COMPLETE, *QUERYABLE, *asked_for)), needed=asked_for)
        champion = {}
        if case.champion is not None:
            champion = self._provenance(case.champion.facts, unasked).collect(asked_for, needed=())
        estimates = [
            counted(
                name,
                line,
                value=own.steps(_metric(line)) if line.subject == "steps" else facts[line.subject].count,
                units=1,
                champion=float(champion[line.subject].count) if line.subject in champion else None,
                detail=_detail(line, facts),
            )
            for name, line in requirements
        ]
        lines = dict(requirements)
        for finding in judge(self.title, requirements, estimates, self.subjects):
            line = lines[finding.requirement]
            yield _explained(finding, line, facts.get(line.subject), case.candidate.facts)
        counts = _counts(facts)
        notes = (
            [f"{counts['held']} of {counts['of']} facts"] if asked_for >= set(COMPLETE) and counts["lacking"] else []
        )
        notes += self._warnings(own)
        yield Context({"provenance": counts, **({"notes": notes} if notes else {})})

    def _provenance(self, facts: VersionFacts, look_up: LookUp) -> Provenance:
        from lockgate.evaluation.provenance.complete import Provenance

        names = {str(subject): names for subject, names in self.sources.items()}
        return Provenance(facts, names, self.hyperparameters, self.dated_paths, look_up)

    def _warnings(self, provenance: Provenance) -> list[str]:
        """What is said and does not block: metrics whose history is too short to show a course."""
        short = [(name, steps) for name in self.history if (steps := provenance.steps(name)) < LEAST_STEPS]
        return [f"{name} has {steps} of the {LEAST_STEPS} logged values that show a course" for name, steps in short]


def _metric(line: Requirement) -> str:
    return str(line.argument("metric", ""))


def _detail(line: Requirement, facts: Mapping[str, Fact]) -> dict[str, object]:
    """What was found and what is wrong with it, as evidence keeps it."""
    fact = facts.get(line.subject)
    if fact is None:
        return {"found": []}
    return {"found": list(fact.entries), **({"faults": list(fact.faults)} if fact.faults else {})}


def _counts(facts: Mapping[str, Fact]) -> dict[str, object]:
    """How many of the twelve facts hold, and all that is known of them and of what versions are searched by."""
    holding = [name for name in COMPLETE if facts[name].count]
    return {
        "held": len(holding),
        "of": len(COMPLETE),
        "lacking": [name for name in COMPLETE if name not in holding],
        "facts": {name: [cut(entry, _MOST_SIGNS) for entry in facts[name].entries[:_MOST_KEPT]] for name in holding},
        "tags": {name: cut(facts[name].value, _MOST_SIGNS) for name in QUERYABLE if facts[name].value},
    }


def _explained(finding: Finding, line: Requirement, fact: Fact | None, facts: VersionFacts) -> Finding:
    """The finding with what was found in its reason, or with what is wrong and the line of code that mends it."""
    subject = line.subject.replace("_", " ")
    if finding.verdict is not Verdict.FAIL:
        return replace(finding, reason=f"{subject}: {_listed(finding, fact)}")
    if fact is None:
        steps = f"{_metric(line)} has {finding.observed:g} logged values"
        reason = f"{steps}; {finding.limit.text} are required, as a single number shows no course"
        return replace(finding, code="incomplete", reason=reason, remedy=facts.remedies.get("steps"))
    adds = facts.remedies.get(fact.variant) or facts.remedies.get(line.subject)
    where = f"add it where the model is logged{f': {adds}' if adds else ''}"
    if fact.faults:
        faults = "; ".join(fact.faults[:_MOST_NAMED])
        mends = [fact.remedy] if fact.remedy else []
        mends += [f"where the model is logged: {adds}"] if adds else []
        return replace(finding, code=fact.code, reason=f"{subject}: {faults}", remedy="; ".join(mends) or where)
    reason = finding.reason if finding.observed else f"{facts.version} has no {subject}"
    return replace(finding, code="missing", reason=reason, remedy=where)


def _listed(finding: Finding, fact: Fact | None) -> str:
    if fact is None:
        return f"{finding.observed:g}"
    return listed(fact.entries, _MOST_NAMED) or "none required"
