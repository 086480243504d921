"""`gate init`: write a pipeline to begin with."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from lockgate.cli.drafting.look import look
from lockgate.cli.drafting.other_pipelines import OtherPipelines
from lockgate.cli.drafting.owners import NO_KEY, Signers, local_keys
from lockgate.cli.drafting.pipeline_text import pipeline_text
from lockgate.cli.drafting.registered import REGISTER, Registered, RegistryAddress, listing
from lockgate.cli.drafting.registered import names as registered_models
from lockgate.cli.drafting.registered import newest as newest_version
from lockgate.cli.drafting.rows import RowFlags, draft_rows
from lockgate.cli.github.existing_workflows import FOLDER
from lockgate.cli.github.settings_checklist import LISTED_BEFORE, checklist
from lockgate.cli.github.workflow_files import Workflows
from lockgate.cli.output import show
from lockgate.errors import LockgateError, PipelineError, RegistryError, UsageError
from lockgate.models.model import TASKS
from lockgate.pipeline import loader
from lockgate.pipeline.loader import pipelines, project_root, root_of
from lockgate.registries.ports import Registry
from lockgate.runs.lookup import model_in, only_pipeline

_NAMED = 3  # models that are proposed
_ONE_MODEL = "write --model NAME: that of one of them, whose workflows are written, or another that is registered"
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows


@click.command("init")
@click.option("--model", help="The registered model's name; by default the only one, or you are asked.")
@click.option(
    "--task", type=click.Choice(TASKS), help="What the model does; by default what its answers and the label say."
)
@click.option(
    "--data",
    help="The rows to judge it on; by default what alone is in data/ and not called train, else in this folder.",
)
@click.option(
    "--label", help="The column that holds the truth; by default what is called like one, or alone is no input."
)
@click.option("--positive", help="The label that high scores speak for, of two; by default the rarer.")
@click.option("--query", help="The column that says which rows of a ranking are of one query.")
@click.option("--github", is_flag=True, help="Also write workflows for GitHub Actions, and list what to set there.")
@click.option(
    "--action", metavar="OWNER/REPO@COMMIT", help="With --github: where lockgate's action is, at which commit."
)
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="LOGIN[:ID]",
    help="Who may approve, by their GitHub account and its number, of which GitHub is asked without it; may be repeated. "
    "By default your own SSH key; with --github nobody yet.",
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace the files that are there; with --github the workflows alone, as a pipeline that is there is kept.",
)
def command(
    model: str | None,
    task: str | None,
    data: str | None,
    label: str | None,
    positive: str | None,
    query: str | None,
    github: bool,
    action: str | None,
    owners: tuple[str, ...],
    yes: bool,
    force: bool,
) -> None:
    """Look at a registered model and at data, and write gates/MODEL.yaml and models/MODEL.version.

    The newest version answers rows of the data, in its box; nothing else of it is loaded.
    """
    if action is not None and not github:
        raise UsageError("--action is for --github", remedy="add --github, or leave --action out")
    if query is not None and task not in (None, "ranking"):
        raise UsageError("only a ranking is judged by query", remedy="add --task ranking, or leave --query out")
    prompting = not yes and sys.stdin.isatty()
    root = _root()
    if github and (existing := _existing_pipeline(model)) is not None:
        if owners:
            raise _own_signers(existing[1], owners)
        workflows = _make_workflows(*existing, action)
        if model is None and not force and workflows.existing(root):
            _refuse_existing(workflows, root)
        show(f"kept {existing[1]}")
        _write_workflows(workflows, force=force)
        return
    address = RegistryAddress.near(root)
    model, newest = _choose_model(model, address, prompting=prompting)
    name = _name(model)
    path, version = _pipeline_path(name), Path("models") / f"{name}.version"
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", remedy="edit it, or replace all of it with --force")
    if github:  # what workflows cannot be written for is refused before anything is written
        _make_workflows(model, path, action)
    rows = RowFlags(data, label, positive, query, task)
    draft = draft_rows(model, rows, root, address.text, newest, ask=_prompt if prompting else None)
    signers = _signers(owners, github=github, prompting=prompting)
    text = partial(pipeline_text, model, version=version, signers=signers)
    if newest is not None:
        draft = look(draft, newest, text=lambda draft: text(draft), root=root, task=task, chosen=positive is not None)
    _write(path, text(draft))
    show(f"wrote {path}")
    _write_schema(path.with_name("schema.json"))
    version = Path(os.path.relpath(root / version))
    if force or not version.exists():
        version.parent.mkdir(parents=True, exist_ok=True)
        version.write_text(f"{draft.version or 1}\n", encoding="utf-8")
        show(f"wrote {version}, which holds the version that is evaluated")
    else:
        show(f"kept {version}")
    if github:
        python = None if newest is None else newest.registry.python_version(newest.version)
        _write_workflows(_make_workflows(model, path, action, python), force=force)
        return
    named = f" {path}" if len(pipelines(project_root())) > 1 else ""
    mend = "mend that and write the pipeline anew with gate init --force"
    show(f"next: {mend if draft.refused else f'commit what was written, then gate run{named} --stage'}")


def _prompt(question: str, default: str | None, choices: Sequence[str] = ()) -> str:
    """The answer of a person, the default on Enter."""
    kind = click.Choice(list(choices)) if choices else None
    return str(click.prompt(question, default=default, type=kind))


def _choose_model(model: str | None, address: RegistryAddress, *, prompting: bool) -> tuple[str, Registered | None]:
    """The model that is meant, and its newest version; None where no registry has one. Raises UsageError, RegistryError."""
    try:
        registry = address.open()
        if model is None:
            model = _listed_model(registry, address, prompting=prompting)
        newest = None if registry is None else newest_version(registry, model)
    except RegistryError as error:
        if model is None:
            raise
        show(f"{model} is not looked at: {error}")
        return model, None
    if newest is None:
        show(
            f"{model} is not looked at: no version of it is registered at {address.public}; register one with {REGISTER}"
        )
    else:
        show(f"{newest.version} is the newest at {address.public}")
    return model, newest


def _listed_model(registry: Registry | None, address: RegistryAddress, *, prompting: bool) -> str:
    listed = registered_models(registry, address)
    if len(listed) == 1:
        return listed[0]
    assert registry is not None  # noqa: S101  # it listed them
    lines = listing(registry, listed)
    if not prompting:
        raise UsageError(f"there are {len(listed):,} models: {', '.join(lines)}", remedy="name one with --model NAME")
    show("\n".join(f"  {line}" for line in lines))
    return _prompt("Which model?", listed[0])


def _signers(logins: Sequence[str], *, github: bool, prompting: bool) -> Signers:
    """Who approves: the accounts that were named, else whoever holds the key of this machine."""
    if prompting and github and not logins:
        logins = _prompt("GitHub logins of who may approve, or nothing", "").split()
    if logins:
        numbers = _numbers(logins)
        for login in (login for login, number in numbers.items() if number is None):
            show(
                f"{login} cannot approve yet, as GitHub did not tell the id: gh api users/{login} --jq .id prints it, for the line "
                f"of signoff that waits for it (--owner {login}:ID asks nobody)"
            )
        return Signers(numbers)
    key = None if github else next(local_keys(Path.home(), _root()), None)
    if key is not None:
        show(f"{key.person} approves, with the key {key.path}; add others to signoff")
    elif not github:
        show(NO_KEY)
    return Signers(key=key, elsewhere=OtherPipelines.of(_root()).accounts)


def _own_signers(path: Path, logins: Sequence[str]) -> UsageError:
    """What to do of a pipeline that is not written anew, for these to sign there. Raises PipelineError for a broken one."""
    if loader.load(path, environ=None).signoff is not None:
        return UsageError(
            f"{path} is there already, and says who signs", remedy="write --owner into it, or leave it out"
        )
    lines = [line.removeprefix("# ") for line in Signers(_numbers(logins)).text.splitlines()]
    return UsageError(
        f"{path} is there already, and says of nobody that they sign",
        remedy="\n".join(["write this at its end, and leave --owner out:", *lines]),
    )


def _write(path: Path, text: str) -> None:
    """Write a pipeline. Raises PipelineError for one that is not valid, which is not written."""
    try:
        loader.read(text, name=path.name, root=_root(), environ=None)
    except PipelineError as error:
        raise PipelineError(f"nothing is written: {complaint}" for complaint in error.unplaced) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_schema(path: Path) -> None:
    """Write what editors read of a pipeline, which names it in its first line."""
    from lockgate.pipeline.json_schema import schema_text

    path.write_text(schema_text(root=_root()), encoding="utf-8")
    show(f"wrote {path}, which editors read: gate schema > {path} renews it after an upgrade")


def _numbers(logins: Sequence[str]) -> dict[str, int | None]:
    """login → number of the account: as it is said, as GitHub answers, or as another pipeline has it; None where none does.

    Raises UsageError for what is no person's.
    """
    from lockgate.integrations.github.accounts import account_id, said_account

    api, elsewhere = os.environ.get("GITHUB_API_URL"), OtherPipelines.of(_root()).accounts
    numbers: dict[str, int | None] = {}
    for text in logins:
        login, number = said_account(text)
        numbers[login] = number or account_id(login, api=api) or elsewhere.get(login)
    return numbers


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
    paths = pipelines(project_root())
    if not paths:
        return None
    if len(paths) > 1:
        listed = ", ".join(f"gates/{path.name}" for path in paths)
        raise UsageError(f"gates/ holds several pipelines: {listed}", remedy=_ONE_MODEL)
    path = Path(os.path.relpath(only_pipeline(project_root())))
    return loader.load(path, environ=None).model, path


def _refuse_existing(workflows: Workflows, root: Path) -> None:
    """Raises UsageError that names the registered models which no pipeline is about; one of them may be meant."""
    others: list[str] = []
    with suppress(LockgateError):
        registry = RegistryAddress.near(root).open()
        known = {model_in(path) for path in pipelines(root)}
        others = [] if registry is None else [name for name in registry.models() if name not in known]
    calls = " or ".join(f"gate init --github --model {shlex.quote(name)}" for name in others[:_NAMED])
    further = f"{calls} adds a model that is registered, too; " if calls else ""
    raise UsageError(
        f"{FOLDER}/{workflows.existing(root)[0]} exists already",
        remedy=f"{further}edit it, or replace the four of {workflows.model} with --force",
    )


def _make_workflows(model: str, path: Path, action: str | None, python: str | None = None) -> Workflows:
    """For the root of the checkout: GitHub reads no workflow elsewhere."""
    root = _root()
    return Workflows.for_pipeline(model, Path(os.path.relpath(path, root)), action=action, root=root, python=python)


def _write_workflows(workflows: Workflows, *, force: bool) -> None:
    """Write them, and say what is left to do."""
    root, logins, signoff = _root(), list[str](), None
    renewed = bool(workflows.existing(root))
    lines = workflows.write(root, force=force)
    path = Path(os.path.relpath(root / workflows.pipeline))
    try:
        signoff = loader.load(path, environ=None).signoff
        obstacle = "it names no owners yet, as its end shows how" if signoff is None else signoff.comment_obstacle
        lines += [] if obstacle is None else [f"to do: comments cannot approve {path}: {obstacle}"]
    except PipelineError as error:
        lines.append(f"to do: {error.complaints[0]}")
    if signoff is not None:
        logins = [owner.github for owners in signoff.groups.values() for owner in owners if owner.github is not None]
    lines += [LISTED_BEFORE] if renewed else checklist(workflows, root, logins=dict.fromkeys(logins))
    for line in lines:
        show(line)
