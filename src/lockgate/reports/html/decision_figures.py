"""What is counted row by row: fixes and breaks, flips, changes of the signature, slices that a search turned up, and tables as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lockgate.evaluation.judging.number_format import NOTHING, number_cell, percent, short
from lockgate.evaluation.pictures.confusions import MOST_CLASSES
from lockgate.reports.html.figures import Figure, Forest, ForestRow, Matrix, Table
from lockgate.reports.html.forest import NAME, WIDTH, axis, ticks
from lockgate.reports.html.source import MODELS, Source
from lockgate.reports.interval_bars import number_range
from lockgate.text import cut

_MOST = 20  # slices of a plot; the table below it has them all
_MOST_ROWS = 100
_DISCOVERY = 0.05
_ROUNDING = 1e-5
_SIGNS = {"removed": "−", "added required": "+", "added optional": "+"}


def fixes_and_breaks(source: Source) -> Iterator[Figure]:
    """Rows by which of the two models decides them rightly, and what the candidate gains or loses on each slice."""
    overall, *slices = source.exhibit.points
    _, rows, right, fixed, broken, wrong, *ends = overall
    net, low, high = map(float, ends)

    def cell(count: int, tone: str) -> tuple[str, str, str]:
        return f"{count:,}", _share(count, rows), tone

    weighed = " by weight" if abs(net - (fixed - broken) / rows) > _ROUNDING else ""
    yield Matrix(
        "Fixes and breaks",
        f"The candidate fixes {fixed:,} and breaks {broken:,} of {rows:,} rows: {_signed(net)} net{weighed} "
        f"(90 % interval {_signed(low)} to {_signed(high)})",
        "candidate",
        "champion",
        ("right", "wrong"),
        ("right", "wrong"),
        ((cell(right, "dim"), cell(fixed, "good")), (cell(broken, "bad"), cell(wrong, "dim"))),
    )
    if slices:
        entries = [
            (str(name), int(count), f"+{int(fixed):,} −{int(lost):,}", float(value), float(below), float(above))
            for name, count, _, fixed, lost, _, value, below, above in slices
        ]
        yield from _by_slice(
            "Fixes and breaks by slice", "fixes, breaks", "net share of rows", entries, zero="no change"
        )


def flips(source: Source) -> Iterator[Figure]:
    """Requests by both models' classes, or where these are many, the flips that are most."""
    pairs = {(str(old), str(new)): int(count) for old, new, count in source.exhibit.points}
    total = sum(pairs.values())
    flipped = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
    sentence = f"{sum(flipped.values()):,} of {total:,} requests that both answered are decided otherwise ({_share(sum(flipped.values()), total)})"
    classes = sorted({name for pair in pairs for name in pair})
    if len(classes) > MOST_CLASSES:
        ordered = sorted(flipped.items(), key=lambda entry: (-entry[1], entry[0]))
        rows = tuple((old, new, f"{count:,}", _share(count, total)) for (old, new), count in ordered[:_MOST_ROWS])
        yield Table(f"Flips: {sentence}", ("champion", "candidate", "requests", "share"), rows)
        return
    cells = tuple(
        tuple(
            (f"{count:,}", _share(count, total), "dim" if old == new or not count else "bad")
            for new in classes
            for count in [pairs.get((old, new), 0)]
        )
        for old in classes
    )
    yield Matrix("Flips", sentence, "champion", "candidate", tuple(classes), tuple(classes), cells)


def flips_by_slice(source: Source) -> Iterator[Figure]:
    """The rate of flips overall and on each slice, the highest first."""
    entries = [
        (str(name), int(requests), f"{int(count):,}", float(rate), float(low), float(high))
        for name, requests, count, rate, low, high in source.exhibit.points
    ]
    if len(entries) > 1:
        yield from _by_slice("Flips by slice", "flips", "share of requests that flip", entries, counted_in="requests")


def lost_and_gained(source: Source) -> Iterator[Figure]:
    """What share of the champion's positives each slice lost, and the flip matrix of each."""
    entries, rows = [], []
    for name, requests, kept, lost, gained, neither, *ends in source.exhibit.points:
        counts = [int(count) for count in (requests, kept, lost, gained, neither)]
        rate, low, high = map(float, ends)
        entries.append((str(name), counts[1] + counts[2], f"−{counts[2]:,} +{counts[3]:,}", rate, low, high))
        rows.append((str(name), *(f"{count:,}" for count in counts)))
    if entries:
        contrast = "share of what the champion decides positive, and the candidate does not,"
        yield from _by_slice("Lost and gained", "lost, gained", contrast, entries, counted_in="requests")
        head = ("slice", "requests", "positive by both", "lost", "gained", "negative by both")
        yield Table("Flips of each slice, by what both decide", head, tuple(rows[:_MOST_ROWS]))


def labelled(source: Source) -> Iterator[Figure]:
    """What share of the requests has a label: of all, of each decision and of each slice."""
    entries = [
        (str(name), int(requests), f"{int(judged):,}", float(rate), float(low), float(high))
        for name, requests, judged, rate, low, high in source.exhibit.points
    ]
    if entries:
        contrast = "share of requests that have a label, of all, of what each model decides, and of each slice,"
        yield from _by_slice("Labelled requests", "judged", contrast, entries, counted_in="requests")


def moved_features(source: Source) -> Iterator[Figure]:
    """How far each feature surely moved between two data sets, and where."""
    entries = [
        (str(name), int(rows), str(where), float(value), float(low), float(high))
        for name, rows, value, low, high, where, *_ in source.exhibit.points
    ]
    if entries:
        yield from _by_slice("Moved features", "farthest apart", "distance", entries)
        yield from table(source)


def slice_mix(source: Source) -> Iterator[Figure]:
    """By how much the share of each slice differs in the traffic."""
    entries = [
        (
            str(name),
            int(rows),
            f"{_unsigned(float(ours))} → {_unsigned(float(theirs))}",
            float(value),
            float(low),
            float(high),
        )
        for name, _, rows, ours, theirs, value, low, high in source.exhibit.points
    ]
    if entries:
        yield from _by_slice("Slice mix", "holdout → traffic", "difference of shares", entries, zero="same share")


def signature_changes(source: Source) -> Iterator[Figure]:
    """The signature as a diff: what breaks callers first."""
    rows, tones = [], []
    for side, column, change, old, new, breaking, *note in source.exhibit.points:  # without notes before 0.3
        sign = _SIGNS.get(str(change), "~")
        effect = "; ".join(filter(None, ("breaks callers" if breaking == "yes" else "harmless", *map(str, note))))
        rows.append(
            (
                f"{sign} {str(side).removesuffix('s')} {column}",
                str(change),
                str(old) or NOTHING,
                str(new) or NOTHING,
                effect,
            )
        )
        tones.append("bad" if breaking == "yes" else "good" if sign == "+" else "")
    head = ("column", "change", "champion", "candidate", "for callers")
    yield Table("Signature: changes since the champion", head, tuple(rows), tuple(tones))


def weak_slices(source: Source) -> Iterator[Figure]:
    """The slices that a search turned up, by what they lose at least."""
    search = source.gate.context.get("found_slices")
    search = search if isinstance(search, Mapping) else {}
    loss = str(search.get("loss") or "loss").replace("_", " ")
    against = source.exhibit.columns[3]
    rows = tuple(
        (str(name), f"{int(count):,}", *map(_cell, (own, other, difference, low, q)))
        for name, count, own, other, difference, low, _, q in source.exhibit.points[:_MOST_ROWS]
    )
    searched = f", of {search['searched']:,} searched" if isinstance(search.get("searched"), int) else ""
    tones = tuple("bad" if float(point[7]) <= _DISCOVERY else "" for point in source.exhibit.points[:_MOST_ROWS])
    title = f"Slices that lose most{searched} after the fact; none is judged, q under {percent(_DISCOVERY)} is more than chance"
    of_others = f"of the {against}" if against in MODELS else against
    head = ("slice", "rows", f"{loss} of the candidate", of_others, "worse by", "at least", "q")
    yield Table(title, head, rows, tones)


def table(source: Source) -> Iterator[Figure]:
    """Points as they are."""
    exhibit = source.exhibit
    rows = [tuple(_cell(value) for value in point) for point in exhibit.points[:_MOST_ROWS]]
    yield Table(exhibit.name.rpartition("/")[2].replace("_", " ").capitalize(), exhibit.columns, tuple(rows))


def _by_slice(
    caption: str,
    second: str,
    contrast: str,
    entries: Sequence[tuple[str, int, str, float, float, float]],
    *,
    zero: str = "",
    counted_in: str = "rows",
) -> Iterator[Figure]:
    """Shares of slices with their intervals, the first ones drawn, all of them as a table where there are more.

    entries: name, rows, text, share, low, high. zero: what no difference means, where shares are differences.
    """
    listed = entries[:_MOST]
    points = [entry[3] for entry in listed] + ([0.0] if zero else [])
    scale = axis(*number_range(points, [end for entry in listed for end in entry[4:]], 60))
    written = _signed if zero else _unsigned
    texts = [(written(value), f"{written(low)} to {written(high)}") for *_, value, low, high in entries]
    rows = tuple(
        ForestRow(
            slice=cut(name, NAME), rows=f"{count:,}", count=count, verdict=text, rank=-number, low=scale(low), high=scale(high),
            estimate=scale(value), limit=scale(0.0) if zero else None, value=texts[number][0], interval=texts[number][1], number=value,
        )
        for number, (name, count, text, value, low, high) in enumerate(listed)
    )  # fmt: skip
    column, hidden = "net" if zero else "rate", len(entries) - len(listed)
    yield Forest(
        caption, column, f"{contrast} with its 90 % interval", ticks(scale, lambda at: percent(at).replace("-", "−")), rows, WIDTH,
        f"{hidden:,} more slices in the table below" if hidden else "",
        second, zero, counted_in,
    )  # fmt: skip
    if hidden:
        lines = tuple(
            (name, text, *numbers, f"{count:,}")
            for (name, count, text, *_), numbers in zip(entries, texts, strict=True)
        )
        yield Table(f"{caption}, all of them", ("slice", second, column, "90 % interval", counted_in), lines)


def _signed(share: float) -> str:
    """`+1.5 %`, `−0.31 %`: three figures of a difference of shares."""
    text = percent(abs(float(f"{share:.3g}")))
    return text if not share else f"{'+' if share > 0 else '−'}{text}"


def _unsigned(share: float) -> str:
    return percent(float(f"{share:.3g}"))


def _share(count: int, total: int) -> str:
    return _unsigned(count / total) if total else NOTHING


def _cell(value: Any) -> str:
    if isinstance(value, str):
        try:
            return short(float(value))
        except ValueError:
            return value
    return f"{value:,}" if isinstance(value, int) else number_cell(value)
