"""Ways in which rows are altered, read from the arguments of requirement lines. Imports no numpy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lockgate.evaluation.requirements.requirement import BARE, Requirement, Value, number_text, quoted

Way = Literal["swap", "raise", "noise", "drop"]
WAYS: tuple[Way, ...] = ("swap", "raise", "noise", "drop")
_SHARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*%")


@dataclass(frozen=True)
class Alteration:
    """One way in which every row is altered.

    swap: the column takes another of its values. raise: `amount` is added to it. drop: its value is missing.
    noise: every column of numbers moves by about `amount` of its standard deviation; `column` is then empty.
    """

    way: Way
    column: str = ""
    amount: float = 0.0

    def __str__(self) -> str:
        """As a line has it: `swap=sex`, `raise=debt, by=100`, `noise=1%`."""
        if self.way == "noise":
            return f"noise={number_text(round(self.amount * 100, 10))}%"
        by = f", by={number_text(self.amount)}" if self.way == "raise" else ""
        return f"{self.way}={quoted(self.column, BARE)}{by}"

    @property
    def words(self) -> str:
        """For sentences: `sex swapped`, `debt raised by 100`, `noise of 1 %`, `age missing`."""
        if self.way == "noise":
            return f"noise of {number_text(round(self.amount * 100, 10))} %"
        if self.way == "raise":
            verb = "lowered" if self.amount < 0 else "raised"
            return f"{self.column} {verb} by {number_text(abs(self.amount))}"
        return f"{self.column} {'swapped' if self.way == 'swap' else 'missing'}"


def alteration_of(line: Requirement) -> Alteration:
    """What a line that `problems` does not object to says."""
    arguments = {name: value for name, value in line.args if name is not None}
    way = next(way for way in WAYS if way in arguments)
    if way == "noise":
        return Alteration(way, amount=_share(arguments[way]) or 0.0)
    amount = float(arguments.get("by", 1)) if way == "raise" else 0.0
    return Alteration(way, _text(arguments[way]), amount)


def problems(line: Requirement, ways: tuple[Way, ...]) -> Iterator[str]:
    """Why a line does not say how rows are altered. ways: of which its subject takes one."""
    arguments = {name: value for name, value in line.args if name is not None}
    text, named = repr(str(line)), [way for way in ways if way in arguments]
    example = f"{line.subject}({'swap=COLUMN' if 'swap' in ways else 'raise=COLUMN'})"
    if len(arguments) < len(line.args) or len(named) != 1:
        listed = f"one of {', '.join(ways[:-1])} or {ways[-1]}" if len(ways) > 1 else ways[0]
        yield f"{text}: {line.subject} needs to be told how rows are altered: by {listed}, such as {example}"
        return
    yield from _misfits(arguments, named[0], text)


def _misfits(arguments: Mapping[str, Value], way: Way, text: str) -> Iterator[str]:
    if way == "noise" and not 0 < (_share(arguments[way]) or 0.0) <= 1:
        yield f"{text}: noise is a share of each column's standard deviation, above 0 and at most 100%: write noise=1%"
    by = arguments.get("by")
    if by is not None and way != "raise":
        yield f"{text}: by says how far a column is raised, and this line says {way}; leave it out"
    elif isinstance(by, int | float) and by == 0:
        yield f"{text}: by is 0, which alters nothing; write how far the column is raised, or lowered where it is negative"
    tolerance = arguments.get("tolerance")
    if isinstance(tolerance, int | float) and tolerance < 0:
        yield f"{text}: tolerance is negative; a change of more than that counts: write it from 0 on"


def _share(value: Value) -> float | None:
    """0.01 of `1%` and of 0.01; None of anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    match = _SHARE.fullmatch(value.strip())
    return None if match is None else float(match[1]) / 100


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number_text(value)
