"""The outlook of each gate of a pipeline: of its lines from the rows of its data, and how long it takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate.evaluation.planning.outlook import Outlook
    from lockgate.evaluation.requirements.requirement import Requirement
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.gates.gate import Gate
    from lockgate.pipeline.model import Pipeline
    from lockgate.registries.ports import ModelVersion, Registry


class Planned:
    """The outlook of each gate. scored_by: the champion, where it is to score the data; None plans from counts."""

    def __init__(
        self, pipeline: Pipeline, registry: Registry, scored_by: ModelVersion | None, *, disagreement: float
    ) -> None:
        self.pipeline, self.registry, self.scored_by = pipeline, registry, scored_by
        self.disagreement = disagreement
        self.assumed: str | None = None
        self._champions: dict[str, tuple[Scored, float | None]] | None = None
        self._rows: dict[str, Scored] = {}

    def gate(self, gate: Gate, champion: ModelVersion | None) -> dict[str, Any]:
        from lockgate.errors import LockgateError

        asked = [
            (name, line)
            for name, line in gate.numbered_requirements
            if champion is not None or not gate.needs_champion(line)
        ]
        found: dict[str, list[Outlook]] = {}
        unread = None
        try:
            found = self._on_rows(gate, asked)
        except LockgateError as error:
            unread = error.message
        for name, line in asked:
            if name not in found and (
                unread is None or gate.subjects[line.subject].counted or gate.own_load is not None
            ):
                found[name] = [self._without_rows(gate, name, line)]
        names = {name for name, _ in asked}
        models = 1 if champion is None else 2
        return {
            "name": gate.title,
            "kind": gate.gate,
            "severity": gate.severity,
            "data": self.pipeline.data_of(gate),
            "seconds": seconds_of(gate, models=models),
            "requests": requests_of(gate, models=models),
            "raw_bytes": raw_bytes_of(gate, models=models),
            "at_once": at_once_of(gate),
            "unread": unread,
            "lines": [
                {
                    "id": name,
                    "text": str(line),
                    "asked": name in names,
                    "outlook": [{"place": one.slice_name, **one.to_json()} for one in found.get(name, ())],
                }
                for name, line in gate.numbered_requirements
            ],
        }

    def _without_rows(self, gate: Gate, name: str, line: Requirement) -> Outlook:
        """What can be said of a line that is not decided on the rows of a data set, or of whose rows nothing is foretold."""
        from lockgate.evaluation.planning.outlook import Outlook
        from lockgate.evaluation.planning.request_outlook import counted_outlook, timed_outlook

        subject = gate.subjects[line.subject]
        load = gate.own_load
        if load is not None:
            return timed_outlook(name, line, subject, requests=load.planned, blocks=load.blocks)
        if subject.counted:
            data = self.pipeline.data_of(gate)
            rows = self._rows[data].rows if data in self._rows and gate.by_group else None
            return counted_outlook(name, line, units=rows, unit="requests")
        return Outlook(name, (), 0, None, "unknown", "not planned: how much it varies is known when it has been asked")

    def _on_rows(self, gate: Gate, asked: Sequence[tuple[str, Requirement]]) -> dict[str, list[Outlook]]:
        """By line, of those that rows of a data set decide."""
        from lockgate.evaluation.metrics.ranking_subjects import BY_NAME
        from lockgate.evaluation.planning.gap_outlook import gap_outlook, slice_value_requirement
        from lockgate.evaluation.planning.outlook import as_absolute, assumptions, outlooks
        from lockgate.evaluation.planning.request_outlook import flip_rate_outlook

        data = self.pipeline.data_of(gate)
        if data is None or not gate.by_group:
            return {}
        small = self.pipeline.data[data].small_slices
        planned = {*_metrics(), *BY_NAME}
        lines = [(name, line) for name, line in asked if line.subject in planned]
        if data not in self._rows:
            self._rows[data] = self._counted(data)
        alone = [(name, as_absolute(slice_value_requirement(line) if line.gap else line)) for name, line in lines]
        gaps = [line.gap for _, line in lines if line.gap]
        counts = _estimates(self._rows[data], alone, small, threshold=0.5, gaps=gaps)
        own: dict[str, list[Any]] = {}
        labelled = [each for each, (_, line) in zip(alone, lines, strict=True) if _labelled(gate, line)]
        if self.scored_by is not None and labelled:
            scored, threshold = self._champion(data)
            own = _estimates(scored, labelled, small, threshold=threshold, gaps=gaps)
        if lines:
            self.assumed = assumptions(self.disagreement, scored=self.scored_by is not None)
            grouped = self.pipeline.data[data].cluster
            if grouped is not None and not own:
                self.assumed += f"; rows of one {grouped} are counted as if each were of its own"
        found: dict[str, list[Outlook]] = {}
        for name, line in lines:
            known = {one.slice: one for one in own.get(name, ())}
            if line.gap is not None:
                found[name] = [gap_outlook(name, line, counts.get(name, []), small=small, own=known)]
                continue
            found[name] = outlooks(
                name, line, gate.subjects[line.subject], counts.get(name, []), small=small, own=known,
                disagreement=self.disagreement,
            )  # fmt: skip
            if line.subject == "flip_rate":
                found[name] = [flip_rate_outlook(one, line, disagreement=self.disagreement) for one in found[name]]
        return found

    def _counted(self, name: str) -> Scored:
        """The rows with labels and slices alone; the label stands where scores would."""
        import numpy as np

        from lockgate.data import arrow_arrays as arrays
        from lockgate.data.class_labels import label_classes
        from lockgate.data.dataset import Dataset
        from lockgate.evaluation.scoring.row_columns import checked_rows
        from lockgate.evaluation.scoring.scored_table import Scored

        without = {"id": None, "keep_ids": False, "weight": None, "cluster": None, "scores": None}
        dataset = Dataset(name, self.pipeline.data[name].model_copy(update=without), self.pipeline.root)
        task: Any = self.pipeline.task
        classes = self.pipeline.classes or (label_classes(dataset) if task == "multiclass" else ())
        rows, columns = checked_rows(
            dataset, task=task, positive=self.pipeline.positive, salt=b"", scores={}, classes=classes
        )
        if "label" in columns:
            labels = arrays.to_numpy(arrays.whole(columns["label"]))
            sure = (
                arrays.from_matrix(np.eye(len(classes))[labels]) if classes else arrays.from_numpy(labels.astype(float))
            )
        else:
            sure = arrays.from_numpy(np.zeros(rows))
        columns["candidate"] = columns["champion"] = sure
        return Scored(columns.get, rows=rows, sha256=lambda: "", slices=dataset.slices, classes=classes)

    def _champion(self, name: str) -> tuple[Scored, float | None]:
        """(what the champion says about the rows, its threshold)."""
        if self._champions is None:
            self._champions = self._score()
        return self._champions[name]

    def _score(self) -> dict[str, tuple[Scored, float | None]]:
        """The champion alone, in the candidate's place, on all data that a line is decided on."""
        import tempfile
        from copy import copy

        from lockgate.evidence.run_folder import RunFolder
        from lockgate.registries.ports import CandidateSelector
        from lockgate.runs.case_builder import open_case
        from lockgate.runs.reuse_budget import judged_data

        assert self.scored_by is not None  # noqa: S101  # asked for
        alone = self.pipeline.model_copy(update={"champion": "none"})
        labelled = [gate for gate in self.pipeline.gates if any(_labelled(gate, line) for line in gate.lines)]
        found = {}
        with (
            tempfile.TemporaryDirectory(prefix="lockgate-") as folder,
            open_case(
                alone,
                self.registry,
                RunFolder(Path(folder)),
                environ=os.environ,
                candidate=CandidateSelector(version=int(self.scored_by.version)),
            ) as builder,
        ):
            for name in judged_data(self.pipeline, labelled):
                scored = copy(builder.case.scored(name))
                if scored.champion is not None:  # scores that lie in the data: the candidate's are not looked at
                    scored.candidate = scored.champion
                _ = (scored.labels, scored.candidate, scored.weights, scored.clusters, scored.queries)
                for declared in scored.slices:
                    scored.codes(declared.name)
                found[name] = scored, builder.case.threshold("candidate")
        return found


def _metrics() -> dict[str, Any]:
    from lockgate.evaluation.metrics.catalog import METRICS
    from lockgate.evaluation.metrics.flip_rate import FLIP_RATE

    return {**METRICS, FLIP_RATE.name: FLIP_RATE}


def _labelled(gate: Gate, line: Requirement) -> bool:
    return "label" in gate.subjects[line.subject].needs


def _estimates(
    scored: Scored,
    lines: Sequence[tuple[str, Requirement]],
    small: Any,
    *,
    threshold: float | None,
    gaps: Sequence[str],
) -> dict[str, list[Any]]:
    """Estimates by line, of the slices that the gate would judge: small ones merged where that is the policy."""
    from dataclasses import replace

    from lockgate.evaluation.estimation.estimate import estimate
    from lockgate.evaluation.evaluate import both_sides
    from lockgate.evaluation.metrics import multiclass
    from lockgate.evaluation.metrics.by_query import ByQuery
    from lockgate.evaluation.metrics.catalog import SUBJECTS
    from lockgate.evaluation.scoring.merge_small_slices import merged

    metrics = _metrics()
    if scored.classes:
        metrics |= multiclass.metrics([line for _, line in lines if line.subject in SUBJECTS], scored.classes)
    if scored.queries is not None:
        queries = ByQuery(scored)
        scored, metrics = queries.rows, queries.metrics([line for _, line in lines])
    whole, _ = merged(scored, small)
    cells = [(name, line) for name, line in lines if line.scope.kind == "cell"]
    compared = [(name, line) for name, line in lines if line.scope.kind == "each" and line.scope.name in gaps]
    others = [each for each in lines if each not in cells and each not in compared]
    known = {"candidate": threshold, "champion": threshold}
    found: dict[str, list[Any]] = {}
    for rows, asked in ((whole, others), (both_sides(whole, gaps), compared), (scored, cells)):
        declared = {one.name: one for one in rows.slices}
        for one in estimate(rows, asked, metrics, threshold=known) if asked else ():
            key = declared[one.slice[0][0]].key(one.slice[0][1]) if len(one.slice) == 1 else one.slice
            found.setdefault(one.requirement, []).append(replace(one, slice=key))
    return found


def requests_of(gate: Gate, *, models: int) -> int | None:
    """How many requests a gate sends in all, where its load says so."""
    load = gate.own_load
    return None if load is None or load.planned is None else int(load.planned * len(load.sizes) * models)


def raw_bytes_of(gate: Gate, *, models: int) -> int | None:
    """About how large the file of all its requests will be."""
    from lockgate.models.load_spec import BYTES

    requests = requests_of(gate, models=models)
    return None if requests is None else requests * BYTES


def at_once_of(gate: Gate) -> int | None:
    """How many requests of a closed loop are under way together; None for other gates."""
    closed = None if gate.own_load is None else gate.own_load.closed
    return None if closed is None else int(closed.concurrency)


def seconds_of(gate: Gate, *, models: int) -> float | None:
    """How long a gate sends requests, where its load says how long, or how many a second."""
    load = gate.own_load
    if load is not None and load.duration is not None:
        return load.duration.total_seconds() * len(load.sizes) * models
    if load is not None and load.arrival_rate is not None:
        return load.requests / load.arrival_rate * len(load.sizes) * models
    return None
