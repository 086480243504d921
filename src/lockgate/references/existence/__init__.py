"""Whether what a reference names exists, asked where that can be asked: Git, DVC, S3, BigQuery, Delta, registries of images."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from lockgate.references.reference import Reference

_SCHEMES = ("git", "dvc", "s3", "bigquery", "delta", "docker")


def look_up(reference: Reference, root: Path) -> Reference:
    """The reference, with `exists`, and with what it is now in the remedy of one that is not pinned.

    root: of the checkout, where relative paths start. Asks over the network for what lies there. Nothing raises: what cannot
    be told keeps `exists` None, and `why` says the reason.
    """
    if reference.scheme not in _SCHEMES:
        return reference
    module = import_module(f"lockgate.references.existence.{reference.scheme}")
    return cast(Callable[[Reference, Path], Reference], module.look_up)(reference, root)
