"""Write the text of a first pipeline, from what is known of the model and of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lockgate.cli.drafting.columns import Outline
from lockgate.cli.drafting.gate_lines import behaviour_gate, latency_gate, metadata_gate, signature_gate, training_key
from lockgate.cli.drafting.owners import Signers
from lockgate.cli.drafting.slice_lines import class_lines, class_subject, held_classes, slice_lines
from lockgate.cli.drafting.yaml_text import naming_refusal, printable, yaml_value
from lockgate.data.class_labels import label_classes
from lockgate.data.dataset import Dataset
from lockgate.data.slices.spec import free_name, is_fixed
from lockgate.errors import LockgateError
from lockgate.evaluation.judging.number_format import rounded_up

if TYPE_CHECKING:
    from lockgate.cli.drafting.answers import Reading
    from lockgate.cli.drafting.limits import Limit, Limits
    from lockgate.models.input_plan import InputSource

_TEMPLATE = """\
# yaml-language-server: $schema=schema.json
# What a new version of {model} must show before it becomes Production: `gate run` evaluates it.
model: {model_text}
task: {task}
{about_task}registry: {{kind: mlflow, uri: {uri_text}}}
candidate: {{file: {version_text}}}  # the file holds one integer, the candidate's version
{champion}

{inputs}data:
  holdout:
    path: {data_text}
{about_rows}

gates:
{before}  - gate: {gate}
    data: holdout
    require:
      # {tolerances}
{lines}
{behaviour}{latency}

# Who approves. Without this block nothing can be promoted.
{signoff}
"""
_CHAMPION = (
    "champion: {alias: production, else: none}  # before a first promotion there is none, and comparisons are left out"
)
_NO_CHAMPION = "champion: none  # only the candidate's scores were recorded"
_WITHOUT_LABEL = ("flip_rate <= 2%", "lost_rate <= 10%  # of what the champion decides positive", "new_errors <= 0")
_OF_ONE_MODEL = {"binary": "auc >= 0.7"}
ComparedLines = Mapping[str, tuple[str, float]]
# task → subject → the line that compares with the champion, with its tolerance where the rows are not known
LINES: Mapping[str, ComparedLines] = {
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
LINES_OF_LABELS: ComparedLines = {
    "accuracy": ("accuracy >= champion - {}", 0.03),
    "recall": ("recall >= champion - {}", 0.05),
}


@dataclass(frozen=True)
class Draft:
    """What a pipeline is written from. label: None where the data hold no truth. rows: None where they cannot be read.

    positive: the label that scores speak for, of two; guessed: that nobody said so, and values do not. unwritable: columns
    that no pipeline can name → the reason. inputs: input of the model → what feeds it, where names do not say it. version: the newest one, None where no registry was read. reading: what it
    answered, None where it did not, refused: though it was asked; limits: what it reaches.
    """

    dataset: Dataset
    label: str | None
    task: str
    query: str
    rows: Outline | None
    positive: Any = 1
    guessed: bool = False
    unwritable: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, InputSource] = field(default_factory=dict)
    uri: str = "${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"
    version: str | None = None
    reading: Reading | None = None
    refused: bool = False
    limits: Limits | None = None

    @property
    def recorded(self) -> bool:
        """Whether scores lie in the data, so that models are asked for a sample of them alone."""
        return self.task in _OF_ONE_MODEL and self.rows is not None and bool(self.rows.scores)

    @property
    def slices(self) -> list[str | dict[str, str]]:
        """Columns whose values may be judged on their own, with a name where their own is not free."""
        others = {self.label, self.query, *(() if self.limits is None else self.limits.weak)}
        columns = [name for name in (self.rows.slices if self.rows else ()) if name not in others]
        entries, names = list[str | dict[str, str]](), set(columns)
        for column in columns:
            name = column
            while is_fixed(name) or (name != column and name in names):
                name = free_name(name)
            names.add(name)
            entries.append(column if name == column else {"column": column, "name": name})
        return entries

    @property
    def of_labels(self) -> bool:
        """Whether the model answers with one of two labels and has no scores; they are scores of 0 and 1 then."""
        return self.reading is not None and self.reading.labels_only

    @property
    def lines(self) -> ComparedLines:
        """The requirements that compare with the champion, without their tolerances."""
        return LINES_OF_LABELS if self.of_labels else LINES[self.task]

    @property
    def measured_lines(self) -> dict[str, str]:
        """The lines overall of which a reading says what it decides, with the usual tolerance: subject → line; those of classes, too."""
        lines = {name: with_tolerance(line, self.task, usual) for name, (line, usual) in self.lines.items()}
        classes = () if self.reading is None else self.reading.classes
        return lines | {class_subject(name): f"{class_subject(name)} >= champion" for name in classes}

    @property
    def measured(self) -> dict[str, float | None]:
        """The smallest tolerances by what the version answered; nothing where it did not."""
        return {} if self.limits is None else dict(zip(self.measured_lines, self.limits.tolerances, strict=False))

    @property
    def subject(self) -> tuple[str, str]:
        """(the first subject with its arguments, the side on which it is good)."""
        line = next(iter(self.lines.values()))[0].split()
        return line[0], line[1]

    @property
    def on_slices(self) -> tuple[str, float]:
        """The line that compares each slice with the champion, and the least tolerance that is written for it.

        Squares of a few large errors carry an rmse: on a slice a single one leaves it undecided. An mae has them as they are.
        """
        lines = self.lines
        line, usual = lines["mae"] if self.task == "regression" else next(iter(lines.values()))
        return line, 2 * usual

    def compared_on_slices(self, tolerance: float) -> str:
        """That line with a tolerance."""
        return f"{with_tolerance(self.on_slices[0], self.task, tolerance)} on each slice"


def pipeline_text(model: str, draft: Draft, *, version: Path, signers: Signers) -> str:
    """The YAML. version: the file that names the candidate's."""
    task, label, rows = draft.task, draft.label, draft.rows
    counts = _RowCounts() if label is None else _count_rows(draft.dataset, task, draft.positive)
    alone = draft.recorded and rows is not None and len(rows.scores) == 1
    if label is None:
        lines, tolerances = list(_WITHOUT_LABEL), "the data name no truth: what may differ from the champion"
    elif alone:
        each_slice = [f"{_OF_ONE_MODEL[task]} on each slice"] if draft.slices else []
        lines, tolerances = [_OF_ONE_MODEL[task], *each_slice], "what the candidate must reach"
    else:
        lines, tolerances = _requirements(draft, counts)
        if isinstance(draft.positive, str):
            tolerances = tolerances.replace("of them positive", f"of them {printable(str(draft.positive))}")
        lines += _absolute(draft, counts)
    return _TEMPLATE.format(
        model=printable(model),
        model_text=yaml_value(model),
        task=task,
        about_task=_about_task(draft, counts),
        uri_text=yaml_value(draft.uri),
        version_text=yaml_value(version.as_posix()),
        signoff=signers.text,
        data_text=yaml_value(draft.dataset.spec.path),
        champion=_NO_CHAMPION if alone else _CHAMPION,
        inputs=_inputs(draft),
        before="" if alone else _contracts(draft),
        gate="metrics" if label is not None else "shadow",
        about_rows="\n".join(_row_keys(draft, query=draft.query if task == "ranking" else None)),
        tolerances=tolerances,
        lines="\n".join(f"      {'' if line.startswith('#') else '- '}{line}" for line in lines),
        behaviour=_behaviour(draft),
        latency=""
        if draft.recorded
        else latency_gate(
            None if draft.reading is None else draft.reading.row_time, version=draft.version, signed=signers.signs
        ),
    )


def _about_task(draft: Draft, counts: _RowCounts) -> str:
    lines = []
    if draft.task == "binary":
        note = "  # the rarer of the two; write the other where high scores speak for that" if draft.guessed else ""
        lines.append(f"positive: {yaml_value(draft.positive)}{note}")
        if draft.label is None or draft.of_labels:
            lines.append("threshold: 0.5  # scores at or above it are positive")
    elif draft.task == "multiclass" and counts.classes and not any(map(naming_refusal, counts.classes)):
        lines.append(f"classes: {yaml_value(list(counts.classes))}  # those of the label")
    if draft.reading is not None and draft.reading.output.method is not None:
        lines.append(
            f"output: {{method: {draft.reading.output.method}}}  # version {draft.version} answers with classes alone unless "
            "its probabilities are asked for"
        )
    return "".join(f"{line}\n" for line in lines)


def _absolute(draft: Draft, counts: _RowCounts) -> list[str]:
    """Lines that a first version is decided by, which has no champion; what they come from stands behind them."""
    overall, weakest = (None, None) if draft.limits is None else (draft.limits.overall, draft.limits.each_slice)
    subject, op = draft.subject
    lines = []
    if overall is not None and (limit := _beside_chance(overall, op, _chance(draft, counts))) is not None:
        lines.append(f"{subject} {op} {limit:.12g}  # version {draft.version} reaches {overall.reached}")
    elif (baseline := _baseline(draft.task, counts)) is not None:
        lines.append(f"{baseline}  # a first version too, which has no champion: more than guessing reaches")
    by_class = class_lines(counts.classes, draft.measured, together=_together(draft, counts))
    return lines + slice_lines(draft, weakest) + by_class


def no_better_than_chance(draft: Draft) -> float | None:
    """What guessing reaches, where the version is not shown to be better, so that it does not pass what is written; else None."""
    overall = None if draft.limits is None else draft.limits.overall
    chance = _chance(draft, _count_rows(draft.dataset, draft.task, draft.positive))
    return None if overall is None or _beside_chance(overall, draft.subject[1], chance) is not None else chance


def _together(draft: Draft, counts: _RowCounts) -> int:
    """The lines that an equal candidate is to pass all of: those overall, and those of classes."""
    return len(draft.lines) + len(held_classes(counts.classes))


def _beside_chance(reached: Limit, op: str, chance: float | None) -> float | None:
    """The limit, never one that guessing reaches; None where the version is not shown to be better than that."""
    bound = reached.low if op == ">=" else reached.high
    if chance is None or bound is None:
        return reached.limit
    if op == ">=":
        return max(reached.limit, math.floor(chance * 100) / 100) if bound > chance else None
    return min(reached.limit, rounded_up(chance)) if bound < chance else None


def _chance(draft: Draft, counts: _RowCounts) -> float | None:
    """What guessing reaches in the first subject; None where that is not known."""
    subject = draft.subject[0]
    if subject == "auc":
        return 0.5
    if subject == "accuracy" and counts.classes:
        return max(counts.classes.values()) / counts.rows
    return counts.spread if subject == "rmse" else None


def _contracts(draft: Draft) -> str:
    lacks, carried = (None, None) if draft.reading is None else (draft.reading.lacks, draft.reading.carried)
    return signature_gate(lacks, version=draft.version) + metadata_gate(carried, version=draft.version)


def _behaviour(draft: Draft) -> str:
    columns = () if draft.reading is None else draft.reading.columns
    column = next((entry for entry in draft.slices if isinstance(entry, str) and entry in columns), None)
    return behaviour_gate(column, draft.task, decided=draft.of_labels)


def _inputs(draft: Draft) -> str:
    """`inputs:` of columns whose cells are decoded; nothing where a model is given its columns as they are."""
    entries = [
        f"{yaml_value(name)}: {{column: {yaml_value(source.columns[0])}, decode: {source.decode}}}"
        for name, source in draft.inputs.items()
    ]
    return f"inputs: {{{', '.join(entries)}}}\n\n" if entries else ""


def _row_keys(draft: Draft, *, query: str | None) -> list[str]:
    """The keys of `data.holdout` below its path; the usual ones of which nothing is known as comments."""
    text, rows = yaml_value, draft.rows or Outline((), draft.label)
    keys = [] if draft.label is None else [f"label: {text(draft.label)}"]
    keys += [] if query is None else [f"query: {text(query)}"]
    keys.append(
        "# id: row_id  # when there is one: duplicates are then found" if rows.id is None else f"id: {text(rows.id)}"
    )
    if rows.cluster is not None and query is None:
        keys.append(f"cluster: {text(rows.cluster)}  # rows of one value are not independent of each other")
    if rows.weight is not None:
        keys.append(f"weight: {text(rows.weight)}")
    if draft.recorded:
        pairs = ", ".join(f"{role}: {text(column)}" for role, column in rows.scores)
        keys.append(f"scores: {{{pairs}}}  # recorded: the versions are asked for a sample")
    if draft.label is not None:
        keys.append(training_key(None if draft.reading is None else draft.reading.overlap, version=draft.version))
    slices = f"slices: {text(draft.slices)}" if draft.slices else "# slices: [country]"
    keys.append(f"{slices}  # lines `on each slice` judge each value of these columns on its own")
    if draft.limits is not None and (small := draft.limits.small) is not None and draft.slices:
        note = f"{small.count} of these {small.total} slices have fewer: they fail if they are clearly worse, and a pass proves nothing"
        keys.append(f"small_slices: {{{small.key}: {small.least}, below: watch}}  # {note}")
    return [f"    {key}" for key in keys]


@dataclass(frozen=True)
class _RowCounts:
    """Rows of the data, how many are positive of two classes, and the rows of each of several."""

    rows: int = 0
    positives: int | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    spread: float | None = None  # of numbers, about their mean

    def __str__(self) -> str:
        positives = "" if self.positives is None else f", {self.positives:,} of them positive,"
        fewest = min(self.classes, key=lambda name: self.classes[name], default="")
        classes = f", {self.classes[fewest]:,} of them {printable(fewest)}," if self.classes else ""
        return f"{self.rows:,} rows{positives}{classes}"


def _baseline(task: str, counts: _RowCounts) -> str | None:
    """What a model that knows nothing does not reach; None where the rows do not say it."""
    if task == "binary" and counts.positives is not None:
        return "auc >= 0.6"
    if task == "regression" and counts.spread:
        return f"rmse <= {rounded_up(counts.spread):.12g}"
    return f"recall(average=macro) >= {rounded_up(1 / len(counts.classes)):g}" if counts.classes else None


def with_tolerance(line: str, task: str, tolerance: float) -> str:
    """A line of `LINES` with a tolerance, which of a regression is a share of the champion's value."""
    return line.format(f"{1 + tolerance:.6g}" if task == "regression" else f"{tolerance:.6g}")


def _requirements(draft: Draft, counts: _RowCounts) -> tuple[list[str], str]:
    """Requirements with the smallest tolerances that the rows decide together, and the comment that explains them."""
    from lockgate.evaluation.metrics.catalog import declared
    from lockgate.evaluation.planning.expected_error import smallest_decidable_tolerance

    see = "see `gate plan`"
    if any(declared(subject).approximate for subject in draft.lines):
        see += "; confidence bounds of an error that has no largest value are approximate"
    lines, decided, together = [], counts.rows > 0, _together(draft, counts)
    for subject, (line, default) in draft.lines.items():
        smallest = None
        if counts.rows:
            by_class = tuple(counts.classes.values())
            smallest = smallest_decidable_tolerance(
                subject, rows=counts.rows, positives=counts.positives, classes=by_class, slices=together
            )
        decided = decided and smallest is not None
        needed = [each for each in (smallest, draft.measured.get(subject)) if each is not None]
        tolerance = rounded_up(max(needed)) if needed else default
        lines.append(with_tolerance(line, draft.task, tolerance))
    if decided:
        return (
            lines,
            f"the smallest tolerances with which {counts} let an equally good version pass, 9 times in 10: {see}",
        )
    if counts.rows:
        return lines, f"{counts} are too few to decide any tolerance: {see}"
    return lines, f"a tolerance that your rows can decide: {see}"


@lru_cache(maxsize=1)  # the text is written twice, before a version is asked and after it
def _count_rows(dataset: Dataset, task: str, positive: Any) -> _RowCounts:
    """No counts where the data do not fit the task, nor for a ranking, whose power they do not determine."""
    import numpy as np

    from lockgate.data import arrow_arrays as arrays
    from lockgate.evaluation.scoring.row_columns import checked_rows

    if task == "ranking":
        return _RowCounts()
    kind = cast("Any", task)
    try:
        classes = label_classes(dataset) if task == "multiclass" else ()
        rows, columns, _ = checked_rows(dataset, task=kind, positive=positive, salt=b"", scores={}, classes=classes)
    except LockgateError:
        return _RowCounts()
    if task == "regression":
        numbers = arrays.to_floats(arrays.whole(columns["label"]))
        return _RowCounts(rows, spread=float(numbers.std()))
    labels = arrays.to_numpy(arrays.whole(columns["label"]))
    if task == "binary":
        return _RowCounts(rows, int(labels.sum()))
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return _RowCounts(rows, classes=dict(zip(classes, counts, strict=True)))
