"""The command `gate`: finds the subcommand, runs it, and turns errors into exit codes."""

from __future__ import annotations

import atexit
import io
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

from lockgate import __version__
from lockgate.cli.output import forgiving, show
from lockgate.errors import DataMisfits, LockgateError, PipelineError, guess, machine_fault

# One file a command; its first line of help stands here so that `gate --help` imports none of them.
GROUPS = {
    "Set up": {
        "init": "Write a pipeline for a model of yours.",
        "check": "Check pipelines without a registry: every complaint at once.",
        "plan": "Show what a run would do, and what its data can decide.",
        "demo": "Play the whole story with models made here.",
    },
    "Evaluate": {
        "try": "Judge model files at once: no registry, no pipeline.",
        "run": "Run every gate on a candidate and write the evidence.",
        "selftest": "Plant defects into copies of your model, and show which gate stops which.",
        "report": "Show evidence as a document.",
        "explain": "Show how a verdict came about, and what would flip it.",
        "reevaluate": "Judge stored evidence under another policy.",
        "shadow": "Judge replayed requests by labels that came later.",
    },
    "Approve": {
        "approve": "Sign evidence, so that its candidate may be promoted.",
        "reject": "Sign a rejection of evidence.",
        "override": "Sign that evidence is promoted over what blocks it.",
    },
    "Promote": {
        "promote": "Make the evaluated and approved candidate Production.",
        "rollback": "Make the previous, or another retained version, Production.",
        "archive": "Archive the previous version once Production has soaked.",
        "adopt": "Begin the ledger with the version that is Production now.",
    },
    "Look up": {
        "status": "Show the stage of every version.",
        "history": "Show who moved which version, when and why, and what was blocked.",
        "verify": "Compare ledger, registry, evidence and votes with each other.",
        "kinds": "List the gates and registries that are installed.",
        "schema": "Print the JSON Schema of a pipeline.",
        "doctor": "Show how this machine keeps models in their box.",
    },
}
_HIDDEN = {"github": "Run a step of the GitHub Action."}  # called by action.yml, not by people
COMMANDS = {name: line for group in (*GROUPS.values(), _HIDDEN) for name, line in group.items()}

_FILES = dict.fromkeys(("approve", "reject", "override"), "vote")  # the commands that share a file
_INTERRUPTED, _READER_LEFT = 130, 141  # exit codes: by a signal, and as a shell says that a pipe was closed


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        file = import_module(f"lockgate.cli.commands.{_FILES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(file, cmd_name if cmd_name in _FILES else "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            known = [name for name in COMMANDS if name not in _HIDDEN]
            ctx.fail(f"there is no command {args[0]!r}; known: {', '.join(known)}{guess(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), line) for name, line in group.items()])


@click.group(
    cls=_Commands,
    help="Promotion gates for machine-learning models: measured, signed off, moved, and reversible.",
    epilog="Exit codes: 0 pass or done, 1 fail or refused, 2 wrong usage or pipeline, 3 inconclusive or waiting, "
    "4 something broke, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="lockgate")
def gate() -> None:
    pass


def main(args: list[str] | None = None) -> None:
    """The console script: runs `gate` and exits with the code of what happened."""
    _open_streams()
    code = run(args)
    if code == _INTERRUPTED:
        # The interpreter would end by the signal all the same where the interrupt came while a module was executed.
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(code)
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    _show_notices()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup ignores it
        signal.signal(signal.SIGHUP, _interrupt)
    stdout = sys.stdout
    try:
        code: Any = gate.main(args=args, prog_name="gate", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return int(exit_.exit_code)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        show(shown.getvalue(), err=True, nl=False)
        return 2
    except (KeyboardInterrupt, click.Abort):
        show("gate: interrupted", err=True)
        return _INTERRUPTED
    except SystemExit:
        if sys.stdout is stdout:
            raise
        return _READER_LEFT  # click wraps stdout and leaves where nobody reads it any more
    except (PipelineError, DataMisfits) as error:
        for complaint in error.complaints:
            show(complaint, err=True)
        return error.exit_code
    except LockgateError as error:
        return _told(error)
    except Exception as error:  # nothing but a candidate that failed may end with 1
        fault = machine_fault(error)
        if fault is not None:
            return _told(fault)
        show(f"{traceback.format_exc()}gate: this is a defect of lockgate; report it", err=True)
        return LockgateError.exit_code
    return code if isinstance(code, int) else 0


class _Notices(logging.Handler):
    """What takes long says so, in a line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        show(f"gate: {record.getMessage()}", err=True)


def _show_notices() -> None:
    logger = logging.getLogger("lockgate")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _Notices) for handler in logger.handlers):
        logger.addHandler(_Notices())


def _told(error: LockgateError) -> int:
    show(f"gate: {error.message}", err=True)
    if error.remedy:
        show(f"      {error.remedy}", err=True)
    return error.exit_code


def _open_streams() -> None:
    """Let nothing that cannot be shown end a command in the middle of its work.

    A stream that was closed is no file that is opened later: what is printed is then an error, progress is not missed.
    """
    for number, name, mode in ((1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):
                stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a sign shows its number
    sys.stderr = forgiving(sys.stderr)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
