"""The subject `gain_from_one_column`, and what of its lines cannot be measured. Imports no numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lockgate.evaluation.metrics import catalog, multiclass_arguments
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement, Scope
from lockgate.evaluation.requirements.subject import Subject

NAME = "gain_from_one_column"
DEFAULT_METRIC: Mapping[str, str] = {"binary": "auc", "multiclass": "auc", "regression": "rmse"}
_OTHER_RULE = "calibration_error", "recall_at_precision", "quantile_loss"  # without influence values, or of an argument
METRICS = tuple(
    name
    for name, metric in catalog.METRICS.items()
    if metric.measure is not None  # of one model, as it is measured with a column permuted
    and metric.subject is not None
    and metric.subject.better is not None
    and name not in _OTHER_RULE
)

SUBJECT = Subject(
    NAME,
    "lower",
    bounds=(0, 1),
    proportion=False,
    args=("metric",),
    words={"metric": METRICS},
    tasks=tuple(DEFAULT_METRIC),
    needs=("label", "score", "champion", "no champion"),
)


def metric_line(line: Requirement | None, task: str) -> Requirement:
    """The metric whose gain is meant, as a line of its own: by default that of the task, of several classes their mean."""
    name = str((None if line is None else line.argument("metric")) or DEFAULT_METRIC[task])
    subject = multiclass_arguments.SUBJECTS.get(name) if task == "multiclass" else None
    whole = f"{name}(average=macro)" if subject is not None and "average" in subject.args else name
    better = catalog.SUBJECTS[name].better
    return parse(f"{whole} {'<=' if better == 'lower' else '>='} 0")


def complaints(line: Requirement, task: str, *, decided: bool, recorded: bool, data: str) -> Iterator[str]:
    """Why a line on this subject cannot be measured. decided: whether scores have a threshold. recorded: whether the answers lie in
    the data."""
    text = repr(str(line))
    if recorded:
        yield f"{text}: {NAME} asks the candidate again, and data.{data}.scores says that no model answers; leave one of them out"
    if line.scope.kind != "overall" or line.gap is not None:
        whole = str(replace(line, scope=Scope(), gap=None))
        yield f"{text}: {NAME} is measured on all rows together; write {whole!r}"
    name = line.argument("metric")
    subject = catalog.SUBJECTS.get(str(name)) if name is not None else None
    if subject is None or task not in DEFAULT_METRIC:
        return
    if subject.tasks and task not in subject.tasks:
        yield f"{text}: {name} is for task {' or '.join(subject.tasks)}, and this one is {task}"
    elif task == "binary" and "threshold" in subject.needs and not decided:
        yield f"{text}: {name} needs a threshold, and there is none; write threshold: 0.5 in the pipeline"
