"""`gate run [PIPELINE]`: run every gate, write the evidence, and with --stage publish it and record Staging."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lockgate.cli.output import show, show_encoded
from lockgate.errors import LockgateError

_FORMER = "--json=evidence"


class _Run(click.Command):
    """`--json` is a flag, and `--json=evidence` the form that it had: an optional value would swallow the pipeline."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        options = ["--json-evidence" if word == _FORMER else word for word in args[:end]]
        for word in options:
            if word.startswith("--json="):
                raise click.BadOptionUsage("--json", f"{word!r} is no form: write --json, or {_FORMER} for a release")
        return super().parse_args(ctx, [*options, *args[end:]])


@click.command("run", cls=_Run)
@click.argument("pipeline", required=False, type=click.Path(path_type=Path))
@click.option("--stage", is_flag=True, help="Publish the evidence and, where owners may approve it, record Staging.")
@click.option(
    "--candidate",
    metavar="VERSION",
    help="Another candidate: 8, MODEL@alias, or KEY=VALUE: version=8, alias=x, tag=key:value, …",
)
@click.option("--only", multiple=True, metavar="GATE", help="Run only this gate; such evidence can promote nothing.")
@click.option("--resume", is_flag=True, help="Go on with the newest run of this pipeline that did not come to its end.")
@click.option("--observe", is_flag=True, help="Show everything, exit 0, promote nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document: exit code, digest, files, next steps, evidence."
)
@click.option("--json-evidence", "as_evidence", is_flag=True, hidden=True, help="Print the evidence alone.")
def command(pipeline: Path | None, *, stage: bool, as_json: bool, as_evidence: bool, **options: Any) -> int:
    """Run every gate of PIPELINE on the candidate. Without PIPELINE: the only one in gates/."""
    from lockgate.cli.run_document import next_commands, run_document
    from lockgate.cli.run_session import run_pipeline

    finished = None
    if as_evidence:
        show(f"gate: {_FORMER} goes with the next release; read `evidence` in the document of --json", err=True)
    try:
        finished = run_pipeline(pipeline, publishing=stage, **options)
        if as_evidence:
            show_encoded(_text(finished.evidence.document))
        if stage:
            finished = finished.stage()
        finished.show_next()
    except LockgateError as error:
        if as_json:
            show_encoded(_text(run_document(finished, error=error)))
        raise
    if as_json:
        show_encoded(_text(run_document(finished, commands=next_commands(finished))))
    return finished.exit_code


def _text(document: Any) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
