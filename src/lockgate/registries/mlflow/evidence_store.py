"""Evidence and votes beside the versions of a model in MLflow: one run for each published digest."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from lockgate.errors import Edited, NotFound, RegistryError, UnknownOutcome
from lockgate.hashing import is_digest, sha256, sha256_file
from lockgate.registries.mlflow import experiments
from lockgate.registries.mlflow.artifact_folder import ArtifactFolder
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.experiments import ModelExperiments
from lockgate.signoff.vote import Vote

_PREFIX = "lockgate."
_LONGEST = 5000  # the shortest limit of the databases behind MLflow


class MlflowEvidence:
    """EvidenceStore in the experiment `lockgate-evidence/<model>`.

    The tag `lockgate.digest` is set when a run is made, the write-once params `digest` and `published` when everything is
    stored. `published` numbers the publications of the model: whoever publishes takes the next number, so that what was
    stored before has a lower one, whatever anybody's clock says; of two that publish at the same time either may be first.
    """

    def __init__(self, client: MlflowClient, model: str, experiments: ModelExperiments | None = None) -> None:
        self._client = client
        self._model = model
        self._experiments = experiments or ModelExperiments(client, model)
        self._name = f"lockgate-evidence/{model}"
        self._experiment_id: str | None = None
        self._complete_runs: dict[str, Any] = {}  # by digest; a complete run never changes

    def publish(self, digest: str, folder: Path, *, files: Sequence[str], facts: Mapping[str, str]) -> bool:
        from mlflow.entities import Param, RunStatus

        if digest in self._complete_runs:
            return False
        runs = self._runs(digest)
        if any(_complete(run) for run in runs):
            return False
        run = runs[0] if runs else self._make_run(digest, facts)
        run_id, now = str(run.info.run_id), int(time.time() * 1000)
        self._upload(run, folder, files)
        params = [Param("digest", digest), Param("published", f"{self._last_number() + 1:09d}")]
        self._client.write_once(
            f"evidence {digest}",
            lambda mlflow: mlflow.runs.log_batch(run_id, [], params, []),
            lambda: self._client.read(f"evidence {digest}", lambda mlflow: mlflow.runs.get_run(run_id)).data.params.get(
                "digest"
            ),
            digest,
        )
        self._complete_runs[digest] = run
        with suppress(RegistryError):  # for people who look at the run; the param is what counts
            self._client.write(
                f"evidence {digest}", lambda mlflow: mlflow.runs.update_run_info(run_id, RunStatus.FINISHED, now, None)
            )
        return True

    def published(self, digest: str) -> bool:
        return digest in self._complete_runs or any(_complete(run) for run in self._runs(digest))

    def fetch(self, digest: str, folder: Path) -> Path:
        run = self._run(digest)
        folder.mkdir(parents=True, exist_ok=True)
        ArtifactFolder(self._client, run.info.artifact_uri, f"evidence {digest}").download_all(folder)
        stored = folder / "evidence.json"
        if not stored.is_file() or sha256_file(stored) != digest:
            raise Edited(
                f"the evidence published as {digest} is gone or was edited since",
                remedy="evaluate again with gate run; nothing is promoted on it",
            )
        return folder

    def add_vote(self, digest: str, vote: bytes, signature: bytes) -> None:
        run = self._run(digest)
        name = sha256(vote).removeprefix("sha256:")
        with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
            # the signature first: a vote never lies there without it
            for suffix, data in ((".sig", signature), (".json", vote)):
                path = Path(folder, name + suffix)
                path.write_bytes(data)
                self._log_artifact(run, path, "votes")
        self._note_objection(str(run.info.run_id), name, vote)

    def votes(self, digest: str) -> Sequence[tuple[bytes, bytes]]:
        return [pair for run in self._runs(digest) for pair in self._votes_of(run.info.artifact_uri)]

    def newest(self, version: str) -> Mapping[str, str] | None:
        return _newest(self._of_version(version))

    def votes_and_newest(
        self, digest: str, version: str
    ) -> tuple[Sequence[tuple[bytes, bytes]], Mapping[str, str] | None]:
        runs = self._of_version(version)
        # the tag `version` of its run may have been edited; the digest alone names evidence
        runs_of_digest = [run for run in runs if _facts(run).get("digest") == digest] or self._runs(digest)
        votes = [pair for run in sorted(runs_of_digest, key=_first) for pair in self._votes_of(run.info.artifact_uri)]
        return votes, _newest(runs)

    def _of_version(self, version: str) -> list[Any]:
        return self._search(f"tags.`{_PREFIX}version` = '{version}'")

    def all(self) -> Sequence[Mapping[str, str]]:
        return [_facts(run) for run in sorted(filter(_complete, self._search("")), key=_order)]

    def _note_objection(self, run_id: str, name: str, vote: bytes) -> None:
        """Show a vote that objects as a tag, without its reason where it does not fit."""
        try:
            objection = Vote.read(vote)
        except ValueError:
            return
        if not objection.objects:
            return
        text = vote.decode()
        if len(text) > _LONGEST:
            text = replace(objection, reason=f"({len(objection.reason):,} characters)", stored=None).bytes.decode()
        from mlflow.entities import RunTag

        tag = RunTag(f"{_PREFIX}vote.{name}", text)
        with suppress(RegistryError):  # the vote counts without it; gate verify says that history does not show it
            self._client.write(f"the vote {name}", lambda mlflow: mlflow.runs.set_tag(run_id, tag))

    def _votes_of(self, uri: str) -> list[tuple[bytes, bytes]]:
        files = ArtifactFolder(self._client, uri, "votes")
        listed = files.list("votes")
        small = [entry for entry in listed if not entry.is_dir and (entry.file_size or 0) <= Vote.most]
        stored = {PurePosixPath(entry.path).name: b"" for entry in listed}  # others are handed out as bytes of no vote
        stored |= {PurePosixPath(entry.path).name: files.read(entry) for entry in small}
        return [
            (stored[name], stored.get(f"{PurePosixPath(name).stem}.sig", b""))
            for name in sorted(stored)
            if name.endswith(".json")
        ]

    def _last_number(self) -> int:
        """That of the last publication, deleted ones included; 0 before the first."""
        from mlflow.entities import ViewType

        experiment_id = self._experiment(make=True)
        last = self._client.read(
            f"the evidence of {self._model}",
            lambda mlflow: mlflow.runs.search_runs(
                [experiment_id],
                "params.`published` != ''",
                ViewType.ALL,
                max_results=1,
                order_by=["params.`published` DESC"],
            ),
        )
        return _number(last[0]) if last else 0

    def _make_run(self, digest: str, facts: Mapping[str, str]) -> Any:
        for name, value in facts.items():
            if len(value) > _LONGEST:
                raise RegistryError(f"the fact {name} has {len(value):,} characters; {_LONGEST:,} fit")
        from mlflow.entities import RunTag

        experiment_id = self._experiment(make=True)
        tags = {f"{_PREFIX}{name}": value for name, value in facts.items()} | {f"{_PREFIX}digest": digest}
        name = facts.get("run_id", digest)
        try:
            return self._client.write(
                f"evidence {digest}",
                lambda mlflow: mlflow.runs.create_run(
                    experiment_id,
                    user_id="unknown",
                    start_time=int(time.time() * 1000),
                    tags=[RunTag(key, value) for key, value in tags.items()],
                    run_name=name,
                ),
            )
        except UnknownOutcome:  # the tag shows whether it was made
            made = self._runs(digest)
            if not made:
                raise
            return made[0]

    def _upload(self, run: Any, folder: Path, files: Sequence[str]) -> None:
        for name in files:
            relative = PurePosixPath(name)
            if relative.is_absolute() or ".." in relative.parts:
                raise ValueError(f"{name} lies outside the run folder")
            parent = relative.parent.as_posix()
            self._log_artifact(run, folder / name, None if parent == "." else parent)

    def _log_artifact(self, run: Any, path: Path, folder: str | None) -> None:
        ArtifactFolder(self._client, run.info.artifact_uri, path.name).upload(path, folder)

    def _run(self, digest: str) -> Any:
        if digest not in self._complete_runs:
            self._runs(digest)
        if digest in self._complete_runs:
            return self._complete_runs[digest]
        raise NotFound(
            f"no evidence {digest} is published for {self._model}",
            remedy="publish it with gate run --stage, or name the pipeline it belongs to with --pipeline",
        )

    def _runs(self, digest: str) -> list[Any]:
        """Every run of a digest, the first one first; more than one only where two published at the same time."""
        if not is_digest(digest):
            raise NotFound(f"{digest!r} is no digest", remedy="write sha256: and 64 hex digits")
        runs = self._search(f"tags.`{_PREFIX}digest` = '{digest}'")
        return sorted(runs, key=_first)

    def _search(self, condition: str) -> list[Any]:
        from mlflow.entities import ViewType

        experiment_id = self._experiment(make=False)
        if experiment_id is None:
            return []
        runs = self._client.read_pages(
            f"the evidence of {self._model}",
            lambda mlflow, token: mlflow.runs.search_runs(
                [experiment_id], condition, ViewType.ACTIVE_ONLY, max_results=1000, page_token=token
            ),
        )
        for run in sorted(runs, key=_first):
            if _complete(run):
                self._complete_runs.setdefault(_facts(run)["digest"], run)
        return runs

    def _experiment(self, *, make: bool) -> str | None:
        if self._experiment_id is None:
            experiment = self._experiments.ensure(self._name) if make else self._experiments.find(self._name)
            if experiment is None:
                return None
            if experiments.is_deleted(experiment):
                raise RegistryError(
                    f"the experiment {self._name} was deleted, and the evidence with it",
                    remedy="restore it in MLflow (mlflow experiments restore)",
                )
            self._experiment_id = str(experiment.experiment_id)
        return self._experiment_id


def _newest(runs: Sequence[Any]) -> Mapping[str, str] | None:
    """The facts of the run that was published last."""
    last = max(filter(_complete, runs), key=_order, default=None)
    return None if last is None else _facts(last)


def _first(run: Any) -> tuple[bool, int, int, str]:
    """Of several runs of one digest those that are complete come first, as they were published."""
    return not _complete(run), _number(run), run.info.start_time, run.info.run_id


def _order(run: Any) -> tuple[int, str, str]:
    """Of complete runs, as they were published: those from before publications were numbered first, by what they say of when they finished."""
    number, facts = _number(run), _facts(run)
    return number, "" if number else facts.get("at", ""), facts["digest"]


def _number(run: Any) -> int:
    """That of its publication, 0 where an older lockgate published it."""
    text = run.data.params.get("published", "")
    return int(text) if text.isdecimal() else 0


def _complete(run: Any) -> bool:
    return bool(run.data.params.get("digest") == run.data.tags.get(f"{_PREFIX}digest"))


def _facts(run: Any) -> dict[str, str]:
    facts = {key.removeprefix(_PREFIX): value for key, value in run.data.tags.items() if key.startswith(_PREFIX)}
    facts["published"] = str(_number(run))
    return facts
