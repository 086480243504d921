"""`gate init`: write a pipeline to begin with."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click

from lockgate.cli.data_outline import Outline, only_path, outline
from lockgate.cli.github.workflow_files import Workflows
from lockgate.cli.output import show
from lockgate.data.class_labels import label_classes, label_values
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import LockgateError, PipelineError, UsageError
from lockgate.evaluation.judging.number_format import rounded_up
from lockgate.pipeline import loader
from lockgate.pipeline.loader import root_of
from lockgate.runs.lookup import only_pipeline, pipelines

_TEMPLATE = """\
# What a new version of {model} must show before it moves. `gate check` checks this file, `gate run` runs it.
model: {model_text}
task: {task}
{about_task}registry: {{kind: mlflow, uri: "${{MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}}"}}
candidate: {{file: {version_text}}}            # the file holds one integer, the candidate's version
{champion}

data:
  holdout:
    path: {data_text}
{about_rows}

gates:
{before}  - gate: {gate}
    data: holdout
    require:                                 # {tolerances}
{lines}
  # - gate: latency
  #   require: [p99_ms <= champion * 1.5, errors <= 0]

# Who signs. Without this block nothing can be promoted.
# signoff:
#   groups:
#     owners:
#       - {{key: "ssh-ed25519 AAAA… you@example.org"}}
#   require: {{owners: 1}}
promotion: {{when: approved, soak: 48h, retain: 30d}}
"""
_UNFILLED = re.compile(r"^positive:(?= +#)", re.MULTILINE)
# At most so many values of a label are classes where nobody says what the task is.
_MOST_CLASSES = 50
_CHAMPION = (
    "champion: {alias: production, else: none}   # before a first promotion there is none, and comparisons are left out"
)
_NO_CHAMPION = "champion: none                             # only the candidate's scores were recorded"
_TASKS = {
    "binary": "{positive}\n{threshold}                           # scores at or above it are positive\n",
    "multiclass": "{classes}",
    "regression": "",
    "ranking": "",
}
_WITHOUT_LABEL = ("flip_rate <= 2%", "new_errors <= 0")
_OF_ONE_MODEL = {"binary": "auc >= 0.7"}
# subject → the line, with its tolerance where the rows are not known
_LINES = {
    "binary": {
        "auc": ("auc >= champion - {}", 0.03),
        "average_precision": ("average_precision >= champion - {}", 0.05),
    },
    "multiclass": {
        "accuracy": ("accuracy >= champion - {}", 0.03),
        "recall": ("recall(average=macro) >= champion - {}", 0.05),
    },
    "regression": {"rmse": ("rmse <= champion * {}", 0.05), "mae": ("mae <= champion * {}", 0.05)},
    "ranking": {"ndcg": ("ndcg(10) >= champion - {}", 0.01), "mrr": ("mrr >= champion - {}", 0.02)},
}


@click.command("init")
@click.option("--model", help="The registered model's name.")
@click.option(
    "--task", type=click.Choice(list(_TASKS)), help="What the model does; guessed from the label, else binary."
)
@click.option("--data", help="The rows to judge it on; by default data/holdout.parquet, else what alone is in data/.")
@click.option("--label", help="The column that holds the truth; by default label, or what is called like one.")
@click.option("--query", help="The column that says which rows of a ranking are of one query.")
@click.option("--github", is_flag=True, help="Also write workflows for GitHub Actions, and list what to set there.")
@click.option(
    "--action", metavar="OWNER/REPO@COMMIT", help="With --github: where lockgate's action is, at which commit."
)
@click.option("--yes", is_flag=True, help="Prompt for nothing.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def command(
    model: str | None,
    task: str | None,
    data: str | None,
    label: str | None,
    query: str | None,
    github: bool,
    action: str | None,
    yes: bool,
    force: bool,
) -> None:
    """Write gates/MODEL.yaml and models/MODEL.version, to be edited; with --github the workflows, too."""
    if action is not None and not github:
        raise UsageError("--action is for --github", remedy="add --github, or leave --action out")
    prompting = not yes and sys.stdin.isatty()
    if github and (existing := _existing_pipeline(model)) is not None:
        _workflows(*existing, action=action, force=force)
        return
    if model is None:
        if not prompting:
            raise UsageError("init needs the name of the registered model", remedy="write gate init --model NAME")
        model = str(click.prompt("Name of the registered model"))
    chosen = _choose(data, label, task, query, prompting=prompting)
    name = _name(model)
    path, version = Path("gates") / f"{name}.yaml", Path("models") / f"{name}.version"
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", remedy="edit it, or replace it with --force")
    _write(path, _text(model, chosen, version=version))
    show(f"wrote {path}")
    if (unsure := _unsure(chosen)) is not None:
        show(f"{path} needs positive: before gate check accepts it: {unsure}")
    if force or not version.exists():
        version.parent.mkdir(parents=True, exist_ok=True)
        version.write_text("1\n", encoding="utf-8")
        show(f"wrote {version}: write the candidate's version there")
    if github:
        _workflows(model, path, action=action, force=force)
    show(f"next: edit {path}, then gate check, then gate run")


@dataclass(frozen=True)
class _Chosen:
    """What a pipeline is written from. label: None where the data hold no truth. rows: None where they cannot be read."""

    data: str
    label: str | None
    task: str
    query: str
    rows: Outline | None


def _choose(data: str | None, label: str | None, task: str | None, query: str | None, *, prompting: bool) -> _Chosen:
    """What was said, what the data show of the rest, and what a person says of that where there is one."""
    usual = data or only_path(_root())
    data = data or (str(click.prompt("Rows to judge it on", default=usual)) if prompting else usual)
    rows = outline(_dataset(data, None), label=label)
    if prompting and label is None:
        label = str(click.prompt("Column that holds the truth", default=(rows and rows.label) or "label"))
        rows = outline(_dataset(data, None), label=label)
    bare = rows is not None and rows.label is None and label is None and task in (None, "binary") and query is None
    label = label or (rows.label if rows is not None else None) or "label"
    if task is None and query is not None:
        task = "ranking"
    if prompting and task is None:
        task = str(click.prompt("Task", type=click.Choice(list(_TASKS)), default=_guess_task(data, label)))
    if prompting and task == "ranking":
        query = query or click.prompt("Column that says which rows are of one query", default="query")
    if query is not None and task != "ranking":
        raise UsageError("only a ranking is judged by query", remedy="add --task ranking, or leave --query out")
    return _Chosen(data, None if bare else label, task or _guess_task(data, label), query or "query", rows)


def _write(path: Path, text: str) -> None:
    """Write a pipeline; one that is not valid leaves what was there. Raises PipelineError.

    Only `positive:` may be left to fill.
    """
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_UNFILLED.sub("positive: 1", text), encoding="utf-8")
    try:
        loader.load(path, environ=None)
    except PipelineError:
        path.unlink() if before is None else path.write_bytes(before)
        raise
    path.write_text(text, encoding="utf-8")


def _unsure(chosen: _Chosen) -> str | None:
    """What a person has to say of the label, None where it is clear which of its values is the positive one."""
    if chosen.task != "binary" or chosen.rows is None or not chosen.rows.unsure:
        return None
    return f"the label holds {_either(chosen.rows)}: write the one that high scores speak for"


def _either(rows: Outline) -> str:
    return " and ".join(json.dumps(each, ensure_ascii=False, default=str) for each in rows.unsure)


def _root() -> Path:
    return root_of(Path.cwd() / "gates" / "pipeline.yaml")


def _name(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._\-]+", "_", model).strip("._") or "model"


def _existing_pipeline(model: str | None) -> tuple[str, Path] | None:
    """The model and pipeline of gates/ that workflows are for, None where that is still to be written."""
    if model is not None:
        path = Path("gates") / f"{_name(model)}.yaml"
        return (model, path) if path.exists() else None
    if not pipelines(Path.cwd()):
        return None
    path = only_pipeline(Path.cwd())
    return loader.load(path, environ=None).model, path.relative_to(Path.cwd())


def _workflows(model: str, path: Path, *, action: str | None, force: bool) -> None:
    for line in Workflows.for_pipeline(model, path, action=action, root=Path.cwd()).write(Path.cwd(), force=force):
        show(line)


def _text(model: str, chosen: _Chosen, *, version: Path) -> str:
    task, data, label, rows = chosen.task, chosen.data, chosen.label, chosen.rows
    positive = 1 if rows is None or rows.positive is None else rows.positive
    counts = _count_rows(task, data, label, positive)
    lines, tolerances = _requirements(task, counts)
    if _unsure(chosen) is not None:
        tolerances = tolerances.replace("of them positive", f"of them {positive}")
    alone = rows is not None and task in _OF_ONE_MODEL and bool(rows.scores) and len(rows.scores) == 1
    if label is None:
        lines, tolerances = list(_WITHOUT_LABEL), "the data name no truth: what may differ from the champion"
    elif alone:
        lines, tolerances = [_OF_ONE_MODEL[task]], "what the candidate must reach"
    return _TEMPLATE.format(
        model=model.replace("\n", " "),
        model_text=json.dumps(model, ensure_ascii=False),
        task=task,
        about_task=_TASKS[task].format(
            classes=_classes(counts),
            positive=_positive(positive, _unsure(chosen)),
            threshold="threshold: 0.5  " if label is None else "# threshold: 0.5",
        ),
        version_text=json.dumps(version.as_posix()),
        data_text=json.dumps(data, ensure_ascii=False),
        champion=_NO_CHAMPION if alone else _CHAMPION,
        before="" if alone else "  - gate: signature\n",
        gate="metrics" if label is not None else "shadow",
        about_rows="\n".join(
            _row_keys(label, chosen.query if task == "ranking" else None, rows, scored=task in _OF_ONE_MODEL)
        ),
        tolerances=tolerances,
        lines="\n".join(f"      - {line}" for line in lines),
    )


def _positive(value: Any, unsure: str | None) -> str:
    """The line, without a value where nothing says which it is."""
    if unsure is not None:
        return f"{'positive:':<42} # {unsure}"
    return f"positive: {json.dumps(value, ensure_ascii=False, default=str)}"


def _row_keys(label: str | None, query: str | None, rows: Outline | None, *, scored: bool) -> list[str]:
    """The keys of `data.holdout` below its path; those of which nothing is known as comments."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    rows = rows or Outline((), label)
    keys = [] if label is None else [f"label: {text(label)}"]
    keys += [] if query is None else [f"query: {text(query)}"]
    comment = "# when there is one: duplicates are then found"
    keys.append(f"{'# id: row_id':<40} {comment}" if rows.id is None else f"id: {text(rows.id)}")
    if rows.cluster is not None and query is None:
        keys.append(f"{'cluster: ' + text(rows.cluster):<40} # rows of one value are not independent of each other")
    if rows.weight is not None:
        keys.append(f"weight: {text(rows.weight)}")
    if scored and rows.scores:
        pairs = ", ".join(f"{role}: {text(column)}" for role, column in rows.scores)
        keys.append(f"{'scores: {' + pairs + '}':<40} # recorded: no model is started for them")
    comment = "# each value of these columns is judged on its own"
    slices = [name for name in rows.slices if name not in (label, query)]
    keys.append(f"{'slices: ' + text(slices) if slices else '# slices: [country]':<40} {comment}")
    return [f"    {key}" for key in keys]


@dataclass(frozen=True)
class _RowCounts:
    """Rows of the data, how many are positive of two classes, and the rows of each of several."""

    rows: int = 0
    positives: int | None = None
    classes: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        positives = "" if self.positives is None else f", {self.positives:,} of them positive,"
        fewest = min(self.classes, key=lambda name: self.classes[name], default="")
        classes = f", {self.classes[fewest]:,} of them {fewest}," if self.classes else ""
        return f"{self.rows:,} rows{positives}{classes}"


def _classes(counts: _RowCounts) -> str:
    if not counts.classes:
        return "# classes: [a, b, c]                     # those of the label, where no others are named\n"
    return f"classes: {json.dumps(list(counts.classes), ensure_ascii=False)}   # those of the label\n"


def _requirements(task: str, counts: _RowCounts) -> tuple[list[str], str]:
    """Requirements with the smallest tolerances that the rows decide together, and the comment that explains them."""
    from lockgate.evaluation.planning.expected_error import smallest_decidable_tolerance

    lines, decided, together = [], counts.rows > 0, len(_LINES[task])  # an equal candidate is to pass all of them
    for subject, (line, default) in _LINES[task].items():
        smallest = None
        if counts.rows:
            by_class = tuple(counts.classes.values())
            smallest = smallest_decidable_tolerance(
                subject, rows=counts.rows, positives=counts.positives, classes=by_class, slices=together
            )
        decided = decided and smallest is not None
        tolerance = default if smallest is None else rounded_up(smallest)
        lines.append(line.format(f"{1 + tolerance:.6g}" if task == "regression" else f"{tolerance:.6g}"))
    if decided:
        return lines, f"the smallest tolerances that {counts} can decide: see `gate plan`"
    if counts.rows:
        return lines, f"{counts} are too few to decide any tolerance: see `gate plan`"
    return lines, "a tolerance that your rows can decide: see `gate plan`"


def _dataset(data: str, label: str | None) -> Dataset:
    return Dataset("holdout", DatasetSpec(path=data, label=label), _root())


def _guess_task(data: str, label: str) -> str:
    """The task that fits the label's values: a few names or whole numbers are classes. binary where they cannot be read."""
    try:
        values = label_values(_dataset(data, label), most=_MOST_CLASSES)
    except LockgateError:
        return "binary"
    if values is None or any(isinstance(value, float) and not value.is_integer() for value in values):
        return "regression"
    return "multiclass" if len(values) > 2 else "binary"


def _count_rows(task: str, data: str, label: str | None, positive: Any) -> _RowCounts:
    """No counts where the data do not fit the task, nor for a ranking, whose power they do not determine."""
    import numpy as np

    from lockgate.data import arrow_arrays as arrays
    from lockgate.evaluation.scoring.row_columns import checked_rows

    if task == "ranking" or label is None:
        return _RowCounts()
    dataset, kind = _dataset(data, label), cast("Any", task)
    try:
        classes = label_classes(dataset) if task == "multiclass" else ()
        rows, columns, _ = checked_rows(dataset, task=kind, positive=positive, salt=b"", scores={}, classes=classes)
    except LockgateError:
        return _RowCounts()
    if task == "regression":
        return _RowCounts(rows)
    labels = arrays.to_numpy(arrays.whole(columns["label"]))
    if task == "binary":
        return _RowCounts(rows, int(labels.sum()))
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return _RowCounts(rows, classes=dict(zip(classes, counts, strict=True)))
