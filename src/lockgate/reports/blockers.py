"""What stands between a candidate and a pass, the worst first; what holds for many slices alike is said once, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lockgate.evaluation.judging.gate_summary import worst_first
from lockgate.evaluation.judging.number_format import counted_words, rounded, rounded_up, slice_words
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict

_ALIKE = 3  # fewer are told one by one
_NAMED = 50


@dataclass(frozen=True)
class Obstacle:
    """One thing to act on: a finding that is no pass, or several of one line that say the same about their slices."""

    verdict: Verdict
    reason: str
    remedy: str | None
    findings: tuple[Finding, ...]

    @property
    def outlook(self) -> str | None:
        """What these rows could decide, of a finding that stands alone."""
        found = self.findings[0].detail.get("outlook") if len(self.findings) == 1 else None
        return None if found is None else str(found)


def obstacles(gate: GateResult, *, named: int = _NAMED) -> list[Obstacle]:
    """Of every finding that is no pass, each once. named: how many slices of one obstacle are named."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for one in worst_first(gate.findings):
        groups.setdefault(_alike(one), []).append(one)
    found = []
    for group in groups.values():
        if len(group) < _ALIKE:
            found += [Obstacle(one.verdict, one.reason, one.remedy, (one,)) for one in group]
        else:
            found.append(_together(gate, group, named=named))
    return found


def watched(gate: GateResult) -> list[str]:
    """One sentence a line: its slices that passed without proof, the one that would hide the largest loss first."""
    groups: dict[str, list[Finding]] = {}
    for one in gate.findings:
        if one.code == "watched" and "smallest_loss_seen" in one.detail and one.slice:
            groups.setdefault(one.requirement, []).append(one)
    said = []
    for name, group in groups.items():
        ordered = sorted(group, key=lambda one: (-_unseen(one), one.rows))
        listed = _listed(ordered, lambda one: f"{_loss(one)} ({_rows(one)})", named=_NAMED)
        hidden = "a loss under the number beside a name would go unseen"
        said.append(f"{_line(gate, name)}: {_slices(group)} watched, not proven; {hidden}: {listed}")
    return said


def merged(gate: GateResult) -> list[str]:
    """One sentence a pool: every slice that was merged, with its rows."""
    pools: dict[tuple[str, ...], str] = {}
    for one in gate.findings:
        members = one.detail.get("members")
        if isinstance(members, list):
            rows = one.detail.get("member_rows") or []
            parts = sorted(zip(members, rows, strict=False), key=lambda part: (-part[1], part[0]))
            listed = ", ".join(f"{name} {count:,}" for name, count in parts)
            what = slice_words(tuple(one.slice.items())) or one.subject
            pools.setdefault(
                tuple(members), f"{what} is {len(members)} small slices judged as one, {one.counted_in}: {listed}"
            )
    return list(pools.values())


def _alike(one: Finding) -> tuple[str, ...]:
    """Findings of one key say the same thing about different slices."""
    if not one.slice or one.verdict is not Verdict.INCONCLUSIVE or "members" in one.detail:
        return (one.id,)
    if one.code == "too_small":
        return (one.requirement, one.code)
    if one.decided is None:
        return (one.requirement, one.code, _said(one), one.remedy or "")
    return (one.id,)


def _said(one: Finding) -> str:
    """The reason without the place and the number of rows."""
    place = f"{one.subject} on {slice_words(tuple(one.slice.items()))}: "
    return one.reason.removeprefix(place).removesuffix(f" ({_rows(one)})")


def _together(gate: GateResult, group: list[Finding], *, named: int) -> Obstacle:
    ordered = tuple(sorted(group, key=lambda one: (-one.rows, one.id)))
    line, first = _line(gate, group[0].requirement), group[0]
    if first.code != "too_small":
        reason = f"{line}: {_slices(group)} without a value, {_said(first)}: {_listed(ordered, _rows, named=named)}"
        remedy = first.remedy and first.remedy.replace("this slice", "these slices")
        return Obstacle(first.verdict, reason, remedy, ordered)
    listed = _listed(ordered, _rows_and_more, named=named)
    return Obstacle(
        first.verdict,
        f"{line}: {_slices(group)} too small to judge: {listed}",
        f"add that many {first.counted_in}, or let small_slices of the data say what becomes of small ones: "
        "below: watch (a significant loss fails), below: merge (judged as one slice)",
        ordered,
    )


def _line(gate: GateResult, name: str) -> str:
    return next((asked.text for asked in gate.requirements if asked.id == name), name)


def _slices(group: Sequence[Finding]) -> str:
    """`34 slices of native_country are`; of several declarations without their names."""
    names = {tuple(one.slice) for one in group}
    of = f" of {'×'.join(names.pop())}" if len(names) == 1 else ""
    return f"1 slice{of} is" if len(group) == 1 else f"{len(group)} slices{of} are"


def _listed(group: Sequence[Finding], told: Callable[[Finding], str], *, named: int) -> str:
    several = len({tuple(one.slice) for one in group}) > 1
    shown = [f"{_label(one, full=several)} {told(one)}" for one in group[:named]]
    more = [f"and {len(group) - named} more"] if len(group) > named else []
    return ", ".join([*shown, *more])


def _label(one: Finding, *, full: bool) -> str:
    return slice_words(tuple(one.slice.items())) if full else " & ".join(one.slice.values())


def _rows(one: Finding) -> str:
    return counted_words(one.rows, one.counted_in)


def _rows_and_more(one: Finding) -> str:
    more = "" if one.rows_needed is None else f", about {rounded(one.rows_needed - one.rows)} more needed"
    return f"({_rows(one)}{more})"


def _unseen(one: Finding) -> float:
    value = one.detail.get("smallest_loss_seen")
    return float("inf") if value is None else float(value)


def _loss(one: Finding) -> str:
    value = one.detail.get("smallest_loss_seen")
    if value is None:
        return "of any size"
    return f"{rounded_up(float(value)):.6g}" if float(value) else "nothing to lose"
