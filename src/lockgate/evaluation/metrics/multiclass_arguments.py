"""Requirements on metrics of several classes: their arguments, and the ones that are refused. Imports no numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lockgate.data.class_labels import class_text
from lockgate.errors import guess
from lockgate.evaluation.metrics import catalog
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject

SUBJECTS: Mapping[str, Subject] = {
    name: subject.by_task["multiclass"] for name, subject in catalog.SUBJECTS.items() if "multiclass" in subject.by_task
}


def arguments(line: Requirement) -> dict[str, Any]:
    """The arguments of a line by name, a class as its text."""
    args: dict[str, Any] = dict(SUBJECTS[line.subject].arguments(line))
    return args | ({"class": class_text(args["class"])} if "class" in args else {})


def complaints(line: Requirement, classes: Sequence[str]) -> Iterator[str]:
    """Messages on the arguments that a requirement on several classes lacks, with the rewrite. classes: their names, none where they are not known yet."""
    if line.subject not in SUBJECTS:
        return
    args, text = arguments(line), repr(str(line))
    both = {"average", "class"} <= set(SUBJECTS[line.subject].args)
    example = classes[0] if classes else "NAME"
    of_class = repr(str(replace(line, args=(("class", example),))))
    if both and not args:
        macro = repr(str(replace(line, args=(("average", "macro"),))))
        yield f"{text}: {line.subject} of several classes needs average or class; write {macro} or {of_class}"
    elif both and len(args) > 1:
        yield f"{text}: average and class exclude each other; leave one of them out"
    elif line.subject == "calibration_error" and not args:
        yield f"{text}: calibration_error is asked of one class; write {of_class}"
    if "class" in args and (unknown := unknown_class(line, args["class"], classes)):
        yield unknown
    if line.subject == "top_k_accuracy":
        yield from _complaints_on_k(line, args.get("k"), len(classes))


def unknown_class(line: Requirement, name: str, classes: Sequence[str]) -> str | None:
    """Why a line cannot be on the class of that name; None where it can. classes: none where they are not known yet."""
    if not classes or name in classes:
        return None
    return f"{str(line)!r}: no class is called {name!r}; known: {', '.join(classes)}{guess(name, classes)}"


def _complaints_on_k(line: Requirement, k: Any, classes: int) -> Iterator[str]:
    text = repr(str(line))
    if k is None:
        yield f"{text}: top_k_accuracy needs k; write {str(replace(line, args=(('k', 3),)))!r}"
    elif not isinstance(k, int) or isinstance(k, bool) or k < 1:
        yield f"{text}: k must be a whole number, 1 or more, and is {k!r}"
    elif classes and k >= classes:
        yield f"{text}: among the first {k} of {classes} classes is every row; write a smaller k"
