"""Airflow: evaluate a candidate, wait for its owners, promote it. Copy into the DAGs' folder; change the last lines.

lockgate lies in an environment of its own, `gate` is called by its path, and its exit code decides what becomes of a task:
0 goes on; 1 (failed) and 2 (wrong pipeline or call) fail and are never retried; 3 waits; 4 (environment) is retried.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

FAILED, WRONG_CALL, WAITS = 1, 2, 3


def call(gate: str, project: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a command and its document; what it says to people is in the task's log.

    Raises AirflowFailException where it is to run no second time, AirflowException where it may.
    """
    command = [gate, *arguments, "--json"]
    ended = subprocess.run(command, cwd=project, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode in (FAILED, WRONG_CALL):
        raise AirflowFailException(f"{' '.join(command)} ended with {ended.returncode}; see the log above")
    if ended.returncode not in (0, WAITS):
        raise AirflowException(f"{' '.join(command)} ended with {ended.returncode}; see the log above")
    return ended.returncode, json.loads(ended.stdout or "{}")


class GateRun(BaseOperator):
    """Run every gate and stage what may be approved. `output["digest"]` is what is approved and promoted.

    gate: path of the command. project: the checkout with `gates/`. candidate: a version; else the pipeline's own.
    Where the gates left something undecided that no owner may accept, what comes after it is skipped.
    """

    template_fields: Sequence[str] = ("project", "pipeline", "candidate")

    def __init__(self, *, gate: str, project: str, pipeline: str = "", candidate: str = "", **more: Any) -> None:
        super().__init__(**{"multiple_outputs": True} | more)
        self.gate, self.project, self.pipeline, self.candidate = gate, project, pipeline, candidate

    def execute(self, context: Any) -> dict[str, Any]:
        named = [self.pipeline] * bool(self.pipeline) + ["--candidate", self.candidate] * bool(self.candidate)
        _, document = call(self.gate, self.project, "run", *named, "--stage")
        if document["opens"] == "no":
            raise AirflowSkipException(f"undecided, and nothing that an owner may accept: {document['run']['folder']}")
        return {key: document[key] for key in ("digest", "verdict", "opens", "model", "candidate", "next", "run")}


class GatePromote(BaseSensorOperator):
    """Promote the evidence of a digest as soon as its owners have approved it; until then it waits without a worker."""

    template_fields: Sequence[str] = ("project", "digest")

    def __init__(self, *, gate: str, project: str, digest: str, **more: Any) -> None:
        super().__init__(**{"mode": "reschedule", "poke_interval": 300.0, "timeout": 7 * 86400.0} | more)
        self.gate, self.project, self.digest = gate, project, digest

    def poke(self, context: Any) -> PokeReturnValue:
        code, document = call(self.gate, self.project, "promote", self.digest)
        return PokeReturnValue(code == 0, document if code == 0 else None)


GATE, PROJECT = "/opt/lockgate/bin/gate", "/opt/projects/fraud"

with DAG("promote_fraud", schedule=None, catchup=False, max_active_runs=1) as dag:
    evaluated = GateRun(task_id="evaluate", gate=GATE, project=PROJECT, retries=2, retry_delay=timedelta(minutes=5))
    GatePromote(task_id="promote", gate=GATE, project=PROJECT, digest=evaluated.output["digest"], retries=2)
