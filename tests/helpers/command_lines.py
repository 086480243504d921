"""Calls of `gate` in shell lines, read as the command itself reads them: nothing is run."""

from __future__ import annotations

import re
import shlex

import click

from lockgate.cli.main import gate

_PLACEHOLDERS = {"N": "1", "M": "2", "TIME": "2026-11-03T02:00Z"}  # words of a page for what must have a form


def calls(script: str) -> list[list[str]]:
    """The words behind `gate` of every call, of each part of a line, with or without variables before it."""
    found = []
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not re.fullmatch(r"[;&|()>]+", word):
                words.append(word)
                continue
            while words and re.match(r"[A-Z_]+=", words[0]):
                del words[0]
            if words[:1] == ["gate"]:
                found.append(words[1:])
            words = []
    return found


def parsed(arguments: list[str]) -> click.Context:
    """The context that the command makes of its words. Raises click.UsageError."""
    name, *rest = [_PLACEHOLDERS.get(word, word) for word in arguments]
    command = gate.get_command(click.Context(gate), name)
    if command is None:
        raise click.UsageError(f"there is no command {name!r}")
    return command.make_context(name, rest)
