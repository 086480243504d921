"""The owner's view of a replay, one screen: who answered, what was left out, flips, worst slices, answers, moved inputs, examples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lockgate.evaluation.judging.number_format import interval_text, percent, short
from lockgate.evaluation.shadow.replayed import replay_facts
from lockgate.evidence.evidence import EvidenceError, GateResult
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.run_record import RunRecord
from lockgate.reports.html import decision_figures
from lockgate.reports.html.figures import Chart, Figure, Forest, Frame, Line, Mark, Matrix, Scale, Table, path
from lockgate.reports.html.forest import forests
from lockgate.reports.html.source import MODELS, Source
from lockgate.text import cut

_SLICES, _EXAMPLES, _FEATURES, _PAIRS = 6, 5, 5, 6
_CLASSES = 3  # of a matrix that leaves room for the rest
_SIGNS, _FEW_SIGNS, _CELL_SIGNS, _ID_SIGNS = 32, 24, 12, 8
_COLUMNS = 7
_FRAME = Frame(50, 350, 10, 146, 362, 184)
_CROWDED = 0.25  # share of one bin from which on all are drawn by powers of ten, else nothing is seen of the others
_UNREADABLE = (EvidenceError, AttributeError, ArithmeticError, LookupError, TypeError, ValueError)
Exhibits = Callable[[str], Exhibit]
Part = TypeVar("Part")


@dataclass(frozen=True)
class OwnersView:
    """facts: (what, words) on who answered which requests. flips: by what both decide. slices: the worst with their bounds.
    answers: how often each model answers what. inputs: features that moved. examples: requests that are decided otherwise."""

    facts: tuple[tuple[str, str], ...]
    flips: Figure | None
    slices: Forest | None
    answers: Figure | None
    inputs: Table | None
    examples: Table | None


def owners_view(gate: GateResult, record: RunRecord, waived: Collection[str]) -> OwnersView | None:
    """The view of a gate that replayed requests; None of any other, and of evidence from before there was one.

    A part whose exhibit is missing or has another shape is left out; the pictures below the view name it.
    """
    entry = gate.context.get("replayed")
    if not isinstance(entry, Mapping):
        return None

    def exhibit(name: str) -> Exhibit:
        return record.exhibit(f"{gate.name}/{name}")

    return OwnersView(
        tuple(replay_facts(record.evidence.document, gate.context)),
        _part(lambda: _flips(gate, exhibit("flips"))),
        _part(lambda: _slices(gate, exhibit, waived)),
        _part(lambda: _answers(exhibit("answers"), entry)) or _part(lambda: _classes(exhibit("flips"))),
        _part(lambda: _inputs(record, str(entry["data"]))),
        _part(lambda: _examples(exhibit("flip_examples"))),
    )


def _part(draw: Callable[[], Part]) -> Part | None:
    try:
        return draw()
    except _UNREADABLE:
        return None


def _flips(gate: GateResult, exhibit: Exhibit) -> Figure:
    """A matrix of few classes, the most frequent flips of many."""
    figure = next(decision_figures.flips(Source(exhibit, gate)))
    if isinstance(figure, Matrix) and len(figure.columns) <= _CLASSES:
        return figure
    pairs = [(str(old), str(new), int(count)) for old, new, count in exhibit.points]
    changed = sorted((pair for pair in pairs if pair[0] != pair[1]), key=lambda pair: (-pair[2], *pair[:2]))
    share = _percent(sum(pair[2] for pair in changed), sum(pair[2] for pair in pairs))
    rows = tuple((cut(old, _SIGNS), cut(new, _SIGNS), f"{count:,}") for old, new, count in changed[:_PAIRS])
    return Table(f"Flips: {share} of the requests that both answered", ("champion", "candidate", "requests"), rows)


def _slices(gate: GateResult, exhibit: Exhibits, waived: Collection[str]) -> Forest | None:
    """What is lost where answers are yes or no, else the line that was judged on slices and is worst, else the rate of flips."""
    lost = _part(lambda: exhibit("lost_and_gained"))
    if lost is not None and len(lost.points) > 1 and lost.points[0][0] == "overall":
        return _worst(next(decision_figures.lost_and_gained(Source(lost, gate))))
    judged = sorted(forests(gate, waived), key=lambda plot: -max(row.rank for row in plot.rows))
    if judged:
        return _worst(judged[0])
    return _worst(next(decision_figures.flips_by_slice(Source(exhibit("flips_by_slice"), gate)), None))


def _worst(plot: Figure | None) -> Forest | None:
    if not isinstance(plot, Forest):
        return None
    hidden = f"{len(plot.rows) - _SLICES:,} more below" if len(plot.rows) > _SLICES else ""
    rows = tuple(replace(row, slice=cut(row.slice, _SIGNS)) for row in plot.rows[:_SLICES])
    return replace(plot, caption=f"Worst slices: {plot.caption}", rows=rows, hidden=hidden)


def _answers(exhibit: Exhibit, entry: Mapping[str, Any]) -> Chart:
    """How many requests each model answers with a number of each bin, both in one picture."""
    roles = [role for role in exhibit.columns[2:] if role in MODELS]
    edges = [float(exhibit.points[0][0]), *(float(point[1]) for point in exhibit.points)]
    shares = {}
    for column, role in enumerate(roles, start=2):
        counts = [int(point[column]) for point in exhibit.points]
        shares[role] = [count / sum(counts) for count in counts]
    highest = max(max(each) for each in shares.values())
    lowest = min(share for each in shares.values() for share in each if share)
    x = Scale(edges[0], edges[-1], _FRAME.left, _FRAME.right)
    crowded = highest > _CROWDED and lowest < highest / 20
    y = Scale(lowest / 2 if crowded else 0.0, 1.0 if crowded else highest, _FRAME.bottom, _FRAME.top, log=crowded)
    lines = tuple(
        Line(role, path(zip(edges, [*each, each[-1]], strict=True), x, y, steps=True)) for role, each in shares.items()
    )
    cuts = [
        Mark(role, x(float(at)), 0, f"threshold of the {role}: {short(float(at))}")
        for role, at in (entry.get("thresholds") or {}).items()
        if role in roles and edges[0] < float(at) < edges[-1]
    ]
    label = "answer; the upright line is the threshold" if cuts else "answer"
    words = f"share of requests that {' and '.join(roles)} answer with each number"
    ticks = tuple((y(share), percent(float(f"{share:.4g}"))) for share in y.steps)
    return Chart(
        "Answers of both", words, label, "share of requests", x.ticks, ticks, lines,
        models=tuple(roles), uprights=tuple(cuts), frame=_FRAME,
    )  # fmt: skip


def _classes(exhibit: Exhibit) -> Table:
    """How often each class is decided, those first that gain or lose most."""
    counts: dict[str, list[int]] = {}
    for old, new, count in exhibit.points:
        for role, name in enumerate((new, old)):
            counts.setdefault(str(name), [0, 0])[role] += int(count)
    total = sum(new for new, _ in counts.values())
    ordered = sorted(counts.items(), key=lambda pair: (-abs(pair[1][0] - pair[1][1]), pair[0]))
    rows = tuple((cut(name, _SIGNS), *(_percent(count, total) for count in pair)) for name, pair in ordered[:_PAIRS])
    return Table("Answers of both", ("class", *MODELS), rows)


def _inputs(record: RunRecord, data: str) -> Table:
    """The features that moved most, as a shift gate of the same run found them. Raises LookupError where there is none."""
    names = [gate.name for gate in record.evidence.gates if gate.kind == "shift" and data in gate.context["rows"]]
    moved = record.exhibit(f"{names[0]}/moved_features")
    numbers = [
        moved.columns.index(column) for column in ("feature", "distance", "at least", "at most", "farthest apart")
    ]
    rows = []
    for point in moved.points[:_FEATURES]:
        feature, distance, low, high, apart = (point[number] for number in numbers)
        ends = interval_text(float(low), float(high))
        rows.append((cut(str(feature), _SIGNS), short(float(distance)), ends, cut(str(apart), _SIGNS)))
    return Table(
        f"Inputs that moved, by {names[0]}", ("feature", "distance", "90 % interval", "farthest apart"), tuple(rows)
    )


def _examples(exhibit: Exhibit) -> Table:
    """The first ones, with as many of the columns that they show as have room."""
    rows = tuple(
        (
            str(row),
            cut(str(identity), _ID_SIGNS),
            cut(str(slice_), _FEW_SIGNS),
            *(cut(str(cell), _CELL_SIGNS) for cell in cells),
        )
        for row, identity, slice_, *cells in (point[:_COLUMNS] for point in exhibit.points[:_EXAMPLES])
    )
    return Table(
        f"{len(rows)} requests that are decided otherwise",
        tuple(cut(name, _CELL_SIGNS) for name in exhibit.columns[:_COLUMNS]),
        rows,
    )


def _percent(count: int, total: int) -> str:
    return percent(float(f"{count / total:.3g}"))
