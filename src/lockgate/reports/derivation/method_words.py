"""The methods of findings by the names and formulas that the field has for them, and where the documentation says more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lockgate.evaluation.judging.measured_rates import family
from lockgate.evidence.finding import Decided

_METHODS = "docs/statistics.md#methods-and-their-sources"
_UNSEEN = "docs/statistics.md#what-no-row-showed"
_LATENCY = "docs/gates/latency.md#how-often-it-is-wrong"
_SHIFT = "docs/gates/shift.md#how-it-is-decided"
_CLAIMS = "docs/statistics.md#which-claim-is-decided-how"


@dataclass(frozen=True)
class Method:
    """name: of the test. formula: in one line. docs: the section that has it."""

    name: str
    formula: str
    docs: str = _METHODS


_FAMILIES: Mapping[str, Method] = {
    "clopper-pearson": Method(
        "Clopper and Pearson's exact interval of a share",
        "p = P(X at least, or at most, k) for X of Binomial(n, limit), k = value × n",
    ),
    "tango score": Method(
        "Tango's score test of two shares on the same rows",
        "z = (b − c − n·limit) / √(n·variance if the difference were the limit); b, c: rows that only the candidate, only the champion gets right",
    ),
    "delong": Method(
        "DeLong's variance of an area under the ROC curve", "t = (value − limit) / se, n_eff − 1 degrees of freedom"
    ),
    "delong paired": Method(
        "DeLong's test of two areas on the same rows", "t = (difference − limit) / se, n_eff − 1 degrees of freedom"
    ),
    "influence": Method(
        "a t-test by the influence of each row", "t = (value − limit) / se, n_eff − 1 degrees of freedom"
    ),
    "influence paired": Method(
        "a paired t-test by the influence of each row", "t = (difference − limit) / se, n_eff − 1 degrees of freedom"
    ),
    "order statistics": Method(
        "order statistics of the requests, an exact binomial test",
        "p = P(X at most k) for X of Binomial(n / effect, 1 − percentile), k requests slower than the limit",
        _LATENCY,
    ),
    "order statistics of differences": Method(
        "order statistics of the differences, a binomial test",
        "p = P(X at most k) for X of Binomial(n, 1 %), k requests that differ by more than the limit",
    ),
    "pooled ratio": Method(
        "the ratio of two pooled statistics, by half-sampled blocks",
        "t = log(ratio / limit) / se, one degree of freedom less than blocks",
        _LATENCY,
    ),
    "largest difference": Method(
        "the bound of the largest difference of two shares",
        "pass: z = (value − limit) / ½√(1/n + 1/m); fail: the Dvoretzky–Kiefer–Wolfowitz bound, of categories McDiarmid's",
        _SHIFT,
    ),
    "mover": Method("MOVER on the exact limits of two shares", "limit outside the interval of |p − q|", _SHIFT),
    "wagers": Method(
        "wagers against the limit, valid at any time",
        "p = 1 / largest mean over 12 bets c of Π(1 + c · gain of a request or user), gain = (limit − value) / what it could lose at most",
        "docs/gates/shadow.md#stopping-early",
    ),
    "asymptotic confidence sequence": Method(
        "a normal mixture, valid at any time from 50 requests or users that carry the variance",
        "ln(1/p) = ln 2 + ½ ln(ρ/(t + ρ)) + z²/(2(t + ρ)) + ln Φ(z/√(t + ρ)), z = sum / standard deviation",
        "docs/gates/shadow.md#stopping-early",
    ),
    "t by block": Method("a t-test by block", "t = (value − limit) / se, n_eff − 1 degrees of freedom", _LATENCY),
    "debiased squared error": Method(
        "a debiased squared error over bins",
        "the value with what bins scatter by chance taken off",
        "docs/gates/metrics.md#losses",
    ),
    "interval": Method("the candidate's own interval", "the limit lies outside of it"),
}
_BY_BEGINNING: Mapping[str, Method] = {
    "identical on every": Method(
        "the largest share that no row showed", "limit beyond 1 − alpha^(1/n): the models agree on every row", _UNSEEN
    ),
    "the same on every": Method(
        "the largest share that no row showed", "limit beyond 1 − alpha^(1/n): nothing varies", _UNSEEN
    ),
    "largest gap beside": Method(
        "the largest gap beside the champion's, every pair of slices cleared by its change or by another gap of the champion",
        "pass: every pair, 9/10 of alpha on its own change, the rest on all others; fail: Holm over the pairs, beside every gap of the champion",
        "docs/slices.md#gaps-beside-the-champion",
    ),
    "largest of": Method(
        "the largest gap over all pairs of slices, each by MOVER",
        "pass: all pairs below the limit; fail: Holm over the pairs",
    ),
    "bootstrap": Method("percentiles of a bootstrap", "p = share of resamples beyond the limit"),
    "none": Method("no test: nothing bounds the value", "fewer than two rows carry its variance"),
}
# The transformations that follow the first comma of a method.
_TRANSFORMED = {
    "logit": "on the logit scale",
    "Fisher's z": "on the scale of Fisher's z, atanh(value)",
    "skew-corrected": "the skewness taken out (Hall 1992)",
    "skew-corrected square": "of the squared value, the skewness taken out (Hall 1992)",
    "by cluster": "rows of a cluster counted together",
    "effective rows": "on effective rows (Kish 1965)",
    "approximate": "approximate, so that no promise rests on it",
    "score": "by a score test, as too few rows carry the variance for t",
}


def method_of(decided: Decided) -> Method:
    """The method of a finding's comparison, with its transformations."""
    if decided.on == "count":
        return Method("a count", "the number counted on this run, compared with the limit", _CLAIMS)
    if decided.confidence is None:
        return Method("a point comparison, without an error rate", "the value, compared with the limit", _CLAIMS)
    name = family(decided.method)
    named = _FAMILIES.get(name) or next(
        (method for beginning, method in _BY_BEGINNING.items() if name.startswith(beginning)),
        Method(name, "", _METHODS),
    )
    more = [_TRANSFORMED[word] for word in decided.method.split(", ")[1:] if word in _TRANSFORMED]
    return Method("; ".join([named.name, *more]), named.formula, named.docs)
