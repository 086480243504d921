"""References to data, code and images: what a text names, and whether that can only ever be one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from lockgate.references import docker, dvc, git, huggingface, mlflow_dataset, wandb
from lockgate.references.address import address_of, ambiguity, redacted, secrets, without_secrets
from lockgate.references.objects import azure, file, gcs, http, s3
from lockgate.references.reference import Kind, Reference, moving
from lockgate.references.tables import bigquery, delta, iceberg, name

__all__ = ["Kind", "Reference", "parse", "parse_dataset"]
_MOST_SIGNS = 1 << 13


def parse(text: str, *, kind: Kind = "data", dated: bool = False) -> Reference:
    """What a text refers to. No text raises: one of no known form is a reference that is not pinned.

    kind: what it is of, where its form alone does not say it: `main` is a branch of code, `python:3` an image.
    dated: whether a path with a day in it, `s3://bucket/2024-01-15/v3/`, is taken for a pin.
    """
    stripped = text.strip()
    if not stripped:
        return moving("", "", "nothing is written", _forms(kind))
    dataset = mlflow_dataset.parse(stripped, partial(parse, kind=kind, dated=dated))
    if dataset is not None:
        return dataset
    if "\0" in stripped:
        return moving("", redacted(stripped), "it has a NUL in it, which no path and no address has", _forms(kind))
    if len(stripped) > _MOST_SIGNS:
        return moving("", redacted(stripped), "it is too long for a reference", _forms(kind))
    schemes = _schemes(kind, dated=dated)
    reference = next((reference for scheme in schemes if (reference := scheme(stripped))), None)
    if reference is None:
        reference = _unknown(stripped, kind)
    elif reference.pinned and (fault := ambiguity(stripped)) is not None:
        remedy = "write the address as it is after redirects, with each key of its query once"
        reference = moving(reference.scheme, reference.text, fault, remedy)
    return _without(secrets(stripped), reference)


def parse_dataset(dataset: Mapping[str, Any], *, dated: bool = False) -> Reference:
    """The reference of a dataset as MLflow logs it: `source_type`, `source` and `digest`."""
    return mlflow_dataset.of_dataset(dataset, partial(parse, dated=dated))


def _without(hidden: tuple[str, ...], reference: Reference) -> Reference:
    """The reference, in whose sentences nothing of an address's secrets is left."""
    sentences = (reference.text, reference.why, reference.remedy)
    text, reason, remedy = (without_secrets(sentence, hidden) for sentence in sentences)
    return replace(reference, text=text, why=reason, remedy=remedy)


def _schemes(kind: Kind, *, dated: bool) -> tuple[Callable[[str], Reference | None], ...]:
    """Which are asked, in turn: what a prefix or an unmistakable form begins comes first, bare names last."""
    if kind == "image":
        return (partial(docker.parse, kind=kind),)
    named = (partial(docker.parse, kind=kind), dvc.parse, bigquery.parse, iceberg.parse, wandb.parse, huggingface.parse)
    stores = (partial(s3.parse, dated=dated), partial(gcs.parse, dated=dated), partial(azure.parse, dated=dated))
    if kind == "code":
        return (partial(git.parse, kind=kind), *named, *stores, http.parse, partial(file.parse, dated=dated))
    return (
        *named, delta.parse, *stores, partial(git.parse, kind=kind), http.parse, name.parse, partial(file.parse, dated=dated),
    )  # fmt: skip


def _unknown(text: str, kind: Kind) -> Reference:
    address = address_of(text)
    reason = "it has no form that is known" if address is None else f"{address.scheme}:// is no scheme that is known"
    return moving("", redacted(text), reason, _forms(kind))


def _forms(kind: Kind) -> str:
    return {
        "code": "write the commit's hash: git rev-parse HEAD",
        "image": "write the image with its digest: registry/name@sha256:…",
        "data": "write where it lies, with its version or its digest: s3://bucket/key?versionId=…, path@commit, path#sha256=…",
    }[kind]
