"""Look up what a command is about: the evidence of a digest and its votes, the pipeline of a model."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lockgate import git
from lockgate.cli.last_run import last_run
from lockgate.cli.output import show_lines
from lockgate.errors import LockgateError, NotFound, RegistryError, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import EVIDENCE, RunFolder, latest, matching
from lockgate.evidence.run_record import RunRecord
from lockgate.hashing import SHORTEST, is_digest, short_digest
from lockgate.integrations import committers
from lockgate.integrations.default_branch import SQUASHED, not_merged
from lockgate.pipeline.loader import load, pipelines, project_root, root_of
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.operator import read_state
from lockgate.registries.ports import EvidenceStore, Registry
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


def runs_root() -> Path:
    """Where `.gate/` lies, seen from the working directory."""
    return root_of(Path.cwd() / "gates")


def model_pipeline(model: str, path: Path | None) -> Pipeline:
    """The pipeline of a model: the named one, else the one in `gates/`. Raises UsageError."""
    return find_pipeline(environ=os.environ, model=model, path=path, root=project_root())


def pipeline_file(evidence: Evidence) -> Path | None:
    """The file in `gates/` that the run of this evidence was made by, as it is now; None where that is not known of one alone."""
    root, policy = project_root(), evidence.document["policy"]
    names = {entry["path"] for entry in policy["files"]}
    files = [path for path in pipelines(root) if path.relative_to(root).as_posix() in names]
    unchanged = []
    for path in files:
        with suppress(LockgateError):
            unchanged += [path] if load(path, environ=None).policy_digest == policy["sha256"] else []
    meant = unchanged or files
    return meant[0] if len(meant) == 1 else None


def look_up_evidence(digest: str | None, path: Path | None) -> EvidenceLookup:
    """The evidence of a digest, that of what is staged in the ledger without one: in `.gate/runs`, else in the registry.

    digest: also its beginning, where no other one begins so. path: of the pipeline, where it was named. Raises UsageError
    where no evidence, or none of this pipeline, is meant.
    """
    staged = None
    if digest is None:
        staged = _staged(path)
        digest = staged.digest
    run = local_run(digest)
    evidence = None if run is None else run.evidence()
    digest = _prefix(digest)
    if staged is not None:
        pipeline, registry = staged.pipeline, staged.registry
    else:
        model = None if evidence is None else evidence.model  # all that evidence may say of the pipeline that judges it
        pipeline = find_pipeline(environ=os.environ, model=model, digest=digest, path=path, root=project_root())
        registry = open_registry(pipeline)
    if not is_digest(digest):
        digest = _whole_digest(digest, evidence, registry.evidence(pipeline.model))
    if evidence is None:
        with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
            evidence = _published(registry.evidence(pipeline.model), digest, Path(scratch))
    if evidence.model != pipeline.model:
        raise UsageError(
            f"{digest} is about {evidence.model}, and {pipeline.path} about {pipeline.model}",
            remedy="name its pipeline with --pipeline",
        )
    if staged is not None:
        show_lines([f"this is about {staged}; its verdict is {evidence.verdict}"], err=True)
    return EvidenceLookup(evidence, pipeline, registry, None if run is None else run.path)


def run_record(source: str | None, path: Path | None, scratch: Path) -> RunRecord:
    """The record of a run folder or a digest, of the newest run here without one, else of what is staged.

    path: of the pipeline, where it was named. scratch: where the files of published evidence are downloaded to, once a
    report reads an exhibit.
    """
    if source is not None and os.path.isdir(source):  # noqa: PTH112
        run: RunFolder | None = RunFolder(Path(source).absolute())
    else:
        run = latest(runs_root()) if source is None else local_run(source)
    if run is not None:  # which needs no registry
        return RunRecord(run.evidence(), lambda: run.path)
    lookup = look_up_evidence(source, path)
    store = lookup.registry.evidence(lookup.evidence.model)
    return RunRecord(lookup.evidence, cache(lambda: lookup.folder or store.fetch(lookup.evidence.digest, scratch)))


def published_evidence(
    pipeline: Pipeline, scratch: Path, unread: list[str], *, but: Collection[str]
) -> Iterator[Evidence]:
    """The published evidence of a model, each once, one at a time, as there may be thousands.

    scratch: where it is downloaded to. unread: gets a sentence for each that could not be read. but: digests that are at hand.
    """
    try:
        store = open_registry(pipeline).evidence(pipeline.model)
        digests = dict.fromkeys(facts["digest"] for facts in store.all())
    except RegistryError as error:
        unread.append(f"what is published could not be read: {error.message}")
        return
    for digest in digests:
        if digest not in but:
            try:
                evidence = _published(store, digest, scratch / digest.removeprefix("sha256:"))
            except LockgateError as error:
                unread.append(error.message)
                continue
            if evidence.model == pipeline.model:
                yield evidence


def _published(store: EvidenceStore, digest: str, folder: Path) -> Evidence:
    return Evidence.read((store.fetch(digest, folder) / EVIDENCE).read_bytes())


def local_run(digest: str) -> RunFolder | None:
    """The run of this checkout whose evidence has the digest, or alone begins with it. Raises UsageError for what is none."""
    prefix = _prefix(digest)
    runs = dict(matching(runs_root(), prefix))
    if len(runs) > 1:
        raise _ambiguous(prefix, runs)
    return next(iter(runs.values()), None)


def _prefix(digest: str) -> str:
    """The digest, or its beginning, with its algorithm before it. Raises UsageError."""
    text = digest.removeprefix("sha256:")
    if re.fullmatch("[0-9a-f]{1,64}", text) is None:
        raise UsageError(
            f"{digest!r} is no digest",
            remedy=f"write sha256: and 64 lower-case hex digits; the first {SHORTEST} do, as gate status and the report of a run show them",
        )
    if len(text) < SHORTEST:
        raise UsageError(
            f"{digest!r} is too short for a digest", remedy=f"write the first {SHORTEST} hex digits of it or more"
        )
    return f"sha256:{text}"


def _whole_digest(prefix: str, local: Evidence | None, store: EvidenceStore) -> str:
    """The only digest that begins so, here or in the registry. Raises UsageError."""
    digests = [] if local is None else [local.digest]
    try:
        digests += [facts["digest"] for facts in store.all() if facts["digest"].startswith(prefix)]
    except RegistryError:
        if local is None:
            raise
    match list(dict.fromkeys(digests)):
        case [digest]:
            return digest
        case []:
            raise UsageError(
                f"no evidence has a digest that begins with {prefix}, here or in the registry",
                remedy="write the one that the report of its run shows; gate history shows those of the ledger",
            )
        case several:
            raise _ambiguous(prefix, several)


def _ambiguous(digest: str, candidates: Iterable[str]) -> UsageError:
    listed = "".join(f"\n  {candidate}" for candidate in candidates)
    return UsageError(f"several digests begin with {digest}:{listed}", remedy="write more of it")


@dataclass(frozen=True)
class _Staged:
    """A version that waits in Staging by the ledger, and the evidence on which it does."""

    pipeline: Pipeline
    registry: Registry
    version: str
    digest: str
    since: str

    def __str__(self) -> str:
        return f"{short_digest(self.digest)}: version {self.version} of {self.pipeline.model}, in Staging{self.since}"


def _staged(path: Path | None) -> _Staged:
    """What alone is staged, of the pipeline or of all in `gates/`. Raises UsageError."""
    paths = [path] if path is not None else pipelines(project_root()) or [only_pipeline(project_root())]
    entries, models, standings = list[_Staged](), list[str](), dict[str, Standing]()
    for each in paths:
        try:
            pipeline = load(each, environ=os.environ)
            models.append(pipeline.production_model)
            registry = open_registry(pipeline)
            standing = read_state(registry, pipeline.production_model).standing
        except LockgateError as error:
            if len(paths) == 1:
                raise
            if isinstance(error, NotFound):  # of a model that nobody registered nothing is staged
                show_lines([f"{each.name} is left out: {error.message}"], err=True)
                continue
            error.message = error.message if each.name in error.message else f"{each.name}: {error.message}"
            error.remedy = "; ".join(filter(None, (error.remedy, "name the pipeline that is meant with --pipeline")))
            raise
        standings[pipeline.model], digest = standing, standing.evidence.get(standing.staging or "")
        if standing.staging is not None and digest is not None:
            since = standing.staged_at
            when = "" if since is None else f" since {utc_text(since)}"
            entries.append(_Staged(pipeline, registry, standing.staging, digest, when))
    if len(entries) == 1:
        return entries[0]
    if entries:
        listed = "".join(f"\n  {entry} ({entry.pipeline.path.name})" for entry in entries)
        raise UsageError(
            f"no digest is named, and several versions are staged:{listed}", remedy="name the digest that is meant"
        )
    problem = f"no digest is named, and the ledger of {', '.join(dict.fromkeys(models))} has nothing in Staging"
    if (last := last_run(runs_root(), standings)) is not None:
        raise UsageError(f"{problem}: {last.reason}", remedy=last.remedy)
    raise UsageError(problem, remedy="evaluate a candidate with gate run --stage, which stages what can be approved")


def read_ballot(
    lookup: EvidenceLookup,
) -> tuple[Ballot, list[tuple[bytes, bytes]], Callable[[], Mapping[str, str] | None]]:
    """(votes on the evidence, here and in the registry; those that only lie here; the newest facts of its version)."""
    evidence, pipeline = lookup.evidence, lookup.pipeline
    local = [] if lookup.votes_folder is None else ssh.stored_votes(lookup.votes_folder)
    store = lookup.registry.evidence(evidence.model)
    stored, newest = store.votes_and_newest(evidence.digest, str(evidence.candidate["version"]))
    published = list(stored)
    votes, objections = ssh.read_votes([*published, *local], pipeline.signoff or SignoffPolicy())
    commit = evidence_commit(evidence)
    hold = None
    if pipeline.promotion.when == "merged":
        obstacle = not_merged(commit, pipeline.root, branch=pipeline.promotion.branch, environ=os.environ)
        if obstacle is not None:
            git.checkout_state(pipeline.root)  # of one that is damaged nothing is believed
            hold = SignoffDecision("pending", "not_merged", obstacle.reason, obstacle.remedy)
    unread = ssh.unreadable_votes(lookup.votes_folder, published)
    ballot = replace(authored(lookup), votes=votes, objections=objections, hold=hold, unread=unread)
    return ballot, [pair for pair in local if pair not in published], lambda: newest


def authored(lookup: EvidenceLookup) -> Ballot:
    """A ballot without votes: who wrote the evaluated commit, where the policy asks. Raises LockgateError as git does."""
    policy, commit = lookup.pipeline.signoff or SignoffPolicy(), evidence_commit(lookup.evidence)
    if not policy.separation_of_duties or policy.nobody_signs:  # a checkout that does not say it is in nobody's way
        return Ballot()
    if commit is None:
        return Ballot(authors_remedy="evaluate again in a git checkout")
    root = lookup.pipeline.root
    lacking = git.obtain(commit, root)
    authors = committers.authors(commit, root, named=policy.names)
    if authors:
        return Ballot(authors=authors)
    git.checkout_state(root)
    return Ballot(authors_remedy=_authors_remedy(commit, git.remote(root), lacking))


def evidence_commit(evidence: Evidence) -> str | None:
    """The commit that was checked out when the evidence was made."""
    commit = (evidence.document["run"].get("git") or {}).get("commit")
    return str(commit) if commit else None


def _authors_remedy(commit: str, remote: str | None, lacking: str | None) -> str:
    if remote is None:
        return f"call this in a clone of the repository that has commit {commit}"
    error = "" if lacking is None else f", of which git says here: {lacking}"
    return f"git fetch {remote} {commit} (a job clones all by fetch-depth: 0 on GitHub, GIT_DEPTH: 0 on GitLab){error}; {SQUASHED}"
