"""Find a command's pipeline, and open its registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lockgate.errors import LockgateError, UsageError
from lockgate.evidence.run_folder import find
from lockgate.pipeline.loader import load
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import Registry


def pipelines(root: Path) -> list[Path]:
    """Every pipeline in `gates/`, sorted."""
    folder = root / "gates"
    return sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))


def only_pipeline(root: Path) -> Path:
    """The pipeline that is meant where none was named. Raises UsageError with the list."""
    paths = pipelines(root)
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise UsageError("there is no pipeline in gates/", remedy="name one, or write one with gate init")
    raise UsageError(f"gates/ holds several pipelines: {_listed(paths, root)}", remedy="name one of them")


def find_pipeline(
    *,
    root: Path,
    environ: Mapping[str, str],
    model: str | None = None,
    digest: str | None = None,
    path: Path | None = None,
) -> Pipeline:
    """The pipeline that a command is about: the named one, else the one in `gates/` of the model or the evidence.

    Raises UsageError where none or several fit, with the list.
    """
    if path is not None:
        pipeline = load(path, environ=environ)
        if model not in (None, pipeline.model):
            raise UsageError(f"{path} is about {pipeline.model}, not {model}", remedy="name the pipeline of that model")
        return pipeline
    if model is None and digest is not None and (run := find(root, digest)) is not None:
        model = run.evidence().model  # all that evidence may say of the pipeline that judges it
    matches = [candidate for candidate in pipelines(root) if _is_about(candidate, model)]
    if len(matches) == 1:
        return load(matches[0], environ=environ)
    subject = f"the model {model}" if model else f"the evidence {digest}"
    problem = "several pipelines name" if matches else "no pipeline in gates/ names"
    listed = _listed(matches or pipelines(root), root) or "none"
    raise UsageError(f"{problem} {subject}: {listed}", remedy="name one with --pipeline FILE")


def _is_about(path: Path, model: str | None) -> bool:
    """Whether a pipeline can be read and names the model; None stands for any."""
    try:
        return load(path, environ=None).model == model or model is None
    except LockgateError:
        return False


def _listed(paths: list[Path], root: Path) -> str:
    return ", ".join(path.relative_to(root).as_posix() for path in paths)


def open_registry(pipeline: Pipeline) -> Registry:
    """The registry of a pipeline."""
    return pipeline.registry.open(pipeline.root)
