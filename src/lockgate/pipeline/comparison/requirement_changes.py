"""How the lines of a gate differ: limits, claims, confidence, what is left undecided; lines that came or went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.pipeline.comparison.directions import Effect, combined, order

_CLAIMS = order("superior", "not_worse", "point", "no_harm")
_SCOPES = order("each_slice", "overall")

# Which of the lines that differ are taken for one that changed: by the most that two have in common first.
_ALIKE: tuple[Callable[[Requirement], object], ...] = (
    lambda line: (line.subject_text, line.gap, line.op, line.scope, line.limit.relative),
    lambda line: (line.subject_text, line.gap, line.op, line.scope),
    lambda line: (line.subject_text, line.gap, line.op, line.limit.relative),
    lambda line: (line.subject, line.gap, line.op, line.scope),
)


def pairs(before: Sequence[Requirement], after: Sequence[Requirement]) -> Iterator[tuple[int | None, int | None]]:
    """Indexes of lines that belong together and are not equal; None for one that is new or gone."""
    old, new = list(range(len(before))), list(range(len(after)))
    for alike in (lambda line: line, *_ALIKE):
        for index in list(new):
            match = next((earlier for earlier in old if alike(before[earlier]) == alike(after[index])), None)
            if match is None:
                continue
            old.remove(match)
            new.remove(index)
            if before[match] != after[index]:
                yield match, index
    yield from ((index, None) for index in old)
    yield from ((None, index) for index in new)


def effect_of(before: Requirement, after: Requirement) -> Effect:
    """What the difference of two lines that belong together comes to."""
    effects: list[Effect] = []
    if (before.subject_text, before.gap, before.op) != (after.subject_text, after.gap, after.op):
        return "may_be_looser"
    if before.limit != after.limit:
        effects += _limit(before, after)
    if before.scope != after.scope:
        effects.append(_SCOPES(before.scope.kind, after.scope.kind))
    claims = before.claim or "not_worse", after.claim or "not_worse"
    if claims[0] != claims[1]:
        effects.append(_CLAIMS(*claims))
    else:
        effects += _confidence(before.confidence or CONFIDENCE, after.confidence or CONFIDENCE, claim=claims[1])
    rows = before.min_rows or 0, after.min_rows or 0
    if rows[0] != rows[1]:
        effects.append("looser" if rows[1] < rows[0] else "stricter")
    if before.if_inconclusive != after.if_inconclusive:
        effects.append("looser" if after.if_inconclusive == "ask" else "stricter")
    return combined(effects)


def _limit(before: Requirement, after: Requirement) -> Iterator[Effect]:
    """Where two limits can be compared whatever the champion's value is, which one lets more pass."""
    old, new = before.limit, after.limit
    by_factor = "*" in (old.sign, new.sign)
    if (old.relative, old.declared) != (new.relative, new.declared) or (
        by_factor and {"+", "-"} & {old.sign, new.sign}
    ):
        yield "may_be_looser"
    else:
        then, now = (old.factor, new.factor) if by_factor else (old.margin, new.margin)
        if then != now:
            yield "looser" if (now < then) == (after.op == ">=") else "stricter"


def _confidence(before: float, after: float, *, claim: str) -> Iterator[Effect]:
    """A loss must show at the confidence of a `no_harm` claim, so that a lower one is stricter there."""
    if before != after and claim != "point":
        yield "looser" if (after < before) == (claim != "no_harm") else "stricter"
