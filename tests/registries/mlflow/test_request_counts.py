"""How many requests a command costs: MLflow's server is far away for most, and each is a chance to lose an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from helpers.calls import HOLDER, TAG, Moves
from helpers.proxy import Proxy
from helpers.servers import MlflowServer
from lockgate.registries.mlflow.spec import MlflowSpec


@pytest.fixture(params=get_args(MlflowSpec.model_fields["lifecycle"].annotation))
def moves(request: pytest.FixtureRequest, sqlite_server: MlflowServer, tmp_path: Path) -> Iterator[Moves]:
    with Proxy(sqlite_server.uri) as proxy:
        yield Moves(sqlite_server.uri, proxy, tmp_path, request.param)


def test_what_it_costs_to_move_and_to_look(moves: Moves) -> None:
    """Twelve requests at most to move, three to look; apart come files, the proof, one that says who is at it, and one for each tag."""
    moves.adopt()
    moves.stage()
    promoted = moves.promote()
    looked = moves.status()
    rolled_back = moves.rollback()
    moves.override()
    overridden = moves.status()

    for asked in (promoted, rolled_back):
        assert len(asked) - asked.count(TAG) - asked.count(HOLDER) <= 12, asked
        assert asked.count(HOLDER) == 1
    for asked in (looked, overridden):
        assert len(asked) <= 3, asked
    assert rolled_back.count(TAG) <= 5
    assert promoted.count(TAG) <= 4


def test_a_rollback_asks_for_what_it_needs_once(moves: Moves) -> None:
    """Only the aliases are read twice: before the claim, and after it; of two versions one file each."""
    moves.adopt()
    moves.stage()
    moves.promote()

    asked = Counter(moves.rollback())
    whole = Counter(str(one) for one in moves.proxy.asked)
    files = {what: count for what, count in whole.items() if "/mlflow-artifacts/" in what}

    assert whole["GET /api/2.0/mlflow/model-versions/get-download-uri"] == 2
    assert [(what.rpartition("/")[2], count) for what, count in files.items()] == [("MLmodel", 1)] * 2
    mirrored = moves.lifecycle == "stages"
    assert asked == {
        "POST /api/2.0/mlflow/experiments/search": 1,
        "GET /api/2.0/mlflow/runs/get": 1,
        "GET /api/2.0/mlflow/registered-models/get": 2,
        "GET /api/2.0/mlflow/model-versions/get": 1,
        "GET /api/2.0/mlflow/model-versions/search": 1,  # for the tags; they come with the stages where those are read
        "POST /api/2.0/mlflow/runs/log-parameter": 2,
        "POST /api/2.0/mlflow/registered-models/alias": 1,
        "DELETE /api/2.0/mlflow/registered-models/alias": 1,
        **({"POST /api/2.0/mlflow/model-versions/transition-stage": 1} if mirrored else {}),
        TAG: asked[TAG],
        HOLDER: 1,
    }
