"""Schemas that pandera wrote, read as contracts without it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lockgate.data.contract.declared import contract_in_metadata, declared_contract
from lockgate.data.contract.feature_spec import FeatureSpec
from lockgate.data.contract.pandera_schema import NotRead, features_of
from lockgate.errors import DataError, VersionFault

HERE = Path(__file__).parent
# What pandera 0.35 wrote of these columns, by to_yaml() and to_json().
WRITTEN = {
    "user_age": FeatureSpec(type="float", range=(18, math.nextafter(100, 0))),
    "amount": FeatureSpec(type="float", range=(math.nextafter(0, 1), 1e6), nulls=0),
    "visits": FeatureSpec(type="integer", range=(0, 9), nulls=0, required=False),
    "merchant_category": FeatureSpec(type="string", values=("food", "travel"), nulls=0),
    "vip": FeatureSpec(type="boolean", nulls=0),
    "when": FeatureSpec(type="datetime", nulls=0),
    "k2": FeatureSpec(values=("x",), nulls=0),
}


@pytest.mark.parametrize("name", ["pandera-0.35.yaml", "pandera-0.35.json"])
def test_a_schema_says_what_pandera_would_check(name: str) -> None:
    """An end that is not allowed is the number beside it; what may not be missing is a share of nothing."""
    assert features_of((HERE / name).read_text()) == WRITTEN


@pytest.mark.parametrize(
    "checks",
    [
        "{greater_than_or_equal_to: 0, isin: [1, 2]}",
        "[{value: 0, options: {check_name: greater_than_or_equal_to}}, {value: [1, 2], options: {check_name: isin}}]",
        "{greater_than_or_equal_to: {value: 0, options: {raise_warning: false}}, isin: {value: [1, 2], options: {}}}",
    ],
)
def test_checks_are_read_as_older_ones_write_them(checks: str) -> None:
    """Under a key of their own, by name, or in a list with the name among options."""
    text = f"columns:\n  x: {{dtype: int64, nullable: true, checks: {checks}, unique: false, regex: false}}\n"

    assert features_of(text) == {"x": FeatureSpec(type="integer", range=(0, None), values=(1, 2))}


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("{dtype: str, str_matches: ^a}", "x has the check str_matches"),
        ("{dtype: int64, notin: [1]}", "x has the check notin"),
        ("{dtype: int64, unique: true}", "x is unique"),
        ("{dtype: complex128}", "x has the type complex128"),
        ("{dtype: str, greater_than: 1}", "is of numbers, and the type is string"),
        ("{dtype: int64, in_range: {min_value: [1], max_value: 3, include_min: false}}", "x has the check in_range"),
        ("{in_range: {min_value: '1', max_value: '3'}, greater_than: 2}", "x has the check in_range"),
        ("{isin: [a, b], equal_to: c}", "at least 1 item"),
        ("[int64]", "x is not written as pandera writes a column"),
        ("{checks: 3}", "x is not written as pandera writes a column"),
    ],
)
def test_a_check_that_is_not_looked_at_is_refused(column: str, reason: str) -> None:
    """Never left out: a contract that forgets one would pass what pandera stops."""
    with pytest.raises(NotRead, match=reason):
        features_of(f"columns:\n  x: {column}\n")


def test_of_two_lists_of_values_those_in_both_are_allowed() -> None:
    """As pandera runs every check."""
    assert features_of("columns: {x: {isin: [a, b, c], equal_to: b}}")["x"].values == ("b",)


@pytest.mark.parametrize("text", ["", "columns: {}", "[1]", "columns: {x: {}}\nchecks: {custom: 1}"])
def test_what_is_no_schema_of_columns_is_refused(text: str) -> None:
    """With what a schema has."""
    with pytest.raises(NotRead):
        features_of(text)


def test_a_pipeline_wins_over_the_schema_that_it_names(tmp_path: Path) -> None:
    """The source of each feature is known, that of a file with its digest."""
    (tmp_path / "s.yaml").write_text((HERE / "pandera-0.35.yaml").read_text())
    both = declared_contract({"vip": FeatureSpec(type="integer")}, "s.yaml", tmp_path)

    assert both.features == WRITTEN | {"vip": FeatureSpec(type="integer")}
    assert both.sources["vip"] == "the pipeline"
    assert both.sources["when"].startswith("s.yaml, sha256:")


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "cannot be read"), ("columns: [", "is no contract"), ("a: 1", "it has no columns")]
)
def test_a_schema_that_cannot_be_read_breaks_the_gate(tmp_path: Path, text: str | None, problem: str) -> None:
    """It is named."""
    if text is not None:
        (tmp_path / "s.yaml").write_text(text)

    with pytest.raises(DataError, match=rf"s\.yaml.*{problem}"):
        declared_contract({}, "s.yaml", tmp_path)


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ({"age": {"range": "18-100"}}, "features.age.range"),
        ([1], "features"),
        ("columns: {x: {dtype: int64, notin: [1]}}", "x has the check notin"),
    ],
)
def test_a_model_whose_contract_is_none_breaks_the_gate(stored: Any, problem: str) -> None:
    """What was meant is not guessed."""
    with pytest.raises(VersionFault, match=problem):
        contract_in_metadata({"features": stored})


def test_a_model_may_bring_its_contract_along() -> None:
    """As entries of a pipeline, or as the text that pandera wrote."""
    as_entries = contract_in_metadata({"features": {"age": {"range": [18, 100]}}})
    as_text = contract_in_metadata({"features": (HERE / "pandera-0.35.yaml").read_text()})

    assert as_entries.features == {"age": FeatureSpec(range=(18, 100))}
    assert as_text.features == WRITTEN
    assert contract_in_metadata({}).features == {}
