"""Whether results open a promotion: by themselves, by an owner who accepts what is undecided, or not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from lockgate.evaluation.judging.judge import owner_may_accept
from lockgate.evidence.completeness import RECORDED
from lockgate.evidence.evidence import GateResult, Opens
from lockgate.evidence.finding import Verdict

IsWaived = Callable[[str], bool]


def acceptable(
    counting: Sequence[GateResult], asking: Collection[tuple[str, str]], is_waived: IsWaived, *, signed: bool
) -> list[str]:
    """The ids of undecided findings that an owner may accept. asking: (gate, rN) of the lines that ask.

    signed: somebody's approval is required, so that what rests on recorded answers is asked without a line that says so.
    """
    return [
        finding.id
        for result in counting
        for finding in result.findings
        if ((result.name, finding.requirement) in asking or (signed and finding.code == RECORDED))
        and owner_may_accept(finding)
        and not is_waived(finding.id)
    ]


def opening(verdict: Verdict, counting: Sequence[GateResult], asks: Collection[str], is_waived: IsWaived) -> Opens:
    """What a verdict opens. counting: the results that count. asks: ids that an owner may accept."""
    if verdict is Verdict.PASS:
        return "yes"
    if verdict is not Verdict.INCONCLUSIVE or not asks:
        return "no"
    for result in counting:
        undecided = {
            finding.id
            for finding in result.findings
            if finding.verdict is Verdict.INCONCLUSIVE and not is_waived(finding.id)
        }
        if result.verdict is Verdict.INCONCLUSIVE and not (undecided and undecided <= set(asks)):
            return "no"
    return "by_owner"
