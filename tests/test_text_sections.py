"""What is left out is whole, last, and counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockgate.text import fit, utf8, utf16


def left_out(count: int) -> str:
    return f"+{count}"


@given(st.lists(st.text(max_size=30), max_size=12), st.integers(4, 200))
def test_it_fits_and_says_how_many_are_missing(sections: list[str], room: int) -> None:
    """The first ones are kept in order, as many as there is room for."""
    kept = fit(sections, room=room, size=utf16, left_out=left_out)

    assert utf16("".join(kept)) <= room
    if kept != sections:
        whole = kept[:-1]
        assert whole == sections[: len(whole)]
        assert kept[-1] == f"+{len(sections) - len(whole)}"


def test_what_fits_is_left_alone() -> None:
    """To the last unit."""
    assert fit(["ab", "c"], room=3, size=utf16, left_out=left_out) == ["ab", "c"]
    assert fit(["ab", "cdef"], room=5, size=utf16, left_out=left_out) == ["ab", "+1"]


def test_a_sign_outside_the_first_plane_counts_twice() -> None:
    """As GitHub counts a comment; a summary is counted in bytes."""
    assert (utf16("🚀a"), utf8("🚀a")) == (3, 5)
