"""The ledger of a model in MLflow: a run's params, which are the only thing there that can be written just once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lockgate.errors import NotFound, Refused, UnknownOutcome
from lockgate.registries.mlflow import experiments
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.experiments import ModelExperiments

LONGEST = 5500  # MLflow cuts params at 6,000 characters without saying so
_POINTER = "ledger_run"
_HOLDER = "lockgate.holder"


class MlflowLedger:
    """LedgerStore in the experiment `lockgate-ledger/<model>`, whose tag `ledger_run` names the run that holds it.

    The tag is set in the call that makes the experiment, and names are unique: of several first users one wins.
    """

    def __init__(self, client: MlflowClient, model: str, experiments: ModelExperiments | None = None) -> None:
        self._client = client
        self._model = model
        self._experiments = experiments or ModelExperiments(client, model)
        self._name = f"lockgate-ledger/{model}"
        self._entries = f"lockgate-ledger/{model}/entries"
        self._run_id: str | None = None
        self._holder: str | None = None

    def keys(self) -> Mapping[str, str]:
        run_id = self._find()
        return {} if run_id is None else self._params(run_id)

    def put_if_absent(self, key: str, value: str) -> str:
        if len(value) > LONGEST:
            raise Refused(
                f"the ledger entry {key} has {len(value):,} characters; {LONGEST:,} fit",
                code="entry_too_long",
                remedy="shorten the reason",
            )
        from mlflow.entities import Param

        run_id = self._find() or self._begin()
        return self._client.write_once(
            f"{key} of the ledger of {self._model}",
            lambda mlflow: mlflow.runs.log_param(run_id, Param(key, value)),
            lambda: self._params(run_id).get(key),
            value,
        )

    def holder(self) -> str | None:
        return self._holder

    def show_holder(self, text: str) -> None:
        from mlflow.entities import RunTag

        run_id = self._find() or self._begin()
        self._client.write(
            f"who carries out an entry of {self._model}",
            lambda mlflow: mlflow.runs.set_tag(run_id, RunTag(_HOLDER, text)),
        )

    def _find(self) -> str | None:
        """The run that is the ledger, None before the first entry."""
        if self._run_id is not None:
            return self._run_id
        pointer = self._experiments.find(self._name)
        if pointer is None:
            return None
        if experiments.is_deleted(pointer):
            raise self._deleted(f"the experiment {self._name} is deleted")
        run_id = pointer.tags.get(_POINTER)
        if not run_id:
            raise self._deleted(f"the experiment {self._name} does not say which run is the ledger")
        self._run_id = str(run_id)
        return self._run_id

    def _params(self, run_id: str) -> Mapping[str, str]:
        try:
            run = self._client.read(f"the ledger of {self._model}", lambda mlflow: mlflow.runs.get_run(run_id))
        except NotFound as error:
            raise self._deleted(f"its run {run_id} is gone") from error
        if experiments.is_deleted(run.info):
            raise self._deleted(f"its run {run_id} is deleted")
        self._holder = run.data.tags.get(_HOLDER)
        return dict(run.data.params)

    def _begin(self) -> str:
        """Make a run, then the experiment that points to it; whoever made the experiment first has begun the ledger."""
        room = self._experiments.ensure(self._entries)
        if experiments.is_deleted(room):
            raise self._deleted(f"the experiment {self._entries} is deleted")
        begun = self._begun_by_another(room)
        if begun is not None:
            return begun
        now = int(time.time() * 1000)
        run = self._client.write(
            f"the ledger of {self._model}",
            lambda mlflow: mlflow.runs.create_run(
                room.experiment_id, user_id="unknown", start_time=now, tags=[], run_name=f"ledger of {self._model}"
            ),
        )
        self._experiments.ensure(self._name, {_POINTER: run.info.run_id})
        begun = self._find()
        if begun is None:
            raise UnknownOutcome(f"the ledger of {self._model} was begun and is not there", remedy="run it again")
        return begun

    def _begun_by_another(self, room: Any) -> str | None:
        """The ledger, where somebody began it since the last read. Raises Refused where it has lost its pointer.

        The pointer is always there before the first entry, so entries without one belong to a ledger that was deleted.
        """
        from mlflow.entities import ViewType

        begun = self._client.read(
            f"the ledger of {self._model}",
            lambda mlflow: mlflow.runs.search_runs(
                [room.experiment_id], "params.`epoch-1` != ''", run_view_type=ViewType.ALL, max_results=1
            ),
        )
        if not begun:
            return None
        run_id = self._find()
        if run_id is None:
            raise self._deleted(f"run {begun[0].info.run_id} holds its entries, but no {self._name} points to it")
        return run_id

    def _deleted(self, problem: str) -> Refused:
        return Refused(
            f"the ledger of {self._model} was deleted: {problem}",
            code="ledger_deleted",
            remedy="restore it in MLflow (mlflow experiments restore, mlflow runs restore); no second one is begun",
        )
