"""The defects that `gate selftest` plants, in its order, and the line that would stop one that nothing stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lockgate.gates.gate import Gate
from lockgate.models.target_spec import Server
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.training.seen_rows import judges_rows

SLOWER_MS = 50
Part = Literal["answers", "rows", "files", "time", "payload"]
_LINES = {
    "binary": ("auc", ">=", "champion - 0.02"),
    "multiclass": ("accuracy", ">=", "champion - 0.02"),
    "regression": ("mae", "<=", "champion * 1.05"),
    "ranking": ("ndcg(10)", ">=", "champion - 0.02"),
}


@dataclass(frozen=True)
class Defect:
    """One defect. part: of the model, that it is planted into; rows, its training data. seen_by: kinds of gates that are run first, as they can see it."""

    name: str
    planted: str
    part: Part
    seen_by: tuple[str, ...]


DEFECTS = (
    Defect("labels", "its answers speak for another class", "answers", ("metrics", "shadow")),
    Defect("constant", "it answers every row as it did the first one", "answers", ("metrics", "shadow")),
    Defect("nan", "every 50th of its answers is no number", "answers", ("metrics", "shadow")),
    Defect("slice", "on one slice its answers are those of other rows", "answers", ("metrics", "shadow")),
    Defect(
        "altered-rows",
        "it answers the rows that judge it as before, and rows that differ from them in one cell the other way round",
        "answers",
        ("behaviour",),
    ),
    Defect("seen-rows", "half of the rows that judge it are in its training data", "rows", ("metrics", "behaviour")),
    Defect("renamed-column", "its signature calls an input otherwise", "files", ("signature",)),
    Defect("dropped-column", "its signature lacks an input", "files", ("signature",)),
    Defect("requirements", "its files do not say which packages it needs", "files", ("metadata",)),
    Defect("environment", "it needs versions of packages that nobody has", "files", ("environment", "signature")),
    Defect(
        "payload-connects",
        "a pickle in its files reaches for an address of this machine",
        "payload",
        ("artifact", "signature"),
    ),
    Defect(
        "payload-writes", "a pickle in its files writes a file beside the run", "payload", ("artifact", "signature")
    ),
    Defect("payload-reads", "a pickle in its files reads the data that judge it", "payload", ("artifact", "signature")),
    Defect("slow", f"each request takes {SLOWER_MS} ms longer", "time", ("latency",)),
)


def planted_words(defect: Defect, pipeline: Pipeline, slice_text: str | None) -> str:
    """What the copy does, in a few words. slice_text: the slice, once it is chosen."""
    if defect.name == "labels" and pipeline.task in ("regression", "ranking"):
        return "its answers have the other sign"
    if defect.name == "slice" and slice_text:
        return f"on {slice_text} its answers are those of other rows there"
    return defect.planted


def obstacle(defect: Defect, pipeline: Pipeline, gates: Mapping[str, Gate]) -> str | None:
    """Why a defect cannot be planted for this pipeline, None where it can. gates: those that are run."""
    if defect.part in ("answers", "payload") and isinstance(pipeline.target, Server):
        return "the models answer on servers that you run, where nothing is planted"
    if defect.part == "answers" and not pipeline.data:
        return "the pipeline has no data, so that no answer is judged"
    if defect.part == "answers" and (pipeline.task == "text" or all(data.scores for data in pipeline.data.values())):
        return "the answers are recorded in the data, and no model is asked"
    if defect.name == "altered-rows" and (pipeline.task == "ranking" or pipeline.per_row):
        return "its answers are judged by query, or by functions of the project, and altered rows are by neither"
    if defect.part == "rows" and not any(judges_rows(gate) for gate in gates.values()):
        return "no gate judges it by rows of the data"
    if defect.part == "payload" and not any(gate.uses_models for gate in gates.values()):
        return "no gate lets the model answer, so that nothing of it is ever loaded"
    if defect.part == "time" and any(isinstance(gate.own_target or pipeline.target, Server) for gate in gates.values()):
        return "the models answer on servers that you run, where nothing is planted"
    if defect.name == "slice" and not any(data.slices for data in pipeline.data.values()):
        return "the data declare no slices (data.NAME.slices)"
    held = pipeline.environment == "declared" or any(gate.gate == "environment" for gate in gates.values())
    if defect.name == "environment" and not held:
        return "models answer under the pipeline's python here, and not in what they declare (environment: declared)"
    return None


def remedy(defect: Defect, pipeline: Pipeline) -> str:
    """What to add to the pipeline so that the defect is stopped: the line to write."""
    if defect.part == "payload":
        return "add - gate: artifact to gates, or write isolation: {require: box}; gate doctor shows what this machine's box denies"
    if defect.name in ("renamed-column", "dropped-column"):
        return "add - gate: signature to gates, without require, or with data_mismatches <= 0 and breaking_changes <= 0"
    if defect.name == "requirements":
        return "add - gate: metadata to gates, or requirements >= 1 to its require"
    if defect.name == "environment":
        return (
            "add - gate: signature to gates"
            if pipeline.environment == "declared"
            else "write exact: [numpy] into the gate environment"
        )
    if defect.part == "time":
        line = "mean_ms <= champion * 1.5" if pipeline.has_champion else "mean_ms <= 50"
        return f"write {line} into require of a gate latency, or add - gate: latency to gates"
    if defect.part == "rows":
        return _unseen_remedy(pipeline)
    if defect.name == "altered-rows":
        tolerance = ", tolerance=LIMIT" if pipeline.task == "regression" else ""
        return (
            f"{_written(f'changed_rate(noise=1%{tolerance}) <= 1%', 'behaviour', pipeline)}; for a column that must not matter "
            "noise=1% is swap=COLUMN"
        )
    line = _line(pipeline)
    if defect.name == "slice":
        line = f"{line} on each slice"
    return _written(line, "metrics", pipeline)


def _written(line: str, kind: str, pipeline: Pipeline) -> str:
    """Where to write a line of that kind of gate: into the first there is, else a new one."""
    gate = next((gate.title for gate in pipeline.gates if gate.gate == kind), None)
    if gate is not None:
        return f"write {line} into require of {gate}"
    data = next((name for name, spec in pipeline.data.items() if spec.label or pipeline.per_row), "NAME")
    return f'add - {{gate: {kind}, data: {data}, require: ["{line}"]}} to gates'


def _unseen_remedy(pipeline: Pipeline) -> str:
    """The key of the data that the first gate judges by which does so."""
    names = (pipeline.data_of(gate) for gate in pipeline.gates if judges_rows(gate))
    name = next(name for name in names if name is not None)
    if pipeline.data[name].not_in:
        return f"write a smaller max_seen into data.{name}, such as 1%"
    return f"write not_in: training into data.{name}, or {{path: …}} of the data that the model was trained on"


def _line(pipeline: Pipeline) -> str:
    """A line on how good the answers are: one that the pipeline has for all rows, else one for its task."""
    for gate in pipeline.gates:
        for line in gate.lines if gate.gate == "metrics" else ():
            if line.scope.kind == "overall" and (line.limit.relative or not pipeline.has_champion):
                return str(line)
    subject, op, limit = _LINES[pipeline.task]
    if pipeline.per_row:
        subject, metric = next(iter(pipeline.per_row.items()))
        op, limit = (">=", "champion * 0.98") if metric.better == "higher" else ("<=", "champion * 1.02")
    return f"{subject} {op} {limit if pipeline.has_champion else 'LIMIT'}"
