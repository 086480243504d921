"""`gate history [MODEL]`: who moved which version, when and why; with --at what was Production then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli.ledger_lookup import REGISTRY, model_ledger, only_model
from lockgate.cli.output import masked, show_json, show_lines

if TYPE_CHECKING:
    from rich.text import Text

    from lockgate.promotion.audit.history import History
    from lockgate.reports.terminal_layout import Medium


def history_page(record: History, medium: Medium) -> Text:
    """A table where it has room, else the entries one under the other."""
    from lockgate.reports.terminal_layout import Span, assembled

    table = [medium.plain(line) for line in masked(record.lines)]
    rows = masked(record.rows)
    if not medium.folds or not rows or max(map(len, table)) <= medium.width:
        return assembled([[(line, "")] for line in table])
    lines: list[list[Span]] = []
    for revision, moment, event, version, person, evidence, approvals, reason in rows:
        lines += medium.sentence(f"{event} {version}", first=(f"{revision:>4}  ", "dim"), hang=8, style="bold")
        facts = [
            f"{moment} UTC",
            person and f"by {person}",
            evidence and f"evidence {evidence}",
            approvals and f"approvals: {approvals}",
        ]
        lines += medium.sentence(", ".join(filter(None, facts)), first=(" " * 6, ""), hang=8)
        lines += medium.sentence(reason, first=(" " * 6, ""), hang=8, style="dim") if reason else []
    return assembled(
        [*lines, *(line for problem in record.problems for line in medium.sentence(f"! {masked(problem)}"))]
    )


@click.command("history")
@click.argument("model", required=False)
@click.option("--at", "moment", help="What was Production then: an ISO 8601 time with its zone, 2026-11-03T02:00Z.")
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@REGISTRY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str | None, moment: str | None, path: Path | None, uri: str | None, as_json: bool) -> None:
    """Show every entry of the ledger of MODEL, newest first, and what was blocked or rejected. Without MODEL: of the only one in gates/.

    Exit 1 where the ledger does not hold together, 3 where it does not reach back to the time that is asked about.
    """
    from lockgate.errors import UsageError
    from lockgate.promotion.audit import history
    from lockgate.runs.run import now
    from lockgate.units import utc

    try:
        at = None if moment is None else utc(moment)
    except ValueError as error:
        raise UsageError(
            f"--at {moment!r} is no moment: {error}",
            remedy="write date, time and zone, like 2026-11-03T02:00Z or 2026-11-03T02:00+01:00",
        ) from error
    ledger = model_ledger(model or only_model(path), path, uri)
    registry, model = ledger.registry, ledger.model
    answer: history.History | history.PastProduction
    if at is None:
        answer, reaches_back = history.history(registry, model, now=now()), True
    else:
        answer = past = history.production_at(registry, model, moment=at, now=now())
        reaches_back = past.recorded
    if as_json:
        show_json(answer.to_json())
    elif isinstance(answer, history.History):
        from lockgate.cli.console import Screen

        screen = Screen(stderr=False)
        screen.show(history_page(answer, screen.medium))
    else:
        show_lines(answer.lines)
    if answer.chain.bad is not None:
        raise click.exceptions.Exit(1)
    if not reaches_back:
        raise click.exceptions.Exit(3)
