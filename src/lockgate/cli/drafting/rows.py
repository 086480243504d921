"""Say what the data of a first pipeline are: which rows, which column is the truth, which label scores speak for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lockgate.cli.drafting.columns import column_list, first_rows, outline, truth_of
from lockgate.cli.drafting.likely_data import DEFAULT_PATH, likely_paths, lone_truths
from lockgate.cli.drafting.pipeline_text import Draft
from lockgate.cli.drafting.registered import Registered
from lockgate.cli.drafting.tensor_inputs import TensorInputs, tensor_inputs
from lockgate.cli.drafting.truth_column import Truth, guess_task
from lockgate.cli.drafting.yaml_text import naming_refusal
from lockgate.cli.output import show
from lockgate.data.class_labels import class_text
from lockgate.data.dataset import INDEX_COLUMN, Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import LockgateError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_NO_DATA = (
    "there is no data yet: put rows that the model was not trained on, and their truth, into "
    f"{DEFAULT_PATH}, or name them with --data"
)


class Ask(Protocol):
    """Asks a person, who has the default on Enter."""

    def __call__(self, question: str, default: str | None, choices: Sequence[str] = ()) -> str: ...


@dataclass(frozen=True)
class RowFlags:
    """What was said of the data on the command line, None for what was not."""

    data: str | None
    label: str | None
    positive: str | None
    query: str | None
    task: str | None


def draft_rows(
    model: str, flags: RowFlags, root: Path, uri: str, newest: Registered | None, *, ask: Ask | None
) -> Draft:
    """A draft by what was said, what the data show of the rest, and what a person answers where they do not show it.

    ask: None where nobody is there to answer. Raises UsageError for what cannot be written without an answer.
    """
    path = flags.data or _path(root, model, newest, ask)
    dataset = Dataset("holdout", DatasetSpec(path=path), root)
    try:
        table, unwritable = _writable(first_rows(dataset))
    except LockgateError as error:
        show(f"the rows are not looked at: {error}" if flags.data or (root / path).exists() else _NO_DATA)
        table, unwritable = None, {}
    task = "ranking" if flags.query is not None else flags.task
    tensors = TensorInputs() if table is None else tensor_inputs(table, _inputs(newest))
    inputs = tensors.columns or (None if newest is None else newest.inputs)
    label = flags.label
    if label is None and table is not None:
        truth = truth_of(table, classes=task in (None, "binary"), inputs=inputs)
        label = truth.column or _asked_label(truth, dataset, table, newest, inputs, task, ask)
    rows = None if table is None else outline(table, label=label, inputs=inputs or ())
    for name in (label, flags.query):
        if name is not None and (reason := naming_refusal(name)) is not None:
            raise UsageError(
                f"no pipeline can name the column {name!r}: {reason}", remedy="rename it, or name another one"
            )
    for column, reason in unwritable.items():
        show(f"the column {column!r} is left out, which no pipeline can name: {reason}; rename it to use it")
    if rows is not None and label is not None and label not in rows.columns:
        raise UsageError(
            f"{path} has no column {label!r}; it has {column_list(rows.columns, inputs)}",
            remedy="name the truth with --label",
        )
    bare = rows is not None and label is None and task in (None, "binary")
    dataset = dataset.labelled(label or "label")
    task = task or guess_task(dataset)
    query = flags.query
    if task == "ranking" and query is None and ask is not None:
        query = ask("Which column says which rows are of one query?", "query")
    draft = Draft(
        dataset, None if bare else label or "label", task, query or "query", rows, unwritable=unwritable, uri=uri, inputs=tensors.sources,
        version=None if newest is None else newest.version.version,
    )  # fmt: skip
    draft = _with_positive(draft, flags.positive, ask)
    _tell(draft, table)
    return draft


def _path(root: Path, model: str, newest: Registered | None, ask: Ask | None) -> str:
    try:
        paths = likely_paths(root, Path.cwd(), model, _inputs(newest))
    except UsageError as error:
        if ask is None:
            raise
        show(error.message)
        return ask("Which file or folder holds the rows to judge it on?", DEFAULT_PATH)
    if len(paths) == 1:
        return paths[0]
    if ask is not None:
        return ask("Which file or folder holds the rows to judge it on?", next(iter(paths), DEFAULT_PATH))
    if paths:
        raise UsageError(f"{', '.join(paths)} may be the rows to judge it on", remedy="name one with --data PATH")
    return DEFAULT_PATH


def _asked_label(
    truth: Truth,
    dataset: Dataset,
    table: pa.Table,
    newest: Registered | None,
    inputs: Collection[str] | None,
    task: str | None,
    ask: Ask | None,
) -> str | None:
    """The truth that a person names; None where the data may well be without one. Raises UsageError where nobody is there.

    inputs: the columns that the model is given, None where nobody knows.
    """
    own = (
        _answer_name(newest, table)
        or _only_one_of_its_kind(newest, table, truth.maybe if truth.named else ())
        or _only_one_left(newest, dataset, table)
    )
    if own is not None:
        return own
    path, columns = dataset.redacted_path, column_list(table.column_names, inputs)
    if ask is not None:
        show(f"columns of {path}: {columns}")
        return ask(
            "Which of them holds the truth?",
            next(iter(reversed(truth.maybe or table.column_names)), None),
        )
    if truth.maybe and truth.named:
        maybe = " or ".join(truth.maybe[:10])
        raise UsageError(f"{maybe} may hold the truth in {path}", remedy="name the one that does with --label COLUMN")
    if task not in (None, "binary") or (newest is not None and not inputs):
        raise UsageError(
            f"no column of {path} is called like a truth; it has {columns}",
            remedy="name the one that is with --label COLUMN",
        )
    maybe = f" ({' or '.join(truth.maybe)}?)" if truth.maybe else ""
    show(f"answers are compared alone: no column of {path} is called like a truth; --label NAME names it{maybe}")
    return None


def _answer_name(newest: Registered | None, table: pa.Table) -> str | None:
    """The column that the model's answer is called after, as `infer_signature` keeps the name of a series."""
    outputs = ((newest.signature if newest else None) or {}).get("outputs") or ()
    names = [str(column["name"]) for column in outputs if column.get("name") is not None]
    return names[0] if len(names) == 1 and names[0] in table.column_names else None


def _only_one_of_its_kind(newest: Registered | None, table: pa.Table, maybe: Sequence[str]) -> str | None:
    """The only column of these that holds what the model answers with: texts, or numbers."""
    from lockgate.data import arrow_arrays as arrays

    outputs = list(((newest.signature if newest else None) or {}).get("outputs") or ())
    if len(outputs) != 1 or len(outputs[0].get("tensor-spec", {}).get("shape", ())) > 1:
        return None
    kind = str(outputs[0].get("tensor-spec", {}).get("dtype", outputs[0].get("type")))
    numbers = kind.startswith(("float", "double", "int", "long"))
    if not numbers and kind not in ("string", "object"):
        return None
    same = [name for name in maybe if arrays.is_number(arrays.plain_type(table.schema.field(name).type)) is numbers]
    return same[0] if len(same) == 1 else None


def _only_one_left(newest: Registered | None, dataset: Dataset, table: pa.Table) -> str | None:
    """The only column without which the data still hold what the model is given, whose inputs have no names."""
    names = (newest.inputs if newest else None) or ()
    if names and not set(names) - set(table.column_names):
        return None  # beside inputs that have names any column may be one too many
    left = lone_truths(table.schema, dataset.index_columns, signature) if (signature := _inputs(newest)) else []
    return left[0] if len(left) == 1 else None


def _inputs(newest: Registered | None) -> Sequence[Mapping[str, Any]] | None:
    return ((newest.signature if newest else None) or {}).get("inputs")


def _with_positive(draft: Draft, positive: str | None, ask: Ask | None) -> Draft:
    rows = draft.rows
    if rows is None or rows.positive is None or draft.task != "binary":
        return replace(draft, positive=1 if positive is None else positive)
    by_text: dict[str, Any] = {class_text(value): value for value in (*rows.labels, rows.positive)}
    if positive is None and rows.unsure and ask is not None:
        positive = ask(
            "Which label do high scores speak for?", class_text(rows.positive), list(map(class_text, rows.labels))
        )
    if positive is None:
        return replace(draft, positive=rows.positive, guessed=bool(rows.unsure))
    if positive not in by_text:
        raise UsageError(
            f"the label holds {' and '.join(by_text)}, not {positive}", remedy="name one of them with --positive"
        )
    return replace(draft, positive=by_text[positive])


def _tell(draft: Draft, table: pa.Table | None) -> None:
    """What the data are taken for."""
    if table is None or draft.label is None:
        return
    taken = f"{draft.dataset.redacted_path}: {draft.label} is the truth"
    if draft.task == "binary" and draft.rows is not None and draft.rows.positive is not None:
        rarer = ", the rarer of the two (--positive names the other)" if draft.guessed else ""
        taken += f", and high scores speak for {class_text(draft.positive)}{rarer}"
    show(taken)


def _writable(table: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """The columns that a pipeline can name, and the others → the reason, but for numbers of rows that pandas wrote."""
    from lockgate.data.arrow_arrays import is_number

    refusals = {name: reason for name in table.column_names if (reason := naming_refusal(name)) is not None}
    numbers = [name for name in refusals if INDEX_COLUMN.fullmatch(name) and is_number(table.schema.field(name).type)]
    worth_a_line = {name: reason for name, reason in refusals.items() if name not in numbers}
    return table.drop_columns(list(refusals)), worth_a_line
