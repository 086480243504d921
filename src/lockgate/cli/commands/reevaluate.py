"""`gate reevaluate --pipeline FILE [DIGEST…]`: what another policy would have made of runs; from evidence alone."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lockgate.cli.output import masked, show_encoded
from lockgate.errors import LockgateError, UsageError

if TYPE_CHECKING:
    from lockgate.evidence.evidence import Evidence
    from lockgate.pipeline.pipeline import Pipeline

SCHEMA = "lockgate/reevaluation/v1"
_FEW = 100  # runs that are judged in the time in which a process starts
Item = TypeVar("Item")
Result = TypeVar("Result")


@click.command("reevaluate")
@click.argument("sources", nargs=-1, metavar="[DIGEST|DIR]...")
@click.option(
    "--pipeline",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="The pipeline with the policy to judge by.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(sources: tuple[str, ...], path: Path, *, as_json: bool) -> None:
    """Judge stored evidence under another policy, without models and data: what would it have blocked?

    Without a digest or run folder, all evidence of the model is judged: of this checkout's runs, and published. What only
    rows would say is not guessed: such a run cannot be judged anew, and it says why.
    """
    from lockgate.cli.evidence_lookup import published_evidence, run_record
    from lockgate.pipeline.loader import load
    from lockgate.runs.reevaluation.reevaluate import reevaluate

    pipeline = load(path, environ=os.environ)
    entries, unread = ([], []) if sources else _of_runs(pipeline)
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        if sources:
            records = (run_record(source, path, Path(scratch)) for source in dict.fromkeys(sources))
            evidence: Iterable[Evidence] = (_of_model(pipeline, record.evidence, path) for record in records)
        else:
            here = {entry["digest"] for entry in entries}
            evidence = published_evidence(pipeline, Path(scratch), unread, but=here)
        entries += [reevaluate(pipeline, each).to_json() for each in evidence]
    entries.sort(key=lambda entry: (str(entry["finished_at"]), entry["digest"]))
    document = _document(pipeline, path, entries, unread)
    if as_json:
        show_encoded(json.dumps(document, indent=1, ensure_ascii=False))
        return
    from lockgate.cli.console import Screen
    from lockgate.reports.terminal_reevaluation import reevaluation_page

    screen = Screen(stderr=False)
    screen.show(reevaluation_page(masked(document), screen.medium))


def _of_runs(pipeline: Pipeline) -> tuple[list[dict[str, Any]], list[str]]:
    """(what the runs of this checkout come to by the pipeline, each evidence once; a sentence for each that could not be read)."""
    from lockgate.cli.evidence_lookup import runs_root
    from lockgate.evidence.run_folder import EVIDENCE, RunFolder, runs
    from lockgate.runs.reevaluation.reevaluate import reevaluate

    def judged(folders: Sequence[RunFolder]) -> list[dict[str, Any] | str]:
        """Of each run that is of the model: its entry, else why it could not be read."""
        entries: list[dict[str, Any] | str] = []
        for run in folders:
            try:
                evidence = run.evidence()
            except LockgateError as error:
                entries.append(error.message)
                continue
            if evidence.model == pipeline.model:
                entries.append(reevaluate(pipeline, evidence).to_json())
        return entries

    folders = [run for run in runs(runs_root()) if (run.path / EVIDENCE).is_file()]
    results = by_halves(judged, folders)
    entries = {entry["digest"]: entry for entry in results if not isinstance(entry, str)}
    return list(entries.values()), [reason for reason in results if isinstance(reason, str)]


def by_halves(work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
    """What the work makes of the items; of many of them, another process does the second half meanwhile."""
    if len(items) < _FEW or "fork" not in get_all_start_methods():
        return work(items)
    first, second = items[: len(items) // 2], items[len(items) // 2 :]
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def send() -> None:
        with suppress(BaseException):  # this process does its part then, and says what is wrong
            sender.send(work(second))

    helper = context.Process(target=send, daemon=True)
    helper.start()
    sender.close()
    results = work(first)
    try:
        results += receiver.recv()
    except EOFError:
        results += work(second)
    helper.join()
    return results


def _of_model(pipeline: Pipeline, evidence: Evidence, path: Path) -> Evidence:
    """The evidence. Raises UsageError where it is about another model."""
    if evidence.model != pipeline.model:
        raise UsageError(f"{path} is about {pipeline.model}, and evidence that is named about {evidence.model}")
    return evidence


def _document(
    pipeline: Pipeline, path: Path, entries: Sequence[Mapping[str, Any]], unread: Sequence[str]
) -> dict[str, Any]:
    turns = Counter((entry["before"]["outcome"], entry["after"]["outcome"]) for entry in entries)
    outcomes = ("passes", "by_owner", "blocked", "unknown")
    return {
        "schema": SCHEMA,
        "model": pipeline.model,
        "pipeline": str(path),
        "policy": pipeline.policy_digest,
        "runs": len(entries),
        "counts": {name: sum(turns[before, name] for before in outcomes) for name in outcomes},
        "newly_blocked": turns["passes", "blocked"] + turns["by_owner", "blocked"],
        "no_longer_blocked": turns["blocked", "passes"] + turns["blocked", "by_owner"],
        "evidence": list(entries),
        "unread": list(unread),
    }
