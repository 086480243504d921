"""Does evidence say what its gates say when they are asked again, in another job, by the default branch's own pipeline?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.data import remote
from lockgate.errors import LockgateError, Refused
from lockgate.evaluation.case import Case
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding
from lockgate.evidence.run_folder import RunFolder
from lockgate.gates.gate import Gate
from lockgate.hashing import number
from lockgate.models.target_spec import Server
from lockgate.pipeline.model import Pipeline
from lockgate.promotion.reevaluation_result import Repeats
from lockgate.runs.reuse_budget import Published
from lockgate.runs.run import Asking
from lockgate.units import utc

# Another processor rounds the same model's float32 differently; a number forged by less than this gains nothing.
TOLERANCE = 1e-6
_SHOWN = 3


@dataclass(frozen=True)
class About:
    """What evidence says that it is about: the versions, the digests of data, and when it began."""

    candidate: int
    champion: int | None
    data: Mapping[str, str]
    began: datetime

    @classmethod
    def of(cls, evidence: Evidence) -> About:
        """Raises Refused for evidence that says none of it, because somebody else wrote it."""
        try:
            champion = evidence.champion
            return cls(
                int(evidence.candidate["version"]),
                None if champion is None else int(champion["version"]),
                {str(entry["name"]): str(entry["digest"]) for entry in evidence.document["data"]},
                utc(evidence.document["run"]["started_at"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _mismatch([f"it has another shape ({type(error).__name__}: {error})"]) from error


def repeat(
    pipeline: Pipeline,
    case: Case,
    evidence: Evidence,
    *,
    folder: RunFolder,
    published: Callable[[], Sequence[Mapping[str, str]]],
    over: Callable[[], bool],
) -> Repeats:
    """Ask again every gate that says of itself that it is repeatable, and hold it against the evidence.

    case: of the versions that the evidence is about. folder: a scratch folder. published: facts of what is published of
    the model. over: whether there is no more time; what was asked meanwhile is then left out.
    Raises Refused with the code `evidence_mismatch` for any difference in a verdict or a value, and for any part that the
    evidence should have and has not.
    """
    about, recorded = About.of(evidence), {result.name: result for result in evidence.gates}
    _refuse(_other_thing(pipeline, case, evidence, recorded))
    asking = Asking(
        pipeline=pipeline,
        case=case,
        folder=folder,
        nonce="",
        started_at=about.began,
        circumstances={},
        published=_before(about.began, published),
        results=list(evidence.gates),
    )
    asking.count_looks()
    same, left_out = list[str](), dict[str, str]()
    for gate in pipeline.gates:
        why = _why_not(gate, pipeline, case, about)
        if why is None:
            now = GateResult.from_json(asking.ask(gate).to_json())  # as it would be read from evidence
            if not over():
                _refuse(differences(recorded[gate.title], now))
                same.append(gate.title)
                continue
            why = "it took longer than is spent on asking again"
        left_out[gate.title] = why
    return Repeats(tuple(same), left_out)


def differences(recorded: GateResult, now: GateResult) -> Iterator[str]:
    """What is not as the evidence has it, a sentence each."""
    before, after = ({one.id: one for one in result.findings} for result in (recorded, now))
    found = False
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old.verdict is not new.verdict or not _equal(old.observed, new.observed):
            found = True
            yield f"{name} is {_shown(old)} in the evidence, and {_shown(new)} when it is asked again{_why(new)}"
    if not found and (recorded.verdict, recorded.counts) != (now.verdict, now.counts):
        yield f"{now.name} is {_counted(recorded)} in the evidence, and {_counted(now)} when it is asked again: {now.reason}"


def _other_thing(
    pipeline: Pipeline, case: Case, evidence: Evidence, recorded: Mapping[str, GateResult]
) -> Iterator[str]:
    """Where it is not evidence of this pipeline and of these files."""
    if evidence.document["policy"]["sha256"] != pipeline.policy_digest:
        raise Refused(
            "the pipeline is not the one that was evaluated: its policy has changed since",
            code="policy_changed",
            remedy="evaluate again with gate run, and ask for sign-off on that",
        )
    asked = [(gate.title, gate.gate) for gate in pipeline.gates]
    said = [(result.name, result.kind) for result in evidence.gates]
    if asked != said or len(recorded) != len(said):
        names = [", ".join(name for name, _ in gates) or "none" for gates in (said, asked)]
        yield f"the evidence has the gates {names[0]}, and the pipeline asks {names[1]}"
    for contender in case.contenders:
        told: Mapping[str, Any] = evidence.document["model"][contender.role] or {}
        if told.get("digest") != contender.version.digest:
            yield (
                f"the files of {contender.version} are {contender.version.digest}, "
                f"and the evidence is about {told.get('digest')}"
            )


def _why_not(gate: Gate, pipeline: Pipeline, case: Case, about: About) -> str | None:
    """Why a gate is not asked again, None where it is."""
    if not gate.repeatable:
        return f"{gate.gate} is no gate that says the same each time"
    if gate.asks_models and isinstance(gate.place or pipeline.target, Server):
        return "it asks servers that others run"
    for name in gate.reads(case.datasets):
        try:
            found = case.dataset(name).digest
        except LockgateError as error:
            return f"its data {name} cannot be opened here: {error.message}"
        known = about.data.get(name)
        if known in (None, found):
            continue
        if remote.is_url(pipeline.data[name].path):
            return f"its data {name} has changed since: it was {known} and is {found}"
        _refuse(
            [f"the data {name} is {found} here, and was {known} when the gates were asked"],
            remedy="bring the data to the default branch first, fetch here what the gate's job fetched, and evaluate again",
        )
    return None


def _before(began: datetime, published: Callable[[], Sequence[Mapping[str, str]]]) -> Published:
    """What was published before the evidence began, so that its look is counted as it was."""
    return lambda: [one for one in published() if "at" not in one or utc(one["at"]) < began]


def _refuse(found: Iterator[str] | Sequence[str], *, remedy: str | None = None) -> None:
    said = list(found)
    if said:
        raise _mismatch(said, remedy=remedy)


def _mismatch(said: Sequence[str], *, remedy: str | None = None) -> Refused:
    more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return Refused(
        "the evidence is not what is found when its gates are asked again: " + "; ".join(said[:_SHOWN]) + more,
        code="evidence_mismatch",
        remedy=remedy
        or "bring code, data and requirements that the candidate needs to the default branch, evaluate again, and find "
        "out who made this evidence where it differs still",
    )


def _equal(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE**2)


def _shown(finding: Finding | None) -> str:
    return "not there" if finding is None else f"{finding.verdict} ({number(finding.observed) or 'no value'})"


def _why(finding: Finding | None) -> str:
    return "" if finding is None or finding.observed is not None else f", because {finding.reason}"


def _counted(result: GateResult) -> str:
    return str(result.verdict) if result.counts else f"{result.verdict} that does not count"
