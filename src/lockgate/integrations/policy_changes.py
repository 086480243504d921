"""What a pipeline was in another commit, read from git's objects and not from the work tree, and what changed since."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from lockgate import git
from lockgate.errors import PipelineError
from lockgate.pipeline.comparison.change import Change
from lockgate.pipeline.comparison.compare import compare, looser_first
from lockgate.pipeline.loader import load
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.yaml_reader import Node, read_bytes
from lockgate.plugins import ProjectFile

_MOST_FILES = 100  # of code that a pipeline names, and of what it extends


def policy_changes(pipeline: Pipeline, commit: str, *, ref: str, today: date) -> list[Change] | None:
    """What changed of a pipeline, read without an environment, since a commit; None where that has no such pipeline.

    What it extends in an installed package is read as it is installed here. Raises PipelineError where it was not valid.
    """
    name, root = pipeline.files[0][0], pipeline.root
    files = _files(name, commit, root)
    if name not in files:
        return None
    with TemporaryDirectory(prefix="lockgate-") as folder:
        for path, data in files.items():
            (file := Path(folder, path)).parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        try:
            before = load(Path(folder, name), environ=None, root=Path(folder))
        except PipelineError as error:
            raise PipelineError([f"at {ref}: {complaint}" for complaint in error.complaints]) from error
    before._origin = replace(before._origin, path=pipeline.path)
    changes = compare(before, pipeline, ref=ref, today=today)
    own = _own_code_changes(before, pipeline, commit)
    return looser_first([*changes, *_code_changes(files, _files(name, None, root)), *own])


def removed_pipelines(commit: str, root: Path) -> list[str]:
    """Pipelines in `gates/` of a commit that are not here any more."""
    names = (name for name in git.names_in(commit, "gates", root) if name.endswith((".yaml", ".yml")))
    return [name for name in names if not (root / name).is_file()]


def _code_changes(before: dict[str, bytes], after: dict[str, bytes]) -> Iterator[Change]:
    """Files of code that both states name, and that decide otherwise perhaps."""
    for name, data in before.items():
        if name.endswith(".py") and name in after and after[name] != data:
            yield Change("may_be_looser", name, "code", "as it was", "other code")


def _own_code_changes(before: Pipeline, after: Pipeline, commit: str) -> Iterator[Change]:
    """Files and folders that commands of both states read."""
    commands = [
        [gate for gate in pipeline.gates if not ProjectFile.named_by(gate.gate)] for pipeline in (before, after)
    ]
    then, now = (dict.fromkeys(path for gate in gates for path in gate.own_code) for gates in commands)
    for path in now:
        if path in then and git.changed_since(commit, path, after.root):
            yield Change("may_be_looser", path, "code", "as it was", "other code")


def _files(name: str, commit: str | None, root: Path) -> dict[str, bytes]:
    """path relative to the root → bytes of a pipeline, what it extends and what code it names; commit: None for the work tree.

    Raises PipelineError where these are too many to be read.
    """
    files, waiting = dict[str, bytes](), [name]
    while waiting:
        if len(files) >= _MOST_FILES:
            raise PipelineError(
                f"{next(iter(files))} extends and names over {_MOST_FILES} files, too many to be compared"
            )
        name = waiting.pop()
        if name in files or name.startswith(("..", "/")):
            continue
        data = git.content(commit, name, root) if commit is not None else _stored(root / name)
        if data is None:
            continue
        files[name] = data
        if not name.endswith(".py"):
            waiting += _named(name, data)
    return files


def _stored(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _named(name: str, data: bytes) -> Iterator[str]:
    """The files of the project that a file of a pipeline names, perhaps."""
    try:
        root = read_bytes(data, display_name=name).root
    except PipelineError:
        return
    parent: Node | None = root.child("extends")
    if parent is not None and isinstance(parent.value, str):
        yield from (
            posixpath.normpath(each) for each in (posixpath.join(posixpath.dirname(name), parent.value), parent.value)
        )
    for _, node in root.walk():
        if isinstance(node.value, str) and ".py:" in node.value:
            yield posixpath.normpath(node.value.rpartition(":")[0])
