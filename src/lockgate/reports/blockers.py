"""Blockers between a candidate and a pass, the worst first; what is blocked alike is listed together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lockgate.evaluation.judging.explanations import cause
from lockgate.evaluation.judging.gate_summary import lost_most, worst_first
from lockgate.evaluation.judging.number_format import counted_words, rounded, rounded_up, slice_words
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding, Verdict

_ALIKE = 3  # fewer are listed one by one
_NAMED = 50


@dataclass(frozen=True)
class Blocker:
    """One thing to act on: a finding that is no pass, or several that are blocked by the same cause."""

    verdict: Verdict
    reason: str
    remedy: str | None
    findings: tuple[Finding, ...]

    @property
    def fails(self) -> bool:
        """Whether it is a failure, or probably one: what is undecided beside it is not what stops a candidate."""
        likely = any(finding.code == "beyond_unadjusted" for finding in self.findings)
        return likely or self.verdict.rank >= Verdict.FAIL.rank

    @property
    def of_seen_rows(self) -> bool:
        """Whether nothing is decided because the candidate was trained on its rows, or may have been."""
        return any(_trained_on(finding) is not None for finding in self.findings)

    @property
    def outlook(self) -> str | None:
        """What these rows could decide, of a finding that stands alone."""
        outlook = self.findings[0].detail.get("outlook") if len(self.findings) == 1 else None
        return None if outlook is None else str(outlook)


def blockers(gate: GateResult, *, named: int = _NAMED) -> list[Blocker]:
    """Every finding that is no pass, each in one blocker. named: how many slices of one blocker are named."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in worst_first(gate.findings):
        groups.setdefault(_group_key(finding), []).append(finding)
    listed: list[Blocker] = []
    for group in groups.values():
        if len(group) < _ALIKE:
            listed += [Blocker(finding.verdict, finding.reason, finding.remedy, (finding,)) for finding in group]
        else:
            listed.append(_grouped(gate, group, named=named))
    return listed


def unwaived_blockers(gate: GateResult, waived: Collection[str], *, named: int = _NAMED) -> Iterator[Blocker]:
    """Why a gate broke, and its findings that are no pass and are not waived. waived: ids of findings, names of gates."""
    if gate.verdict is Verdict.ERROR and gate.breakdown is not None:
        yield Blocker(gate.verdict, gate.reason, str(gate.breakdown.get("remedy") or "") or None, ())
    if gate.name not in waived:
        for blocker in blockers(gate, named=named):
            if not all(finding.id in waived for finding in blocker.findings):
                yield blocker


def worst_blocker(evidence: Evidence) -> Blocker | None:
    """What alone says why a run is no pass: the first thing to act on in the first of the gates that are worst.

    Where it names no slice or class, its sentence goes on with the class, or the slice, that lost most.
    """
    counted = sorted((gate for gate in evidence.gates if gate.counts), key=lambda gate: -gate.verdict.rank)
    for gate in counted:
        for blocker in unwaived_blockers(gate, evidence.waived):
            unwaived = [finding for finding in gate.findings if finding.id not in evidence.waived]
            return replace(blocker, reason=blocker.reason + lost_most(unwaived)) if blocker.findings else blocker
    return None


def unproven_slices(gate: GateResult) -> list[str]:
    """One sentence a requirement: its slices that passed the no-harm check only, the one that could hide most first."""
    groups: dict[str, list[Finding]] = {}
    for finding in gate.findings:
        if finding.code == "watched" and "smallest_loss_seen" in finding.detail and finding.slice:
            groups.setdefault(finding.requirement, []).append(finding)
    return [_unproven(gate, requirement, group) for requirement, group in groups.items()]


def pooled_slices(gate: GateResult) -> list[str]:
    """One sentence a pool of small slices, with the rows of each of its members."""
    pools: dict[tuple[str, ...], str] = {}
    for finding in gate.findings:
        members = finding.detail.get("members")
        if isinstance(members, list):
            rows = finding.detail.get("member_rows") or []
            parts = sorted(zip(members, rows, strict=False), key=lambda part: (-part[1], part[0]))
            names = ", ".join(f"{name} {count:,}" for name, count in parts)
            pool = slice_words(tuple(finding.slice.items())) or finding.subject
            sentence = f"{pool} pools {len(members)} small slices, {finding.counted_in}: {names}"
            pools.setdefault(tuple(members), sentence)
    return list(pools.values())


def _trained_on(finding: Finding) -> str | None:
    """Why the rows of an undecided finding decide nothing, whatever its line: the candidate has seen them, or may have."""
    overlap = finding.detail.get("seen_rows") if finding.verdict is Verdict.INCONCLUSIVE else None
    return None if not isinstance(overlap, Mapping) or "reason" not in overlap else str(overlap["reason"])


def _group_key(finding: Finding) -> tuple[str, ...]:
    """Findings of one key share a cause, and their requirement unless it is of all their rows; what is shown alone has its id as key."""
    if (reason := _trained_on(finding)) is not None:
        return finding.code, reason
    alone = not finding.slice or finding.verdict is not Verdict.INCONCLUSIVE or "members" in finding.detail
    if not alone and finding.code == "too_small":
        return finding.requirement, finding.code
    if not alone and finding.decided is None:
        return finding.requirement, finding.code, cause(finding), finding.remedy or ""
    return (finding.id,)


def _grouped(gate: GateResult, group: Sequence[Finding], *, named: int) -> Blocker:
    ordered = tuple(sorted(group, key=lambda finding: (-finding.rows, finding.id)))
    requirement, first = _requirement_text(gate, group[0].requirement), group[0]
    if (reason := _trained_on(first)) is not None:
        return Blocker(
            first.verdict,
            f"{reason}: none of {len(group)} findings that do not fail is decided",
            first.remedy,
            tuple(group),
        )
    if first.code == "too_small":
        names = _named(ordered, _rows_needed, named=named)
        return Blocker(
            first.verdict,
            f"{requirement}: {_counted_slices(group)} too small to judge: {names}",
            f"add that many {first.counted_in}, or let small_slices of the data say what becomes of small ones: "
            "below: watch (a significant loss fails), below: merge (judged as one slice)",
            ordered,
        )
    names = _named(ordered, _rows, named=named)
    reason = f"{requirement}: {_counted_slices(group)} without a value, {cause(first)}: {names}"
    return Blocker(first.verdict, reason, first.remedy and f"for each slice: {first.remedy}", ordered)


def _unproven(gate: GateResult, requirement: str, group: Sequence[Finding]) -> str:
    ordered = sorted(group, key=lambda finding: (-_unseen_loss(finding), finding.rows))
    names = _named(ordered, lambda finding: f"{_loss(finding)} ({_rows(finding)})", named=_NAMED)
    return (
        f"{_requirement_text(gate, requirement)}: {_counted_slices(group)} under the no-harm check, not proven; "
        f"a loss under the number beside a name would go unseen: {names}"
    )


def _requirement_text(gate: GateResult, requirement: str) -> str:
    return next((entry.text for entry in gate.requirements if entry.id == requirement), requirement)


def _counted_slices(group: Sequence[Finding]) -> str:
    """`34 slices of native_country are`; slices of several declarations without their names."""
    columns = {tuple(finding.slice) for finding in group}
    declared = f" of {'×'.join(columns.pop())}" if len(columns) == 1 else ""
    return f"1 slice{declared} is" if len(group) == 1 else f"{len(group)} slices{declared} are"


def _named(group: Sequence[Finding], describe: Callable[[Finding], str], *, named: int) -> str:
    # the value alone names a slice only among slices of the same columns
    several = len({tuple(finding.slice) for finding in group}) > 1
    names = [
        f"{slice_words(tuple(finding.slice.items())) if several else ' & '.join(finding.slice.values())} {describe(finding)}"
        for finding in group[:named]
    ]
    return ", ".join([*names, *([f"and {len(group) - named} more"] if len(group) > named else [])])


def _rows(finding: Finding) -> str:
    return counted_words(finding.rows, finding.counted_in)


def _rows_needed(finding: Finding) -> str:
    needed = finding.rows_needed
    more = "" if needed is None else f", about {rounded(needed - finding.rows)} more needed"
    return f"({_rows(finding)}{more})"


def _unseen_loss(finding: Finding) -> float:
    loss = finding.detail.get("smallest_loss_seen")
    return float("inf") if loss is None else float(loss)


def _loss(finding: Finding) -> str:
    loss = _unseen_loss(finding)
    if loss == float("inf"):
        return "of any size"
    return f"{rounded_up(loss):.6g}" if loss else "nothing to lose"
