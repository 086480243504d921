"""Look up what a command is about: the evidence of a digest and its votes, the pipeline of a model."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lockgate.cli.output import show_lines
from lockgate.errors import UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import find
from lockgate.hashing import is_digest
from lockgate.integrations import git
from lockgate.integrations.default_branch import not_merged
from lockgate.pipeline.loader import load, root_of
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.apply import read_state
from lockgate.registries.ports import Registry
from lockgate.runs.lookup import find_pipeline, only_pipeline, open_registry
from lockgate.signoff import ssh
from lockgate.signoff.decision import Ballot, SignoffDecision
from lockgate.signoff.policy import SignoffPolicy
from lockgate.units import utc_text


@dataclass(frozen=True)
class EvidenceLookup:
    """Evidence, the pipeline it belongs to, and its run folder where it was made here."""

    evidence: Evidence
    pipeline: Pipeline
    registry: Registry
    folder: Path | None

    @property
    def votes_folder(self) -> Path | None:
        return None if self.folder is None else self.folder / "votes"


def project_root() -> Path:
    """Where `gates/` and `.gate/` lie, seen from the working directory."""
    return root_of(Path.cwd() / "gates")


def model_pipeline(model: str, path: Path | None) -> Pipeline:
    """The pipeline of a model: the named one, else the one in `gates/`. Raises UsageError."""
    return find_pipeline(environ=os.environ, model=model, path=path, root=project_root())


def look_up_evidence(digest: str | None, path: Path | None) -> EvidenceLookup:
    """The evidence of a digest, that of what is staged in the ledger without one: in `.gate/runs`, else in the registry.

    path: of the pipeline, where it was named. Raises UsageError where no evidence, or none of this pipeline, is meant.
    """
    root = project_root()
    if digest is None:
        path = only_pipeline(root) if path is None else path
        digest = _staged_digest(load(path, environ=os.environ))
    digest = digest if ":" in digest else f"sha256:{digest}"
    if not is_digest(digest):
        raise UsageError(f"{digest!r} is no digest", remedy="write sha256: and 64 hex digits; gate run prints it")
    pipeline = find_pipeline(environ=os.environ, digest=digest, path=path, root=root)
    registry = open_registry(pipeline)
    run = find(root, digest)
    if run is not None:
        evidence = run.evidence()
    else:
        with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
            stored = registry.evidence(pipeline.model).fetch(digest, Path(scratch))
            evidence = Evidence.read((stored / "evidence.json").read_bytes())
    if evidence.model != pipeline.model:
        raise UsageError(
            f"{digest} is about {evidence.model}, and {pipeline.path} about {pipeline.model}",
            remedy="name its pipeline with --pipeline",
        )
    return EvidenceLookup(evidence, pipeline, registry, None if run is None else run.path)


def _staged_digest(pipeline: Pipeline) -> str:
    """The evidence on which a version waits in Staging by the ledger, shown to whoever named none. Raises UsageError."""
    standing = read_state(open_registry(pipeline), pipeline.model).standing
    digest = standing.evidence.get(standing.staging or "")
    if standing.staging is None or digest is None:
        raise UsageError(
            f"no digest is named, and the ledger of {pipeline.model} has nothing in Staging",
            remedy="name the digest that gate run printed; gate run --stage stages what passes",
        )
    since = standing.since.get(standing.staging)
    when = "" if since is None else f" since {utc_text(since)}"
    show_lines([f"meant is {digest}: version {standing.staging} of {pipeline.model}, in Staging{when}"], err=True)
    return digest


def read_ballot(lookup: EvidenceLookup) -> tuple[Ballot, list[tuple[bytes, bytes]]]:
    """The votes on the evidence, here and in the registry, and those that only lie here."""
    evidence, pipeline = lookup.evidence, lookup.pipeline
    local = [] if lookup.votes_folder is None else ssh.stored_votes(lookup.votes_folder)
    published = list(lookup.registry.evidence(evidence.model).votes(evidence.digest))
    votes, objections = ssh.read_votes([*published, *local], pipeline.signoff or SignoffPolicy())
    commit = evidence_commit(evidence)
    policy, hold = pipeline.signoff or SignoffPolicy(), None
    if pipeline.promotion.when == "merged":
        obstacle = not_merged(commit, pipeline.root, branch=pipeline.promotion.branch, environ=os.environ)
        if obstacle is not None:
            hold = SignoffDecision("pending", "not_merged", obstacle.reason, obstacle.remedy)
    # who needs no authors is not kept from promoting by a checkout that does not say who they are
    authors = (
        git.authors(commit or "", pipeline.root) if policy.separation_of_duties and not policy.nobody_signs else ()
    )
    unread = ssh.unreadable_votes(lookup.votes_folder, published)
    ballot = Ballot(
        votes,
        objections,
        authors,
        hold=hold,
        unread=unread,
        authors_remedy=None if authors else _authors_remedy(commit),
    )
    return ballot, [pair for pair in local if pair not in published]


def evidence_commit(evidence: Evidence) -> str | None:
    """The commit that was checked out when the evidence was made."""
    commit = (evidence.document["run"].get("git") or {}).get("commit")
    return str(commit) if commit else None


def _authors_remedy(commit: str | None) -> str:
    if commit is None:
        return "evaluate again in a git checkout"
    return f"git fetch origin {commit} (a job clones all by fetch-depth: 0 on GitHub, GIT_DEPTH: 0 on GitLab)"
