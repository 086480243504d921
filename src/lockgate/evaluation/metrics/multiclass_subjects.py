"""Which metrics are there of several classes, and what must a line say of them? Light, so that `gate check` reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from lockgate.data.class_labels import class_text
from lockgate.errors import guess
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject

_TASK = ("multiclass",)
_BOTH = ("average", "class")


def _subject(
    name: str,
    better: Literal["higher", "lower"] = "higher",
    *,
    args: tuple[str, ...] = (),
    averages: tuple[str, ...] = (),
    scores: bool = True,
    high: float | None = 1,
    proportion: bool = False,
) -> Subject:
    words = {"average": averages, "class": ()}
    return Subject(
        name,
        better,
        bounds=(0, high),
        args=args,
        tasks=_TASK,
        needs=("label", "score") if scores else ("label",),
        proportion=proportion,
        words={word: words[word] for word in args if word in words},
    )


SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (
        _subject("accuracy", scores=False, proportion=True),
        *(_subject(name, args=_BOTH, averages=("macro", "micro"), scores=False) for name in ("precision", "recall", "f1")),
        *(_subject(name, args=_BOTH, averages=("macro",)) for name in ("auc", "average_precision")),
        _subject("top_k_accuracy", args=("k",), proportion=True),
        _subject("log_loss", "lower", args=("class",), high=None),
        _subject("brier", "lower", args=("class",), high=2),
        replace(_subject("calibration_error", "lower", args=("class",)), instead="brier"),
    )
}  # fmt: skip


def said(line: Requirement) -> dict[str, Any]:
    """The arguments of a line by name, a class as its text."""
    found: dict[str, Any] = dict(SUBJECTS[line.subject].arguments(line))
    return found | ({"class": class_text(found["class"])} if "class" in found else {})


def complaints(line: Requirement, classes: Sequence[str]) -> Iterator[str]:
    """What a line on several classes lacks, with the rewrite. classes: those that are known, none where they are not yet."""
    if line.subject not in SUBJECTS:
        return
    subject, given, text = SUBJECTS[line.subject], said(line), repr(str(line))
    example = classes[0] if classes else "NAME"
    of_one = repr(str(replace(line, args=(("class", example),))))
    if subject.args == _BOTH and not given:
        macro = repr(str(replace(line, args=(("average", "macro"),))))
        yield f"{text}: {line.subject} of several classes needs average or class; write {macro} or {of_one}"
    elif subject.args == _BOTH and len(given) > 1:
        yield f"{text}: average and class exclude each other; leave one of them out"
    elif line.subject == "calibration_error" and not given:
        yield f"{text}: calibration_error is asked of one class; write {of_one}"
    if "class" in given and classes and given["class"] not in classes:
        yield f"{text}: no class is called {given['class']!r}; known: {', '.join(classes)}{guess(given['class'], classes)}"
    if line.subject == "top_k_accuracy":
        yield from _of_k(line, given.get("k"), len(classes))


def _of_k(line: Requirement, k: Any, classes: int) -> Iterator[str]:
    text = repr(str(line))
    if k is None:
        yield f"{text}: top_k_accuracy needs k; write {str(replace(line, args=(('k', 3),)))!r}"
    elif not isinstance(k, int) or isinstance(k, bool) or k < 1:
        yield f"{text}: k must be a whole number, 1 or more, and is {k!r}"
    elif classes and k >= classes:
        yield f"{text}: among the first {k} of {classes} classes is every row; write a smaller k"
