"""A step on GitHub's runner: its outputs, summary and log, and the identity that triggered the run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lockgate.cli.output import show, show_command
from lockgate.errors import LockgateError, Refused, Waiting
from lockgate.integrations import committers
from lockgate.models import environment
from lockgate.signoff.identity import Identity
from lockgate.text import command_message, cut, hide, markdown, output_line, plain, secret_forms

T = TypeVar("T")

# With these files a step changes what later steps read and do, so the processes that we start must not find them.
_OWN = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")


@dataclass(frozen=True)
class Runner:
    """One step of a job. output, summary: files to append to, None where the runner has none."""

    output: Path | None
    summary: Path | None

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Runner:
        """The runner's files, taken out of the environment."""
        own = {name: environ.pop(name, None) for name in _OWN}
        output, summary = own["GITHUB_OUTPUT"], own["GITHUB_STEP_SUMMARY"]
        return cls(Path(output) if output else None, Path(summary) if summary else None)

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set outputs: words and digests, nothing else. Raises ValueError."""
        lines = "".join(output_line(name, value) for name, value in outputs.items())
        self._append(self.output, lines)

    def add_summary(self, text: str) -> None:
        """Add Markdown to the job's summary."""
        self._append(self.summary, text)

    def fail(self, error: LockgateError, **outputs: str) -> int:
        """Report an error; returns the exit code. Where it has a code, that is the reason-code, whatever `outputs` has."""
        if isinstance(error, (Refused, Waiting)):
            outputs |= {"reason-code": error.code}
        forms = secret_forms(environment.secrets(os.environ))
        message = hide("\n".join(part for part in (error.message, error.remedy) if part), forms)
        show_command(f"::error title=gate::{command_message(plain(message))}")
        lines = "".join(f"* {markdown(cut(line, 2_000))}\n" for line in message.splitlines()[:100])
        self.add_summary(f"### 💥 Something broke\n\n{lines}")
        self.set_outputs(outputs)
        return error.exit_code

    @staticmethod
    def _append(path: Path | None, text: str) -> None:
        if path is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(text)


def run_step(work: Callable[[Runner], T]) -> tuple[Runner, T | LockgateError]:
    """Run work that logs anybody's texts: nothing that it writes to the log is a command to the runner."""
    runner = Runner.take(os.environ)
    mask(environment.secrets(os.environ))
    with commands_disabled():
        try:
            return runner, work(runner)
        except LockgateError as error:
            log(f"gate: {error.message}")
            if error.remedy:
                log(f"      {error.remedy}")
            return runner, error


def run_move(work: Callable[[Runner], Sequence[str]], *, state: str, **failure: str) -> int:
    """Run a step that proves or moves a version, and show its lines; returns the exit code.

    state: output where it succeeds. failure: outputs besides the state where it fails.
    """

    def logged(runner: Runner) -> Sequence[str]:
        lines = work(runner)
        for line in lines:
            log(line)
        return lines

    runner, lines = run_step(logged)
    if isinstance(lines, LockgateError):
        return runner.fail(lines, state={1: "refused", 3: "pending"}.get(lines.exit_code, "error"), **failure)
    runner.add_summary("".join(f"* {markdown(line)}\n" for line in lines))
    runner.set_outputs({"state": state})
    return 0


def log(text: str) -> None:
    """Write a line of the log. All goes to stderr, so that nothing overtakes `commands_disabled`."""
    show(text, err=True)


@contextmanager
def commands_disabled() -> Iterator[None]:
    """Until its end nothing in the log is a workflow command, whoever writes it. After an exception it stays so."""
    token = secrets.token_hex(16)
    show_command(f"::stop-commands::{token}")
    yield
    show_command(f"::{token}::")


def mask(values: tuple[str, ...]) -> None:
    """Let the runner hide secrets in the log, line by line, also in the forms of an address and of a header."""
    for form in secret_forms(values):
        show_command(f"::add-mask::{command_message(form)}")


def triggering_identity(environ: Mapping[str, str]) -> Identity | None:
    """The account that started this run; of a re-run its login alone, because the runner gives no id of it."""
    actor, number, again = (environ.get(f"GITHUB_{name}") for name in ("ACTOR", "ACTOR_ID", "TRIGGERING_ACTOR"))
    if again and again != actor:
        return Identity("unverified", again)
    return Identity("github", number, actor or "") if number and number.isdecimal() else None


def step_actor(root: Path) -> Identity:
    """The identity in whose name a step acts: the one that triggered the run, else the one that git has."""
    return triggering_identity(os.environ) or committers.current_identity(root)
