"""`gate init`: a pipeline to begin with."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

_TEMPLATE = """\
# What a new version of {model} must show before it moves. `gate check` reads this file, `gate run` asks it.
model: {model_text}
task: {task}
{about_task}registry: {{kind: mlflow, uri: "${{MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}}"}}
candidate: {{file: {version_text}}}            # the file holds one integer, the version that asks
champion: {{alias: production, else: none}}   # on a first promotion nobody holds it, and relative lines are not asked

data:
  holdout:
    path: {data_text}
    label: {label_text}
    # id: row_id                             # when there is one: duplicates are then found
    # slices: [country]                      # each value of these columns is judged on its own

gates:
  - gate: signature
  - gate: metrics
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
_TASKS = {
    "binary": "positive: 1\nthreshold: 0.5                             # scores at or above it are positive\n",
    "regression": "",
}
# subject → the line, with its tolerance where the rows are not known
_LINES = {
    "binary": {
        "auc": ("auc >= champion - {}", 0.03),
        "average_precision": ("average_precision >= champion - {}", 0.05),
    },
    "regression": {"rmse": ("rmse <= champion * {}", 0.05), "mae": ("mae <= champion * {}", 0.05)},
}


@click.command("init")
@click.option("--model", help="The registered model's name.")
@click.option("--task", type=click.Choice(list(_TASKS)), help="What the model does; binary by default.")
@click.option("--data", help="The rows to judge it on; data/holdout.parquet by default.")
@click.option("--label", help="The column that holds the truth; label by default.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def command(model: str | None, task: str | None, data: str | None, label: str | None, yes: bool, force: bool) -> None:
    """Write gates/MODEL.yaml and models/MODEL.version, to be edited."""
    from lockgate import pipeline
    from lockgate.errors import PipelineError, UsageError

    asking = not yes and sys.stdin.isatty()
    if model is None:
        if not asking:
            raise UsageError("init needs the name of the registered model", remedy="write gate init --model NAME")
        model = str(click.prompt("Name of the registered model"))
    if asking:
        task = task or click.prompt("Task", type=click.Choice(list(_TASKS)), default="binary")
        data = data or click.prompt("Rows to judge it on", default="data/holdout.parquet")
        label = label or click.prompt("Column that holds the truth", default="label")
    name = re.sub(r"[^A-Za-z0-9._\-]+", "_", model).strip("._") or "model"
    path, version = Path("gates") / f"{name}.yaml", Path("models") / f"{name}.version"
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", remedy="edit it, or replace it with --force")
    text = _text(
        model, task=task or "binary", data=data or "data/holdout.parquet", label=label or "label", version=version
    )
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        pipeline.load(path, environ=None)
    except PipelineError:
        path.unlink() if before is None else path.write_bytes(before)
        raise
    click.echo(f"wrote {path}")
    if force or not version.exists():
        version.parent.mkdir(parents=True, exist_ok=True)
        version.write_text("1\n", encoding="utf-8")
        click.echo(f"wrote {version}: write the version there that asks")
    click.echo(f"next: edit {path}, then gate check, then gate run")


def _text(model: str, *, task: str, data: str, label: str, version: Path) -> str:
    lines, tolerances = _lines(task, data, label)
    return _TEMPLATE.format(
        model=model.replace("\n", " "),
        model_text=json.dumps(model, ensure_ascii=False),
        task=task,
        about_task=_TASKS[task],
        version_text=json.dumps(version.as_posix()),
        data_text=json.dumps(data, ensure_ascii=False),
        label_text=json.dumps(label, ensure_ascii=False),
        tolerances=tolerances,
        lines="\n".join(f"      - {line}" for line in lines),
    )


def _lines(task: str, data: str, label: str) -> tuple[list[str], str]:
    """The lines, each with the smallest tolerance that the rows decide, and the comment that says on what that stands."""
    from lockgate.errors import LockgateError
    from lockgate.plan import smallest_for
    from lockgate.sentences import rounded_up

    try:
        rows, positives = _count(task, data, label)
    except LockgateError:
        rows, positives = 0, None
    lines, known = [], rows > 0
    for subject, (line, otherwise) in _LINES[task].items():
        smallest = smallest_for(subject, rows=rows, positives=positives) if rows else None
        known = known and smallest is not None
        tolerance = otherwise if smallest is None else rounded_up(smallest)
        lines.append(line.format(f"{1 + tolerance:.6g}" if task == "regression" else f"{tolerance:.6g}"))
    counted = f"{rows:,} rows" + ("" if positives is None else f", {positives:,} of them positive,")
    if known:
        return lines, f"the smallest tolerances that {counted} can decide: see `gate plan`"
    if rows:
        return lines, f"{counted} are too few to decide any tolerance: see `gate plan`"
    return lines, "a tolerance that your rows can decide: see `gate plan`"


def _count(task: str, data: str, label: str) -> tuple[int, int | None]:
    """(rows, positives) of the data; positives only of a binary label. Raises LockgateError where it cannot be read."""
    from typing import Any

    from lockgate import arrays
    from lockgate.dataset import Dataset, DatasetSpec
    from lockgate.pipeline import root_of
    from lockgate.rows import checked_rows

    dataset = Dataset("holdout", DatasetSpec(path=data, label=label), root_of(Path.cwd() / "gates" / "pipeline.yaml"))
    kind: Any = task
    rows, columns = checked_rows(dataset, task=kind, positive=1, salt=b"", scores={})
    return rows, int(arrays.to_numpy(arrays.whole(columns["label"])).sum()) if task == "binary" else None
