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
    """The requests of which a model decides alike. most: the rate of its decision that has most labels. among: of which requests,
    all where it is empty."""

    role: str
    decision: str
    share: Share
    most: float
    among: str = ""

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
        return f"{self.share}{self.among} requests that the {self.role} decides {self.decision}"


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
        return self._decisions(np.flatnonzero(self.due))

    def _decisions(self, due: Array, among: str = "") -> list[Decision]:
        """Likewise of some requests. due: their numbers, of those that are."""
        decisions, judged = list[Decision](), due[self.judged[due]]
        names = self.scored.classes or ("negative", "positive")
        for role, codes in self._decided.items():
            counts = (np.bincount(codes[rows], minlength=len(names) + 1)[1:].tolist() for rows in (due, judged))
            shares = [Share(*pair) for pair in zip(*counts, strict=True)]
            most = max(share.rate for share in shares)
            named = zip(names, shares, strict=True)
            decisions += [Decision(role, name, share, most, among) for name, share in named if share.requests]
        return sorted(decisions, key=lambda decision: decision.share.rate)

    @cached_property
    def selective(self) -> list[Decision]:
        """The decisions of which there are next to no labels, where there are some of others."""
        return [decision for decision in self.decisions if decision.alone]

    @cached_property
    def _decided(self) -> dict[str, Array]:
        """Role → (n,) 1 + what it decides, 0 without an answer; none where that is not known, or no decision."""
        decided = {}
        for role in ROLES:
            scores, cut = getattr(self.scored, role), self.scored.cut(role, self.threshold.get(role))
            if scores is None or not (self.scored.classes or cut is not None):
                continue
            places = predicted_class(scores) if self.scored.classes else at_threshold(scores, cut or 0.0)
            decided[role] = np.where(np.isnan(places), 0, places + 1).astype(np.int32)
        return decided

    def withhold(self, finding: Finding, line: Requirement | None) -> Finding:
        """The finding, or the same one undecided, where of its requests labels exist of one decision alone, or too few; of a gap those
        of any slice."""
        keys = [tuple(finding.slice.items())]
        if line is not None and line.gap is not None:
            own = self._keys(line.gap)
            keys = [key for key, _ in sorted(self.slices, key=lambda entry: entry[1].rate) if key in own]
        withheld = (self._undecided(finding, key) for key in keys)
        return next((each for each in withheld if each is not None), finding)

    def _undecided(self, finding: Finding, key: SliceKey) -> Finding | None:
        """The finding without a decision where labels lack of the requests of a slice, of all without a key; None where they do not."""
        due = np.flatnonzero(self._requests_of(finding, key) & self.due)
        share = Share(due.size, int(self.judged[due].sum()))
        if not share.requests:
            return None
        words = f" {slice_words(key)}" if key else ""
        decisions = self._decisions(due, words)
        if (selective := next((each for each in decisions if each.alone), None)) is not None:
            reason = f"{selective.selective_words}, so that those with one are no random sample"
            remedy = "label a random sample of these too, such as requests that are let through for it"
            return _undecided(finding, SELECTIVE, reason, selective.share, remedy)
        few = f"{share}{words} requests"
        if share.rate >= self.coverage:
            lacking = next((each for each in decisions if each.lacks(self.coverage)), None)
            if lacking is None:
                return None
            few, share = str(lacking), lacking.share
        reason = f"{few} have a label, and coverage is {percent(self.coverage)}"
        return _undecided(finding, UNLABELLED, reason, share, "label again when more labels are there")

    def _requests_of(self, finding: Finding, key: SliceKey) -> Array:
        """(n,) bool: the requests of a slice, which the finding may know as a pool of several."""
        rows = np.ones(self.scored.rows, bool)
        for name, label in key:
            labels, codes = self.scored.codes(name)
            if label in labels:
                rows &= codes == labels.index(label)
            else:
                rows &= np.isin(codes, [labels.index(each) for each in finding.detail.get("members", ())])
        return rows

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
        shares = dict(self.slices)
        for name, line in lines:
            for declared in self.scored.slices:
                of_each = line.scope.kind == "each_slice" or line.scope.name == declared.name
                if line.gap is not None or not of_each:
                    continue
                labels = self.scored.codes(declared.name)[0]
                for label in labels:
                    key = declared.key(label)
                    share = shares.get(key)
                    gone = share is not None and not share.judged
                    if gone and (name, key) not in measured and (name, declared.name, label) not in pooled:
                        yield name, line, key

    def exhibit(self, gate: str) -> Exhibit:
        """The shares of all requests, of each decision, and of each slice of ten requests or more, the fewest labels first."""
        slices = [(slice_words(key), share) for key, share in self.slices if share.requests >= FEWEST]
        slices.sort(key=lambda entry: (entry[1].rate, entry[0]))
        shares = [(OVERALL, self.overall), *((f"{each.role}: {each.decision}", each.share) for each in self.decisions)]
        shares += slices[:MOST_SLICES]
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
