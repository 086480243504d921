"""Bounds and p-values of the difference of every ordered pair of slices, of one model or beside the champion's gap.

Values of separate slices are independent, so that bounds of a sum follow from those of its terms.
Source: MOVER, Zou & Donner 2008; freedom by Welch and Satterthwaite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = Any  # whole numbers, of one slice or of an array of them

MATCHED = 0.9
"""The part of the error rate that is spent on a pair's own change; the rest goes to all other gaps of the champion in equal parts.
A tenth costs a candidate that is like the champion 4 % more rows, and shows one that closes a gap from some 2 standard errors more."""
WIDEST = 32
"""So many of the widest pairs of the champion may clear a pair, so many of the candidate's may fail: which of more changes nothing
in practice, and all against all are the fourth power of the slices."""
_CELLS = 1 << 20  # numbers that are computed at once


@dataclass(frozen=True)
class SliceErrors:
    """A value on each of k slices with its uncertainty, each (k,).

    down, up: standard errors by which its lower and its upper bound lie away from it. freedom: degrees of freedom.
    """

    values: Floats
    down: Floats
    up: Floats
    freedom: Floats

    @classmethod
    def from_bounds(cls, values: Floats, low: Floats, high: Floats, n_eff: Floats, *, confidence: float) -> SliceErrors:
        """Recovered from bounds at a one-sided confidence."""
        freedom = np.maximum(n_eff - 1, 1.0)
        quantile = special.stdtrit(freedom, confidence)
        return cls(values, (values - low) / quantile, (high - values) / quantile, freedom)

    def widest(self, among: Bools, confidence: float) -> Iterator[tuple[Places, ...]]:
        """(first, second) of the ordered pairs whose differences have the highest lower bounds, some at a time. among: (k, k)."""
        first, second = np.indices(among.shape)
        low = _Sum((self.at(first), self.at(second, -1)), together=False).low(confidence)
        apart = among & (first != second)
        order = np.argsort(np.where(apart, -low, np.inf), axis=None, kind="stable")[: min(WIDEST, int(apart.sum()))]
        some = max(_CELLS // among.size, 1)
        for low_end in range(0, order.size, some):
            yield np.unravel_index(order[low_end : low_end + some], among.shape)

    def at(self, places: Places, sign: int = 1, factor: float = 1.0) -> _Term:
        """The term ±factor·value of a sum, at these slices."""
        down, up = (self.down, self.up) if sign > 0 else (self.up, self.down)
        return _Term(
            sign * factor * self.values[places], factor * down[places], factor * up[places], self.freedom[places]
        )


@dataclass(frozen=True)
class PairBounds:
    """The tests of every ordered pair (i, j) of slices against the limit, as (k, k) arrays.

    value: what its upper bound `high` is of, with `se` and freedom: i minus j, less what of the champion clears it. low: a
    lower bound. p_pass: of the claim that it lies below the limit, p_fail: that it lies above.
    """

    value: Floats
    low: Floats
    high: Floats
    p_pass: Floats
    p_fail: Floats
    se: Floats
    freedom: Floats


@dataclass(frozen=True)
class _Term:
    """A term of a sum with its errors, of any one shape; absent where its freedom is infinite and its errors are zero."""

    value: Floats
    down: Floats
    up: Floats
    freedom: Floats

    def where(self, mask: Bools, other: _Term) -> _Term:
        return _Term(*(np.where(mask, ours, theirs) for ours, theirs in zip(self._parts, other._parts, strict=True)))

    def added(self, other: _Term) -> _Term:
        """The sum of two values of the same rows, whose errors add at worst."""
        return _Term(
            self.value + other.value,
            self.down + other.down,
            self.up + other.up,
            np.minimum(self.freedom, other.freedom),
        )

    @property
    def _parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.value, self.down, self.up, self.freedom


_ABSENT = _Term(*(np.array(number) for number in (0.0, 0.0, 0.0, np.inf)))


@dataclass(frozen=True)
class _Sum:
    """A sum of terms of separate slices. together: whether clusters span these, so that errors add in full, not in squares."""

    terms: Sequence[_Term]
    together: bool

    @cached_property
    def value(self) -> Floats:
        total: Floats = sum((term.value for term in self.terms), np.zeros(()))
        return total

    @cached_property
    def rising(self) -> Floats:
        return self._joined([term.up for term in self.terms])

    @cached_property
    def falling(self) -> Floats:
        return self._joined([term.down for term in self.terms])

    def _joined(self, errors: Sequence[Floats]) -> Floats:
        total = np.zeros(())
        for error in errors:
            total = total + error if self.together else np.hypot(total, error)
        return total

    @property
    def se(self) -> Floats:
        return self._joined(self._middles)

    @property
    def _middles(self) -> list[Floats]:
        # The mean of both sides' errors; clipped so that no slice without error divides by 0.
        return [np.minimum(np.maximum((term.down + term.up) / 2, 1e-300), 1e300) for term in self.terms]

    @cached_property
    def freedom(self) -> Floats:
        if self.together:
            least: Floats = np.min(np.broadcast_arrays(*(term.freedom for term in self.terms)), axis=0)
            return least
        square = sum((middle**2 for middle in self._middles), np.zeros(()))
        rate = sum(
            (middle**4 / term.freedom for middle, term in zip(self._middles, self.terms, strict=True)), np.zeros(())
        )
        freedom = np.maximum(square**2 / rate, 1.0)
        return np.where(np.isfinite(freedom), freedom, 1.0)

    def high(self, confidence: float) -> Floats:
        end: Floats = self.value + special.stdtrit(self.freedom, confidence) * self.rising
        return end

    def low(self, confidence: float) -> Floats:
        end: Floats = self.value - special.stdtrit(self.freedom, confidence) * self.falling
        return end

    def p_below(self, limit: float) -> Floats:
        """Of the claim that it lies below the limit."""
        p: Floats = special.stdtr(self.freedom, -_in_errors(limit - self.value, self.rising))
        return p

    def p_above(self, limit: float) -> Floats:
        p: Floats = special.stdtr(self.freedom, -_in_errors(self.value - limit, self.falling))
        return p


def bound_pairs(
    own: SliceErrors, beyond: SliceErrors, *, limit: float, confidence: float, together: bool
) -> PairBounds:
    """One model's differences of slices against a number. beyond: errors at the confidence of Holm's first step over all pairs."""
    first, second = np.indices((own.values.size,) * 2)
    with np.errstate(all="ignore"):
        difference = _Sum((own.at(first), own.at(second, -1)), together)
        strict = _Sum((beyond.at(first), beyond.at(second, -1)), together)
        return PairBounds(
            difference.value,
            difference.low(confidence),
            difference.high(confidence),
            difference.p_below(limit),
            special.stdtr(difference.freedom, -_in_errors(difference.value - limit, strict.falling)),
            difference.se,
            difference.freedom,
        )


@dataclass(frozen=True)
class BesideErrors:
    """Two models on each of k slices. matched, change: of candidate minus factor·champion on the same rows, `matched` at the
    confidence of `matched_confidence`, all others at that of Holm's first step over all pairs."""

    candidate: SliceErrors
    champion: SliceErrors
    change: SliceErrors
    matched: SliceErrors
    factor: float
    together: bool

    def apart(self, a: Places, b: Places, c: Places, d: Places) -> _Sum:
        """How much further the candidate's slice a lies above b than factor times the champion's c above d."""
        ours, theirs, change, factor = self.candidate, self.champion, self.change, self.factor

        def both(places: Places, sign: int, matched: Bools, crossed: Bools) -> _Term:
            # The models on one slice have the same rows: by their paired change, or with errors that add at worst.
            alone = ours.at(places, sign)
            summed = alone.added(theirs.at(places, sign, factor))
            return change.at(places, sign).where(matched, summed.where(crossed, alone))

        elsewhere = (
            theirs.at(c, -1, factor).where((c != a) & (c != b), _ABSENT),
            theirs.at(d, +1, factor).where((d != a) & (d != b), _ABSENT),
        )
        return _Sum((both(a, +1, c == a, d == a), both(b, -1, d == b, c == b), *elsewhere), self.together)

    def only(self, reliable: Bools) -> BesideErrors:
        """The same, with no bound on the other slices."""
        candidate, champion, change = (
            replace(errors, down=np.where(reliable, errors.down, np.inf), up=np.where(reliable, errors.up, np.inf))
            for errors in (self.candidate, self.champion, self.change)
        )
        return replace(self, candidate=candidate, champion=champion, change=change)


def matched_confidence(confidence: float) -> float:
    """Of a pair's own change, so that all that may clear a pair keep its error rate together."""
    return 1 - MATCHED * (1 - confidence)


def bound_beside(
    errors: BesideErrors, *, margin: float, confidence: float, eligible: Bools, reliable: Bools
) -> PairBounds:
    """The candidate's differences of slices, less factor times the champion's gap, against a margin.

    With C and H the values of candidate and champion, the claim is gap(C) <= f·gap(H) + m, of gap(X) = max over ordered pairs
    of X_i − X_j. It is that of all pairs (a, b), C_a − C_b <= f·gap(H) + m, so a pass needs each at alpha (intersection-union,
    Berger 1982). A pair is cleared by any of: its own change, (C_a − C_b) − f·(H_a − H_b) <= m; that beside another pair
    (c, d) of the champion; C_a − C_b <= m. Each implies it, since gap(H) is no smaller than any H_c − H_d, nor than 0. Where
    gap(C) > f·gap(H) + m, all of them are wrong for the pair that makes up gap(C), and that one is cleared with
    probability at most alpha, by Bonferroni: MATCHED·alpha is spent on its own change, the rest in equal parts on the k(k − 1)
    others. Gaps near zero cost nothing: nowhere is the largest of the champion's measured gaps taken for its gap.

    A fail is a claim of its own: some pair (a, b) lies further apart than all (c, d) of the champion allow. Under
    gap(C) <= f·gap(H) + m, none does beside the pair that makes up gap(H), so that p is the largest over (c, d), and the
    smallest of these times the k(k − 1) pairs (a, b).

    eligible: (k,) slices of which pairs may clear others. reliable: (k,) slices whose bounds hold; nothing fails by others.
    """
    k = errors.candidate.values.size
    first, second = np.indices((k, k))
    alpha, others = 1 - confidence, max(k * (k - 1), 1)
    share = (1 - MATCHED) / others
    with np.errstate(all="ignore"):
        own_change = _Sum((errors.matched.at(first), errors.matched.at(second, -1)), errors.together)
        alone = _Sum((errors.candidate.at(first), errors.candidate.at(second, -1)), errors.together)
        cleared = _Cleared.by(own_change, margin, alpha, MATCHED).or_by(_Cleared.by(alone, margin, alpha, share))
        for c, d in errors.champion.widest(np.outer(eligible, eligible), confidence):
            beside = errors.apart(first[..., None], second[..., None], c, d)
            cleared = cleared.or_by(_Cleared.by(beside, margin, alpha, share).lowest())
        low, p_fail = np.full((k, k), -np.inf), np.ones((k, k))
        bounded = errors.only(reliable)
        for a, b in bounded.candidate.widest(np.outer(reliable, reliable), confidence):
            beside = bounded.apart(a[:, None], b[:, None], *np.nonzero(first != second))
            low[a, b], p_fail[a, b] = beside.low(confidence).min(axis=1), beside.p_above(margin).max(axis=1)
    return PairBounds(cleared.value, low, cleared.high, cleared.p_pass, p_fail, cleared.se, cleared.freedom)


@dataclass(frozen=True)
class _Cleared:
    """Pairs of slices beside what clears each, as (k, k) arrays; of several the one with the lowest bound."""

    value: Floats
    high: Floats
    p_pass: Floats
    se: Floats
    freedom: Floats

    @classmethod
    def by(cls, beside: _Sum, margin: float, alpha: float, share: float) -> _Cleared:
        """By a sum on which this share of the error rate is spent."""
        p_pass = np.minimum(beside.p_below(margin) / share, 1.0)
        return cls(beside.value, beside.high(1 - share * alpha), p_pass, beside.se, beside.freedom)

    def lowest(self) -> _Cleared:
        """Of those along the last axis."""
        index = self.high.argmin(axis=-1)[..., None]
        parts = (
            np.take_along_axis(part, index, axis=-1)[..., 0] for part in (self.value, self.high, self.se, self.freedom)
        )
        value, high, se, freedom = parts
        return _Cleared(value, high, self.p_pass.min(axis=-1), se, freedom)

    def or_by(self, other: _Cleared) -> _Cleared:
        lower = other.high < self.high
        value, high, se, freedom = (
            np.where(lower, getattr(other, name), getattr(self, name)) for name in ("value", "high", "se", "freedom")
        )
        return _Cleared(value, high, np.minimum(self.p_pass, other.p_pass), se, freedom)


def _in_errors(above: Floats, error: Floats) -> Floats:
    """A difference in standard errors; without error, infinite to its side, and a limit met exactly is not exceeded."""
    ratio: Floats = np.where(error > 0, above / error, np.where(above > 0, np.inf, -np.inf))
    return ratio
