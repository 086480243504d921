"""One line of what is asked, such as `auc >= champion - 0.01 on each slice`, and what its left side means."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from lockgate.errors import guess

Op = Literal[">=", "<="]
RequirementClaim = Literal["not_worse", "superior", "no_harm", "point"]
CLAIMS: tuple[RequirementClaim, ...] = ("not_worse", "superior", "no_harm", "point")
Value = str | float | int | bool
Kind = TypeVar("Kind")

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_NAME = r"[A-Za-z_][A-Za-z0-9_.\-]*"
_LINE = re.compile(
    rf"\s*(?P<subject>{_NAME})\s*(?:\((?P<args>(?:[^()\"]|\"(?:[^\"\\]|\\.)*\")*)\))?"
    rf"\s*(?:gap\s+over\s+(?P<gap>{_NAME}|\"(?:[^\"\\]|\\.)*\")\s*)?"
    r"(?P<op>>=|<=|==|=|>|<|!=)\s*(?P<limit>.*?)\s*(?:\bon\s+(?P<scope>.+?))?\s*",
    re.DOTALL,
)
_LIMIT = re.compile(
    rf"(?:(?P<number>{_NUMBER})\s*(?P<percent>%)?|champion\s*(?:(?P<sign>[+\-*])\s*(?P<margin>{_NUMBER})\s*(?P<mpercent>%)?)?)"
)
_BARE = re.compile(r"[^\s\"&=(),]+(?: +[^\s\"&=(),]+)*")
_BARE_GAP = re.compile(_NAME)
_BARE_VALUE = re.compile(r"[^\s\"&=]+(?: +[^\s\"&=]+)*")
_QUOTED = r"\"(?:[^\"\\]|\\.)*\""
_WORD = rf"(?:{_QUOTED}|{_BARE.pattern})"
_CELL = rf"{_WORD}\s*=\s*(?:{_QUOTED}|{_BARE_VALUE.pattern})"
_ARGUMENT = rf"(?:{_NAME}\s*=\s*)?{_WORD}"
LIMIT_PATTERN = rf"(?:{_NUMBER}\s*%?|champion(?:\s*[+\-*]\s*\+?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)?)"
SCOPE_PATTERN = rf"(?:overall|each\s+slice|(?:each|slice)\s+{_WORD}|{_CELL}(?:\s*&\s*{_CELL})*)"
SUBJECT_PATTERN = rf"\s*{_NAME}\s*(?:\(\s*(?:{_ARGUMENT}(?:\s*,\s*{_ARGUMENT})*\s*)?\))?\s*"
GAP_PATTERN = rf"\bgap\s+over\s+(?:{_NAME}|{_QUOTED})\s*[<>]=\s*{_NUMBER}\s*%?\s*(?:\bon\s+overall\s*)?"
JSON_SCHEMA: Mapping[str, Any] = {
    "anyOf": [
        {
            "type": "string",
            "maxLength": 1000,
            "pattern": rf"^{SUBJECT_PATTERN}(?:{GAP_PATTERN}|[<>]=\s*{LIMIT_PATTERN}\s*(?:\bon\s+{SCOPE_PATTERN}\s*)?)$",
            "examples": ["auc >= champion - 0.01 on each slice", "errors <= 0", "recall gap over geography <= 0.05"],
        },
        {
            "type": "object",
            "properties": {
                "metric": {"type": "string", "pattern": f"^{SUBJECT_PATTERN}$"},
                "at_least": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": rf"^\s*{LIMIT_PATTERN}\s*$"}]},
                "at_most": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": rf"^\s*{LIMIT_PATTERN}\s*$"}]},
                "on": {"type": "string", "pattern": rf"^\s*{SCOPE_PATTERN}\s*$"},
                "gap_over": {"type": "string", "minLength": 1},
                "claim": {"enum": list(CLAIMS)},
                "confidence": {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 1},
                "min_rows": {"type": "integer", "minimum": 1},
                "if_inconclusive": {"const": "ask"},
            },
            "required": ["metric"],
            "oneOf": [{"required": ["at_least"]}, {"required": ["at_most"]}],
            "dependentSchemas": {
                "gap_over": {
                    "properties": {
                        **{
                            side: {"anyOf": [{"type": "number"}, {"pattern": rf"^\s*{_NUMBER}\s*%?\s*$"}]}
                            for side in ("at_least", "at_most")
                        },
                        "on": {"pattern": r"^\s*overall\s*$"},
                    }
                }
            },
            "additionalProperties": False,
        },
    ]
}


class RequirementError(ValueError):
    """A line that does not follow the grammar; the text says where and shows a line that does."""


def number_text(value: float) -> str:
    """The shortest decimal that reads back to the same number, without an exponent where that is short."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def _quoted(text: str, bare: re.Pattern[str] = _BARE) -> str:
    """A name or value as a line can hold it: bare where that reads back, else in double quotes."""
    return text if bare.fullmatch(text) else json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True)
class RequirementLimit:
    """The right side: a number (`percent`: written in hundredths), or the champion's value with a margin.

    sign: + or - a margin, * a factor, None for the bare word `champion` or a plain number.
    """

    relative: bool
    number: float | None = None
    sign: Literal["+", "-", "*"] | None = None
    percent: bool = False

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
        if not self.relative:
            return number_text(self.number or 0.0) + ("%" if self.percent else "")
        if self.sign is None:
            return "champion"
        return f"champion {self.sign} {number_text(self.number or 0.0)}"


@dataclass(frozen=True)
class Scope:
    """Where a line is asked: overall, on each declared slice, each value of one, a `where` slice, or one cell."""

    kind: Literal["overall", "each_slice", "each", "slice", "cell"] = "overall"
    name: str | None = None
    cell: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.kind == "overall":
            return "overall"
        if self.kind == "each_slice":
            return "each slice"
        if self.kind == "cell":
            return " & ".join(f"{_quoted(name)}={_quoted(value, _BARE_VALUE)}" for name, value in self.cell)
        return f"{self.kind} {_quoted(self.name or '')}"


@dataclass(frozen=True)
class Requirement:
    """A parsed line with what only the mapping form can say.

    args: (name or None, value) as written between the parentheses. gap: the slices whose values are compared with each
    other. claim, confidence (one-sided), min_rows, if_inconclusive: None where not said.
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
    def asked(self) -> str:
        """The subject with its arguments: `recall(threshold=0.7)`."""
        if not self.args:
            return self.subject
        inside = ", ".join((f"{name}=" if name else "") + _value_text(value) for name, value in self.args)
        return f"{self.subject}({inside})"

    @property
    def spoken(self) -> str:
        """The subject as a sentence says it: `macro recall`, `recall of class fraud`, else as it was asked."""
        words = {given or "average": value for given, value in self.args}
        if set(words) == {"class"}:
            return f"{self.subject} of class {words['class']}"
        if set(words) == {"average"} and words["average"] in ("macro", "micro"):
            return f"{words['average']} {self.subject}"
        return self.asked

    def among(self, named: Mapping[str, Kind]) -> Kind:
        """What is known by the subject with its arguments, else by the subject alone. Raises KeyError."""
        return named[self.asked] if self.asked in named else named[self.subject]

    def __str__(self) -> str:
        gap = f" gap over {_quoted(self.gap, _BARE_GAP)}" if self.gap else ""
        scope = "" if self.scope.kind == "overall" else f" on {self.scope}"
        return f"{self.asked}{gap} {self.op} {self.limit}{scope}"

    def argument(self, name: str, default: Value | None = None) -> Value | None:
        """The argument of that name, else a single one without a name, else the default."""
        for given, value in self.args:
            if given == name or (given is None and len(self.args) == 1):
                return value
        return default


def _value_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    return _quoted(str(value)) if not _looks_typed(str(value)) else json.dumps(str(value), ensure_ascii=False)


def _looks_typed(text: str) -> bool:
    return text in ("true", "false") or re.fullmatch(_NUMBER, text) is not None


def _typed(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(_NUMBER, text):
        number = float(text)
        if not math.isfinite(number):
            raise RequirementError(f"{text} is too large")
        return int(number) if number == int(number) and abs(number) < 2**53 else number
    return text


class _Reader:
    """Reads names, values and separators off one part of a line."""

    def __init__(self, text: str, line: str) -> None:
        self.text, self.at, self.line = text, 0, line

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def done(self) -> bool:
        self.skip()
        return self.at >= len(self.text)

    def take(self, sign: str) -> bool:
        self.skip()
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def word(self, what: str, bare: re.Pattern[str] = _BARE) -> tuple[str, bool]:
        """(text, whether it was quoted)."""
        self.skip()
        if self.text.startswith('"', self.at):
            try:
                value, end = json.JSONDecoder().raw_decode(self.text, self.at)
            except ValueError as error:
                raise RequirementError(f"in {self.line!r}: a quote is not closed") from error
            self.at = end
            return str(value), True
        match = bare.match(self.text, self.at)
        if match is None:
            raise RequirementError(f"in {self.line!r}: {what} is missing after {self.text[: self.at].strip()!r}")
        self.at = match.end()
        return match[0], False


def _read_args(text: str, line: str) -> tuple[tuple[str | None, Value], ...]:
    reader, args = _Reader(text, line), list[tuple[str | None, Value]]()
    while True:
        word, quoted = reader.word("an argument")
        if not quoted and reader.take("="):
            if not re.fullmatch(_NAME, word):
                raise RequirementError(f"in {line!r}: {word!r} is no name of an argument")
            value, value_quoted = reader.word(f"the value of {word}")
            args.append((word, value if value_quoted else _typed(value)))
        else:
            args.append((None, word if quoted else _typed(word)))
        if reader.done():
            break
        if not reader.take(","):
            raise RequirementError(f"in {line!r}: arguments are separated by commas")
    names = [name for name, _ in args if name is not None]
    if len(names) != len(set(names)):
        raise RequirementError(f"in {line!r}: an argument is given twice")
    return tuple(args)


def parse_scope(text: str, line: str | None = None) -> Scope:
    """`overall`, `each slice`, `each NAME`, `slice NAME`, `NAME=value & NAME=value`. Raises RequirementError."""
    line = line or text
    stripped = text.strip()
    if stripped == "overall":
        return Scope()
    if re.fullmatch(r"each\s+slice", stripped):
        return Scope("each_slice")
    head = re.match(r"(each|slice)\s+(?=\S)", stripped)
    if head and "=" not in stripped.split('"')[0]:
        reader = _Reader(stripped[head.end() :], line)
        name, _ = reader.word("the name of a slice")
        if not reader.done():
            raise RequirementError(f"in {line!r}: nothing may follow {head[1]} {name}")
        return Scope("each" if head[1] == "each" else "slice", name=name)
    reader, cell = _Reader(stripped, line), list[tuple[str, str]]()
    while True:
        name, _ = reader.word("the name of a slice")
        if not reader.take("="):
            raise RequirementError(
                f"in {line!r}: {stripped!r} is no scope; write overall, each slice, each NAME, slice NAME or NAME=value"
            )
        value, _ = reader.word(f"the value of {name}", _BARE_VALUE)
        cell.append((name, value))
        if reader.done():
            break
        if not reader.take("&"):
            raise RequirementError(f"in {line!r}: conditions are joined by &")
    if len({name for name, _ in cell}) != len(cell):
        raise RequirementError(f"in {line!r}: a slice is named twice")
    return Scope("cell", cell=tuple(cell))


def parse_limit(text: str, line: str | None = None) -> RequirementLimit:
    """`0.9`, `5%`, `champion`, `champion - 0.01`, `champion * 1.1`. Raises RequirementError."""
    line = line or text
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise RequirementError(
            f"in {line!r}: {text.strip()!r} is no limit; "
            "write a number, a percentage, champion, champion - 0.01 or champion * 1.1"
        )
    if match["mpercent"]:
        raise RequirementError(
            f"in {line!r}: a margin in percent is ambiguous; write champion {match['sign']} "
            f"{number_text(float(match['margin']) / 100)} in the metric's own units, or champion * a factor"
        )
    if match["number"] is not None:
        limit = RequirementLimit(relative=False, number=_finite(match["number"], line), percent=bool(match["percent"]))
    elif match["sign"] is None:
        limit = RequirementLimit(relative=True)
    else:
        margin = _finite(match["margin"], line)
        if margin < 0:
            raise RequirementError(f"in {line!r}: the margin is negative; turn the sign before it")
        sign: Any = match["sign"]
        limit = RequirementLimit(relative=True, number=margin, sign=sign)
    return limit


def _finite(text: str, line: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RequirementError(f"in {line!r}: {text} is too large")
    return number + 0.0  # -0.0 reads and prints as 0


def parse(line: str) -> Requirement:
    """A requirement from its line; `str` writes it back. Raises RequirementError."""
    if len(line) > 1000:
        raise RequirementError("a requirement is longer than 1,000 characters")
    match = _LINE.fullmatch(line)
    if match is None:
        raise RequirementError(f"{line!r} is no requirement; write for example: auc >= champion - 0.01 on each slice")
    if match["op"] not in (">=", "<="):
        raise RequirementError(f"in {line!r}: {match['op']!r} cannot be decided on measured values; write >= or <=")
    op: Op = match["op"]  # type: ignore[assignment]
    gap = match["gap"]
    requirement = Requirement(
        subject=match["subject"],
        args=() if match["args"] is None or not match["args"].strip() else _read_args(match["args"], line),
        op=op,
        limit=parse_limit(match["limit"], line),
        scope=Scope() if match["scope"] is None else parse_scope(match["scope"], line),
        gap=json.loads(gap) if gap and gap.startswith('"') else gap,
    )
    if requirement.gap and (requirement.limit.relative or requirement.scope.kind != "overall"):
        raise RequirementError(f"in {line!r}: a gap is held against a number, overall")
    return requirement


_SIDES = ("at_least", "at_most")
_MAPPING_KEYS = ("metric", *_SIDES, "on", "gap_over", "claim", "confidence", "min_rows", "if_inconclusive")


def from_mapping(mapping: Mapping[str, Any]) -> Requirement:
    """A requirement from its mapping form; `to_mapping` writes it back. Raises RequirementError."""
    unknown = [key for key in mapping if key not in _MAPPING_KEYS]
    if unknown:
        raise RequirementError(
            f"a requirement has no {unknown[0]!r}; known: {', '.join(_MAPPING_KEYS)}"
            + guess(str(unknown[0]), _MAPPING_KEYS)
        )
    if not isinstance(mapping.get("metric"), str):
        raise RequirementError("a requirement needs metric: its subject, such as auc or recall(threshold=0.7)")
    sides = [key for key in _SIDES if key in mapping]
    if len(sides) != 1:
        raise RequirementError(f"the requirement on {mapping['metric']} needs exactly one of at_least and at_most")
    limit = mapping[sides[0]]
    if isinstance(limit, bool) or not isinstance(limit, str | int | float):
        raise RequirementError(f"{sides[0]}: {limit!r} is no limit; write a number or champion - 0.01")
    if not isinstance(limit, str):
        limit = number_text(float(limit)) if math.isfinite(limit) else str(limit)
    gap = f" gap over {_quoted(str(mapping['gap_over']), _BARE_GAP)}" if "gap_over" in mapping else ""
    on = mapping.get("on", "overall")
    if not isinstance(on, str):
        raise RequirementError(
            f"on: {on!r} is no scope; write overall, each slice, each NAME, slice NAME or NAME=value"
        )
    line = f"{mapping['metric']}{gap} {'>=' if sides[0] == 'at_least' else '<='} {limit} on {on}"
    requirement = parse(line)
    claim = mapping.get("claim")
    if claim is not None and claim not in CLAIMS:
        raise RequirementError(f"claim: {claim!r} is not one of {', '.join(CLAIMS)}{guess(str(claim), CLAIMS)}")
    confidence = mapping.get("confidence")
    if confidence is not None and (
        isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0.5 < confidence < 1
    ):
        raise RequirementError(f"confidence: {confidence!r} is not between 0.5 and 1; it is one-sided, 0.95 by default")
    min_rows = mapping.get("min_rows")
    if min_rows is not None and (isinstance(min_rows, bool) or not isinstance(min_rows, int) or min_rows < 1):
        raise RequirementError(f"min_rows: {min_rows!r} is not a number of rows, 1 or more")
    ask = mapping.get("if_inconclusive")
    if ask not in (None, "ask"):
        raise RequirementError(f"if_inconclusive: {ask!r} is not known; the only value is ask")
    return replace(
        requirement,
        claim=claim,
        confidence=None if confidence is None else float(confidence),
        min_rows=min_rows,
        if_inconclusive=ask,
    )


def to_mapping(requirement: Requirement) -> dict[str, Any]:
    """The mapping form of a requirement: everything that it says, nothing that it does not."""
    mapping: dict[str, Any] = {"metric": requirement.asked}
    if requirement.gap is not None:
        mapping["gap_over"] = requirement.gap
    mapping["at_least" if requirement.op == ">=" else "at_most"] = str(requirement.limit)
    if requirement.scope.kind != "overall":
        mapping["on"] = str(requirement.scope)
    for key in ("claim", "confidence", "min_rows", "if_inconclusive"):
        if getattr(requirement, key) is not None:
            mapping[key] = getattr(requirement, key)
    return mapping


@dataclass(frozen=True)
class Subject:
    """What the left side of a line may be: light data, so that a pipeline is checked without numpy.

    better: the direction in which the value improves, None where neither is. counted: a fact of this run, decided
    exactly; otherwise estimated, decided on a confidence bound. unit: shown behind values. bounds: smallest and largest
    possible value. args: names of the arguments it takes. tasks: where it makes sense, empty for every one. needs: of
    score, label, threshold, query, champion, what must be there; `no champion` says that the champion has no such value of its
    own. rewrite: shown when a rate of this subject is held to zero. proportion: whether a value between 0 and 1 is a
    share of units, so that the units needed are known. instead: what is asked where models or slices are to be compared,
    which this subject's bound does not do. firmer: lines that say nearly the same and are decided exactly, `{}` standing for
    the argument. words: the arguments that are words and no numbers, each with those that it may be, none for any.
    counted_in: of what its rows are, rows or queries. by_task: what the subject is in a task where it differs.
    """

    name: str
    better: Literal["higher", "lower"] | None
    counted: bool = False
    unit: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    args: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    rewrite: str | None = None
    proportion: bool = True
    instead: str | None = None
    firmer: str | None = None
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    counted_in: str = "rows"
    by_task: Mapping[str, Subject] = field(default_factory=dict, hash=False)

    def in_task(self, task: str) -> Subject:
        return self.by_task.get(task, self)

    def arguments(self, line: Requirement) -> dict[str, Value]:
        """The arguments of a line by name; a single one without a name is the first that the subject takes."""
        return {given or self.args[0]: value for given, value in line.args if given or self.args}

    def misfits(self, line: Requirement) -> Iterator[str]:
        """What a line says that the subject does not take."""
        text, takes = repr(str(line)), ", ".join(self.args) or "no arguments"
        for given, value in line.args:
            name = given or (self.args[0] if self.args else None)
            if name not in self.args:
                yield f"{text}: {self.name} takes {takes}, not {value if name is None else name!r}"
            elif self.words.get(name) and value not in self.words[name]:
                yield f"{text}: {name} must be {' or '.join(self.words[name])}, and is {value!r}"
