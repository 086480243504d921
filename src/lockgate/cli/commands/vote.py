"""`gate approve`, `gate reject` and `gate override`: sign exactly this evidence as an owner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

_SIGNED = (
    click.option(
        "--key", type=click.Path(path_type=Path), help="The SSH key to sign with; git's or that of ~/.ssh by default."
    ),
    click.option(
        "--out", type=click.Path(path_type=Path), help="Write what is signed here, and its signature beside it."
    ),
    click.option("--pipeline", type=click.Path(path_type=Path), help="The pipeline that the evidence belongs to."),
)


def _signed(*, staged: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the argument and the options that every signature takes. staged: without a digest, what is staged is meant."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for parameter in reversed((click.argument("digest", required=not staged), *_SIGNED)):
            command = parameter(command)
        return command

    return add


@click.command("approve")
@_signed(staged=True)
@click.option("--accepting", type=click.IntRange(min=0), help="How many undecided findings you accept.")
@click.option("--reason", default="", help="Why, for whoever reads it later.")
def approve(digest: str | None, **options: Any) -> None:
    """Approve the evidence DIGEST, or that of what is in Staging, with an SSH key of the pipeline's owners.

    A DIGEST may be shortened to its first 12 hex digits.
    """
    _cast("approve", digest, options)


@click.command("reject")
@_signed(staged=True)
@click.option("--reason", default="", help="Why, for whoever reads it later.")
def reject(digest: str | None, **options: Any) -> None:
    """Reject the evidence DIGEST, or that of what is in Staging, with an SSH key of the pipeline's owners."""
    _cast("reject", digest, options)


@click.command("override")
@_signed(staged=False)
@click.option("--reason", required=True, help="Why it must go through, for whoever reads it later.")
def override(digest: str, **options: Any) -> None:
    """Sign that the evidence DIGEST is promoted over what blocks it.

    It takes the quorum of signoff.override, counts for a day, and is used by gate promote DIGEST --override.
    """
    _cast("override", digest, options)


def _cast(verb: Literal["approve", "reject", "override"], digest: str | None, options: dict[str, Any]) -> None:
    from lockgate.cli.signing import cast

    cast(verb, digest, **options)
