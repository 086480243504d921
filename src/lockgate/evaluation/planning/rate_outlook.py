"""Power of requirements on a rate of both models' decisions before a run: flips, breaks and fixes."""

from __future__ import annotations

import math
from dataclasses import replace

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.judging.number_format import percent, safely_rounded, short
from lockgate.evaluation.judging.rows_needed import POWER
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.metrics.declaration import OneRight
from lockgate.evaluation.planning.outlook import Basis, Outlook, enough_rows
from lockgate.evaluation.planning.request_outlook import edge, true_rate
from lockgate.evaluation.planning.value_needed import share_to_pass
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.shadow.rates import FLIP_RATE
from lockgate.hashing import number
from lockgate.stats.proportions import binomial_at_least, binomial_at_most


def assumed_rate(subject: str, disagreement: float) -> float | None:
    """The rate of rows that models which disagree on a share of them have; None of a metric of one model.

    Of two equally good ones each is right, and the other not, on half of these rows, or on fewer of several classes.
    """
    if subject == FLIP_RATE.name:
        return disagreement
    return disagreement / 2 if declared(subject).of_both else None


def rate_outlook(outlook: Outlook, line: Requirement, *, disagreement: float) -> Outlook:
    """The outlook of a requirement on such a rate, with the fate of models that disagree as assumed; another one as it is."""
    if assumed_rate(line.subject, disagreement) is None:
        return outlook
    foretold = _foretold(outlook, line, disagreement=disagreement)
    if foretold.status not in ("hopeless", "watched"):
        return foretold

    def at(factor: float) -> Outlook:
        rows = round(outlook.rows * factor)
        edge = share_to_pass(line.limit.value, rows, alpha=_alpha(line), up=line.op == ">=")
        resized = replace(outlook, rows=rows, status="hopeless" if math.isnan(edge) else "decidable")
        return _foretold(replace(resized, observed=None if math.isnan(edge) else edge), line, disagreement=disagreement)

    enough = enough_rows(outlook.rows, at)
    return replace(foretold, enough=None if enough is None else max(enough, outlook.enough or 0))


def _foretold(outlook: Outlook, line: Requirement, *, disagreement: float) -> Outlook:
    assumed = assumed_rate(line.subject, disagreement)
    if outlook.observed is None or assumed is None:
        return outlook
    rows, up, alpha = outlook.rows, line.op == ">=", _alpha(line)
    # A rate of at least so much is one of the other rows of at most the rest.
    value, limit, rate = (1 - share if up else share for share in (outlook.observed, line.limit.value, assumed))
    most = round(value * rows)
    fails = edge(rows, lambda hits: binomial_at_least(hits, rows, limit) <= alpha)
    passes = binomial_at_most(most, rows, rate) >= POWER
    refuted = rate > limit and binomial_at_least(fails, rows, rate) >= POWER
    truth = true_rate(rows, most)
    truth = safely_rounded(1 - truth if up else truth, up=up, figures=2)
    fate = "pass" if passes else "fail" if refuted else "undecided"
    basis, models, results = _words(line.subject, disagreement, assumed)
    decidable = passes or refuted
    words = (
        f"{'has power' if decidable else f'underpowered at {percent(assumed)}'}: passes from a value of "
        f"{short(outlook.observed)} {'up' if up else 'down'}, with 90 % power where the truth is at {'least' if up else 'most'} "
        f"{truth:.6g}; {models} {results[fate]}"
    )
    figures = {"assumed": number(assumed), "fate": fate}
    return replace(
        outlook, status=outlook.status if decidable else "hopeless", words=words, basis=basis, figures=figures
    )


def _words(subject: str, disagreement: float, assumed: float) -> tuple[Basis, str, dict[str, str]]:
    """(basis, the models that are assumed, what becomes of them)."""
    results = {"pass": "pass", "fail": "fail", "undecided": "are mostly left undecided"}
    sums, differ = declared(subject).sums, percent(disagreement)
    if not isinstance(sums, OneRight):
        return (
            "flips",
            f"models that disagree on {differ} of requests",
            results | {"fail": "are found to differ too much"},
        )
    verb = {"champion": "breaks", "candidate": "fixes"}[sums.right]
    basis: Basis = "breaks" if sums.right == "champion" else "fixes"
    return basis, f"an equal candidate that differs on {differ} of rows {verb} {percent(assumed)}, and would", {
        "pass": "pass", "fail": "fail", "undecided": "mostly be left undecided",
    }  # fmt: skip


def _alpha(line: Requirement) -> float:
    return 1 - (line.confidence or CONFIDENCE)
