"""Refuse requirements that no data could ever satisfy, each with the rewrite, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from lockgate.evaluation.requirements.grammar import to_mapping
from lockgate.evaluation.requirements.requirement import Op, Requirement, RequirementLimit, number_text
from lockgate.evaluation.requirements.subject import Subject


def refusals(requirement: Requirement, subject: Subject, *, champion: bool, confidence: float) -> list[str]:
    """Say why no data could ever satisfy the line, each reason with the rewrite; empty where data can.

    champion: whether the pipeline can have one. confidence: one-sided, of the gate.
    """
    reasons: list[str] = []
    limit, text = requirement.limit, str(requirement)
    confidence = requirement.confidence or confidence
    # A gap is better when it is small, whatever it is of.
    better = "lower" if requirement.gap else subject.better
    wrong_way = (better == "higher" and requirement.op == "<=") or (better == "lower" and requirement.op == ">=")
    if wrong_way and not requirement.gap:
        op: Op = ">=" if requirement.op == "<=" else "<="
        turned = replace(requirement, op=op, limit=_turned(limit))
        reasons.append(
            f"{text!r} asks for a worse model: {subject.name} is better when {subject.better}; write {str(turned)!r}"
        )
    if subject.instead is not None and (limit.relative or requirement.gap):
        other = str(replace(requirement, subject=subject.instead))
        why_not = "relative calibration needs paired losses" if limit.relative else "slices are compared by losses"
        return [
            *reasons,
            f"{text!r}: {subject.name} is decided against a number only; {why_not}: write {other!r}, or one on log_loss",
        ]
    if limit.declared:
        return [*reasons, *_declared(requirement, subject, text)]
    estimated = not subject.counted and requirement.claim != "point"
    if limit.relative:
        negative = not requirement.gap and _may_be_negative(subject)
        reasons += _gap(requirement, text)
        reasons += _relative(requirement, subject, text, champion=champion, negative=negative)
        if limit.sign != "*" or (limit.value > 0 and not negative):
            reasons += _without_room(requirement, text, confidence) if estimated and not wrong_way else []
        return reasons
    if requirement.claim in ("superior", "not_worse", "no_harm"):
        itself = "no champion" in subject.needs  # then no limit may name it
        reasons.append(
            f"{text!r}: claim {requirement.claim} compares with a champion; "
            f"{'' if itself else 'write champion in the limit, or '}leave claim out"
        )
    if requirement.gap:
        return reasons + _gap(requirement, text)
    low, high = subject.bounds
    bound, beyond = (high, limit.value > (high or 0)) if requirement.op == ">=" else (low, limit.value < (low or 0))
    if wrong_way or bound is None:
        return reasons
    if beyond:
        reasons.append(f"{text!r} can never be met: {subject.name} lies between {_end(low)} and {_end(high)}")
    elif estimated and limit.value == bound:
        reasons.append(_at_edge(requirement, subject, text, confidence))
    return reasons


def _relative(
    requirement: Requirement, subject: Subject, text: str, *, champion: bool, negative: bool
) -> Iterator[str]:
    """Why the line cannot be compared with the champion. negative: whether what is compared can be below zero."""
    limit = requirement.limit
    if "no champion" in subject.needs:
        yield f"{text!r}: {subject.name} compares with the champion already; write a number"
    elif not champion:
        yield (
            f"{text!r} compares with a champion, and there is none here; "
            "write a number, or give the pipeline champion: {alias: production, else: none}"
        )
    if limit.sign == "*" and negative:
        yield (
            f"{text!r}: {subject.name} can be negative, where a factor turns around; "
            f"write a margin, {str(_with_margin(requirement))!r}"
        )
    elif limit.sign == "*" and limit.value <= 0:
        yield f"{text!r}: the factor must be above zero"


def _declared(requirement: Requirement, subject: Subject, text: str) -> Iterator[str]:
    """Why the limit cannot be one that the version declares."""
    if not subject.declared:
        yield f"{text!r}: no version declares its {subject.name}; write a number or champion"
    if requirement.claim in ("superior", "not_worse", "no_harm"):
        yield f"{text!r}: claim {requirement.claim} compares with a champion; leave claim out"


def _may_be_negative(subject: Subject) -> bool:
    return subject.bounds[0] is None or subject.bounds[0] < 0


def _gap(requirement: Requirement, text: str) -> list[str]:
    """Why no slices can be as far apart as the line says."""
    limit = requirement.limit
    if not requirement.gap:
        return []
    if requirement.op == ">=":
        turned = _turned(limit) if limit.relative else limit
        close = str(replace(requirement, op="<=", limit=turned))
        return [f"{text!r} asks for a gap; slices are to be close: write {close!r}"]
    if not limit.relative and limit.value <= 0 and requirement.claim != "point":
        room = replace(limit, number=5.0 if limit.percent else 0.05)
        return [
            f"{text!r}: no number of rows shows that slices are exactly equal; leave some room, "
            f"{str(replace(requirement, limit=room))!r}"
        ]
    return []


def _without_room(requirement: Requirement, text: str, confidence: float) -> list[str]:
    limit = requirement.limit
    margin = {None: 0.0, "*": limit.value - 1.0}.get(limit.sign, limit.margin)
    room = -margin if requirement.op == ">=" else margin
    example = _with_margin(replace(requirement, claim=None))
    if requirement.claim == "superior":
        if room <= 0:
            return []
        return [
            f"{text!r}: claim superior asks for a gain, and this line allows a loss; "
            f"write {_gain(replace(requirement, limit=RequirementLimit(relative=True)))}, or leave claim out"
        ]
    if room > 0 or (room == 0 and requirement.claim == "no_harm"):
        return []
    if room == 0:
        share = f"{(1 - confidence) * 100:g} %"
        return [
            f"{text!r} leaves no margin: a candidate equal to the champion would pass {share} of the time; "
            f"write a tolerance, {str(example)!r}, or {_gain(requirement)} where a gain is required"
        ]
    return [
        f"{text!r} asks for a gain over the champion, which is a claim of its own; "
        f"write {_gain(requirement)}, or a tolerance, {str(example)!r}"
    ]


def _gain(requirement: Requirement) -> str:
    """The line in the mapping form, with claim: superior."""
    mapping = to_mapping(replace(requirement, claim="superior"))
    return f"{{{', '.join(f'{key}: {value}' for key, value in mapping.items())}}}"


def _turned(limit: RequirementLimit) -> RequirementLimit:
    """The limit of the line that was meant: a margin on the other side, everything else as it is."""
    return replace(limit, sign="-" if limit.sign == "+" else "+") if limit.sign in ("+", "-") else limit


def _with_margin(requirement: Requirement) -> Requirement:
    """The line with a tolerance of 0.01 on the side where the candidate may be worse."""
    limit = RequirementLimit(relative=True, number=0.01, sign="-" if requirement.op == ">=" else "+")
    return replace(requirement, limit=limit)


def _at_edge(requirement: Requirement, subject: Subject, text: str, confidence: float) -> str:
    edge = "0" if requirement.op == "<=" else number_text(requirement.limit.value)
    if subject.bounds == (0, 1) and subject.proportion:
        step = 0.001
        units_needed = math.ceil(math.log(1 - confidence) / math.log(1 - step))
        near = RequirementLimit(relative=False, number=0.1 if requirement.op == "<=" else 99.9, percent=True)
        units = "rows" if subject.of_rows else "requests"
        rewrite = f"{str(replace(requirement, limit=near))!r} (from {units_needed:,} {units} on)"
        counted = f"{subject.rewrite!r}, counted on this run, or " if subject.rewrite else ""
        return f"{text!r}: no number of rows shows that a rate is exactly {edge}; write {counted}{rewrite}"
    return f"{text!r}: no number of {subject.counted_in} shows that {subject.name} is exactly {edge}; leave some room"


def _end(value: float | None) -> str:
    return "anything" if value is None else number_text(value)
