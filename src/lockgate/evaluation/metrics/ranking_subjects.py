"""How well does a model order the rows of each query? Which subjects there are, and what their arguments say; light.

All are means over queries: the query is the unit, in which rows are counted, bounds are taken and more are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

TASK = "ranking"
GAINS = ("linear", "exponential")


def _subject(name: str, *args: str, high: float | None = 1) -> Subject:
    return Subject(
        name,
        "higher",
        bounds=(0, high),
        args=args,
        tasks=(TASK,),
        needs=("label", "score", "query"),
        proportion=False,
        words={"gain": GAINS} if "gain" in args else {},
        counted_in="queries",
    )


SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (
        _subject("ndcg", "k", "gain"),
        _subject("dcg", "k", "gain", high=None),
        _subject("mrr", "k", "relevant"),
        _subject("map", "k", "relevant"),
        _subject("recall_at", "k", "relevant"),
        _subject("precision_at", "k", "relevant"),
        _subject("hit_rate", "k", "relevant"),
    )
}
NEED_K = ("recall_at", "precision_at", "hit_rate")


@dataclass(frozen=True)
class At:
    """What a line asks of each query.

    k: how many places count, None for all. relevant: the label from which on a row is, None for any above 0. gain: what
    a row is worth, its label or 2^label − 1.
    """

    k: int | None = None
    relevant: float | None = None
    gain: Literal["linear", "exponential"] = "linear"

    @classmethod
    def of(cls, line: Requirement) -> At:
        """From the arguments of a line that takes them, all in range."""
        given = _given(line)
        k, relevant = given.get("k"), given.get("relevant")
        return cls(
            None if k is None else int(k), None if relevant is None else float(relevant), given.get("gain", "linear")
        )

    def relevant_rows(self, labels: NDArray[Any]) -> NDArray[Any]:
        """(n,) bool."""
        return labels > 0 if self.relevant is None else labels >= self.relevant


def out_of_range(line: Requirement) -> Iterator[str]:
    """What its numbers cannot be, and the one that is lacking."""
    given, text = _given(line), repr(str(line))
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name == "k" and not (number and value == int(value) and value >= 1):
            yield f"{text}: k must be a whole number, 1 or more, and is {value!r}"
        elif name == "relevant" and not (number and value > 0):
            yield f"{text}: relevant must be a label above 0, from which on a row is relevant, and is {value!r}"
    if line.subject in NEED_K and "k" not in given:
        yield f"{text}: {line.subject} needs k, how many places count; write for example {line.subject}(10)"


def _given(line: Requirement) -> dict[str, Any]:
    """The arguments by name; one without a name is k."""
    return {name or "k": value for name, value in line.args}
