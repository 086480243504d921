"""The test of a finding as evidence keeps it, so that the same test says what another limit or value would have come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lockgate.evaluation.judging.measured_rates import family
from lockgate.evaluation.metrics.declaration import Metric, limits
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import CLOPPER_PEARSON, TANGO, Comparison
from lockgate.evaluation.uncertainty.metric_value import Rare, Summary
from lockgate.evaluation.uncertainty.power import Tested
from lockgate.evaluation.uncertainty.significance import own, p_of_shares, paired
from lockgate.evidence.finding import Decided, Finding
from lockgate.hashing import number
from lockgate.stats.influence import Spread


def kept_of_test(tested: Tested) -> dict[str, Any] | None:
    """What `StoredTest` needs beside value, error, effective rows and method; None where counts of rows are all."""
    metric, summary, error = tested.metric, tested.summary, tested.summary.error
    if (summary.counts or summary.disagree) and not summary.uneven:
        return None
    return {
        "scale": metric.scale,
        "bounds": [number(end) for end in metric.bounds],
        "units": number(summary.units),
        "skew": number(error.skew),
        **{name: True for name in ("mean", "crowded") if getattr(metric, name)},
        **({"uneven": True} if summary.uneven else {}),
        **({} if summary.disagree is None else {"error": [number(error.se), number(error.n_eff)]}),
        **({} if error.effective is None else {"effective": number(error.effective)}),
        **({} if tested.fewest is None else {"fewest": list(tested.fewest)}),
        **(
            {}
            if summary.rare is None
            else {"rare": [[number(side.units), number(side.reach), number(side.sharp)] for side in summary.rare]}
        ),
    }


@dataclass(frozen=True)
class StoredTest:
    """A test taken up from a finding. op: of its line. on: `value` or `difference`."""

    tested: Tested
    on: str

    @classmethod
    def from_finding(cls, finding: Finding, requirement: Requirement) -> StoredTest | None:
        """None where the evidence does not hold what the test needs: older evidence, and tests with a rule of their own."""
        decided, detail = finding.decided, finding.detail
        if decided is None or decided.confidence is None or decided.estimate is None or decided.n_eff is None:
            return None
        kept = detail.get("test")
        if isinstance(kept, Mapping):
            return cls(_tested(finding, decided, kept, requirement), decided.on)
        # Beside a latency's design effect pairs are counted in another way.
        counted = decided.method == CLOPPER_PEARSON or (decided.method == TANGO and "design_effect" not in detail)
        return cls(_counted(finding, decided, requirement), decided.on) if counted else None

    @property
    def counts_rows(self) -> bool:
        """Whether the value is a share of whole rows, so that it moves by steps."""
        summary = self.tested.summary
        return not summary.uneven and (summary.counts is not None or summary.disagree is not None)

    @property
    def varies(self) -> bool:
        """Whether rows differ at all, so that another value is thinkable with the same spread."""
        summary = self.tested.summary
        return summary.counts is not None or summary.disagree is not None or summary.error.se > 0

    def compare(self, *, null: float, confidence: float, value: float | None = None) -> Comparison:
        """The comparison with a number. value: in the place of the one that was measured, with the spread that was."""
        summary = self.tested.summary if value is None else self._moved(value)
        tested = self.tested
        if self.on == "value":
            return own(tested.metric, summary, rows=tested.rows, fewest=tested.fewest, null=null, confidence=confidence)
        return paired(
            tested.metric,
            summary,
            tested.requirement,
            rows=tested.rows,
            fewest=tested.fewest,
            null=null,
            confidence=confidence,
        )

    def p_values(self, *, null: float, confidence: float, value: float | None = None) -> tuple[float, float]:
        """(that the line is met, that it is violated), one-sided."""
        summary = self.tested.summary
        if self.on == "difference" and summary.disagree is not None and not summary.uneven:
            # The same test without the interval, which takes most of the time.
            better, worse, n = summary.disagree if value is None else self._moved_shares(*summary.disagree, value)
            return p_of_shares(better, worse, n, -null) if self.tested.up else p_of_shares(worse, better, n, null)
        return self.compare(null=null, confidence=confidence, value=value).p_values(up=self.tested.up)

    def _moved(self, value: float) -> Summary:
        """The summary with another value: of shares by as many rows, of which those move that speak against the candidate."""
        summary = self.tested.summary
        if summary.counts is not None:
            n = summary.counts[1]
            return replace(summary, value=value, counts=(value * n, n))
        if summary.disagree is not None:
            return replace(summary, value=value, disagree=self._moved_shares(*summary.disagree, value))
        return replace(summary, value=value)

    def _moved_shares(self, better: float, worse: float, n: float, value: float) -> tuple[float, float, float]:
        if self.tested.up:
            worse = better - value * n
        else:
            better = worse + value * n
        lacking = min(better, worse, 0.0)
        return better - lacking, worse - lacking, n


def _counted(finding: Finding, decided: Decided, requirement: Requirement) -> Tested:
    """Of whole rows: the hits of one model, or those that only one of two has."""
    metric = Metric(requirement.subject, "logit", bounds=(0.0, 1.0))
    n, value = float(decided.n_eff or 0.0), float(decided.estimate or 0.0)
    summary = Summary(value, _NO_SPREAD, 0.0, n, **_counts(finding, decided))
    return Tested(metric, requirement, summary, finding.rows)


def _counts(finding: Finding, decided: Decided) -> dict[str, Any]:
    """The counts of a summary whose method counts rows, effective ones where they weigh unlike."""
    n = float(decided.n_eff or 0.0)
    if decided.method.startswith(CLOPPER_PEARSON):
        return {"counts": (float(decided.estimate or 0.0) * n, n)}
    if decided.method.startswith(TANGO):
        detail = finding.detail
        return {"disagree": (float(detail["only_candidate"]), float(detail["only_champion"]), n)}
    return {}


_NO_SPREAD = Spread(0.0, 0.0, 0.0, 0)


def _tested(finding: Finding, decided: Decided, kept: Mapping[str, Any], requirement: Requirement) -> Tested:
    detail, value = finding.detail, float(decided.estimate or 0.0)
    low, high = limits((_number(kept["bounds"][0]), _number(kept["bounds"][1])))
    metric = Metric(
        requirement.subject,
        kept["scale"],
        mean=kept.get("mean", False),
        bounds=(low, high),
        crowded=kept.get("crowded", False),
        method=family(decided.method).removesuffix(" paired"),
        counted_in=finding.counted_in,
    )
    se, n_eff = map(float, kept.get("error", (decided.se or 0.0, decided.n_eff or 0.0)))
    rare = [Rare(float(units), _reach(reach), _reach(sharp)) for units, reach, sharp in kept.get("rare", ())]
    summary = Summary(
        value,
        Spread(
            se,
            n_eff,
            float(kept["skew"]),
            int(float(kept["units"])),
            clusters=detail.get("clusters"),
            design_effect=_number(detail.get("design_effect")),
            effective=_number(kept.get("effective")),
        ),
        0.0 if se > 0 else 1.0,  # beside which a spread is nothing but rounding: it was not, where there is one
        float(kept["units"]),
        uneven=kept.get("uneven", False),
        rare=(rare[0], rare[1]) if rare else None,
        **_counts(finding, decided),
    )
    fewest = kept.get("fewest")
    return Tested(metric, requirement, summary, finding.rows, None if fewest is None else (fewest[0], fewest[1]))


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _reach(text: str | None) -> float:
    """How far, from its text: evidence has null for what nothing bounds."""
    return math.inf if text is None else float(text)
