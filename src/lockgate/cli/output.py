"""What commands print: the one place where text meets a terminal or the log of a job."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, TypeVar

import click

from lockgate.models import environment
from lockgate.text import hide, json_text, secret_forms, terminal, terminal_line

T = TypeVar("T")


def show(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text, whose line ends stay."""
    click.echo(terminal(masked(text)), err=err, nl=nl)


def show_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Print lines; a line end inside of one begins none."""
    click.echo("\n".join(terminal_line(masked(line)) for line in lines), err=err)


def show_json(document: Any, *, err: bool = False) -> None:
    """Print one JSON document."""
    click.echo(json_text(json.dumps(document, indent=1)), err=err)


def show_encoded(encoded: str, *, nl: bool = True) -> None:
    """Print JSON that is encoded already."""
    click.echo(json_text(encoded), nl=nl)


def masked(value: T) -> T:
    """A JSON value without the values of secret variables, and without what opens an address."""
    hidden: T = hide(value, secret_forms(environment.secrets(os.environ)))
    return hidden


def show_command(command: str) -> None:
    """Print a workflow command of ours, whose parts are escaped already, on stderr."""
    click.echo(command, err=True)
