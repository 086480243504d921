"""What a person sees while gates are asked, on stderr: progress, a line a gate, the verdict and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from lockgate.evaluation.judging.gate_summary import risk_sentence
from lockgate.reports.blockers import blockers

if TYPE_CHECKING:
    from lockgate.evaluation.case import Case
    from lockgate.evidence.evidence import Evidence, GateResult
    from lockgate.evidence.finding import Verdict

_STYLE = {"pass": "green", "inconclusive": "yellow", "fail": "bold red", "error": "bold magenta"}
_MOST, _NAMED = 12, 6
_LAST, _WIDTH = 8, 300


class Screen:
    """A terminal, or a log: colours and bars only where there is a terminal; NO_COLOR is kept by rich."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self.console.print(Text(text))

    def about(self, case: Case) -> None:
        """Which versions meet."""
        against = "no champion" if case.champion is None else f"champion version {case.champion.version.version}"
        if case.champion is not None and case.champion.version.version == case.candidate.version.version:
            against += ": the same, so it is compared with itself"
        self.console.print(Text(f"{case.candidate.version} against {against}"))

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int, int | None], None] | None]:
        """A function that shows how far something is, None where nobody watches."""
        if not self.console.is_terminal:
            yield None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=self.console, transient=True
        ) as bars:
            tasks: dict[str, Any] = {}

            def tell(text: str, done: int, total: int | None) -> None:
                if text not in tasks:
                    tasks[text] = bars.add_task(text, total=total)
                bars.update(tasks[text], completed=done, total=total)
                if total is not None and done >= total:
                    bars.remove_task(tasks.pop(text))

            yield tell

    def gate(self, result: GateResult) -> None:
        """One gate: its verdict and first sentence, then what stands in the way, then what would help."""
        shown = "" if result.counts else " (does not count)"
        self._line(result.verdict, result.name + shown, result.reason)
        told: set[str] = set()
        listed = blockers(result, named=_NAMED)
        for blocker in listed[:_MOST]:
            if blocker.reason not in result.reason:
                self.console.print(Text(f"{'':14}- {blocker.reason}", style=_STYLE[blocker.verdict.value]))
            if blocker.remedy and blocker.remedy not in told:
                told.add(blocker.remedy)
                self.console.print(Text(f"{'':16}{blocker.remedy}", style="dim"))
        hidden = sum(len(blocker.findings) for blocker in listed[_MOST:])
        if hidden > 0:
            self.console.print(Text(f"{'':14}… and {hidden} more; see the report", style="dim"))
        broken = result.context.get("broken") or {}
        if broken.get("remedy"):
            self.console.print(Text(f"{'':14}{broken['remedy']}", style="dim"))
        for line in _last_lines(str(broken.get("stderr") or "")):
            self.console.print(Text(f"{'':14}| {line}", style="dim"))

    def _line(self, verdict: Verdict, name: str, reason: str) -> None:
        line = Text(f"{verdict.value:13} ", style=_STYLE[verdict.value])
        line.append(f"{name:10} ", style="bold")
        line.append(reason, style="default")
        self.console.print(line)

    def verdict(self, evidence: Evidence, folder: Path, *, observing: bool, root: Path) -> None:
        """The whole, the digest, and the next command."""
        line = Text(f"{evidence.verdict.value}", style=_STYLE[evidence.verdict.value])
        number = evidence.candidate["version"]
        line.append(f"  {evidence.model} version {number}", style="default")
        if observing:
            line.append("  (observed only: nothing is opened, exit 0)", style="default")
        elif evidence.opens == "by_owner":
            line.append(f"  ({len(evidence.asks)} undecided, which the owner may accept)", style="default")
        self.console.print(line)
        risk = risk_sentence(evidence)
        if risk is not None and evidence.verdict.value == "pass":
            self.console.print(Text(risk, style="dim"))
        shown = folder.relative_to(root) if folder.is_relative_to(root) else folder
        self.console.print(Text(f"evidence {evidence.digest}\nreport   {shown / 'report.md'}"))
        if evidence.opens != "no":
            accept = f" --accepting {len(evidence.asks)}" if evidence.opens == "by_owner" else ""
            self.console.print(Text(f"next     gate approve {evidence.digest} --key FILE{accept}"))


def _last_lines(stderr: str) -> list[str]:
    """What a model wrote last, as plain text; of a crash also what it wrote before the dump of its threads."""
    plain = ("".join(filter(str.isprintable, Text.from_ansi(line).plain)) for line in stderr.splitlines())
    lines = [line for line in plain if line.strip() and not line.startswith("Extension modules: ")]
    crash = next((place for place, line in enumerate(lines) if line.startswith("Fatal Python error: ")), None)
    shown = lines[-_LAST:] if crash is None else lines[max(0, crash - 2) : crash - 2 + _LAST]
    return [line if len(line) <= _WIDTH else line[:_WIDTH] + "…" for line in shown]
