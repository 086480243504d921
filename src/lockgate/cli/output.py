"""What commands print: the one place where text meets a terminal or the log of a job."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from html import escape
from typing import Any, TextIO, TypeVar, cast

import click

from lockgate.errors import MachineFault
from lockgate.models import environment
from lockgate.text import hide, json_text, secret_forms, terminal, terminal_line

T = TypeVar("T")


def _echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Raises MachineFault where stdout is full or closed; that its reader left, click says."""
    try:
        click.echo(text, err=err, nl=nl)
    except BrokenPipeError:
        raise
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)  # or the interpreter would write it once more at its end, and end with a code of its own
        os.close(nowhere)
        raise MachineFault(
            f"what is printed cannot be written: {error.strerror}", remedy="what was done before stands"
        ) from error


class _Forgiving:
    """A text stream of which nothing that cannot be written is missed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def forgiving(stream: TextIO) -> TextIO:
    """The stream for progress: where it is full or closed the command goes on, and its exit code tells."""
    return cast("TextIO", _Forgiving(stream))


def show(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text, whose line ends stay."""
    _echo(terminal(masked(text)), err=err, nl=nl)


def show_markup(document: str) -> None:
    """Print HTML or XML without the values of secret variables. What its addresses say was cut before it was written in entities."""
    for form in secret_forms(environment.secrets(os.environ)):
        document = document.replace(form, "***").replace(escape(form), "***")
    _echo(terminal(document), nl=False)


def show_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Print lines; a line end inside of one begins none."""
    _echo("\n".join(terminal_line(masked(line)) for line in lines), err=err)


def show_page(page: str) -> None:
    """Print a page that was laid out, escaped and coloured for stdout."""
    _echo(page, nl=False)


def show_json(document: Any, *, err: bool = False) -> None:
    """Print one JSON document."""
    _echo(json_text(json.dumps(document, indent=1)), err=err)


def show_encoded(encoded: str, *, nl: bool = True) -> None:
    """Print JSON that is encoded already."""
    _echo(json_text(encoded), nl=nl)


def masked(value: T) -> T:
    """A JSON value without the values of secret variables, and without what opens an address."""
    hidden: T = hide(value, secret_forms(environment.secrets(os.environ)))
    return hidden


def show_command(command: str) -> None:
    """Print a workflow command of ours, whose parts are escaped already, on stderr."""
    _echo(command, err=True)
