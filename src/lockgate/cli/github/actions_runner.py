"""What does GitHub's runner offer a step: its files for outputs and summary, its log, and who started it?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from lockgate.signoff.identity import Identity
from lockgate.text import command_message, output_line, secret_forms

# What nobody whom we start should find: with these a step changes what later steps see and do.
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

    def tell(self, outputs: Mapping[str, str]) -> None:
        """Set outputs: words and digests, nothing else. Raises ValueError."""
        lines = "".join(output_line(name, value) for name, value in outputs.items())
        self._append(self.output, lines)

    def show(self, markdown: str) -> None:
        """Add to the job's summary."""
        self._append(self.summary, markdown)

    @staticmethod
    def _append(path: Path | None, text: str) -> None:
        if path is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(text)


def say(text: str) -> None:
    """A line of the log. Everything goes one way, stderr, so that nothing overtakes `commands_off`."""
    click.echo(text, err=True)


@contextmanager
def commands_off() -> Iterator[None]:
    """Until its end nothing in the log is a workflow command, whoever writes it. After an exception it stays so."""
    token = secrets.token_hex(16)
    say(f"::stop-commands::{token}")
    yield
    say(f"::{token}::")


def mask(values: tuple[str, ...]) -> None:
    """Let the runner hide secrets in the log, line by line, also as they stand in an address and in a header."""
    for form in secret_forms(values):
        say(f"::add-mask::{command_message(form)}")


def who(environ: Mapping[str, str]) -> Identity | None:
    """Whom the runner names as having started this run: their account, or their login alone where they ran it again."""
    actor, number, again = (environ.get(f"GITHUB_{name}") for name in ("ACTOR", "ACTOR_ID", "TRIGGERING_ACTOR"))
    if again and again != actor:
        return Identity("unverified", again)
    return Identity("github", number, actor or "") if number and number.isdecimal() else None
