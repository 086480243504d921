"""Show people how far a run is, and what came of it, on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from lockgate.cli.output import show_json, show_lines, show_page
from lockgate.evaluation.case import Case
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.reports.terminal import STYLES, run_page
from lockgate.reports.terminal_layout import Medium, Span, assembled, padded
from lockgate.text import one_line, terminal
from lockgate.units import rough_time

_LOG_WIDTH, _MAX_WIDTH = 100, 120
_BAR_WIDTH = 24
_TELL_SECONDS = 10.0
_LABEL = len("warning  ")
_PURPOSES = {
    "run": "judges the version by the pipeline of its model",
    "run --stage": "publishes this result and stages the version, so that it can be approved",
    "approve": "an owner signs this result, with their SSH key",
    "promote": "makes the version Production",
    "init": "writes a pipeline that judges each version",
}
_NAMED_LATER = "; first register the model with MLflow, and write the name it has there for NAME"
_REFRESHES_A_SECOND = 4  # rarely enough not to disturb what is timed

Progress = Callable[[str, int, int | None], None]


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

    def __init__(self, *, stderr: bool = True) -> None:
        self.console = Console(stderr=stderr, highlight=False, soft_wrap=True)
        self._board = GateBoard(())

    @property
    def _redraws(self) -> bool:
        """Whether lines can be drawn anew, as neither a log nor a terminal without cursor (TERM=dumb) lets them."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    @property
    def medium(self) -> Medium:
        """As wide as the terminal, as long as lines stay readable."""
        live = self.console.is_terminal
        return Medium(
            width=min(self.console.width, _MAX_WIDTH) if live else _LOG_WIDTH,
            encoding=self.console.encoding,
            folds=live,
        )

    def say(self, text: str, *, style: str = "") -> None:
        self.console.print(Text(terminal(text), style=style))

    def show(self, page: Text) -> None:
        """Print a page that was laid out for this medium; where stdout cannot take it, raise MachineFault."""
        if self.console.stderr:
            self.console.print(page)
            return
        with self.console.capture() as captured:
            self.console.print(page)
        show_page(captured.get())

    def show_obstacles(self, obstacles: Sequence[tuple[str, str]]) -> None:
        """What will stop a promotion whatever is measured, each with what to do."""
        medium = self.medium
        for reason, remedy in obstacles:
            lines = medium.sentence(one_line(reason), first=("warning  ", "yellow"), hang=_LABEL)
            lines += medium.sentence(one_line(remedy), first=(" " * _LABEL, ""), hang=_LABEL, style="dim")
            self.show(assembled(lines))

    def note(self, text: str) -> None:
        """One sentence that is worth knowing, folded beside its word."""
        self.show(assembled(self.medium.sentence(one_line(text), first=("note     ", ""), hang=_LABEL)))

    def show_versions(self, case: Case, *, not_compared: Sequence[str]) -> None:
        """Which versions are compared; without a champion, which lines are left out."""
        champion = None if case.champion is None else case.champion.version
        name = f"{champion.name} " if champion is not None and champion.name != case.candidate.version.name else ""
        against = "no champion" if champion is None else f"champion {name}version {champion.version}"
        if case.champion is not None and str(case.champion.version) == str(case.candidate.version):
            against += ": the same, so it is compared with itself"
        self.say(f"{case.candidate.version} against {against}")
        if case.champion is None and not_compared:
            self.say(f"not compared, as there is no champion yet: {'; '.join(not_compared)}", style="dim")

    @contextmanager
    def progress(self, gates: Sequence[str] = ()) -> Iterator[Progress]:
        """A function that shows how far something is: a line a gate on a terminal, a line every ten seconds in a log."""
        if not self._redraws:
            yield _LogOfProgress(self.say).update
            return
        from rich.live import Live

        self._board = board = GateBoard(tuple(gates))
        with Live(
            get_renderable=lambda: board.page(self.medium),
            console=self.console,
            transient=True,
            refresh_per_second=_REFRESHES_A_SECOND,
        ) as live:
            board.changed = live.refresh
            yield board.update

    def show_gate(self, result: GateResult) -> None:
        """That a gate came to its end, and how."""
        self._board.end(result)
        if not self._redraws:
            self.say(f"gate: {result.name}: {result.verdict}")

    def show_run(self, evidence: Evidence, folder: Path, *, observed: bool) -> None:
        """What came of a run, and where its report is."""
        here = Path.cwd()
        path = folder.relative_to(here) if folder.is_relative_to(here) else folder
        self.say("")
        self.show(run_page(evidence, self.medium, observed=observed))
        self.say(f"report   {path / 'report.html'}")

    def show_next(self, commands: Sequence[str], *, accepting: Sequence[str] = ()) -> None:
        """The next commands, each whole on its line so that it can be copied, and what it does.

        accepting: what is undecided, where an approval accepts it.
        """
        medium = self.medium
        for call in commands:
            lines = medium.unfolded.sentence(call, first=("next     ", ""), style="cyan")
            words = call.split()
            purpose = _PURPOSES.get("run --stage" if "--stage" in words else words[1], "")
            purpose += _NAMED_LATER if "NAME" in words else ""
            if accepting and "--accepting" in words:
                purpose += f", and accepts what is undecided: {', '.join(map(one_line, accepting))}"
            lines += medium.sentence(purpose, first=(" " * _LABEL, ""), hang=_LABEL, style="dim") if purpose else []
            self.show(assembled(lines))


@dataclass
class GateBoard:
    """One line a gate: what came of it, how far it is, or that it waits."""

    gates: Sequence[str]
    changed: Callable[[], object] = lambda: None
    _ended: dict[str, GateResult] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)
    _activity: tuple[str, int, int | None] = ("", 0, None)
    _began: float = field(default_factory=lambda: time.monotonic())
    _gate_began: float = field(default_factory=lambda: time.monotonic())

    def update(self, text: str, done: int, total: int | None) -> None:
        """How far something is that the gate in turn does."""
        begins = text != self._activity[0]
        self._began = time.monotonic() if begins else self._began
        self._activity = (text, done, total)
        if begins:
            self.changed()

    def end(self, result: GateResult) -> None:
        """One gate came to its end, and the next one is in turn."""
        now = time.monotonic()
        self._seconds[result.name], self._gate_began = now - self._gate_began, now
        self._ended[result.name] = result
        self._activity = ("", 0, None)

    def page(self, medium: Medium) -> Text:
        """The lines at this moment, none wider than the terminal."""
        now = time.monotonic()
        width = max(map(len, self.gates), default=0)
        running = next((name for name in self.gates if name not in self._ended), None)
        lines: list[list[Span]] = []
        for name in self.gates:
            line: list[Span] = [(padded(medium.plain(name), width) + "  ", "bold")]
            if name in self._ended:
                verdict = self._ended[name].verdict.value
                line += [(f"{verdict:12}  ", STYLES[verdict]), (rough_time(self._seconds[name]), "dim")]
            elif name == running:
                line += self._running(name, medium, now)
            else:
                line.append(("waits", "dim"))
            lines.append(line)
        text = assembled(lines)
        for line_text in (parts := text.split("\n")):
            line_text.truncate(medium.width - 1)
        return Text("\n").join(parts)

    def _running(self, name: str, medium: Medium, now: float) -> list[Span]:
        text, done, total = self._activity
        activity = medium.plain(text.removeprefix(f"{name}: "))
        if not text:
            return [(f"{'running':12}  {rough_time(now - self._gate_began)}", "")]
        if not total:
            return [(f"{activity}  {rough_time(now - self._began)}", "")]
        filled = round(_BAR_WIDTH * min(1.0, done / total))
        bar = medium.plain("█" * filled + "░" * (_BAR_WIDTH - filled))
        return [(f"{activity}  {bar}  ", ""), (_left(now - self._began, done, total), "dim")]


@dataclass
class _LogOfProgress:
    """Says every ten seconds how far something is, and how long it will take at the pace so far."""

    say: Callable[[str], None]
    _began: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=lambda: time.monotonic())

    def update(self, text: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        began = self._began.setdefault(text, now)
        if now - self._last < _TELL_SECONDS or (total is not None and done >= total):
            return
        self._last = now
        line = text if total is None else f"{text}: {done:,} of {total:,}"
        left = "" if total is None else _left(now - began, done, total)
        self.say(f"gate: {line}{', ' if left else ''}{left}")


def _left(seconds: float, done: int, total: int) -> str:
    """How long the rest takes at the pace so far; empty before there is one."""
    return f"about {rough_time(seconds * (total - done) / done)} left" if done else ""
