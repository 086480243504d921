"""What a model's scores of some rows were when it was evaluated, in a few numbers, and how far other scores lie from them.

Scores are kept as sums with random signs, which tell the distance of two vectors without either of them: of each sum the
expected squared difference is the squared distance of the vectors.
Source: Alon, Matias & Szegedy 1999, The space complexity of approximating the frequency moments.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockgate.errors import GateBroken
from lockgate.evaluation.judging.number_format import short
from lockgate.evidence import stored_json
from lockgate.evidence.evidence import SCORE_FACT
from lockgate.hashing import number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lockgate.registries.ports import ModelVersion

_SUMS = 8  # bits of a byte; a distance is told to about a quarter of it, which a tolerance of one percent can do with
_PIECE = 1 << 16
_TOLERANCE = 0.01
"""Of the scores' own spread: less than that moves no metric by as much as a margin, and more is no rounding."""


@dataclass(frozen=True)
class ScoreRecord:
    """values: how many scores. sums: Σ ±score for each of the fixed rows of signs. spread: their standard deviation."""

    values: int
    mean: float
    spread: float
    sums: tuple[float, ...]

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> ScoreRecord:
        """scores: (n,), or (n, classes), finite."""
        import numpy as np

        flat = np.asarray(scores, np.float64).ravel()
        sums = np.zeros(_SUMS)
        for start in range(0, flat.size, _PIECE):
            piece = flat[start : start + _PIECE]
            sums += 2.0 * (piece @ _bits(start, piece.size).astype(np.float64)) - piece.sum()  # bits 0 and 1 are signs
        mean, spread = (float(flat.mean()), float(flat.std())) if flat.size else (0.0, 0.0)
        return cls(flat.size, mean, spread, tuple(sums.tolist()))

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> ScoreRecord:
        """Raises ValueError."""
        sums = entry.get("sums")
        if not isinstance(sums, list) or len(sums) != _SUMS:
            raise ValueError("it has no sums of scores")
        values = entry.get("values")
        if not isinstance(values, int) or values < 1:
            raise ValueError("it does not say how many scores there were")
        mean, spread, *parts = (float(text) for text in (entry.get("mean", ""), entry.get("spread", ""), *sums))
        return cls(values, mean, spread, tuple(parts))

    def to_json(self) -> dict[str, Any]:
        """Rounded to eight digits, which is finer than any tolerance."""
        mean, spread, *sums = (number(float(f"{part:.8g}")) for part in (self.mean, self.spread, *self.sums))
        return {"values": self.values, "mean": mean, "spread": spread, "sums": sums}

    def distance(self, other: ScoreRecord) -> float:
        """Root of the mean squared difference of as many scores, row by row, to about a quarter of it."""
        squares = math.fsum((ours - theirs) ** 2 for ours, theirs in zip(self.sums, other.sums, strict=True))
        return math.sqrt(squares / _SUMS / self.values)

    def unlike(self, other: ScoreRecord) -> bool:
        """Whether the scores differ by more than rounding, and other libraries' last digits, could make them."""
        scale = max(self.spread, other.spread, 1e-3 * abs(self.mean), 1e-3 * abs(other.mean))
        return self.distance(other) > _TOLERANCE * scale


def _bits(start: int, rows: int) -> NDArray[np.uint8]:
    """(rows, sums) of 0 and 1, from the number of each row by splitmix64: the same in every version of numpy."""
    import numpy as np

    state = np.arange(start + 1, start + rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    low: NDArray[np.uint8] = ((state ^ (state >> np.uint64(31))) & np.uint64(0xFF)).astype(np.uint8)
    return np.unpackbits(low).reshape(rows, _SUMS)


def need_recorded_scores(
    scores: NDArray[np.float64],
    published: Iterable[Mapping[str, str]],
    *,
    champion: ModelVersion,
    data: str,
    digest: str,
) -> None:
    """Raise GateBroken where the champion's scores are not those that are on record of the same rows.

    published: facts of what is published of the model, in that order. digest: of the data. What is not on record, or cannot be read, is compared with nothing.
    """
    record, facts = _newest(published, champion.version, digest)
    if record is None:
        return
    now = ScoreRecord.of(scores)
    if now.values != record.values or not record.unlike(now):
        return
    raise GateBroken(
        f"the champion, {champion}, answers the rows of {data} otherwise than it did when it was evaluated, on "
        f"{facts.get('at', 'an unknown day')}: scores differ by {short(record.distance(now))} (root mean square), their mean was "
        f"{short(record.mean)} and is {short(now.mean)}, their standard deviation {short(record.spread)} and {short(now.spread)}",
        remedy="find out what changed: libraries (environment: declared), a server's model, or inputs, output and positive of the "
        f"pipeline; where that is meant, evaluate the champion anew: gate run --candidate {champion.version} --stage",
        code="champion_changed",
    )


def _newest(
    published: Iterable[Mapping[str, str]], version: str, digest: str
) -> tuple[ScoreRecord | None, Mapping[str, str]]:
    """What was published last of the version's scores of these rows, and the facts that it stands among."""
    for facts in reversed(list(published)):
        if facts.get("version") != version or SCORE_FACT not in facts:
            continue
        try:
            entries = stored_json.read(facts[SCORE_FACT])
            for entry in entries if isinstance(entries, list) else ():
                if entry.get("rows") == digest:
                    return ScoreRecord.from_json(entry), facts
        except (ValueError, TypeError, AttributeError):
            continue
    return None, {}
