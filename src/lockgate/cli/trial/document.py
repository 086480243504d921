"""The pipeline of a trial: its YAML, and the pipeline that is read of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lockgate.cli.trial.question import Question, Subject
from lockgate.cli.trial.requirements import EXAMPLES, Lines, better_than_guessing, no_worse
from lockgate.errors import PipelineError, UsageError
from lockgate.evaluation.metrics.catalog import SUBJECTS
from lockgate.evaluation.requirements import grammar
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline
from lockgate.references import address

DATA, FILE = "data", "pipeline.yaml"


def bare(name: str, question: Question, path: str) -> dict[str, Any]:
    """The document of models that are still to be loaded. path: of the data, as a pipeline names it."""
    document: dict[str, Any] = {
        "model": name,
        "task": "regression",
        "registry": {"kind": "mlflow", "uri": "sqlite:///none"},  # the models come from elsewhere
        "candidate": {"alias": "candidate"},
        "champion": "none" if question.champion is None else {"alias": "champion"},
        "data": {DATA: {"path": path}},
        "gates": [{"gate": "signature", "data": DATA, "require": ["data_mismatches <= 0"]}],
    }
    return document | ({} if question.python is None else {"environment": {"python": question.python}})


def complete(document: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """The document with what models and data show."""
    question, outline = subject.question, subject.outline
    data: dict[str, Any] = {**document["data"][DATA], "label": subject.label}
    roles = {"id": outline.id, "cluster": outline.cluster if question.query is None else None, "query": question.query}
    data |= {key: column for key, column in roles.items() if column is not None}
    data |= {"slices": subject.slices} if subject.slices else {}
    lines = _lines(subject)
    if lines.small:
        data["small_slices"] = {**lines.small, "below": "watch"}
    gates = _signature(subject)
    if lines.deciding:
        gates.append({"gate": "metrics", "data": DATA, "require": list(lines.deciding)})
    if lines.extra:
        gates.append(
            {"gate": "metrics", "name": "shown", "severity": "warn", "data": DATA, "require": list(lines.extra)}
        )
    more: dict[str, Any] = {"task": subject.task, "data": {DATA: data}, "gates": gates}
    if subject.task == "binary":
        more |= {"positive": subject.positive, "threshold": _threshold(subject, lines)}
    more |= {"output": output} if (output := _output(subject)) else {}
    decoded = {name: {"column": each.columns[0], "decode": each.decode} for name, each in subject.decoded.items()}
    more |= {"inputs": sources} if (sources := subject.sources() or decoded) else {}
    return {**document, **more}


def _threshold(subject: Subject, lines: Lines) -> float:
    """Where the models themselves decide: half of a probability, 0 of a decision function.

    Raises UsageError where they differ in that, and a line rests on it.
    """
    decided = {0.0 if model.scoring == "decision_function" else 0.5 for model in subject.models.values()}
    resting = [line for line in (*lines.deciding, *lines.extra) if _takes_threshold(line)]
    if len(decided) > 1 and resting:
        raise UsageError(
            f"{resting[0]!r} cuts scores at a threshold, and one of the models gives probabilities, the other none",
            remedy='require what needs no threshold, such as --require "auc >= champion - 0.02"',
        )
    return decided.pop() if len(decided) == 1 else 0.5


def _takes_threshold(line: str | Mapping[str, Any]) -> bool:
    own = grammar.read(line)
    subject = SUBJECTS.get(own.subject)
    return subject is not None and "threshold" in subject.needs and own.argument("threshold") is None


def _lines(subject: Subject) -> Lines:
    question, several = subject.question, len(subject.slices)
    if question.require:
        own = [grammar.read(line) for line in question.require]
        if not several and any(line.scope.kind in ("each_slice", "each") or line.gap for line in own):
            raise UsageError(
                "a line speaks of slices, and no column holds few texts of which each is there often",
                remedy="name the columns whose values are to be judged on their own: --slice COLUMN",
            )
        return Lines(question.require)
    if question.champion is not None:
        return no_worse(subject.kind, subject.counts, slices=subject.slice_counts, named=bool(question.slices))
    lines = better_than_guessing(subject.kind, subject.counts, slices=several > 0)
    if not lines.deciding:
        raise UsageError(
            "there is nothing that a ranking alone is held to",
            remedy=f'name a champion, or a line: --require "{EXAMPLES[subject.kind]}"',
        )
    return lines


def _signature(subject: Subject) -> list[dict[str, Any]]:
    """The gate that compares signatures and data, with the lines of which the models' files say something."""
    candidate = subject.models["candidate"].files
    if candidate.signature is None:
        return []
    require = ["data_mismatches <= 0"]
    require += ["example_errors <= 0"] if candidate.input_example is not None else []
    champion = subject.models.get("champion")
    require += ["breaking_changes <= 0"] if champion is not None and champion.files.signature is not None else []
    return [{"gate": "signature", "data": DATA, "require": require}]


def _output(subject: Subject) -> dict[str, Any]:
    """`output:` that lets models of classes give scores, each by its own method."""
    if subject.task not in ("binary", "multiclass"):
        return {}
    name = subject.positive_class if subject.task == "binary" else None
    parts = {}
    for role, model in subject.models.items():
        part = {"method": model.scoring, "class": name}
        parts[role] = {key: value for key, value in part.items() if value is not None}
    first = parts["candidate"]
    return (
        first if all(part == first for part in parts.values()) else {role: part for role, part in parts.items() if part}
    )


def read(document: Mapping[str, Any], *, root: Path) -> Pipeline:
    """The pipeline of a document. Raises UsageError with what cannot be accepted of the options."""
    try:
        return loader.read(text(document), name=FILE, root=root)
    except PipelineError as error:
        raise UsageError("; ".join(error.unplaced)) from error


def redacted(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it is kept: an address without what lets somebody in."""
    data = {name: {**entry, "path": address.redacted(entry["path"])} for name, entry in document["data"].items()}
    return {**document, "data": data}


def text(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
