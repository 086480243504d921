"""Workflow files of a repository on GitHub, with its names and pinned versions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lockgate import __version__
from lockgate.errors import LockgateError, UsageError
from lockgate.integrations import git

NAMES = ("gate.yml", "gate-approve.yml", "gate-rollback.yml", "gate-nightly.yml")
REPOSITORY = "lockgate/lockgate"
# Pinned by the commit of a release, because a tag can be moved.
PINNED = {
    "checkout": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "setup_python": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "upload": "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
    "download": "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
}
_MODELS_NEED = ("mlflow", "pyarrow", "pandas", "scikit-learn")
_ACTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9\-]*)/[A-Za-z0-9._\-]+@[0-9a-f]{40}")
_GITHUB = re.compile(r"github\.com[/:]([A-Za-z0-9\-]+/[A-Za-z0-9._\-]+?)(?:\.git)?/?$")
_GATES = re.compile(r"gates/[A-Za-z0-9._\-]+\.ya?ml")

CHECKLIST = """\
In the settings of the repository (docs/github.md says what is only advisory without each):
  [ ] Environments: model-promotion, deployment branches: only {branch}; administrators may not bypass it
  [ ] Its secret MLFLOW_PROMOTE_PASSWORD and variable MLFLOW_PROMOTE_USERNAME: the one account that may write
  [ ] Actions variables MLFLOW_TRACKING_URI and MLFLOW_READ_USERNAME, secret MLFLOW_READ_PASSWORD: may read only
  [ ] Rules of the default branch: no direct push; review of .github/** and gates/** by owners of their own
  [ ] Actions: read-only token by default; approval for outside contributors; only actions that you allow
"""


@dataclass(frozen=True)
class Workflows:
    """The files for one pipeline. action: value of `uses:`; pinned: whether that is a commit."""

    model: str
    pipeline: str
    action: str
    pinned: bool
    models_need: str

    @classmethod
    def for_pipeline(cls, model: str, pipeline: Path, *, action: str | None, root: Path) -> Workflows:
        """The files of a pipeline. Raises UsageError for a name that a workflow cannot hold."""
        if action is not None and not _ACTION.fullmatch(action):
            raise UsageError(
                f"--action {action!r} is no action at a commit",
                remedy="write OWNER/REPO@ and the 40 hex digits of a commit",
            )
        pipeline_path = pipeline.as_posix()
        if not _GATES.fullmatch(pipeline_path):
            raise UsageError(
                f"{pipeline_path!r} cannot stand in a workflow", remedy="keep pipelines in gates/, with plain names"
            )
        if "${{" in model:
            raise UsageError(f"{model!r} would be an expression in a workflow", remedy="register it under another name")
        pinned = action or _installed_action()
        uses = f"{pinned} # v{__version__}" if pinned else f"{REPOSITORY}@v{__version__}"
        return cls(model, pipeline_path, uses, pinned is not None, models_need=_model_packages(root))

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """(file name, content)."""
        fields = {
            **PINNED,
            "action": self.action,
            "pipeline": self.pipeline,
            "pipeline_text": json.dumps(self.pipeline),
            "name": Path(self.pipeline).stem,
            "model_text": json.dumps(self.model, ensure_ascii=False),
            "models_need": self.models_need,
        }
        for name in NAMES:
            template = files("lockgate").joinpath("workflows", name).read_text(encoding="utf-8")
            yield name, template.format(**fields)

    def write(self, root: Path, *, force: bool) -> list[str]:
        """Write the files; returns lines on what was done and what is to do. Raises UsageError where one exists already."""
        folder = root / ".github" / "workflows"
        existing = [name for name in NAMES if (folder / name).exists()]
        if existing and not force:
            raise UsageError(
                f".github/workflows/{existing[0]} exists already", remedy="edit it, or replace it with --force"
            )
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        for name, text in self.texts:
            (folder / name).write_text(text, encoding="utf-8")
            lines.append(f"wrote .github/workflows/{name}")
        if not self.pinned:
            lines.append(
                f"to do: the commit of lockgate {__version__} is not known here, so its tag is named, which can be moved; "
                "write its commit with --action OWNER/REPO@COMMIT --force"
            )
        return [*lines, *CHECKLIST.format(branch="the default branch").splitlines()]


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
    action = f"{repository[1] if repository else REPOSITORY}@{commit}"
    return action if _ACTION.fullmatch(action) else None


def _model_packages(root: Path) -> str:
    """pip arguments for the packages of a model: the repository's own list, else the versions that are installed here."""
    if (root / "requirements.txt").is_file():
        return "--requirement requirements.txt"
    requirements = []
    for name in _MODELS_NEED:
        try:
            requirements.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return " ".join(requirements)
