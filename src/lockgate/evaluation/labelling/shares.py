"""How many requests are labelled, of all, of each slice and of each decision; and findings that too few labels leave undecided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lockgate.data.arrow_arrays import Array
from lockgate.data.slices.names import SliceKey
from lockgate.evaluation.judging.number_format import percent, slice_words
from lockgate.evaluation.labelling.late_labels import LABELS, SELECTIVE, UNLABELLED
from lockgate.evaluation.pictures import FEWEST, LEVEL, MOST_SLICES, rounded
from lockgate.evaluation.pictures.decisions import OVERALL
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import ROLES, Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, Verdict
from lockgate.models.class_scores import at_threshold, predicted_class
from lockgate.stats.proportions import clopper_pearson


@dataclass(frozen=True)
class Share:
    """Of how many requests how many are judged by a label."""

    requests: int
    judged: int

    @property
    def rate(self) -> float:
        return self.judged / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        return f"{self.judged:,} of {self.requests:,} ({math.floor(self.rate * 1000) / 10:g} %)"


@dataclass(frozen=True)
class Decision:
    """The requests of which a model decides alike. most: the rate of its decision that has most labels."""

    role: str
    decision: str
    share: Share
    most: float

    @cached_property
    def _at_most(self) -> float:
        """What the rate is not above, but by chance."""
        return clopper_pearson(self.share.judged, self.share.requests, confidence=LEVEL).high

    @property
    def alone(self) -> bool:
        """Whether labels are there of the model's other decisions, and next to none of this one."""
        return self._at_most < self.most / 2

    def lacks(self, coverage: float) -> bool:
        """Whether its rate is below the coverage beyond chance."""
        return self._at_most < coverage

    @property
    def selective_words(self) -> str:
        return f"labels are selective: {self} have one"

    def __str__(self) -> str:
        return f"{self.share} requests that the {self.role} decides {self.decision}"


@dataclass(frozen=True)
class LabelShares:
    """scored: all requests. due: (n,) bool, old enough to be judged. judged: (n,) bool, those of them that are.

    coverage: the share that must be. threshold: of each role's scores.
    """

    scored: Scored
    due: Array
    judged: Array
    coverage: float
    threshold: Mapping[str, float | None]

    @cached_property
    def overall(self) -> Share:
        return Share(int(self.due.sum()), int(self.judged.sum()))

    @cached_property
    def slices(self) -> list[tuple[SliceKey, Share]]:
        """Of each slice that some request which is due is in."""
        shares: list[tuple[SliceKey, Share]] = []
        for declared in self.scored.slices:
            labels, codes = self.scored.codes(declared.name)
            counts = [np.bincount(codes[rows], minlength=len(labels)) for rows in (self.due, self.judged)]
            shares += [
                (declared.key(label), Share(int(due), int(judged)))
                for label, due, judged in zip(labels, *counts, strict=True)
                if due and declared.judges(label)
            ]
        return shares

    @cached_property
    def decisions(self) -> list[Decision]:
        """Of each decision of each model, of two classes or several; those that fewest labels are there of first."""
        decisions = []
        for role in ROLES:
            decided = self._decided(role)
            if decided is None:
                continue
            names = self.scored.classes or ("negative", "positive")
            shares = {
                name: Share(int((decided[self.due] == code).sum()), int((decided[self.judged] == code).sum()))
                for code, name in enumerate(names)
            }
            most = max(share.rate for share in shares.values())
            decisions += [Decision(role, name, share, most) for name, share in shares.items() if share.requests]
        return sorted(decisions, key=lambda decision: decision.share.rate)

    @cached_property
    def selective(self) -> list[Decision]:
        """The decisions of which there are next to no labels, where there are some of others."""
        return [decision for decision in self.decisions if decision.alone]

    def _decided(self, role: str) -> Array | None:
        """(n,) what a model decides, NaN without an answer; None where that is not known, or no decision."""
        scores, cut = getattr(self.scored, role), self.scored.cut(role, self.threshold.get(role))
        if scores is None:
            return None
        if self.scored.classes:
            return predicted_class(scores)
        return None if cut is None else at_threshold(scores, cut)

    def withhold(self, finding: Finding, line: Requirement | None) -> Finding:
        """The finding, or the same one undecided, where labels exist of one decision alone, or of too few requests."""
        if self.selective:
            worst = self.selective[0]
            reason = f"{worst.selective_words}, so that those with one are no random sample"
            remedy = "label a random sample of these too, such as requests that are let through for it"
            return _undecided(finding, SELECTIVE, reason, worst.share, remedy)
        words, share = self._share_of(finding, line)
        few = f"{share}{words} requests" if share is not None and share.rate < self.coverage else None
        if few is None and (lacking := next((each for each in self.decisions if each.lacks(self.coverage)), None)):
            few, share = str(lacking), lacking.share
        if few is None or share is None:
            return finding
        reason = f"{few} have a label, and coverage is {percent(self.coverage)}"
        return _undecided(finding, UNLABELLED, reason, share, "label again when more labels are there")

    def _share_of(self, finding: Finding, line: Requirement | None) -> tuple[str, Share | None]:
        """(words before *requests*, how many of the requests that a finding is on are judged); of a gap those of the slice with fewest."""
        if line is not None and line.gap is not None:
            shares = [entry for entry in self.slices if entry[0] in self._keys(line.gap)]
            if not shares:
                return "", None
            key, share = min(shares, key=lambda entry: entry[1].rate)
            return f" {slice_words(key)}", share
        if not finding.slice:
            return "", self.overall
        rows = np.ones(self.scored.rows, bool)
        for name, label in finding.slice.items():
            labels, codes = self.scored.codes(name)
            members = finding.detail.get("members") if label not in labels else None
            rows &= np.isin(codes, [labels.index(each) for each in (members or [label]) if each in labels])
        share = Share(int((rows & self.due).sum()), int((rows & self.judged).sum()))
        return f" {slice_words(tuple(finding.slice.items()))}", share if share.requests else None

    def _keys(self, name: str) -> set[SliceKey]:
        return {
            declared.key(label)
            for declared in self.scored.slices
            if declared.name == name
            for label in self.scored.codes(name)[0]
        }

    def unmeasured(
        self, lines: Sequence[tuple[str, Requirement]], findings: Sequence[Finding]
    ) -> Iterator[tuple[str, Requirement, SliceKey]]:
        """The slices that lines are on and of which no request is labelled, so that no finding speaks of them."""
        measured = {(finding.requirement, tuple(finding.slice.items())) for finding in findings}
        pooled = {
            (finding.requirement, name, str(member))
            for finding in findings
            for name in finding.slice
            for member in finding.detail.get("members", ())
        }
        for name, line in lines:
            for declared in self.scored.slices:
                of_each = line.scope.kind == "each_slice" or line.scope.name == declared.name
                if line.gap is not None or not of_each:
                    continue
                labels = self.scored.codes(declared.name)[0]
                for label in labels:
                    key = declared.key(label)
                    share = dict(self.slices).get(key)
                    gone = share is not None and not share.judged
                    if gone and (name, key) not in measured and (name, declared.name, label) not in pooled:
                        yield name, line, key

    def exhibit(self, gate: str) -> Exhibit:
        """The shares of all requests, of each decision, and of each slice of ten requests or more, the fewest labels first."""
        slices = sorted((share.rate, slice_words(key), share) for key, share in self.slices if share.requests >= FEWEST)
        shares = [(OVERALL, self.overall), *((f"{each.role}: {each.decision}", each.share) for each in self.decisions)]
        shares += [(words, share) for _, words, share in slices[:MOST_SLICES]]
        points = []
        for words, share in shares:
            ends = clopper_pearson(share.judged, share.requests, confidence=LEVEL) if share.requests else None
            low, high = (0.0, 1.0) if ends is None else (ends.low, ends.high)
            points.append((words, share.requests, share.judged, *map(rounded, (share.rate, low, high))))
        return Exhibit(f"{gate}/labelled", "table", ("of", "requests", "judged", "rate", "low", "high"), tuple(points))

    def to_json(self) -> dict[str, Any]:
        """For the evidence: requests that are due, and how many of them are judged, overall and by decision."""
        return {
            "requests": self.scored.rows,
            "due": self.overall.requests,
            "judged": self.overall.judged,
            "decisions": [
                {"role": each.role, "decision": each.decision, "due": each.share.requests, "judged": each.share.judged}
                for each in self.decisions
            ],
        }


def _undecided(finding: Finding, code: str, reason: str, share: Share, remedy: str) -> Finding:
    detail = {**finding.detail, LABELS: {"requests": share.requests, "judged": share.judged}}
    if finding.code not in (UNLABELLED, SELECTIVE):
        reason = f"{finding.reason}. Not decided: {reason}"
    return replace(
        finding, verdict=Verdict.INCONCLUSIVE, code=code, rows_needed=None, remedy=remedy, detail=detail, reason=reason
    )
