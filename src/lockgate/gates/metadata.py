"""The metadata gate: whether the registry knows where the candidate comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from lockgate.evaluation.case import Case
from lockgate.evaluation.estimation.estimate import counted
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Verdict
from lockgate.gates.gate import Findings, Gate
from lockgate.registries.ports import VersionFacts

SUBJECTS = ("training_data", "code_commit", "logged_metrics", "source_run", "requirements")


class Metadata(Gate):
    """What the registry knows of the candidate's origin: training data, code, metrics, run, requirements."""

    subjects: ClassVar[Mapping[str, Subject]] = {
        name: Subject(name, "higher", counted=True, bounds=(0, None)) for name in SUBJECTS
    }
    default_require: ClassVar[tuple[str, ...]] = tuple(f"{name} >= 1" for name in SUBJECTS)
    repeatable: ClassVar[bool] = True

    gate: Literal["metadata"] = "metadata"

    def check(self, case: Case) -> Findings:
        requirements = self.requirements_for(case)
        facts = case.candidate.facts
        champion = None if case.champion is None else case.champion.facts
        estimates = [
            counted(
                name,
                line,
                value=len(_entries(facts, line.subject)),
                units=1,
                champion=None if champion is None else float(len(_entries(champion, line.subject))),
                detail={"found": _entries(facts, line.subject)},
            )
            for name, line in requirements
        ]
        for finding in judge(self.title, requirements, estimates, self.subjects):
            subject = finding.subject.replace("_", " ")
            if finding.verdict is Verdict.FAIL:
                adds = facts.remedies.get(finding.subject)
                yield replace(
                    finding,
                    code="missing",
                    reason=f"{case.candidate.version} has no {subject}" if not finding.observed else finding.reason,
                    remedy=f"add it where the model is logged{f': {adds}' if adds else ''}",
                )
            else:
                yield replace(finding, reason=f"{subject}: {', '.join(finding.detail['found']) or 'none required'}")


def _entries(facts: VersionFacts, subject: str) -> list[str]:
    """The entries of a subject, in a few words each; values of metrics stay in the registry."""
    return {
        "training_data": [str(entry.get("name") or entry.get("digest") or "unnamed") for entry in facts.datasets],
        "code_commit": [facts.commit] if facts.commit else [],
        "logged_metrics": sorted(facts.metrics),
        "source_run": [str(facts.run.get("id", ""))] if facts.run else [],
        "requirements": list(facts.requirements),
    }[subject]
