"""A requirement: one line such as `auc >= champion - 0.01 on each slice`, parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

Op = Literal[">=", "<="]
RequirementClaim = Literal["not_worse", "superior", "no_harm", "point"]
CLAIMS: tuple[RequirementClaim, ...] = ("not_worse", "superior", "no_harm", "point")
Value = str | float | int | bool
Kind = TypeVar("Kind")

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
NAME = r"[A-Za-z_][A-Za-z0-9_.\-]*"
# How names and values may be written without quotes: of a scope or an argument, of a gap, of a cell.
BARE = re.compile(r'[^\s"&=(),]+(?: +[^\s"&=(),]+)*')
BARE_GAP = re.compile(NAME)
BARE_VALUE = re.compile(r'[^\s"&=]+(?: +[^\s"&=]+)*')


def number_text(value: float) -> str:
    """The shortest decimal that reads back to the same number, without an exponent where that is short."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def quoted(text: str, bare: re.Pattern[str] = BARE) -> str:
    """A name or value as a line can hold it: bare where that reads back, else in double quotes."""
    return text if bare.fullmatch(text) else json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True)
class RequirementLimit:
    """The right side: a number (`percent`: written in hundredths), or the champion's value with a margin.

    sign: + or - a margin, * a factor, None for the bare word `champion` or a plain number. declared: whether it is the
    number that the version itself declares, which a run fills in.
    """

    relative: bool
    number: float | None = None
    sign: Literal["+", "-", "*"] | None = None
    percent: bool = False
    declared: bool = False

    @property
    def value(self) -> float:
        """The number of a plain limit, or the margin or factor of a relative one."""
        number = (1.0 if self.sign == "*" else 0.0) if self.number is None else self.number
        return number / 100 if self.percent else number

    @property
    def margin(self) -> float:
        """What is added to the champion's value; only for relative limits without a factor."""
        return -self.value if self.sign == "-" else self.value

    @property
    def factor(self) -> float:
        """What the champion's value is multiplied with; 1 where it is not."""
        return self.value if self.sign == "*" else 1.0

    def __str__(self) -> str:
        if self.declared:
            return "declared"
        if not self.relative:
            return number_text(self.number or 0.0) + ("%" if self.percent else "")
        if self.sign is None:
            return "champion"
        return f"champion {self.sign} {number_text(self.number or 0.0)}"


@dataclass(frozen=True)
class Scope:
    """Where a line is measured: overall, on each declared slice, each value of one, a `where` slice, or one cell."""

    kind: Literal["overall", "each_slice", "each", "slice", "cell"] = "overall"
    name: str | None = None
    cell: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.kind == "overall":
            return "overall"
        if self.kind == "each_slice":
            return "each slice"
        if self.kind == "cell":
            return " & ".join(f"{quoted(name)}={quoted(value, BARE_VALUE)}" for name, value in self.cell)
        return f"{self.kind} {quoted(self.name or '')}"


@dataclass(frozen=True)
class Requirement:
    """A parsed line with what only the mapping form can say.

    args: (name or None, value) as written between the parentheses. gap: the slices whose values are compared with each
    other. claim, confidence (one-sided), min_rows, if_inconclusive: None where left out.
    """

    subject: str
    op: Op
    limit: RequirementLimit
    args: tuple[tuple[str | None, Value], ...] = ()
    scope: Scope = field(default_factory=Scope)
    gap: str | None = None
    claim: RequirementClaim | None = None
    confidence: float | None = None
    min_rows: int | None = None
    if_inconclusive: Literal["ask"] | None = None

    @property
    def subject_text(self) -> str:
        """The subject with its arguments: `recall(threshold=0.7)`."""
        if not self.args:
            return self.subject
        inside = ", ".join((f"{name}=" if name else "") + _value_text(value) for name, value in self.args)
        return f"{self.subject}({inside})"

    @property
    def subject_phrase(self) -> str:
        """The subject as a sentence says it: `macro recall`, `recall of class fraud`, else as it is written."""
        words = {name or "average": value for name, value in self.args}
        if set(words) == {"class"}:
            return f"{self.subject} of class {words['class']}"
        if set(words) == {"average"} and words["average"] in ("macro", "micro"):
            return f"{words['average']} {self.subject}"
        return self.subject_text

    def pick(self, by_subject: Mapping[str, Kind]) -> Kind:
        """The value under the subject with its arguments, else under the subject alone. Raises KeyError."""
        return by_subject[self.subject_text] if self.subject_text in by_subject else by_subject[self.subject]

    def __str__(self) -> str:
        gap = f" gap over {quoted(self.gap, BARE_GAP)}" if self.gap else ""
        scope = "" if self.scope.kind == "overall" else f" on {self.scope}"
        return f"{self.subject_text}{gap} {self.op} {self.limit}{scope}"

    def argument(self, name: str, default: Value | None = None) -> Value | None:
        """The argument of that name, else a single one without a name, else the default."""
        for written, value in self.args:
            if written == name or (written is None and len(self.args) == 1):
                return value
        return default


def _value_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    looks_typed = value in ("true", "false") or re.fullmatch(NUMBER, value)
    return json.dumps(value, ensure_ascii=False) if looks_typed else quoted(value)
