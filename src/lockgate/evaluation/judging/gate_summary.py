"""Summary sentence of a gate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.evaluation.judging.explanations import unseen_stalls, worst_class_words
from lockgate.evaluation.judging.number_format import short, slice_words
from lockgate.evaluation.labelling.late_labels import SELECTIVE
from lockgate.evidence.finding import Finding, Verdict
from lockgate.text import counted

WEAKER = ("watched", "no_loss_seen")  # codes of passes without proof


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Sort the findings that are no pass: errors, failures, likely failures, undecided ones, too small ones.

    Those that are undecided because the candidate may have seen its rows come before all that are undecided.
    Of undecided ones those that name a class or a slice come first, beside likely failures where a class lost or
    the value is beyond its limit.
    Among equals, the lowest p-value of a violation comes first, then the most rows, then the count
    that is furthest beyond its limit.
    """
    order = {
        "seen_rows": -1,
        "seen_unknown": -1,
        SELECTIVE: -1,
        "beyond_unadjusted": 0,
        "budget_spent": 0,
        "not_shown": 1,
    }

    def key(finding: Finding) -> tuple[int, int, bool, float, int, float]:
        undecided, named = finding.verdict is Verdict.INCONCLUSIVE, names_part(finding)
        urgency = order.get(finding.code, 2) if undecided else 0
        lost = "worst_class" in finding.detail or (finding.decided is not None and not finding.decided.met)
        if urgency == 1 and named and lost:
            urgency = 0
        p_fail = finding.detail.get("p_fail")
        return (
            -finding.verdict.rank,
            urgency,
            undecided and not named,
            1.0 if p_fail is None else float(p_fail),
            -finding.rows,
            -_excess(finding),
        )

    return sorted((finding for finding in findings if finding.verdict is not Verdict.PASS), key=key)


def _excess(finding: Finding) -> float:
    """How far a count is beyond its limit; 0 of what is estimated."""
    limit, observed = finding.limit.value, finding.observed
    if finding.decided is None or finding.decided.on != "count" or limit is None or observed is None:
        return 0.0
    return observed - limit if finding.limit.op == "<=" else limit - observed


def names_part(finding: Finding) -> bool:
    """Whether it says where a loss is: on a slice, of a class, or by its class that lost most."""
    return bool(finding.slice) or "(class=" in finding.subject or "worst_class" in finding.detail


def lost_most(findings: Sequence[Finding]) -> str:
    """Where it was lost most, to go on with the sentence of the worst finding where that does not say it.

    The class, by a finding that names one; else the worst slice, where some fail.
    """
    bad = worst_first(findings)
    if not bad or names_part(bad[0]):
        return ""
    words = (worst_class_words(finding.subject.partition("(")[0], finding.detail) for finding in bad)
    return next(filter(None, (*words, *map(_worst_slice_words, bad))), "")


def _worst_slice_words(finding: Finding) -> str:
    """`. Worst on country=BR: auc 0.62, the champion's 0.85`; nothing of what does not fail on a slice."""
    if finding.verdict is not Verdict.FAIL or not finding.slice or finding.observed is None:
        return ""
    beside = "" if finding.champion is None else f", the champion's {short(finding.champion)}"
    return (
        f". Worst on {slice_words(tuple(finding.slice.items()))}: {finding.subject} {short(finding.observed)}{beside}"
    )


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
    unseen = [finding for finding in findings if finding.code in WEAKER]
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
    clauses = [bad[0].reason + lost_most(bad)]
    clauses += [f"and {same - 1} more"] if same > 1 else []
    clauses += [f"{len(undecided)} undecided"] if undecided and bad[0].verdict is not Verdict.INCONCLUSIVE else []
    small = sum(1 for finding in undecided if finding.code == "too_small")
    if small and len(undecided) > 1:
        which = f"{small} of them" if small < len(undecided) else "all"
        clauses[-1] += f", {which} with too few {bad[0].counted_in} to judge"
    watched = sum(1 for finding in findings if finding.code == "watched")
    return [*clauses, *([f"{watched} under the no-harm check", *_unseen_losses(findings)] if watched else [])]


def _unseen_losses(findings: Sequence[Finding]) -> list[str]:
    """How large a loss could be on what is not proven."""
    weaker = [finding.detail for finding in findings if finding.code in WEAKER]
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
