"""What the left side of a requirement may name, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lockgate.errors import guess
from lockgate.evaluation.requirements.requirement import Requirement, Value


@dataclass(frozen=True)
class Subject:
    """What the left side of a line may be: light data, so that a pipeline is checked without numpy.

    better: the direction in which the value improves, None where neither is. counted: a fact of this run, decided
    exactly; otherwise estimated, decided on a confidence bound. unit: shown behind values. bounds: smallest and largest
    possible value. args: names of the arguments it takes. tasks: where it makes sense, empty for every one. needs: of
    score, label, threshold, query, champion, what must be there; `graded` says that a class label will not do for a score; `no champion` says that the champion has no such value of its
    own. rewrite: shown when a rate of this subject is to be zero. proportion: whether a value between 0 and 1 is a
    share of units, so that the units needed are known. instead: the subject to write where models or slices are to be compared,
    which this subject's bound does not do. firmer: lines that say nearly the same and are decided exactly, `{}` standing for
    the argument. words: the arguments that are words and no numbers, each with those that it may be, none for any.
    ranges: between which numbers an argument lies, the ends left out.
    declared: whether a version may declare its limit. counted_in: of what its rows are, rows or queries. each: what has such a
    value each, so that a line is measured `on each feature` or `on feature=age`; empty where it is of all rows, or of slices. by_task: what the subject is in a task where it differs.
    """

    name: str
    better: Literal["higher", "lower"] | None
    counted: bool = False
    unit: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    args: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    rewrite: str | None = None
    proportion: bool = True
    instead: str | None = None
    firmer: str | None = None
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    counted_in: str = "rows"
    declared: bool = False
    each: str = ""
    by_task: Mapping[str, Subject] = field(default_factory=dict, hash=False)

    def in_task(self, task: str) -> Subject:
        return self.by_task.get(task, self)

    @property
    def of_rows(self) -> bool:
        """Whether it is measured on the rows of a data set, and so by slice too."""
        return bool({"label", "score"} & set(self.needs))

    @property
    def ranks(self) -> bool:
        """Whether it ranks scores, or weighs them, so that class labels will not do."""
        return "graded" in self.needs or ({"label", "score"} <= set(self.needs) and "threshold" not in self.needs)

    def arguments(self, line: Requirement) -> dict[str, Value]:
        """The arguments of a line by name; a single one without a name is the first that the subject takes."""
        return {name or self.args[0]: value for name, value in line.args if name or self.args}

    def misfits(self, line: Requirement) -> Iterator[str]:
        """What the arguments of a line say that the subject does not take, each with what it does."""
        text, takes = repr(str(line)), ", ".join(self.args) or "no arguments"
        for written, value in line.args:
            name = written or (self.args[0] if len(line.args) == 1 and self.args else None)
            words = self.words.get(name or "")
            if name not in self.args:
                argument = repr(written) if written else repr(value)
                yield f"{text}: {self.name} takes {takes}, not {argument}{guess(written or '', self.args)}"
            elif words and value not in words:
                names_class = "class" in self.args and value not in ("macro", "micro")
                of_class = f"; of one class it is {self.name}(class={value})" if names_class else ""
                yield f"{text}: {name} must be {' or '.join(words)}, and is {value!r}{of_class}"
            elif words is None and isinstance(value, str | bool):
                yield f"{text}: {name} must be a number, and is {value!r}"
            elif name in self.ranges and not self.ranges[name][0] < float(value) < self.ranges[name][1]:
                low, high = self.ranges[name]
                yield f"{text}: {name} must be above {low:g} and below {high:g}, and is {value!r}"


def compares(line: Requirement, subject: Subject | None) -> bool:
    """Whether a line takes a champion, by its limit or by its subject, which is None where it is not known."""
    return line.limit.relative or (subject is not None and "champion" in subject.needs)


def by_name(*subjects: Subject) -> dict[str, Subject]:
    return {subject.name: subject for subject in subjects}
