"""Write the text of a first pipeline, from what is known of the model and of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from lockgate.cli.data_outline import Outline
from lockgate.data.class_labels import label_classes, label_values
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.spec import free_name, is_fixed
from lockgate.errors import LockgateError, PipelineError
from lockgate.evaluation.judging.number_format import rounded_up
from lockgate.pipeline import validation_messages, variables, yaml_reader

_TEMPLATE = """\
# yaml-language-server: $schema=schema.json
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
{lines}{first}{each_slice}
  # - gate: latency
  #   load: {{rate: 100/s, requests: 12000, stall: 20}}   # stalls of up to 20 requests in a row are allowed for
  #   require: [p99_ms <= champion * 1.5, errors <= 0]

# Who signs. Without this block nothing can be promoted.
{signoff}
promotion: {{when: approved, soak: 48h, retain: 30d}}
"""
_NO_OWNERS = """\
# signoff:
#   groups:
#     owners:
#       - {github: LOGIN, id: N}               # by a comment on GitHub; `gh api users/LOGIN --jq .id` prints N
#       - {key: "ssh-ed25519 AAAA… you@example.org"}   # by gate approve
#   require: {owners: 1}"""
# At most so many values of a label are classes where nobody says what the task is.
_MOST_CLASSES = 50
_EACH_SLICE = "\n      # - {} on each slice   # judges every value of them; `gate plan` says what your rows can decide"
_FIRST = "\n      - {:<38} # a first version too, which has no champion: more than guessing reaches"
_CHAMPION = (
    "champion: {alias: production, else: none}   # before a first promotion there is none, and comparisons are left out"
)
_NO_CHAMPION = "champion: none                             # only the candidate's scores were recorded"
TASKS = {
    "binary": "{positive}\n{threshold}                           # scores at or above it are positive\n",
    "multiclass": "{classes}",
    "regression": "",
    "ranking": "",
}
_WITHOUT_LABEL = ("flip_rate <= 2%", "new_errors <= 0")
_ESCAPES = ("\\u{:04x}", "\\U{:08x}")
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


@dataclass(frozen=True)
class Draft:
    """What a pipeline is written from. label: None where the data hold no truth. rows: None where they cannot be read.

    maybe: the columns of which one may be the truth where nobody knows which; the label is the first of them then, or None
    where they are not called like one. unwritable: columns that no pipeline can name → the reason.
    """

    dataset: Dataset
    label: str | None
    task: str
    query: str
    rows: Outline | None
    maybe: tuple[str, ...] = ()
    unwritable: Mapping[str, str] = field(default_factory=dict)

    @property
    def unnamed(self) -> str | None:
        """What a person has to say of which column is the truth, None where that is clear."""
        if self.label is not None and self.rows is not None and self.label not in self.rows.columns:
            return f"no column is called {_json(self.label)}: write the one that holds the truth"
        if self.label is None or not self.maybe:
            return None
        return f"{' or '.join(map(_json, self.maybe))} may hold the truth: write the one that does"

    @property
    def unsure(self) -> str | None:
        """What a person has to say of the label, None where it is clear which of its values is the positive one."""
        if self.task != "binary" or self.rows is None or not self.rows.unsure:
            return None
        either = " and ".join(map(_json, self.rows.unsure))
        return f"the label holds {either}: write the one that high scores speak for"

    @property
    def slices(self) -> list[str | dict[str, str]]:
        """Columns whose values may be judged on their own, with a name where their own is not free."""
        others = {self.label, self.query, *self.maybe}
        columns = [name for name in (self.rows.slices if self.rows else ()) if name not in others]
        entries, names = list[str | dict[str, str]](), set(columns)
        for column in columns:
            name = column
            while is_fixed(name) or (name != column and name in names):
                name = free_name(name)
            names.add(name)
            entries.append(column if name == column else {"column": column, "name": name})
        return entries


def naming_refusal(column: str) -> str | None:
    """Why no pipeline can name a column so, as the loader says it; None where one can."""
    try:
        document = yaml_reader.read(f"{{path: x, label: {_json(column)}}}")
    except PipelineError:  # bytes of the command line that are no text
        return "it is no text"
    early = [*document.complaints, *variables.substitute(document.root, None).complaints]
    if early:
        return early[0].message
    try:
        DatasetSpec.model_validate(document.data)
    except ValidationError as error:
        return validation_messages.complaints(error, document.root, DatasetSpec)[0][1].message.removeprefix("label: ")
    return None


def pipeline_text(model: str, draft: Draft, *, version: Path, owners: Mapping[str, int | None]) -> str:
    """The YAML; lines that a person has to fill are `positive:` and `label:` with a comment behind them, and empty ids.

    owners: login → number of the account, None where that is not known.
    """
    task, label, rows = draft.task, draft.label, draft.rows
    positive = 1 if rows is None or rows.positive is None else rows.positive
    counts = _RowCounts() if draft.maybe or label is None else _count_rows(draft.dataset, task, positive)
    lines, tolerances = _requirements(task, counts)
    if draft.unsure is not None:
        tolerances = tolerances.replace("of them positive", f"of them {_printable(str(positive))}")
    alone = rows is not None and task in _OF_ONE_MODEL and bool(rows.scores) and len(rows.scores) == 1
    if label is None:
        lines, tolerances = list(_WITHOUT_LABEL), "the data name no truth: what may differ from the champion"
    elif alone:
        each_slice = [f"{_OF_ONE_MODEL[task]} on each slice"] if draft.slices else []
        lines, tolerances = [_OF_ONE_MODEL[task], *each_slice], "what the candidate must reach"
    return _TEMPLATE.format(
        model=_printable(model),
        model_text=_json(model),
        task=task,
        about_task=TASKS[task].format(
            classes=_classes(counts),
            positive=_positive(positive, draft.unsure),
            threshold="threshold: 0.5  " if label is None else "# threshold: 0.5",
        ),
        version_text=_json(version.as_posix()),
        signoff=_signoff(owners),
        data_text=_json(draft.dataset.spec.path),
        champion=_NO_CHAMPION if alone else _CHAMPION,
        before="" if alone else "  - gate: signature\n",
        gate="metrics" if label is not None else "shadow",
        about_rows="\n".join(_row_keys(draft, query=draft.query if task == "ranking" else None)),
        tolerances=tolerances,
        lines="\n".join(f"      - {line}" for line in lines),
        first="" if alone or (baseline := _baseline(task, counts)) is None else _FIRST.format(baseline),
        each_slice="" if alone or label is None or not draft.slices else _EACH_SLICE.format(_usual_line(task)),
    )


def _signoff(owners: Mapping[str, int | None]) -> str:
    if not owners:
        return _NO_OWNERS
    width = max(map(len, owners)) + 30
    entries = [
        f"      - {{github: {login}, id: {number}}}"
        if number is not None
        else f"{f'      - {{github: {login}, id: }}':<{width}} # what this prints: gh api users/{login} --jq .id"
        for login, number in owners.items()
    ]
    return "\n".join(["signoff:", "  groups:", "    owners:", *entries, "  require: {owners: 1}"])


def _positive(value: Any, unsure: str | None) -> str:
    """The line, without a value where nothing says which it is."""
    if unsure is not None:
        return f"{'positive:':<42} # {unsure}"
    return f"positive: {_json(value)}"


def _json(value: Any) -> str:
    """A value as JSON that is YAML in one line, too."""
    return _printable(json.dumps(value, ensure_ascii=False, default=str))


def _printable(text: str) -> str:
    """The text with escapes for what ends a line or is refused in YAML, or is not seen."""
    return "".join(char if char.isprintable() else _ESCAPES[ord(char) > 0xFFFF].format(ord(char)) for char in text)


def _row_keys(draft: Draft, *, query: str | None) -> list[str]:
    """The keys of `data.holdout` below its path; those of which nothing is known as comments."""
    text, label, rows = _json, draft.label, draft.rows or Outline((), draft.label)
    keys = (
        []
        if label is None
        else [f"label: {text(label)}" if draft.unnamed is None else f"{'label:':<40} # {draft.unnamed}"]
    )
    keys += [] if query is None else [f"query: {text(query)}"]
    comment = "# when there is one: duplicates are then found"
    keys.append(f"{'# id: row_id':<40} {comment}" if rows.id is None else f"id: {text(rows.id)}")
    if rows.cluster is not None and query is None:
        keys.append(f"{'cluster: ' + text(rows.cluster):<40} # rows of one value are not independent of each other")
    if rows.weight is not None:
        keys.append(f"weight: {text(rows.weight)}")
    if draft.task in _OF_ONE_MODEL and rows.scores:
        pairs = ", ".join(f"{role}: {text(column)}" for role, column in rows.scores)
        keys.append(f"{'scores: {' + pairs + '}':<40} # recorded: no model is started for them")
    comment = "# lines `on each slice` judge each value of these columns on its own"
    slices = f"slices: {text(draft.slices)}" if draft.slices else "# slices: [country]"
    keys.append(f"{slices:<40} {comment}")
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
        classes = f", {self.classes[fewest]:,} of them {_printable(fewest)}," if self.classes else ""
        return f"{self.rows:,} rows{positives}{classes}"


def _classes(counts: _RowCounts) -> str:
    if not counts.classes or any(map(naming_refusal, counts.classes)):
        return "# classes: [a, b, c]                     # those of the label, where no others are named\n"
    return f"classes: {_json(list(counts.classes))}   # those of the label\n"


def _baseline(task: str, counts: _RowCounts) -> str | None:
    """What a model of classes that knows nothing does not reach; None where the rows do not say it.

    Of numbers none is written: a model may be worth having that guesses hardly better than their mean.
    """
    if task == "binary" and counts.positives is not None:
        return "auc >= 0.6"
    return f"recall(average=macro) >= {rounded_up(1 / len(counts.classes)):g}" if counts.classes else None


def _usual_line(task: str) -> str:
    """The first requirement of a task, with its tolerance where the rows are not known."""
    line, tolerance = next(iter(_LINES[task].values()))
    return _with(line, task, tolerance)


def _with(line: str, task: str, tolerance: float) -> str:
    return line.format(f"{1 + tolerance:.6g}" if task == "regression" else f"{tolerance:.6g}")


def _requirements(task: str, counts: _RowCounts) -> tuple[list[str], str]:
    """Requirements with the smallest tolerances that the rows decide together, and the comment that explains them."""
    from lockgate.evaluation.metrics.catalog import declared
    from lockgate.evaluation.planning.expected_error import smallest_decidable_tolerance

    see = "see `gate plan`"
    if any(declared(subject).approximate for subject in _LINES[task]):
        see += "; errors without a largest one have approximate bounds"
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
        lines.append(_with(line, task, tolerance))
    if decided:
        return lines, f"the smallest tolerances that {counts} can decide: {see}"
    if counts.rows:
        return lines, f"{counts} are too few to decide any tolerance: {see}"
    return lines, f"a tolerance that your rows can decide: {see}"


def guess_task(dataset: Dataset) -> str:
    """The task that fits the label's values: a few names or whole numbers are classes. binary where they cannot be read."""
    try:
        values = label_values(dataset, most=_MOST_CLASSES)
    except LockgateError:
        return "binary"
    if values is None or any(isinstance(value, float) and not value.is_integer() for value in values):
        return "regression"
    return "multiclass" if len(values) > 2 else "binary"


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
        return _RowCounts(rows)
    labels = arrays.to_numpy(arrays.whole(columns["label"]))
    if task == "binary":
        return _RowCounts(rows, int(labels.sum()))
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return _RowCounts(rows, classes=dict(zip(classes, counts, strict=True)))
