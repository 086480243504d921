"""How lines say in which way rows are altered."""

from __future__ import annotations

import pytest

from lockgate.evaluation.behaviour.alteration import WAYS, Alteration, alteration_of, problems
from lockgate.evaluation.requirements.grammar import parse


@pytest.mark.parametrize(
    ("arguments", "alteration", "words"),
    [
        ("swap=sex", Alteration("swap", "sex"), "sex swapped"),
        ('swap="native country"', Alteration("swap", "native country"), "native country swapped"),
        ("swap=3", Alteration("swap", "3"), "3 swapped"),
        ("raise=debt", Alteration("raise", "debt", 1.0), "debt raised by 1"),
        ("raise=debt, by=-2.5", Alteration("raise", "debt", -2.5), "debt lowered by 2.5"),
        ("noise=1%", Alteration("noise", amount=0.01), "noise of 1 %"),
        ("noise=0.07", Alteration("noise", amount=0.07), "noise of 7 %"),
        ("drop=age", Alteration("drop", "age"), "age missing"),
    ],
)
def test_a_line_says_how_rows_are_altered(arguments: str, alteration: Alteration, words: str) -> None:
    """And what it says reads back to the same."""
    line = parse(f"changed_rate({arguments}) <= 1%")

    assert not list(problems(line, WAYS))
    assert alteration_of(line) == alteration
    assert alteration.words == words
    assert alteration_of(parse(f"changed_rate({alteration}) <= 1%")) == alteration


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("", "needs to be told how rows are altered"),
        ("(sex)", "needs to be told how rows are altered"),
        ("(swap=sex, drop=age)", "needs to be told how rows are altered"),
        ("(noise=2)", "noise is a share"),
        ("(noise=0%)", "noise is a share"),
        ("(noise=much)", "noise is a share"),
        ("(noise=true)", "noise is a share"),
        ("(swap=sex, by=1)", "by says how far a column is raised, and this line says swap"),
        ("(raise=debt, by=0)", "by is 0, which alters nothing"),
        ("(raise=debt, tolerance=-0.1)", "tolerance is negative"),
    ],
)
def test_a_line_that_does_not_say_it_is_told_so(arguments: str, problem: str) -> None:
    """With what to write."""
    (message,) = problems(parse(f"changed_rate{arguments} <= 1%"), WAYS)

    assert problem in message


def test_a_fall_is_of_a_column_that_is_raised() -> None:
    """Swapped values have no direction."""
    (message,) = problems(parse("fall_rate(swap=sex) <= 1%"), ("raise",))

    assert "by raise, such as fall_rate(raise=COLUMN)" in message
