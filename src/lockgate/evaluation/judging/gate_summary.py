"""Summary sentence of a gate, and the error rate that a run's pass carries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.evaluation.judging.explanations import unseen_stalls
from lockgate.evaluation.judging.measured_rates import family, measured_rate
from lockgate.evaluation.judging.number_format import percent, short, slice_words
from lockgate.evaluation.latency import measured_rates as latency
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.text import counted

MEASURED_AT = 0.05
_UNKNOWN = {"unrecorded": "jobs like this one leave no record", "unread": "what is published could not be read"}
_WEAKER = ("watched", "no_loss_seen")


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Sort the findings that are no pass: errors, failures, likely failures, undecided ones, too small ones.

    Among equals, the lowest p-value of a violation comes first, then the most rows.
    """
    order = {"beyond_unadjusted": 0, "budget_spent": 0, "not_shown": 1}

    def key(finding: Finding) -> tuple[int, int, float, int]:
        urgency = order.get(finding.code, 2) if finding.verdict is Verdict.INCONCLUSIVE else 0
        p_fail = finding.detail.get("p_fail")
        return -finding.verdict.rank, urgency, 1.0 if p_fail is None else float(p_fail), -finding.rows

    return sorted((finding for finding in findings if finding.verdict is not Verdict.PASS), key=key)


def summary(findings: Sequence[Finding], *, not_asked: int = 0, look: str | None = None) -> str:
    """The first sentence of a gate: what decided it, every weaker claim that it rests on, and which evaluation it was."""
    if not findings:
        clauses = ["nothing was measured"]
    elif all(finding.verdict is Verdict.PASS for finding in findings):
        clauses = [_passed(findings), *_unseen_losses(findings), *_unseen_stalls(findings)]
    else:
        clauses = _stopped(findings)
    merged = {
        slice_words(tuple(finding.slice.items())): len(finding.detail["members"])
        for finding in findings
        if finding.slice and finding.detail.get("members")
    }
    clauses += [f"{pool} pools {count} small slices" for pool, count in merged.items()]
    if not_asked:
        clauses.append(f"{counted(not_asked, 'requirement')} not compared: there is no champion yet")
    points = sum(1 for finding in findings if finding.decided is not None and finding.decided.claim == "point")
    if points:
        clauses.append(f"{points} compared by points, without an error rate")
    return "; ".join([*clauses, *([look] if look is not None else [])])


def unrepeatable(role: str, outcome: Mapping[str, Any]) -> str:
    """How the answers of a role differed when rows were sent again (`scoring.repeat`), for the summary of a gate."""
    once = int(outcome.get("failed_once", 0))
    failed = f"the {role} failed {'once' if once == 1 else f'{once:,} times'} on requests that it answered when they were sent again"
    if "differs" not in outcome:
        return failed
    rows, differing = int(outcome["rows"]), int(outcome["differing"])
    if outcome["differs"] == "again":
        what = f"the {role}'s answers cannot be repeated: {differing:,} of {rows:,} rows that were sent twice got another answer"
    else:
        what = (
            f"the {role}'s answers depend on the rows that are sent together: {differing:,} of {rows:,} rows got another "
            "answer in another batch"
        )
    flipped = outcome.get("flipped")
    decided = "" if flipped is None else f", {100 * int(flipped) / rows:.3g} % of the decisions flipped"
    # no distance where a row was answered one time alone
    largest = ", or none" if outcome["largest"] == "inf" else f", up to {outcome['largest']} away"
    return f"{what}{largest}{decided}" + (f"; {failed}" if once else "")


def threshold_outside(entry: Mapping[str, Any]) -> str:
    """That a threshold decides every row alike (`threshold_range`), for the summary of a gate."""
    side, decided = ("below", "no row") if entry["scores"] == "below" else ("at or above", "every row")
    least, most = short(entry["least"]), short(entry["most"])
    return (
        f"all scores of the {entry['role']} ({least} to {most}) are {side} the threshold {entry['threshold']:g}, so that "
        f"{decided} is decided positive"
    )


def _passed(findings: Sequence[Finding]) -> str:
    unseen = [finding for finding in findings if finding.code in _WEAKER]
    if not unseen:
        return "1 requirement met" if len(findings) == 1 else f"all {len(findings)} requirements met"
    watched = sum(1 for finding in unseen if finding.code == "watched")
    shares = [f"{len(findings) - len(unseen)} proven"]
    shares += [f"{watched} under the no-harm check"] if watched else []
    shares += [f"{len(unseen) - watched} without a loss seen"] if len(unseen) > watched else []
    return ", ".join(shares)


def _stopped(findings: Sequence[Finding]) -> list[str]:
    """The worst finding, then how many others stand in the way and why, then what is under the no-harm check."""
    bad = worst_first(findings)
    same = sum(1 for finding in bad if finding.verdict is bad[0].verdict)
    undecided = [finding for finding in bad if finding.verdict is Verdict.INCONCLUSIVE]
    clauses = [bad[0].reason]
    clauses += [f"and {same - 1} more"] if same > 1 else []
    clauses += [f"{len(undecided)} undecided"] if undecided and bad[0].verdict is not Verdict.INCONCLUSIVE else []
    small = sum(1 for finding in undecided if finding.code == "too_small")
    if small and len(undecided) > 1:
        clauses[-1] += f", {small} of them too small to judge" if small < len(undecided) else ", all too small to judge"
    watched = sum(1 for finding in findings if finding.code == "watched")
    return [*clauses, *([f"{watched} under the no-harm check", *_unseen_losses(findings)] if watched else [])]


def _unseen_losses(findings: Sequence[Finding]) -> list[str]:
    """How large a loss could be on what is not proven."""
    weaker = [finding.detail for finding in findings if finding.code in _WEAKER]
    measured = [
        float(detail["smallest_loss_seen"]) for detail in weaker if detail.get("smallest_loss_seen") is not None
    ]
    clauses = [f"a loss under {short(max(measured))} would go unseen"] if any(measured) else []
    blind = sum(1 for detail in weaker if detail.get("no_power"))
    unknown = len(weaker) - len(measured) - blind
    clauses += [f"on {blind} of them no loss could be seen"] if blind else []
    return clauses + ([f"on {unknown} of them nothing says how large a loss would go unseen"] if unknown else [])


def _unseen_stalls(findings: Sequence[Finding]) -> list[str]:
    """Which stalls could have gone unseen, by the line that bears the shortest ones."""
    shortest = min(
        (finding.detail for finding in findings if "rarest_stall" in finding.detail),
        key=lambda detail: detail.get("longest_stall", math.inf),
        default=None,
    )
    return [] if shortest is None else [unseen_stalls(shortest)]


def risk_sentence(evidence: Evidence) -> str | None:
    """The error rate of this run's pass, and what it does not cover. None where nothing was estimated."""
    covered: list[Finding] = []
    of_rows: list[Finding] = []  # latency is measured anew in each run
    weaker: dict[str, dict[str, int]] = {}
    waived = evidence.waived
    estimated = False
    for gate in evidence.gates:
        ids = [gate.name] if gate.name in waived else [finding.id for finding in gate.findings if finding.id in waived]
        if ids:
            weaker.setdefault("waived", {}).update(dict.fromkeys(ids, 1))
        elif not gate.counts:
            weaker.setdefault("does not count", {})[gate.name] = 1
        for finding in gate.findings:
            if finding.decided is None or finding.decided.on == "count":
                continue
            estimated = True
            kind = _weaker(gate, finding, waived)
            if kind is None:
                covered.append(finding)
                of_rows += [finding] if gate.kind != "latency" else []
                longest = finding.detail.get("longest_stall")
                kind = None if longest is None else f"stalls of over {longest:,} requests in a row"
            if kind:
                lines = weaker.setdefault(kind, {})
                lines[f"{gate.name}/{finding.requirement}"] = lines.get(f"{gate.name}/{finding.requirement}", 0) + 1
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
            _rate_sentence(covered, len(covered) > len(of_rows)),
            *(_over_all_evaluations(evidence, max(map(_rate, of_rows))) if of_rows else []),
            *([f"Not covered: {'; '.join(named)}."] if named else []),
            "Facts counted on this run carry no such rate.",
        ]
    )


def _rate_sentence(covered: Sequence[Finding], timed: bool) -> str:
    """timed: whether some of them are of latencies."""
    data = f"for the kinds of data in docs/internals/decisions.md{' and docs/gates/latency.md' if timed else ''}"
    at_most = max(map(_rate, covered))
    other = [finding for finding in covered if not _is_at_measured_level(finding)]
    measured = max((_measured(finding.decided.method) or 0.0 for finding in covered if finding.decided), default=0.0)
    if not other:
        source = f": the most that was measured where {percent(MEASURED_AT)} is declared, {data}"
    else:
        source = (
            f", as far as lines that are not tested at {percent(MEASURED_AT)} keep what they declare: it was measured there alone "
            f"(at most {percent(measured)}, {data})"
        )
    return (
        "If any requirement judged here on an estimate were violated, this run would pass with a probability of at "
        f"most {percent(at_most)}, however many there are{source}."
    )


def _rate(finding: Finding) -> float:
    """How often it passes at most where the truth is its limit: as measured at that level, as declared at others."""
    assert finding.decided is not None and finding.decided.confidence is not None  # noqa: S101, PT018  # it is covered
    declared = 1 - finding.decided.confidence
    return max(declared, _measured(finding.decided.method) or 0.0) if _is_at_measured_level(finding) else declared


def _measured(method: str) -> float | None:
    """None where no law was tried."""
    of_rows = measured_rate(method)
    return latency.MEASURED.get(family(method)) if of_rows is None else of_rows


def _is_at_measured_level(finding: Finding) -> bool:
    return finding.decided is not None and math.isclose(1 - (finding.decided.confidence or 0.0), MEASURED_AT)


def _over_all_evaluations(evidence: Evidence, alpha: float) -> list[str]:
    """The risk over every evaluation of the same data that is counted: at most evaluations × alpha (Bonferroni)."""
    run = evidence.document.get("run") or {}
    details = run.get("evaluations") or {}
    budget = ((evidence.document.get("policy") or {}).get("reuse") or {}).get("budget")
    return [
        _evaluations_sentence(name, number, details.get(name) or {}, budget, alpha)
        for name, number in sorted((run.get("looks") or {}).items())
    ]


def _evaluations_sentence(
    name: str, number: int | None, detail: Mapping[str, Any], budget: int | None, alpha: float
) -> str:
    """detail: the entry of the data in `run.evaluations`, empty in older evidence."""
    if number is None:
        reason = _UNKNOWN.get(str(detail.get("unknown")), "")
        least = f"at least {detail['counted']}, this one included" if detail.get("counted", 1) > 1 else ""
        details = f" ({'; '.join(filter(None, (reason, least)))})" if reason or least else ""
        return f"How often {name} was evaluated is unknown{details}, and so is the risk over all evaluations."
    if budget is not None:
        return f"Evaluation no. {number} of the {budget} allowed on {name}, as far as they are counted: over all {budget} at most {percent(budget * alpha)}."
    if number * alpha >= 1:
        return f"Evaluation no. {number} of {name}, or a later one: nothing is promised over so many."
    again = " (these models again, which count once)" if detail.get("repeats") else ""
    over = "this one" if number == 1 else f"the {number} that are counted (published, or in this checkout)"
    return f"Evaluation no. {number} of {name}, or a later one{again}: risk ≤ {percent(number * alpha)} over {over}."


def _weaker(gate: GateResult, finding: Finding, waived: set[str]) -> str | None:
    """Why an estimated finding is outside the run's error rate; None where it is inside, empty where that is listed."""
    if not gate.counts or finding.id in waived or finding.decided is None:
        return ""
    if finding.decided.confidence is None:
        return "compared by points"
    if finding.decided.claim == "no_harm":
        return "no-harm check" if "watched" in finding.detail or finding.code == "watched" else "claim no_harm"
    if "approximate" in finding.decided.method or "bootstrap" in finding.decided.method:
        return "by an approximate method"
    if finding.decided.method == "none":  # nothing can pass by it
        return ""
    return None if _measured(finding.decided.method) is not None else "its error rate was not measured"
