"""`gate try CANDIDATE [CHAMPION] --data FILE`: judge model files, without a registry and without a pipeline."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lockgate.cli.output import show_json
from lockgate.errors import LockgateError, UsageError
from lockgate.models.model import TASKS


@click.command("try")
@click.argument("candidate")
@click.argument("champion", required=False)
@click.option("--data", required=True, metavar="FILE", help="The rows to judge on: CSV, Parquet or JSON lines.")
@click.option("--label", metavar="COLUMN", help="The column that holds the truth; by default what is called like one.")
@click.option(
    "--require", multiple=True, metavar="LINE", help='What must hold, such as "auc >= 0.8 on each slice"; repeatable.'
)
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="COLUMN",
    help="Judge each value of this column on its own; repeatable. By default columns of few texts.",
)
@click.option("--no-slices", is_flag=True, help="Judge all rows together alone.")
@click.option("--task", type=click.Choice(TASKS), help="By default by the label.")
@click.option(
    "--positive",
    metavar="LABEL",
    help="The one of two labels that high scores speak for; LABEL=CLASS where the model calls it otherwise.",
)
@click.option("--query", metavar="COLUMN", help="The column that says which rows of a ranking are of one query.")
@click.option(
    "--features", metavar="A,B,C", help="The columns that a model takes which does not name them, in its order."
)
@click.option(
    "--python", metavar="PATH", help="The python that has the models' libraries; by default that of this job."
)
@click.option(
    "--write", metavar="FILE", type=click.Path(path_type=Path), help="Also write a pipeline, such as gates/fraud.yaml."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, as gate run --json does.")
def command(
    candidate: str,
    champion: str | None,
    data: str,
    label: str | None,
    require: tuple[str, ...],
    slices: tuple[str, ...],
    no_slices: bool,
    task: str | None,
    positive: str | None,
    query: str | None,
    features: str | None,
    python: str | None,
    write: Path | None,
    as_json: bool,
) -> int:
    """Judge CANDIDATE, compared with CHAMPION if there is one: nothing is registered, published or signed.

    A model is a file of joblib, pickle, skops, XGBoost or LightGBM, a folder of MLflow, or models:/NAME/VERSION,
    models:/NAME@ALIAS, runs:/RUN/model. It is loaded in a process of its own, in a box where the machine has one.
    """
    from lockgate.cli.console import Screen
    from lockgate.cli.run_document import run_document
    from lockgate.cli.trial.pipeline_file import require_free, write_pipeline
    from lockgate.cli.trial.question import Question
    from lockgate.cli.trial.session import try_models
    from lockgate.pipeline.loader import project_root

    question = Question(
        candidate, champion, data, label, task, positive, query, require, slices,
        tuple(name.strip() for name in (features or "").split(",") if name.strip()), python, no_slices,
    )  # fmt: skip
    screen, root = Screen(), project_root()
    try:
        if slices and no_slices:
            raise UsageError("--slice names slices, and --no-slices wants none", remedy="write one of them")
        _check_lines(require)
        if write is not None:
            require_free(write, data, root=root)
        finished = try_models(question, root=root, environ=os.environ, screen=screen)
    except LockgateError as error:
        if as_json:
            show_json(run_document(None, error=error))
        raise
    screen.show_run(finished.evidence, finished.folder.path, observed=False)
    for note in finished.notes:
        screen.note(note)
    if write is not None:
        version = str(finished.evidence.candidate["version"])
        for path in write_pipeline(write, finished.subject, version=version, root=root):
            screen.say(f"wrote    {os.path.relpath(path)}")
        if require:
            screen.note(f"its lines are those of gate init: write what --require names into {write}, too")
        first = "" if question.is_numbered(version) else f"register the model as {write.stem}, then "
        screen.say(f"next     {first}gate check, then gate run")
    else:
        screen.show_next(finished.commands)
    if as_json:
        show_json(run_document(finished, commands=finished.commands))
    return finished.exit_code


def _check_lines(require: tuple[str, ...]) -> None:
    """Raise UsageError for a line that is none, before any model is loaded."""
    from lockgate.evaluation.requirements.grammar import RequirementError, read

    for line in require:
        try:
            read(line)
        except RequirementError as error:
            raise UsageError(f"--require: {error}") from error
