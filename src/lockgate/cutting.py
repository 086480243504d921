"""What of a long text stays, where only so much fits?"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def utf16(text: str) -> int:
    """Length in the units that GitHub counts a comment in."""
    return len(text.encode("utf-16-le")) // 2


def utf8(text: str) -> int:
    return len(text.encode())


def fit(sections: Sequence[str], *, room: int, size: Callable[[str], int], left_out: Callable[[int], str]) -> list[str]:
    """As many whole sections, from the first on, as fit into `room`, and `left_out(n)` for the n that do not.

    size: how a text is measured. What `left_out` says counts too.
    """
    sizes = [size(section) for section in sections]
    if sum(sizes) <= room:
        return list(sections)
    room -= size(left_out(len(sections)))
    kept = 0
    while kept < len(sections) and sizes[kept] <= room:
        room -= sizes[kept]
        kept += 1
    return [*sections[:kept], left_out(len(sections) - kept)]
