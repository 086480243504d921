"""A run as a terminal shows it: gates and numbers in a table, what stands in the way, slices as bars, and the verdict."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len, chop_cells
from rich.text import Text

from lockgate.data.overlap.seen_rows import not_checked
from lockgate.evaluation.judging.number_format import NOTHING, slice_words
from lockgate.evaluation.judging.run_certainty import unchecked_data
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Finding
from lockgate.reports.blockers import unwaived_blockers
from lockgate.reports.interval_bars import bars
from lockgate.reports.run_facts import (
    beside_champion,
    contrast_words,
    interval_words,
    limit_words,
    parents_text,
    passes_among,
    slice_groups,
    verdict_sentence,
)
from lockgate.reports.terminal_layout import Medium, Span, assembled, columns, padded
from lockgate.reports.terminal_rows import Row, gate_rows, notes, values
from lockgate.reports.waivers import idle_waivers

STYLES = {"pass": "green", "inconclusive": "yellow", "fail": "bold red", "error": "bold magenta", "": ""}
_WORST, _SLICES = 3, 6
_MAX_NAME, _MAX_NUMBER, _MAX_SLICE, _MIN_NAME, _MIN_LINE = 14, 12, 28, 14, 18
_BAR_WIDTH, _NARROW_BAR_WIDTH = 15, 11
_INDENT = ("    ", "")
_STDERR_LINES, _STDERR_WIDTH = 8, 300
_HEAD, _NUMBERS = ("gate", "verdict", "line that decided"), ("candidate", "champion", "limit")

Lines = list[list[Span]]


def run_page(evidence: Evidence, medium: Medium, *, observed: bool = False) -> Text:
    """Everything that a person reads of a run before the next command. observed: it was only to be looked at."""
    waived = evidence.waived
    blocks = [
        _table(evidence, medium, waived),
        [line for gate in evidence.gates for line in _notes(gate, medium, waived)],
        _in_the_way(evidence, medium, waived),
        _slices(evidence, medium, waived),
        _unchecked(evidence, medium),
        _verdict(evidence, medium, observed=observed),
    ]
    lines: Lines = []
    for block in filter(None, blocks):
        lines += [[], *block] if lines else block
    return assembled(lines)


def _table(evidence: Evidence, medium: Medium, waived: Collection[str]) -> Lines:
    rows = [(gate, gate_rows(gate, waived)) for gate in map(beside_champion, evidence.gates)]
    compared = any(row.values and row.values[1] != NOTHING for _, each in rows for row in each)
    numbers = slice(0, 3) if compared else slice(0, 3, 2)
    table = [("", [*_HEAD, *_NUMBERS[numbers]])]
    for gate, each in rows:
        names = [gate.name, *[""] * (len(each) - 1)]
        table += [
            (row.style, list(map(medium.plain, (name, row.verdict, row.line, *(row.values or ())[numbers]))))
            for name, row in zip(names, each, strict=True)
        ]
    widths = _widths(table, medium.width)
    if medium.narrow or widths[2] < _MIN_LINE:
        return [line for gate, each in rows for line in _stacked(gate, each, medium)]
    lines: Lines = []
    for style, cells in table:
        styles = ("bold", STYLES[style], "") if lines else ("dim",) * 3
        fitting = widths if len(cells) > 3 else [*widths[:2], medium.width - sum(widths[:2]) - 4]
        padding = ("dim" if not lines else "",) * len(cells)
        lines += columns(list(zip(cells, fitting, [*styles, *padding], strict=False)), right_from=3)
    return lines


def _widths(table: Sequence[tuple[str, Sequence[str]]], width: int) -> list[int]:
    """Columns of each cell: names, verdicts and numbers as wide as they are, within bounds, and the line has the rest."""
    whole = [cells for _, cells in table if len(cells) > 3]
    name = min(_MAX_NAME, max(cell_len(cells[0]) for _, cells in table))
    verdict = max(cell_len(cells[1]) for _, cells in table)
    numbers = [min(_MAX_NUMBER, max(map(cell_len, column))) for column in list(zip(*whole, strict=True))[3:]]
    room = width - name - verdict - sum(numbers) - 2 * (2 + len(numbers))
    return [name, verdict, min(room, max(_MIN_LINE, *(cell_len(cells[2]) for cells in whole))), *numbers]


def _stacked(gate: GateResult, rows: Sequence[Row], medium: Medium) -> Lines:
    """The rows of a gate where a table has no room: one under the other."""
    lines = medium.sentence(gate.name, style="bold")
    for row in rows:
        verdict = medium.plain(row.verdict)
        lines += medium.sentence(row.line, first=(f"  {verdict}  ".rstrip() + "  ", STYLES[row.style]), hang=6)
        if row.values:
            candidate, champion, limit = row.values
            against = f", champion {champion}" if champion != NOTHING else ""
            lines += medium.sentence(f"candidate {candidate}{against}, limit {limit}", first=_INDENT, hang=6)
    return lines


def _notes(gate: GateResult, medium: Medium, waived: Collection[str]) -> Lines:
    note = notes(gate, waived)
    return medium.sentence(note, first=(f"{medium.plain(gate.name)}: ", "yellow")) if note else []


def _in_the_way(evidence: Evidence, medium: Medium, waived: Collection[str]) -> Lines:
    """The worst findings as sentences, each with what would help; beside failures those alone, and what probably is one.

    That the candidate has seen its rows comes first: what else is found rests on what it has not.
    """
    blocked = [(gate, blocker) for gate in evidence.gates for blocker in unwaived_blockers(gate, waived, named=_SLICES)]
    blocked.sort(key=lambda pair: (not pair[0].counts, -pair[1].verdict.rank))
    if not blocked:
        return []
    failed = [pair for pair in blocked if pair[1].fails]
    trained_on = [pair for pair in blocked if pair[1].of_seen_rows][:1]
    others = failed if blocked[0][1].fails else blocked
    listed = [*trained_on, *(pair for pair in others if not pair[1].of_seen_rows)][:_WORST]
    lines: Lines = [[("What stands in the way", "bold")]]
    remedies: set[str] = set()
    for gate, blocker in listed:
        first = f"  {medium.plain(gate.name)}: ", STYLES[blocker.verdict.value]
        lines += medium.sentence(blocker.reason, first=first, hang=4)
        if blocker.remedy and blocker.remedy not in remedies:
            remedies.add(blocker.remedy)
            lines += medium.sentence(blocker.remedy, first=(f"    {medium.plain('→')} ", "dim"), hang=6)
        if not blocker.findings:
            for line in _last_lines(str((gate.breakdown or {}).get("stderr") or "")):
                parts = chop_cells(medium.plain(line), medium.width - 6) if medium.folds else [medium.plain(line)]
                lines += [[(f"    | {part}", "dim")] for part in parts]
    hidden = [blocker for _, blocker in blocked if blocker not in [named for _, named in listed]]
    if not hidden:
        return lines
    count = sum(max(1, len(blocker.findings)) for blocker in hidden)
    word = "more" if any(blocker.fails for blocker in hidden) else "undecided"
    return [*lines, *medium.sentence(f"… and {count} {word}, in the report", first=("  ", ""), style="dim")]


def _slices(evidence: Evidence, medium: Medium, waived: Collection[str]) -> Lines:
    """The line that is worst of those judged by slice, as bars on one scale; what is no pass comes first."""
    groups = [group for gate in map(beside_champion, evidence.gates) for group in slice_groups(gate, waived)]
    if not groups:
        return []
    ordered = max(groups, key=lambda group: group[0].verdict.rank)
    first, listed, hidden = ordered[0], ordered[:_SLICES], ordered[_SLICES:]
    title = f"{first.subject} {first.limit.op} {first.limit.text} on each slice"
    lines = [*medium.sentence(title, style="bold"), *medium.sentence(_legend(listed), first=("  ", ""), style="dim")]
    lines += _slice_lines(listed, medium)
    if hidden:
        ending = f"… and {len(hidden):,} more, {passes_among(hidden)}, in the report"
        lines += medium.sentence(ending, first=("  ", ""), style="dim")
    return lines


def _slice_lines(findings: Sequence[Finding], medium: Medium) -> Lines:
    """Name, bar, candidate, champion and verdict of each; below the name, without the champion, where there is no room."""
    names = [medium.plain(slice_words(tuple(finding.slice.items()))) for finding in findings]
    numbers = [
        list(map(medium.plain, values(finding)[: 1 if findings[0].champion is None else 2])) for finding in findings
    ]
    room = medium.width - _BAR_WIDTH - 11 * len(numbers[0]) - len("    inconclusive") - 2
    stacked = room < _MIN_NAME
    name_width = min(room, _MAX_SLICE, max(map(cell_len, names)))
    bar_width = _NARROW_BAR_WIDTH if stacked else _BAR_WIDTH
    drawn = bars(findings, width=bar_width)
    lines: Lines = []
    if not stacked:
        head = [padded(title, 9, right=True) for title in _NUMBERS[: len(numbers[0])]]
        lines.append([("  " + "  ".join([" " * name_width, " " * bar_width, *head]), "dim")])
    for finding, name, texts, bar in zip(findings, names, numbers, drawn, strict=True):
        cells = [padded(medium.plain(bar), bar_width), *(padded(text, 9, right=True) for text in texts)]
        word = "watched" if finding.code == "watched" else str(finding.verdict)
        verdict = (word, STYLES[finding.verdict.value])
        if stacked:
            lines += [
                *medium.sentence(name, first=("  ", ""), hang=4),
                [("  ".join(["  ", *cells[:2], ""]), ""), verdict],
            ]
        else:
            first, *others = columns([(name, name_width, "")], right_from=1)
            lines.append([("  ".join(["", padded(first[0][0], name_width), *cells, ""]), ""), verdict])
            lines += [[("  ", ""), *other] for other in others]
    return lines


def _legend(findings: Sequence[Finding]) -> str:
    interval = interval_words(findings[0])
    interval = interval and f", ─ its {interval}"
    watched = (
        "; watched: too small to judge, no loss was proven" if any(each.code == "watched" for each in findings) else ""
    )
    return f"● {contrast_words(findings[0])}{interval}, │ {limit_words(findings[0])}{watched}"


def _unchecked(evidence: Evidence, medium: Medium) -> Lines:
    """That nobody looked whether the candidate was trained on the rows it is judged by, and what makes a run look."""
    return [
        line
        for name in unchecked_data(evidence)
        for line in medium.sentence(
            f"{not_checked(name)}: data.{name}.not_in", first=("note  ", "dim"), style="dim", hang=6
        )
    ]


def _verdict(evidence: Evidence, medium: Medium, *, observed: bool) -> Lines:
    verdict, text = evidence.verdict, verdict_sentence(evidence)
    if observed:
        text += " (observed only: nothing is promoted, exit 0)"
    elif evidence.parents:
        text += f" (by labels that came later of requests of {parents_text(evidence)}; it can promote nothing)"
    elif (evidence.document.get("policy") or {}).get("only"):
        text += " (not every gate ran, so it can promote nothing)"
    elif evidence.opens == "by_owner":
        text += f" ({len(evidence.asks)} undecided, which the owner may accept)"
    lines = medium.sentence(text, first=(f"{verdict.value.upper()}  ", STYLES[verdict.value]), style="bold")
    for waiver in idle_waivers(evidence):
        lines += medium.sentence(str(waiver), first=("warning  ", "yellow"), hang=9)
    return lines


def _last_lines(stderr: str) -> list[str]:
    """What a model wrote last, as plain text; of a crash also what it wrote before the dump of its threads."""
    plain = ("".join(filter(str.isprintable, Text.from_ansi(line).plain)) for line in stderr.splitlines())
    lines = [line for line in plain if line.strip() and not line.startswith("Extension modules: ")]
    crash = next((index for index, line in enumerate(lines) if line.startswith("Fatal Python error: ")), None)
    last = lines[-_STDERR_LINES:] if crash is None else lines[max(0, crash - 2) : crash - 2 + _STDERR_LINES]
    return [line if len(line) <= _STDERR_WIDTH else line[:_STDERR_WIDTH] + "…" for line in last]
