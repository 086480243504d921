"""The soak of `make soak`, cut short: what holds for thousands of promotions holds for some."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import soak
from helpers.servers import MlflowServer


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(("backend", "lifecycle"), [("sqlite", "aliases"), ("postgres", "stages")])
def test_promotions_under_kills_and_lost_answers(
    backend: str, lifecycle: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Eight processes: one Production at any moment, a whole ledger, and nobody is told what is not so."""
    server: MlflowServer = request.getfixturevalue(f"{backend}_server")

    report = soak(server.uri, tmp_path, promotions=20, longest_s=8, kill_every_s=2, each=1, lifecycle=lifecycle)

    assert report.violations == ()
    assert report.samples > 0
    assert report.epochs > 1, report.lines
