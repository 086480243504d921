"""Is the licence the one that we want?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lockgate.evaluation.requirements.subject import Subject
from lockgate.gates.gate import Gate


class Licence(Gate):
    """A gate that asks nothing of the models."""

    subjects: ClassVar[Mapping[str, Subject]] = {"licences": Subject("licences", "lower", counted=True)}
    default_require: ClassVar[tuple[str, ...]] = ("licences <= 0",)

    word: str


class Spread(Gate):
    """A gate that looks at scores, one slice at a time."""

    subjects: ClassVar[Mapping[str, Subject]] = {"spread": Subject("spread", "lower", bounds=(0, 1), needs=("score",))}

    data: str
