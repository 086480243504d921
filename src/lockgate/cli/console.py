"""Show people progress, a line a gate, and the verdict, on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from lockgate.cli.output import show_json, show_lines
from lockgate.evaluation.case import Case
from lockgate.evaluation.judging.gate_summary import risk_sentence
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Verdict
from lockgate.reports.blockers import blockers
from lockgate.reports.waivers import idle_waivers
from lockgate.text import one_line, terminal, terminal_line

_STYLE = {"pass": "green", "inconclusive": "yellow", "fail": "bold red", "error": "bold magenta"}
_MAX_BLOCKERS, _MAX_SLICES = 12, 6
_MAX_STDERR_LINES, _MAX_WIDTH = 8, 300
_TELL_SECONDS = 10.0


class Shown(Protocol):
    """What a command did, for people and for programs."""

    @property
    def lines(self) -> Sequence[str]: ...

    def to_json(self) -> dict[str, Any]: ...


def show_outcome(outcome: Shown, *, as_json: bool) -> None:
    """Print lines on stdout; with as_json print them on stderr, and one JSON document on stdout."""
    show_lines(outcome.lines, err=as_json)
    if as_json:
        show_json(outcome.to_json())


class Screen:
    """A terminal, or a log: colours and bars only where there is a terminal; NO_COLOR is kept by rich."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str, *, style: str = "") -> None:
        self.console.print(Text(terminal(text), style=style))

    def show_versions(self, case: Case) -> None:
        """Which versions are compared."""
        against = "no champion" if case.champion is None else f"champion version {case.champion.version.version}"
        if case.champion is not None and str(case.champion.version) == str(case.candidate.version):
            against += ": the same, so it is compared with itself"
        self.say(f"{case.candidate.version} against {against}")

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int | None], None]]:
        """A function that shows how far something is: bars on a terminal, a line every ten seconds in a log."""
        if not self.console.is_terminal:
            yield _LogOfProgress(self.say).update
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=self.console, transient=True
        ) as bars:
            tasks: dict[str, Any] = {}

            def update(text: str, done: int, total: int | None) -> None:
                if text not in tasks:
                    tasks[text] = bars.add_task(escape(terminal_line(text)), total=total)
                bars.update(tasks[text], completed=done, total=total)
                if total is not None and done >= total:
                    bars.remove_task(tasks.pop(text))

            yield update

    def show_gate(self, result: GateResult) -> None:
        """One gate: its verdict and first sentence, then what blocks promotion, then what would help."""
        suffix = "" if result.counts else " (does not count)"
        self._headline(result.verdict, result.name + suffix, result.reason)
        listed = blockers(result, named=_MAX_SLICES)
        remedies: set[str] = set()
        for blocker in listed[:_MAX_BLOCKERS]:
            if blocker.reason not in result.reason:
                self.say(f"{'':14}- {one_line(blocker.reason)}", style=_STYLE[blocker.verdict.value])
            if blocker.remedy and blocker.remedy not in remedies:
                remedies.add(blocker.remedy)
                self.say(f"{'':16}{one_line(blocker.remedy)}", style="dim")
        hidden = sum(len(blocker.findings) for blocker in listed[_MAX_BLOCKERS:])
        if hidden > 0:
            self.say(f"{'':14}… and {hidden} more; see the report", style="dim")
        broken = result.context.get("broken") or {}
        if broken.get("remedy"):
            self.say(f"{'':14}{one_line(str(broken['remedy']))}", style="dim")
        for line in _last_lines(str(broken.get("stderr") or "")):
            self.say(f"{'':14}| {line}", style="dim")

    def _headline(self, verdict: Verdict, name: str, reason: str) -> None:
        line = Text(f"{verdict.value:13} ", style=_STYLE[verdict.value])
        line.append(f"{terminal_line(name):10} ", style="bold")
        line.append(terminal_line(reason), style="default")
        self.console.print(line)

    def show_evidence(self, evidence: Evidence, folder: Path, *, observing: bool) -> None:
        """The verdict of the run, and the digest."""
        line = Text(f"{evidence.verdict.value}", style=_STYLE[evidence.verdict.value])
        line.append(terminal_line(f"  {evidence.model} version {evidence.candidate['version']}"), style="default")
        if observing:
            line.append("  (observed only: nothing is promoted, exit 0)", style="default")
        elif evidence.opens == "by_owner":
            line.append(f"  ({len(evidence.asks)} undecided, which the owner may accept)", style="default")
        self.console.print(line)
        risk = risk_sentence(evidence)
        if risk is not None and evidence.verdict.value == "pass":
            self.say(risk, style="dim")
        here = Path.cwd()
        path = folder.relative_to(here) if folder.is_relative_to(here) else folder
        self.say(f"evidence {evidence.digest}\nreport   {path / 'report.md'}")
        for waiver in idle_waivers(evidence):
            self.say(f"warning  {waiver}", style="yellow")


@dataclass
class _LogOfProgress:
    """Says every ten seconds how far something is, and how long it will take at the pace so far."""

    say: Callable[[str], None]
    _began: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=lambda: time.monotonic())

    def update(self, text: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        began = self._began.setdefault(text, now)
        if now - self._last < _TELL_SECONDS:
            return
        self._last = now
        line = text if total is None else f"{text}: {done:,} of {total:,}"
        if total is not None and done:
            seconds = (now - began) * (total - done) / done
            line += f", about {seconds / 60:.0f} min left" if seconds >= 100 else f", about {seconds:.0f} s left"
        self.say(f"gate: {line}")


def _last_lines(stderr: str) -> list[str]:
    """What a model wrote last, as plain text; of a crash also what it wrote before the dump of its threads."""
    plain = ("".join(filter(str.isprintable, Text.from_ansi(line).plain)) for line in stderr.splitlines())
    lines = [line for line in plain if line.strip() and not line.startswith("Extension modules: ")]
    crash = next((index for index, line in enumerate(lines) if line.startswith("Fatal Python error: ")), None)
    last = lines[-_MAX_STDERR_LINES:] if crash is None else lines[max(0, crash - 2) : crash - 2 + _MAX_STDERR_LINES]
    return [line if len(line) <= _MAX_WIDTH else line[:_MAX_WIDTH] + "…" for line in last]
