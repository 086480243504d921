"""Plan a run: what each requirement can come to on the rows of its data, and how long its gate takes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lockgate.data import arrow_arrays as arrays
from lockgate.data.class_labels import label_classes
from lockgate.data.dataset import Dataset
from lockgate.data.overlap.seen_rows import SeenRows
from lockgate.data.remote import is_url
from lockgate.data.slices.names import SliceKey
from lockgate.errors import LockgateError
from lockgate.evaluation.estimation.estimate import Estimate
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.metrics.ranking_subjects import BY_NAME
from lockgate.evaluation.planning.expected_error import CORRELATION
from lockgate.evaluation.planning.gap_outlook import gap_outlook, slice_value_requirement
from lockgate.evaluation.planning.outlook import Outlook, as_absolute, assumptions, outlooks
from lockgate.evaluation.planning.planned_estimates import planned_estimates, planned_metrics
from lockgate.evaluation.planning.rate_outlook import rate_outlook
from lockgate.evaluation.planning.request_outlook import counted_outlook, seconds_of, timed_outlook
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.row_columns import checked_rows
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.blind_lines import blind_by_the_last_run
from lockgate.evidence.run_folder import RunFolder, readable, runs, salt
from lockgate.gates.gate import Gate
from lockgate.models.load_spec import BYTES
from lockgate.models.output import OutputSpec
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.registries.selectors import CandidateSelector
from lockgate.runs.answers.sent_rows import asked_again, least_seconds, sent_rows
from lockgate.runs.case_builder import open_case
from lockgate.runs.evaluation_count import foretell, judged_data
from lockgate.runs.model_factory import unguarded
from lockgate.runs.promotion_hooks import repeated_production
from lockgate.runs.training.planned import look, pinned, to_json
from lockgate.runs.version_selection import select_candidate, select_champion

Requirements = Sequence[tuple[str, Requirement]]
_RECENT = 20  # runs of a checkout that are looked at for how long their gates took


def plan_run(
    pipeline: Pipeline,
    registry: Registry,
    *,
    candidate: CandidateSelector | None,
    score: bool,
    disagreement: float,
    environ: Mapping[str, str],
    probe: bool = False,
) -> dict[str, Any]:
    """The document of `gate plan --json`. Nothing of the candidate is read, but for `probe`, for `score` without a champion, and
    for `not_in` of data its signature and what training data it logged.

    probe: let both models answer a few requests, and foretell by them how long a gate sends its load. score: let the champion
    score the data first, the candidate where there is none, and plan with its scores; else plan from counts. disagreement: the
    share of rows on which the two models are assumed to decide differently.
    """
    version, champion = select_candidate(pipeline, registry, candidate), select_champion(pipeline, registry)
    scored = (champion or version) if score else None
    plan = _Plan(pipeline, registry, version, champion, scored=scored, disagreement=disagreement, environ=environ)
    probed = _probed(pipeline, registry, candidate, environ=environ) if probe else {}
    gates = [plan.gate(gate) | probed.get(gate.title, {}) for gate in pipeline.gates]
    versions = [version] if champion is None else [version, champion]
    obstacles = repeated_production(pipeline, registry, versions, candidate)
    return {
        "model": pipeline.model,
        "candidate": version.version,
        "champion": None if champion is None else champion.version,
        "looks": {}
        if obstacles
        else foretell(
            pipeline,
            (version.version, None if champion is None else champion.version),
            rows=plan.digest,
            published=registry.evidence(pipeline.model).all,
        ),
        "assumed": plan.assumptions,
        "assumptions": plan.assumption_figures,
        "obstacles": [list(pair) for pair in obstacles],
        "gates": gates,
    }


@dataclass
class _Plan:
    """Outlooks of the gates of a pipeline. Data are read once, and scored once. scored: the version that answers them, if any."""

    pipeline: Pipeline
    registry: Registry
    candidate: ModelVersion
    champion: ModelVersion | None
    scored: ModelVersion | None
    disagreement: float
    environ: Mapping[str, str]
    assumptions: str | None = field(default=None, init=False)
    assumption_figures: dict[str, Any] | None = field(default=None, init=False)
    _label_tables: dict[str, Scored] = field(default_factory=dict, init=False)
    _overlaps: dict[str, SeenRows | None] = field(default_factory=dict, init=False)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)

    def digest(self, name: str) -> str | None:
        """The digest of the data of a name; None of an address, which would be fetched once more for it."""
        spec = self.pipeline.data[name]
        return None if is_url(spec.path) else Dataset(name, spec, self.pipeline.root).digest

    def gate(self, gate: Gate) -> dict[str, Any]:
        requirements = [
            (name, requirement)
            for name, requirement in gate.numbered_requirements
            if self.champion is not None or not gate.needs_champion(requirement)
        ]
        outlooks: dict[str, list[Outlook]] = {}
        unread = None
        try:
            outlooks = self._outlooks_on_rows(gate, requirements)
        except LockgateError as error:
            unread = error.message
        for name, requirement in requirements:
            subject = gate.subjects.get(requirement.subject)
            counted = subject is not None and subject.counted
            if name not in outlooks and (unread is None or counted or gate.own_load is not None):
                outlooks[name] = [self._outlook_without_rows(gate, name, requirement)]
        names = {name for name, _ in requirements}
        models = 1 if self.champion is None else 2
        load = gate.load_at(self.pipeline.target)
        requests = None if load is None or load.planned is None else load.planned * len(load.sizes) * models
        rows = table.rows if (table := self._label_tables.get(self.pipeline.data_of(gate) or "")) else None
        roles = ("candidate", "champion")[:models]
        sent = sent_rows(self.pipeline, gate, roles=roles, rows=rows)
        return {
            "name": gate.title,
            "kind": gate.gate,
            "severity": gate.severity,
            "data": self.pipeline.data_of(gate),
            "seconds": seconds_of(load, models=models) if load is not None else least_seconds(sent),
            "requests": requests,
            "raw_bytes": None if requests is None else requests * BYTES,
            "at_once": None if load is None or load.closed is None else load.closed.concurrency,
            "unread": unread,
            "notes": self._notes.get(gate.title, []) + asked_again(self.pipeline, gate, roles=roles),
            "data_rows": rows,
            "sent": [each.to_json() for each in sent],
            "last_seconds": self._last_seconds.get(gate.title),
            "lines": [
                {
                    "id": name,
                    "text": str(requirement),
                    "operator": requirement.op,
                    "asked": name in names,
                    "outlook": [
                        {"place": outlook.slice_name, **outlook.to_json()} for outlook in outlooks.get(name, ())
                    ],
                }
                for name, requirement in gate.numbered_requirements
            ],
        } | to_json(self._overlaps.get(self.pipeline.data_of(gate) or "") if gate.by_group else None)

    @cached_property
    def _last_seconds(self) -> dict[str, float]:
        """How long each gate took in the newest run of the model in this checkout."""
        for evidence in readable(runs(self.pipeline.root)[:_RECENT]):
            if evidence.model == self.pipeline.model:
                return {name: float(text) for name, text in evidence.document["run"].get("seconds", {}).items()}
        return {}

    @cached_property
    def _notes(self) -> dict[str, list[str]]:
        pipeline = self.pipeline
        return blind_by_the_last_run(pipeline.root, pipeline.model, {gate.title: gate.lines for gate in pipeline.gates})

    @cached_property
    def _earlier(self) -> dict[str, dict[str, dict[SliceKey, float]]]:
        """gate → metric → slice → the champion's value by the newest run of this checkout that measured it, by either role."""
        values: dict[str, dict[str, dict[SliceKey, float]]] = {}
        if self.champion is None:
            return values
        for evidence in readable(runs(self.pipeline.root)[:_RECENT]):
            roles = {"observed": evidence.candidate, "champion": evidence.champion}
            same = [role for role, version in roles.items() if _is_version(version, evidence.model, self.champion)]
            for result in evidence.gates if same else ():
                for finding in result.findings:
                    value, key = getattr(finding, same[0]), tuple(finding.slice.items())
                    if value is not None:
                        values.setdefault(result.name, {}).setdefault(finding.subject, {}).setdefault(key, value)
        return values

    def _outlook_without_rows(self, gate: Gate, name: str, requirement: Requirement) -> Outlook:
        """The outlook of a requirement that is not decided on rows of data, or whose variance only a run shows."""
        subject = gate.subjects.get(requirement.subject)
        if subject is None:
            return Outlook(
                name, (), 0, None, "unknown", f"not planned: {gate.gate} is read as text until it runs", basis="text"
            )
        load = gate.load_at(self.pipeline.target)
        if load is not None:
            return timed_outlook(name, requirement, subject, load=load)
        if subject.counted:
            table = self._label_tables.get(self.pipeline.data_of(gate) or "") if gate.by_group else None
            return counted_outlook(
                name, requirement, units=None if table is None else table.rows, unit=subject.unit or "requests"
            )
        return Outlook(
            name, (), 0, None, "unknown", "not planned: how much it varies is known after a run", basis="varies"
        )

    def _outlooks_on_rows(self, gate: Gate, requirements: Requirements) -> dict[str, list[Outlook]]:
        """By requirement, of those that are decided on rows of a data set."""
        data = self.pipeline.data_of(gate)
        if data is None or not gate.by_group:
            return {}
        small = self.pipeline.data[data].small_slices
        subjects = {*planned_metrics(()), *BY_NAME}
        planned = [
            (name, line) for name, line in requirements if line.subject in subjects and not gate.known_after_a_run(line)
        ]
        absolute = [(name, as_absolute(slice_value_requirement(line) if line.gap else line)) for name, line in planned]
        gaps = [requirement.gap for _, requirement in planned if requirement.gap]
        counts = planned_estimates(self._label_table(data), absolute, small, threshold=0.5, gaps=gaps)
        own: dict[str, list[Estimate]] = {}
        labelled = [pair for pair, (_, line) in zip(absolute, planned, strict=True) if _is_of_labels(gate, line)]
        if self.scored is not None and labelled:
            table, threshold = self._scored_tables[data]
            own = planned_estimates(table, labelled, small, threshold=threshold, gaps=gaps)
        if planned:
            earlier = {name: values[()] for name, values in self._earlier.get(gate.title, {}).items() if () in values}
            compared = [line.subject for _, line in planned if line.limit.relative]
            self._assume(data, compared, scored=len(own) == len(planned), earlier=earlier)
        listed: dict[str, list[Outlook]] = {}
        for name, requirement in planned:
            subject = gate.subjects[requirement.subject]
            by_slice = {estimate.slice: estimate for estimate in own.get(name, ())}
            common: dict[str, Any] = {"small": small, "own": by_slice, "disagreement": self.disagreement}
            if requirement.gap is not None:
                listed[name] = [gap_outlook(name, requirement, subject, counts.get(name, []), **common)]
                continue
            of_slices = outlooks(
                name, requirement, subject, counts.get(name, []), **common,
                earlier=self._earlier.get(gate.title, {}).get(requirement.subject_text, {}),
                judged=self.champion is not None,  # how a candidate does is for a run to say, which counts as an evaluation
            )  # fmt: skip
            listed[name] = [rate_outlook(each, requirement, disagreement=self.disagreement) for each in of_slices]
        return listed

    def _assume(self, data: str, compared: Sequence[str], *, scored: bool, earlier: Mapping[str, float]) -> None:
        """compared: the metrics of the lines that compare with the champion. earlier: its values overall by an earlier run."""
        self.assumptions = assumptions(self.disagreement, scored=self.scored is not None, earlier=earlier)
        if self.scored is not None and self.champion is None:
            self.assumptions += ", for which the candidate stands: there is no champion yet"
        cluster = self.pipeline.data[data].cluster
        if cluster is not None and not scored:
            self.assumptions += f"; rows of one {cluster} are counted as if each were of its own"
        values, measured = {}, set((self.assumption_figures or {}).get("measured", ()))
        if self.scored is None and not self._label_table(data).classes:
            names = [name for name in ("auc", "average_precision") if name in compared]
            values = {name: earlier.get(name, declared(name).plan.champion) for name in names}
            measured |= {name for name in names if name in earlier}
            values = (self.assumption_figures or {}).get("champion", {}) | values
        self.assumption_figures = {
            "disagreement": self.disagreement, "correlation": CORRELATION, "champion": values, "measured": sorted(measured),
            "cluster": None if scored else cluster,
        }  # fmt: skip

    def _label_table(self, name: str) -> Scored:
        """The rows with labels and slices alone; the label stands where scores would. Read once."""
        if name not in self._label_tables:
            self._label_tables[name] = self._read_labels(name)
        return self._label_tables[name]

    def _seen_rows(self, name: str) -> SeenRows | None:
        """The rows of the data that the candidate was trained on, looked for once. Raises LockgateError."""
        if name not in self._overlaps:
            self._overlaps[name] = look(
                self.pipeline, self.registry, self.candidate, name, environ=self.environ, began=self._began
            )
        return self._overlaps[name]

    def _read_labels(self, name: str) -> Scored:
        overlap = self._seen_rows(name)
        without = {"id": None, "keep_ids": False, "weight": None, "cluster": None, "scores": None}
        spec = self.pipeline.data[name].model_copy(update=without)
        find_seen = None if overlap is None else lambda _: overlap
        dataset = Dataset(name, spec, self.pipeline.root, now=self._began, find_seen=find_seen)
        task: Any = self.pipeline.task
        classes = self.pipeline.classes or (label_classes(dataset) if task == "multiclass" else ())
        rows, columns, _ = checked_rows(
            dataset,
            task=task,
            positive=self.pipeline.positive,
            scores={},
            classes=classes,
            salt=salt(self.pipeline.root) if spec.hash else b"",
        )
        if "label" not in columns:
            scores = arrays.from_numpy(np.zeros(rows))
        else:
            labels = arrays.to_numpy(arrays.whole(columns["label"]))
            one_hot = np.eye(len(classes))[labels] if classes else None
            scores = arrays.from_numpy(labels.astype(float)) if one_hot is None else arrays.from_matrix(one_hot)
        columns["candidate"] = columns["champion"] = scores
        return Scored(columns.get, rows=rows, sha256=lambda: "", slices=dataset.slices, classes=classes)

    @cached_property
    def _scored_tables(self) -> dict[str, tuple[Scored, float | None]]:
        """By data: (the champion's scores, in the candidate's place, or the candidate's own; the threshold)."""
        assert self.scored is not None  # noqa: S101  # looked at by who calls
        output = self.pipeline.output
        if self.champion is not None and output is not None and output.parts:  # it answers in the candidate's place
            output = OutputSpec(candidate=output.champion)
        alone = self.pipeline.model_copy(update={"champion": "none", "output": output, "per_row": {}})
        if self.champion is not None:
            alone = unguarded(alone)
        gates = [gate for gate in alone.gates if any(_is_of_labels(gate, line) for line in gate.lines)]
        names = judged_data(alone, gates)
        data = {name: pinned(alone.data[name], self._seen_rows(name)) for name in names}
        alone = alone.model_copy(update={"data": {**alone.data, **data}})
        tables = {}
        with (
            tempfile.TemporaryDirectory(prefix="lockgate-") as folder,
            open_case(
                alone,
                self.registry,
                RunFolder(Path(folder)),
                environ=self.environ,
                candidate=CandidateSelector(version=self.scored.version),
                began=self._began,
                warm_up=not all(data.scores for data in alone.data.values()),
            ) as builder,
        ):
            for name in names:
                table = copy(builder.score(name) if alone.data[name].scores else builder.case.scored(name))
                if self.champion is None:
                    table.champion = None
                elif table.champion is not None:  # scores that lie in the data: the candidate's are not read
                    table.candidate = table.champion
                    table.answers = {"candidate": table.answers["champion"]} if "champion" in table.answers else {}
                # Columns are read when they are first used, and the folder is gone then.
                _ = (table.labels, table.candidate, table.weights, table.clusters, table.queries)
                for declared in table.slices:
                    table.codes(declared.name)
                tables[name] = table, builder.case.threshold("candidate")
        return tables


def _probed(
    pipeline: Pipeline, registry: Registry, candidate: CandidateSelector | None, *, environ: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """By gate that sends requests: how long it would take by a few of them, and what would stand in its way."""
    answers: dict[str, dict[str, Any]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="lockgate-") as folder,
        open_case(
            pipeline,
            registry,
            RunFolder(Path(folder)),
            environ=environ,
            candidate=candidate,
            warm_up=any(gate.own_load is not None and gate.own_target is None for gate in pipeline.gates),
        ) as builder,
    ):
        loaded = False
        for gate in pipeline.gates:
            try:
                complete = gate.with_metadata_defaults(builder.case) if gate.asks_metadata else gate
                foretold = complete.foretell(builder.case, loaded=loaded and gate.own_target is None)
            except LockgateError as error:
                answers[gate.title] = {"seconds": None, "obstacle": error.message}
                continue
            if foretold is not None:
                answers[gate.title] = {"seconds": foretold.seconds, "obstacle": foretold.obstacle}
            loaded = loaded or gate.uses_models
    return answers


def _is_of_labels(gate: Gate, requirement: Requirement) -> bool:
    """Whether one model alone has a value of it, on labelled rows."""
    subject = gate.subjects.get(requirement.subject)
    return subject is not None and "label" in subject.needs and "no champion" not in subject.needs


def _is_version(version: Mapping[str, Any] | None, model: str, champion: ModelVersion) -> bool:
    """Whether evidence means the champion by a version, of its model where it names none."""
    return version is not None and (version.get("model", model), str(version["version"])) == (
        champion.name,
        champion.version,
    )
