"""Words of the finding of a gap between slices: the pair, its bound, the limit, and beside the champion its gap."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.explanations import likely_fail
from lockgate.evaluation.judging.judge import verdict_of
from lockgate.evaluation.judging.number_format import short, sided
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.finding import Finding, Verdict


@dataclass(frozen=True)
class SliceGap:
    """The estimate of a gap between slices, and the wording of its finding.

    pair: (the higher slice, the lower one), values: theirs. champion: the same of its own widest pair, where it is compared.
    widest: the pair that bounds it. watched: slices that are only under the no-harm check. together: whether clusters span
    slices.
    """

    estimate: Estimate
    line: Requirement
    pair: tuple[str, str] | None = None
    values: tuple[float, float] | None = None
    champion: tuple[tuple[str, str], tuple[float, float]] | None = None
    widest: tuple[str, str] | None = None
    watched: str | None = None
    together: bool = False
    remedy: str | None = None
    code: str | None = None

    @property
    def subject(self) -> str:
        """`recall gap over geography`."""
        return str(self.line).removesuffix(f" {self.line.op} {self.line.limit}")

    @property
    def spoken(self) -> str:
        return self.line.subject_phrase + self.subject.removeprefix(self.line.subject_text)

    def restate(self, finding: Finding) -> Finding:
        """The finding that `judge` made of the estimate, worded for a pair of slices."""
        if finding.decided is None or self.pair is None or self.values is None:
            return replace(
                finding, subject=self.subject, reason=f"{self.spoken}: {(self.estimate.problem or ('', ''))[1]}"
            )
        code, verdict = finding.code, finding.verdict
        if verdict is Verdict.PASS and self.watched is not None:
            # Pairs that are only under the no-harm check carry no error rate, and so the whole carries none.
            finding = replace(finding, decided=replace(finding.decided, claim="no_harm"))
            verdict = verdict_of(finding.decided, finding.detail)
            code = "watched" if verdict is Verdict.PASS else "beyond_unadjusted"
        elif verdict is Verdict.FAIL:
            code = "beyond_limit" if self.champion is None else "worse_than_margin"
        elif verdict is Verdict.INCONCLUSIVE and self.code is not None and code == "too_small":
            code = self.code
        remedy = self.remedy if verdict is Verdict.INCONCLUSIVE else None
        finding = replace(finding, subject=self.subject, verdict=verdict, code=code, rows_needed=None, remedy=remedy)
        return replace(finding, reason=self._reason(finding))

    def _reason(self, finding: Finding) -> str:
        (upper, lower), (above, below) = self.pair or ("", ""), self.values or (0.0, 0.0)
        text = f"{self.spoken} is {short(above - below)}: {short(above)} on {upper}, {short(below)} on {lower}"
        point = finding.decided is None or finding.decided.confidence is None
        text += self._beside() + ("" if point else self._bound(finding))
        text += f"; {self._allowed()}"
        if finding.verdict is Verdict.INCONCLUSIVE and finding.code == "beyond_unadjusted":
            text += likely_fail(finding.detail, confidence=self._confidence)
        elif finding.verdict is Verdict.INCONCLUSIVE:
            text += f": {finding.detail['too_few']}" if finding.detail.get("too_few") else ": not shown"
        if point:
            text += " (a point comparison, without an error rate)"
        if self.watched is not None:
            text += f"; pairs with {self.watched} are only under the no-harm check"
        if self.together and not point:
            text += "; clusters span these slices, so that their errors are taken to be correlated"
        return text

    @property
    def _confidence(self) -> float:
        return self.line.confidence or CONFIDENCE

    def _beside(self) -> str:
        """How far it is from the champion's gap, and where that lies."""
        if self.champion is None:
            return ""
        ((upper, lower), (above, below)), value = self.champion, self.estimate.value or 0.0
        factor = f"{short(self.line.limit.value)} × " if self.line.limit.sign == "*" else ""
        apart = "equal to" if abs(value) < 1e-12 else sided(value)
        where = f"{short(above)} on {upper}, {short(below)} on {lower}"
        return f"; {apart} {factor}the champion's {short(above - below)} ({where})"

    def _bound(self, finding: Finding) -> str:
        """The end of the interval that decides, of the gap or of its distance from the champion's."""
        percent = f"; at {self._confidence * 100:g} % confidence"
        percent += " (approximate)" if "approximate" in self.estimate.method else ""
        low, high = self.estimate.low, self.estimate.high
        if finding.verdict is Verdict.FAIL or finding.code == "beyond_unadjusted":
            return f"{percent} at least {self._end(low)}"
        if high is None or not math.isfinite(high):
            return "; without an upper confidence bound"
        pair = ""
        if self.widest not in (None, self.pair) and finding.verdict is Verdict.INCONCLUSIVE and self.widest:
            pair = f" ({self.widest[0]} over {self.widest[1]})"
        return f"{percent} at most {self._end(high)}{pair}"

    def _end(self, end: float | None) -> str:
        return short(end) if self.champion is None else sided(end or 0.0)

    def _allowed(self) -> str:
        limit = self.line.limit
        if self.champion is None or limit.sign == "*":
            return f"at most {limit} is allowed"
        if limit.margin < 0:
            return f"a gap that is smaller by {short(-limit.margin)} is required"
        return f"at most {short(limit.margin)} above is allowed"
