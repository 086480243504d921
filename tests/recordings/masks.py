"""Replace what differs between equal runs, and the sentences that are for people, by placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

# Values under these keys are for people. What a person wrote is kept: the reasons of votes and waivers, and `quoted`.
PROSE = frozenset(
    {
        "assumed", "complaints", "description", "lines", "message", "note", "notes", "problems",
        "outlook", "reason", "remedy", "repairs", "summary", "too_few", "uncovered", "unread", "waits_for", "watched", "what",
        "words",
    }
)  # fmt: skip
# Everything below these keys is of the moment or of the machine: the keys stay, each value becomes <of this run>.
OF_THIS_RUN = frozenset(
    {"seconds", "machine", "versions", "threads", "python", "python-version", "stderr", "meanwhile"}
)
LATER = frozenset(  # keys that came after the recordings: who reads the older form passes them over
    {
        "isolation", "evaluations",
        "assumptions", "basis", "champion_verdict", "data_rows", "figures", "last_seconds", "obstacles", "operator", "rows_enough",
    }
)  # fmt: skip
UNORDERED = frozenset({"artifacts", "files"})  # lists of paths, which digests are part of
WRITTEN = frozenset(
    {"text", "confidence"}
)  # of a limit and a claim: numbers that the pipeline gives, also where time is measured
NONCES = frozenset({"nonce"})

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_RUN = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{8}\b")
_HEX = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])")
_TOOL = re.compile(r"lockgate \d+\.\d+\.\d+\S*")
_TIMED = re.compile(r"(_ms|rss_mb|_seconds|_per_1k|_rps)$")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


class Masks:
    """Placeholders numbered by first appearance, so that two equal values stay equal.

    exact: hexadecimal digests that depend on nothing but what this folder lays down. paths: text → its placeholder.
    quoted: what a person wrote, which a program must give back to the letter.
    """

    def __init__(
        self, *, exact: Iterable[str] = (), paths: dict[str, str] | None = None, quoted: Iterable[str] = ()
    ) -> None:
        self._exact = {digest.removeprefix("sha256:") for digest in exact}
        self._paths = sorted((paths or {}).items(), key=lambda pair: -len(pair[0]))
        self._quoted = frozenset(quoted)
        self._numbers: dict[str, str] = {}

    def plain(self, value: Any, key: str = "", *, timed: bool = False) -> Any:
        """The value with placeholders. key: the one that it stands under. timed: whether it was measured by a clock."""
        if isinstance(value, dict):
            timed = timed or value.get("kind") == "latency" or str(value.get("id", "")).startswith("latency/")
            members = sorted(
                ((name, inner) for name, inner in value.items() if name not in LATER),
                key=lambda pair: self._order(pair[0]),
            )
            return {self.text(name): self._member(value, name, inner, timed=timed) for name, inner in members}
        if isinstance(value, list | tuple):
            if key.rsplit("/", 1)[-1] in UNORDERED and all(isinstance(inner, str) for inner in value):
                value = sorted(value, key=self._order)
            return [self.plain(inner, key, timed=timed) for inner in value]
        if isinstance(value, str):
            if key in NONCES:
                return "<nonce>"
            if key in PROSE and value and value not in self._quoted:
                return "<text>"
            if key not in WRITTEN and (timed or _TIMED.search(key)) and _NUMBER.fullmatch(value):
                return "<measured>"
            return self.text(value)
        return "<measured>" if timed and isinstance(value, float) else value

    def _member(self, whole: dict[str, Any], name: str, value: Any, *, timed: bool) -> Any:
        """One value of an object, which says what its neighbours mean."""
        if name in OF_THIS_RUN:
            return self._of_this_run(value)
        of_a_person = "verb" in whole or {"owner", "until"} <= whole.keys()  # votes and waivers
        if name == "reason" and of_a_person and isinstance(value, str):
            return self.text(value)
        if name == "text" and "event" in whole:  # of a notification: its one sentence
            return "<text>"
        return self.plain(value, name, timed=timed)

    def text(self, text: str) -> str:
        """The same text, without times, paths, versions and what was drawn by lot."""
        for path, placeholder in self._paths:
            text = text.replace(path, placeholder)
        text = _TIME.sub("<time>", text)
        text = _RUN.sub(lambda match: self._numbered("run", match[0]), text)
        text = _TOOL.sub("lockgate <version>", text)
        return _HEX.sub(self._hex, text)

    def _order(self, text: str) -> str:
        """What to sort by: a digest that was met before by its number, so that no order hangs on a digest's own letters."""
        return _HEX.sub(lambda match: match[0] if match[0] in self._exact else self._numbers.get(match[0], "~"), text)

    def _hex(self, match: re.Match[str]) -> str:
        if match[0] in self._exact:
            return match[0]
        return self._numbered({64: "digest", 40: "commit", 32: "id"}[len(match[0])], match[0])

    def _numbered(self, kind: str, value: str) -> str:
        if value not in self._numbers:
            count = sum(1 for placeholder in self._numbers.values() if placeholder.startswith(f"<{kind} "))
            self._numbers[value] = f"<{kind} {count + 1}>"
        return self._numbers[value]

    def _of_this_run(self, value: Any) -> Any:
        """Keys and shape alone."""
        if isinstance(value, dict):
            return {name: self._of_this_run(inner) for name, inner in sorted(value.items())}
        return "<of this run>"
