"""Read JUnit XML, as pytest, jest, Gradle and many others write it: each test case is one outcome.

A document type is refused, and with it every entity that could be expanded or fetched: no writer of JUnit XML has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat  # no document type is taken, so that nothing is expanded

from lockgate.evaluation.command.reported import MOST, NoFindings, Outcome, Reported

_DEEPEST = 50
_LONGEST_TEXT = 2000
_OUTCOMES: Mapping[str, Outcome] = {"failure": "fail", "error": "error", "skipped": "skipped"}
# of GoogleTest, which writes disabled tests without a child
_NOT_RUN = {"status": ("notrun", "skipped", "disabled"), "result": ("suppressed", "skipped")}


def read_junit(data: bytes) -> list[Reported]:
    """The test cases of a document. Raises NoFindings for what is no JUnit XML, or holds too many of them."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = reader.text, _refuse_doctype
    try:
        parser.Parse(data, True)  # noqa: FBT003
    except expat.ExpatError as error:
        raise NoFindings(f"is no JUnit XML: {expat.ErrorString(error.code)} in line {error.lineno}") from None
    except NoFindings:
        raise
    except (LookupError, ValueError):
        raise NoFindings("is no JUnit XML: it names an encoding that cannot be read") from None
    return [*reader.cases, *reader.untold()]


def _refuse_doctype(*_: object) -> None:
    raise NoFindings("has a document type, which no JUnit XML has")


@dataclass
class _Case:
    """A test case, or a suite that broke outside of its cases, while it is read."""

    name: str
    outcome: Outcome = "pass"
    message: str = ""


@dataclass
class _Reader:
    """What the parser calls. failing: failures and errors that the suites count themselves."""

    cases: list[Reported] = field(default_factory=list)
    failing: int = 0
    _path: list[str] = field(default_factory=list)
    _suites: list[str] = field(default_factory=list)
    _case: _Case | None = None
    _text: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if not self._path and tag not in ("testsuites", "testsuite"):
            raise NoFindings(f"is no JUnit XML: it begins with <{tag[:40]}>")
        self._path.append(tag)
        if len(self._path) > _DEEPEST:
            raise NoFindings(f"is no JUnit XML: it is nested more than {_DEEPEST} deep")
        if tag in ("testsuites", "testsuite"):
            self._suites.append(attributes.get("name", ""))
            self.failing = max(self.failing, _count(attributes, "failures") + _count(attributes, "errors"))
        elif tag == "testcase":
            if "testcase" in self._path[:-1]:
                raise NoFindings("is no JUnit XML: a test case stands in another, and would hide what that one says")
            group = attributes.get("classname") or self._suites[-1]
            self._case = _Case("::".join(filter(None, (group, attributes.get("name", "")))) or "(without a name)")
            if any(attributes.get(key, "").lower() in words for key, words in _NOT_RUN.items()):
                self._case.outcome = "skipped"
        elif tag in _OUTCOMES and self._path[-2] in ("testcase", "testsuite"):
            self._decide(_OUTCOMES[tag], attributes)

    def _decide(self, outcome: Outcome, attributes: Mapping[str, str]) -> None:
        if self._case is None:  # of a suite, which could not be set up
            self._case = _Case(f"{self._suites[-1]} (the suite)")
        if outcome != "skipped" or self._case.outcome == "pass":
            self._case.outcome = outcome
            self._case.message = attributes.get("message", "")
            self._text = []

    def text(self, text: str) -> None:
        if self._text is not None and sum(map(len, self._text)) < _LONGEST_TEXT:
            self._text.append(text[:_LONGEST_TEXT])

    def end(self, tag: str) -> None:
        self._path.pop()
        tag = tag.rpartition(":")[2]
        if tag in _OUTCOMES and self._text is not None and self._case is not None:
            self._case.message = self._case.message or "".join(self._text)
            self._text = None
        if tag in ("testsuites", "testsuite"):
            self._suites.pop()
        of_suite = tag in _OUTCOMES and self._path[-1:] == ["testsuite"]
        if self._case is not None and (tag == "testcase" or of_suite):
            self.cases.append(Reported("test", self._case.name, self._case.outcome, self._case.message))
            self._case = None
        if len(self.cases) > MOST:
            raise NoFindings(f"holds more than {MOST:,} test cases; let several gates run parts of them")

    def untold(self) -> list[Reported]:
        """What the suites count as failed where no case says that it did."""
        if not self.failing or any(case.outcome in ("fail", "error") for case in self.cases):
            return []
        message = f"it counts {self.failing} failed, and no case says so"
        return [Reported("test", "(the whole document)", "error", message)]


def _count(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
