"""Which column that is gone may be which new one, under another name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from lockgate.models.signature.type_order import WIDER, Type, differences

_ALIKE = 0.6  # of difflib's ratio, as `difflib.get_close_matches` has it


def likely_renames(removed: Mapping[str, Type], added: Mapping[str, Type]) -> dict[str, str]:
    """Name that is gone → the new name that most likely stands for it; each at most once, and only where types fit.

    A single column that is gone beside a single new one of the same type may have any name.
    """
    alone = len(removed) == len(added) == 1
    words = {name: _words(name) for name in (*removed, *added)}
    matchers = {new: SequenceMatcher(None, b="".join(words[new])) for new in added}  # each has read its name once
    scores = sorted(
        (
            (alike, old, new)
            for old in removed
            for new in added
            if (alike := _alike(words[old], words[new], matchers[new])) >= _ALIKE or alone
        ),
        key=lambda pair: -pair[0],
    )
    pairs: dict[str, str] = {}
    for _, old, new in scores:
        if old not in pairs and new not in pairs.values() and _fits(removed[old], added[new]):
            pairs[old] = new
    return pairs


def _alike(old: Sequence[str], new: Sequence[str], matcher: SequenceMatcher[str]) -> float:
    """From 0 to 1 by the words of two names, 0 for any below `_ALIKE`; names whose words are all in the other one are alike.

    matcher: of the new name.
    """
    matcher.set_seq1("".join(old))
    contained = old and new and (set(old) <= set(new) or set(new) <= set(old))
    least = _ALIKE if contained else 0.0
    if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:  # bounds of the ratio, which takes longer
        return least
    return max(matcher.ratio(), least)


def _words(name: str) -> list[str]:
    """`userAge` and `user_age` are the same words."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^\w]|_", apart.casefold()) if word]


def _fits(old: Type, new: Type) -> bool:
    return all(difference.kind in ("wider", "rewritten", "now optional") for difference in differences(old, new, WIDER))
