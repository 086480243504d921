"""`gate init`: write a pipeline to begin with."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.cli.data_outline import first_rows, only_path, outline, truth_of
from lockgate.cli.github.workflow_files import Workflows
from lockgate.cli.output import show
from lockgate.cli.pipeline_draft import TASKS, Draft, guess_task, naming_refusal, pipeline_text
from lockgate.cli.truth_column import Truth
from lockgate.data.dataset import INDEX_COLUMN, Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import LockgateError, PipelineError, UsageError
from lockgate.pipeline import loader
from lockgate.pipeline.loader import pipelines, project_root, root_of
from lockgate.runs.lookup import only_pipeline

if TYPE_CHECKING:
    import pyarrow as pa

_POSITION = re.compile(r".*?\.yaml:\d+:\d+: ")  # in a file that is not there
_UNFILLED = re.compile(r"^( *(?:positive|label):)(?= +#)", re.MULTILINE)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows
_NO_ID = re.compile(r"(?<= id: )(?=\} +#)")


@click.command("init")
@click.option("--model", help="The registered model's name.")
@click.option(
    "--task", type=click.Choice(list(TASKS)), help="What the model does; guessed from the label, else binary."
)
@click.option("--data", help="The rows to judge it on; by default data/holdout.parquet, else what alone is in data/.")
@click.option("--label", help="The column that holds the truth; by default label, or what is called like one.")
@click.option("--query", help="The column that says which rows of a ranking are of one query.")
@click.option("--github", is_flag=True, help="Also write workflows for GitHub Actions, and list what to set there.")
@click.option(
    "--action", metavar="OWNER/REPO@COMMIT", help="With --github: where lockgate's action is, at which commit."
)
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="LOGIN",
    help="Who may approve, by their GitHub account; may be repeated.",
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
    owners: tuple[str, ...],
    yes: bool,
    force: bool,
) -> None:
    """Write gates/MODEL.yaml and models/MODEL.version, to be edited; with --github the workflows, too."""
    if action is not None and not github:
        raise UsageError("--action is for --github", remedy="add --github, or leave --action out")
    prompting = not yes and sys.stdin.isatty()
    if github and (existing := _existing_pipeline(model)) is not None:
        if owners:
            raise UsageError(
                f"{existing[1]} is there already, and says who signs", remedy="write --owner into it, or leave it out"
            )
        _workflows(*existing, action=action, force=force)
        show(f"kept {existing[1]}")
        return
    if model is None:
        if not prompting:
            raise UsageError("init needs the name of the registered model", remedy="write gate init --model NAME")
        model = str(click.prompt("Name of the registered model"))
    draft = _choose(model, data, label, task, query, prompting=prompting)
    name = _name(model)
    path, version = _pipeline_path(name), Path("models") / f"{name}.version"
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", remedy="edit it, or replace it with --force")
    if github:  # what workflows cannot be written for is refused before anything is written
        _make_workflows(model, path, action)
    if prompting and github and not owners:
        owners = tuple(str(click.prompt("GitHub logins of who may approve, or nothing", default="")).split())
    numbers = _numbers(owners)
    _write(path, pipeline_text(model, draft, version=version, owners=numbers))
    show(f"wrote {path}")
    _write_schema(path.with_name("schema.json"))
    for login in (login for login, number in numbers.items() if number is None):
        show(f"{path} needs the id of {login}, which GitHub did not tell: gh api users/{login} --jq .id")
    for key, problem in (("positive", draft.unsure), ("label", draft.unnamed)):
        if problem is not None:
            show(f"{path} needs {key}: before gate check accepts it: {problem}")
    if draft.label is None:
        maybe = f" ({' or '.join(draft.maybe)}?)" if draft.maybe else ""
        show(
            f"{path} compares answers alone: no column of the data is called like a truth; --label NAME names it{maybe}"
        )
    version = Path(os.path.relpath(_root() / version))
    if force or not version.exists():
        version.parent.mkdir(parents=True, exist_ok=True)
        version.write_text("1\n", encoding="utf-8")
        show(f"wrote {version}: write the candidate's version there")
    else:
        show(f"kept {version}")
    for column, reason in draft.unwritable.items():
        show(f"{path} leaves the column {column!r} out, which no pipeline can name: {reason}; rename it to use it")
    if github:
        _workflows(model, path, action=action, force=force)
    show(f"next: edit {path}, then gate check, then gate run")


def _choose(
    model: str, data: str | None, label: str | None, task: str | None, query: str | None, *, prompting: bool
) -> Draft:
    """What was said, what the data show of the rest, and what a person says of that where there is one."""
    usual = data or only_path(_root())
    data = data or (str(click.prompt("Rows to judge it on", default=usual)) if prompting else usual)
    dataset = Dataset("holdout", DatasetSpec(path=data), _root())
    table, truth = first_rows(dataset), Truth(label)
    table, unwritable = (None, {}) if table is None else _writable(table)
    if label is None and table is not None:
        classes = task in (None, "binary") and query is None
        truth = truth_of(table, classes=classes, inputs=lambda: _inputs(model))
    if prompting and label is None:
        likely = truth.column or next(iter(truth.maybe), "label")
        truth = Truth(str(click.prompt("Column that holds the truth", default=likely)))
    column = truth.column or next(iter(truth.maybe if truth.named else ()), None)
    rows = None if table is None else outline(table, label=column)
    bare = rows is not None and column is None and task in (None, "binary") and query is None
    dataset = dataset.labelled(column or "label")
    if task is None and query is not None:
        task = "ranking"
    if prompting and task is None:
        task = str(click.prompt("Task", type=click.Choice(list(TASKS)), default=guess_task(dataset)))
    if prompting and task == "ranking":
        query = query or click.prompt("Column that says which rows are of one query", default="query")
    if query is not None and task != "ranking":
        raise UsageError("only a ranking is judged by query", remedy="add --task ranking, or leave --query out")
    for name in (column, query):
        if name is not None and (reason := naming_refusal(name)) is not None:
            raise UsageError(
                f"no pipeline can name the column {name!r}: {reason}", remedy="rename it, or name another one"
            )
    label = None if bare else column or "label"
    return Draft(dataset, label, task or guess_task(dataset), query or "query", rows, truth.maybe, unwritable)


def _writable(table: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """The columns that a pipeline can name, and the others → the reason, but for numbers of rows that pandas wrote."""
    from lockgate.data.arrow_arrays import is_number

    refusals = {name: reason for name in table.column_names if (reason := naming_refusal(name)) is not None}
    numbers = [name for name in refusals if INDEX_COLUMN.fullmatch(name) and is_number(table.schema.field(name).type)]
    worth_a_line = {name: reason for name, reason in refusals.items() if name not in numbers}
    return table.drop_columns(list(refusals)), worth_a_line


def _inputs(model: str) -> Collection[str] | None:
    """The names of what the newest version of a model is given; None where no signature of it can be read."""
    from lockgate.models.signature_diff import named
    from lockgate.registries.spec import RegistrySpec

    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    database = uri.removeprefix("sqlite:///")
    if database != uri and not Path(database).exists():  # opening it would make one
        return None
    try:
        registry = RegistrySpec.model_validate({"kind": "mlflow", "uri": uri}).open(_root())
        signature = next((registry.signature(version) for version in registry.versions(model)), None)
    except LockgateError:
        return None
    return named(signature["inputs"]) if signature and signature.get("inputs") else None


def _write(path: Path, text: str) -> None:
    """Write a pipeline; one that is not valid leaves what was there. Raises PipelineError.

    Only `positive:`, `label:` and ids of owners may be left to fill.
    """
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_NO_ID.sub("1", _UNFILLED.sub(r"\1 x", text)), encoding="utf-8")
    try:
        loader.load(path, environ=None)
    except PipelineError as error:
        path.unlink() if before is None else path.write_bytes(before)
        complaints = (_POSITION.sub("", complaint) for complaint in error.complaints)
        raise PipelineError(f"nothing is written: {complaint}" for complaint in complaints) from error
    path.write_text(text, encoding="utf-8")


def _write_schema(path: Path) -> None:
    """Write what editors read of a pipeline, which names it in its first line."""
    from lockgate.pipeline.json_schema import schema

    path.write_text(json.dumps(schema(root=_root()), indent=1) + "\n", encoding="utf-8")
    show(f"wrote {path}, which editors read: gate schema > {path} renews it after an upgrade")


def _numbers(logins: Sequence[str]) -> dict[str, int | None]:
    """login → number of the account, None where GitHub does not answer. Raises UsageError for what is no person's."""
    from lockgate.integrations.github.accounts import account_id

    names, api = dict.fromkeys(login.removeprefix("@") for login in logins), os.environ.get("GITHUB_API_URL")
    return {login: account_id(login, api=api) for login in names}


def _root() -> Path:
    root = root_of(project_root() / "gates" / "pipeline.yaml")
    return root if (root / ".git").exists() else project_root()  # where the new pipeline makes a project of its own


def _pipeline_path(name: str) -> Path:
    """As seen from here: in the project that other commands find, too."""
    return Path(os.path.relpath(project_root() / "gates" / f"{name}.yaml"))


def _name(model: str) -> str:
    """What files of a model are called. Raises UsageError for one that no file can be called after everywhere."""
    name = re.sub(r"[^A-Za-z0-9._\-]+", "_", model).strip("._-")
    if not name or _RESERVED.fullmatch(name):
        raise UsageError(
            f"no file can be called after the model {model!r}",
            remedy="call it otherwise here, and write its name as model: into the pipeline that is written",
        )
    return name


def _existing_pipeline(model: str | None) -> tuple[str, Path] | None:
    """The model and pipeline of gates/ that workflows are for, None where that is still to be written."""
    if model is not None:
        path = _pipeline_path(_name(model))
        if not path.exists():
            return None
        with suppress(PipelineError):  # what is still to be filled in is of this name
            if (other := loader.load(path, environ=None).model) != model:
                raise UsageError(
                    f"{path} is there already, about {other}", remedy="write the other's by hand, under another name"
                )
        return model, path
    if not pipelines(project_root()):
        return None
    path = Path(os.path.relpath(only_pipeline(project_root())))
    return loader.load(path, environ=None).model, path


def _make_workflows(model: str, path: Path, action: str | None) -> Workflows:
    """For the root of the checkout: GitHub reads no workflow elsewhere."""
    return Workflows.for_pipeline(model, Path(os.path.relpath(path, _root())), action=action, root=_root())


def _workflows(model: str, path: Path, *, action: str | None, force: bool) -> None:
    for line in _make_workflows(model, path, action).write(_root(), force=force):
        show(line)
    try:
        signoff = loader.load(path, environ=None).signoff
    except PipelineError as error:
        show(f"to do: {error.complaints[0]}")
        return
    obstacle = "it names no owners yet" if signoff is None else signoff.comment_obstacle
    if obstacle is not None:
        show(f"to do: comments cannot approve {path}: {obstacle}")
