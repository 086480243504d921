"""Find a command's pipeline, and open its registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lockgate.errors import LockgateError, PipelineError, UsageError
from lockgate.foreign.files import read_regular
from lockgate.pipeline.loader import load, pipelines
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.copy_target import with_copy_target
from lockgate.registries.ports import Registry

_MODEL = re.compile(r"""^model:[ \t]*(["']?)(?P<name>[^\s"'#]+)\1[ \t]*(?:#.*)?$""", re.MULTILINE)


class NoPipeline(UsageError):
    """No pipeline in `gates/` is about the model."""


def only_pipeline(root: Path) -> Path:
    """The pipeline that is meant where none was named. Raises UsageError with the list."""
    paths = pipelines(root)
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise UsageError("there is no pipeline in gates/", remedy="name one, or write one with gate init")
    raise UsageError(
        f"gates/ holds several pipelines: {_listed(paths, root)}",
        remedy=f"name one of them, like {_listed(paths[:1], root)}",
    )


def find_pipeline(
    *,
    root: Path,
    environ: Mapping[str, str],
    model: str | None = None,
    digest: str | None = None,
    path: Path | None = None,
) -> Pipeline:
    """The pipeline that a command is about: the named one, else the one in `gates/` of the model, evaluated or in Production.

    digest: of evidence whose model is not known, for the message. Raises UsageError with the list where none or several fit,
    and PipelineError where one that may be meant cannot be read.
    """
    if path is not None:
        pipeline = load(path, environ=environ)
        if model not in (None, pipeline.model, pipeline.production_model):
            raise UsageError(f"{path} is about {pipeline.model}, not {model}", remedy="name the pipeline of that model")
        return pipeline
    paths = pipelines(root)
    matches: list[Path] = []
    invalid: list[tuple[str | None, PipelineError]] = []
    for candidate in paths:
        try:
            pipeline = load(candidate, environ=None)
            if model in (None, pipeline.model, pipeline.production_model):
                matches.append(candidate)
        except PipelineError as error:
            invalid.append((_written_model(candidate), error))
        except LockgateError:
            continue
    # another model's pipeline is no reason to stop, one that nobody can read is where it may be the one
    meant = [error for name, error in invalid if model is None or name == model or (name is None and not matches)]
    if meant:
        raise PipelineError(complaint for error in meant for complaint in error.complaints)
    if len(matches) == 1:
        return load(matches[0], environ=environ)
    subject = f"the model {model}" if model else f"the evidence {digest}"
    if not paths:
        raise NoPipeline(
            "there is no pipeline in gates/", remedy="name one with --pipeline FILE, or write one with gate init"
        )
    problem = "several pipelines name" if matches else "no pipeline in gates/ names"
    kind = UsageError if matches else NoPipeline
    raise kind(f"{problem} {subject}: {_listed(matches or paths, root)}", remedy="name one with --pipeline FILE")


def model_in(path: Path) -> str | None:
    """The model that a pipeline is about; None where that cannot be read."""
    try:
        return load(path, environ=None).model
    except LockgateError:
        return _written_model(path)


def _written_model(path: Path) -> str | None:
    """The model that the text of a pipeline names, which cannot be read as one."""
    try:
        match = _MODEL.search(read_regular(path).decode(errors="replace"))
    except OSError:
        return None
    return match["name"] if match else None


def _listed(paths: list[Path], root: Path) -> str:
    return ", ".join(path.relative_to(root).as_posix() for path in paths)


def open_registry(pipeline: Pipeline) -> Registry:
    """The registry of a pipeline."""
    registry = pipeline.registry.open(pipeline.root)
    if pipeline.promotion.copy_to is None:
        return registry
    return with_copy_target(registry, source=pipeline.model, target=pipeline.promotion.copy_to)
