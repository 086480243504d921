"""Cut rows of data out of what a model, a library or a server wrote about them.

What stays of an error are its type, the words of its first line, the names of columns and places in code. What is cut:
quoted texts that are no column or type, numbers that may be values, literals in brackets, every value of the rows at
hand, and further lines. What a process printed beside its tracebacks is left out whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

CUT = "…"
_COLUMNS = b"lockgate:columns"  # in the metadata of a batch's schema
_LENGTH = 300  # of what is kept of one text
_FEW_WORDS = 4  # a value of so few words is a name or an address, of which one word is already too much
_PHRASE = 12  # words of a text that are looked up as one value; what is longer is found by its beginning
_BEGINNING = 24

# `'…'`, `"…"` and `` `…` ``; an apostrophe inside of a word neither opens nor closes one
_QUOTED = re.compile(r"""(?<!\w)(?P<mark>['"`])(?P<inside>(?:\\.|(?!(?P=mark)(?!\w)).)*)(?P<end>(?P=mark)(?!\w))?""")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d(?:[\d_,.:/TZ-]*[\dZ])?(?:e[-+]?\d+)?(?!\w)|(?<==)[-+\w.]+", re.I)
_LONG = re.compile(r"\S*@\S*|\w+://\S+|[\w+/=-]{30,}")
_WORD = re.compile(r"\w+")
_BRACKETS = re.compile(r"[\[{](?:[^\[\]{}]|[\[{][^\[\]{}]*[\]}])*[\]}]?")
_TYPE_NAME = re.compile(
    r"[<>=|]?[UV]\d+|(?:float|u?int|complex)\d*|datetime64(?:\[\w+\])?|timedelta64(?:\[\w+\])?|timestamp|bool|boolean|object"
    r"|str|string|bytes|binary|category|double|long|integer|date|datetime|list|dict|tuple|NoneType|ndarray|DataFrame|Series"
)
_CODE_ERRORS = ("AttributeError", "NameError", "UnboundLocalError", "TypeError", "ImportError", "ModuleNotFoundError")
_CODE_NAME = re.compile(r"[A-Za-z_][\w.]*(?:\(\))?")
_COUNTED = re.compile(r"\s*(?:features?|columns?|rows?|samples?|classes|outputs?|inputs?|values|elements|dimensions?|"
                      r"positional|arguments?|bytes|items|fields|entries)\b")  # fmt: skip
_COUNTS = re.compile(r"(?:line|row|rows|column|columns|axis|status|errno|dimension|dim|byte|position|argument|index|rank|length)"
                     r"\s$", re.I)  # fmt: skip
_SHAPE = re.compile(r"\b(?:shapes?|sizes?|dimensions?)\b", re.I)
_PART_OF_SHAPE = re.compile(r"[\d, x]{1,20}")
_ENFORCED = ("Failed to enforce schema of data '", "' with schema ", ". Error: ")
_DATA, _DATA_END = re.compile(r"(?<=data )[`']"), re.compile(r"[`'](?= with | to |\.\s)")
_INPUT, _INPUT_END = re.compile(r"(?<=input )[`']"), re.compile(r"[`'](?= with | to )")
_INPUT_VALUE = re.compile(r"input_value=.*?(?=, input_type=|\]|$)", re.S)
# Of a text, before anything looks at it; what looks takes a time that grows with the length, not its square.
_READ = 2**16

_MESSAGES = ("error_code", "code", "error", "errors", "message", "detail", "title", "msg", "reason")
_TAG = re.compile(r"<(?:style|script)(?:.*?</|.*)|<[^<>]*>", re.S | re.I)

_FRAME = re.compile(r'\s*File "[^"]*", line \d+,? in \S+|\s*File "[^"]*", line \d+$')
_RAISED = re.compile(r"(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*)(?:: (?P<text>.*))?$")
_KEPT_LINE = re.compile(
    r"Traceback \(most recent call last\):|During handling of the above exception|The above exception was the direct"
    r"|Fatal Python error: [\w .:-]+$|(?:Current )?[Tt]hread 0x[0-9a-f]+ |<no Python frame>"
    r'|(?:INFO|WARNING|ERROR)?:?.*"(?:GET|POST|HEAD) [^" ?]* HTTP/[\d.]+"'
)


class RowText:
    """What may be shown of texts about some rows. batch: those rows; values: texts that are in them; names: kept."""

    def __init__(
        self, batch: pa.RecordBatch | None = None, *, names: Iterable[str] = (), values: Iterable[str] = ()
    ) -> None:
        self._batch, self._more = batch, values
        self._names = {str(name) for name in names}
        if batch is not None:
            self._names |= {*batch.schema.names, *json.loads((batch.schema.metadata or {}).get(_COLUMNS, b"[]"))}

    def asked_for(self, names: Iterable[str]) -> RowText:
        """The same, with names of columns that are not in the data: what is a value of the rows is none of them."""
        wider = RowText(self._batch, values=self._more)
        wider._names = self._names | {name for name in names if not self._is_value(name)}
        return wider

    def names_column(self, name: str) -> bool:
        """Whether it is one of the names that stay."""
        return name in self._names

    def error(self, kind: str, text: str) -> str:
        """`ValueError: could not convert string to float: '…'` of an exception's type and text."""
        safe = self.sentence(text, kind=kind)
        return f"{kind}: {safe}" if safe else kind

    def sentence(self, text: str, *, kind: str = "") -> str:
        """One line of the text without rows. kind: the exception's type; some quote names of code, which stay."""
        text = _without_quoted_rows(text.strip()[:_READ])
        lines = text.splitlines() or [""]
        first = self._line(lines[0], kind)
        named = [name for line in lines[1:] if (name := line.strip(" -*\t'\"")) in self._names]
        if len(lines) > 1:
            first = f"{first} {CUT}" + (f" {', '.join(named[:10])}" if named else "")
        return first if len(first) <= _LENGTH else first[:_LENGTH] + " " + CUT

    def body(self, text: str) -> str:
        """Of an HTTP body, in one line: of JSON what stands under keys such as `message`, of other texts the words."""
        try:
            document = json.loads(text)
        except ValueError:
            text = text[:_READ]
            return self.sentence(_TAG.sub(" ", text) if text.lstrip().startswith("<") else text)
        if isinstance(document, str):
            document = {"message": document}
        messages = dict.fromkeys(filter(None, map(self.sentence, self._messages(document))))
        return "; ".join(list(messages)[:5])

    def _messages(self, document: Any) -> Iterator[str]:
        for item in document if isinstance(document, list) else [document]:
            for key, value in item.items() if isinstance(item, Mapping) else ():
                if key == "loc":  # where the server's own check found it, as pydantic says it
                    yield from (part for part in value if isinstance(part, str) and part in self._names)
                elif key in _MESSAGES and isinstance(value, str):
                    yield value
                elif key in _MESSAGES:
                    yield from self._messages(value)

    def output(self, text: str) -> str:
        """Of the last lines of a process: its tracebacks, their messages cut, and how many other lines it wrote."""
        return "\n".join(self._output(text.splitlines()))

    def _output(self, lines: Sequence[str]) -> Iterator[str]:
        left_out, in_frame, may_raise = 0, False, False
        for line in lines:
            raised = _RAISED.match(line) if may_raise else None
            if _FRAME.match(line):
                kept, in_frame, may_raise = line, True, True
            elif _KEPT_LINE.match(line):
                kept, in_frame, may_raise = line, False, False
            elif in_frame and line.startswith("    "):
                kept = line  # the source, which follows the place
            elif raised is not None:
                kept, in_frame, may_raise = self.error(raised["type"], raised["text"] or ""), False, False
            elif not line.strip():
                continue
            else:
                left_out, in_frame, may_raise = left_out + 1, False, False
                continue
            if left_out:
                yield _left_out(left_out)
                left_out = 0
            yield kept
        if left_out:
            yield _left_out(left_out)

    def _line(self, line: str, kind: str) -> str:
        line = line[: 10 * _LENGTH]
        parts, end = [], 0
        for match in _QUOTED.finditer(line):
            parts += [self._unquoted(line[end : match.start()], line), self._quoted(match, kind)]
            end = match.end()
            if not match["end"]:
                end = len(line)  # a quote that is never closed holds all that follows
        parts.append(self._unquoted(line[end:], line))
        return _cut_brackets("".join(parts), self._names)

    def _quoted(self, match: re.Match[str], kind: str) -> str:
        inside, mark = match["inside"], match["mark"]
        if inside in self._names or _TYPE_NAME.fullmatch(inside):
            return match[0]
        code = kind in _CODE_ERRORS and _CODE_NAME.fullmatch(inside) and not self._is_value(inside)
        return match[0] if code else f"{mark}{CUT}{mark}"

    def _unquoted(self, text: str, line: str) -> str:
        text = _LONG.sub(lambda match: match[0] if match[0].strip("=") in self._names else CUT, text)
        text = self.without_values(text)
        shapes = _SHAPE.search(line) is not None
        return _NUMBER.sub(lambda match: self._number(match, text, shapes=shapes), text)

    def _number(self, match: re.Match[str], text: str, *, shapes: bool) -> str:
        number = match[0]
        before, after = text[: match.start()], text[match.end() :]
        digits = sum(sign.isdigit() for sign in number)
        if number in self._names or not digits:
            return (
                CUT
                if before.endswith("=") and number not in self._names and not _TYPE_NAME.fullmatch(number)
                else number
            )
        if before.endswith("="):
            return CUT
        if shapes and _PART_OF_SHAPE.fullmatch(number):
            return number
        if digits < 8 and number.isdigit() and (_COUNTED.match(after) or _COUNTS.search(before)):
            return number
        if digits >= 4 or (digits >= 3 and not number.isdigit()):
            return CUT
        return CUT if digits > 1 and number.lstrip("+") in self._numbers else number

    def _is_value(self, text: str) -> bool:
        return text.casefold().strip() in self._values

    def without_values(self, text: str) -> str:
        """The text without whole values of the rows, and without single words of names."""
        if not self._values:
            return text
        folded = text.casefold()
        for beginning in self._beginnings:
            if beginning in folded:
                text = text[: folded.index(beginning)] + CUT
                folded = text.casefold()
        words = list(_WORD.finditer(text))
        parts, end, number = [], 0, 0
        while number < len(words):
            for last in range(min(len(words), number + _PHRASE) - 1, number - 1, -1):
                phrase = text[words[number].start() : words[last].end()]
                if phrase not in self._names and len(phrase) > 1 and self._is_value(phrase):
                    parts += [text[end : words[number].start()], CUT]
                    end, number = words[last].end(), last
                    break
            number += 1
        return "".join([*parts, text[end:]])

    @cached_property
    def _values(self) -> frozenset[str]:
        values = {text.casefold().strip() for text in self._texts}
        words = {word for text in values if len(text.split()) <= _FEW_WORDS for word in _WORD.findall(text)}
        return frozenset(value for value in values | {word for word in words if len(word) > 2} if value)

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        long = (text for text in self._texts if len(text.split()) > _PHRASE or len(text) > 80)
        return frozenset(text.casefold().strip()[:_BEGINNING] for text in long)

    @cached_property
    def _texts(self) -> frozenset[str]:
        columns = () if self._batch is None else self._batch.columns
        return frozenset(text for column in columns for text in _texts_of(column)) | frozenset(self._more)

    @cached_property
    def _numbers(self) -> frozenset[str]:
        """The different numbers of the rows as people and libraries write them."""
        import pyarrow as pa

        numbers = set[str]()
        for column in () if self._batch is None else self._batch.columns:
            if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
                values = column.unique().to_pylist()
                numbers |= {str(value) for value in values}
                numbers |= {str(int(value)) for value in values if isinstance(value, float) and value.is_integer()}
        return frozenset(numbers) | self._values


def with_columns(batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """The batch with the names of all columns of its data, of which it holds some: an error may name the others, too."""
    return batch.replace_schema_metadata({**(batch.schema.metadata or {}), _COLUMNS: json.dumps([*names])})


def json_texts(value: Any) -> Iterator[str]:
    """The texts and numbers in a JSON value, as texts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from json_texts(item)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _texts_of(column: pa.Array) -> Iterable[str]:
    """The different texts of a column, of nested values their leaves."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts_of(column.dictionary)
    if pa.types.is_nested(kind):
        return json_texts(column.to_pylist())
    if pa.types.is_primitive(kind) or pa.types.is_null(kind) or pa.types.is_decimal(kind):
        return ()  # numbers and times
    return json_texts(column.cast(pa.large_binary()).unique().to_pylist())


def _without_quoted_rows(text: str) -> str:
    """The text without the rows that MLflow, pandas and pydantic quote as a whole."""
    begin, middle, error = _ENFORCED
    end = text.rfind(middle, 0, max(0, text.rfind(error, 0, len(text) - 1)))
    start = text.find(begin, 0, max(0, end))
    if start >= 0:
        text = text[:start] + text[text.index(error, end) + len(error) :]
    for opening, closing in ((_DATA, _DATA_END), (_INPUT, _INPUT_END)):
        first = opening.search(text)
        last = first and max((each.end() for each in closing.finditer(text, first.end())), default=0)
        if first and last:
            text = text[: first.start()] + CUT + text[last:]
    return _INPUT_VALUE.sub(CUT, text)


def _cut_brackets(text: str, names: Iterable[str]) -> str:
    """The text with every literal in square brackets or braces reduced to the names in it."""

    def reduced(match: re.Match[str]) -> str:
        kept = [word for word in re.findall(r"[\w.]+", match[0]) if word in names]
        if kept:
            return f"{match[0][0]}{', '.join(map(repr, kept))}{match[0][-1] if match[0][-1] in ']}' else ''}"
        harmless = CUT not in match[0] and not re.search(r"\d", match[0])
        return match[0] if harmless or re.fullmatch(r"\[Errno \d+\]", match[0]) else f"[{CUT}]"

    return _BRACKETS.sub(reduced, text)


def _left_out(lines: int) -> str:
    return f"(left out, because rows may be in it: {lines} {'line' if lines == 1 else 'lines'})"
