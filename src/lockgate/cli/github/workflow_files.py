"""Workflow files of a repository on GitHub, with its names and pinned versions."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lockgate import __version__, git
from lockgate.cli.github.existing_workflows import FOLDER, PLACEHOLDER, GateStep, gate_steps, steps_of
from lockgate.errors import LockgateError, UsageError
from lockgate.pipeline.loader import load, pipelines
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.read_paths import ReadPaths
from lockgate.pipeline.variables import filled
from lockgate.registries.reach import is_here_alone

# The names of the first pipeline's files. Those of further pipelines have the pipeline's name behind them.
NAMES = ("gate.yml", "gate-approve.yml", "gate-rollback.yml", "gate-nightly.yml")
# Pinned by the commit of a release, because a tag can be moved.
PINNED = {
    "checkout": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "setup_python": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "upload": "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
    "download": "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
}
_LIST = "--requirement requirements.txt"
_INSTALLS = re.compile(r"^python -m pip install (.+)$", re.MULTILINE)
_MODELS_NEED = ("mlflow", "pyarrow", "pandas", "scikit-learn")
_ACTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9\-]*)/[A-Za-z0-9._\-]+@[0-9a-f]{40}")
_GITHUB = re.compile(r"github\.com[/:]([A-Za-z0-9\-]+/[A-Za-z0-9._\-]+?)(?:\.git)?/?$")
_GATES = re.compile(r"gates/[A-Za-z0-9._\-]+\.ya?ml")
_OLDEST = (3, 11)  # the Python on which lockgate runs, which the jobs install beside the model's packages
_COMPARED = "gate check --github tells where the model was logged under another one"
_RENEWED = " anew; what was written into it by hand is in git diff"
_LIKE_ANOTHER = re.compile(r"(run|approve|rollback|nightly)(-|$)")


@dataclass(frozen=True)
class Workflows:
    """The files for one pipeline. action: value of `uses:`. python: version of the jobs in which models answer. first: whether
    the pipeline has the plain names. lfs: whether a checkout needs what Git LFS keeps. local: the registry that this machine
    alone reaches, and what to do; None of a server. version_file: names the candidate. notes: what is worth knowing of these choices.
    """

    model: str
    pipeline: str
    action: str
    models_need: str
    python: str
    first: bool = True
    lfs: bool = False
    local: tuple[str, str] | None = None
    version_file: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def for_pipeline(
        cls, model: str, pipeline: Path, *, action: str | None, root: Path, python: str | None = None
    ) -> Workflows:
        """The files of a pipeline. Raises UsageError for a name that a workflow cannot hold.

        action, python: those of workflows that are there, or of this lockgate, where they are None.
        """
        if action is not None and not _ACTION.fullmatch(action):
            raise UsageError(
                f"--action {action!r} is no action at a commit",
                remedy="write OWNER/REPO@ and the 40 hex digits of a commit",
            )
        pipeline_path = pipeline.as_posix()
        if not _GATES.fullmatch(pipeline_path):
            raise UsageError(
                f"{pipeline_path!r} cannot stand in a workflow, whose jobs take pipelines of plain names from gates/ at the root of "
                "the checkout alone: no comment promotes what changes anything in there",
                remedy="move it there; its paths begin at that root already",
            )
        alike = [
            path for path in pipelines(root) if path != root / pipeline and path.stem.lower() == pipeline.stem.lower()
        ]
        if alike:
            raise UsageError(
                f"{pipeline_path} and gates/{alike[0].name} would share jobs and concurrency groups, where GitHub ignores case",
                remedy="rename one of them",
            )
        if "${{" in model:
            raise UsageError(f"{model!r} would be an expression in a workflow", remedy="register it under another name")
        read = _read(root / pipeline, root)
        before = sorted(gate_steps(root), key=lambda step: step.pipeline != pipeline_path)  # its own come first
        uses, notes = (f"{action} # v{__version__}", ()) if action else _chosen_action(before)
        version, note = _job_python(python, before)
        packages = _model_packages(root)
        return cls(
            model,
            pipeline_path,
            uses,
            models_need=packages,
            python=version,
            first=_has_plain_names(pipeline_path, root),
            lfs=needs_lfs(read, root),
            local=None if read is None else local_registry(read, os.environ),
            version_file=None if read is None else read.version_file,
            notes=(*notes, note, *_packages_note(packages, before, pipeline_path)),
        )

    @property
    def stem(self) -> str:
        return Path(self.pipeline).stem

    @property
    def check(self) -> str:
        """The job that asks the gates, as a required check names it."""
        return f"Ask the gates{self._of}"

    @property
    def _of(self) -> str:
        return "" if self.first else f" ({self.stem})"

    @property
    def _subject(self) -> str:
        """What the workflows are about, as the Actions page lists them; several pipelines may be about one model."""
        return self.model if self.model == self.stem else f"{self.model} ({self.stem})"

    def file_name(self, name: str) -> str:
        """The file of this pipeline for one of NAMES; no two pipelines have one in common."""
        if self.first:
            return name
        kind = name.removesuffix(".yml")
        if kind == "gate" and _LIKE_ANOTHER.match(self.stem):
            kind = "gate-run"
        return f"{kind}-{self.stem}.yml"

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """(file name, content)."""
        workflow = self.file_name(NAMES[0])
        fields = {
            **PINNED,
            "action": self.action,
            "pipeline": self.pipeline,
            "pipeline_text": json.dumps(self.pipeline),
            "name": self.stem,
            "of": self._of,
            "workflow": workflow,
            "artifact": workflow.removesuffix(".yml"),
            "promoting": _quoted(f"gate-promote-{self.model}"),
            "lfs": "\n          lfs: true" if self.lfs else "",
            "model_text": _quoted(self.model),
            "rollback_name": _quoted(f"Roll back {self.model} to ${{{{ inputs.to || 'the previous version' }}}}"),
            "rollback_reason": _quoted(f"Why {self.model} is rolled back, for whoever reads it later"),
            "rollback_target": _quoted(
                f"Another version of {self.model} than the previous one; empty for the previous one"
            ),
            "models_need": self.models_need,
            "python": json.dumps(self.python),
        }
        for name in NAMES:
            template = files("lockgate").joinpath("workflows", name).read_text(encoding="utf-8")
            title = _quoted(f"{name.removesuffix('.yml')}: {self._subject}")
            yield self.file_name(name), template.format(**fields, workflow_name=title)

    def existing(self, root: Path) -> list[str]:
        """Which of its files are there already."""
        return [name for name in map(self.file_name, NAMES) if (root / FOLDER / name).exists()]

    def write(self, root: Path, *, force: bool) -> list[str]:
        """Write the files; returns lines on what was done and what is to do. Raises UsageError where one exists already.

        Files of other pipelines stay as they are.
        """
        folder = root / FOLDER
        existing = self.existing(root)
        if existing and not force:
            raise UsageError(f"{FOLDER}/{existing[0]} exists already", remedy="edit it, or replace it with --force")
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        for name, text in self.texts:
            path = folder / name
            renewed = path.exists() and path.read_text(encoding="utf-8", errors="replace") != text
            path.write_text(text, encoding="utf-8")
            lines.append(f"wrote {os.path.relpath(path)}{_RENEWED if renewed else ''}")
        nameless = {step.file for step in gate_steps(root) if not step.pipeline} if len(pipelines(root)) > 1 else ()
        lines += [
            f"to do: {file} names no pipeline, and gates/ holds several: write `pipeline: gates/FILE` there"
            for file in sorted(nameless)
        ]
        return [*lines, *self.notes]


def _quoted(text: str) -> str:
    """One value of YAML, whatever signs the text has."""
    return json.dumps(text, ensure_ascii=False)


def _has_plain_names(pipeline: str, root: Path) -> bool:
    """Whether the plain names are this pipeline's: they are free, its own, or those of a pipeline that is gone.

    Also where the workflow leaves the pipeline out because gates/ holds only one.
    """
    existing = [path for name in NAMES if (path := root / FOLDER / name).exists()]
    owners = {step.pipeline for path in existing for step in steps_of(path)}
    others = [path for path in pipelines(root) if path != root / pipeline]
    return (
        not existing
        or pipeline in owners
        or (bool(owners) and not any((root / owner).exists() if owner else others for owner in owners))
    )


def _read(pipeline: Path, root: Path) -> Pipeline | None:
    """The pipeline; None where it is still to be filled in."""
    try:
        return load(pipeline, environ=None, root=root)
    except LockgateError:
        return None


def needs_lfs(pipeline: Pipeline | None, root: Path) -> bool:
    """Whether Git LFS keeps something that the pipeline reads, as .gitattributes says it."""
    names = [] if pipeline is None else ReadPaths.of_pipeline(pipeline).examples(root)
    filters = git.filters(names, root) if names else None
    if filters is not None:
        return "lfs" in filters
    attributes = root / ".gitattributes"
    return attributes.is_file() and "filter=lfs" in attributes.read_text(encoding="utf-8", errors="replace")


def local_registry(pipeline: Pipeline, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """(the registry that this machine alone reaches, what to do), also as what a variable falls back to; None of a server.

    environ: what fills in the variables of its address; their values are not shown, as they may hold a password.
    """
    uri = str(getattr(pipeline.registry, "uri", ""))
    if is_here_alone(uri):
        return uri, 'register the model on a server, and write registry: {kind: mlflow, uri: "${MLFLOW_TRACKING_URI}"}'
    try:
        here = is_here_alone(filled(uri, environ))
    except LookupError:  # not set here, which says nothing of the jobs
        return None
    return (
        (f"the address in {uri}", "register the model on a server, and set that variable to its address")
        if here
        else None
    )


def _chosen_action(before: Sequence[GateStep]) -> tuple[str, tuple[str, ...]]:
    """(the value of `uses:`, what is to be said of it): as workflows that are there have it, else of this lockgate.

    before: their steps, the pipeline's own first.
    """
    used = next((step for step in before if step.uses and not step.is_placeholder), None)
    installed = _installed_action()
    if used is not None:
        kept = f"the action is {used.uses}, as in {used.file}"
        other = installed is not None and installed != used.uses.split(" ")[0]
        return used.uses, (f"{kept}; this lockgate is {installed}, which --action names" if other else kept,)
    if installed is not None:
        return f"{installed} # v{__version__}", ()
    return f"{PLACEHOLDER}@v{__version__}", (
        f"to do: where lockgate {__version__} was installed from, and at which commit, is not known here; "
        "write it with --action OWNER/REPO@COMMIT --force",
    )


def _job_python(logged: str | None, before: Sequence[GateStep]) -> tuple[str, str]:
    """(the Python of jobs in which models answer, where it comes from). logged: what the model was logged under."""
    used = next((step for step in before if step.asks_models and step.python is not None), None)
    if logged is not None:
        chosen, reason = minor(logged), f"the model was logged under {logged}"
    elif used is not None:
        chosen, reason = str(used.python), f"as in {used.file}; {_COMPARED}"
    else:
        chosen, reason = minor(platform.python_version()), f"this one; {_COMPARED}"
    if tuple(map(int, chosen.split(".")[:2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return oldest, f"models answer under Python {oldest}, the oldest that lockgate runs on; {reason}"
    return chosen, f"models answer under Python {chosen}: {reason}"


def minor(version: str) -> str:
    """`3.11` of `3.11.7`."""
    return ".".join(version.split(".")[:2])


def _installed_action() -> str | None:
    """The action at the commit that this lockgate was installed from, None where that is not known."""
    try:
        origin = json.loads(metadata.distribution("lockgate").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    url, commit = str(origin.get("url", "")), (origin.get("vcs_info") or {}).get("commit_id")
    parts = urlsplit(url)
    if commit is None and parts.scheme == "file":
        folder = Path(unquote(parts.path))
        with suppress(LockgateError):  # a checkout that git refuses names none
            commit, url = git.head_commit(folder), git.origin_url(folder) or ""
    repository = _GITHUB.search(url)
    action = f"{repository[1]}@{commit}" if repository else ""
    return action if _ACTION.fullmatch(action) else None


def _packages_note(packages: str, before: Sequence[GateStep], pipeline: str) -> Iterator[str]:
    """What the jobs install for a model, where that is no file of the repository, and what they did before, where that changes."""
    own = (step.scripts for step in before if step.pipeline in (pipeline, "") and step.asks_models)
    installed = {match[1].strip() for scripts in own for match in _INSTALLS.finditer(scripts)}
    change = f", instead of {', '.join(sorted(installed))}" if installed and packages not in installed else ""
    if packages != _LIST:
        yield (
            f"the models get {packages}{change}, as installed here: commit requirements.txt with what they need, and "
            "--force writes that instead"
        )
    elif change:
        yield f"the models get {packages} now{change}"


def _model_packages(root: Path) -> str:
    """pip arguments for the packages of a model: the repository's own list, else the versions that are installed here."""
    if (root / "requirements.txt").is_file():
        return _LIST
    requirements = []
    for name in _MODELS_NEED:
        try:
            requirements.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return " ".join(requirements)
