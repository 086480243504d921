"""What does it cost to move a version: requests to the registry, and seconds, against a server on this machine?"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import get_args

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.calls import HOLDER, TAG, Moves
from helpers.proxy import Proxy
from helpers.servers import MlflowServer
from lockgate.registries.mlflow.spec import MlflowSpec

ROUNDS = 5
GOALS = {"adopt": None, "stage": None, "promote": 12, "status": 3, "rollback": 12, "override": None, "status again": 3}
LIFECYCLES = get_args(MlflowSpec.model_fields["lifecycle"].annotation)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        folder = Path(name)
        server = MlflowServer(folder, f"sqlite:///{folder}/m.db")
        try:
            server.start()
            server.wait()
            with Proxy(server.uri) as proxy:
                for lifecycle in LIFECYCLES:
                    measure(server.uri, proxy, folder / lifecycle, lifecycle)
        finally:
            server.kill()


def measure(uri: str, proxy: Proxy, folder: Path, lifecycle: str) -> None:
    took: dict[str, list[float]] = {name: [] for name in GOALS}
    asked: dict[str, list[str]] = {}
    whole: dict[str, int] = {}
    for number in range(ROUNDS + 1):
        place = folder / str(number)
        place.mkdir(parents=True)
        moves = Moves(uri, proxy, place, lifecycle)
        for name in GOALS:
            began = time.perf_counter()
            asked[name] = getattr(moves, name.partition(" ")[0])()
            took[name].append(time.perf_counter() - began)
            whole[name] = len(proxy.asked)
    print(f"lifecycle {lifecycle}: median of {ROUNDS} rounds after a first one; no model is loaded; goal: under 3 s")
    for name, goal in GOALS.items():
        tags = asked[name].count(TAG) + asked[name].count(HOLDER)
        limit = "" if goal is None else f" (at most {goal})"
        print(
            f"{name:12} {len(asked[name]) - tags:3} requests{limit}, {tags} tags, {whole[name]} with files and proof; "
            f"{median(took[name][1:]):.3f} s"
        )


if __name__ == "__main__":
    main()
