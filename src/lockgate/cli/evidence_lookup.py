"""What commands share: the evidence that a digest names, its votes, a version by its selector, and telling the outcome."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.errors import UsageError

if TYPE_CHECKING:
    from lockgate.evidence.evidence import Evidence
    from lockgate.pipeline.model import Pipeline
    from lockgate.promotion.promote import Outcome
    from lockgate.registries.ports import CandidateSelector, Registry
    from lockgate.signoff.decision import Ballot


@dataclass(frozen=True)
class Found:
    """Evidence, the pipeline it belongs to, and its run folder where it was made here."""

    evidence: Evidence
    pipeline: Pipeline
    registry: Registry
    folder: Path | None

    @property
    def votes(self) -> Path | None:
        return None if self.folder is None else self.folder / "votes"


def root() -> Path:
    """Where `gates/` and `.gate/` lie, seen from here."""
    from lockgate.pipeline.loader import root_of

    return root_of(Path.cwd() / "gates")


def evidence(digest: str | None, pipeline: Path | None) -> Found:
    """The evidence of a digest, that of the newest run without one: in `.gate/runs`, else in the registry."""
    from lockgate.evidence.evidence import Evidence
    from lockgate.evidence.run_folder import find, latest
    from lockgate.hashing import is_digest
    from lockgate.runs.lookup import find_pipeline, open_registry

    here = root()
    if digest is None:
        newest = latest(here)
        if newest is None:
            raise UsageError("no run lies in .gate/runs", remedy="name a digest, or evaluate with gate run")
        digest = newest.evidence().digest
    digest = digest if ":" in digest else f"sha256:{digest}"
    if not is_digest(digest):
        raise UsageError(f"{digest!r} is no digest", remedy="write sha256: and 64 hex digits; gate run prints it")
    of = find_pipeline(environ=os.environ, digest=digest, path=pipeline, root=here)
    registry = open_registry(of)
    run = find(here, digest)
    if run is not None:
        found = run.evidence()
    else:
        with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
            stored = registry.evidence(of.model).fetch(digest, Path(scratch))
            found = Evidence.read((stored / "evidence.json").read_bytes())
    if found.model != of.model:
        raise UsageError(
            f"{digest} is about {found.model}, and {of.path} about {of.model}",
            remedy="name its pipeline with --pipeline",
        )
    return Found(found, of, registry, None if run is None else run.path)


def ballot(found: Found) -> tuple[Ballot, list[tuple[bytes, bytes]]]:
    """The votes on the evidence, here and in the registry, and those that only lie here."""
    from lockgate.integrations import git
    from lockgate.signoff import ssh
    from lockgate.signoff.decision import Ballot, Obstacle
    from lockgate.signoff.policy import SignoffPolicy

    here = [] if found.votes is None else ssh.stored_votes(found.votes)
    there = list(found.registry.evidence(found.evidence.model).votes(found.evidence.digest))
    votes, objections = ssh.read([*there, *here], found.pipeline.signoff or SignoffPolicy())
    commit = (found.evidence.document["run"].get("git") or {}).get("commit")
    authors = git.authors(str(commit), found.pipeline.root) if commit else ()
    obstacle = None
    if found.pipeline.promotion.when == "merged" and not (commit and git.is_merged(str(commit), found.pipeline.root)):
        obstacle = Obstacle(
            "pending",
            "not_merged",
            f"the evaluated commit {commit} is not in the history of origin's default branch here",
            "merge it and fetch; after a squash or a rebase evaluate what was merged",
        )
    return Ballot(votes, objections, authors, obstacle=obstacle), [pair for pair in here if pair not in there]


def tell(outcome: Outcome, *, as_json: bool) -> None:
    """Say what became of a request: words on stdout, or words on stderr and one JSON document on stdout."""
    click.echo("\n".join(outcome.lines), err=as_json)
    if as_json:
        click.echo(json.dumps(outcome.to_json(), indent=1))


def selector(text: str) -> CandidateSelector:
    """What `--candidate KEY=VALUE` names. Raises UsageError."""
    from pydantic import ValidationError

    from lockgate.registries.ports import CandidateSelector

    key, _, value = text.partition("=")
    name, colon, content = value.partition(":")
    meant: Any = value
    if key == "tag":
        meant = {name: content} if name and colon else None
    elif text in ("newest", "newest=true"):
        meant = True
    try:
        if not meant:
            raise ValueError
        return CandidateSelector.model_validate({key: meant})
    except (ValidationError, ValueError):
        raise UsageError(
            f"--candidate {text!r} names no version",
            remedy="write version=8, alias=name, file=PATH, git_commit=HASH, tag=key:value or newest",
        ) from None
