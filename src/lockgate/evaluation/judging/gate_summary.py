"""Summary sentence of a gate, and the error rate that a run's pass carries."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.evaluation.judging.number_format import percent, short, slice_words
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict

_WEAKER = ("watched", "no_loss_seen")


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are no pass: errors and failures, then what looks bad, what is open, and what is too small to tell.

    Among equals, the one that is surest to be worse than allowed comes first, then the one with the most rows.
    """
    order = {"beyond_unadjusted": 0, "budget_spent": 0, "not_shown": 1}

    def key(one: Finding) -> tuple[int, int, float, int]:
        told = order.get(one.code, 2) if one.verdict is Verdict.INCONCLUSIVE else 0
        p_fail = one.detail.get("p_fail")
        return -one.verdict.rank, told, 1.0 if p_fail is None else float(p_fail), -one.rows

    return sorted((one for one in findings if one.verdict is not Verdict.PASS), key=key)


def summary(findings: Sequence[Finding], *, not_asked: int = 0, look: str | None = None) -> str:
    """The first sentence of a gate: what decided it, every weaker claim that it rests on, and which look it was."""
    if not findings:
        said = ["nothing was measured"]
    elif all(one.verdict is Verdict.PASS for one in findings):
        said = [_passed(findings), *_unseen_losses(findings)]
    else:
        said = _stopped(findings)
    merged = {
        slice_words(tuple(one.slice.items())): len(one.detail["members"])
        for one in findings
        if one.slice and one.detail.get("members")
    }
    said += [f"{place} is {count} small slices judged as one" for place, count in merged.items()]
    if not_asked:
        lines = "line that compares" if not_asked == 1 else "lines that compare"
        said.append(f"{not_asked} {lines} with a champion not asked: there is none yet")
    points = sum(1 for one in findings if one.decided is not None and one.decided.claim == "point")
    if points:
        said.append(f"{points} compared by points, without an error rate")
    return "; ".join([*said, *([look] if look is not None else [])])


def _passed(findings: Sequence[Finding]) -> str:
    unseen = [one for one in findings if one.code in _WEAKER]
    if not unseen:
        return "1 finding holds" if len(findings) == 1 else f"all {len(findings)} findings hold"
    watched = sum(1 for one in unseen if one.code == "watched")
    shares = [f"{len(findings) - len(unseen)} proven"]
    shares += [f"{watched} watched"] if watched else []
    shares += [f"{len(unseen) - watched} without a loss seen"] if len(unseen) > watched else []
    return ", ".join(shares)


def _stopped(findings: Sequence[Finding]) -> list[str]:
    """The worst finding, then how many others stand in the way and why, then what is only watched."""
    bad = worst_first(findings)
    same = sum(1 for one in bad if one.verdict is bad[0].verdict)
    undecided = [one for one in bad if one.verdict is Verdict.INCONCLUSIVE]
    said = [bad[0].reason]
    said += [f"and {same - 1} more"] if same > 1 else []
    said += [f"{len(undecided)} undecided"] if undecided and bad[0].verdict is not Verdict.INCONCLUSIVE else []
    small = sum(1 for one in undecided if one.code == "too_small")
    if small and len(undecided) > 1:
        said[-1] += f", {small} of them too small to judge" if small < len(undecided) else ", all too small to judge"
    watched = sum(1 for one in findings if one.code == "watched")
    return [*said, *([f"{watched} watched", *_unseen_losses(findings)] if watched else [])]


def _unseen_losses(findings: Sequence[Finding]) -> list[str]:
    """How large a loss could be on what is not proven."""
    seen = [one.detail.get("smallest_loss_seen") for one in findings if one.code in _WEAKER]
    known = [float(value) for value in seen if value is not None]
    told = [f"a loss under {short(max(known))} would go unseen"] if any(known) else []
    unknown = len(seen) - len(known)
    return told + ([f"on {unknown} of them nothing says how large a loss would go unseen"] if unknown else [])


def risk_sentence(evidence: Evidence) -> str | None:
    """What a pass of this run risks, said once; what carries no such rate is named. None where nothing was estimated."""
    covered: list[Finding] = []
    weaker: dict[str, dict[str, int]] = {}
    waived = {str(one["finding"]) for one in evidence.document.get("waivers") or () if not one.get("expired")}
    estimated = False
    for gate in evidence.gates:
        if gate.name in waived or any(one.id in waived for one in gate.findings):
            named = [gate.name] if gate.name in waived else [one.id for one in gate.findings if one.id in waived]
            weaker.setdefault("waived", {}).update(dict.fromkeys(named, 1))
        elif not gate.counts:
            weaker.setdefault("does not count", {})[gate.name] = 1
        for one in gate.findings:
            if one.decided is None or one.decided.on == "count":
                continue
            estimated = True
            kind = _weaker(gate, one, waived)
            if kind is None:
                covered.append(one)
            elif kind:
                lines = weaker.setdefault(kind, {})
                lines[f"{gate.name}/{one.requirement}"] = lines.get(f"{gate.name}/{one.requirement}", 0) + 1
    if not estimated:
        return None
    named = [
        f"{', '.join(name if count == 1 else f'{count} of {name}' for name, count in lines.items())} ({kind})"
        for kind, lines in weaker.items()
    ]
    if not covered:
        return f"Nothing that counts here carries an error rate ({'; '.join(named)})."
    return " ".join(
        [
            "If any requirement judged here on an estimate were violated, this run would pass with a probability of at "
            f"most {percent(_alpha(covered))}, however many there are.",
            *_over_all_looks(evidence, _alpha(covered)),
            *([f"Not covered: {'; '.join(named)}."] if named else []),
            "Facts counted on this run carry no such rate.",
        ]
    )


def _alpha(findings: Sequence[Finding]) -> float:
    return max(1 - one.decided.confidence for one in findings if one.decided and one.decided.confidence)


def _over_all_looks(evidence: Evidence, alpha: float) -> list[str]:
    """What it comes to over every time that somebody looked: risk ≤ looks × alpha."""
    counted = (evidence.document.get("run") or {}).get("looks") or {}
    budget = ((evidence.document.get("policy") or {}).get("reuse") or {}).get("budget")
    said = []
    for name, look in sorted(counted.items()):
        if look is None:
            said.append(f"How often {name} was looked at before is unknown, and so is the risk over all looks.")
        elif budget is not None:
            said.append(f"Look {look} of {budget} at {name}: over all {budget} at most {percent(budget * alpha)}.")
        elif look * alpha < 1:
            times = "1 look" if look == 1 else f"{look} looks"
            said.append(f"{times} at {name}, this one included: risk ≤ {percent(look * alpha)} over all of them.")
        else:
            said.append(f"{look} looks at {name}, this one included: nothing is promised over so many.")
    return said


def _weaker(gate: GateResult, one: Finding, waived: set[str]) -> str | None:
    """Why an estimated finding is outside the run's error rate; None where it is inside, empty where that was said."""
    if not gate.counts or one.id in waived or one.decided is None:
        return ""
    if one.decided.confidence is None:
        return "compared by points"
    if one.decided.claim == "no_harm":
        return "watched" if "watched" in one.detail or one.code == "watched" else "held to no_harm"
    if "approximate" in one.decided.method or "bootstrap" in one.decided.method:
        return "by an approximate method"
    return None
