"""Judge the requests of an earlier run by labels that came later, as evidence of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.data.time_window import microseconds
from lockgate.errors import DataError, LockgateError, UsageError, guess
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.labelling.late_labels import LateLabels
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import (
    LABELLED,
    RunFolder,
    keep_out_of_git,
    new_run_id,
    own_folder,
    readable,
    runs,
    salt,
)
from lockgate.gates.gate import Gate
from lockgate.pipeline.labelling.labelled_pipeline import judging_title, labelled_pipeline
from lockgate.pipeline.pipeline import Pipeline, TagThreshold
from lockgate.registries.ports import ModelVersion
from lockgate.runs.labelling.labelled_run import LabelledRun
from lockgate.runs.lookup import open_registry
from lockgate.runs.run import now
from lockgate.runs.scoring_inputs import ScoringInputs
from lockgate.text import counted
from lockgate.units import duration_text

if TYPE_CHECKING:
    from lockgate.evaluation.labelling.join import Joined
    from lockgate.evaluation.labelling.shares import LabelShares
    from lockgate.evaluation.scoring.scored_table import Scored


def labelled_gate(pipeline: Pipeline, title: str | None) -> Gate:
    """The gate of that name, the only one with `labels` without a name. Raises UsageError."""
    gates = {gate.title: gate for gate in pipeline.gates if gate.late_labels is not None}
    if title is not None and title not in gates:
        raise UsageError(
            f"no gate with labels is called {title!r}; known: {', '.join(gates) or 'none'}{guess(title, gates)}"
        )
    if not gates:
        raise UsageError(
            f"no gate of {pipeline.path.name} says what must hold by labels that come later",
            remedy="write labels: {label: COLUMN, coverage: 80%, require: [...]} into the shadow gate",
        )
    if title is None and len(gates) > 1:
        raise UsageError(f"several gates have labels: {', '.join(gates)}", remedy="name one of them with --gate")
    return gates[title or next(iter(gates))]


@dataclass(frozen=True)
class Labelling:
    """Labels of the requests that a gate of an earlier run replayed.

    first: the evidence of that run, and `run` its folder. labels: where they lie, as a path or address, seen from `here`.
    """

    pipeline: Pipeline
    gate: Gate
    first: Evidence
    run: RunFolder
    labels: str
    here: Path

    @property
    def policy(self) -> LateLabels:
        labels = self.gate.late_labels
        assert labels is not None  # noqa: S101  # `labelled_gate` has looked
        return labels

    @property
    def data(self) -> str:
        name = self.pipeline.data_of(self.gate)
        assert name is not None  # noqa: S101  # a gate with labels has data
        return name

    def judge(self, *, circumstances: Mapping[str, Any], hidden: Sequence[str]) -> tuple[Evidence, RunFolder]:
        """The new evidence, which names the first's digest and can promote nothing, in a folder of its own in `.gate/labelled`.

        circumstances, hidden: as of a run. Raises UsageError where labels cannot be read or joined, LockgateError where what the run
        kept is not what its evidence names.
        """
        started, scored = now(), self._scored()
        judging = labelled_pipeline(self.pipeline, self.gate)
        source = Dataset("labels", self._label_spec(), self.here)
        joined = self._joined(judging, scored, source)
        shares, due = self._shares(joined, microseconds(started))
        table = self._judged(judging, joined, shares)
        folder = RunFolder(own_folder(self.pipeline.root, LABELLED, new_run_id(started)))
        keep_out_of_git(self.pipeline.root)
        run = LabelledRun(
            pipeline=judging, case=self._case(judging, table, folder), folder=folder, nonce=secrets.token_hex(16),
            started_at=started, circumstances=circumstances, only=(judging.gates[0].title,), hidden=hidden,
            shares=shares, notes=(*self._notes(joined, shares, due),),
        )  # fmt: skip
        run.run_gates_once()
        evidence = run.evidence(
            data=self._data_entries(source, joined),
            scored=[self._entry],
            finished_at=now(),
            parents=[self.first.digest],
        )
        folder.keep_evidence(evidence)
        return evidence, folder

    @property
    def _key(self) -> str:
        return f"{self.data}-replayed"

    @property
    def _entry(self) -> Mapping[str, Any]:
        """The entry of the answers in the first evidence. Raises UsageError where there is none."""
        for entry in self.first.document.get("scored") or ():
            if entry["data"] == self._key:
                return dict(entry)
        raise UsageError(
            f"this evidence is of a run that replayed no requests of {self.data}", remedy="name that of a run that did"
        )

    def _scored(self) -> Scored:
        """The requests of the run and what was answered to them, as they were kept."""
        from lockgate.evaluation.scoring.scored_table import Scored

        entry, path = self._entry, self.run.path / "scored" / f"{self._key}.parquet"
        if not path.is_file():
            raise UsageError(
                f"what was answered to the requests of {self.data} is not here any more: {path.name} of run {self.run.run_id}",
                remedy="label where the run was made: answers stay there, in .gate/runs, and are published nowhere",
            )
        if self.run.altered_scores({self._key: entry}):
            raise LockgateError(
                f"what run {self.run.run_id} keeps of the requests of {self.data} is not what its evidence names",
                remedy="run the gates again",
            )
        spec = self.pipeline.data[self.data]
        dataset = Dataset(self.data, spec, self.pipeline.root)
        try:
            scored = Scored.open(path, slices=dataset.slices)
        except DataError as error:
            raise UsageError(
                error.message, remedy="the pipeline declares other slices than it did; run it again"
            ) from error
        if scored.ids is None:
            raise UsageError(
                f"the run kept no ids of the requests of {self.data}, by which labels are joined",
                remedy=f"name their column in data.{self.data}.id, and run again",
            )
        if self.policy.matured is not None and scored.times is None:
            raise UsageError(
                f"the run kept no times of the requests of {self.data}, and labels.matured is about them",
                remedy="run again: times are kept where the gate has labels, and the data a time",
            )
        scored.recorded, scored.unrepeatable = entry.get("recorded", {}), entry.get("unrepeatable", {})
        return scored

    def _label_spec(self) -> DatasetSpec:
        policy = self.policy
        column = policy.id_column(self.pipeline.data[self.data].id or "")
        try:
            return DatasetSpec(path=self.labels, id=column, label=policy.label, time=policy.time)
        except ValidationError as refusal:  # of an address that names nothing
            reason = str(refusal.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
            raise UsageError(f"--labels {self.labels!r}: {reason}") from refusal

    def _joined(self, judging: Pipeline, scored: Scored, source: Dataset) -> Joined:
        from lockgate.evaluation.labelling.join import join

        spec = self.pipeline.data[self.data]
        try:
            joined = join(
                scored, source, salt=salt(self.pipeline.root), keep_ids=spec.keep_ids, task=judging.task,
                positive=judging.positive,
            )  # fmt: skip
        except DataError as error:  # named on the command line, so a wrong call
            raise UsageError(error.message, remedy=error.remedy) from error
        if not joined.count.rows:
            raise UsageError(f"{source.redacted_path} has no rows", remedy="label again when labels are there")
        if joined.count.unknown and joined.count.unknown == joined.count.rows - joined.count.without_id:
            raise UsageError(
                f"none of the {counted(joined.count.unknown, 'label')} in {source.redacted_path} is of a request of this run",
                remedy=f"{source.spec.id} there must be what data.{self.data}.id, {spec.id}, is in the requests"
                + ("" if spec.keep_ids else ", and .gate/salt, by which ids are hashed, that of the run"),
            )
        return joined

    def _shares(self, joined: Joined, moment: int) -> tuple[LabelShares, Due]:
        import numpy as np

        from lockgate.evaluation.labelling.join import answered
        from lockgate.evaluation.labelling.shares import LabelShares

        scored, matured = joined.scored, self.policy.matured
        due, untimed = np.ones(scored.rows, bool), 0
        if matured is not None and scored.times is not None:
            oldest = moment - matured // timedelta(microseconds=1)
            untimed = scored.times.null_count
            due = np.asarray(scored.times.fill_null(np.iinfo(np.int64).max)) <= oldest
        unanswered = due & joined.labelled & ~answered(scored)
        shares = LabelShares(scored, due, due & joined.labelled & ~unanswered, self.policy.coverage, self._thresholds)
        young = scored.rows - int(due.sum()) - untimed
        return shares, Due(young, untimed, int(unanswered.sum()))

    def _judged(self, judging: Pipeline, joined: Joined, shares: LabelShares) -> Scored:
        try:
            return joined.judged(
                shares.judged, task=judging.task, positive=judging.positive, classes=joined.scored.classes
            )
        except DataError as error:
            raise UsageError(error.message, remedy=error.remedy) from error

    @cached_property
    def _contenders(self) -> dict[str, ModelVersion]:
        """Role → the version, with the tags that it has now where one of them is its threshold."""
        versions = {}
        for role, entry in (("candidate", self.first.candidate), ("champion", self.first.champion)):
            if entry is not None:
                name = str(entry.get("model") or self.first.model)
                version = ModelVersion(name, str(entry["version"]), entry.get("digest"), entry.get("run_id"))
                tags: Mapping[str, str] = {}
                if isinstance(self.pipeline.threshold, TagThreshold):
                    tags = open_registry(self.pipeline).version(name, version.version).tags
                versions[role] = ModelVersion(name, version.version, version.digest, version.run_id, tags)
        return versions

    @cached_property
    def _thresholds(self) -> dict[str, float | None]:
        inputs = ScoringInputs(self.pipeline)
        contenders: Mapping[str, Any] = {role: _contender(role, version) for role, version in self._contenders.items()}
        return {role: inputs.threshold(contenders.get(role)) for role in ("candidate", "champion")}

    def _case(self, judging: Pipeline, table: Scored, folder: RunFolder) -> Case:
        import pyarrow as pa

        contenders = {role: _contender(role, version) for role, version in self._contenders.items()}
        dataset = TableDataset(pa.table({}), judging.data[self.data])
        thresholds = self._thresholds
        return Case(
            candidate=contenders["candidate"], champion=contenders.get("champion"), task=judging.task, folder=folder.path,
            seed=int(judging.policy_digest.removeprefix("sha256:")[:8] or "0", 16), datasets=(self.data,),
            input_plan=_nothing, dataset=lambda name: dataset, scored=lambda name: table, replayed=_nothing,
            sample=_nothing, threshold=lambda role: thresholds.get(role),
        )  # fmt: skip

    def _notes(self, joined: Joined, shares: LabelShares, due: Due) -> list[str]:
        """What is to be said of the labels, a sentence each."""
        count, notes = joined.count, list[str]()
        age = "" if self.policy.matured is None else f" older than {duration_text(self.policy.matured)}"
        notes.append(f"{shares.overall} requests{age} have a label")
        if due.young:
            notes.append(f"{counted(due.young, 'younger request')} {'is' if due.young == 1 else 'are'} not judged yet")
        if due.untimed:
            notes.append(
                f"{counted(due.untimed, 'request')} without a time {'is' if due.untimed == 1 else 'are'} not judged"
            )
        if due.unanswered:
            notes.append(
                f"{counted(due.unanswered, 'labelled request')} without an answer of both models cannot be judged"
            )
        unused = {
            "of no request of the run": count.unknown, "without an id": count.without_id, "without a label": count.without_label,
            "repeated": count.repeated, "replaced by newer ones": count.superseded, "contradicting each other": count.contradictory,
        }  # fmt: skip
        listed = [f"{rows:,} {words}" for words, rows in unused.items() if rows]
        if listed:
            notes.append(
                f"of {counted(count.rows, 'row')} of labels {', '.join(listed)} {'is' if sum(unused.values()) == 1 else 'are'} not used"
            )
        notes += [each.selective_words for each in shares.selective]
        if before := self._labelled_before:
            notes.append(
                f"labels judged these requests {counted(before, 'time')} before, and each time a pass by chance is possible anew"
            )
        if self.pipeline.policy_digest != self.first.document["policy"]["sha256"]:
            notes.append("the pipeline is not as it was when the models answered")
        return notes

    @property
    def _labelled_before(self) -> int:
        """How often labels have judged what this gate replayed in that run, as far as this checkout knows."""
        title = judging_title(self.gate.title)
        earlier = readable(runs(self.pipeline.root, LABELLED))
        return sum(
            self.first.digest in evidence.parents and any(gate.name == title for gate in evidence.gates)
            for evidence in earlier
        )

    def _data_entries(self, source: Dataset, joined: Joined) -> list[Mapping[str, Any]]:
        """The requests as the first evidence has them, and the labels."""
        requests = [entry for entry in self.first.document["data"] if entry["name"] == self.data]
        labels = {
            "name": f"{self.data}.labels",
            "path": source.redacted_path,
            "digest": source.digest,
            "rows": source.count(),
        }
        return [*requests, {**labels, **source.origin, "labels": joined.count.to_json()}]


@dataclass(frozen=True)
class Due:
    """Requests that are not judged though labels may be there: too young, without a time, or without an answer."""

    young: int
    untimed: int
    unanswered: int


def _contender(role: Any, version: ModelVersion) -> Contender:
    return Contender(role, version, fetch=_nothing, read=_nothing, start=_nothing)


def _nothing(*_: Any) -> Any:
    raise LockgateError("models are not asked again for labels that came later")
