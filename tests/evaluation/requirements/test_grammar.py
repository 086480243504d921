"""A requirement is one line or one mapping, and each can be written back."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.evaluation.requirements.grammar import (
    JSON_SCHEMA,
    RequirementError,
    from_mapping,
    from_text,
    parse,
    to_mapping,
)
from lockgate.evaluation.requirements.requirement import CLAIMS, Requirement, RequirementLimit, Scope
from lockgate.pipeline.pipeline import requirement_text

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,12}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9).map(float), st.floats(allow_nan=False, allow_infinity=False, width=64)
).map(lambda number: number + 0.0)
VALUES = st.one_of(TEXTS, st.booleans(), st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6).filter(lambda x: x % 1))


def distinct(pairs: list[tuple[Any, Any]]) -> bool:
    names = [name for name, _ in pairs if name is not None]
    return len(names) == len(set(names))


LIMITS = st.one_of(
    st.builds(RequirementLimit, relative=st.just(False), number=NUMBERS, percent=st.booleans()),
    st.just(RequirementLimit(relative=True)),
    st.just(RequirementLimit(relative=False, declared=True)),
    st.builds(RequirementLimit, relative=st.just(True), number=NUMBERS.map(abs), sign=st.sampled_from(["+", "-", "*"])),
)
SCOPES = st.one_of(
    st.sampled_from([Scope(), Scope("each_slice")]),
    st.builds(Scope, st.sampled_from(["each", "slice"]), name=TEXTS.filter(lambda name: name != "slice")),
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3)
    .filter(distinct)
    .map(lambda cell: Scope("cell", cell=tuple(cell))),
)
ARGS = st.lists(st.tuples(st.one_of(st.none(), NAMES), VALUES), max_size=3).filter(distinct).map(tuple)
LINES = st.builds(Requirement, subject=NAMES, op=st.sampled_from([">=", "<="]), limit=LIMITS, args=ARGS, scope=SCOPES)
GAPS = st.builds(
    Requirement,
    subject=NAMES,
    op=st.sampled_from([">=", "<="]),
    limit=LIMITS.filter(lambda limit: not (limit.relative or limit.declared)),
    args=ARGS,
    gap=TEXTS,
)
WHOLE = st.builds(
    replace,
    st.one_of(LINES, GAPS),
    claim=st.sampled_from([None, *CLAIMS]),
    confidence=st.one_of(st.none(), st.floats(0.5, 1, exclude_min=True, exclude_max=True)),
    min_rows=st.one_of(st.none(), st.integers(1, 10**6)),
    if_inconclusive=st.sampled_from([None, "ask"]),
)


@given(st.one_of(LINES, GAPS))
def test_a_line_is_read_back_as_it_was_written(requirement: Requirement) -> None:
    """parse(str(r)) == r, for everything that a line can say."""
    assert parse(str(requirement)) == requirement


@given(WHOLE)
def test_a_mapping_is_read_back_as_it_was_written(requirement: Requirement) -> None:
    """from_mapping(to_mapping(r)) == r, for all."""
    assert from_mapping(to_mapping(requirement)) == requirement


@given(st.one_of(LINES, GAPS))
def test_the_schema_accepts_every_line_that_is_written(requirement: Requirement) -> None:
    """An editor with the schema does not underline what the parser reads."""
    assert re.search(JSON_SCHEMA["anyOf"][0]["pattern"], str(requirement))


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                [
                    "auc",
                    " ",
                    "(",
                    ")",
                    '"',
                    "=",
                    ">=",
                    "<=",
                    "champion",
                    "-",
                    "0.1",
                    "%",
                    "on",
                    "each",
                    "slice",
                    "&",
                    ",",
                    "\\",
                    "gap over",
                ]
            ),
            max_size=14,
        ).map("".join),
    )
)
def test_any_text_is_a_requirement_or_refused(text: str) -> None:
    """Nothing but RequirementError is raised, and what was read can be written back."""
    try:
        requirement = parse(text)
    except RequirementError:
        return
    assert parse(str(requirement)) == requirement


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("auc>=0.8", "auc >= 0.8"),
        ("  auc >= champion-.01 on each   slice ", "auc >= champion - 0.01 on each slice"),
        ("recall( 0.7 )>=60 %", "recall(0.7) >= 60%"),
        ("recall(class = fraud, k=10) >= 1e-3", "recall(class=fraud, k=10) >= 0.001"),
        ("auc >= 0.8 on overall", "auc >= 0.8"),
        ("auc >= 0.8 on a=b&c = d e", "auc >= 0.8 on a=b & c=d e"),
        ("auc >= 0.8 on band=[10,100)", "auc >= 0.8 on band=[10,100)"),
        ('auc >= 0.8 on "on" = "a & b"', 'auc >= 0.8 on on="a & b"'),
        ("recall gap over geography <= 0.05", "recall gap over geography <= 0.05"),
        ("recall gap over geography<=champion+.02", "recall gap over geography <= champion + 0.02"),
    ],
)
def test_a_line_has_one_way_to_be_written(line: str, written: str) -> None:
    """Spaces and spellings do not matter."""
    assert str(parse(line)) == written


@pytest.mark.parametrize(
    "line",
    [
        "",
        "auc",
        "auc > 0.8",
        "auc >= ",
        "auc >= champion - 5%",
        "auc >= champion - -1",
        "auc >= 1e999",
        "auc >= nan",
        "auc >= 0.8 on",
        "auc >= 0.8 on each",
        "auc >= 0.8 on a=b & a=c",
        'auc >= 0.8 on a="b',
        "auc(a=1, a=2) >= 0.8",
        "auc(1 2, ) >= 0.8",
        "recall gap over geography <= declared",
        "recall gap over geography <= champion + 0.02 on each slice",
        "auc >= 0.8 and f1 >= 0.8",
        "a" * 1001,
    ],
)
def test_what_follows_no_grammar_is_refused(line: str) -> None:
    """The text of the refusal names the line or its length."""
    with pytest.raises(RequirementError) as caught:
        parse(line)

    assert repr(line) in str(caught.value) or "1,000 characters" in str(caught.value)


@pytest.mark.parametrize(
    "mapping",
    [
        {"metric": "auc", "at_least": "champion - 0.01", "on": "each slice"},
        {"metric": "recall(threshold=0.7)", "at_least": "60%", "claim": "point", "min_rows": 50},
        {"metric": "auc", "at_least": 0.8, "on": 'country="a {b, c: d}"', "confidence": 0.9, "if_inconclusive": "ask"},
        {"metric": "f1", "gap_over": "country", "at_most": "10%", "claim": "no_harm"},
        {"metric": "f1", "gap_over": "country", "at_most": "champion * 1.5"},
    ],
)
def test_a_line_is_read_back_from_what_evidence_shows_of_it(mapping: dict[str, Any]) -> None:
    """Whatever only its mapping form can say stands in braces behind it."""
    line = from_mapping(mapping)

    assert from_text(requirement_text(line)) == line
