"""The stored findings that a line of another policy is about, slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.names import MISSING, bin_labels
from lockgate.data.slices.slice import Slice
from lockgate.data.slices.spec import SliceSpec, SmallSlices
from lockgate.evaluation.judging.stored_estimate import DecidedByItsGate, NotJudgedAnew, StoredEstimate, stored_estimate
from lockgate.evaluation.requirements.grammar import from_text
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding


@dataclass(frozen=True)
class JudgedLines:
    """The lines of a gate as evidence has them, with their findings. lines: rN → line, those that can be read."""

    lines: Mapping[str, Requirement]
    findings: Mapping[str, Sequence[Finding]]

    @classmethod
    def from_result(cls, result: GateResult) -> JudgedLines:
        lines: dict[str, Requirement] = {}
        for entry in result.requirements:
            try:
                lines[entry.id] = from_text(entry.text)
            except ValueError:  # of a gate whose lines are of another language
                continue
        findings: dict[str, list[Finding]] = {}
        for finding in result.findings:
            findings.setdefault(finding.requirement, []).append(finding)
        return cls(lines, findings)

    def estimates(
        self, name: str, line: Requirement, dataset: DatasetSpec | None, small: SmallSlices | None
    ) -> list[StoredEstimate]:
        """The estimates of a new line, from the first old one that has them. Raises NotJudgedAnew with the reason of the nearest."""
        reasons = []
        for was_name, was in self._nearest(line):
            try:
                findings = _in_scope(line, was, self.findings.get(was_name, ()), dataset, small)
                if not findings:
                    raise NotJudgedAnew("nothing was measured for it")
                return [stored_estimate(name, finding, was, line, small) for finding in findings]
            except NotJudgedAnew as reason:
                reasons.append(reason)
        if reasons:
            raise reasons[0]
        raise NotJudgedAnew(f"no line on {line.subject_phrase}{' gaps' if line.gap else ''} was judged")

    def unchanged(self, name: str, line: Requirement) -> list[Finding]:
        """The findings of the same line, whatever decided them, under its new name."""
        same = [was_name for was_name, was in self.lines.items() if was == line]
        return [
            replace(finding, requirement=name) for was_name in same[:1] for finding in self.findings.get(was_name, ())
        ]

    def _nearest(self, line: Requirement) -> list[tuple[str, Requirement]]:
        """The lines on the same subject, those that compare in the same way first."""

        def distance(entry: tuple[str, Requirement]) -> tuple[bool, bool, bool]:
            was = entry[1]
            return (
                was.scope != line.scope,
                was.limit.relative != line.limit.relative,
                was.limit.factor != line.limit.factor,
            )

        same = [
            (name, was)
            for name, was in self.lines.items()
            if (was.subject_text, was.gap) == (line.subject_text, line.gap)
        ]
        return sorted(same, key=distance)


def _in_scope(
    line: Requirement,
    was: Requirement,
    findings: Sequence[Finding],
    dataset: DatasetSpec | None,
    small: SmallSlices | None,
) -> list[Finding]:
    """Those of the slices that the line is about, as the policy declares them now. Raises NotJudgedAnew."""
    scope = line.scope
    if scope.kind == "overall":
        if was.scope.kind != "overall":
            raise NotJudgedAnew(f"it was judged on {was.scope}")
        if findings and all(finding.slice for finding in findings):
            raise DecidedByItsGate("each of its findings was held to a limit of its own")
        return [finding for finding in findings if not finding.slice]
    if scope.kind == "cell":
        return [finding for finding in findings if dict(finding.slice) == dict(scope.cell)]
    if was.scope != scope and was.scope.kind != "each_slice":
        raise NotJudgedAnew(f"it was judged {was.scope if was.scope.kind == 'overall' else f'on {was.scope}'}")
    if dataset is None and was.scope == scope:  # what the gate itself tells apart, such as each feature
        return list(findings)
    declared = [] if dataset is None else [entry for entry in dataset.slices if entry.find is None]
    named = declared if scope.kind == "each_slice" else [entry for entry in declared if entry.slice_name == scope.name]
    return [finding for entry in named for finding in _of_declaration(entry, findings, small)]


def _of_declaration(entry: SliceSpec, findings: Sequence[Finding], small: SmallSlices | None) -> list[Finding]:
    """The findings on the slices of one declaration, if it cuts the rows as they were cut. Raises NotJudgedAnew."""
    name = entry.slice_name
    keys = {(name,)} if entry.cross is None else {(name,), tuple(entry.cross)}
    own = [finding for finding in findings if tuple(finding.slice) in keys]
    if not own:
        raise NotJudgedAnew(f"the rows were not cut by {name}")
    _check_pools(entry, own, small or SmallSlices())
    if entry.cross is not None or entry.where is not None:
        return own
    pooled = [finding for finding in own if "members" in finding.detail]
    labels = {finding.slice[name] for finding in own if finding not in pooled}
    labels |= {str(member) for finding in pooled for member in finding.detail["members"]}
    values = Slice.from_spec(entry).values
    if values is None:
        return own
    allowed = {*values, MISSING, *(bin_labels(entry.bins) if entry.bins is not None else ())}
    if not set(values) <= labels or (entry.bins is not None and not labels <= allowed):
        raise NotJudgedAnew(f"{name} was cut otherwise, into {_listed(sorted(labels))}")
    return [finding for finding in own if finding in pooled or finding.slice[name] in allowed]


def _check_pools(entry: SliceSpec, findings: Sequence[Finding], small: SmallSlices) -> None:
    """Raises NotJudgedAnew where this policy would pool other slices than were pooled, or where that is not known."""
    pooled = [finding for finding in findings if "members" in finding.detail]
    if small.below != "merge":
        if pooled:
            raise NotJudgedAnew(f"small slices of {entry.slice_name} were pooled, and are to be judged by themselves")
        return
    if not Slice.from_spec(entry).mergeable and entry.cross is None:
        return
    gone = [rows for finding in pooled for rows in finding.detail.get("member_rows", ())]
    stayed = [finding for finding in findings if finding not in pooled and finding.rows]
    lost = any(
        finding.rows < small.min_rows or (finding.positives or small.min_positives) < small.min_positives
        for finding in stayed
    )
    if lost or any(rows >= small.min_rows for rows in gone):
        raise NotJudgedAnew(f"other slices of {entry.slice_name} would be pooled than were")


def _listed(names: Sequence[str], most: int = 6) -> str:
    more: Iterable[str] = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
