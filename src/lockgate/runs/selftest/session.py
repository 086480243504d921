"""One self-test: the copy as it is, then a copy for each defect, and the first gate that stops it."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lockgate.data.locate import fixed_part
from lockgate.data.remote import is_url, local
from lockgate.errors import UsageError, guess
from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.evidence.run_folder import RunFolder
from lockgate.gates.gate import Gate
from lockgate.models.load_spec import Load
from lockgate.models.model import Model
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelSource, ModelVersion
from lockgate.registries.selectors import CandidateSelector
from lockgate.runs.case_builder import CaseBuilder, open_case
from lockgate.runs.run import PipelineRun, now
from lockgate.runs.selftest.copy_source import CopySource
from lockgate.runs.selftest.defects import DEFECTS, Defect, obstacle, planted_words, remedy
from lockgate.runs.selftest.planting import Copies, NoPlace
from lockgate.runs.selftest.recorded_evaluation import on_record
from lockgate.runs.selftest.slice_rows import PlantedSlice, choose_slice, judged_data, model_rows
from lockgate.runs.selftest.training_rows import with_seen_half
from lockgate.runs.training.seen_rows import judges_rows
from lockgate.runs.version_selection import select_candidate, select_champion

Outcome = Literal["stopped", "not stopped", "not shown", "does not apply"]
_FEW, _MANY = 40, 400  # requests: a mean shows with few; a line on p99 is decided with more
_NOT_PLANTED = "NotPlanted"


@dataclass(frozen=True)
class Tried:
    """What became of one defect. reason: of the finding or gate that stopped it, or why nothing is shown."""

    defect: Defect
    planted: str
    outcome: Outcome
    reason: str
    gate: str | None = None
    finding: str | None = None
    line: str | None = None
    remedy: str | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.defect.name,
            "planted": self.planted,
            "outcome": self.outcome,
            "gate": self.gate,
            "finding": self.finding,
            "line": self.line,
            "reason": self.reason,
            "remedy": self.remedy,
            "seconds": f"{self.seconds:.1f}",
        }


@dataclass(frozen=True)
class SelfTest:
    """What came of it all. silent: gates that do not pass the copy as it is, and what they say of it."""

    pipeline: Pipeline
    candidate: ModelVersion
    champion: ModelVersion | None
    itself: bool
    silent: Mapping[str, str]
    tried: Sequence[Tried]

    @property
    def exit_code(self) -> int:
        """1 where a defect is not stopped, 3 where of one, or of all, nothing can be shown, else 0."""
        outcomes = {each.outcome for each in self.tried}
        return 1 if "not stopped" in outcomes else 3 if "not shown" in outcomes or not outcomes else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.pipeline.model,
            "candidate": self.candidate.version,
            "champion": None if self.champion is None else self.champion.version,
            "beside_itself": self.itself,
            "silent_gates": dict(self.silent),
            "defects": [each.to_json() for each in self.tried],
            "exit_code": self.exit_code,
        }


def chosen_defects(names: Sequence[str]) -> list[Defect]:
    """The defects of these names, all where none is named. Raises UsageError for another name."""
    by_name = {defect.name: defect for defect in DEFECTS}
    for name in names:
        if name not in by_name:
            raise UsageError(
                f"there is no defect {name!r}{guess(name, by_name)}", remedy=f"the defects are {', '.join(by_name)}"
            )
    return [defect for defect in DEFECTS if not names or defect.name in names]


def self_test(
    pipeline: Pipeline,
    registry: ModelSource,
    scratch: Path,
    *,
    candidate: CandidateSelector | None,
    defects: Sequence[Defect],
    environ: Mapping[str, str],
    show: Callable[[str], None],
) -> SelfTest:
    """Plant defects into copies of the candidate, and run gates on each until one stops it.

    The candidate is Production where nothing names one. It stands for the champion where there is none yet. Nothing is
    written into the registry; which gates pass a copy as it is says as much as a run of another candidate than Production,
    and counts as an evaluation of the data. scratch: a folder that is gone afterwards. defects: in the order in which they
    are planted. show: told a line at each step. Nothing is planted where no gate passes the copy without a defect. Raises
    LockgateError.
    """
    champion = select_champion(pipeline, registry)
    source, itself = _source(pipeline, registry, scratch, candidate, champion)
    chosen = source.choosing(pipeline)
    gates = {gate.title: gate for gate in chosen.gates}
    test = _Test(chosen, source, scratch, environ, gates)
    with ExitStack() as stack:
        began = time.monotonic()
        test.measure_copy(stack, pipeline, champion, loaded=any(defect.part == "time" for defect in defects))
        show(f"the copy as it is: {_passing(test.passing)} ({time.monotonic() - began:.0f} s)")
        tried = list[Tried]()
        for defect in defects if test.passing else ():
            tried.append(test.try_defect(defect))
            show(f"{defect.name}: {_said(tried[-1])}")
    return SelfTest(pipeline, source.candidate, source.champion, itself, test.silent, tried)


def _source(
    pipeline: Pipeline,
    registry: ModelSource,
    scratch: Path,
    selector: CandidateSelector | None,
    champion: ModelVersion | None,
) -> tuple[CopySource, bool]:
    """(the two models, fetched; whether the champion is the candidate itself)."""
    if selector is None and pipeline.candidate is None and champion is not None:
        candidate = champion
    else:
        candidate = select_candidate(pipeline, registry, selector)
    if champion is None and pipeline.has_champion:
        champion = candidate
    itself = champion is not None and str(champion) == str(candidate)

    def fetched(version: ModelVersion) -> Path:
        return registry.fetch(version, Path(tempfile.mkdtemp(prefix="model-", dir=scratch)))

    files = fetched(candidate)
    beside = None if champion is None else files if itself else fetched(champion)
    return CopySource(registry, candidate, champion, files, beside), itself


@dataclass
class _Test:
    """gates: those of the pipeline. passing: those that pass the copy as it is. idle: those that block nothing, as they warn
    or are waived. silent: the others → why. judged: data to whose rows it answers them → how many."""

    pipeline: Pipeline
    source: CopySource
    scratch: Path
    environ: Mapping[str, str]
    gates: Mapping[str, Gate]
    passing: dict[str, GateResult] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    idle: list[str] = field(default_factory=list)
    results: list[GateResult] = field(default_factory=list)
    slice: PlantedSlice | None = None
    judged: dict[str, int] = field(default_factory=dict)
    began: datetime = field(default_factory=now)
    _champion: dict[str, Model] = field(default_factory=dict)

    @property
    def copies(self) -> Copies:
        return Copies(self.source.files, self.pipeline.task in ("binary", "multiclass"))

    def measure_copy(self, stack: ExitStack, judging: Pipeline, champion: ModelVersion | None, *, loaded: bool) -> None:
        """Run the gates on the copy without a defect. judging, champion: of a run. loaded: also those that send a load."""
        pipeline = self._with_loads(_MANY)
        source = replace(self.source, files=self._unspoilt())
        builder, run = stack.enter_context(self._run(pipeline, source, started={}))
        gates = [gate for gate in pipeline.gates if loaded or gate.own_load is None]
        with on_record(judging, gates, builder, self.source, champion, self.results):
            for gate in gates:
                result = run.run_gate(gate)
                self.results.append(result)
                run.results.append(result)
                if not result.counts:
                    self.idle.append(gate.title)
                elif not _is_stop(gate, result) and (result.verdict is Verdict.PASS or result.findings):
                    self.passing[gate.title] = result
                else:
                    self.silent[gate.title] = f"{result.verdict} on the copy without a defect: {_decisive(result)[1]}"
        beside = builder.case.champion
        if beside is not None and beside.load_facts(None) is not None:
            self._champion = {"champion": beside.model}
        self.judged = judged_data(pipeline, [self.gates[name] for name in self.passing], builder.case)
        if any(data.slices for data in self.pipeline.data.values()):
            self.slice = choose_slice(pipeline, builder.case, self.results)

    def try_defect(self, defect: Defect) -> Tried:
        """Plant one defect, and run gates until one stops it."""
        began = time.monotonic()
        slice_text = None if self.slice is None else f"{self.slice.name} ({self.slice.rows:,} rows)"
        tried = partial(Tried, defect, planted_words(defect, self.pipeline, slice_text))
        hindrance = obstacle(defect, self.pipeline, self.gates)
        if hindrance is None and defect.name == "slice" and self.slice is None:
            hindrance = "no declared slice has 50 rows or more"
        if hindrance is not None:
            return tried("does not apply", hindrance)
        # Where nobody looks for seen rows, the copy passes as it is.
        looked_for = defect.part != "rows" or any(data.not_in for data in self.pipeline.data.values())
        try:
            with tempfile.TemporaryDirectory(prefix="model-", dir=self.scratch) as folder:
                stopped = self._first_stop(defect, Path(folder)) if looked_for else None
        except NoPlace as error:
            return tried("does not apply", error.message)
        seconds = time.monotonic() - began
        if stopped is not None:
            finding, reason = _decisive(stopped, self.slice if defect.name == "slice" else None)
            name = None if finding is None else finding.id
            return tried("stopped", reason, stopped.name, name, _line(finding, stopped), seconds=seconds)
        unheard = [name for name in self.silent if self.gates[name].gate in defect.seen_by and looked_for]
        if unheard:
            return tried(
                "not shown", f"{' and '.join(unheard)} cannot be asked: {self.silent[unheard[0]]}", seconds=seconds
            )
        few = next((name for name in self.passing if defect.part == "time" and self._needs_more(name)), None)
        if few is not None:
            return tried("not shown", f"{few} needs more than the {_MANY} requests that are sent here", seconds=seconds)
        passed = [gate.title for gate in self._order(defect)]
        reason = f"passed by {', '.join(passed) or 'every gate'}"
        reason += f"; {' and '.join(self.idle)} may warn, and blocks nothing" if self.idle else ""
        return tried("not stopped", reason, remedy=remedy(defect, self.pipeline), seconds=seconds)

    def _needs_more(self, name: str) -> bool:
        gate = self.gates[name]
        return gate.own_load is not None and gate.least_requests > _MANY

    def _first_stop(self, defect: Defect, folder: Path) -> GateResult | None:
        """The result of the first gate that stops the defect. Raises NoPlace."""
        with ExitStack() as stack:
            files = self._planted(defect, folder, stack)
            loads = (_FEW, _MANY) if defect.part == "time" else (_FEW,)
            pipeline = self._with_loads(loads[0])
            if defect.part == "rows":
                pipeline = with_seen_half(pipeline, folder, began=self.began)
            source = replace(self.source, files=files)
            builder, run = stack.enter_context(self._run(pipeline, source, started=self._champion))
            if defect.name == "slice" and self.slice is not None:
                self._teach(builder, self.slice.batches(builder.case))
            if defect.name == "altered-rows":
                for name in self.judged:
                    self._teach(builder, model_rows(builder.case, name))
            for requests in loads:
                for gate in self._order(defect):
                    if defect.part == "rows" and not judges_rows(gate):
                        continue
                    if requests == _MANY and gate.own_load is None:
                        continue
                    result = run.run_gate(self._with_load(gate, requests))
                    if _NOT_PLANTED in f"{result.reason} {result.context.get('broken')}":
                        raise NoPlace("the model answers in a form into which it cannot be planted")
                    if _is_stop(gate, result):
                        return result
        return None

    def _teach(self, builder: CaseBuilder, rows: Iterator[Any]) -> None:
        """Send rows first, by which the copy knows them again."""
        output = self.pipeline.output
        method = None if output is None else output.of("candidate").method
        for _ in builder.case.candidate.model.predict(rows, method=method):
            pass

    def _order(self, defect: Defect) -> list[Gate]:
        """The gates that pass the copy, those first that can see the defect; a load is sent for what is slow alone."""
        gates = [self.gates[name] for name in self.passing if self.gates[name].judges_candidate]
        if defect.part != "time":
            gates = [gate for gate in gates if gate.own_load is None]
        return sorted(gates, key=lambda gate: (gate.gate not in defect.seen_by, not gate.guards_loading))

    def _unspoilt(self) -> Path:
        """A copy that is wrapped like the others, without a defect; the real one where nothing can be wrapped."""
        try:
            return self.copies.wrapped(Path(tempfile.mkdtemp(prefix="model-", dir=self.scratch)), "none")
        except NoPlace:
            return self.source.files

    def _planted(self, defect: Defect, folder: Path, stack: ExitStack) -> Path:
        copies = self.copies
        if defect.part == "time":
            return copies.wrapped(folder, "slow")
        if defect.part == "rows":
            return self.source.files
        if defect.name == "altered-rows":
            return copies.wrapped(folder, defect.name, rows=sum(self.judged.values()))
        if defect.part == "answers":
            return copies.wrapped(folder, defect.name, rows=0 if self.slice is None else self.slice.rows)
        if defect.part == "payload":
            return copies.wrapped(folder, "payload", payload=self._payload(defect, stack))
        if defect.name in ("requirements", "environment"):
            return copies.otherwise_required(folder, emptied=defect.name == "requirements")
        return copies.otherwise_signed(folder, dropped=defect.name == "dropped-column")[0]

    def _payload(self, defect: Defect, stack: ExitStack) -> str:
        """Code that goes on in silence where it gets through, and raises where it does not. Raises NoPlace."""
        if defect.name == "payload-connects":
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            return f"import socket\nsocket.create_connection({listener.getsockname()!r}, 3).close()"
        if defect.name == "payload-writes":
            return f"open({str(self.scratch / 'written-by-a-payload')!r}, 'w').close()"
        named = [local(spec.path) for spec in self.pipeline.data.values()]
        paths = [self.pipeline.root / fixed_part(path) for path in named if not is_url(path)]
        file = next((each for path in paths for each in (path, *sorted(path.rglob("*"))) if each.is_file()), None)
        if file is None:
            raise NoPlace("no data of the pipeline lie on this machine")
        return f"open({str(file)!r}, 'rb').read(1)"

    @contextmanager
    def _run(
        self, pipeline: Pipeline, source: CopySource, *, started: Mapping[str, Model]
    ) -> Iterator[tuple[CaseBuilder, PipelineRun]]:
        folder = RunFolder(Path(tempfile.mkdtemp(prefix="run-", dir=self.scratch)))
        with open_case(
            pipeline, source, folder, environ=self.environ, began=self.began, warm_up=not started, started=started
        ) as builder:
            yield builder, PipelineRun(
                pipeline=pipeline, case=builder.case, folder=folder, nonce="", started_at=self.began, circumstances={},
                results=list(self.results), observe=True, unrecorded=True,
            )  # fmt: skip

    def _with_loads(self, requests: int) -> Pipeline:
        return self.pipeline.model_copy(
            update={"gates": tuple(self._with_load(gate, requests) for gate in self.pipeline.gates)}
        )

    def _with_load(self, gate: Gate, requests: int) -> Gate:
        """The gate with as few requests as suffice to see what is planted, none more than it would send."""
        load = gate.own_load
        if not isinstance(load, Load):
            return gate
        least = max(_FEW, min(requests, int(1.1 * gate.least_requests)))
        few = {"requests": min(least, load.planned or least), "duration": None, "warmup": min(load.warmup, 2)}
        return gate.model_copy(update={"load": load.model_copy(update=few)})


def _is_stop(gate: Gate, result: GateResult) -> bool:
    """Whether a gate that passes the copy keeps this one from being promoted; a short load decides failures only."""
    if not result.counts or result.verdict is Verdict.PASS:
        return False
    if gate.own_load is None or result.verdict is not Verdict.INCONCLUSIVE:
        return True
    return any(finding.code == "saturated" for finding in result.findings)


def _decisive(result: GateResult, planted: PlantedSlice | None = None) -> tuple[Finding | None, str]:
    """The finding that a result rests on, None where its gate broke, and its sentence. planted: whose finding is preferred."""
    if result.verdict is Verdict.ERROR:
        return None, result.reason
    deciding = [finding for finding in result.findings if finding.verdict is result.verdict]
    deciding.sort(key=lambda finding: planted is not None and _name(finding) != planted.name)
    return (deciding[0], deciding[0].reason) if deciding else (None, result.reason)


def _name(finding: Finding) -> str:
    return slice_words(tuple(finding.slice.items()))


def _line(finding: Finding | None, result: GateResult) -> str | None:
    """The line that a finding is of, and the slice: `auc >= 0.8 on each slice (country=BR)`."""
    if finding is None:
        return None
    text = next((line.text for line in result.requirements if line.id == finding.requirement), finding.requirement)
    return f"{text} ({name})" if (name := _name(finding)) else text


def _passing(passing: Mapping[str, GateResult]) -> str:
    return f"passed by {', '.join(passing)}" if passing else "no gate passes it"


def _said(tried: Tried) -> str:
    by = f" by {tried.gate} ({tried.seconds:.0f} s)" if tried.gate else ""
    return f"{tried.outcome}{by}"
