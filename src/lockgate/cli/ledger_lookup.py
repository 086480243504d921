"""Find where a model is registered, for commands that can do without a pipeline of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli.output import show_lines
from lockgate.errors import NotFound, PipelineError, UsageError

if TYPE_CHECKING:
    from lockgate.pipeline.pipeline import Pipeline
    from lockgate.promotion.ledger.policy import PromotionPolicy
    from lockgate.registries.ports import Registry

REGISTRY = click.option(
    "--registry",
    "uri",
    metavar="URI",
    help="Where the model is registered, for whoever has no pipeline of it; else MLFLOW_REGISTRY_URI, MLFLOW_TRACKING_URI.",
)


@dataclass(frozen=True)
class LedgerAddress:
    """A registry that was named where no pipeline was found, or none that can be read.

    note: which one is meant and why. absent: the refusal where the model is not there either; None where --registry says
    that it is.
    """

    uri: str
    tracking_uri: str | None
    note: str
    absent: UsageError | None

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Ends with `absent` where the model turns out not to be there."""
        try:
            yield
        except (NotFound, UsageError) as error:
            if self.absent is None:
                raise
            raise self.absent from error  # nobody said that the model is there


@dataclass(frozen=True)
class ModelLedger:
    """Whose ledger a command reads, and by which policy. pipeline: None where it does without."""

    registry: Registry
    model: str
    promotion: PromotionPolicy
    pipeline: Pipeline | None


def only_model(path: Path | None) -> str:
    """The model that is meant where none was named: of the pipeline, or of all in `gates/`. Raises UsageError with the list."""
    from lockgate.pipeline.loader import load, pipelines, project_root
    from lockgate.runs.lookup import model_in

    if path is not None:
        return load(path, environ=None).model
    names = sorted({name for name in map(model_in, pipelines(project_root())) if name is not None})
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError("no pipeline in gates/ says which model is meant", remedy="name the model")
    raise UsageError(
        f"gates/ holds pipelines of several models: {', '.join(names)}", remedy=f"name one of them, like {names[0]}"
    )


def pipeline_or_address(model: str, path: Path | None, uri: str | None) -> Pipeline | LedgerAddress:
    """The pipeline of a model where there is one, else the registry that --registry or the environment names.

    Raises UsageError where neither is there, PipelineError for a pipeline that cannot be read.
    """
    from lockgate.cli.evidence_lookup import model_pipeline
    from lockgate.runs.lookup import NoPipeline

    if path is not None and uri is not None:
        raise UsageError("--pipeline says where the model is registered", remedy="leave --registry away")
    tracking_uri, registry_uri = (os.environ.get(f"MLFLOW_{name}_URI") or None for name in ("TRACKING", "REGISTRY"))
    link = uri or registry_uri or tracking_uri
    absent = None
    try:
        pipeline = model_pipeline(model, path)
    except NoPipeline as error:
        absent = UsageError(error.message, remedy=f"{error.remedy}, or the registry with --registry URI")
        reason = f"no pipeline of {model} is here"
    except PipelineError as error:
        if uri is None:
            raise
        reason = error.complaints[0]
    else:
        if uri not in (None, getattr(pipeline.registry, "uri", None)):
            raise UsageError(
                f"{pipeline.path} says that {model} is registered elsewhere", remedy="leave --registry away"
            )
        return pipeline
    if not link:
        raise absent or UsageError(reason)
    by = "--registry" if uri else "MLFLOW_REGISTRY_URI" if registry_uri else "MLFLOW_TRACKING_URI"
    note = f"{reason}: the registry of {by} is meant"
    return LedgerAddress(link, None if uri else tracking_uri, note, None if uri else absent)


def model_ledger(model: str, path: Path | None, uri: str | None) -> ModelLedger:
    """The ledger to read, by the pipeline or by the registry that was named. Raises UsageError, RegistryError."""
    from lockgate.pipeline.loader import project_root
    from lockgate.promotion.ledger.policy import PromotionPolicy
    from lockgate.promotion.operator import read_state
    from lockgate.runs.lookup import open_registry
    from lockgate.runs.without_pipeline import open_ledger

    address = pipeline_or_address(model, path, uri)
    if not isinstance(address, LedgerAddress):
        return ModelLedger(open_registry(address), address.production_model, address.promotion, address)
    with address.looking():
        registry = open_ledger(address.uri, model, project_root(), tracking_uri=address.tracking_uri)
        if address.absent is not None and read_state(registry, model).chain.last is None:
            raise NotFound(f"the ledger of {model} is empty there")
    show_lines([f"{address.note}, and the usual soak and retention"], err=True)
    return ModelLedger(registry, model, PromotionPolicy(), None)
