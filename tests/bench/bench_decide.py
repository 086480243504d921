"""How long does a decision on a pull request with 300 comments take, with how much memory and how many requests?

`gate github decide` in a fresh process against the emulated GitHub on this machine, which takes a part of the time itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_memory import PEAK
from setting import environ

from helpers.hub.contract import github
from helpers.hub.emulator import NAME, World, user
from helpers.hub.served import TOKEN, Served
from lockgate.pipeline.loader import load

COMMENTS, ROUNDS = 300, 5
GOAL_S, GOAL_MB, GOAL_REQUESTS = 3, 150, 12
PIPELINE = f"""\
model: fraud
task: binary
registry: {{uri: "${{MLFLOW_TRACKING_URI}}"}}
candidate: {{file: models/fraud.version}}
champion: {{alias: production, else: none}}
gates:
  - gate: metadata
signoff:
  groups: {{owners: [{{github: ana, id: {user("ana")["id"]}}}]}}
  require: {{owners: 1}}
"""
DECIDE = f"from lockgate.cli.main import run; code = run(['github', 'decide', '--record', 'record']); {PEAK}; raise SystemExit(code)"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        (folder / ".git").mkdir()
        (folder / "gates").mkdir()
        pipeline = folder / "gates" / "fraud.yaml"
        pipeline.write_text(PIPELINE, encoding="utf-8")
        policy = load(pipeline, environ=None, root=folder).policy_digest
        world = World(github(), policy=policy, now=datetime.now(UTC).replace(microsecond=0))
        digest = world.run_gate().digest
        for _ in range(COMMENTS - 2):
            world.comment("eve", "I looked at the numbers of this model, and they are what I would have expected.")
        event = world.comment("ana", f"/gate approve {digest}")
        (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
        served = Served(world)
        given = environ() | {
            "GITHUB_REPOSITORY": NAME, "GITHUB_API_URL": served.api, "GITHUB_EVENT_PATH": "event.json", "GATE_TOKEN": TOKEN,
            "GITHUB_OUTPUT": str(folder / "output"), "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        took, peaks, asked = [], [], []
        for _ in range(ROUNDS):
            world.asked.clear()
            began = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", DECIDE], cwd=folder, env=given, capture_output=True, text=True, check=False
            )
            took.append(time.monotonic() - began)
            if done.returncode != 0:
                raise SystemExit(done.stderr)
            peaks.append(int(done.stdout.split()[-1]) * 1024 / 1e6)
            asked.append(len(world.asked))
        served.close()
    print(f"gate github decide on {len(world.comments)} comments, {ROUNDS} fresh processes")
    print(f"seconds, median     {median(took):6.2f}     goal: under {GOAL_S}")
    print(f"peak memory, MB     {max(peaks):6.0f}     goal: under {GOAL_MB}")
    print(f"requests, at most   {max(asked):6d}     goal: at most {GOAL_REQUESTS}")


if __name__ == "__main__":
    main()
