"""One fact compared with one limit, and its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from lockgate.hashing import number

_MEASURED = ("estimate", "low", "high", "confidence", "se", "n_eff")  # stored as texts, so that bytes are canonical
Claim = Literal["not_worse", "superior", "no_harm", "point", "at_limit"]


class Verdict(StrEnum):
    """The four words, from best to worst."""

    PASS = "pass"  # noqa: S105  # a verdict
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
    ERROR = "error"

    @property
    def exit_code(self) -> int:
        return {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}[self.value]

    @property
    def rank(self) -> int:
        return _RANKS[self]

    @staticmethod
    def worst(verdicts: Iterable[Verdict]) -> Verdict:
        """The worst of them; none at all is inconclusive, because nothing was shown."""
        return max(verdicts, key=lambda verdict: verdict.rank, default=Verdict.INCONCLUSIVE)

    def __str__(self) -> str:
        return self.value


_RANKS = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(frozen=True)
class FindingLimit:
    """The right side of a requirement: `value` is the number it comes to, `text` how it was written."""

    op: Literal[">=", "<="]
    value: float | None
    text: str


@dataclass(frozen=True)
class Decided:
    """The comparison that the verdict rests on.

    on: what was compared: value | difference | ratio (of candidate to champion) | count.
    claim: not_worse | superior | no_harm for lines relative to the champion, at_limit for absolute ones, point where no
    bound is required. required: (op, number) that `estimate` is compared with. low, high: the two-sided interval at
    2·confidence − 1, None where no bound exists. confidence: one-sided; None for counts and points: no error rate.
    """

    on: Literal["value", "difference", "ratio", "count"]
    claim: Claim
    estimate: float | None
    low: float | None
    high: float | None
    required: tuple[str, float]
    confidence: float | None
    se: float | None
    n_eff: float | None
    method: str

    @property
    def met(self) -> bool:
        """Whether the value itself, without its interval, meets the limit."""
        op, required = self.required
        value = required if self.estimate is None else self.estimate
        return value >= required if op == ">=" else value <= required

    def to_json(self) -> dict[str, Any]:
        measured = {name: number(getattr(self, name)) for name in _MEASURED}
        return vars(self) | measured | {"required": [self.required[0], number(self.required[1])]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Decided:
        measured = {name: _float(value[name]) for name in _MEASURED}
        required = (value["required"][0], float(value["required"][1]))
        return cls(**_known_fields(cls, value) | measured | {"required": required})


@dataclass(frozen=True)
class Finding:
    """One fact compared with one limit. `detail` holds JSON whose measured numbers are strings (`digest.number`)."""

    id: str
    requirement: str
    subject: str
    slice: Mapping[str, str]
    observed: float | None
    interval: tuple[float | None, float | None] | None
    champion: float | None
    limit: FindingLimit
    decided: Decided | None
    rows: int
    positives: int | None
    rows_needed: int | None
    verdict: Verdict
    code: str
    reason: str
    remedy: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counted_in(self) -> str:
        """Of what `rows` and `rows_needed` are: rows, or queries."""
        return str(self.detail.get("counted_in", "rows"))

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {
            "slice": dict(self.slice),
            "observed": number(self.observed),
            "interval": None if self.interval is None else [number(end) for end in self.interval],
            "champion": number(self.champion),
            "limit": vars(self.limit) | {"value": number(self.limit.value)},
            "decided": None if self.decided is None else self.decided.to_json(),
            "verdict": self.verdict.value,
            "detail": dict(self.detail),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Finding:
        ends, limit = value["interval"], value["limit"]
        converted = {
            "slice": dict(value["slice"]),
            "observed": _float(value["observed"]),
            "interval": None if ends is None else (_float(ends[0]), _float(ends[1])),
            "champion": _float(value["champion"]),
            "limit": FindingLimit(limit["op"], _float(limit["value"]), limit["text"]),
            "decided": None if value["decided"] is None else Decided.from_json(value["decided"]),
            "verdict": Verdict(value["verdict"]),
            "detail": dict(value["detail"]),
        }
        return cls(**_known_fields(cls, value) | converted)


def _known_fields(cls: type[Finding | Decided], value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a class, each of which must be there; what a later version adds is left alone."""
    return {name: value[name] for name in cls.__dataclass_fields__}


def _float(value: str | None) -> float | None:
    """A measured number from its text. Raises ValueError for what `number` does not write."""
    if value is None:
        return None
    measured = float(value) if isinstance(value, str) else math.nan
    if not math.isfinite(measured):
        raise ValueError(f"a measured number is {value!r:.40}")
    return measured
