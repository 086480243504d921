"""Find the rows that a checkout holds to judge a model on: by what files are called, and whether their columns are its inputs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.cli.drafting.columns import CANDIDATE_SCORES
from lockgate.cli.output import show
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.locate import file_format
from lockgate.errors import LockgateError, UsageError
from lockgate.models.signature_diff import Column, named, required
from lockgate.text import listed

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_PATH = "data/holdout.parquet"
_HELD_OUT = ("holdout", "scored", "test", "valid", "eval")
_MOST_FILES = 50  # whose columns are read
_MOST_COLUMNS = 500  # each of which is tried as the truth
_MOST_NAMED = 10
_NUMBER = re.compile(r"[0-9]+")


def likely_paths(root: Path, folder: Path, model: str, signature: Sequence[Column] | None) -> list[str]:
    """The data that a checkout may hold to judge a model on: of data/, else of `folder`, without what is called training data.

    Of several those whose columns are the inputs of the model; then the usual path alone, or what its name calls a holdout
    or a test, or the model's own. signature: the model's inputs, None where they are not known. Raises UsageError where
    inputs have names and no file has them.
    """
    below = _data_paths(root, root / Path(DEFAULT_PATH).parent)
    paths = below or [path for path in _data_paths(root, folder) if file_format(path) is not None]
    if len(paths) > 1 and signature:
        fitting = _fitting(paths[:_MOST_FILES], root, model, signature)
        if len(fitting) == 1:
            show(f"{fitting[0]} is the one of {len(paths):,} files whose columns are what {model} is given")
        paths = fitting or paths
    likely = _likely(paths)
    own = [path for path in likely if Path(path).name.partition(".")[0].casefold() == model.casefold()]
    chosen = own if len(own) == 1 else likely
    if len(chosen) == 1:
        folder = (root / chosen[0]).parent
        trained = [path for path in _data_paths(root, folder, trained=True) if file_format(path) is not None]
        if others := [path for path in dict.fromkeys([*paths, *trained]) if path not in chosen]:
            show(
                f"of the data here {chosen[0]} is taken, by its name, not {listed(others, _MOST_NAMED)}: --data names others"
            )
    return chosen


def lone_truths(schema: pa.Schema, index: Collection[str], signature: Sequence[Column]) -> list[str]:
    """The columns without which, any one of them, the others are what the model is given."""
    odd = _odd_one_out(schema)
    if odd is not None and _feeds(schema, index, signature, truth=odd):
        return [odd]
    tried = schema.names if len(schema.names) <= _MOST_COLUMNS else ()
    return [name for name in tried if _feeds(schema, index, signature, truth=name)]


def _data_paths(root: Path, folder: Path, *, trained: bool = False) -> list[str]:
    """What may be data in a folder, from the root: the files that can be read, and folders. trained: of training data instead."""
    visible = [path for path in sorted(folder.iterdir()) if path.name[0] not in "._"] if folder.is_dir() else []
    data = [path for path in visible if file_format(path.name) is not None or path.is_dir()]
    return [
        Path(os.path.relpath(path, root)).as_posix() for path in data if ("train" in path.stem.casefold()) is trained
    ]


def _likely(paths: Sequence[str]) -> list[str]:
    if DEFAULT_PATH in paths:
        return [DEFAULT_PATH]
    likely = [path for path in paths if any(word in Path(path).stem.casefold() for word in _HELD_OUT)] or list(paths)
    one = len({Path(path).name.partition(".")[0] for path in likely}) == 1  # of several formats is as good as another
    return likely[:1] if one else likely


def _fitting(paths: Sequence[str], root: Path, model: str, signature: Sequence[Column]) -> list[str]:
    """The files that have a model's inputs, else those with scores that were recorded; [] where inputs have no names."""
    columns, fitting = dict[str, Collection[str]](), []
    for path in paths:
        dataset = Dataset("holdout", DatasetSpec(path=path), root)
        try:
            schema, index = dataset.schema, dataset.index_columns
        except LockgateError:  # no data
            continue
        columns[path] = schema.names
        if _feeds(schema, index, signature) or (not _names(signature) and lone_truths(schema, index, signature)):
            fitting.append(path)
    recorded = [path for path, names in columns.items() if set(CANDIDATE_SCORES) & set(names)]
    if not fitting and not recorded and columns and _names(signature):
        raise _none_fits(columns, model, _names(signature))
    return fitting or recorded


def _none_fits(columns: Mapping[str, Collection[str]], model: str, inputs: Sequence[str]) -> UsageError:
    nowhere = [name for name in inputs if not any(name in names for names in columns.values())]
    lacking = {"any of them": nowhere} if nowhere else {
        path: [name for name in inputs if name not in names] for path, names in list(columns.items())[:_MOST_NAMED]
    }  # fmt: skip
    lacks = "; ".join(f"{listed(names, _MOST_NAMED)} {_be(names)} not in {path}" for path, names in lacking.items())
    return UsageError(
        f"none of {listed(list(columns), _MOST_NAMED)} has the inputs of {model}: {lacks}",
        remedy="name rows that have them with --data PATH; where only names differ, log the model with those of the rows, or name "
        "these rows with --data and, in the pipeline, the column of each input with inputs: {input: column}",
    )


def _be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _names(signature: Sequence[Column]) -> list[str]:
    """The inputs that data need by name; [] of tensors, for which other columns may stand."""
    if any(column.get("type") == "tensor" for column in signature):
        return []
    return [name for name, column in named(signature).items() if required(column) and not name.startswith("#")]


def _feeds(schema: pa.Schema, index: Collection[str], signature: Sequence[Column], *, truth: str | None = None) -> bool:
    """Whether columns are what the model is given, as far as names and types say; truth: the one that it is not."""
    from lockgate.models.input_plan import InputPlanner

    types: dict[str, Any] = {field.name: field.type for field in schema}
    roles = dict.fromkeys(index, "index") | ({} if truth is None else {truth: "label"})
    return not InputPlanner(types, roles, {}).plan(signature).problems


def _odd_one_out(schema: pa.Schema) -> str | None:
    """The only column that is not called as all others but for a number, `pixel_7`, or else that is of another type."""
    for kinds in ([_NUMBER.sub("0", name) for name in schema.names], schema.types):
        counts = Counter(kinds)
        alone = [name for name, kind in zip(schema.names, kinds, strict=True) if counts[kind] == 1]
        if len(alone) == 1 and len(counts) == 2:
            return str(alone[0])
    return None
