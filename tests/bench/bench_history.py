"""How long does the history of 1,000 epochs take, beside that of one?"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from setting import GATE, seconds

from helpers import moving
from lockgate.promotion.audit import history
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.runs.run import now
from lockgate.signoff.identity import Identity

EPOCHS = 1000
GOAL_S = 1.0
ROUNDS = 5
CI = Identity("unverified", "ci@example.org", "ci")
PIPELINE = """\
model: {model}
task: binary
registry: {{uri: "sqlite:///mlflow.db"}}
candidate: {{newest: true}}
gates: [{{gate: metadata}}]
"""


def build(folder: Path) -> str:
    """Two models, `short` with one epoch and `long` with many; returns the address of their registry."""
    from mlflow import MlflowClient
    from mlflow.entities import Param

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    registry, client = MlflowRegistry(uri), MlflowClient(tracking_uri=uri, registry_uri=uri)
    (folder / ".git").mkdir()
    (folder / "gates").mkdir()
    for model in ("short", "long"):
        (folder / "gates" / f"{model}.yaml").write_text(PIPELINE.format(model=model), encoding="utf-8")
        client.create_registered_model(model)
        client.create_model_version(model, source=str(folder))
        moving.adopt(registry, model, version="1", reason="it runs", promotion=PromotionPolicy(), actor=CI, clock=now)
    keys = more(read_chain(registry.ledger("long").keys()))
    run_id = client.get_experiment_by_name("lockgate-ledger/long").tags["ledger_run"]
    for start in range(0, len(keys), 100):
        client.log_batch(run_id, params=[Param(key, value) for key, value in keys[start : start + 100]])
    return uri


def more(chain: Chain) -> list[tuple[str, str]]:
    """Promotions, each of a new version, as a ledger would hold them."""
    entries, done, keys = list(chain.entries), dict(chain.done), list[tuple[str, str]]()
    for number in range(2, EPOCHS + 1):
        chain = Chain((entries[-1],), done)
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
        entry: Entry = chain.draft(
            "promoted", source=str(number - 1), target=str(number), actor=CI, at=at, lease=timedelta(minutes=10),
            evidence=f"sha256:{number:064}", votes=[f"sha256:{number + 1:064}"], reason="approved by olga@example.org",
        )  # fmt: skip
        mark = chain.mark(entry, actor=CI, at=at + timedelta(seconds=2))
        entries.append(entry)
        done[number] = mark
        keys += [(f"epoch-{number}", entry.bytes.decode()), (f"done-{number}", mark.bytes.decode())]
    return keys


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = build(folder)
        calls: list[str] = []
        read = MlflowClient.read
        MlflowClient.read = lambda self, what, ask: (calls.append(what), read(self, what, ask))[1]  # type: ignore[method-assign]
        MlflowRegistry(uri).aliases("long")
        calls.clear()
        began = time.monotonic()
        found = history.history(MlflowRegistry(uri), "long", now=now())
        lines = found.lines
        inside = time.monotonic() - began
        if found.chain.bad is not None or len(lines) != EPOCHS + 1:
            raise SystemExit(f"the ledger was built wrong: {found.chain.bad}, {len(lines)} lines")
        took: dict[str, list[float]] = {"short": [], "long": []}
        for _ in range(ROUNDS):
            for model in took:
                took[model].append(seconds([*GATE, "history", model], folder=folder))
    more_s = median(took["long"]) - median(took["short"])
    print(f"history of {EPOCHS:,} epochs: {inside:.3f} s and {len(calls)} registry calls in one process")
    print(
        f"gate history, median of {ROUNDS}: 1 epoch {median(took['short']):.2f} s, {EPOCHS:,} {median(took['long']):.2f} s"
    )
    print(f"{more_s:.2f} s beyond process start; goal: under {GOAL_S} s")


if __name__ == "__main__":
    main()
