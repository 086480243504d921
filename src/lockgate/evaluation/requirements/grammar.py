"""Parse requirement lines and mappings, and write them back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from lockgate.errors import guess
from lockgate.evaluation.requirements.requirement import (
    BARE,
    BARE_GAP,
    BARE_VALUE,
    CLAIMS,
    NAME,
    NUMBER,
    Op,
    Requirement,
    RequirementLimit,
    Scope,
    Value,
    number_text,
    quoted,
)

_LINE = re.compile(
    rf"\s*(?P<subject>{NAME})\s*(?:\((?P<args>(?:[^()\"]|\"(?:[^\"\\]|\\.)*\")*)\))?"
    rf"\s*(?:gap\s+over\s+(?P<gap>{NAME}|\"(?:[^\"\\]|\\.)*\")\s*)?"
    r"(?P<op>>=|<=|==|=|>|<|!=)\s*(?P<limit>.*?)\s*(?:\bon\s+(?P<scope>.+?))?\s*",
    re.DOTALL,
)
_LIMIT = re.compile(
    rf"(?:(?P<declared>declared)|(?P<number>{NUMBER})\s*(?P<percent>%)?|champion\s*(?:(?P<sign>[+\-*])\s*(?P<margin>{NUMBER})\s*(?P<mpercent>%)?)?)"
)
_SIDES = ("at_least", "at_most")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORD = rf"(?:{_QUOTED}|{BARE.pattern})"
_CELL = rf"{_WORD}\s*=\s*(?:{_QUOTED}|{BARE_VALUE.pattern})"
_ARGUMENT = rf"(?:{NAME}\s*=\s*)?{_WORD}"
SCOPE_PATTERN = rf"(?:overall|each\s+slice|(?:each|slice)\s+{_WORD}|{_CELL}(?:\s*&\s*{_CELL})*)"
SUBJECT_PATTERN = rf"\s*{NAME}\s*(?:\(\s*(?:{_ARGUMENT}(?:\s*,\s*{_ARGUMENT})*\s*)?\))?\s*"
_MARGIN = r"champion(?:\s*[+\-*]\s*\+?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)?"
LIMIT_PATTERN = rf"(?:declared|{NUMBER}\s*%?|{_MARGIN})"
GAP_PATTERN = rf"\bgap\s+over\s+(?:{NAME}|{_QUOTED})\s*[<>]=\s*(?:{NUMBER}\s*%?|{_MARGIN})\s*(?:\bon\s+overall\s*)?"
JSON_SCHEMA: Mapping[str, Any] = {
    "anyOf": [
        {
            "type": "string",
            "maxLength": 1000,
            "pattern": rf"^{SUBJECT_PATTERN}(?:{GAP_PATTERN}|[<>]=\s*{LIMIT_PATTERN}\s*(?:\bon\s+{SCOPE_PATTERN}\s*)?)$",
            "examples": [
                "auc >= champion - 0.01 on each slice",
                "errors <= 0",
                "recall gap over geography <= 0.05",
                "recall gap over sex <= champion + 0.02",
            ],
        },
        {
            "type": "object",
            "properties": {
                "metric": {
                    "description": "The metric or other subject of the gate, such as `auc` or `p99_ms(batch=32)`.",
                    "type": "string",
                    "pattern": f"^{SUBJECT_PATTERN}$",
                },
                "at_least": {
                    "description": "The least that it may be: a number, a share, or `champion - 0.01`.",
                    "anyOf": [{"type": "number"}, {"type": "string", "pattern": rf"^\s*{LIMIT_PATTERN}\s*$"}],
                },
                "at_most": {
                    "description": "The most that it may be: a number, a share, `champion * 1.2`, or `declared`, which the version says.",
                    "anyOf": [{"type": "number"}, {"type": "string", "pattern": rf"^\s*{LIMIT_PATTERN}\s*$"}],
                },
                "on": {
                    "description": "Where it is measured: `overall` by default, `each slice`, `each country`, `country=BR`.",
                    "type": "string",
                    "pattern": rf"^\s*{SCOPE_PATTERN}\s*$",
                },
                "gap_over": {
                    "description": "Name of a slice between whose values the largest difference is bounded, by a number or beside the champion's.",
                    "type": "string",
                    "minLength": 1,
                },
                "claim": {
                    "description": "What a pass claims: `not_worse` (the default: the limit is met), `superior` (better than the "
                    "champion), `no_harm` (no loss was seen), `point` (the two numbers compare so; no error rate).",
                    "enum": list(CLAIMS),
                },
                "confidence": {
                    "description": "Confidence of a pass, one-sided; 0.95 by default.",
                    "type": "number",
                    "exclusiveMinimum": 0.5,
                    "exclusiveMaximum": 1,
                },
                "min_rows": {
                    "description": "Rows below which it is inconclusive.",
                    "type": "integer",
                    "minimum": 1,
                },
                "if_inconclusive": {
                    "description": "`ask`: where it is inconclusive, an approval may accept that.",
                    "const": "ask",
                },
            },
            "required": ["metric"],
            "oneOf": [{"required": ["at_least"]}, {"required": ["at_most"]}],
            "dependentSchemas": {
                "gap_over": {
                    "properties": {
                        **{
                            key: {"anyOf": [{"type": "number"}, {"pattern": rf"^\s*(?:{NUMBER}\s*%?|{_MARGIN})\s*$"}]}
                            for key in _SIDES
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


def _typed(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(NUMBER, text):
        number = float(text)
        if not math.isfinite(number):
            raise RequirementError(f"{text} is too large")
        return int(number) if number == int(number) and abs(number) < 2**53 else number
    return text


class _WordReader:
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

    def word(self, role: str, bare: re.Pattern[str] = BARE) -> tuple[str, bool]:
        """(text, whether it was quoted). role: what the word stands for, as an error names it."""
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
            raise RequirementError(f"in {self.line!r}: {role} is missing after {self.text[: self.at].strip()!r}")
        self.at = match.end()
        return match[0], False


def _read_args(text: str, line: str) -> tuple[tuple[str | None, Value], ...]:
    reader, args = _WordReader(text, line), list[tuple[str | None, Value]]()
    while True:
        word, quoted = reader.word("an argument")
        if not quoted and reader.take("="):
            if not re.fullmatch(NAME, word):
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


def parse_scope(text: str, line: str) -> Scope:
    """`overall`, `each slice`, `each NAME`, `slice NAME`, `NAME=value & NAME=value`. Raises RequirementError."""
    stripped = text.strip()
    if stripped == "overall":
        return Scope()
    if re.fullmatch(r"each\s+slice", stripped):
        return Scope("each_slice")
    head = re.match(r"(each|slice)\s+(?=\S)", stripped)
    if head and "=" not in stripped.split('"')[0]:
        reader = _WordReader(stripped[head.end() :], line)
        name, _ = reader.word("the name of a slice")
        if not reader.done():
            raise RequirementError(f"in {line!r}: nothing may follow {head[1]} {name}")
        return Scope("each" if head[1] == "each" else "slice", name=name)
    reader, cell = _WordReader(stripped, line), list[tuple[str, str]]()
    while True:
        name, _ = reader.word("the name of a slice")
        if not reader.take("="):
            raise RequirementError(
                f"in {line!r}: {stripped!r} is no scope; write overall, each slice, each NAME, slice NAME or NAME=value"
            )
        value, _ = reader.word(f"the value of {name}", BARE_VALUE)
        cell.append((name, value))
        if reader.done():
            break
        if not reader.take("&"):
            raise RequirementError(f"in {line!r}: conditions are joined by &")
    if len({name for name, _ in cell}) != len(cell):
        raise RequirementError(f"in {line!r}: a slice is named twice")
    return Scope("cell", cell=tuple(cell))


def parse_limit(text: str, line: str) -> RequirementLimit:
    """`0.9`, `5%`, `champion`, `champion - 0.01`, `champion * 1.1`, `declared`. Raises RequirementError."""
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise RequirementError(
            f"in {line!r}: {text.strip()!r} is no limit; "
            "write a number, a percentage, champion, champion - 0.01 or champion * 1.1"
        )
    if match["declared"]:
        return RequirementLimit(relative=False, declared=True)
    if match["mpercent"]:
        raise RequirementError(
            f"in {line!r}: a margin in percent is ambiguous; write champion {match['sign']} "
            f"{number_text(float(match['margin']) / 100)} in the metric's own units, or champion * a factor"
        )
    if match["number"] is not None:
        return RequirementLimit(relative=False, number=_finite(match["number"], line), percent=bool(match["percent"]))
    if match["sign"] is None:
        return RequirementLimit(relative=True)
    margin, sign = _finite(match["margin"], line), cast("Any", match["sign"])
    if margin < 0:
        raise RequirementError(f"in {line!r}: the margin is negative; turn the sign before it")
    return RequirementLimit(relative=True, number=margin, sign=sign)


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
    if requirement.gap and (requirement.limit.declared or requirement.scope.kind != "overall"):
        raise RequirementError(f"in {line!r}: a gap is compared with a number or with the champion's, overall")
    return requirement


_MAPPING_KEYS = ("metric", *_SIDES, "on", "gap_over", "claim", "confidence", "min_rows", "if_inconclusive")


def read(value: Any) -> Requirement:
    """A requirement from its line or from its mapping form. Raises RequirementError."""
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, Mapping):
        return from_mapping(value)
    raise RequirementError(f"{value!r} is no requirement; write for example: auc >= champion - 0.01 on each slice")


def from_mapping(mapping: Mapping[str, Any]) -> Requirement:
    """A requirement from its mapping form; `to_mapping` writes it back. Raises RequirementError."""
    unknown = [key for key in mapping if key not in _MAPPING_KEYS]
    if unknown:
        raise RequirementError(
            f"a requirement has no {unknown[0]!r}; known: {', '.join(_MAPPING_KEYS)}"
            + guess(str(unknown[0]), _MAPPING_KEYS)
        )
    requirement = parse(_line(mapping))
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
    confidence = None if confidence is None else float(confidence)
    return replace(requirement, claim=claim, confidence=confidence, min_rows=min_rows, if_inconclusive=ask)


def _line(mapping: Mapping[str, Any]) -> str:
    """The line that the subject, the limit and the scope of a mapping come to. Raises RequirementError."""
    if not isinstance(mapping.get("metric"), str):
        raise RequirementError("a requirement needs metric: its subject, such as auc or recall(threshold=0.7)")
    sides = [key for key in _SIDES if key in mapping]
    if len(sides) != 1:
        raise RequirementError(f"the requirement on {mapping['metric']} needs exactly one of at_least and at_most")
    limit, scope = mapping[sides[0]], mapping.get("on", "overall")
    if isinstance(limit, bool) or not isinstance(limit, str | int | float):
        raise RequirementError(f"{sides[0]}: {limit!r} is no limit; write a number or champion - 0.01")
    if not isinstance(limit, str):
        limit = number_text(float(limit)) if math.isfinite(limit) else str(limit)
    gap = f" gap over {quoted(str(mapping['gap_over']), BARE_GAP)}" if "gap_over" in mapping else ""
    if not isinstance(scope, str):
        choices = "overall, each slice, each NAME, slice NAME or NAME=value"
        raise RequirementError(f"on: {scope!r} is no scope; write {choices}")
    return f"{mapping['metric']}{gap} {'>=' if sides[0] == 'at_least' else '<='} {limit} on {scope}"


@lru_cache(4096)  # many runs have the same lines
def from_text(text: str) -> Requirement:
    """A requirement as evidence shows it: its line, and in braces what only the mapping form can say. Raises RequirementError."""
    line, _, more = text.removesuffix("}").rpartition(" {") if text.endswith("}") else (text, "", "")
    requirement = parse(line)
    entries = dict(entry.split(": ", 1) for entry in more.split(", ") if ": " in entry)
    numbers: dict[str, Any] = {"confidence": float, "min_rows": int}
    return replace(requirement, **{key: numbers.get(key, str)(value) for key, value in entries.items()})


def to_mapping(requirement: Requirement) -> dict[str, Any]:
    """The mapping form of a requirement: everything that it says, nothing that it does not."""
    mapping: dict[str, Any] = {"metric": requirement.subject_text}
    if requirement.gap is not None:
        mapping["gap_over"] = requirement.gap
    mapping["at_least" if requirement.op == ">=" else "at_most"] = str(requirement.limit)
    if requirement.scope.kind != "overall":
        mapping["on"] = str(requirement.scope)
    for key in ("claim", "confidence", "min_rows", "if_inconclusive"):
        if getattr(requirement, key) is not None:
            mapping[key] = getattr(requirement, key)
    return mapping
