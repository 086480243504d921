"""The document of `gate run --json`: what a program does next, around the evidence, whose own bytes are a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lockgate.cli.evidence_lookup import evidence_commit
from lockgate.cli.output import masked
from lockgate.errors import DataMisfits, LockgateError, PipelineError
from lockgate.signoff.decision import accepting_option
from lockgate.signoff.outlook import comment_way

if TYPE_CHECKING:
    from lockgate.cli.run_session import FinishedRun
    from lockgate.cli.trial.session import FinishedTrial
    from lockgate.evidence.evidence import Evidence

SCHEMA = "lockgate/run/v1"
_COMPLAINT = re.compile(r"(?P<where>.+?:\d+:\d+): (?P<message>.+)", re.DOTALL)


def run_document(
    finished: FinishedRun | FinishedTrial | None, *, error: LockgateError | None = None, commands: Sequence[str] = ()
) -> dict[str, Any]:
    """The document of schema lockgate/run/v1.

    finished: None where an error came before there was evidence. error: on which the command ended. commands: to call next.
    """
    exit_code = error.exit_code if error is not None else finished.exit_code if finished is not None else 0
    evidence = None if finished is None else finished.evidence
    return {
        "schema": SCHEMA,
        "exit_code": exit_code,
        "verdict": "error" if evidence is None else evidence.verdict.value,
        "opens": "no" if evidence is None else evidence.opens,
        "observed": finished is not None and finished.observed,
        "published": finished is not None and finished.published,
        "digest": None if evidence is None else evidence.digest,
        "run": None if finished is None else _run(finished),
        "model": None if evidence is None else evidence.model,
        "candidate": None if evidence is None else str(evidence.candidate["version"]),
        "champion": None if evidence is None or evidence.champion is None else str(evidence.champion["version"]),
        "next": list(commands),
        "warnings": [] if evidence is None else _warnings(evidence),
        "error": None if error is None else masked(error_document(error)),
        "evidence": None if evidence is None else evidence.document,
    }


def next_commands(finished: FinishedRun) -> list[str]:
    """What to call next, none where nothing is to be done or can be."""
    evidence, signoff = finished.evidence, finished.pipeline.signoff
    if evidence.opens == "no" or finished.in_production or signoff is None or not signoff.require:
        return []
    if lacks_authors(finished) or comment_step(finished):
        return []
    if not finished.published:
        return [finished.staging_command]
    if signoff.nobody_signs:
        return [f"gate promote {evidence.digest}"] if evidence.opens == "yes" else []
    return [f"gate approve {evidence.digest}{accepting_option(evidence)}"]


def lacks_authors(finished: FinishedRun) -> list[str]:
    """That the policy lets nobody approve the evidence, since it names no commit; nothing where it does or none is needed."""
    evidence, signoff = finished.evidence, finished.pipeline.signoff
    if signoff is None or not signoff.require or not signoff.separation_of_duties or signoff.nobody_signs:
        return []
    if evidence.opens == "no" or finished.in_production or evidence_commit(evidence) is not None:
        return []
    return [
        "nobody can approve this: it names no commit, whose authors would be told apart from who approves; "
        "evaluate again once there is one"
    ]


def comment_step(finished: FinishedRun) -> list[str]:
    """What leads to an approval where owners give it by comments alone, and no command does; else nothing."""
    pipeline = finished.pipeline
    way = comment_way(pipeline.signoff, pipeline.version_file)
    return [] if way is None or finished.evidence.opens == "no" or finished.in_production else [f"next     {way[1]}"]


def error_document(error: LockgateError) -> dict[str, Any]:
    """What is wrong, where, and what to do; of a pipeline or of its data all complaints, the first one on top."""
    complaints = _complaints(error)
    first = complaints[0] if complaints else {"where": None, "message": error.message, "remedy": error.remedy}
    return {"kind": type(error).__name__, "code": getattr(error, "code", None), **first, "complaints": complaints}


def _complaints(error: LockgateError) -> list[dict[str, str | None]]:
    if isinstance(error, DataMisfits):
        return [{"where": where, "message": message, "remedy": remedy} for where, message, remedy in error.parts]
    complaints: list[dict[str, str | None]] = []
    for text in error.complaints if isinstance(error, PipelineError) else ():
        match = _COMPLAINT.fullmatch(text)
        where, message = (match["where"], match["message"]) if match else (None, text)
        problem, _, remedy = message.partition("; ")
        complaints.append({"where": where, "message": problem, "remedy": remedy or None})
    return complaints


def _run(finished: FinishedRun | FinishedTrial) -> dict[str, Any]:
    """The run's id and folder, and the files in it that people and programs open; absolute paths."""
    from lockgate.reports import FORMATS

    folder = finished.folder.path.absolute()
    files = {"evidence": "evidence.json"} | {name: report.file for name, report in FORMATS.items()}
    return {
        "id": finished.folder.run_id,
        "folder": str(folder),
        "files": {name: str(folder / file) for name, file in files.items() if (folder / file).is_file()},
    }


def _warnings(evidence: Evidence) -> list[dict[str, Any]]:
    from lockgate.reports.waivers import idle_waivers

    return [
        {"code": waiver.code, "message": waiver.message, "remedy": waiver.remedy, "finding": waiver.finding}
        for waiver in idle_waivers(evidence)
    ]
