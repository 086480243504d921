"""A self-test as a terminal shows it: each defect, what stopped it, and what to write where nothing did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from lockgate.reports.terminal_layout import Medium, Span, assembled, columns

_STYLES = {"stopped": "green", "not stopped": "bold yellow", "not shown": "yellow", "does not apply": "dim"}
_HEAD = ("defect", "outcome", "by")
_NOTHING_KEPT = "Nothing was registered or published."

Lines = list[list[Span]]


def selftest_page(document: Mapping[str, Any], medium: Medium) -> Text:
    """The page of a self-test. document: of `gate selftest --json`."""
    defects = document["defects"]
    lines = medium.sentence(_title(document), style="bold")
    for gate, reason in document["silent_gates"].items():
        lines += medium.sentence(f"{gate}: {reason}", first=("warning  ", "yellow"), hang=9)
    if not defects:
        sentence = (
            "No gate passes the copy as it is, so nothing can be shown; name a version that passes with --candidate."
        )
        return assembled([*lines, [], *medium.sentence(sentence)])
    lines += [[], *_table(defects, medium)]
    holes = [each for each in defects if each["outcome"] == "not stopped"]
    for each in holes:
        lines += [[], *medium.sentence(f"nothing stops it: {each['planted']}", first=("warning  ", "yellow"), hang=9)]
        lines += medium.sentence(each["remedy"], first=(" " * 9, ""), hang=9)
    return assembled([*lines, [], *medium.sentence(_sum(defects)), *medium.sentence(_NOTHING_KEPT, style="dim")])


def _title(document: Mapping[str, Any]) -> str:
    champion = document["champion"]
    beside = "no champion" if champion is None else f"champion version {champion}"
    beside = "itself" if document["beside_itself"] else beside
    return f"{document['model']}: copies of version {document['candidate']} against {beside}"


def _table(defects: Sequence[Mapping[str, Any]], medium: Medium) -> Lines:
    cells = [(each["name"], each["outcome"], _by(each), each["planted"], each["reason"]) for each in defects]
    rows = [[medium.plain(cell) for cell in row] for row in cells]
    name, outcome = (max(len(row[column]) for row in (_HEAD, *rows)) for column in (0, 1))
    rest = medium.width - name - outcome - 4
    lines: Lines = []
    if not medium.narrow:
        lines += columns([(_HEAD[0], name, "dim"), (_HEAD[1], outcome, "dim"), (_HEAD[2], rest, "dim")], right_from=3)
    for title, word, by, planted, reason in rows:
        style = _STYLES[word]
        if medium.narrow:
            lines += medium.sentence(f"{title}: {word} {by}".rstrip(), style=style)
        else:
            lines += columns([(title, name, "bold"), (word, outcome, style), (by, rest, "")], right_from=3)
        for sentence in (planted, reason):
            lines += medium.sentence(sentence, first=("  ", ""), hang=4, style="dim")
    return lines


def _by(defect: Mapping[str, Any]) -> str:
    """The gate, and its line or what else it said."""
    if defect["gate"] is None:
        return "–" if defect["outcome"] != "not stopped" else "nothing"
    return f"{defect['gate']}: {defect['line'] or 'ends in error'}"


def _sum(defects: Sequence[Mapping[str, Any]]) -> str:
    applying = [each for each in defects if each["outcome"] != "does not apply"]
    stopped = sum(each["outcome"] == "stopped" for each in applying)
    unknown = sum(each["outcome"] == "not shown" for each in applying)
    more = f"; of {unknown} nothing can be shown" if unknown else ""
    return f"{stopped} of {len(applying)} defects that apply are stopped{more}."
