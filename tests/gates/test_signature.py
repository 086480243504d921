"""The candidate's signature and input example, against the champion's and the data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from helpers.fakes import COLUMNS, SIGNATURE, FakeModel, ask, case_of
from lockgate.data.contract.feature_contract import FeatureContract
from lockgate.data.contract.feature_spec import Features
from lockgate.errors import ModelFault, UsageError
from lockgate.evaluation.case import Case
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.signature import Signature
from lockgate.hashing import sha256_file

TABLE = {"age": [30, 40], "city": ["Graz", "Linz"]}


def signed(folder: Path, *, require: Any = None, **case: Any) -> GateResult:
    case.setdefault("table", TABLE)
    return ask(case_of(folder, **case), Signature.model_validate({"gate": "signature", "require": require}))


def with_inputs(*columns: dict[str, Any]) -> dict[str, Any]:
    return {"signature": SIGNATURE | {"inputs": list(columns)}}


def test_a_version_that_changed_nothing_passes(tmp_path: Path) -> None:
    """Four counts, each with the number of units looked at."""
    result = signed(tmp_path)

    assert result.verdict is Verdict.PASS
    assert [(one.subject, one.observed, one.rows, one.reason) for one in result.findings] == [
        ("missing", 0.0, 2, "missing: none among 2 parts"),
        ("breaking_changes", 0.0, 3, "breaking changes: none among 3 columns"),
        ("data_mismatches", 0.0, 2, "data mismatches: none among 2 inputs"),
        ("example_errors", 0.0, 2, "example errors: none among 2 rows"),
    ]


def test_breaking_changes_are_named(tmp_path: Path) -> None:
    """Removed, retyped and newly required inputs; an added optional one is fine, and said."""
    changed = with_inputs(
        {"name": "city", "type": "long", "required": True}, {"name": "vip", "type": "boolean", "required": False}
    )
    found = signed(tmp_path, candidate_facts=changed, table=None).findings[1]

    assert (found.verdict, found.code, found.observed) == (Verdict.FAIL, "breaking_changes", 3.0)
    assert found.reason == (
        "breaking changes: input age removed; input city retyped from string to long "
        '(MLflow\'s server takes "1234" as 1234); input city newly required'
    )
    assert found.detail["fine"] == ["input vip added optional"]
    assert found.remedy is not None
    assert found.remedy.startswith("keep the old column")


def test_a_renamed_column_is_said_to_be_one(tmp_path: Path) -> None:
    """With the name to log the model with, beside what is broken until then."""
    renamed = with_inputs({"name": "customer_age", "type": "long", "required": True}, COLUMNS[1])
    found = signed(tmp_path, candidate_facts=renamed, table=None).findings[1]

    assert found.reason == (
        "breaking changes: input age removed (renamed to customer_age?); input customer_age added required "
        "(renamed from age?)"
    )
    assert found.detail["found"] == ["input age removed", "input customer_age added required"]
    assert str(found.remedy).startswith("where only names changed, log the model with the old ones: age; else keep")


def test_of_answers_that_changed_the_remedy_speaks_of_answers(tmp_path: Path) -> None:
    """And of no column that callers send."""
    other = {"signature": SIGNATURE | {"outputs": [{"type": "string"}]}}
    found = signed(tmp_path, candidate_facts=other, table=None).findings[1]

    assert found.reason == "breaking changes: output p removed"
    assert str(found.remedy).startswith("log it with pyfunc_predict_fn and the signature of the champion's answers")


def test_data_that_does_not_fit_is_named_by_column(tmp_path: Path) -> None:
    """A required column that is missing, and one of another type; `inputs` renames."""
    found = signed(tmp_path, table={"Age": ["x"], "city": [1]}).findings[2]
    renamed = signed(tmp_path / "renamed", table={"Age": [1], "city": ["x"]}, inputs={"age": "Age"}).findings[2]

    assert (
        found.reason == "data mismatches: input age is not in the data; input city is string, in the data it is int64"
    )
    assert renamed.verdict is Verdict.PASS


def test_what_is_missing_is_counted_and_the_rest_is_inconclusive(tmp_path: Path) -> None:
    """Without a signature there is nothing to compare, which is never a pass."""
    result = signed(tmp_path, candidate_facts={"signature": None, "input_example": None})

    assert [(one.verdict, one.reason) for one in result.findings] == [
        (Verdict.FAIL, "missing: a signature; an input example"),
        (Verdict.INCONCLUSIVE, "breaking changes: the candidate has no signature to compare"),
        (Verdict.INCONCLUSIVE, "data mismatches: there is no signature to compare with the data"),
        (Verdict.INCONCLUSIVE, "example errors: there is no input example to predict on"),
    ]


def test_without_data_nothing_is_held_against_it(tmp_path: Path) -> None:
    """Inconclusive, with the reason."""
    found = signed(tmp_path, table=None).findings[2]

    assert (found.verdict, found.reason) == (
        Verdict.INCONCLUSIVE, "data mismatches: there is no data to compare the signature with",
    )  # fmt: skip


def test_an_example_that_the_model_refuses_fails(tmp_path: Path) -> None:
    """With the model's own words; a process that died breaks the gate, which keeps the findings made before."""
    refusing = FakeModel(fault=ModelFault("ValueError: age is missing", alive=True))
    dead = FakeModel(fault=ModelFault("the model was killed", stderr="boom", remedy="more memory"))
    refused = signed(tmp_path, candidate=refusing)
    broken = signed(tmp_path / "dead", candidate=dead)

    assert refused.findings[3].reason == "example errors: ValueError: age is missing"
    assert (refused.verdict, broken.verdict) == (Verdict.FAIL, Verdict.ERROR)
    assert [one.subject for one in broken.findings] == ["missing", "breaking_changes", "data_mismatches"]
    assert broken.context["broken"] == {"remedy": "more memory", "stderr": "boom"}


def test_on_a_first_promotion_nothing_is_compared(tmp_path: Path) -> None:
    """The line on breaking changes is not asked."""
    result = signed(tmp_path, alone=True)

    assert [one.subject for one in result.findings] == ["missing", "data_mismatches", "example_errors"]
    assert result.verdict is Verdict.PASS


@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_may_allow_some(tmp_path: Path, limit: int) -> None:
    """One removed input, where one is allowed."""
    changed = with_inputs(COLUMNS[0])
    result = signed(tmp_path, candidate_facts=changed, require=[f"breaking_changes <= {limit}"])

    assert result.verdict is (Verdict.PASS if limit else Verdict.FAIL)
    assert result.findings[0].reason == "breaking changes: input city removed" + ("; 1 allowed" if limit else "")


LABELLED = {"age": list(range(40)), "city": ["Graz", "Linz"] * 20, "paid": [0, 1] * 20}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ([COLUMNS[0], {"name": "paid", "type": "long"}], "leak: input paid is the label"),
        (COLUMNS, "leak: input city says the same as the label in every row"),
    ],
)
def test_an_input_that_is_the_label_is_a_leak(tmp_path: Path, columns: Any, reason: str) -> None:
    """By its name, or by what it says in every row; under a code of its own."""
    found = signed(tmp_path, candidate_facts=with_inputs(*columns), table=LABELLED, label="paid").findings[2]

    assert (found.subject, found.verdict, found.code, found.reason) == (
        "data_mismatches", Verdict.FAIL, "leak", reason,
    )  # fmt: skip
    assert (
        found.remedy
        == "train and log the model without that column; a model that is given the truth passes every metric"
    )


@pytest.mark.parametrize("require", ["missing <= 0", "data_mismatches <= 1"])
def test_a_leak_passes_no_requirement(tmp_path: Path, require: str) -> None:
    """Also where nothing that is required would count it, or more is allowed."""
    result = signed(tmp_path, table=LABELLED, label="paid", require=[require])

    assert result.verdict is Verdict.ERROR
    assert result.reason.startswith("leak: input city says the same as the label in every row")


def test_tensors_are_compared_with_the_data(tmp_path: Path) -> None:
    """A pass where the features fit, and else both numbers and the line to write."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}
    table = {"age": [1.0, 2.0], "height": [3.0, 4.0], "paid": [0, 1]}
    fits = signed(tmp_path, candidate_facts=with_inputs(tensor), table=table, label="paid").findings[2]
    misfit = signed(tmp_path / "wide", candidate_facts=with_inputs(tensor), table=table).findings[2]

    assert (fits.verdict, fits.rows) == (Verdict.PASS, 2)
    assert misfit.reason == (
        "data mismatches: the tensor of shape (-1, 2) takes 2 columns, and the data has 3 that may be features: age, height, paid"
    )
    assert (
        misfit.remedy
        == "write inputs: [age, height, paid] with the 2 columns that the model was trained on, in its order"
    )


def test_a_model_without_signature_may_be_given_the_label_too(tmp_path: Path) -> None:
    """By `inputs:`, or as a copy among its features: that it has no signature is not all that is wrong."""
    listed = signed(
        tmp_path, candidate_facts={"signature": None}, table=LABELLED, label="paid", inputs={"age": "age", "x": "paid"}
    )
    copied = signed(tmp_path / "copied", candidate_facts={"signature": None}, table=LABELLED, label="paid")

    assert listed.findings[2].reason == "leak: input x is the label"
    assert copied.findings[2].reason == "leak: input city says the same as the label in every row"


def features(**declared: Any) -> Any:
    """A field of the case: the contract of the pipeline."""
    return FeatureContract.from_source(TypeAdapter(Features).validate_python(declared), "the pipeline")


def held_to(case: Case, contract: FeatureContract, **fields: Any) -> GateResult:
    gate = Signature.model_validate({"gate": "signature", **fields})
    return ask(replace(case, contract=lambda: contract), gate.with_features())


def test_cells_that_break_the_contract_are_counted(tmp_path: Path) -> None:
    """By a bare gate too, where the pipeline declares features; an input that comes from another column by that column."""
    case = case_of(
        tmp_path, table={"age_in_years": [30, 17, 5], "city": ["Graz", "Linz", None]}, inputs={"age": "age_in_years"}
    )
    result = held_to(case, features(age={"range": [18, 100]}, city={"values": ["Graz"], "nulls": "50%"}))
    found = result.findings[4]

    assert (found.subject, found.verdict, found.code, found.observed) == (
        "contract_violations", Verdict.FAIL, "contract_violations", 3.0,
    )  # fmt: skip
    assert (found.rows, found.counted_in) == (6, "cells")
    assert found.reason == (
        "contract violations: age (column age_in_years) of holdout is not 18 to 100 in 2 of 3 rows; the first is row 2; "
        "city of holdout is not one of Graz in 1 of 3 rows; the first is row 2"
    )
    assert [(one["feature"], one["rule"], one["first_rows"]) for one in found.detail["offenders"]] == [
        ("age", "range", [2, 3]), ("city", "values", [2]),
    ]  # fmt: skip
    assert found.detail["features"] == {"age": "the pipeline", "city": "the pipeline"}
    exhibit = json.loads((tmp_path / "exhibits" / "signature-contract.json").read_text())
    assert [list(point) for point in exhibit["points"]] == [
        ["holdout", "age", "range", "18 to 100", 2, 3, 2],
        ["holdout", "city", "values", "one of Graz", 1, 3, 2],
    ]


def test_a_contract_that_holds_passes(tmp_path: Path) -> None:
    """With the number of cells that were looked at; a limit may allow some."""
    contract = features(age={"type": "integer", "range": [18, 100]})
    result = held_to(case_of(tmp_path, table=TABLE), contract)
    some = held_to(case_of(tmp_path / "some", table={"age": [1, 20]}), contract, require=["contract_violations <= 1"])

    assert [one.verdict for one in result.findings] == [Verdict.PASS] * 5
    assert result.findings[4].reason == "contract violations: none among 2 cells"
    assert (some.findings[0].verdict, some.findings[0].observed) == (Verdict.PASS, 1.0)


def test_the_contract_of_the_candidate_adds_to_that_of_the_pipeline(tmp_path: Path) -> None:
    """And softens nothing of it."""
    known = {"metadata": {"features": {"age": {"range": [0, 200]}, "city": {"values": ["Graz", "Linz"]}}}}
    case = case_of(tmp_path, table={"age": [30, 17], "city": ["Graz", "Wels"]}, candidate_facts=known)
    found = held_to(case, features(age={"range": [18, 100]})).findings[4]

    assert [(one["feature"], one["rule"]) for one in found.detail["offenders"]] == [
        ("age", "range"),
        ("city", "values"),
    ]
    assert found.detail["features"] == {"age": "the pipeline", "city": "the model's metadata"}


@pytest.mark.parametrize("empty", [True, False])
def test_a_contract_of_nothing_shows_nothing(tmp_path: Path, *, empty: bool) -> None:
    """No rows, or no features where a line asks for them."""
    table = {"age": pa.array([], pa.int64()), "city": pa.array([], pa.string())} if empty else TABLE
    contract = features(age={"range": [18, 100]}) if empty else features()
    found = held_to(case_of(tmp_path, table=table), contract, require=["contract_violations <= 0"]).findings[0]

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason == f"contract violations: {'the data have no rows' if empty else 'no features are declared'}"


def test_the_schema_that_a_contract_is_read_from_decides_what_is_found(tmp_path: Path) -> None:
    """So a resumed run must find it as it was, and a change of it is one of the policy."""
    gate = Signature.model_validate({"gate": "signature"}).with_features("./schemas/inputs.yaml")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "inputs.yaml").write_bytes(b"columns: {age: {dtype: int64}}")

    assert gate.own_code == ("schemas/inputs.yaml",)
    assert gate.origins(tmp_path) == {"schemas/inputs.yaml": sha256_file(tmp_path / "schemas" / "inputs.yaml")}
    with pytest.raises(UsageError, match=r"inputs\.yaml, which features_from names, cannot be read"):
        gate.origins(tmp_path / "elsewhere")
