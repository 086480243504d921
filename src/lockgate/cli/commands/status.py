"""`gate status [MODEL]`: show what is Production, what a rollback goes to, what waits for whom, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli.ledger_lookup import REGISTRY, ModelLedger, model_ledger, only_model
from lockgate.cli.output import masked, show_json
from lockgate.errors import LockgateError, Refused

if TYPE_CHECKING:
    from rich.text import Text

    from lockgate.promotion.audit.status import ModelStatus
    from lockgate.reports.terminal_layout import Medium, Span

_STYLES = {"Production": "green", "Staging": "yellow"}


@click.command("status")
@click.argument("model", required=False)
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="The pipeline of the model.")
@REGISTRY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(model: str | None, path: Path | None, uri: str | None, as_json: bool) -> None:
    """Show which versions of MODEL are Production, Staging and kept to go back to. Without MODEL: the only one in gates/.

    Exit 1 where ledger and registry differ.
    """
    from lockgate.promotion.audit.status import status
    from lockgate.runs.run import now

    ledger = model_ledger(model or only_model(path), path, uri)
    state = status(ledger.registry, ledger.model, promotion=ledger.promotion, now=now())
    if as_json:
        show_json(state.to_json())
    else:
        from lockgate.cli.console import Screen

        screen = Screen(stderr=False)
        signoff = None if ledger.pipeline is None else ledger.pipeline.signoff
        signed = signoff is not None and signoff.rollback == "owner"
        waiting, commands = _waiting(ledger, state, path), _commands(ledger, state, signed=signed)
        screen.show(status_page(state, waiting, screen.medium, commands=commands))
    if state.problems:
        raise click.exceptions.Exit(1)


def status_page(
    state: ModelStatus, waiting: Waiting | None, medium: Medium, *, commands: Sequence[tuple[str, str]]
) -> Text:
    """The status as a page. waiting: None where nothing waits. commands: (what can be called for, what it does)."""
    from lockgate.reports.terminal_layout import assembled, labelled, next_calls
    from lockgate.units import minute_text

    lines: list[list[Span]] = [[(medium.plain(masked(state.model)), "bold"), (f"  {minute_text(state.at)}", "dim")], []]
    for word, sentences in state.sections:
        wrong = word == "Problems" and bool(state.problems)
        style = "bold red" if wrong else _STYLES.get(word, "")
        lines += labelled(
            word, [(masked(text), style if wrong or not n else "") for n, text in enumerate(sentences)], medium
        )
        if word == "Staging" and waiting is not None:
            lines += labelled("", [(masked(waiting.reason), "")], medium)
    calls = [*(waiting.commands if waiting is not None else []), *commands]
    lines += next_calls(masked(calls), medium)
    return assembled(lines)


def _commands(ledger: ModelLedger, state: ModelStatus, *, signed: bool) -> list[tuple[str, str]]:
    """What the status says can be called for, as the pipeline has it: its candidate, and the key that signs a rollback.

    A pull request evaluates where nothing else is approved.
    """
    from lockgate.promotion.audit.status import EVALUATE
    from lockgate.runs.promotion_hooks import next_evaluation
    from lockgate.signoff.outlook import pull_request

    commands = [
        (call + " --key FILE" * (signed and call.startswith("gate rollback")), use) for call, use in state.commands
    ]
    if EVALUATE in commands and ledger.pipeline is not None:
        pipeline, policy = ledger.pipeline, ledger.pipeline.signoff
        if policy is not None and policy.takes_comments_alone:
            commands[-1] = pull_request(pipeline.version_file)
        else:
            commands[-1] = next_evaluation(pipeline, ledger.registry, state.standing)
    return commands


@dataclass(frozen=True)
class Waiting:
    """For whom the version in Staging waits, and (command, purpose) of whoever it is."""

    reason: str
    commands: Sequence[tuple[str, str]] = ()


def _waiting(ledger: ModelLedger, state: ModelStatus, path: Path | None) -> Waiting | None:
    """None where nothing waits, or no pipeline says who signs."""
    from lockgate.cli.evidence_lookup import look_up_evidence, read_ballot, runs_root
    from lockgate.cli.last_run import last_run
    from lockgate.cli.signing import raise_unpromotable
    from lockgate.data.slices.names import id_words
    from lockgate.hashing import short_digest
    from lockgate.promotion.operator import RegistryState
    from lockgate.signoff.decision import accepting_option, decide
    from lockgate.signoff.outlook import comment_way
    from lockgate.signoff.policy import SignoffPolicy

    version = state.standing.staging
    digest = state.standing.evidence.get(version or "")
    if ledger.pipeline is not None and version is None:
        last = last_run(runs_root(), {ledger.pipeline.model: state.standing})
        return None if last is None else Waiting(f"{last.verdict}; gate report shows it")
    if ledger.pipeline is None or digest is None:
        return None
    try:
        lookup = look_up_evidence(digest, path or ledger.pipeline.path)
        raise_unpromotable(lookup, lambda: RegistryState(state.chain, state.aliases))
        decision = decide(lookup.pipeline.signoff or SignoffPolicy(), lookup.evidence, read_ballot(lookup)[0], state.at)
    except Refused as refused:
        return Waiting(f"it cannot be promoted: {refused.message}; {refused.remedy}")
    except LockgateError as error:
        return Waiting(f"who has to approve is not known here: {error.message}")
    short = short_digest(digest)
    if decision.state == "approved":
        return Waiting(
            "it is approved, and waits to be promoted",
            [(f"gate promote {short}", f"makes version {version} Production")],
        )
    if not decision.missing:
        return Waiting(decision.reason)
    way = comment_way(lookup.pipeline.signoff, lookup.pipeline.version_file)
    if way is not None:
        return Waiting(f"it waits: {decision.reason}; {way[0]}: {way[1]}")
    accepting, asks = accepting_option(lookup.evidence), lookup.evidence.asks
    accepts = f", and accepts what is undecided: {', '.join(map(id_words, asks))}" if accepting else ""
    return Waiting(
        f"it waits: {decision.reason}", [(f"gate approve {short}{accepting}", f"approves version {version}{accepts}")]
    )
