"""Numbers, counts and slices as sentences write them."""

from __future__ import annotations

import math

from lockgate.data.slices.names import SliceKey, shown_label

NOTHING = "–"


def counted_words(count: int, counted_in: str = "rows") -> str:
    """`1 row`, `1,037 rows`, `3 queries`."""
    return f"{count:,} {unit_word(count, counted_in)}"


def unit_word(count: int, counted_in: str) -> str:
    """`row` of one, else `rows`."""
    if count != 1:
        return counted_in
    return "query" if counted_in == "queries" else counted_in.removesuffix("s")


def slice_words(key: SliceKey) -> str:
    """`geography=BR & sex=Male`; nothing for all rows."""
    return " & ".join(f"{name}={shown_label(value)}" for name, value in key)


def percent(share: float) -> str:
    """`99 %`, with at most six figures."""
    return f"{share * 100:.6g} %"


def short(value: float | None) -> str:
    """A number for the eye, with four figures."""
    if value is None or math.isinf(value):
        return "unbounded"
    if value != 0 and abs(value) < 1e-4:
        return f"{value:.2g}"
    if abs(value) >= 1e15:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def sided(difference: float) -> str:
    """`0.02 below`, `0.02 above`."""
    return f"{short(abs(difference))} {'below' if difference < 0 else 'above'}"


def number_cell(value: float | None) -> str:
    """The same for a table; a dash where there is no number."""
    return NOTHING if value is None else short(value)


def loosened(bound: float, value: float) -> float:
    """A round number beyond the bound, seen from the value: what a limit could be so that it is met."""
    width = abs(value - bound)
    if width <= 1e-9 * max(1.0, abs(bound)):
        return bound
    step = 10.0 ** math.floor(math.log10(width))
    near = (math.floor(bound / step) if bound < value else math.ceil(bound / step)) * step
    return float(f"{near:.12g}") if near else bound


def rounded_up(tolerance: float, *, figures: int = 2) -> float:
    """A tolerance with so many figures, never a smaller one."""
    return safely_rounded(tolerance, up=True, figures=figures) if tolerance > 0 else 0.0


def safely_rounded(value: float, *, up: bool, figures: int = 4) -> float:
    """With so many figures, never smaller where `up`, else never larger."""
    if value == 0 or not math.isfinite(value):
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - figures + 1)
    steps = value / step
    whole = math.ceil(steps - 1e-9) if up else math.floor(steps + 1e-9)
    return float(f"{whole * step:.12g}")


def rounded(count: int) -> str:
    """A count for the eye, rounded up to two figures."""
    if count < 100:
        return str(max(count, 1))
    step = 10 ** (len(str(count)) - 2)
    return f"{math.ceil(count / step) * step:,}"


def interval_text(low: float | None, high: float | None) -> str:
    """`0.018–0.044`; with `to` where an end is negative, and in words where there is none."""
    bounded = low is not None and high is not None and low >= 0 and math.isfinite(high)
    return f"{short(low)}–{short(high)}" if bounded else ends_text(low, high)


def ends_text(low: float | None, high: float | None) -> str:
    """`-0.018 to 0.044`, `0.018 or more` where there is no upper end."""
    below, above = (end is None or math.isinf(end) for end in (low, high))
    if below or above:
        return "none" if below and above else f"{short(high)} or less" if below else f"{short(low)} or more"
    return f"{short(low)} to {short(high)}"
