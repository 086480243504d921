"""A plan as a terminal shows it: what is compared, how long each gate takes, whether the rows suffice, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from lockgate.evaluation.judging.number_format import NOTHING, short
from lockgate.reports.plan_words import counted_facts, foretold, is_counted, sent_words
from lockgate.reports.terminal_layout import Medium, Span, assembled, columns, labelled, next_calls
from lockgate.units import rough_time

_STYLES = {"hopeless": "bold yellow", "watched": "yellow", "unknown": "cyan", "decidable": "green", "": "dim"}
_LARGE_BYTES = 100_000_000  # from here on the size on disk is shown
_HEAD = ("gate", "data", "to answer", "time")
_MAX_NAME = 24

Lines = list[list[Span]]
Gate = Mapping[str, Any]


def plan_page(plan: Mapping[str, Any], medium: Medium, *, commands: Sequence[tuple[str, str]], probed: bool) -> Text:
    """The page of a plan. plan: the document of `gate plan --json`. commands: (what to call next, what for)."""
    blocks = [
        _versions(plan, medium),
        _table(plan["gates"], medium, probed=probed),
        _notes(plan["gates"], medium),
        *(_gate(gate, medium) for gate in plan["gates"]),
        _foundations(plan, medium),
        next_calls(commands, medium),
    ]
    lines: Lines = []
    for block in filter(None, blocks):
        lines += [[], *block] if lines else block
    return assembled(lines)


def _versions(plan: Mapping[str, Any], medium: Medium) -> Lines:
    against = f"champion version {plan['champion']}" if plan["champion"] is not None else "no champion yet"
    title = f"{plan['model']}: candidate version {plan['candidate']} against {against}"
    lines = medium.sentence(title, style="bold")
    for reason, remedy in plan["obstacles"]:
        lines += medium.sentence(reason, first=("warning  ", "yellow"), hang=9)
        lines += medium.sentence(remedy, first=(" " * 9, ""), hang=9, style="dim")
    return lines


def _table(gates: Sequence[Gate], medium: Medium, *, probed: bool) -> Lines:
    rows = [[_name(gate), gate["data"] or NOTHING, _answers(gate), _time(gate, probed=probed)] for gate in gates]
    rows = [list(map(medium.plain, row)) for row in rows]
    if medium.narrow:
        return [
            line
            for row in rows
            for line in medium.sentence(
                ", ".join(cell for cell in row[1:] if cell != NOTHING), first=(f"{row[0]}  ", "bold")
            )
        ]
    widths = [max(map(cell_len, column)) for column in zip(_HEAD, *rows, strict=True)]
    widths[0] = min(widths[0], _MAX_NAME)
    widths[3] = max(min(widths[3], medium.width - sum(widths[:3]) - 6), 12)
    lines: Lines = []
    for row in [list(_HEAD), *rows]:
        styles = ("bold", "", "", "") if lines else ("dim",) * 4
        lines += columns(list(zip(row, widths, styles, strict=True)), right_from=4)
    return lines


def _name(gate: Gate) -> str:
    return gate["name"] if gate["severity"] == "block" else f"{gate['name']} ({gate['severity']})"


def _answers(gate: Gate) -> str:
    """How much the models have to answer."""
    if gate["requests"] is not None:
        at_once = f", {gate['at_once']} at a time" if gate["at_once"] else ""
        return f"{gate['requests']:,} requests{at_once}"
    return NOTHING if gate["data_rows"] is None else f"{gate['data_rows']:,} rows"


def _time(gate: Gate, *, probed: bool) -> str:
    """As it was foretold, else as in the last run, else what it depends on."""
    if gate.get("obstacle"):
        return NOTHING
    if gate["seconds"] is not None:
        keeping_up = "" if probed else ", if the models keep up"
        return f"about {rough_time(gate['seconds'])}{keeping_up}"
    if gate["last_seconds"] is not None:
        return f"{rough_time(max(gate['last_seconds'], 1))} last time"
    if gate["requests"] is not None and gate["at_once"]:
        return f"{gate['requests'] / 1000 / gate['at_once']:,.3g} s for every ms of a request"
    return NOTHING


def _notes(gates: Sequence[Gate], medium: Medium) -> Lines:
    """What stands in a gate's way, and what it leaves on the disk."""
    lines: Lines = []
    for gate in gates:
        raw = gate["raw_bytes"] or 0
        notes = [
            gate.get("obstacle"),
            _overlap(gate),
            sent_words(gate["sent"]),
            *gate.get("notes", ()),
            gate["unread"] and f"what its rows can decide is not known: {gate['unread']}",
            f"{raw / 1e9:,.1f} GB of raw requests are kept" if raw >= _LARGE_BYTES else None,
        ]
        for note in filter(None, notes):
            lines += medium.sentence(note, first=(f"{medium.plain(gate['name'])}: ", "yellow"))
    return lines


def _overlap(gate: Gate) -> str | None:
    """How many rows are left out, as the candidate was trained on them, and whether so many that nothing passes."""
    if (overlap := gate.get("seen")) is None:
        return None
    return (
        f"{overlap['text']}; nothing would pass: {overlap['obstacle']}" if overlap["obstacle"] else str(overlap["text"])
    )


def _gate(gate: Gate, medium: Medium) -> Lines:
    lines = medium.sentence(gate["name"], style="bold")
    counted = [line for line in gate["lines"] if is_counted(line)]
    for line in gate["lines"]:
        if line in counted:
            continue
        lines += medium.sentence(line["text"], first=("  ", ""), hang=4)
        if not line["asked"]:
            lines += medium.sentence("not compared: there is no champion yet", first=("    ", ""), hang=6, style="dim")
        for each in foretold(line):
            lead = f"    {medium.plain(each.lead).rstrip()} " if each.lead else "    "
            lines += medium.sentence(each.text, first=(lead, _STYLES[each.status]), hang=6)
    for sentence in counted_facts(counted):
        lines += medium.sentence(sentence, first=("  ", ""), hang=4)
    return lines


def _foundations(plan: Mapping[str, Any], medium: Medium) -> Lines:
    """The words of the page, what was assumed, and how often the data were evaluated."""
    outlooks = [each for gate in plan["gates"] for line in gate["lines"] for each in line["outlook"]]
    bases = {each["basis"] for each in outlooks}
    sentences = []
    if any(each["basis"] != "counted" for each in outlooks):
        sentences.append((
            "enough", "where a line compares with the champion, a candidate exactly as good passes in at least 9 of 10 runs, a better one more "
            "often. "
            "With too few it is more often left undecided, however good it is: the run then ends inconclusive",
        ))  # fmt: skip
    if "tolerance" in bases:
        sentences.append(
            (
                "allowance",
                "how much worse than the champion a line lets the candidate be, such as 0.03 in auc >= champion - 0.03",
            )
        )
    if plan["assumptions"] is not None and bases & {"tolerance", "gain", "flips", "breaks", "fixes", "value", "gap"}:
        sentences.append(("assumed", _assumed(plan["assumptions"])))
    numbers: dict[Any, list[str]] = {}
    for name, number in plan["looks"].items():
        numbers.setdefault(number, []).append(name)
    for number, names in numbers.items():
        which = "of unknown number" if number is None else f"no. {number} or later"
        warning = ". The more often the same rows are evaluated, the likelier a pass by luck" if number != 1 else ""
        sentences.append(("evaluation", f"{which} of {' and '.join(names)}{warning}"))
    return [line for word, text in sentences for line in labelled(word, [(text, "")], medium)]


def _assumed(figures: Mapping[str, Any]) -> str:
    text = (
        f"the two models decide differently on {short(100 * figures['disagreement'])} % of rows (--disagreement changes it), and "
        f"their scores are much alike (correlation {figures['correlation']:g})"
    )
    if figures["champion"]:
        earlier = dict.fromkeys(figures.get("measured", ()), " by an earlier run")
        values = " and ".join(
            f"{name} {short(value)}{earlier.get(name, '')}" for name, value in figures["champion"].items()
        )
        text += f"; the champion has {values} (--score measures it)"
    if figures["cluster"]:
        text += f"; rows of one {figures['cluster']} count as if each stood alone"
    return text
