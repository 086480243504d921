"""How sure a run is: how likely it passes what should fail, over how many evaluations of the same data, and what that leaves out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.data.overlap.seen_rows import not_checked, sentence
from lockgate.evaluation.judging.measured_rates import family, measured_rate
from lockgate.evaluation.judging.number_format import percent
from lockgate.evaluation.latency import measured_rates as latency
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding
from lockgate.text import counted

MEASURED_AT = 0.05
_UNKNOWN = {"unrecorded": "jobs like this one leave no record", "unread": "what is published could not be read"}
# Why a line is outside of the chance of a wrong pass.
_UNCOVERED = {
    "waived": "waived, so that it stops nothing",
    "does not count": "its verdict blocks nothing",
    "watched": "too few rows to prove anything: only a loss that shows would have failed",
    "no_harm": "by its claim, only a loss that shows would have failed",
    "point": "measured numbers were compared as they are, without allowing for chance",
    "approximate": "judged by an approximate method",
    "unmeasured": "nobody measured how often its method passes wrongly",
}

Item = tuple[str, str]
"""(what it is about with its number, one sentence)."""


def certainty(evidence: Evidence) -> list[Item]:
    """The chance of a wrong pass and what changes it, then all that it does not cover. Empty where nothing was estimated.

    Where a gate that counts has no line whose chance is known, the first says of which gates it is.
    """
    covered: list[Finding] = []
    gates: dict[str, bool] = {}  # that count → whether a line of theirs is covered
    of_rows: list[Finding] = []  # latency is measured anew in each run
    uncovered: dict[str, dict[str, int]] = {}
    waived = evidence.waived
    estimated = facts = False
    for gate in evidence.gates:
        ids = [gate.name] if gate.name in waived else [finding.id for finding in gate.findings if finding.id in waived]
        if ids:
            uncovered.setdefault(_UNCOVERED["waived"], {}).update(dict.fromkeys(ids, 1))
        elif not gate.counts:
            uncovered.setdefault(_UNCOVERED["does not count"], {})[gate.name] = 1
        texts = {requirement.id: requirement.text for requirement in gate.requirements}
        for finding in gate.findings:
            if finding.decided is None or finding.decided.on == "count":
                facts = facts or finding.decided is not None
                continue
            estimated = True
            reason = _uncovered(gate, finding, waived)
            if reason != "":
                gates[gate.name] = gates.get(gate.name, False) or reason is None
            if reason is None:
                covered.append(finding)
                of_rows += [finding] if gate.kind != "latency" else []
                longest = finding.detail.get("longest_stall")
                reason = longest and f"a rare stall of more than {longest:,} requests in a row may not have shown"
            if reason:
                lines, name = (
                    uncovered.setdefault(reason, {}),
                    f"{gate.name}: {texts.get(finding.requirement, finding.subject)}",
                )
                lines[name] = lines.get(name, 0) + 1
    if not estimated:
        return []
    left_out = [
        ("Not covered", f"{_named(lines)}. {reason[0].upper()}{reason[1:]}.") for reason, lines in uncovered.items()
    ]
    if not covered:
        return [
            ("Chance of a wrong pass: unknown", "No line that counts here was tested with a chance that is known."),
            *left_out,
            *_training_rows(evidence),
        ]
    return [
        *_wrong_pass(covered, gates, timed=len(covered) > len(of_rows)),
        *(_over_all_evaluations(evidence, max(map(_rate, of_rows))) if of_rows else []),
        *left_out,
        *(
            [
                (
                    "Facts",
                    "What was only counted, such as missing files or failed requests, is as this run saw it; no chance applies.",
                )
            ]
            * facts
        ),
        *_training_rows(evidence),
    ]


def unchecked_data(evidence: Evidence) -> list[str]:
    """Names of the data that models were judged by although nobody looked for rows which the candidate was trained on."""
    scored = {str(entry.get("data")) for entry in evidence.document.get("scored") or ()}
    looked_at = {str(entry.get("name")) for entry in evidence.document.get("data") or () if "seen" in entry}
    judged = (evidence.document.get("run") or {}).get("looks") or {}
    return sorted(name for name in judged if name in scored - looked_at)


def _training_rows(evidence: Evidence) -> list[Item]:
    """Whether the rows are new to the candidate: a model that has seen them looks better than it is, and no chance covers that."""
    items = [
        ("Rows that the candidate was trained on", f"{words[0].upper()}{words[1:]}.")
        for entry in evidence.document.get("data") or ()
        if "seen" in entry and (words := sentence(entry["seen"], str(entry["name"])))
    ]
    unchecked = unchecked_data(evidence)
    if unchecked:
        named = " and ".join(not_checked(name) for name in unchecked)
        remedy = f"write where its training data lie: data.{unchecked[0]}.not_in"
        items.append(("Not checked", f"{named[0].upper()}{named[1:]}; {remedy}."))
    return items


def _named(lines: Mapping[str, int]) -> str:
    """Names of lines and gates, each with of how many slices."""
    return "; ".join(name if count == 1 else f"{name} ({count} slices)" for name, count in lines.items())


def _wrong_pass(covered: Sequence[Finding], gates: Mapping[str, bool], *, timed: bool) -> list[Item]:
    """gates: name → whether it has one of them. timed: whether some of them are of latencies."""
    known, unknown = ([name for name, has in gates.items() if has is covers] for covers in (True, False))
    of_gates = f" of {', '.join(known)}" if unknown else ""
    rest = f"; of {', '.join(unknown)} unknown" if unknown else ""
    data = f"for the kinds of data in docs/internals/decisions.md{' and docs/gates/latency.md' if timed else ''}"
    measured = max((_measured(finding.decided.method) or 0.0 for finding in covered if finding.decided), default=0.0)
    aimed = percent(MEASURED_AT)
    if all(map(_is_at_measured_level, covered)):
        origin = f"Each line is tested so that it should pass wrongly in at most {aimed} of runs; {percent(measured)} is the most that simulations measured, {data}."
    else:
        origin = (
            f"Some lines are tested at another level than {aimed}, and are taken to keep it: measured was {aimed} alone "
            f"(at most {percent(measured)}, {data})."
        )
    return [
        (
            f"Chance of a wrong pass{of_gates}: at most {percent(max(map(_rate, covered)))}{rest}",
            "Data are a sample, so luck can help: if the candidate truly broke a line (a requirement) that was judged here, a run would "
            "still pass with at most this chance, however many lines there are.",
        ),
        ("Where that number is from", origin),
    ]


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


def _over_all_evaluations(evidence: Evidence, alpha: float) -> list[Item]:
    """The risk over every evaluation of the same data that is counted: at most evaluations × alpha (Bonferroni)."""
    run = evidence.document.get("run") or {}
    details = run.get("evaluations") or {}
    budget = ((evidence.document.get("policy") or {}).get("reuse") or {}).get("budget")
    return [
        _evaluations(name, number, details.get(name) or {}, budget, alpha)
        for name, number in sorted((run.get("looks") or {}).items())
    ]


def _evaluations(name: str, number: int | None, detail: Mapping[str, Any], budget: int | None, alpha: float) -> Item:
    """detail: the entry of the data in `run.evaluations`, empty in older evidence."""
    luck = "Every evaluation of the same rows gives luck another chance"
    if number is None:
        reason = _UNKNOWN.get(str(detail.get("unknown")), "")
        least = f"at least {detail['counted']}, this one included" if detail.get("counted", 1) > 1 else ""
        details = f" ({'; '.join(filter(None, (reason, least)))})" if reason or least else ""
        return f"Evaluation of unknown number of {name}{details}", f"{luck}; over all of them the chance is unknown."
    if budget is not None:
        title = f"Evaluation no. {number} of the {budget} allowed on {name}"
        return title, f"{luck}; over all {budget}, as far as they are counted, it is at most {percent(budget * alpha)}."
    again = " (these models again)" if detail.get("repeats") else ""
    title = f"Evaluation no. {number} of {name}, or a later one{again}"
    if number * alpha >= 1:
        return title, f"{luck}; over so many nothing is promised."
    if number == 1:
        return title, f"{luck}; with this one alone it stays at most {percent(alpha)}."
    over = f"{counted(number, 'evaluation')} that are counted"
    what = "Counted is each published run, also of the same models, and of unpublished ones in this checkout each pair of models once"
    return title, f"{luck}; over the {over} it is at most {percent(number * alpha)}. {what}."


def _uncovered(gate: GateResult, finding: Finding, waived: set[str]) -> str | None:
    """Why an estimated finding is outside the run's error rate; None where it is inside, empty where that is listed."""
    if not gate.counts or finding.id in waived or finding.decided is None:
        return ""
    if finding.decided.confidence is None:
        return _UNCOVERED["point"]
    if finding.decided.claim == "no_harm":
        return _UNCOVERED["watched" if "watched" in finding.detail or finding.code == "watched" else "no_harm"]
    if "approximate" in finding.decided.method or "bootstrap" in finding.decided.method:
        return _UNCOVERED["approximate"]
    if finding.decided.method == "none":  # nothing can pass by it
        return ""
    return None if _measured(finding.decided.method) is not None else _UNCOVERED["unmeasured"]
