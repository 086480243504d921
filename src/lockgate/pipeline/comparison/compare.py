"""Compare two states of a pipeline, key by key as its models declare them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

from pydantic import BaseModel

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.gates.gate import Gate, Waiver
from lockgate.pipeline.comparison import requirement_changes
from lockgate.pipeline.comparison.change import NOTHING, Change, value_text
from lockgate.pipeline.comparison.directions import (
    EFFECTS,
    Direction,
    Effect,
    Entries,
    Section,
    direction_of,
    neutral,
)
from lockgate.pipeline.pipeline import Pipeline, requirement_text, spends_reuse_budget


def compare(before: Pipeline, after: Pipeline, *, ref: str, today: date) -> list[Change]:
    """What differs, the looser first. ref: how people call the state before, behind places of what is gone.

    A file of the project that is named, such as a gate's code, is not read here.
    """
    comparison = _Comparison(before, after, ref, today)
    changes = list(comparison.models(before, after, _Steps((), ()), ""))
    if not changes and before.policy_digest != after.policy_digest:
        changes = [
            Change("changed", _position(after, ()), "pipeline", "as it was", "written otherwise, to the same effect")
        ]
    return looser_first(changes)


def looser_first(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: EFFECTS.index(change.effect))


@dataclass(frozen=True)
class _Steps:
    """A path in the tree of each of the two; None where that has no such part."""

    before: tuple[str | int, ...] | None
    after: tuple[str | int, ...] | None

    def below(self, before: str | int | None, after: str | int | None) -> _Steps:
        return _Steps(
            None if before is None or self.before is None else (*self.before, before),
            None if after is None or self.after is None else (*self.after, after),
        )


@dataclass(frozen=True)
class _Comparison:
    before: Pipeline
    after: Pipeline
    ref: str
    today: date

    def change(self, effect: Effect, steps: _Steps, key: str, before: str, after: str) -> Change:
        at = f"{_position(self.before, steps.before or ())} at {self.ref}"
        if steps.after is not None:
            at = _position(self.after, steps.after)
        return Change(effect, at, key, before, after)

    def models(self, before: BaseModel, after: BaseModel, steps: _Steps, key: str) -> Iterator[Change]:
        """Of two mappings of keys that are read as the same model."""
        fields = {**type(before).model_fields, **type(after).model_fields}
        for name in dict.fromkeys([*fields, *(before.model_extra or {}), *(after.model_extra or {})]):
            then, now = getattr(before, name, None), getattr(after, name, None)
            alias = name if name not in fields else fields[name].alias or name
            below = steps.below(alias, alias)
            inner = f"{key}.{alias}" if key else alias
            if isinstance(after, Gate) and name == "require":
                yield from self.lines(cast(Gate, before), after, steps, inner)
            elif then != now:
                yield from self.values(then, now, direction_of(type(after), name) or neutral, below, inner)

    def values(
        self, before: Any, after: Any, direction: Direction | Section | Entries, steps: _Steps, key: str
    ) -> Iterator[Change]:
        if isinstance(direction, Entries):
            yield from self.entries(before or (), after or (), direction, steps, key)
        elif isinstance(direction, Section) and _of_one_kind(before, after):
            yield from self.models(before, after, steps, key)
        else:
            effect = direction.whole if isinstance(direction, Section) else direction
            yield self.change(effect(before, after), steps, key, value_text(before), value_text(after))

    def entries(self, before: Any, after: Any, kind: Entries, steps: _Steps, key: str) -> Iterator[Change]:
        """Of two lists or mappings whose entries have names."""
        then, now = _named(before, kind), _named(after, kind)
        for name in dict.fromkeys([*then, *now]):
            (old_step, old), (new_step, new) = then.get(name, (None, None)), now.get(name, (None, None))
            below, inner = steps.below(old_step, new_step), f"{key}.{name}"
            if old_step is None or new_step is None:
                effect: Effect = kind.added if old_step is None else kind.removed
                effect = "changed" if self._idle(new if old_step is None else old) else effect
                yield self.change(effect, below, inner, value_text(old), value_text(new))
            elif _of_one_kind(old, new):
                changes = self.models(cast(BaseModel, old), cast(BaseModel, new), below, inner)
                idle = self._idle(old) and self._idle(new)
                yield from (replace(change, effect="changed") if idle else change for change in changes)
            elif old != new:
                effect = "may_be_looser" if isinstance(new, BaseModel) else kind.each(old, new)
                yield self.change(effect, below, inner, value_text(old), value_text(new))

    def _idle(self, entry: Any) -> bool:
        """Whether an entry lets nobody pass nor stops anybody: a gate that only warns, a waiver that is over."""
        if isinstance(entry, Waiver):
            return entry.expired(self.today)
        return isinstance(entry, Gate) and entry.severity == "warn"

    def lines(self, before: Gate, after: Gate, steps: _Steps, key: str) -> Iterator[Change]:
        then, now = _written_lines(self.before, before), _written_lines(self.after, after)
        for old, new in requirement_changes.pairs(then, now):
            below = steps.below("require", "require").below(old, new)
            if new is None:
                effect: Effect = "looser"
            else:
                effect = "stricter" if old is None else requirement_changes.effect_of(then[old], now[new])
            old_text = NOTHING if old is None else requirement_text(then[old])
            new_text = NOTHING if new is None else requirement_text(now[new])
            yield self.change(effect, below, key, old_text, new_text)


def _of_one_kind(before: Any, after: Any) -> bool:
    """Whether two values can be compared key by key. A gate of the project is read as a class of its own each time."""
    if isinstance(before, Gate) and isinstance(after, Gate):
        return before.gate == after.gate
    return isinstance(after, BaseModel) and type(before) is type(after)


def _position(pipeline: Pipeline, path: tuple[str | int, ...]) -> str:
    at = pipeline.position(*path)
    return pipeline.files[0][0] if at == str(pipeline.path) else at


def _named(entries: Any, kind: Entries) -> Mapping[str, tuple[str | int, Any]]:
    """name → (its step in the tree, the entry); of two with one name each its own, by a number behind it."""
    named: dict[str, tuple[str | int, Any]] = {}
    steps = entries.items() if isinstance(entries, Mapping) else enumerate(entries)
    for step, entry in steps:
        name = unique = str(step) if isinstance(entries, Mapping) else kind.name(entry)
        number = 2
        while unique in named:
            unique, number = f"{name} ({number})", number + 1
        named[unique] = (step, entry)
    return named


def _written_lines(pipeline: Pipeline, gate: Gate) -> list[Requirement]:
    """The lines as they are written: the default confidence left out, and no budget taken off their error rate."""

    def written(line: Requirement) -> Requirement:
        confidence = line.confidence or CONFIDENCE
        if pipeline.reuse is not None and spends_reuse_budget(gate, line):
            confidence = round(1 - (1 - confidence) * pipeline.reuse.budget, 9)
        return replace(line, confidence=None if confidence == CONFIDENCE else confidence)

    return [written(line) for line in gate.lines]
